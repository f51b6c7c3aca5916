"""The small extracts of the ERP cases, changed as people and systems change them: rows more, whole tables instead of a company's."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.gate import Gate
from flows.doctor import examine
from flows.inbox import landing
from flows.pipeline import rate, stages
from flows.settings import Settings

HERE = Path(__file__).parent / "erp"
AS_OF = date(2026, 2, 20)


class Changed:
    """A case's extract with further records by column; what loading it says, and what the mart then has."""

    def __init__(
        self, home: Path, gate: Gate, case: str, source: str, more: Mapping[str, list[dict[str, str]]]
    ) -> None:
        self.settings = Settings.model_validate(
            {"home": home / "home", "policy": rate.SHIPPED_POLICIES / "default.toml"}
        )
        delivered = sorted((HERE / case).iterdir())
        files = [_changed(path, path.read_text("utf-8"), home, more.get(path.stem, [])) for path in delivered]
        added = sorted(more.keys() - {path.stem for path in delivered})
        files += [_changed(home / f"{name}.csv", ",".join(more[name][0]), home, more[name]) for name in added]
        landing.land(
            self.settings,
            files,
            source=source,
            company="1000",
            extracted_at=datetime(2026, 1, 31, 2, tzinfo=UTC),
        )
        (self.outcome,) = stages.load_stage(self.settings, gate).outcomes

    def said(self) -> str:
        return " ".join(map(str, self.outcome.faults))

    def published(self) -> Changed:
        assert not self.outcome.faults
        assert not [table.name for table in self.outcome.tables if table.quarantined]
        self.rating = stages.rate_stage(self.settings, AS_OF)
        stages.publish_stage(self.settings)
        return self

    def one(self, sql: str) -> tuple[Any, ...] | None:
        with duckdb.connect(str(self.settings.mart_file), read_only=True) as connection:
            return connection.execute(sql).fetchone()


def _changed(path: Path, text: str, home: Path, rows: list[dict[str, str]]) -> str:
    delimiter = ";" if ";" in text.splitlines()[0] else ","
    header = text.splitlines()[0].split(delimiter)
    header += sorted({column for row in rows for column in row} - set(header))
    made = home / path.name
    with made.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, restval="", delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*csv.DictReader(text.splitlines(), delimiter=delimiter), *rows])
    return str(made)


# --- Any of them


def test_books_in_another_currency_than_the_settings_have_are_told_by_the_rating_and_the_doctor(
    tmp_path: Path, gate: Gate
) -> None:
    found = Changed(tmp_path, gate, "01-kingdee-unapproved-receivable-stays/b1", "kingdee", {}).published()
    assert found.rating is not None
    (told,) = found.rating.other_currencies
    assert told.startswith("1000 keeps its books in CNY, and company_currency is EUR")
    assert [each.message for each in examine(found.settings).findings if each.what == "currency"] == [told]


def test_books_in_the_currency_of_the_settings_ask_for_nothing(tmp_path: Path, gate: Gate) -> None:
    found = Changed(tmp_path, gate, "03-odoo/b1", "odoo", {}).published()
    assert found.rating is not None
    assert found.rating.other_currencies == []
    assert "currency" not in {each.what for each in examine(found.settings).findings}


# --- Odoo

LINE = {
    "move_id": "1",
    "product_id": "700",
    "quantity": "1",
    "currency_id": "125",
    "amount_residual_currency": "0",
    "date": "2026-01-05",
}


def test_the_cost_lines_of_one_sale_in_odoo_are_summed_where_there_are_several(
    tmp_path: Path, gate: Gate
) -> None:
    cost = {**LINE, "account_id": "41", "display_type": "cogs", "cogs_origin_id": "11"}
    more = {
        "account_account": [{"id": "41", "account_type": "expense_direct_cost"}],
        "account_move_line": [
            {**cost, "id": "901", "amount_currency": "60", "balance": "60"},
            {**cost, "id": "902", "amount_currency": "-5", "balance": "-5"},
        ],
    }
    found = Changed(tmp_path, gate, "03-odoo/b1", "odoo", more).published()
    assert found.one("SELECT sum(net_sales), sum(cost) FROM customer_month WHERE customer_id = '41'") == (
        100,
        55,
    )


@pytest.mark.parametrize(("statement", "net_overdue"), [("7", 0), ("", 100)])
def test_money_that_a_bank_statement_brought_in_odoo_pays_what_is_due_and_an_entry_by_hand_does_not(
    tmp_path: Path, gate: Gate, statement: str, net_overdue: int
) -> None:
    # Customer 41 owes 100 since 4 February.
    more = {
        "account_move": [
            {"id": "90", "name": "BNK1/2026/1", "move_type": "entry", "state": "posted", "posted_before": "t"}
            | {"company_id": "1", "commercial_partner_id": "41", "statement_line_id": statement}
        ],
        "account_move_line": [
            {
                "id": "901",
                "move_id": "90",
                "account_id": "10",
                "partner_id": "41",
                "currency_id": "125",
                "date": "2026-02-02",
            }
            | {"amount_currency": "-100", "balance": "-100", "amount_residual_currency": "-100"}
        ],
    }
    found = Changed(tmp_path, gate, "03-odoo/b1", "odoo", more).published()
    sql = "SELECT open_balance, net_overdue FROM credit_watch WHERE customer_id = '41'"
    assert found.one(sql) == (0, net_overdue)


# --- ERPNext


@pytest.mark.parametrize(
    ("kind", "net_overdue", "days_late"),
    [("Bank Entry", 0, 0), ("Cash Entry", 0, 0), ("Journal Entry", 1000, 20)],
)
def test_money_entered_in_erpnext_s_journal_pays_what_is_due_and_another_entry_does_not(
    tmp_path: Path, gate: Gate, kind: str, net_overdue: int, days_late: int
) -> None:
    # CJ owes 1,000 since 31 January.
    entry = {
        "company": "Co",
        "account_type": "Receivable",
        "party_type": "Customer",
        "party": "CJ",
        "account_currency": "EUR",
    }
    invoice = {
        "voucher_type": "Sales Invoice",
        "voucher_no": "SI-J",
        "due_date": "2026-01-31",
        "posting_date": "2026-01-02",
    }
    journal = {"voucher_type": "Journal Entry", "voucher_no": "JV-1", "posting_date": "2026-01-28"}
    more = {
        "customer": [{"name": "CJ", "customer_name": "CJ Ltd", "disabled": "0", "is_frozen": "0"}],
        "payment_ledger_entry": [
            {
                **entry,
                **each,
                "name": each["voucher_no"],
                "amount": amount,
                "amount_in_account_currency": amount,
                "delinked": "0",
            }
            | {"against_voucher_type": each["voucher_type"], "against_voucher_no": each["voucher_no"]}
            for each, amount in ((invoice, "1000"), (journal, "-1000"))
        ],
        "journal_entry": [{"name": "JV-1", "voucher_type": kind}],
    }
    found = Changed(tmp_path, gate, "02-erpnext", "erpnext", more).published()
    sql = "SELECT open_balance, net_overdue, days_late_12m FROM credit_watch WHERE customer_id = 'CJ'"
    assert found.one(sql) == (0, net_overdue, days_late)


# --- Tables of the whole system, where one company's are asked for


@pytest.mark.parametrize(
    ("case", "source", "more", "words"),
    [
        (
            "04-sap",
            "sap_ecc",
            {"T001": [{"BUKRS": "2000", "WAERS": "CHF", "KKBER": "2000"}]},
            "T001 holds 2 company codes",
        ),
        (
            "02-erpnext",
            "erpnext",
            {"company": [{"name": "Co 2", "default_currency": "USD"}]},
            "company holds 2 companies",
        ),
        (
            "03-odoo/b1",
            "odoo",
            {"res_company": [{"id": "2", "partner_id": "2", "currency_id": "1", "is_own": "t"}]},
            "is_own of res_company marks 2 companies",
        ),
        (
            "01-kingdee-unapproved-receivable-stays/b1",
            "kingdee",
            {
                "收款单_1": [
                    {"单据编号": number, "结算组织": of} for number, of in (("SK8", "甲"), ("SK9", "乙"))
                ]
            },
            "names 2 organizations (乙, 甲)",
        ),
    ],
)
def test_an_extract_of_several_companies_is_refused_and_says_which_file_holds_them(
    tmp_path: Path, gate: Gate, case: str, source: str, more: Mapping[str, list[dict[str, str]]], words: str
) -> None:
    found = Changed(tmp_path, gate, case, source, more)
    assert found.outcome.status == "refused"
    assert words in found.said()
    assert "scalar_subquery" not in found.said()


RATIO = {"KURST": "M", "FCURR": "JPY", "TCURR": "EUR", "FFACT": "100", "TFACT": "1"}
YEN = {
    "VBRK": [{"VBELN": "0090000099", "VBTYP": "M", "WAERK": "JPY", "KURRF": "0,65000", "FKDAT": "10.01.2026", "BUKRS": "1000"}
             | {"KUNAG": "0000000001", "LAND1": "DE"}],
    "VBRP": [{"VBELN": "0090000099", "POSNR": "000010", "MATNR": "M1", "FKIMG": "1,000", "VRKME": "ST", "NETWR": "10.000,00"}],
}  # fmt: skip


def _with_ratios(folder: Path, ratios: list[dict[str, str]]) -> str:
    """A case with TCURF, which the cases have none of."""
    lines = [";".join(RATIO), *(";".join(ratio.values()) for ratio in ratios)]
    (folder / "TCURF.csv").write_text("\n".join(lines) + "\n")
    for path in (HERE / "04-sap").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return str(folder)


def test_a_ratio_that_sap_keeps_for_several_days_is_one_where_they_agree(tmp_path: Path, gate: Gate) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    case = _with_ratios(folder, [RATIO, RATIO])
    found = Changed(tmp_path, gate, case, "sap_ecc", YEN).published()
    sql = "SELECT sum(net_sales) FROM customer_month WHERE customer_id = '0000000001' AND month = DATE '2026-01-01'"
    assert found.one(sql) == (65,)


def test_a_record_that_a_looked_up_key_gives_twice_is_named_with_its_file_and_row(
    tmp_path: Path, gate: Gate
) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    case = _with_ratios(folder, [RATIO, {**RATIO, "FFACT": "1"}])
    found = Changed(tmp_path, gate, case, "sap_ecc", YEN)
    last = len((HERE / "04-sap" / "VBRP.csv").read_text().splitlines()) + 1
    assert f"such as of VBRP.csv, row {last}" in found.said()
    assert "looked up has a key twice" in found.said()
