"""High or low volume, loyal or not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from tests.unit.transforms.small_worlds import policy
from transforms.frames.fixed_point import MONEY_SUM, RATIO
from transforms.scoring.segments import loyalty_class, segment, segment_customers, volume_class

SCHEMA = {
    "months_of_history": pl.Int32,
    "net_sales_12m": MONEY_SUM,
    "loyalty": RATIO,
    "score_coverage": RATIO,
    "first_order_on": pl.Date,
}
RULE = policy().segments


def customer(
    sales="150000", loyalty="0.6", *, months: int = 12, coverage="1", first: date | None = date(2024, 1, 1)
) -> pl.LazyFrame:
    amounts = [None if value is None else Decimal(value) for value in (sales, loyalty, coverage)]
    return pl.LazyFrame([[months, *amounts, first]], schema=SCHEMA, orient="row")


def segment_of(*args, **kwargs) -> str:
    return segment_customers(customer(*args, **kwargs), policy()).collect()["segment"].item()


@pytest.mark.parametrize(
    ("net_sales", "expected"), [("149999.9999", "low"), ("150000", "high"), ("-1", "low"), (None, None)]
)
def test_the_volume_bar_is_inclusive(net_sales: str | None, expected: str | None) -> None:
    assert customer(net_sales).select(volume_class(RULE)).collect().item() == expected


@pytest.mark.parametrize(
    ("loyalty", "expected"), [("0.599999", "not_loyal"), ("0.6", "loyal"), ("0", "not_loyal"), (None, None)]
)
def test_the_loyalty_bar_is_inclusive(loyalty: str | None, expected: str | None) -> None:
    assert customer(loyalty=loyalty).select(loyalty_class(RULE)).collect().item() == expected


@pytest.mark.parametrize(
    ("sales", "loyalty", "expected"),
    [
        ("150000", "0.6", "core"),
        ("149999.9999", "0.6", "cultivate"),
        ("150000", "0.599999", "speculative"),
        ("149999.9999", "0.599999", "marginal"),
    ],
)
def test_volume_and_loyalty_make_the_segment(sales: str, loyalty: str, expected: str) -> None:
    assert segment_of(sales, loyalty) == expected


@pytest.mark.parametrize(("months", "expected"), [(0, "new"), (5, "new"), (6, "core")])
def test_a_customer_is_new_below_six_months(months: int, expected: str) -> None:
    assert segment_of(months=months) == expected


@pytest.mark.parametrize(("coverage", "expected"), [("0.399999", "unrated"), ("0.4", "core")])
def test_a_customer_is_unrated_below_the_coverage_floor(coverage: str, expected: str) -> None:
    assert segment_of(coverage=coverage) == expected


def test_who_is_new_is_new_whatever_else_is_not_known() -> None:
    assert segment_of(None, None, months=0, coverage="0") == "new"


@pytest.mark.parametrize("lacking", [(None, "0.6"), ("150000", None)])
def test_without_volume_or_loyalty_nobody_is_rated(lacking: tuple) -> None:
    assert segment_of(*lacking) == "unrated"


@pytest.mark.parametrize(
    ("sales", "loyalty", "factor", "expected"),
    [
        ("157499.9999", "0.63", "1.05", "cultivate"),
        ("157500", "0.63", "1.05", "core"),
        ("157500", "0.629999", "1.05", "speculative"),
        ("142500", "0.57", "0.95", "core"),
        ("142499.9999", "0.57", "0.95", "cultivate"),
    ],
)
def test_bars_can_be_asked_for_with_a_margin(sales: str, loyalty: str, factor: str, expected: str) -> None:
    assert customer(sales, loyalty).select(segment(RULE, Decimal(factor))).collect().item() == expected


def test_who_never_ordered_is_a_prospect_whatever_else_is_known() -> None:
    assert segment_of(first=None) == "prospect"
    assert segment_of(None, None, months=0, coverage="0", first=None) == "prospect"
