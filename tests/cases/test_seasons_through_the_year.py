"""Customers of the cases month by month, measured from the lines alone: the season changes no loyalty."""

from __future__ import annotations

import csv
import gzip
from datetime import date
from decimal import Decimal

import pytest

from tests.cases.landed import CUSTOMERS
from tests.unit.transforms.small_worlds import facts, line, measure
from transforms.frames.plan import month_end, months_between

Row = dict[str, object]


def measured(folder: str, customer: str, first: date, last: date) -> dict[date, Row]:
    """A customer at the end of each month, by what had been billed by then; every figure by its period."""
    with gzip.open(CUSTOMERS / folder / "invoice_lines.csv.gz", "rt", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["customer_id"] == customer]
    with (CUSTOMERS / folder / "customers.csv").open(encoding="utf-8") as file:
        (opened,) = [row["created_on"] for row in csv.DictReader(file) if row["customer_id"] == customer]
    master = [{"customer_id": customer, "created_on": date.fromisoformat(opened)}]
    lines = [
        line(
            date.fromisoformat(row["invoice_date"]),
            row["net_amount"],
            customer_id=customer,
            document_id=row["document_id"],
            quantity=row["quantity"],
            cost_amount_company=row["cost_amount_company"],
        )
        for row in rows
    ]
    found = {}
    for month in months_between(first, last):
        end = month_end(month)
        known = [each for each in lines if each["invoice_date"] <= end]
        (found[month],) = measure(facts(known, customers=master), closed_through=end).to_dicts()
    return found


def of(found: dict[date, Row], column: str) -> set[object]:
    return {row[column] for row in found.values()}


@pytest.mark.parametrize(
    ("customer", "since", "months"), [("P02YEARLY", date(2026, 2, 1), 1), ("P04BSEAS10", date(2026, 1, 1), 4)]
)
def test_from_the_24th_month_on_the_season_counts_and_nothing_moves(
    customer: str, since: date, months: int
) -> None:
    found = measured("planted", customer, since, date(2026, 10, 1))
    assert of(found, "loyalty_basis") == {"season"}
    assert of(found, "season_months") == {months}
    assert of(found, "active_month_ratio") == of(found, "repurchase_timeliness") == {1}
    assert of(found, "loyalty") == {1}


def test_before_the_24th_month_the_calendar_counts_and_it_is_said() -> None:
    found = measured("planted", "P04SEASON", date(2026, 3, 1), date(2026, 10, 1))
    young = found.pop(date(2026, 3, 1))
    assert (young["loyalty_basis"], young["season_months"]) == ("too_young", None)
    assert of(found, "season_months") == {4}
    assert of(found, "active_month_ratio") == {1}


@pytest.mark.parametrize("customer", ["DAILY"])
def test_a_closure_over_the_holidays_moves_a_daily_buyer_by_less_than_three_hundredths(customer: str) -> None:
    found = measured("variants", customer, date(2025, 11, 1), date(2026, 1, 1))
    loyalties = [Decimal(str(row["loyalty"])) for row in found.values()]
    assert max(loyalties) - min(loyalties) < Decimal("0.03")


ORDERED = {
    "each spring": ([(3,), (3,), (3,)], "season"),
    "each spring, a month later once": ([(3,), (4,), (3,)], "season"),
    "four months, begun a month later each year": ([(2, 3, 4, 5), (3, 4, 5, 6), (4, 5, 6, 7)], "season"),
    "each quarter": ([(2, 5, 8, 11), (2, 5, 8, 11), (2, 5, 8, 11)], "season"),
    "twice a year at odd times": ([(1, 10, 11), (7, 12), (1, 11)], "calendar"),
    "now and then": ([(3, 9, 10, 11), (3, 5, 8, 9, 10, 12), (7, 8, 5)], "calendar"),
}


@pytest.mark.parametrize("when", ORDERED)
def test_a_season_comes_back_more_often_than_orders_at_odd_times_do(when: str) -> None:
    months, basis = ORDERED[when]
    lines = [
        line(date(2023 + year, month, 10), 900, customer_id="C", document_id=f"{year}-{month}")
        for year, ordered in enumerate(months)
        for month in ordered
    ]
    master = [{"customer_id": "C", "created_on": date(2020, 1, 1)}]
    (found,) = measure(facts(lines, customers=master), closed_through=date(2025, 12, 31)).to_dicts()
    assert found["loyalty_basis"] == basis
