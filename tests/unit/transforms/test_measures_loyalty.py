"""Whether a customer keeps coming, for how long it has, and how much of its demand it gives us."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from tests.unit.transforms.small_worlds import YEAR_END, facts, line, measure, monthly, one, policy
from transforms.measures.p_alive import probability_alive

OLD = {"customer_id": "C1", "available_on": date(2020, 1, 1)}
FLAT_YEAR = monthly(*[100] * 12)
WEIGHED = policy(
    loyalty__weights={
        "active_months": 35,
        "tenure": 20,
        "timeliness": 25,
        "share_of_wallet": 20,
        "p_alive": 0,
    }
)


def measured(*sales: dict, rule=None, **world) -> dict:
    return one(measure(facts(list(sales), **world), rule))


def ordered(*days_before: int) -> list[dict]:
    return [line(YEAR_END - timedelta(days=days), 10) for days in days_before]


def estimate(amount, **other) -> dict:
    return {"period_start": date(2024, 1, 1), "estimated_on": date(2024, 2, 1), "amount": amount, **other}


def test_who_never_ordered_is_neither_loyal_nor_disloyal() -> None:
    row = measured(customers=[{**OLD, "created_on": date(2022, 12, 31)}])
    assert (row["loyalty"], row["loyalty_reason"]) == (None, "no_orders")
    assert row["tenure_years"] == round(Decimal(731) / Decimal("365.25"), 6)


def test_active_months_are_those_with_an_order() -> None:
    credit_only = line(date(2024, 2, 5), -5, document_type="credit_note")
    row = measured(line(date(2023, 5, 1), 1), *monthly(*[7] * 6), credit_only)
    assert row["active_month_ratio"] == Decimal("0.5")


def test_a_young_customers_active_months_are_out_of_its_own() -> None:
    assert measured(*monthly(10, 0, 10))["active_month_ratio"] == round(Decimal(2) / 3, 6)


def test_tenure_runs_from_the_masters_opening_else_from_the_first_order() -> None:
    first = line(YEAR_END - timedelta(days=1461), 1)  # four years with one leap day
    assert measured(first)["tenure_years"] == 4
    opened = {**OLD, "created_on": YEAR_END - timedelta(days=2922)}
    assert measured(first, customers=[opened])["tenure_years"] == 8


def test_a_master_opened_after_the_period_gives_no_tenure() -> None:
    assert measured(*FLAT_YEAR, customers=[{**OLD, "created_on": date(2025, 6, 1)}])["tenure_years"] == 0


@pytest.mark.parametrize(
    ("days_since_last", "expected"),
    [(0, "1"), (30, "1"), (31, "0.988889"), (75, "0.5"), (120, "0"), (300, "0")],
)
def test_timeliness_falls_from_1_at_one_own_gap_to_0_at_four(days_since_last: int, expected: str) -> None:
    row = measured(*ordered(days_since_last, days_since_last + 30, days_since_last + 60))
    assert row["repurchase_timeliness"] == Decimal(expected)


def test_the_gap_is_the_median_of_those_between_order_days() -> None:
    # gaps 10, 20 and 90: median 20; gaps 10 and 90: median 50
    assert measured(*ordered(50, 60, 80, 170))["repurchase_timeliness"] == Decimal("0.5")
    assert measured(*ordered(125, 135, 225))["repurchase_timeliness"] == Decimal("0.5")


def test_orders_of_one_day_are_one() -> None:
    again = line(YEAR_END, 10, document_id="R2")
    assert measured(*ordered(0), again)["repurchase_timeliness"] is None


def test_an_order_after_closed_through_is_not_seen() -> None:
    later = line(date(2025, 1, 1), 10)
    assert measured(*ordered(75, 105, 135), later) == measured(*ordered(75, 105, 135))


@pytest.mark.parametrize(
    ("demand", "expected"), [(2400, "0.5"), (1200, "1"), (600, "1"), (0, None), (None, None)]
)
def test_share_of_wallet_is_sales_over_estimated_demand_at_most_1(
    demand: int | None, expected: str | None
) -> None:
    estimates = [] if demand is None else [estimate(demand)]
    row = measured(*FLAT_YEAR, demand_estimates=estimates)
    assert row["share_of_wallet"] == (None if expected is None else Decimal(expected))


def test_more_credit_than_sales_is_no_share_of_the_wallet() -> None:
    credit = line(date(2024, 6, 5), -5000, document_type="credit_note")
    assert measured(*FLAT_YEAR, credit, demand_estimates=[estimate(100)])["share_of_wallet"] == 0


def test_loyalty_is_the_mean_of_its_parts_by_hand() -> None:
    # orders in 12 of 12 months; 1461 days of 5 years; on time; half the wallet
    opened = {**OLD, "created_on": YEAR_END - timedelta(days=1461)}
    row = measured(*FLAT_YEAR, customers=[opened], demand_estimates=[estimate(2400)], rule=WEIGHED)
    assert row["loyalty"] == (35 + 20 * Decimal("0.8") + 25 + 20 * Decimal("0.5")) / 100


def test_a_part_that_cannot_be_assessed_does_not_weigh() -> None:
    opened = {**OLD, "created_on": YEAR_END - timedelta(days=1461)}
    row = measured(*FLAT_YEAR, customers=[opened], rule=WEIGHED)
    assert row["loyalty"] == (35 + 20 * Decimal("0.8") + 25) / 80


def test_loyalty_is_rounded_once_from_parts_that_are_not() -> None:
    # active 1/3, tenure 800 of 1826.25 days, no gap, no estimate: (35/3 + 20·0.438056…)/55 = 0.371415…
    opened = {**OLD, "created_on": YEAR_END - timedelta(days=800)}
    row = measured(line(date(2024, 10, 1), 1), customers=[opened], rule=WEIGHED)
    exact = (Decimal(35) / 3 + 20 * Decimal(800) / Decimal("1826.25")) / 55
    assert row["loyalty"] == round(exact, 6)


def test_tenure_beyond_the_policys_full_years_counts_as_full() -> None:
    opened = {**OLD, "created_on": date(1999, 1, 1)}
    assert measured(*FLAT_YEAR, customers=[opened])["loyalty"] == 1


# p_alive ---------------------------------------------------------------------------------------------------------


def crowd() -> list[dict]:
    """40 customers of which half came once, some keep coming and some stopped; the same every time."""
    draw = np.random.default_rng(7)
    sales = []
    for number in range(40):
        start = 700 + int(draw.integers(0, 60))
        orders = [start]
        if number % 2:
            stop = int(draw.integers(0, 600))
            while orders[-1] - (gap := int(draw.integers(10, 50))) > stop:
                orders.append(orders[-1] - gap)
        sales += [line(YEAR_END - timedelta(days=days), 10, customer_id=f"C{number}") for days in orders]
    return sales


SHOWN = {"loyalty__p_alive": "shown"}
SCORED = {"loyalty__p_alive": "scored", "loyalty__weights__p_alive": 25}


def test_p_alive_is_computed_only_where_the_policy_asks() -> None:
    world = facts(crowd())
    assert measure(world)["p_alive"].null_count() == 40
    shown = measure(world, policy(**SHOWN))
    assert shown["p_alive"].null_count() == 0
    assert shown["p_alive"].is_between(0, 1).all()


def test_p_alive_shown_enters_no_score() -> None:
    world = facts(crowd())
    off, shown = measure(world), measure(world, policy(**SHOWN))
    assert shown.drop("p_alive").equals(off.drop("p_alive"))
    scored = measure(world, policy(**SCORED))
    assert not scored["loyalty"].equals(off["loyalty"])


def test_one_order_is_not_certainly_alive_and_a_late_regular_is_less_so_than_a_recent_one() -> None:
    by_customer = measure(facts(crowd()), policy(**SHOWN)).join(
        pl.DataFrame({"customer_id": [f"C{number}" for number in range(40)]}), on="customer_id"
    )
    once = by_customer.filter(pl.col("first_order_on") == pl.col("last_order_on"))
    assert (once["p_alive"] < 1).all()
    regulars = by_customer.filter(pl.col("first_order_on") < pl.col("last_order_on")).sort("last_order_on")
    assert regulars["p_alive"][0] < regulars["p_alive"][-1]


def test_p_alive_does_not_depend_on_the_order_of_rows() -> None:
    sales = crowd()
    assert measure(facts(sales), policy(**SHOWN)).equals(measure(facts(sales[::-1]), policy(**SHOWN)))


def test_too_few_customers_or_repeaters_are_not_fitted() -> None:
    few = [record for record in crowd() if int(record["customer_id"][1:]) < 29]
    assert measure(facts(few), policy(**SHOWN))["p_alive"].null_count() == 29
    once = [line(YEAR_END - timedelta(days=number), 1, customer_id=f"C{number}") for number in range(40)]
    assert measure(facts(once), policy(**SHOWN))["p_alive"].null_count() == 40


def test_p_alive_by_hand() -> None:
    # r 1, alpha 1, a 1, b 2; two repeats until 3, seen until 7: 1/(1 + 1/4 · (8/4)³) = 1/3
    parameters = np.array([1.0, 1.0, 1.0, 2.0])
    [alive] = probability_alive(parameters, np.array([2.0]), np.array([3.0]), np.array([7.0]))
    assert alive == pytest.approx(1 / 3)
