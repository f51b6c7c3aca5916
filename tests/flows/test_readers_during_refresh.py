"""Who reads the published mart while the pipeline runs sees no error, and one state of it, whole."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from expectations.gate import Gate
from tests.flows.small_company import customer, item, land, line, refresh, settings_of
from warehouse.mart.publish import published_generation

READER = Path(__file__).with_name("mart_reader.py")
BUYERS = ("A", "B", "C")
FIRST_DAY = date(2025, 3, 27)


@contextmanager
def reader(way: str, mart: Path) -> Iterator[dict[str, Any]]:
    """A reader for the length of the block; filled after it with what the reader saw."""
    report: dict[str, Any] = {}
    with subprocess.Popen(
        [sys.executable, str(READER), way, str(mart)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield report
        said, _ = process.communicate()
    assert process.returncode == 0
    report.update(json.loads(said))


@pytest.mark.slow
@pytest.mark.parametrize(
    "refreshes", [10, pytest.param(50, marks=[pytest.mark.long, pytest.mark.timeout(1200)])]
)
def test_neither_a_held_nor_a_new_connection_sees_an_error_or_half_a_mart_during_refreshes(
    tmp_path: Path, refreshes: int
) -> None:
    configured, gate = settings_of(tmp_path / "home"), Gate()
    past = [
        line(f"{buyer}{number}", buyer, FIRST_DAY - timedelta(days=30 * number), 1_000 * (number + 1))
        for buyer in BUYERS
        for number in range(1, 14)
    ]
    owed = [item("I1", "A", FIRST_DAY - timedelta(days=40), FIRST_DAY - timedelta(days=10), 14_000)]
    masters = [customer(buyer, created_on=date(2020, 1, 1)) for buyer in BUYERS]
    land(
        configured,
        {"customers": masters, "invoice_lines": past, "receivables": owed},
        taken=FIRST_DAY,
        sequence=1,
    )
    refresh(configured, gate, FIRST_DAY)
    first = published_generation(configured.home)

    mart = configured.home / "mart.duckdb"
    with reader("held", mart) as held, reader("reconnecting", mart) as reconnecting:
        # Over the end of a month, so that a period is added too, with a correction of an old one in between.
        for number in range(1, refreshes + 1):
            day = FIRST_DAY + timedelta(days=number)
            sold = [line(f"N{number}-{buyer}", buyer, day, 777 * number) for buyer in BUYERS]
            changed = [{**past[number], "net_amount": 5}] if number == 7 else []
            land(
                configured,
                {"invoice_lines": sold + changed},
                taken=day + timedelta(days=1),
                sequence=1 + number,
            )
            refresh(configured, gate, day)
    last = published_generation(configured.home)

    assert first is not None
    assert last is not None
    assert held["generations"] == [first], "the file that was opened stays what it was"
    assert held["reads"] > refreshes
    seen = reconnecting["generations"]
    assert seen == sorted(seen)
    assert len(seen) > refreshes // 2, "the reader slept through the refreshes"
    with reader("reconnecting", mart) as newest:
        pass
    assert newest["generations"] == [last]
