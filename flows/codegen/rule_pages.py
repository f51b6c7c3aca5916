"""Writes the pages on the rules that are tables in the transforms, or checks them: `python -m flows.codegen.rule_pages`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from expectations.codegen.generated import PROJECT, write_or_check
from flows.pipeline.rate import SHIPPED_POLICIES, default_policy
from transforms.credit.warnings import warning_causes
from transforms.frames.periods import first_of_month
from transforms.policy.model import Policy, parse_policy
from transforms.policy.upgrade import STEPS, Added
from transforms.rating.playbook import playbook_table
from transforms.tiers.caps import cap_table
from transforms.tiers.memory import state_machine_table

TIERS_PATH: Path = PROJECT / "docs" / "tiers.md"
PLAYBOOK_PATH: Path = PROJECT / "docs" / "playbook.md"

POLICIES_PATH: Path = PROJECT / "docs" / "policies.md"
WARNINGS_PATH: Path = PROJECT / "docs" / "credit-warnings.md"

_TIERS = """# How a tier moves

Made from `transforms/tiers/memory.py` and `transforms/tiers/caps.py` by `make docs`; do not edit.

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

Made from `transforms/policy/` by `make docs`; do not edit.

A policy is one TOML file, and every threshold in it gives its reason. `valuemart policy check FILE` tells what is wrong with
one, `valuemart calibrate` proposes one fitted to your data, and `policy` in the settings names the one that rules. It rules
the periods that end on its `effective_from` or later; put into place earlier, it waits, and the one before goes on ruling.

## What is set

{temperaments}
What they set differently; everything else is as in `default`:

{table}
## Schema versions

A policy says in `schema_version` which version of its keys it is written in; one that says nothing is of version 1. A file of
an earlier version goes on ruling as it did: what it does not say means what this table says. `valuemart policy upgrade FILE`
writes it anew, with its comments. A policy is known by the hash of what is written in it, so a rating always leads to the text
that ruled it, in whatever version that was written.

{versions}
How a key is added:

1. Give it to its section in `transforms/policy/model.py` or `credit.py`, without a default, with its bounds and its meaning.
2. Add `Added("section.key", value, "what policies without it meant")` to the last step in `transforms/policy/upgrade.py`, if
   its version is not released yet (no home in `tests/upgrades/homes` has a policy of it); else to a step of a new version. The value must make an older policy compute as it did.
3. Write it into the three shipped policies, each with its reason, and `schema_version` where it rises.
4. Use it in the transforms; whoever changes what a figure means raises `rules_version` too.
5. `make docs`, and test what it decides. A released key goes by `Removed("section.key", "what happens instead")`.
"""
_WARNINGS = """# Credit warnings

Made from `transforms/credit/warnings.py` and `transforms/policy/` by `make docs`; do not edit.

A warning says that somebody should act before goods are sold on credit. It is raised when the first of these causes is, names
all that hold with their figures (`warning_causes`, `warning_reason`), and ends when the policy's `clear_after_days` have passed
since the last watch that found one. A cause is raised at its first bar, inclusive, and holds until its figure is back at the
second one.

{table}
- *Material* is an amount that reaches `material_amount`, `material_share` of what it is part of and `material_sales_share` of
  the customer's yearly sales, so that cents warn nobody.
- What is owed and overdue is net of unapplied credit, and without what is in dispute.
- `grace_days` is what a payment may take on its way: what is overdue by no more neither blocks nor warns by its grade or share.
  Only the habit looks at it earlier, for it knows this customer.
- A habit with nothing overdue is no news: it shows in `credit_grade`, and as `watch` in `credit_action`.
- `days_late_p90_12m` counts a customer's settled items alike, not by amount, and needs `habit_min_items` of them.
- Memory is by day. A watch remembers what stood on the latest watched day up to its own, its own among them, whatever was
  watched later. So who looks back (`--as-of`) finds a warning standing since it was raised, knows nothing of what came later,
  and changes no later day. A past day's figures are those of its facts as they are known now.
"""
_PLAYBOOK = """# The playbook

Made from `transforms/rating/playbook.py` by `make docs`; do not edit.

Every rated customer has one next action: the first of these rows that holds. It stands in `next_action`, with its reason
and what is at stake; `also` names the other rows that hold. Within an action `place` counts from the largest stake down.

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
        WARNINGS_PATH: _WARNINGS.format(table=_warnings()),
    }


def _shipped() -> dict[str, Policy]:
    """The shipped policies by name, the default one first."""
    found = {
        path.stem: parse_policy(path.read_text(encoding="utf-8")) for path in SHIPPED_POLICIES.glob("*.toml")
    }
    return dict(sorted(found.items(), key=lambda item: (item[0] != "default", item[0])))


def _warnings() -> str:
    """Every cause with its bars in the shipped policies."""
    shipped = _shipped()

    def bars(policy: Policy, cause: str) -> str:
        rule = policy.credit.warnings
        return f"{_written(getattr(rule.raise_from, cause))}, until {_written(getattr(rule.clear_at, cause))}"

    rows = [
        f"| `{cause.name}` | {cause.means} | {' | '.join(bars(each, cause.name) for each in shipped.values())} |"
        for cause in warning_causes(shipped["default"].credit)
    ]
    heading = [f"| cause | speaks of | {' | '.join(shipped)} |", "|---" * (len(shipped) + 2) + "|"]
    return "\n".join([*heading, *rows]) + "\n"


def _policies() -> str:
    """The shipped policies side by side: what each is for, and where they differ."""
    shipped = _shipped()
    names = list(shipped)
    keys = {name: dict(_flat(shipped[name].model_dump(exclude={"policy"}))) for name in names}
    rows = [
        f"| `{key}` | {' | '.join(_written(keys[name][key]) for name in names)} |"
        for key in keys["default"]
        if len({_written(keys[name][key]) for name in names}) > 1
    ]
    temperaments = "".join(f"- **{name}**: {shipped[name].policy.reason}\n" for name in names)
    heading = [f"| key | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    table = "\n".join([*heading, *rows]) + "\n"
    return _POLICIES.format(temperaments=temperaments, table=table, versions=_versions())


def _versions() -> str:
    """What each schema version added and removed, and what a policy of before it means."""
    rows = [
        "| 1 | | no `schema_version` is written |",
        "| 2 | `schema_version` | is 1 if it is not written |",
    ]
    for version, step in enumerate(STEPS, start=2):
        for change in step.changes:
            key = f"`{change.key}`" if isinstance(change, Added) else f"~~`{change.key}`~~"
            rows.append(f"| {version} | {key} | {change.meaning} |")
    return "\n".join(["| version | key | a policy of before |", "|---|---|---|", *rows]) + "\n"


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
