"""A customer's season: the calendar months it orders in year after year, and how many of them it was served in."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.periods import YEAR, months_since
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transforms.measures.window import Window

MONTHS_TO_TELL: Final = 24
"""Months of history that tell a season from chance: each month was there twice."""
YEARS: Final = 3
MOST_MONTHS: Final = 8
"""Who orders in more months of the year than these has pauses, not a season."""
WITHIN: Final = 80
"""The share of its order months, in percent, that must lie in the season or next to it."""

_ALL: Final = (1 << YEAR) - 1
_SEASON: Final = pl.Schema(
    {
        **dict.fromkeys(KEY, pl.String()),
        "season": pl.Int32(),
        "season_months": pl.Int32(),
        "served_months": pl.Int32(),
    }
)


def seasons(customers: pl.LazyFrame, active_months: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Find the customers that have a season. Grain: company × customer with one.

    `active_months`: company × customer × month with an order that counts. The season's months are the calendar months with
    one in at least two of the last three 12-month years, the window's included; it is one if 80 % of the customer's order
    months of these years lie in them or next to one, if they are at most 8, and from 24 months of history on. And the
    months come back, not by chance: of the order months that would not come back in another year if each year's lay
    anywhere, more than three in five do. So few orders at odd times make no season that is gone with the next one.
    `season` holds them as bits from January on, `season_months` counts them, `served_months` those served within the window: by an order in the month or in one next to
    it, each order month serving one. Source: docs/figures.md, Loyalty.
    """
    age = months_since(pl.col("month"), window.period)
    bit = (2 ** (pl.col("month").dt.month().cast(pl.Int64) - 1)).cast(pl.Int32)
    year = age // YEAR
    by_year = (
        active_months.filter(age.is_between(0, YEARS * YEAR - 1))
        .group_by(KEY)
        .agg(bit.filter(year == number).sum().alias(f"year_{number}") for number in range(YEARS))
    )
    years = [pl.col(f"year_{number}") for number in range(YEARS)]
    season = (years[0] & years[1]) | (years[0] & years[2]) | (years[1] & years[2])
    near = in_or_next_to(pl.col("season"))
    order_months = pl.sum_horizontal(_count(each) for each in years)
    within = pl.sum_horizontal(_count(each & near) for each in years)
    came_back = pl.sum_horizontal(_count(each & pl.col("season")) for each in years)
    return (
        by_year.join(customers.select(*KEY, "months_of_history"), on=KEY, how="inner", validate="1:1")
        .with_columns(season=season)
        .with_columns(season_months=_count(pl.col("season")))
        .filter(
            pl.col("months_of_history") >= MONTHS_TO_TELL,
            pl.col("season_months").is_between(1, MOST_MONTHS),
            within * 100 >= order_months * WITHIN,
            (5 * came_back - 3 * order_months) * YEAR**2
            > 2
            * _by_chance(
                [_count(each) for each in years]
            ),  # (came back − by chance) ÷ (all − by chance) > 3/5
        )
        .select(*KEY, "season", "season_months", ordered="year_0")
        .map_batches(_with_served, schema=_SEASON)
    )


def _by_chance(ordered: Sequence[pl.Expr]) -> pl.Expr:
    """Expect how many order months come back in another year where each year's lie anywhere, × 12²."""
    others = [[each for each in ordered if each is not year] for year in ordered]
    return pl.sum_horizontal(
        year * (YEAR**2 - (YEAR - first) * (YEAR - second))
        for year, (first, second) in zip(ordered, others, strict=True)
    )


def is_same_time_of_year(month: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Tell whether two calendar months (1–12) are the same or neighbours, December and January included."""
    return ((month.cast(pl.Int32) - other.cast(pl.Int32)) % YEAR).is_in([0, 1, YEAR - 1])


def _with_served(found: pl.DataFrame) -> pl.DataFrame:
    pairs = found.select("season", "ordered").unique()
    served = [most_served(season, ordered) for season, ordered in pairs.iter_rows()]
    known = pairs.with_columns(served_months=pl.Series(served, dtype=pl.Int32))
    return found.join(known, on=["season", "ordered"], how="left", validate="m:1").select(_SEASON.names())


@cache
def most_served(season: int, ordered: int) -> int:
    """Count how many months of a season orders can serve, each order month one: itself or a neighbour.

    Both are sets of calendar months, as bits from January on. The year is a circle; where it is cut open, between December
    and January, each of the two ways across is tried taken and left, and along the rest the earliest order that fits
    serves the earliest month.
    """
    first, last = 1, 1 << (YEAR - 1)
    best = 0
    for january_by_december, december_by_january in product((False, True), repeat=2):
        months, orders = season, ordered
        across = 0
        if january_by_december and months & first and orders & last:
            months, orders, across = months & ~first, orders & ~last, across + 1
        if december_by_january and months & last and orders & first:
            months, orders, across = months & ~last, orders & ~first, across + 1
        best = max(best, across + _served_in_line(months, orders))
    return best


def _served_in_line(season: int, orders: int) -> int:
    served = 0
    for month in range(YEAR):
        if not season >> month & 1:
            continue
        for order in range(max(month - 1, 0), min(month + 2, YEAR)):
            if orders >> order & 1:
                orders &= ~(1 << order)
                served += 1
                break
    return served


def in_or_next_to(season: pl.Expr) -> pl.Expr:
    """Add to a season's months (bits from January on) those next to one."""
    return season | _earlier(season) | _later(season)


def _count(months: pl.Expr) -> pl.Expr:
    return months.bitwise_count_ones().cast(pl.Int32)


def _later(months: pl.Expr) -> pl.Expr:
    """Turn a set of months on by one, December to January."""
    return (months * 2 + months // (1 << (YEAR - 1))) & _ALL


def _earlier(months: pl.Expr) -> pl.Expr:
    """Turn a set of months back by one, January to December."""
    return months // 2 + (months % 2) * (1 << (YEAR - 1))
