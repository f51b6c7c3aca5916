"""What is supposed of a customer's year, and what of its figures that moves."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.unit.transforms.small_worlds import YEAR_END, facts, line, measure, monthly, one, sales
from transforms.facts.as_of import AsOfFacts
from transforms.measures.window import Window
from transforms.simulation.what_if import Supposition, suppose

WINDOW = Window(YEAR_END)
BILLED_ON = date(2024, 3, 1)

shares = st.integers(-9_999, 20_000).map(lambda share: Decimal(share).scaleb(-4))
amounts = st.lists(st.integers(-1_000, 100_000), min_size=12, max_size=18)


def goods(*amounts: int, customer: str = "C1", cost: str | None = "0.6") -> list[dict[str, Any]]:
    """A month's order each, at a cost in proportion."""
    share = None if cost is None else Decimal(cost)
    return [
        {**sold, "cost_amount_company": None if share is None else sold["net_amount_company"] * share}
        for sold in monthly(*amounts, customer=customer)
    ]


def known(sold: list[dict[str, Any]], **extracts: list[dict[str, Any]]) -> AsOfFacts:
    return AsOfFacts(facts(sold, **extracts), sales(sold))


def measured(world: AsOfFacts) -> pl.DataFrame:
    return measure(world.facts, cells=world.sales)


def item(
    number: int, *, days: int, settled_after: int | None, amount: int = 36_500, **more: Any
) -> dict[str, Any]:
    return {
        "item_id": f"I{number}",
        "posting_date": BILLED_ON,
        "due_date": BILLED_ON + timedelta(days=days),
        "cleared_date": None if settled_after is None else BILLED_ON + timedelta(days=settled_after),
        "original_amount": amount,
        "original_amount_company": amount,
        **more,
    }


def carrying(world: AsOfFacts) -> Decimal:
    row = one(measured(world))
    return Decimal(row["net_sales_12m"]) - Decimal(row["contribution_12m"])


@pytest.mark.parametrize(
    ("supposed", "net", "contribution"),
    [
        (Supposition(sales=Decimal("0.1")), 1_320, 528),  # 1,200 at 60 % cost, a tenth more of each
        (Supposition(price=Decimal("-0.03")), 1_164, 444),  # 36 less, at the same cost of 720
        (Supposition(Decimal("0.1"), Decimal("-0.03")), Decimal("1280.4"), Decimal("488.4")),
        (Supposition(price=Decimal("-0.5")), 600, -120),
    ],
)
def test_sales_bring_their_cost_with_them_and_a_price_does_not(
    supposed: Supposition, net: object, contribution: object
) -> None:
    row = one(measured(suppose(known(goods(*[100] * 12)), "C1", WINDOW, supposed)))
    assert (row["net_sales_12m"], row["contribution_12m"]) == (net, contribution)


def test_the_year_before_stays_what_it_was() -> None:
    world = suppose(known(goods(*[100] * 24)), "C1", WINDOW, Supposition(sales=Decimal("-0.5")))
    months = world.facts.customer_month.sort("month").collect()["net_sales"].to_list()
    assert months == [100] * 12 + [50] * 12


def test_what_is_not_known_of_the_cost_stays_unknown() -> None:
    row = one(
        measured(
            suppose(known(goods(*[100] * 12, cost=None)), "C1", WINDOW, Supposition(price=Decimal("0.1")))
        )
    )
    assert (row["net_sales_12m"], row["contribution_12m"], row["contribution_reason"]) == (
        1_320,
        None,
        "no_cost",
    )


@settings(max_examples=25)
@given(amounts, shares, shares)
def test_what_is_supposed_of_one_customer_moves_nobody_else(
    sold: list[int], more_sales: Decimal, more_price: Decimal
) -> None:
    world = known([*goods(*sold), *goods(*sold, customer="C2")])
    there = suppose(world, "C1", WINDOW, Supposition(more_sales, more_price, terms=90))
    others = pl.col("customer_id") != "C1"
    for name in ("customer_month", "order_day"):
        assert_frame_equal(
            getattr(there.facts, name).filter(others).collect(),
            getattr(world.facts, name).filter(others).collect(),
        )
    assert_frame_equal(there.sales.filter(others).collect(), world.sales.filter(others).collect())


@settings(max_examples=25)
@given(amounts, shares, shares)
def test_contribution_moves_by_what_is_asked_more_and_what_more_is_bought_brings(
    sold: list[int], more_sales: Decimal, more_price: Decimal
) -> None:
    world = known(goods(*sold))
    there = suppose(world, "C1", WINDOW, Supposition(more_sales, more_price))
    before, after = (each.facts.customer_month.sort("month").collect() for each in (world, there))
    bought = 1 + more_sales
    for month, net, contribution, then in zip(
        before["month"], before["net_sales"], before["contribution"], after["contribution"], strict=True
    ):
        expected = bought * (contribution + net * more_price) if month >= WINDOW.first_day else contribution
        assert abs(then - expected) <= Decimal("0.0003"), "each part is rounded once"


@settings(max_examples=25)
@given(amounts)
def test_supposing_that_all_is_as_it_is_changes_nothing(sold: list[int]) -> None:
    world = known(goods(*sold), receivables=[item(1, days=30, settled_after=41)])
    there = suppose(world, "C1", WINDOW, Supposition(terms=30))
    assert_frame_equal(measured(there), measured(world))


@pytest.mark.parametrize(
    ("terms", "settled_after", "open_days"),
    [
        (60, 30, 60),  # paid on the day
        (60, 45, 75),  # 15 days late, as ever
        (0, 30, 0),
        (14, 20, 4),  # 10 days before it was due
        (400, 30, 306),  # open at the year's end
        (60, None, 306),  # not settled: it stays open
    ],
)
def test_an_item_is_open_for_the_terms_and_the_customers_own_days_late(
    terms: int, settled_after: int | None, open_days: int
) -> None:
    world = known(
        [line(BILLED_ON, 36_500, cost_amount_company=0)],
        receivables=[item(1, days=30, settled_after=settled_after)],
    )
    there = suppose(world, "C1", WINDOW, Supposition(terms=terms))
    rate = Decimal("0.08")
    assert carrying(there) == 100 * rate * open_days


def test_what_was_allocated_moves_with_its_item_and_credits_do_not() -> None:
    world = known(
        [line(BILLED_ON, 36_500, cost_amount_company=0)],
        receivables=[item(1, days=30, settled_after=None), item(2, days=0, settled_after=100, amount=-3_650)],
        payment_allocations=[
            {
                "payment_id": "P1",
                "item_id": "I1",
                "allocated_on": BILLED_ON + timedelta(days=30),
                "amount": 36_500,
            }
        ],
    )
    there = suppose(world, "C1", WINDOW, Supposition(terms=60))
    assert carrying(there) - carrying(world) == 100 * Decimal("0.08") * 30


@pytest.mark.parametrize(
    "supposed",
    [{"sales": Decimal(-1)}, {"price": Decimal("-1.5")}, {"terms": -1}, {"sales": Decimal("0.00001")}],
)
def test_what_cannot_be_is_refused(supposed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"leaves nothing|0 days or more|decimal places"):
        Supposition(**supposed)
