"""A ledger of settled invoices: what was open on a day in the past, and how late customers pay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.real.conftest import Installation

pytestmark = [pytest.mark.real, pytest.mark.slow]
AS_OF = date(2013, 6, 30)


@pytest.fixture(scope="module")
def ledger(install: Callable[[str], Installation], real_data: Path) -> Installation:
    installation = install("USD")
    file = real_data / "accounts_receivable" / "accounts_receivable.csv"
    installation.land([file], "accounts_receivable", datetime(2014, 2, 1, 6))
    result = installation.refresh(AS_OF)
    assert result.exit_code(strict=True) == 0
    return installation


def test_every_item_is_accepted_with_its_leading_zeros(ledger: Installation) -> None:
    assert ledger.one(
        """SELECT count(*), count(DISTINCT customer_id), sum(original_amount_company), min(length(item_id)),
                  count(*) FILTER (is_disputed)
           FROM erp.receivables"""
    ) == (2466, 100, Decimal("147703.1800"), 10, 561)
    assert ledger.one("SELECT count(*) FROM quarantine.reason") == (0,)


def test_what_is_open_on_a_past_day_was_posted_by_then_and_settled_after(ledger: Installation) -> None:
    assert ledger.one(
        f"""SELECT count(*), sum(original_amount_company) FROM erp.receivables
            WHERE posting_date <= DATE '{AS_OF}' AND (cleared_date IS NULL OR cleared_date > DATE '{AS_OF}')"""
    ) == (84, Decimal("5119.8500"))


def test_the_credit_watch_finds_the_same_balance_and_its_buckets_add_up(ledger: Installation) -> None:
    buckets = (
        "not_yet_due + overdue_1_30 + overdue_31_60 + overdue_61_90 + overdue_over_90 + unapplied_credit"
    )
    with ledger.mart() as mart:
        ((balance, split, as_of),) = mart.sql(
            f"SELECT sum(open_balance), sum({buckets}), max(as_of) FROM credit_watch"
        ).fetchall()
    assert (balance, split, as_of) == (Decimal("5119.8500"), Decimal("5119.8500"), AS_OF)


def test_over_a_third_of_the_items_were_settled_late(ledger: Installation) -> None:
    assert ledger.one(
        """SELECT count(*) FILTER (cleared_date > due_date), round(100.0 * count(*) FILTER (cleared_date > due_date) / count(*), 2),
                  max(cleared_date - due_date)
           FROM erp.receivables"""
    ) == (877, 35.56, 45)


def test_a_ledger_alone_is_watched_and_not_rated(ledger: Installation) -> None:
    with ledger.mart() as mart:
        assert mart.sql("SELECT count(*) FROM credit_watch").fetchall() == [(100,)]
        # One owes nothing, and had disputed every invoice of its year: nothing says how it pays.
        ungraded = mart.sql("SELECT customer_id FROM credit_watch WHERE credit_grade IS NULL").fetchall()
        assert ungraded == [("3568-JJMFW",)]
        # Nobody ordered, and the customers themselves were first seen in 2014, with the extract.
        assert mart.sql("SELECT count(*) FROM customer_value").fetchall() == [(0,)]
