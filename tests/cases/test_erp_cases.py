"""What ERPs really do, in small: each folder is landed as the named source, batch by batch, refreshed, and looked at in the mart.

The folders' files are extracts as they were delivered; a folder with `b1`, `b2` … holds several batches, in their order.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.gate import Gate
from flows.inbox import landing
from flows.pipeline import rate, stages
from flows.settings import Settings

HERE = Path(__file__).parent / "erp"
COMPANY = "1000"
SOURCES = {"kingdee": "kingdee", "u8": "yonyou_u8", "erpnext": "erpnext", "odoo": "odoo", "sap": "sap_ecc"}
DAYS = {
    "01-kingdee-unapproved-receivable-stays": date(2026, 3, 31),
    "02-erpnext": date(2026, 2, 20),
    "03-odoo": date(2026, 2, 20),
    "04-sap": date(2026, 2, 20),
    "15-kingdee-unapproved-after-matching": date(2026, 3, 31),
}
OVERDUE = "overdue_1_30 + overdue_31_60 + overdue_61_90 + overdue_over_90"


class Mart:
    """A case's published mart."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def credit(self, customer: str, columns: str) -> Any:
        """The customer's row of the credit watch, one value or several; None if there is none."""
        return self._one(f"SELECT {columns} FROM credit_watch WHERE customer_id = ?", customer)

    def net_sales(self, customer: str, until: date = date(2026, 12, 31)) -> Decimal:
        sql = "SELECT coalesce(sum(net_sales), 0) FROM customer_month WHERE customer_id = ? AND month <= ?"
        return Decimal(self._one(sql, customer, until))

    def _one(self, sql: str, *parameters: object) -> Any:
        with duckdb.connect(str(self._file), read_only=True) as connection:
            row = connection.execute(sql, list(parameters)).fetchone()
        return row[0] if row and len(row) == 1 else row


def source_of(case: str) -> str:
    return next(source for word, source in SOURCES.items() if word in case)


@pytest.fixture(scope="module")
def mart(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Mart]:
    """Lands, loads and rates a case once; nothing may be refused or put aside."""
    gate = Gate()
    marts: dict[tuple[str, date], Mart] = {}

    def of(case: str, day: date | None = None) -> Mart:
        day = day or DAYS.get(case, date(2026, 3, 5))
        if (case, day) not in marts:
            home = tmp_path_factory.mktemp("home")
            policy = rate.SHIPPED_POLICIES / "default.toml"
            settings = Settings.model_validate({"home": home, "policy": policy})
            folder = HERE / case
            batches = sorted(path for path in folder.iterdir() if path.is_dir()) or [folder]
            for number, batch in enumerate(batches):
                files = [str(path) for path in sorted(batch.iterdir())]
                taken = datetime(2026, 1, 31, 2, tzinfo=UTC) + timedelta(days=number)
                landing.land(settings, files, source=source_of(case), company=COMPANY, extracted_at=taken)
                for outcome in stages.load_stage(settings, gate).outcomes:
                    assert not outcome.faults
                    assert not [table.name for table in outcome.tables if table.quarantined]
            stages.rate_stage(settings, day)
            stages.publish_stage(settings)
            marts[case, day] = Mart(home / "mart.duckdb")
        return marts[case, day]

    return of


# --- Kingdee and U8


def test_what_kingdee_unapproves_or_voids_is_owed_no_more_and_was_not_paid(mart: Callable[..., Mart]) -> None:
    found = mart("01-kingdee-unapproved-receivable-stays")
    assert found.credit("C1", f"open_balance, {OVERDUE}, unapplied_credit") == (113, 113, 0)
    assert found.net_sales("C1") == 100


def test_a_receipt_that_is_unapproved_pays_nothing_though_its_matches_were_not_listed_again(
    mart: Callable[..., Mart],
) -> None:
    found = mart("15-kingdee-unapproved-after-matching").credit("C1", f"open_balance, {OVERDUE}")
    assert found == (1130, 1130)


def test_what_was_received_for_a_receivable_that_is_unapproved_is_the_customer_s_again(
    mart: Callable[..., Mart],
) -> None:
    found = mart("15-kingdee-unapproved-after-matching").credit("C2", "open_balance, unapplied_credit")
    assert found == (-500, -500)


def test_a_red_document_is_set_against_the_receivable_that_it_names(mart: Callable[..., Mart]) -> None:
    found = mart("15-kingdee-unapproved-after-matching").credit("C3", "open_balance, net_overdue")
    assert found == (1921, 1130)


def test_a_red_invoice_is_set_against_the_invoices_that_its_lines_name_by_what_they_are_worth(
    mart: Callable[..., Mart],
) -> None:
    # 84.75 of 113 are for invoice 2, 16.95 for invoice 3; the line that names none goes to what is due first.
    found = mart("17-u8-red-invoice-names-two")
    assert found.credit("C1", f"open_balance, {OVERDUE}, net_overdue, net_overdue_over_90") == (
        2147,
        2260,
        2147,
        Decimal("1118.7"),
    )


def test_what_u8_unreviews_and_a_line_that_is_removed_count_no_more(mart: Callable[..., Mart]) -> None:
    assert mart("07-u8-unreviewed").net_sales("C1") == 500


# --- ERPNext


def test_a_payment_against_an_order_is_credit_of_the_customer_and_settles_no_invoice(
    mart: Callable[..., Mart],
) -> None:
    found = mart("02-erpnext").credit("CA", f"open_balance, {OVERDUE}, unapplied_credit, exposure")
    assert found == (600, 1000, -400, 600)


def test_a_return_that_keeps_its_own_outstanding_is_set_against_the_invoice_that_it_names(
    mart: Callable[..., Mart],
) -> None:
    found = mart("16-erpnext-return-kept-open")
    assert found.credit("CA", f"open_balance, {OVERDUE}, net_overdue, net_overdue_over_90") == (
        1481,
        1600,
        1481,
        1000,
    )


def test_each_term_of_a_payment_schedule_is_due_by_itself(mart: Callable[..., Mart]) -> None:
    found = mart("02-erpnext").credit("CB", "open_balance, overdue_31_60, not_yet_due, oldest_overdue_days")
    assert found == (1000, 500, 500, 51)


def test_an_invoice_cancelled_in_an_immutable_ledger_was_not_paid_late(mart: Callable[..., Mart]) -> None:
    assert mart("02-erpnext").credit("CC", "open_balance, days_late_12m") == (0, 0)


def test_an_invoice_settled_by_its_return_was_not_paid_late(mart: Callable[..., Mart]) -> None:
    assert mart("02-erpnext").credit("CD", "open_balance, days_late_12m") == (0, None)


@pytest.mark.parametrize(
    ("customer", "case", "owed"),
    [
        ("CE", "02-erpnext", 0),  # paid in another currency, with the difference of the rates
        ("CF", "02-erpnext", 0),  # paid before it was billed
        ("CG", "02-erpnext", 700),  # a credit note moved to its invoice by a journal entry
        ("CA", "13-erpnext-pos", 900),  # a till that took a part
        ("CB", "13-erpnext-pos", -60),  # more came in than was paid back
        ("CD", "13-erpnext-pos", -300),  # a credit note by itself
        ("CE", "13-erpnext-pos", 500),  # a journal entry, paid in part
    ],
)
def test_erpnext_s_ledger_leaves_owed_what_its_own_report_shows(
    customer: str, case: str, owed: int, mart: Callable[..., Mart]
) -> None:
    assert mart(case).credit(customer, "open_balance") == owed


def test_delinked_entries_leave_nothing_owed(mart: Callable[..., Mart]) -> None:
    assert mart("13-erpnext-pos").credit("CC", "open_balance") in {None, 0}


def test_what_was_paid_before_it_was_billed_is_credit_until_then(mart: Callable[..., Mart]) -> None:
    assert mart("02-erpnext", day=date(2026, 1, 31)).credit("CF", "open_balance, unapplied_credit") == (
        -500,
        -500,
    )


def test_who_is_owed_money_is_not_graded_by_what_was_paid_back(mart: Callable[..., Mart]) -> None:
    grade, action = mart("13-erpnext-pos").credit("CB", "credit_grade, credit_action")
    assert grade not in {"D", "E"}
    assert action == "open"


def test_what_was_paid_in_another_currency_is_late_by_its_payment_and_not_by_its_clearing(
    mart: Callable[..., Mart],
) -> None:
    assert mart("18-sap-paid-in-another-currency").credit("0000000001", "open_balance, days_late_12m") == (
        0,
        10,
    )


# --- Odoo


@pytest.mark.parametrize("case", ["03-odoo", "09-odoo-limit-zero"])
def test_a_limit_of_0_is_none_in_odoo(case: str, mart: Callable[..., Mart]) -> None:
    assert mart(case).credit("41", "credit_limit") is None


def test_without_a_limit_nothing_is_prepaid_for_being_over_it(mart: Callable[..., Mart]) -> None:
    assert mart("09-odoo-limit-zero").credit("41", "credit_action") == "open"


def test_exchange_differences_leave_nothing_open(mart: Callable[..., Mart]) -> None:
    assert mart("03-odoo").credit("43", "open_balance") == 0


def test_a_line_removed_while_the_invoice_was_in_draft_is_gone(mart: Callable[..., Mart]) -> None:
    assert (mart("03-odoo").net_sales("42"), mart("03-odoo").credit("42", "open_balance")) == (300, 300)


def test_one_instalment_instead_of_two_is_owed_once(mart: Callable[..., Mart]) -> None:
    assert mart("03-odoo").credit("44", "open_balance") == 1000


def test_a_refund_is_no_late_payment(mart: Callable[..., Mart]) -> None:
    assert mart("03-odoo").credit("45", "open_balance, days_late_12m") == (0, None)


def test_a_first_load_in_which_nothing_was_ever_reconciled_loads(mart: Callable[..., Mart]) -> None:
    found = mart("14-odoo-first-load-no-reconciliation")
    assert found.credit("41", "open_balance") == 100


def test_reconciliations_that_were_there_are_not_all_undone_by_an_empty_file(tmp_path: Path) -> None:
    settings, gate = Settings(home=tmp_path / "home"), Gate()
    (tmp_path / "account_partial_reconcile.csv").write_text(
        "id,debit_move_id,credit_move_id,debit_amount_currency,credit_amount_currency,max_date\n", "utf-8"
    )
    files = [str(path) for path in sorted((HERE / "03-odoo" / "b1").iterdir())]
    emptied = [str(tmp_path / Path(file).name) if "reconcile" in file else file for file in files]
    for number, batch in enumerate((files, emptied), 1):
        taken = datetime(2026, 2, number, 2, tzinfo=UTC)
        landing.land(settings, batch, source="odoo", company=COMPANY, extracted_at=taken)
    first, second = stages.load_stage(settings, gate).outcomes
    assert (first.status, second.status) == ("loaded", "refused")
    assert [fault.rule for fault in second.faults] == ["empty_snapshot"]


# --- SAP


def test_a_partial_payment_that_names_the_invoice_is_netted(mart: Callable[..., Mart]) -> None:
    found = mart("04-sap").credit("0000000001", f"open_balance, {OVERDUE}, unapplied_credit")
    assert found == (50, 50, 0)


def test_a_cancelled_billing_document_was_never_paid(mart: Callable[..., Mart]) -> None:
    assert mart("04-sap").credit("0000000002", "open_balance, days_late_12m") == (0, 0)


def test_a_request_for_a_down_payment_is_no_sale(mart: Callable[..., Mart]) -> None:
    assert mart("04-sap").net_sales("0000000003", until=date(2026, 1, 31)) == 0
    assert mart("04-sap", day=date(2026, 3, 5)).net_sales("0000000003", until=date(2026, 2, 28)) == 1000


def test_a_returns_item_counts_against_its_invoice(mart: Callable[..., Mart]) -> None:
    assert mart("04-sap").net_sales("0000000004") == 800


def test_a_credit_memo_that_names_the_invoice_leaves_nothing_overdue(mart: Callable[..., Mart]) -> None:
    assert mart("04-sap").credit("0000000005", f"open_balance, {OVERDUE}") == (0, 0)
