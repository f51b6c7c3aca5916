"""Who the sales rest on: the structure over channels, life-cycle stages and territories, and the curve of contribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of, conform_to, require_columns
from transforms.frames.fixed_point import (
    MONEY_SUM,
    RATIO,
    WIDE_RATIO,
    div_half_even,
    from_scaled_int,
    int128,
    ratio,
    sum_or_null,
    to_scaled_int,
)
from transforms.frames.periods import YEAR, months_before
from transforms.frames.schemas import CUSTOMER_STRUCTURE, CUSTOMER_VALUE_HISTORY, SALES_CELL, VALUE_CURVE
from transforms.measures.window import KEY, Window

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts.model import Facts

DIMENSIONS: Final = ("channel", "lifecycle_stage", "territory")
ALL: Final = "all"
UNKNOWN: Final = "unknown"
LEVELS: Final[dict[str, tuple[str, ...]]] = {
    "company": (),
    **{dimension: (dimension,) for dimension in DIMENSIONS},
    "cell": DIMENSIONS,
}
LARGEST: Final = 10

_ROW: Final = ("company_code", "level", *DIMENSIONS)
_UNITS_PER_CENT: Final = 100
_VALUE: Final = columns_of(CUSTOMER_VALUE_HISTORY, (*KEY, "period", "contribution_12m"))


def sales_since(period: date) -> date:
    """Give the first month whose sales the rating of a month looks at: last year's beside this year's."""
    return months_before(period, 2 * YEAR - 1)


def customer_structure(
    facts: Facts, sales: pl.LazyFrame, rated: pl.LazyFrame, *, closed_through: date
) -> pl.LazyFrame:
    """Describe the sales of the 12 months to `closed_through`. Grain: company × level × member; ends at CUSTOMER_STRUCTURE.

    `sales`: SALES_CELL rows of at least 24 months, for the change on last year; `rated`: the ratings of the period, of which only
    who is new is asked (key, `first_order_on`). A sale's channel is its line's, else its customer's; its stage its product's
    today; its territory where it was shipped to, else its customer's; else `unknown`. A dimension a level does not look at
    is `all`. Customers count with net sales above 0, concentration looks at those only; a share is null where its denominator is not positive. `gross_contribution_12m` is of lines with a cost, before
    service and carrying cost. Source: docs/figures.md, Structure.
    """
    window = Window(closed_through)
    # What goes through two years of sales by product as they are, which may be millions of rows, does so once for all levels.
    of_cells = _sums(_sold_to(facts, sales, window)).collect(engine="streaming").lazy()
    by_customer = pl.concat(_at_level(of_cells, level, kept) for level, kept in LEVELS.items())
    first = rated.select(*KEY, "first_order_on")
    customers = _rolled_up(by_customer).join(first, on=KEY, how="left", validate="m:1")
    is_new = window.holds("first_order_on").fill_null(value=False)
    rows = _summed(customers, is_new).with_columns(*_figures())
    of_company = rows.filter(pl.col("level") == "company").select("company_code", company_sales="now")
    return conform_to(
        rows.join(of_company, on="company_code", how="left", validate="m:1").with_columns(
            period=pl.lit(window.period),
            net_sales_12m=from_scaled_int(pl.col("now"), MONEY_SUM),
            share_of_sales=ratio(pl.col("now"), pl.col("company_sales"), WIDE_RATIO),
        ),
        CUSTOMER_STRUCTURE,
    ).sort("company_code", "level", *DIMENSIONS)


def value_curve(values: pl.LazyFrame) -> pl.LazyFrame:
    """Sum contribution from the largest down. Grain: customer with a contribution; ends at VALUE_CURVE.

    `values`: one period's ratings. Ranked within the company, by number where contributions are equal. The curve peaks at
    the last customer that adds anything; `destroyed` is what is lost again behind it, or from nothing where nobody adds.
    Source: docs/figures.md, Structure.
    """
    ranked = (
        require_columns(values, _VALUE)
        .filter(pl.col("contribution_12m").is_not_null())
        .with_columns(contribution=to_scaled_int("contribution_12m"))
        .with_columns(place=_place())
        .with_columns(
            cumulative=pl.col("contribution").cum_sum().over("company_code", order_by="place"),
            total=pl.col("contribution").sum().over("company_code"),
            customers=pl.len().over("company_code"),
            gainers=(pl.col("contribution") > 0).sum().over("company_code"),
        )
    )
    peak = pl.max_horizontal(pl.col("cumulative").max().over("company_code"), int128(0))
    is_behind = pl.col("place") > pl.col("gainers")
    return conform_to(
        ranked.with_columns(
            cumulative_contribution=from_scaled_int(pl.col("cumulative"), MONEY_SUM),
            customer_share=ratio(pl.col("place").cast(pl.Int128), pl.col("customers").cast(pl.Int128), RATIO),
            cumulative_share=ratio(pl.col("cumulative"), pl.col("total"), WIDE_RATIO),
            is_peak=pl.col("place") == pl.col("gainers"),
            destroyed=from_scaled_int(
                pl.when(is_behind).then(peak - pl.col("cumulative")).otherwise(int128(0)), MONEY_SUM
            ),
        ),
        VALUE_CURVE,
    ).sort("company_code", "place")


def _place() -> pl.Expr:
    """Place by contribution within the company, 1 the largest; by number where equal."""
    descending = pl.struct(pl.col("contribution_12m") * -1, "customer_id")
    return descending.rank("ordinal").over("company_code").cast(pl.Int32)


def _sold_to(facts: Facts, sales: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Put the three dimensions beside this year's and last year's sales."""
    masters = facts.customers.select(*KEY, master_channel="channel", master_territory="territory_id")
    sold = (
        require_columns(sales, SALES_CELL)
        .filter(pl.col("month").is_between(sales_since(window.period), window.period))
        .join(masters, on=KEY, how="left", validate="m:1")
    )
    if facts.products is None:
        staged = sold.with_columns(lifecycle_stage=pl.lit(None, dtype=pl.String))
    else:
        stages = facts.products.select("company_code", "product_id", "lifecycle_stage")
        staged = sold.join(stages, on=["company_code", "product_id"], how="left", validate="m:1")
    return staged.with_columns(
        channel=pl.coalesce("channel", "master_channel", pl.lit(UNKNOWN)),
        lifecycle_stage=pl.col("lifecycle_stage").fill_null(UNKNOWN),
        territory=pl.coalesce("ship_to_territory", "master_territory", pl.lit(UNKNOWN)),
        is_now=window.holds("month"),
    ).with_columns(
        is_direct=pl.col("channel") == "direct",
        is_export=pl.col("channel") == "export",
        is_new_product=pl.col("lifecycle_stage") == "introduction",
    )


def _at_level(sold: pl.LazyFrame, level: str, kept: tuple[str, ...]) -> pl.LazyFrame:
    summed_over = (pl.lit(ALL).alias(name) for name in DIMENSIONS if name not in kept)
    return sold.with_columns(*summed_over, level=pl.lit(level))


def _sums(sold: pl.LazyFrame) -> pl.LazyFrame:
    """Sum a customer's sales within each channel, stage and territory; whole money units."""
    sales, contribution = to_scaled_int("net_sales"), to_scaled_int("contribution")
    now = pl.col("is_now")
    return sold.group_by(*KEY, *DIMENSIONS).agg(
        now=sales.filter(now).sum(),
        then=sales.filter(~now).sum(),
        contribution_now=sum_or_null(contribution.filter(now)),
        contribution_then=sum_or_null(contribution.filter(~now)),
        direct=sales.filter(now, "is_direct").sum(),
        export=sales.filter(now, "is_export").sum(),
        new_product=sales.filter(now, "is_new_product").sum(),
    )


def _rolled_up(cells: pl.LazyFrame) -> pl.LazyFrame:
    """Sum a customer within each row of each level."""
    or_null = ("contribution_now", "contribution_then")
    return cells.group_by(*_ROW, "customer_id").agg(
        pl.col("now", "then", "direct", "export", "new_product").sum(),
        **{name: sum_or_null(pl.col(name)) for name in or_null},
    )


def _summed(customers: pl.LazyFrame, is_new: pl.Expr) -> pl.LazyFrame:
    buys, bought = pl.col("now") > 0, pl.col("then") > 0
    positive = pl.col("now").filter(buys)
    cents = div_half_even(positive, int128(_UNITS_PER_CENT))
    totals = {name: pl.col(name).sum() for name in ("now", "then", "direct", "export", "new_product")}
    return customers.group_by(_ROW).agg(
        **totals,
        contribution_now=sum_or_null(pl.col("contribution_now")),
        contribution_then=sum_or_null(pl.col("contribution_then")),
        customers=buys.sum().cast(pl.Int32),
        customers_then=bought.sum().cast(pl.Int32),
        new_customers=(buys & is_new).sum().cast(pl.Int32),
        hhi=ratio((cents * cents).sum(), cents.sum() * cents.sum(), RATIO),
        top10_share=ratio(positive.top_k(LARGEST).sum(), positive.sum(), RATIO),
    )


def _figures() -> tuple[pl.Expr, ...]:
    return (
        ratio(pl.col("now") - pl.col("then"), pl.col("then"), WIDE_RATIO).alias("net_sales_change"),
        from_scaled_int(pl.col("contribution_now"), MONEY_SUM).alias("gross_contribution_12m"),
        from_scaled_int(pl.col("contribution_now") - pl.col("contribution_then"), MONEY_SUM).alias(
            "contribution_change"
        ),
        (pl.col("customers") - pl.col("customers_then")).alias("customers_change"),
        ratio(pl.col("direct"), pl.col("now"), WIDE_RATIO).alias("direct_share"),
        ratio(pl.col("export"), pl.col("now"), WIDE_RATIO).alias("export_share"),
        ratio(pl.col("new_product"), pl.col("now"), WIDE_RATIO).alias("new_product_share"),
    )
