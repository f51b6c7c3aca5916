"""Moves there and back: how restless a policy is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.periods import YEAR
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from datetime import date

WITHIN_MONTHS: Final = YEAR


@dataclass(frozen=True, slots=True)
class Volatility:
    """Moves and reversals in the periods looked at, and reversals as a share of customer-years, in percent (2 places)."""

    customer_years: Decimal
    moves: int
    reversals: int
    reversed_customers: int
    reversals_per_100_customer_years: Decimal


def tier_moves(ratings: pl.LazyFrame) -> pl.LazyFrame:
    """List the changes of the effective tier from one period to the next. Grain: customer × period of the move.

    `ratings`: one row a customer and period. Columns: the key, `period`, `from_tier`, `to_tier` and `is_reversal`: the
    customer goes back to where it came from by its last move, at most 12 months after that move. A customer's first
    rating moves nobody. Source: docs/figures.md, Simulation.
    """
    in_order = pl.col("period").rank("ordinal").over(KEY)
    moved = (
        ratings.select(*KEY, "period", "effective_tier")
        .sort(*KEY, "period")
        .with_columns(
            from_tier=pl.col("effective_tier").shift(1).over(KEY, order_by="period"), number=in_order
        )
        .filter(pl.col("number") > 1, pl.col("from_tier") != pl.col("effective_tier"))
    )
    before = {name: pl.col(name).shift(1).over(KEY, order_by="period") for name in ("from_tier", "period")}
    months = (pl.col("period").dt.year() - before["period"].dt.year()).cast(pl.Int32) * 12 + (
        pl.col("period").dt.month().cast(pl.Int32) - before["period"].dt.month().cast(pl.Int32)
    )
    goes_back = (before["from_tier"] == pl.col("effective_tier")) & (months <= WITHIN_MONTHS)
    return moved.select(
        *KEY,
        "period",
        "from_tier",
        pl.col("effective_tier").alias("to_tier"),
        goes_back.fill_null(value=False).alias("is_reversal"),
    ).sort(*KEY, "period")


def volatility(ratings: pl.LazyFrame, *, first: date, last: date) -> Volatility:
    """Count moves and reversals (A→B→A within 12 months) in the periods from `first` to `last`.

    `ratings` may begin earlier, so that the way there is known. A customer-year is 12 rated periods of one customer.
    """
    within = pl.col("period").is_between(first, last)
    rows = ratings.filter(within).select(pl.len()).collect().item()
    moved = tier_moves(ratings).filter(within).collect()
    back = moved.filter("is_reversal")
    years = Decimal(rows) / YEAR
    rate = Decimal(100 * back.height) / years if rows else Decimal(0)
    return Volatility(
        customer_years=round(years, 1),
        moves=moved.height,
        reversals=back.height,
        reversed_customers=back.select(KEY).n_unique(),
        reversals_per_100_customer_years=round(rate, 2),
    )
