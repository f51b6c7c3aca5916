"""Rows whose keys are all new go in without being compared with anything, and are what they would have been otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.landing_orders import Bench
from tests.warehouse.making import Delivery, customers, line, lines, numbered
from warehouse.merge import actions

MERGED = (
    "erp.invoice_lines",
    "erp.customers",
    "ops.dirty_cell",
    "ops.dirty_table",
    "quarantine.row",
    "ops.batch_table",
)


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each table merged, whether its rows went in without being compared."""
    seen: list[bool] = []
    merge_actions = actions.merge_actions

    def noted(*arguments: Any) -> actions.Actions:
        found = merge_actions(*arguments)
        seen.append(found.entering is not None)
        return found

    monkeypatch.setattr("warehouse.merge.merge.merge_actions", noted)
    return seen


def deliveries() -> Iterator[tuple[str, Delivery, bool]]:
    """Batches one after the other: what is said of each, the batch, and whether each of its keys is new."""
    good, bad = [line(n, customer=f"K{n % 3}") for n in range(1, 9)], line(9, net="12x")
    masters = customers("K0;Null", "K1;Eins", "K2;Zwei")
    yield (
        "the first",
        Delivery({"LINES": {"lines.csv": lines(*good, bad)}, "CUSTOMERS": {"customers.csv": masters}}),
        True,
    )
    yield (
        "a later one",
        Delivery({"LINES": {"lines.csv": lines(line(20), line(21, net="x"))}}, **numbered(2)),
        True,
    )
    yield (
        "one of another source",
        Delivery({"LINES": {"lines.csv": lines(line(30))}}, source="till", **numbered(3)),
        True,
    )
    yield (
        "one with a known key",
        Delivery({"LINES": {"lines.csv": lines(line(31), line(3, net="7,00"))}}, **numbered(4)),
        False,
    )
    gone = f"{line(40)};1"
    tombstone = lines(f"{line(41)};0", gone, header="Beleg;Pos;Datum;Kunde;Menge;Netto;Weg")
    yield "one with a tombstone", Delivery({"LINES": {"lines.csv": tombstone}}, **numbered(5)), False
    yield "one after tombstones", Delivery({"LINES": {"lines.csv": lines(line(50))}}, **numbered(6)), False


def merged(folder: Path, monkeypatch: pytest.MonkeyPatch, least: int) -> list[list[tuple[Any, ...]]]:
    """The tables after each batch."""
    monkeypatch.setattr(actions, "MANY_ROWS", least)
    bench, states = Bench(folder), []
    for _, delivery, _ in deliveries():
        bench.loaded(delivery)
        states.append([row for table in MERGED for row in bench.rows(f"SELECT * FROM {table} ORDER BY ALL")])
    return states


def test_rows_that_are_all_new_enter_as_if_they_were_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entered: list[bool]
) -> None:
    compared = merged(tmp_path / "compared", monkeypatch, 2**40)
    assert not any(entered)
    entered.clear()
    assert merged(tmp_path / "entered", monkeypatch, 1) == compared
    # The first batch is of two tables.
    assert entered == [True, *(new for *_, new in deliveries())]
