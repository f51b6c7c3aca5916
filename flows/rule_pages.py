"""Writes the pages on the rules that are tables in the transforms, or checks them: `python -m flows.rule_pages`."""

from __future__ import annotations

import sys
from pathlib import Path

from expectations.generated import PROJECT, write_or_check
from flows.rate import default_policy
from transforms.periods import first_of_month
from transforms.playbook import playbook_table
from transforms.policy import parse_policy
from transforms.tier_memory import state_machine_table

TIERS_PATH: Path = PROJECT / "docs" / "tiers.md"
PLAYBOOK_PATH: Path = PROJECT / "docs" / "playbook.md"

_TIERS = """# How a tier moves

Made from `transforms/tier_memory.py` by `make docs`; do not edit.

Each rating period, every customer takes the first of these steps that holds. The *raw tier* is what the period says by
itself, after the gates; a *run* is a number of periods in a row that speak for another tier. The numbers are those of the
shipped policy, `[memory]`; its margin is {margin}: a run up counts with every bar raised by it, a run down with every bar
lowered. The effective tier is then the lower of this tier and a cap (credit `stop`, confirmed misconduct), unless an
override says otherwise.

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
        TIERS_PATH: _TIERS.format(margin=policy.memory.margin, table=tiers),
        PLAYBOOK_PATH: _PLAYBOOK.format(table=playbook_table()),
    }


if __name__ == "__main__":
    sys.exit(max(write_or_check(path, text, sys.argv[1:]) for path, text in pages().items()))
