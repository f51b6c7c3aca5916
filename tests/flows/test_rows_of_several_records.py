"""Rows that are made of several records: they wait for those in quarantine, and are made again when these are released."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.inbox.corrections import release
from tests.flows.test_mending import exported, mend, publish, write
from tests.warehouse.making import (
    PROFILE,
    Delivery,
    Loader,
    assert_conserved,
    changed,
    line,
    lines,
    of_lines,
)
from warehouse.mart.queries import status

RECEIVABLES = """
    SELECT document AS item_id, customer AS customer_id, document AS document_id, 'invoice' AS item_type,
           min(invoiced_on) AS posting_date, min(invoiced_on) AS due_date, sum(net) AS original_amount, 'EUR' AS currency,
           sum(net) AS original_amount_company, 'EUR' AS company_currency, {handles}
    FROM LINES GROUP BY document, customer
"""
HANDLES = "arg_min(_file, (_file, _row)) AS _file, arg_min(_row, (_file, _row)) AS _row"
DERIVED_CUSTOMERS = """
    SELECT DISTINCT ON (customer) customer AS customer_id, customer AS name, 'active' AS status, _file, _row FROM LINES
"""
BALANCES = "SELECT item_id, original_amount::DOUBLE, is_deleted FROM erp.receivables ORDER BY ALL"


def profile(**mapping: Any) -> dict[str, Any]:
    return changed(PROFILE, tables__receivables={"driving": "LINES", "derived": True, **mapping})


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source(profile(), {"receivables": RECEIVABLES.format(handles=HANDLES)})
    return made


def position(document: str, place: int, net: str, customer: str = "K1", quantity: str = "1") -> str:
    return f"{document};{place};05.05.2025;{customer};{quantity};{net}"


def fates(loader: Loader) -> list[tuple[Any, ...]]:
    """Table, rows in, accepted, quarantined and waiting of all batches."""
    return loader.query(
        "SELECT table_name, rows_in, accepted, quarantined, waiting FROM ops.batch_table ORDER BY ALL"
    )


def told_waiting(loader: Loader) -> list[dict[str, Any]]:
    """What `status` tells of rows that wait, from the books as `exported` published them."""
    with duckdb.connect(str(loader.settings.ops_file)) as connection:
        connection.execute("CREATE TABLE publication AS SELECT 1 AS generation")
    return status(loader.settings.ops_file).waiting


def waiting(loader: Loader) -> list[tuple[Any, ...]]:
    return loader.query(
        """SELECT batch_id, table_name, row_number FROM quarantine.reason JOIN quarantine."row"
           USING (source, company_code, batch_id, table_name, file, row_number)
           WHERE rule = 'made_of_quarantined' AND released_by IS NULL ORDER BY ALL"""
    )


def test_a_row_waits_for_a_record_of_it_and_is_made_again_of_all_when_that_is_released(
    loader: Loader,
) -> None:
    outcome = loader.loaded(
        of_lines(position("R1", 1, "1.234,50"), position("R1", 2, "8O,00"), position("R2", 1, "620,00"))
    )
    assert loader.query(BALANCES) == [("R2", 620.0, False)]
    assert waiting(loader) == [("b1", "receivables", 2)]
    assert any("receivables: 1 rows wait in quarantine" in warning for warning in outcome.warnings)
    assert fates(loader) == [
        ("invoice_lines", 3, 2, 1, 0),
        ("receivables", 2, 1, 0, 1),
    ]
    (row,) = exported(loader)
    assert told_waiting(loader) == [
        {"source": "shop", "company_code": "DE01", "batch_id": "b1", "table_name": "receivables", "rows": 1}
    ]
    assert (row["_table"], row["Pos"]) == ("invoice_lines", "2")

    mend(loader, lambda row: row.update(Netto="80,00"))
    (released,) = loader.load()
    assert {t.name: (t.rows_in, t.inserted) for t in released.tables} == {
        "invoice_lines": (1, 1),
        "receivables": (1, 1),
    }
    assert loader.query(BALANCES) == [("R1", 1314.5, False), ("R2", 620.0, False)]
    assert waiting(loader) == []
    assert exported(loader) == []
    assert told_waiting(loader) == []
    assert_conserved(loader)


@pytest.mark.parametrize(
    ("header", "unit"),
    [("Netto (EUR)", 1), ("Netto（TEUR）", 1_000), ("NETTO\u200b", 1), ("Netto\u00a0", 1)],
)
def test_a_row_waits_for_a_record_whatever_the_file_writes_beside_the_header(
    loader: Loader, header: str, unit: int
) -> None:
    net = {"header": "Netto", "type": "decimal(18,4)", "unit": "stated"}
    loader.source(
        changed(profile(), resources__LINES__columns__net=net),
        {"receivables": RECEIVABLES.format(handles=HANDLES)},
    )
    records = position("R1", 1, "1,50"), position("R1", 2, "8O,00"), position("R2", 1, "6,00")
    table = lines(*records, header=f"Beleg;Pos;Datum;Kunde;Menge;{header}")
    loader.loaded(Delivery({"LINES": {"lines.csv": table}}))
    assert loader.query(BALANCES) == [("R2", 6.0 * unit, False)]
    assert waiting(loader) == [("b1", "receivables", 2)]
    mended = next(name for name, value in exported(loader)[0].items() if value == "8O,00")
    mend(loader, lambda row: row.update({mended: "2,00"}))
    loader.load()
    assert loader.query(BALANCES) == [("R1", 3.5 * unit, False), ("R2", 6.0 * unit, False)]
    assert waiting(loader) == []
    assert_conserved(loader)


def test_a_row_with_a_fault_of_its_own_does_not_wait(loader: Loader) -> None:
    loader.loaded(of_lines(position("R1", 1, "x", customer=""), position("R1", 2, "1,00", customer="")))
    assert fates(loader)[1] == ("receivables", 1, 0, 1, 0)
    assert_conserved(loader)


def test_a_row_of_two_bad_records_is_made_when_both_are_released_one_after_the_other(loader: Loader) -> None:
    loader.loaded(
        of_lines(*(position("R1", place, net) for place, net in ((1, "x"), (2, "10,00"), (3, "y"))))
    )
    rows = exported(loader)
    release(loader.settings, write(loader, [{**rows[0], "Netto": "1,00"}]))
    loader.load()
    assert loader.query(BALANCES) == []
    assert len(waiting(loader)) == 1
    rows = exported(loader)
    assert [row["Pos"] for row in rows] == ["3"]
    release(loader.settings, write(loader, [{**rows[0], "Netto": "5,00"}]))
    loader.load()
    assert loader.query(BALANCES) == [("R1", 16.0, False)]
    assert waiting(loader) == []
    assert_conserved(loader)


def test_two_releases_of_one_group_that_land_together_leave_it_whole(loader: Loader) -> None:
    loader.loaded(
        of_lines(*(position("R1", place, net) for place, net in ((1, "x"), (2, "10,00"), (3, "y"))))
    )
    rows = exported(loader)
    release(loader.settings, write(loader, [{**rows[0], "Netto": "1,00"}]))
    release(loader.settings, write(loader, [{**rows[1], "Netto": "5,00"}]))
    loader.load()
    assert loader.query(BALANCES) == [("R1", 16.0, False)]
    assert waiting(loader) == []


def test_a_record_mended_in_two_steps_is_counted_as_it_was_mended_last(loader: Loader) -> None:
    loader.loaded(of_lines(position("R1", 1, "x"), position("R1", 2, "10,00")))
    mend(loader, lambda row: row.update(Netto="still wrong"))
    loader.load()
    assert loader.query(BALANCES) == []
    (row,) = exported(loader)
    release(loader.settings, write(loader, [{**row, "Netto": "7,00"}]))
    loader.load()
    assert loader.query(BALANCES) == [("R1", 17.0, False)]
    assert waiting(loader) == []
    assert_conserved(loader)


def test_a_record_that_could_not_be_split_joins_its_row_when_it_is_released(loader: Loader) -> None:
    outcome = loader.loaded(of_lines(position("R1", 1, "10,00"), "R1;2", "", position("R1", 3, "x")))
    assert any("could not be read which row they belong to" in warning for warning in outcome.warnings)
    rows = exported(loader)
    (bad,) = [row for row in rows if row["Pos"] == "3"]
    release(loader.settings, write(loader, [{**bad, "Netto": "1,00"}]))
    loader.load()
    assert loader.query(BALANCES) == [("R1", 11.0, False)]
    (unsplit,) = exported(loader)
    mended = {
        "Beleg": "R1",
        "Pos": "2",
        "Datum": "05.05.2025",
        "Kunde": "K1",
        "Menge": "1",
        "Netto": "100,00",
    }
    release(loader.settings, write(loader, [{**unsplit, **mended}]))
    loader.load()
    assert loader.query(BALANCES) == [("R1", 111.0, False)]
    assert_conserved(loader)


def test_a_record_that_is_mended_into_another_document_makes_both_again(loader: Loader) -> None:
    loader.loaded(of_lines(position("R1", 1, "10,00"), position("R1X", 2, "x")))
    assert loader.query(BALANCES) == [("R1", 10.0, False)]
    mend(loader, lambda row: row.update(Beleg="R1", Netto="2,00"))
    loader.load()
    assert loader.query(BALANCES) == [("R1", 12.0, False)]
    assert waiting(loader) == []


def test_a_row_waits_for_a_record_that_a_rule_keeps_out_and_not_only_for_one_that_cannot_be_read(
    loader: Loader,
) -> None:
    loader.loaded(of_lines(line(1, net="10,00"), line(1, net="11,00"), line(2)))
    assert [rule for *_, rule, _ in loader.reasons() if rule == "duplicate_key"] == ["duplicate_key"] * 2
    assert loader.query(BALANCES) == [("R2", 10.0, False)]


def test_a_column_that_a_derived_select_does_not_read_keeps_no_row_of_it_out(tmp_path: Path) -> None:
    made = Loader(tmp_path)
    tables = {"invoice_lines": {"driving": "LINES"}, "customers": {"driving": "LINES", "derived": True}}
    made.source({**PROFILE, "tables": tables}, {"customers": DERIVED_CUSTOMERS})
    made.loaded(of_lines(position("R1", 1, "x"), position("R2", 1, "1,00", customer="K2", quantity="abc")))
    assert made.column("SELECT customer_id FROM erp.customers ORDER BY ALL") == ["K1", "K2"]
    assert_conserved(made)

    grouped = "SELECT customer AS customer_id, customer AS name, 'active' AS status, {} FROM LINES GROUP BY customer"
    made.source({**PROFILE, "tables": tables}, {"customers": grouped.format(HANDLES)})
    made.loaded(of_lines(position("R3", 1, "x", customer="K3"), number=2))
    assert made.column("SELECT customer_id FROM erp.customers ORDER BY ALL") == ["K1", "K2", "K3"]


def test_what_a_row_is_grouped_by_may_be_named_where_its_select_does_not_show_it(loader: Loader) -> None:
    hidden = f"WITH line AS (SELECT * FROM LINES) {RECEIVABLES.format(handles=HANDLES).replace('FROM LINES', 'FROM line')}"
    loader.source(profile(), {"receivables": hidden})
    outcome = loader.loaded(of_lines(position("R1", 1, "x"), position("R1", 2, "1,00")))
    assert any("name their columns in grouped_by" in warning for warning in outcome.warnings)
    loader.source(
        profile(
            grouped_by="document",
        ),
        {"receivables": hidden},
    )
    outcome = loader.loaded(of_lines(position("R2", 1, "x"), position("R2", 2, "1,00"), number=2))
    assert not any("grouped_by" in warning for warning in outcome.warnings)
    assert ("b2", "receivables", 2) in waiting(loader)


def test_records_of_a_resource_that_only_derived_tables_are_made_of_are_told_and_released(
    tmp_path: Path,
) -> None:
    made = Loader(tmp_path)
    tables = {"receivables": {"driving": "LINES", "derived": True}}
    made.source({**PROFILE, "tables": tables}, {"receivables": RECEIVABLES.format(handles=HANDLES)})
    made.loaded(
        of_lines(position("R1", 1, "1,00"), position("R1", 2, "x"), position("R2", 1, "3,00"), "R2;2")
    )
    assert made.query(BALANCES) == [("R2", 3.0, False)]
    assert_conserved(made)
    rows = exported(made)
    assert [(row["Pos"], row["record"]) for row in rows] == [("2", ""), ("", "R2;2")]
    release(made.settings, write(made, [{**rows[0], "Netto": "2,00"}]))
    made.load()
    assert made.query(BALANCES) == [("R1", 3.0, False), ("R2", 3.0, False)]
    assert waiting(made) == []
    assert_conserved(made)


def test_a_mended_row_of_a_summing_table_takes_its_group_along(tmp_path: Path) -> None:
    """A table that is no derived one, and sums its records into the first of each group."""
    made = Loader(tmp_path)
    summed = """
        SELECT document AS document_id, '-' AS line_id, 'invoice' AS document_type, invoiced_on AS invoice_date,
               customer AS customer_id, NULL AS product_id, quantity, 'ST' AS uom, sum(net) OVER pair AS net_amount,
               'EUR' AS currency, sum(net) OVER pair AS net_amount_company, 'EUR' AS company_currency, false AS is_cancelled,
               CASE WHEN row_number() OVER (PARTITION BY document ORDER BY _file, _row) > 1 THEN 'summed' END AS _excluded,
               _file, _row
        FROM LINES WINDOW pair AS (PARTITION BY document)
    """
    tables = {"invoice_lines": {"driving": "LINES", "grouped_by": "document"}}
    made.source({**PROFILE, "tables": tables, "rules": {"summed": "part_of"}}, {"invoice_lines": summed})
    made.loaded(Delivery({"LINES": {"lines.csv": lines(position("R1", 1, "x"), position("R1", 2, "2,00"))}}))
    mend(made, lambda row: row.update(Netto="1,00"))
    (outcome,) = made.load()
    assert outcome.tables[0].rows_in == 2
    assert made.column("SELECT net_amount::DOUBLE FROM erp.invoice_lines") == [3.0]
    assert_conserved(made)


def test_the_same_sheet_of_a_summed_row_again_is_the_same_correction(loader: Loader) -> None:
    loader.loaded(of_lines(position("R1", 1, "x"), position("R1", 2, "2,00")))
    first = mend(loader, lambda row: row.update(Netto="1,00"))
    again = release(loader.settings, loader.root / "mended.csv")
    assert again.landed == first.landed
    loader.load()
    publish(loader)
    assert release(loader.settings, loader.root / "mended.csv").landed == []
