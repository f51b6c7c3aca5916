"""How far a forecast may miss: by how far the same forecast, made of what was known some months ago, has missed since."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.forecast.expected import expected_sales
from transforms.frames.fixed_point import RATIO_PLACES, div_half_even, int128, to_scaled_int
from transforms.frames.periods import YEAR, months_since
from transforms.frames.plan import month_end
from transforms.measures.window import KEY, Window

if TYPE_CHECKING:
    from transforms.facts.model import Facts

LOWER: Final = 10
"""Percent of the customers that ended below the lower bound."""
UPPER: Final = 90
"""Percent of them that ended at or below the upper bound."""
UPPER_FROM_0: Final = 85
"""The same where the lower bound is 0: as nobody ends below 0, there is less to leave out above."""
LARGE: Final = 80
"""Percent of what is expected that the large customers bring; they miss by less, and are told apart."""
MIN_CUSTOMERS: Final = 30
"""Fewer forecasts than these tell no bounds of their own."""
SHORTEST: Final = 2
"""Months; over a single one next to nobody's forecast comes true."""
LEVEL_PART: Final = 2
"""One in so many parts of what the whole company was off by is made up for; businesses turn, too."""

_ONE: Final = 10**RATIO_PLACES


@dataclass(frozen=True, slots=True)
class Missed:
    """How forecasts of some months ago came out, for one company.

    `ratios`: Int128, what came true ÷ what was expected in millionths; grain: customer × time ago; `large` tells whether the
    customer was one of the large ones then. `level`: millionths, by which figures are multiplied to make up for a part of what the
    whole company was off by. `drift`: by time ago, (came true − expected × level) ÷ (expected × level) in millionths, of all
    customers that a figure was expected of.
    """

    ratios: pl.DataFrame
    level: int
    drift: tuple[int, ...]


def times_ago(data_months: int) -> list[int]:
    """How many months ago forecasts are looked at: half of what the data have, at most 12, and half of that."""
    longest = min(YEAR, data_months // 2)
    return [ago for ago in dict.fromkeys((longest, (longest + 1) // 2)) if ago >= SHORTEST]


def missed(facts: Facts, rated: pl.LazyFrame, once: pl.LazyFrame, window: Window, data_months: int) -> Missed:
    """Forecast, from what was known some months ago, what is known now. `facts`: of one company, of which months after `window` are not looked at.

    Seasons are those of `rated` and `once` is as today, as in `expected_sales`. Source: docs/figures.md, Expected business.
    """
    ratios, sums, level = [], [], _ONE
    times = times_ago(data_months)
    for ago in times:
        then = Window(month_end(window.month_before(ago)))
        age = months_since(pl.col("month"), window.period)
        came_true = (
            facts.customer_month.filter(age >= 0, age < ago)
            .group_by(KEY)
            .agg(came_true=to_scaled_int("net_sales").sum())
        )
        found = (
            expected_sales(facts, rated, once, then, ago)
            .filter(pl.col("units") > 0)
            .join(came_true, on=KEY, how="left", validate="1:1")
            .select(*KEY, "units", pl.col("came_true").fill_null(int128(0)))
            .collect()
        )
        if found.is_empty():
            continue
        ratios.append(
            with_large(found).select(
                "large", ratio=div_half_even(pl.col("came_true") * _ONE, pl.col("units"))
            )
        )
        expected, true = int(found["units"].sum()), int(found["came_true"].sum())
        sums.append((expected, true))
        if ago == max(times) and found.height >= MIN_CUSTOMERS:
            level = level_of(expected, true, data_months)
    schema = {"large": pl.Boolean(), "ratio": pl.Int128()}
    return Missed(
        pl.concat(ratios) if ratios else pl.DataFrame(schema=schema),
        level,
        tuple((true * _ONE - expected * level) * _ONE // (expected * level) for expected, true in sums),
    )


def level_of(expected: int, true: int, data_months: int) -> int:
    """By what figures are multiplied, in millionths, where a forecast of the past expected and brought so much.

    1 + half of (true − expected) ÷ expected, which counts between −1 and 1, × (months of the data beyond twelve) ÷ 12: what half
    a year was off by may be its season, and two years have it twice.
    """
    off = min(max(true, 0), 2 * expected) - expected
    beyond = min(max(data_months - YEAR, 0), YEAR)
    return _ONE + round(Fraction(off * beyond * _ONE, expected * YEAR * LEVEL_PART))


def with_large(found: pl.DataFrame) -> pl.DataFrame:
    """Add `large`: whether a customer is one of the largest that bring 80 % of all `units`; of equal ones the first by key."""
    before = pl.col("units").cum_sum() - pl.col("units")
    return found.sort("units", *KEY, descending=[True, False, False]).with_columns(
        large=before * 100 < pl.col("units").sum() * LARGE
    )


def bounds(ratios: pl.DataFrame) -> tuple[tuple[int, int] | None, tuple[int, int] | None]:
    """Give the lowest and highest ratio, in millionths, of the small and of the large customers; None with too few."""
    of_all = _bounds(ratios["ratio"])
    small, large = (
        _bounds(ratios.filter(pl.col("large") == size)["ratio"]) or of_all for size in (False, True)
    )
    return small, large


def _bounds(ratios: pl.Series) -> tuple[int, int] | None:
    if len(ratios) < MIN_CUSTOMERS:
        return None
    ordered = ratios.sort()
    low = _percentile(ordered, LOWER)
    if low <= 0:
        return 0, _percentile(ordered, UPPER_FROM_0)
    return low, _percentile(ordered, UPPER)


def _percentile(ordered: pl.Series, percent: int) -> int:
    """The first value that so many percent do not exceed."""
    return int(ordered[-(-len(ordered) * percent // 100) - 1])
