"""Moves there and back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from transforms.frames.periods import months_before
from transforms.simulation.volatility import tier_moves, volatility

START = date(2023, 1, 1)
KEY = {"company_code": "1000", "customer_id": "C1"}


def lived(*tiers: str, customer: str = "C1") -> list[dict]:
    """A customer's tiers month by month."""
    return [
        {**KEY, "customer_id": customer, "period": months_before(START, -number), "effective_tier": tier}
        for number, tier in enumerate(tiers)
    ]


def moves(*tiers: str) -> list[tuple]:
    found = tier_moves(pl.LazyFrame(lived(*tiers))).collect()
    return found.select("from_tier", "to_tier", "is_reversal").rows()


def test_a_first_rating_moves_nobody() -> None:
    assert moves("core", "core") == []


def test_there_and_back_within_a_year_is_a_reversal() -> None:
    assert moves("core", "marginal", "marginal", "core") == [
        ("core", "marginal", False),
        ("marginal", "core", True),
    ]


def test_there_and_on_is_none() -> None:
    assert [back for *_, back in moves("marginal", "cultivate", "core", "cultivate")] == [False, False, True]


def test_twelve_months_after_the_move_is_within_a_year_and_thirteen_is_not() -> None:
    assert moves("core", *["marginal"] * 12, "core")[-1] == ("marginal", "core", True)
    assert moves("core", *["marginal"] * 13, "core")[-1] == ("marginal", "core", False)


def test_customers_are_looked_at_one_by_one() -> None:
    rows = lived("core", "marginal") + lived("marginal", "core", customer="C2")
    assert tier_moves(pl.LazyFrame(rows)).collect()["is_reversal"].to_list() == [False, False]


def test_the_rate_is_reversals_in_a_hundred_customer_years() -> None:
    rows = lived("core", "marginal", *["core"] * 10) + lived(*["core"] * 12, customer="C2")
    found = volatility(pl.LazyFrame(rows), first=START, last=months_before(START, -11))
    assert (found.customer_years, found.moves, found.reversals) == (Decimal(2), 2, 1)
    assert found.reversals_per_100_customer_years == Decimal(50)


def test_the_way_there_may_lie_before_the_periods_counted() -> None:
    rows = pl.LazyFrame(lived("core", "marginal", "core"))
    found = volatility(rows, first=months_before(START, -2), last=months_before(START, -2))
    assert (found.moves, found.reversals) == (1, 1)


@given(st.lists(st.sampled_from(["core", "cultivate", "marginal"]), min_size=1, max_size=30))
def test_a_reversal_is_a_move_and_needs_one_before_it(tiers: list[str]) -> None:
    found = moves(*tiers)
    assert len(found) == sum(a != b for a, b in pairwise(tiers))
    assert sum(back for *_, back in found) <= max(len(found) - 1, 0)
