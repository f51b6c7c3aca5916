"""A late correction of a closed month: only the cells it touches are computed again."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest

from expectations.gate import Gate
from flows.pipeline import stages
from tests.flows.small_company import customer, item, land, line, load, settings_of
from tests.flows.small_history import LAST_MONTH, extract, months, taken_on
from warehouse.rating import cells

MONTHS = [date(2024, month, 10) for month in range(1, 13)]
AS_OF = date(2025, 1, 15)


def test_only_the_cells_that_a_correction_touches_are_rewritten(tmp_path: Path) -> None:
    """Every stored cell is marked before the correction is rated: those that still bear the mark were not written again."""
    settings, gate = settings_of(tmp_path / "home"), Gate()
    lines = [
        line(f"{buyer}-{day:%m}", buyer, day, 100 + place)
        for place, day in enumerate(MONTHS)
        for buyer in ("A", "B", "C")
    ]
    extract = {"customers": [customer(buyer) for buyer in ("A", "B", "C")], "invoice_lines": lines}
    land(settings, extract, taken=date(2025, 1, 14), sequence=1)
    load(settings, gate)
    stages.rate_stage(settings, AS_OF)
    with duckdb.connect(str(settings.warehouse_file)) as warehouse:
        for table in ("customer_month", "sales_cell", "salesperson_month"):
            warehouse.execute(f"UPDATE rated.{table} SET net_sales = 424242")
        warehouse.execute("UPDATE rated.order_day SET net_sales = 424242")

    corrected = line("A-03", "A", MONTHS[2], 55)
    moved = line("B-05", "B", MONTHS[6], 104)  # from May to July
    credit = line(
        "G1", "C", MONTHS[10], -10, document_type="credit_note", quantity=-1, references_document_id="C-02"
    )
    land(settings, {"invoice_lines": [corrected, moved, credit]}, taken=date(2025, 1, 15), sequence=2)
    load(settings, gate)
    stages.rate_stage(settings, AS_OF)

    # B's May is gone with its only line; the credit note counts in the month of its invoice, and touches its own as well.
    touched = {("A", 3), ("B", 7), ("C", 2), ("C", 11)}
    with duckdb.connect(str(settings.warehouse_file), read_only=True) as warehouse:
        for table, day in (
            ("customer_month", "month"),
            ("sales_cell", "month"),
            ("salesperson_month", "month"),
            ("order_day", "order_on"),
        ):
            written = warehouse.execute(
                f"SELECT DISTINCT customer_id, month({day}) FROM rated.{table} WHERE net_sales <> 424242"
            ).fetchall()
            assert set(written) == touched, table
        kept = warehouse.execute(
            "SELECT count(*) FROM rated.customer_month WHERE net_sales = 424242"
        ).fetchall()
    assert kept == [(3 * 12 - 1 - len(touched),)]


def test_a_history_summed_in_parts_of_a_few_lines_gives_the_cells_of_one_summed_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another month's credit notes and lines that are gone among them."""
    settings = settings_of(tmp_path / "whole")
    for number, month in enumerate(months(), start=1):
        land(settings, extract(month), taken=taken_on(month), sequence=number)
    load(settings, Gate())
    shutil.copytree(tmp_path / "whole", tmp_path / "chunked")
    stages.rate_stage(settings, taken_on(LAST_MONTH))
    monkeypatch.setattr(cells, "MOST_LINES", 3)
    stages.rate_stage(settings_of(tmp_path / "chunked"), taken_on(LAST_MONTH))
    for name in ("customer_month", "sales_cell", "salesperson_month", "order_day"):
        whole, chunked = (_rows(tmp_path / home / "warehouse.duckdb", name) for home in ("whole", "chunked"))
        assert whole, name
        assert whole == chunked, name


def _rows(warehouse: Path, name: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        return sorted(connection.execute(f"FROM rated.{name}").fetchall(), key=repr)


@pytest.mark.parametrize(
    ("before", "after", "since"),
    [
        ({}, {"cleared_date": date(2025, 2, 3)}, date(2025, 2, 3)),
        ({}, {"cleared_date": date(2025, 2, 3), "clearing_id": "C1"}, date(2025, 2, 3)),
        (
            {"cleared_date": date(2025, 2, 3)},
            {"cleared_date": date(2025, 2, 3), "clearing_id": "C1"},
            date(2025, 2, 3),
        ),
        ({}, {"cleared_date": date(2025, 2, 3), "original_amount": "90.00"}, date(2024, 11, 5)),
        ({}, {"is_disputed": "true"}, None),
    ],
)
def test_a_changed_item_reaches_back_to_the_day_from_which_the_change_says_anything(
    tmp_path: Path, before: dict[str, object], after: dict[str, object], since: date | None
) -> None:
    settings, gate = settings_of(tmp_path / "home"), Gate()
    nothing = dict.fromkeys(("cleared_date", "clearing_id", "is_disputed"))
    owed = item("I1", "A", date(2024, 11, 5), date(2024, 12, 5), "100.00", **nothing)
    land(
        settings, {"customers": [customer("A")], "receivables": [{**owed, **before}]}, taken=AS_OF, sequence=1
    )
    load(settings, gate)
    with duckdb.connect(str(settings.warehouse_file)) as warehouse:
        warehouse.execute("DELETE FROM ops.dirty_table")
    land(settings, {"receivables": [{**owed, **after}]}, taken=date(2025, 2, 4), sequence=2)
    load(settings, gate)
    with duckdb.connect(str(settings.warehouse_file)) as warehouse:
        found = warehouse.execute("SELECT customer_id, earliest FROM ops.dirty_table").fetchall()
    assert found == ([] if since is None else [("A", since)])
