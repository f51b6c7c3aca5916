"""Customers whose judgement needs no thought: it was right before, and stays so."""

from __future__ import annotations

from decimal import Decimal

import pytest

from expectations.gate import Gate
from tests.cases.landed import Case, refreshed


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Case:
    return refreshed(tmp_path_factory.mktemp("planted"), "planted", gate)


@pytest.mark.parametrize("customer", ["P01FLAT", "P03SHIFT", "P28BEFORE", "B00", "B15", "B29"])
def test_who_pays_on_the_day_is_open(planted: Case, customer: str) -> None:
    watch = planted.one("credit_watch", customer)
    assert (watch["credit_action"], watch["credit_grade"], watch["days_late_12m"]) == ("open", "A", 0)


def test_small_sums_paid_ten_days_late_are_a_habit_and_no_risk(planted: Case) -> None:
    """Of 390 open, 130 are three days past due, within the days of grace, so that the overdue share of 1 in 3 (by itself
    grade C) is not graded; the year's 9.81 days late are grade B."""
    watch = planted.one("credit_watch", "P08LATE10")
    assert (watch["credit_action"], watch["credit_grade"]) == ("open", "B")
    assert (watch["net_overdue"], watch["oldest_overdue_days"], watch["graded_overdue_share"]) == (130, 3, 0)
    assert round(watch["days_late_12m"], 2) == Decimal("9.81")


def test_who_has_cash_or_a_dispute_to_clear_up_is_asked_about_that(planted: Case) -> None:
    cash, dispute = planted.one("next_action", "P17ONACC"), planted.one("next_action", "P09DISPUTE")
    assert (cash["action"], cash["at_stake"]) == ("apply_cash", 250_000)
    assert (dispute["action"], dispute["at_stake"]) == ("settle_dispute", 800_000)
    assert dispute["also"] == "investigate"


def test_a_limit_of_0_allows_nothing(planted: Case) -> None:
    watch = planted.one("credit_watch", "P25LIM0")
    assert (watch["credit_action"], watch["action_reason"]) == ("prepay", "credit limit 0")
