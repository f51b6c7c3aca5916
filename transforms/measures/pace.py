"""The pace of a customer: what it bought lately beside a year before, and how long it has been silent for its own rhythm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import (
    MONEY_SUM,
    QUANTITY_PLACES,
    WIDE_RATIO,
    from_scaled_int,
    ratio,
    to_scaled_int,
)
from transforms.frames.periods import YEAR, months_since
from transforms.frames.schemas import CUSTOMER_MONTH, CUSTOMER_VALUE_HISTORY, SALES_CELL
from transforms.measures.price_quantity import compare_sales
from transforms.measures.season import in_or_next_to
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from transforms.measures.window import Window
    from transforms.policy.decline import DeclineRule

PACE: Final = (
    "days_since_last_order",
    "net_sales_12m_before",
    "pace_ratio",
    "pace_basis",
    "pace_months",
    "gap_multiple",
)
"""The columns that are measured of a pace, beside the key."""

_MONTH = columns_of(CUSTOMER_MONTH, (*KEY, "month", "net_sales", "invoiced", "returns", "price_credits"))
_CELL = columns_of(SALES_CELL, (*KEY, "month", "product_id", "invoiced_net_sales", "invoiced_quantity"))


def measure_pace(
    measured: pl.LazyFrame,
    months: pl.LazyFrame,
    history: pl.LazyFrame,
    sales: pl.LazyFrame | None,
    window: Window,
    rule: DeclineRule,
) -> pl.LazyFrame:
    """Compare the recent months with the same a year before. Grain: company × customer of `measured`; the key and PACE.

    `measured`: what the measures found, with `season`; `history`: rows of `order_history`; `sales`: SALES_CELL rows of 24
    months, None where they are not kept.
    - `days_since_last_order`: to closed_through; null without an order. `gap_multiple`: these ÷ `usual_gap_days`.
    - `net_sales_12m_before`: net sales of the 12 months before the last 12 (0 where nothing was bought); null without an order.
    - `pace_months`: how many months are compared: the policy's; more of them for who ordered on fewer occasions than one a
      month in the year before; for who has a season its months and those next to one, of the 12 that end with the last
      month outside of them, so that only whole seasons are compared.
    - `pace_ratio`: what the quantities bought in them are, at the customer's own prices of then, to those of the same months a
      year before (`pace_basis` quantity); where quantities are not known, and for a season, net sales to net sales (money).
      Null without a positive base, or where the customer's history does not reach back over all of it.
    Source: docs/figures.md, Decline.
    """
    spans = _spans(measured, history, window, rule).collect().lazy()
    age = months_since(pl.col("month"), window.period)
    of_span = spans.select(*KEY, "lag", "span", "near")

    def spanned(rows: pl.LazyFrame) -> pl.LazyFrame:
        month = (2 ** (pl.col("month").dt.month().cast(pl.Int64) - 1)).cast(pl.Int32)
        return (
            rows.join(of_span, on=KEY, how="inner", validate="m:1")
            .filter(pl.col("near").is_null() | (pl.col("near") & month != 0))
            .with_columns(back=age - pl.col("lag"))
        )

    is_now = pl.col("back").is_between(0, pl.col("span") - 1)
    is_then = pl.col("back").is_between(YEAR, pl.col("span") + (YEAR - 1))
    # A season is compared in money: its two years may begin before the sales by product that are kept.
    cells = None if sales is None else spanned(require_columns(sales, _CELL)).filter(pl.col("near").is_null())
    booked = require_columns(months, _MONTH)
    compared = compare_sales(spanned(booked), cells, is_now, is_then)
    before = booked.filter(age.is_between(YEAR, 2 * YEAR - 1)).group_by(KEY).agg(pl.col("net_sales").sum())
    in_quantity = pl.col("sold_then").is_not_null()
    then = pl.coalesce("sold_then", "net_then")
    now = pl.when(in_quantity).then(pl.col("sold_then") + pl.col("effect")).otherwise("net_now")
    pace = pl.when("is_covered").then(ratio(now, then, WIDE_RATIO))
    days = (pl.lit(window.closed_through) - pl.col("last_order_on")).dt.total_days()
    gap = to_scaled_int("usual_gap_days", QUANTITY_PLACES)
    return (
        spans.join(compared, on=KEY, how="left", validate="1:1")
        .join(before, on=KEY, how="left", validate="1:1")
        .with_columns(pace_ratio=pace)
        .select(
            *KEY,
            days.cast(pl.Int32).alias("days_since_last_order"),
            pl.when(pl.col("first_order_on").is_not_null())
            .then(pl.col("net_sales").fill_null(0))
            .cast(MONEY_SUM)
            .alias("net_sales_12m_before"),
            "pace_ratio",
            pl.when(pl.col("pace_ratio").is_not_null())
            .then(pl.when(in_quantity).then(pl.lit("quantity")).otherwise(pl.lit("money")))
            .alias("pace_basis"),
            pl.when(pl.col("pace_ratio").is_not_null()).then("pace_months").alias("pace_months"),
            ratio(days.cast(pl.Int128) * 10**QUANTITY_PLACES, gap, WIDE_RATIO).alias("gap_multiple"),
        )
    )


def best_year(months: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Give the best net sales of 12 months among those that ended within the last 24. Grain: company × customer with a month.

    `best_net_sales_12m`, company currency. Source: docs/figures.md, Decline.
    """
    age = months_since(pl.col("month"), window.period)
    net = to_scaled_int("net_sales")
    years = (net.filter(age.is_between(end, end + YEAR - 1)).sum() for end in range(2 * YEAR))
    return (
        require_columns(months, _MONTH)
        .filter(age.is_between(0, 3 * YEAR))
        .group_by(KEY)
        .agg(from_scaled_int(pl.max_horizontal(*years), MONEY_SUM).alias("best_net_sales_12m"))
    )


def last_year(months: pl.LazyFrame, customers: pl.LazyFrame) -> pl.LazyFrame:
    """Sum net sales of the 12 months that end with that of the last order. Grain: company × customer with such a month.

    `customers`: company × customer with `last_order_on`. `net_sales_to_last_order`, company currency. Source:
    docs/figures.md, Decline.
    """
    ends = pl.col("last_order_on").dt.truncate("1mo")
    return (
        require_columns(months, _MONTH)
        .join(customers.select(*KEY, "last_order_on"), on=KEY, how="inner", validate="m:1")
        .filter(pl.col("month") <= ends, pl.col("month") > ends.dt.offset_by("-12mo"))
        .group_by(KEY)
        .agg(pl.col("net_sales").sum().cast(MONEY_SUM).alias("net_sales_to_last_order"))
    )


def _spans(measured: pl.LazyFrame, history: pl.LazyFrame, window: Window, rule: DeclineRule) -> pl.LazyFrame:
    """Tell which months are compared. Grain: company × customer of `measured`, with what `measure_pace` needs of it.

    `near`: the season's months and those next to one, as bits; null without a season. `span`: how many months back, `lag`: from
    how many months ago on, `is_covered`: the same months a year before lie within the customer's history.
    """
    first, last = window.month_before(2 * YEAR - 1), window.month_before(YEAR - 1)
    began = pl.col("began_on")
    occasions = (
        history.select(*KEY, "began_on")
        .unique()
        .filter(began >= first, began < last)
        .group_by(KEY)
        .agg(occasions=pl.len())
    )
    months_then = (pl.col("months_of_history") - YEAR).clip(0, YEAR)
    is_rare = pl.col("occasions").fill_null(0) < months_then
    has_season = pl.col("near").is_not_null()
    recent = pl.when(is_rare).then(rule.months_of_rare).otherwise(rule.months)
    covered = pl.col("lag") + YEAR + pl.col("span")
    of_customer = columns_of(
        CUSTOMER_VALUE_HISTORY, ("months_of_history", "first_order_on", "last_order_on", "usual_gap_days")
    )
    return (
        measured.select(*KEY, *of_customer.names(), near=in_or_next_to(pl.col("season")))
        .join(occasions, on=KEY, how="left", validate="1:1")
        .with_columns(
            lag=_months_since_outside("near", window),
            span=pl.when(has_season).then(YEAR).otherwise(recent).cast(pl.Int32),
        )
        .with_columns(
            is_covered=pl.col("months_of_history") >= covered,
            pace_months=pl.when(has_season)
            .then(pl.col("near").bitwise_count_ones())
            .otherwise("span")
            .cast(pl.Int32),
        )
    )


def _months_since_outside(near: str, window: Window) -> pl.Expr:
    """Count months back to the last one outside of a season; 0 without a season, or where no month lies outside."""
    outside = (
        pl.when(pl.col(near) & (1 << (window.month_before(back).month - 1)) == 0).then(back)
        for back in range(YEAR)
    )
    return pl.coalesce(*outside, 0).cast(pl.Int32)
