"""The dealer of the page on adding a source: a mapping that is corrected, and a derived table with a mended row."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from expectations.gate import Gate
from flows.inbox import landing
from flows.inbox.corrections import release, sheet
from flows.pipeline import rate, stages
from flows.settings import Settings
from tests.flows.test_mending import write
from warehouse.mart.queries import QuarantineFilter
from warehouse.store.ledger import BatchOutcome

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-source.md"
EXPORTS = Path(__file__).with_name("dealer")
AS_OF = date(2025, 6, 15)
TAKEN = datetime(2025, 6, 1, 2, tzinfo=UTC)
TEST_LINE = "R-9999;1;21.05.2025;00023;A-7;1;ST;999.999,00;\n"
RECEIVABLES = """
    SELECT document AS item_id, arg_min(customer, _row) AS customer_id, document AS document_id, 'invoice' AS item_type,
           min(invoiced_on) AS posting_date, min(invoiced_on) AS due_date, sum(net) AS original_amount, 'EUR' AS currency,
           sum(net) AS original_amount_company, 'EUR' AS company_currency, arg_min(_file, _row) AS _file,
           arg_min(_row, _row) AS _row
    FROM LINES WHERE document <> 'Summe' GROUP BY document
"""


def printed(name: str) -> str:
    """A file of the example, as the page prints it."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"\*\*`{re.escape(name)}`\*\*\n\n```\w+\n(.*?)```", text, re.DOTALL)
    assert found, name
    return found.group(1)


class Dealer:
    """A home with the dealer's source, whose mapping a test changes."""

    def __init__(self, root: Path, gate: Gate) -> None:
        self.root, self.gate = root, gate
        self.source = root / "sources" / "dealer"
        self.source.mkdir(parents=True)
        for name in ("profile.yaml", "invoice_lines.sql", "customers.sql"):
            (self.source / name).write_text(printed(f"sources/dealer/{name}"), encoding="utf-8")
        self.settings = Settings.model_validate(
            {
                "home": root / "home",
                "sources_path": [root / "sources"],
                "data_docs": "never",
                "policy": rate.SHIPPED_POLICIES / "default.toml",
            }
        )
        self.settings.home.mkdir()

    def change(self, name: str, old: str, new: str) -> None:
        file = self.source / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new), encoding="utf-8")

    def land(self, *files: Path, taken: datetime = TAKEN) -> None:
        landing.land(
            self.settings, [str(file) for file in files], source="dealer", company="DE01", extracted_at=taken
        )

    def refresh(self) -> list[BatchOutcome]:
        report = stages.load_stage(self.settings, self.gate)
        assert [str(fault) for outcome in report.outcomes for fault in outcome.faults] == []
        stages.rate_stage(self.settings, AS_OF)
        stages.publish_stage(self.settings)
        return report.outcomes

    def one(self, sql: str) -> object:
        with duckdb.connect(str(self.settings.warehouse_file), read_only=True) as connection:
            (row,) = connection.execute(sql).fetchall()
            return row[0] if len(row) == 1 else row

    @property
    def net_sales(self) -> str:
        with duckdb.connect(str(self.settings.mart_file), read_only=True) as connection:
            [(found,)] = connection.execute("SELECT sum(net_sales)::VARCHAR FROM customer_month").fetchall()
            return str(found)


@pytest.fixture
def dealer(tmp_path: Path, gate: Gate) -> Dealer:
    return Dealer(tmp_path, gate)


def with_test_line(dealer: Dealer) -> Path:
    exports = dealer.root / "exports"
    exports.mkdir(exist_ok=True)
    text = printed("exports/Rechnungen_2025-05.csv").replace("Summe;", f"{TEST_LINE}Summe;")
    file = exports / "Rechnungen_2025-05.csv"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("taken", [TAKEN, datetime(2025, 6, 20, 2, tzinfo=UTC)])
def test_the_same_files_by_a_corrected_mapping_take_back_what_the_old_one_gave(
    dealer: Dealer, taken: datetime
) -> None:
    files = [with_test_line(dealer), EXPORTS / "Kunden.csv"]
    dealer.land(*files)
    dealer.refresh()
    assert dealer.net_sales == "1001893.5000"
    dealer.change(
        "invoice_lines.sql", "CASE WHEN document = 'Summe'", "CASE WHEN document = 'R-9999' THEN 'test_invoice' WHEN document = 'Summe'"
    )  # fmt: skip
    dealer.change("profile.yaml", 'version: "1"', 'version: "2"')
    dealer.land(*files, taken=taken)
    dealer.refresh()
    assert dealer.net_sales == "1894.5000"
    assert (
        dealer.one(
            "SELECT (is_deleted, deleted_by)::VARCHAR FROM erp.invoice_lines WHERE document_id = 'R-9999'"
        )
        == "(true, mapping)"
    )
    assert dealer.one("SELECT count(*), count(DISTINCT extracted_at) FROM ops.batch") == (1, 1)
    assert [file.name for file in (dealer.settings.archive / "dealer" / "DE01").iterdir()] == [
        dealer.one("SELECT batch_id FROM ops.batch")
    ]
    assert (
        dealer.one("SELECT max(revision) FROM rated.customer_value_history WHERE customer_id = '00023'") == 2
    )


def test_a_table_that_the_new_mapping_fills_no_more_is_emptied_of_what_the_old_one_gave(
    dealer: Dealer,
) -> None:
    (dealer.source / "receivables.sql").write_text(RECEIVABLES, encoding="utf-8")
    dealer.change("profile.yaml", "  customers: {driving: CUSTOMERS}", "  customers: {driving: CUSTOMERS}\n  receivables: {driving: LINES, derived: true}")  # fmt: skip
    files = [with_test_line(dealer), EXPORTS / "Kunden.csv"]
    dealer.land(*files)
    dealer.refresh()
    assert dealer.one("SELECT count(*) FROM erp.receivables WHERE NOT is_deleted") == 6
    dealer.change("profile.yaml", "\n  receivables: {driving: LINES, derived: true}", "")
    dealer.land(*files)
    dealer.refresh()
    assert dealer.one("SELECT count(*), count(*) FILTER (deleted_by = 'mapping') FROM erp.receivables") == (
        6,
        6,
    )


def test_a_derived_row_with_a_bad_record_waits_and_has_all_its_amounts_after_the_release(
    dealer: Dealer,
) -> None:
    (dealer.source / "receivables.sql").write_text(RECEIVABLES, encoding="utf-8")
    dealer.change("profile.yaml", "  customers: {driving: CUSTOMERS}", "  customers: {driving: CUSTOMERS}\n  receivables: {driving: LINES, derived: true}")  # fmt: skip
    dealer.land(EXPORTS / "Rechnungen_2025-05.csv", EXPORTS / "Kunden.csv")
    dealer.refresh()
    owed = (
        "SELECT sum(original_amount)::DOUBLE FROM erp.receivables WHERE NOT is_deleted AND item_id = 'R-1001'"
    )
    assert dealer.one(owed) is None
    assert dealer.one("SELECT count(*) FROM quarantine.reason WHERE rule = 'made_of_quarantined'") == 1

    header, *rows = sheet(dealer.settings, QuarantineFilter())
    mended = [dict(zip(header, row, strict=True)) for row in rows]
    for row in mended:
        row["Netto"] = row["Netto"].replace("O", "0")
    release(dealer.settings, write(dealer, mended))  # type: ignore[arg-type]
    dealer.refresh()
    assert dealer.one(owed) == 1314.5
