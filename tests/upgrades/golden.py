"""The golden homes of released states: unpacked, brought up to this version, and what this version makes of them.

    python -m tests.upgrades.golden

writes what this version computes beside the homes, to be reviewed as a difference: whoever changes a figure on purpose
runs it, and lists the differences in the CHANGELOG.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from datetime import date
from pathlib import Path

import duckdb

from expectations.gate import Gate
from flows.pipeline import stages
from flows.settings import Settings

HOMES = Path(__file__).with_name("homes")
# Each state a home was made by, oldest first.
STATES = tuple(sorted(path.name.removesuffix(".tar.xz") for path in HOMES.glob("*.tar.xz")))
# The day after the batch that waits in the inbox.
AS_OF = date(2024, 7, 31)

_RESULTS = {
    "ratings": """SELECT customer_id, strftime(period, '%Y-%m') AS period, revision, cause, effective_tier, segment, score
                  FROM rated.customer_value_history ORDER BY ALL""",
    "credit": """SELECT customer_id, open_balance, overdue_1_30, overdue_31_60, overdue_over_90, credit_grade, credit_action
                 FROM rated.credit_watch ORDER BY ALL""",
    "conduct": """SELECT customer_id, kind, confidence, concerned_amount FROM rated.conduct_finding
                  WHERE confidence NOT IN ('none', 'not_assessable') ORDER BY ALL""",
    "actions": "SELECT customer_id, action FROM rated.next_action ORDER BY ALL",
    "events": "SELECT customer_id, sequence, type, time FROM ops.outbox ORDER BY ALL",
}


def unpack(state: str, folder: Path) -> Path:
    """The home of a state, as it was packed, in a new folder below `folder`."""
    home = folder / "home"
    home.mkdir(parents=True)
    with tarfile.open(HOMES / f"{state}.tar.xz") as archive:
        archive.extractall(home, filter="data")
    return home


def refresh(home: Path, as_of: date = AS_OF) -> None:
    """What a refresh of this version does with a home, without Prefect and the report."""
    settings = Settings.model_validate({"home": home})
    stages.load_stage(settings, Gate())
    stages.rate_stage(settings, as_of)
    stages.publish_stage(settings)
    stages.relay_stage(settings)


def results(home: Path) -> str:
    """What this version computed, as lines of text: a heading a table, then its rows."""
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as connection:
        lines = []
        for name, sql in _RESULTS.items():
            found = connection.execute(sql)
            lines += [f"[{name}]", "\t".join(str(column[0]) for column in found.description)]
            lines += [
                "\t".join("" if value is None else str(value) for value in row) for row in found.fetchall()
            ]
        return "\n".join(lines) + "\n"


def blessed(state: str) -> Path:
    """Where the results stand that were looked at and found right."""
    return HOMES / f"{state}.results.tsv"


def main() -> None:
    """Write what this version makes of each home."""
    for state in STATES:
        with tempfile.TemporaryDirectory() as folder:
            home = unpack(state, Path(folder))
            refresh(home)
            blessed(state).write_text(results(home), encoding="utf-8")
        sys.stdout.write(f"{blessed(state)}: compare it with `git diff`\n")


if __name__ == "__main__":
    main()
