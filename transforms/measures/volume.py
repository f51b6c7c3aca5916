"""Volume: what a customer bought in twelve months."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.fixed_point import WIDE_RATIO, ratio, sum_or_null, to_scaled_int
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from transforms.measures.window import Window

A_UP_TO: Final = 80  # percent of Σ max(V, 0): the usual cut-offs of ABC analysis
B_UP_TO: Final = 95


def measure_volume(customers: pl.LazyFrame, months: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Sum the year's net sales. Grain: company × customer of `customers`.

    `net_sales_12m` (signed, company currency): 0 for who ordered once but not this year; null with `volume_reason`
    no_orders for who never ordered and has no line in the year. `quantity_12m` in base units; null if no line has one.
    `abc_class` ranks within the company and enters no score. `sales_trend`: the last 3 months against the same 3 a
    year before, less 1; null without a positive base.
    """
    in_last_quarter = pl.col("month").is_between(window.month_before(2), window.period)
    in_quarter_a_year_before = pl.col("month").is_between(window.month_before(14), window.month_before(12))
    sales = months.group_by(KEY).agg(
        net_sales_12m=sum_or_null(pl.when(window.holds("month")).then("net_sales")),
        quantity_12m=sum_or_null(pl.when(window.holds("month")).then("quantity")),
        last_quarter=to_scaled_int(pl.when(in_last_quarter).then("net_sales")).sum(),
        quarter_a_year_before=to_scaled_int(pl.when(in_quarter_a_year_before).then("net_sales")).sum(),
    )
    has_ordered = pl.col("first_order_on").is_not_null()
    volume = (
        customers.select(*KEY, "first_order_on")
        .join(sales, on=KEY, how="left", validate="1:1")
        .with_columns(
            pl.when(has_ordered).then(pl.col("net_sales_12m").fill_null(0)).otherwise("net_sales_12m")
        )
        .select(
            *KEY,
            "net_sales_12m",
            pl.when(pl.col("net_sales_12m").is_null()).then(pl.lit("no_orders")).alias("volume_reason"),
            "quantity_12m",
            _sales_trend(),
        )
    )
    classes = _abc_classes(volume)
    return volume.join(
        classes, on=["company_code", "net_sales_12m"], how="left", validate="m:1", nulls_equal=False
    )


def _sales_trend() -> pl.Expr:
    base = pl.col("quarter_a_year_before")
    return ratio(pl.col("last_quarter") - base, base, WIDE_RATIO).alias("sales_trend")


def _abc_classes(volume: pl.LazyFrame) -> pl.LazyFrame:
    """Class every level of net sales by the cumulative share of Σ max(V, 0) down to it; V ≤ 0 is C.

    Equal sales are equal class: the share is taken at the end of a tie. Grain: company × net sales.
    """
    positive = pl.max_horizontal(to_scaled_int("net_sales_12m"), pl.lit(0, pl.Int128))
    cumulative = pl.col("amount").cum_sum().over("company_code")
    total = pl.col("amount").sum().over("company_code")
    is_bought = pl.col("net_sales_12m") > 0
    return (
        volume.filter(pl.col("net_sales_12m").is_not_null())
        .group_by("company_code", "net_sales_12m")
        .agg(amount=positive.sum())
        .sort("company_code", "net_sales_12m", descending=[False, True])
        .with_columns(cumulative.alias("cumulative"), total.alias("total"))
        .select(
            "company_code",
            "net_sales_12m",
            pl.when(is_bought & (pl.col("cumulative") * 100 <= pl.col("total") * A_UP_TO))
            .then(pl.lit("A"))
            .when(is_bought & (pl.col("cumulative") * 100 <= pl.col("total") * B_UP_TO))
            .then(pl.lit("B"))
            .otherwise(pl.lit("C"))
            .alias("abc_class"),
        )
    )
