"""Who is rated, and how long they have been customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.facts.succession import succeeded
from transforms.frames.conform import columns_of, require_columns
from transforms.frames.periods import months_since
from transforms.frames.schemas import CUSTOMERS, ORDER_DAY, RECEIVABLES
from transforms.measures.window import KEY, Window

if TYPE_CHECKING:
    from transforms.facts.model import Facts

_MASTER = columns_of(CUSTOMERS, (*KEY, "industry_code", "channel", "created_on", "available_on"))
_ORDER_DAY = columns_of(ORDER_DAY, (*KEY, "order_on"))
_ITEM = columns_of(RECEIVABLES, (*KEY, "item_type", "posting_date", "original_amount_company"))
_NO_SALE: Final = ("deposit", "advance")  # asked for without anything being sold yet


def rated_customers(
    facts: Facts, months: pl.LazyFrame, history: pl.LazyFrame, window: Window
) -> pl.LazyFrame:
    """List the customers rated in a period, and since when they buy. Grain: company × customer.

    Rated is who was billed anything by `closed_through` (`months`: CUSTOMER_MONTH rows up to it), or whose master was known by
    then; so is who is succeeded, though what was billed to it is its successor's. Who is known from the books only is
    `master_missing`: the master may land later, so what it says is used from then on for all periods. `history`: rows of
    `order_history`; whose orders were all credited has the first of those for its first order, and no last one.
    `first_order_on`, `last_order_on` null: never ordered; `months_of_history` then 0. `tenure_from` is the master's
    created_on, else the first order; `history_truncated` where that first order lies within a month of the
    company's first order of all, so that the customer may be older than the data.
    """
    own = first_and_last_orders(facts, history, window)
    start = own.group_by("company_code").agg(data_from=pl.col("first_order_on").min())
    masters = require_columns(facts.customers, _MASTER).with_columns(has_master=pl.lit(value=True))
    billed = (
        pl.concat([months.select(KEY), succeeded(facts)]).unique().with_columns(is_billed=pl.lit(value=True))
    )
    is_rated = pl.col("is_billed") | (pl.col("available_on") <= window.closed_through)
    return (
        billed.join(own, on=KEY, how="left", validate="1:1")
        .join(masters, on=KEY, how="full", coalesce=True, validate="1:1")
        .filter(is_rated.fill_null(value=False))
        .join(start, on="company_code", how="left", validate="m:1")
        .select(
            *KEY,
            "industry_code",
            "channel",
            "first_order_on",
            "last_order_on",
            pl.col("has_master").is_null().alias("master_missing"),
            _history_truncated(),
            _months_of_history(window),
            pl.coalesce("created_on", "first_order_on").alias("tenure_from"),
        )
    )


def first_and_last_orders(facts: Facts, history: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Give `first_order_on` and `last_order_on`. Grain: company × customer with an order by closed_through, if a credited one.

    `history`: rows of `order_history`; whose orders were all credited has the first of those, and no last one.
    Source: docs/figures.md, Orders and occasions.
    """
    ordered = (
        history.group_by("customer")
        .agg(
            pl.col(KEY).first(),
            first_order_on=pl.col("order_on").min(),
            last_order_on=pl.col("order_on").max(),
        )
        .drop("customer")
    )
    all_credited = (
        require_columns(facts.order_day, _ORDER_DAY)
        .filter(pl.col("order_on") <= window.closed_through)
        .join(ordered, on=KEY, how="anti")
        .group_by(KEY)
        .agg(first_order_on=pl.col("order_on").min())
        .with_columns(last_order_on=pl.lit(None, pl.Date))
    )
    return pl.concat([ordered, all_credited])


def billed_by_the_ledger(facts: Facts, window: Window) -> pl.LazyFrame | None:
    """List who was billed by closed_through as far as only the ledger tells. Grain: company × customer; None without receivables.

    Only of companies without a single sales line: where sales are delivered, they tell who ordered.
    Source: docs/figures.md, Orders and occasions.
    """
    if facts.receivables is None:
        return None
    return (
        require_columns(facts.receivables, _ITEM)
        .filter(
            pl.col("posting_date") <= window.closed_through,
            pl.col("original_amount_company") > 0,
            ~pl.col("item_type").is_in(_NO_SALE),
        )
        .join(facts.customer_month, on="company_code", how="anti")
        .select(KEY)
        .unique()
    )


def _history_truncated() -> pl.Expr:
    near_start = pl.col("first_order_on") <= pl.col("data_from").dt.offset_by("1mo")
    return (pl.col("created_on").is_null() & near_start.fill_null(value=False)).alias("history_truncated")


def _months_of_history(window: Window) -> pl.Expr:
    """Count months from that of the first order to that of closed_through, both inclusive; 0 without an order."""
    months = months_since(pl.col("first_order_on"), window.period) + 1
    return months.fill_null(0).cast(pl.Int32).alias("months_of_history")
