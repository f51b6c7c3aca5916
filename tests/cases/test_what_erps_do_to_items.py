"""What ERPs do to an item besides letting it be paid: move it, write it off, set it off, take a note back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.gate import Gate
from flows.inbox import landing
from flows.pipeline import rate, stages
from flows.settings import Settings

GOLDEN = Path(__file__).parents[1] / "golden"
AS_OF = date(2026, 2, 20)

Watch = Callable[[str, str], tuple[Any, ...] | None]


def watch(home: Path, gate: Gate, source: str, extract: Path, day: date = AS_OF) -> Watch:
    """Lands an extract, rates a day, and reads a customer's row of the credit watch from the mart."""
    settings = Settings.model_validate({"home": home, "policy": rate.SHIPPED_POLICIES / "default.toml"})
    files = [str(path) for path in sorted(extract.iterdir())]
    taken = datetime(2026, 1, 31, 2, tzinfo=UTC)
    landing.land(settings, files, source=source, company="1000", extracted_at=taken)
    (outcome,) = stages.load_stage(settings, gate).outcomes
    assert not outcome.faults
    assert not [table.name for table in outcome.tables if table.quarantined]
    stages.rate_stage(settings, day)
    stages.publish_stage(settings)

    def of(customer: str, columns: str) -> tuple[Any, ...] | None:
        with duckdb.connect(str(settings.mart_file), read_only=True) as connection:
            sql = f"SELECT {columns} FROM credit_watch WHERE customer_id = ?"
            return connection.execute(sql, [customer]).fetchone()

    return of


# --- U8


@pytest.fixture(scope="module")
def u8(tmp_path_factory: pytest.TempPathFactory) -> Watch:
    return watch(
        tmp_path_factory.mktemp("u8"), Gate(), "yonyou_u8", GOLDEN / "yonyou_u8" / "processes" / "extract"
    )


def test_what_u8_moves_to_another_customer_is_owed_by_that_one_under_the_old_due_date(u8: Watch) -> None:
    # 1,130 moved and 400 of it paid; 226 went there and back.
    assert u8("030001", "open_balance, net_overdue") == (226, 226)
    assert u8("030002", "open_balance, net_overdue, oldest_overdue_days") == (730, 730, 112)


def test_what_u8_moved_was_owed_by_the_first_customer_until_then(tmp_path: Path, gate: Gate) -> None:
    extract = GOLDEN / "yonyou_u8" / "processes" / "extract"
    before = watch(tmp_path, gate, "yonyou_u8", extract, date(2026, 1, 9))
    assert before("030001", "open_balance") == (1356,)
    assert (before("030002", "open_balance") or (0,)) == (0,)


def test_a_bad_debt_of_u8_is_written_off_and_no_late_payment(u8: Watch) -> None:
    found = u8("030003", "open_balance, written_off_24m, days_late_12m")
    assert found == (0, 165, 0)


def test_a_note_that_came_back_in_u8_is_owed_again(u8: Watch) -> None:
    # Money received for the note is still on account.
    assert u8("030004", "open_balance, unapplied_credit, overdue_31_60") == (0, -800, 800)


def test_a_red_invoice_set_against_a_blue_one_in_u8_is_no_late_payment(u8: Watch) -> None:
    # 90 set off 49 days late, 226 open for 81 days; 113 credited; 701.50 not yet due.
    late = (90 * 49 + 226 * 81) / Decimal(316)
    assert u8("030005", "open_balance, net_overdue, round(days_late_12m, 4)") == (
        Decimal("927.5"),
        226,
        round(late, 4),
    )


# --- ERPNext


@pytest.fixture(scope="module")
def erpnext(tmp_path_factory: pytest.TempPathFactory) -> Watch:
    extract = GOLDEN / "erpnext" / "settlements" / "extract"
    return watch(tmp_path_factory.mktemp("erpnext"), Gate(), "erpnext", extract)


def test_what_a_write_off_entry_of_erpnext_left_unpaid_is_written_off_and_the_rest_was_paid(
    erpnext: Watch,
) -> None:
    # 210 of 250 were paid the day before they were due, 40 written off; 60 credited by the journal.
    assert erpnext("CUST-0104", "open_balance, written_off_24m, days_late_12m") == (0, 40, 0)


# --- SAP


@pytest.fixture(scope="module")
def sap(tmp_path_factory: pytest.TempPathFactory) -> Watch:
    extract = GOLDEN / "sap_ecc" / "clearings" / "extract"
    return watch(tmp_path_factory.mktemp("sap"), Gate(), "sap_ecc", extract)


def test_a_payment_that_was_reversed_in_sap_makes_nobody_less_late(sap: Watch) -> None:
    # 1,000 due on 31 October; of it 400 were paid and reversed, and 50 of a credit memo paid out.
    assert sap("0000100401", "open_balance, net_overdue, days_late_12m") == (1000, 1000, 112)


def test_what_sap_moves_to_a_doubtful_account_was_not_paid_on_that_day(sap: Watch) -> None:
    # 800 open for 142 days, 200 paid 10 days late.
    assert sap("0000100402", "open_balance, days_late_12m") == (800, Decimal("115.6"))


def test_what_sap_moves_to_another_customer_is_owed_by_that_one(sap: Watch) -> None:
    assert sap("0000100403", "open_balance, days_late_12m") == (0, None)
    assert sap("0000100404", "open_balance, oldest_overdue_days, days_late_12m") == (600, 81, 81)


def test_a_guarantee_in_sap_is_owed_by_nobody_and_a_deposit_pays_no_invoice(sap: Watch) -> None:
    # 500 due on 31 December, 300 held as security.
    assert sap("0000100406", "open_balance, net_overdue, oldest_overdue_days") == (200, 500, 51)


def test_a_clearing_in_sap_of_which_nobody_knows_counts_as_a_payment_and_is_told(sap: Watch) -> None:
    assert sap("0000100405", "open_balance, written_off_24m, days_late_12m") == (0, 0, 69)
    told = "(SELECT sum(row_count) FROM batch_finding WHERE finding = 'settlement_unknown')"
    assert sap("0000100405", told) == (1,)


# --- Odoo


@pytest.fixture(scope="module")
def odoo(tmp_path_factory: pytest.TempPathFactory) -> Watch:
    extract = GOLDEN / "odoo" / "entries" / "extract"
    return watch(tmp_path_factory.mktemp("odoo"), Gate(), "odoo", extract)


def test_what_an_entry_of_odoo_took_to_an_expense_account_is_written_off(odoo: Watch) -> None:
    # 900 of 1,019 were paid the day before they were due.
    assert odoo("41", "open_balance, written_off_24m, days_late_12m") == (0, 119, 0)


def test_what_odoo_sets_off_with_a_debt_to_the_customer_was_paid_by_it(odoo: Watch) -> None:
    assert odoo("42", "open_balance, written_off_24m, days_late_12m") == (0, 0, 15)


def test_what_an_entry_of_odoo_moves_to_another_customer_is_owed_by_that_one(odoo: Watch) -> None:
    assert odoo("43", "open_balance, days_late_12m") == (0, 5)
    assert odoo("44", "open_balance, oldest_overdue_days") == (600, 112)


def test_an_entry_of_odoo_of_which_nobody_knows_counts_as_a_payment_and_cash_is_set_against_what_is_due(
    odoo: Watch,
) -> None:
    # 80 settled 10 days late; 60 of cash two days late, not reconciled yet.
    late = (80 * 10 + 60 * 2) / Decimal(140)
    found = odoo("45", "open_balance, net_overdue, written_off_24m, round(days_late_12m, 4)")
    assert found == (0, 0, 0, round(late, 4))
    told = "(SELECT sum(row_count) FROM batch_finding WHERE finding = 'settlement_unknown')"
    assert odoo("45", told) == (1,)
