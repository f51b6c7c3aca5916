"""Writes the pages on the rules that are tables in the transforms, or checks them: `python -m flows.rule_pages`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from expectations.generated import PROJECT, write_or_check
from flows.rate import SHIPPED_POLICIES, default_policy
from transforms.periods import first_of_month
from transforms.playbook import playbook_table
from transforms.policy import parse_policy
from transforms.tier_caps import cap_table
from transforms.tier_memory import state_machine_table

TIERS_PATH: Path = PROJECT / "docs" / "tiers.md"
PLAYBOOK_PATH: Path = PROJECT / "docs" / "playbook.md"

POLICIES_PATH: Path = PROJECT / "docs" / "policies.md"

_TIERS = """# How a tier moves

Made from `transforms/tier_memory.py` and `transforms/tier_caps.py` by `make docs`; do not edit.

What the business sees is the *effective tier*: an override by hand while it is in force, else the lower of the *memory
tier*, which moves by rating periods, and a *cap*, which falls at once. The numbers are those of the shipped policy.

## The memory

Each rating period, every customer takes the first of these steps that holds. The *raw tier* is what the period says by
itself, after the gates; a *run* is a number of periods in a row that speak for another tier. The margin is {margin}: a run
up counts with every bar raised by it, a run down with every bar lowered. A second rating of the same period starts from
the same predecessor, so it advances nothing.

{table}
## The cap

{caps}
An override holds from its first day to its last, which is mandatory; it holds against confirmed misconduct, and against a
credit `stop` only if it says so.
"""
_POLICIES = """# The shipped policies

Made from `transforms/policies/` by `make docs`; do not edit.

A policy is one TOML file, and every threshold in it gives its reason. `valuemart policy check FILE` tells what is wrong with
one, `valuemart calibrate` proposes one fitted to your data, and `policy` in the settings names the one that rules. It rules
the periods that end on its `effective_from` or later; put into place earlier, it waits, and the one before goes on ruling.

{temperaments}
What they set differently; everything else is as in `default`:

{table}"""
_PLAYBOOK = """# The playbook

Made from `transforms/playbook.py` by `make docs`; do not edit.

Every rated customer has one next action: the first of these rows that holds. It stands in `next_action`, with its reason
and what is at stake; within an action `place` counts from the largest stake down.

{table}"""


def pages() -> dict[Path, str]:
    """The text of each page, by where it is kept."""
    policy = parse_policy(default_policy())
    # The period decides where the steps lead, not what they are called.
    tiers = state_machine_table(policy.memory, first_of_month(policy.policy.effective_from))
    return {
        TIERS_PATH: _TIERS.format(margin=policy.memory.margin, table=tiers, caps=cap_table(policy)),
        POLICIES_PATH: _policies(),
        PLAYBOOK_PATH: _PLAYBOOK.format(table=playbook_table()),
    }


def _policies() -> str:
    """The shipped policies side by side: what each is for, and where they differ."""
    shipped = {
        path.stem: parse_policy(path.read_text(encoding="utf-8")) for path in SHIPPED_POLICIES.glob("*.toml")
    }
    names = sorted(shipped, key=lambda name: (name != "default", name))
    keys = {name: dict(_flat(shipped[name].model_dump(exclude={"policy"}))) for name in names}
    rows = [
        f"| `{key}` | {' | '.join(_written(keys[name][key]) for name in names)} |"
        for key in keys["default"]
        if len({_written(keys[name][key]) for name in names}) > 1
    ]
    temperaments = "".join(f"- **{name}**: {shipped[name].policy.reason}\n" for name in names)
    heading = [f"| key | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    return _POLICIES.format(temperaments=temperaments, table="\n".join([*heading, *rows]) + "\n")


def _flat(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(_written, value))
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


if __name__ == "__main__":
    sys.exit(max(write_or_check(path, text, sys.argv[1:]) for path, text in pages().items()))
