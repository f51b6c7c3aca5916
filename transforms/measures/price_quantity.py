"""What a change of sales comes from: quantity, or price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import (
    MONEY_SUM,
    QUANTITY_PLACES,
    WIDE_RATIO,
    div_half_even,
    from_scaled_int,
    ratio,
    to_scaled_int,
)
from transforms.frames.periods import YEAR
from transforms.frames.schemas import CUSTOMER_MONTH, SALES_CELL
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from transforms.measures.window import Window

KNOWN_FROM: Final = 80
"""The share of what was invoiced, in percent, whose quantity must be known in both years."""
PRICE_WITHIN: Final = 10
"""Percent by which quantity may have changed where the change is still called one of price."""

_EFFECTS: Final = pl.Schema(
    {
        **dict.fromkeys(KEY, pl.String()),
        "quantity_effect_12m": MONEY_SUM,
        "price_effect_12m": MONEY_SUM,
        "quantity_change_12m": WIDE_RATIO,
        "sales_change_cause": pl.String(),
    }
)
_MONTH = columns_of(CUSTOMER_MONTH, (*KEY, "month", "net_sales", "invoiced", "returns", "price_credits"))
_CELL = columns_of(SALES_CELL, (*KEY, "month", "product_id", "invoiced_net_sales", "invoiced_quantity"))


def split_change(months: pl.LazyFrame, sales: pl.LazyFrame | None, window: Window) -> pl.LazyFrame:
    """Split the change of net sales on the 12 months before. Grain: company × customer of which quantities are known.

    `quantity_effect_12m` = Σ over products of the change of the quantity invoiced × the customer's own unit price of the year
    before, and the change of what was credited for goods that came back; a product it did not buy then counts with what it
    brings now. `price_effect_12m`: the rest of the change, credits without goods included, so that both sum to it.
    `quantity_change_12m` = the effect ÷ what the quantities of then brought, less what came back of them; null where that is
    not above 0.
    `sales_change_cause`: price where that lies within ±10 %, else quantity; null where net sales are the same.
    No row where quantities are known for less than 80 % of what was invoiced in either year, or nothing was sold in
    either, or where `sales` (SALES_CELL rows of 24 months) are None: not kept. Source: docs/figures.md, Price and quantity.
    """
    is_now = window.holds("month")
    is_then = pl.col("month").is_between(window.month_before(2 * YEAR - 1), window.month_before(YEAR))
    change = pl.col("net_now") - pl.col("net_then")
    effect = pl.col("effect") + pl.col("back_now") - pl.col("back_then")
    kept_then = pl.col("sold_then") + pl.col("back_then")
    is_price = effect.abs() * 100 <= kept_then * PRICE_WITHIN
    return (
        compare_sales(
            require_columns(months, _MONTH),
            None if sales is None else require_columns(sales, _CELL),
            is_now,
            is_then,
        )
        .filter(pl.col("effect").is_not_null())
        .select(
            *KEY,
            from_scaled_int(effect, MONEY_SUM).alias("quantity_effect_12m"),
            from_scaled_int(change - effect, MONEY_SUM).alias("price_effect_12m"),
            ratio(effect, kept_then, WIDE_RATIO).alias("quantity_change_12m"),
            pl.when(change == 0)
            .then(None)
            .when(is_price)
            .then(pl.lit("price"))
            .otherwise(pl.lit("quantity"))
            .alias("sales_change_cause"),
        )
    )


def compare_sales(
    months: pl.LazyFrame, sales: pl.LazyFrame | None, is_now: pl.Expr, is_then: pl.Expr
) -> pl.LazyFrame:
    """Compare what was bought in two spans of months. Grain: company × customer with a row of `months`; units of money.

    `is_now`, `is_then`: which rows of `months` (CUSTOMER_MONTH) and `sales` (SALES_CELL, or None) belong to which. Columns:
    `net_now`, `net_then`, net sales; `back_now`, `back_then`, what was credited for goods that came back (0 or less as a rule);
    `effect`, what the change of the quantities invoiced makes at the customer's own unit prices of then, and `sold_then`, what
    the quantities of then brought. These two are null where quantities are not known for 80 % of what was invoiced in
    either span. Source: docs/figures.md, Price and quantity.
    """
    amounts = {
        "net": to_scaled_int("net_sales"),
        "invoiced": to_scaled_int("invoiced"),
        "back": to_scaled_int("returns") - to_scaled_int("price_credits"),
    }
    booked = months.group_by(KEY).agg(
        amount.filter(when).sum().alias(f"{name}_{suffix}")
        for suffix, when in (("now", is_now), ("then", is_then))
        for name, amount in amounts.items()
    )
    kept = ("net_now", "net_then", "back_now", "back_then")
    if sales is None:
        unknown = {name: pl.lit(None, dtype=pl.Int128) for name in ("effect", "sold_then")}
        return booked.select(*KEY, *kept, **unknown)
    quantity = to_scaled_int("invoiced_quantity", QUANTITY_PLACES).fill_null(0)
    by_product = (
        sales.filter(is_now | is_then, pl.col("invoiced_quantity").is_not_null())
        .group_by(*KEY, "product_id")
        .agg(
            quantity_now=quantity.filter(is_now).sum(),
            quantity_then=quantity.filter(is_then).sum(),
            sold_now=to_scaled_int("invoiced_net_sales").filter(is_now).sum(),
            sold_then=to_scaled_int("invoiced_net_sales").filter(is_then).sum(),
        )
    )
    at_own_price = div_half_even(
        (pl.col("quantity_now") - pl.col("quantity_then")) * pl.col("sold_then"), pl.col("quantity_then")
    )
    effects = (
        by_product.with_columns(effect=at_own_price.fill_null(pl.col("sold_now")))
        .group_by(KEY)
        .agg(pl.col("effect", "sold_now", "sold_then").sum())
    )
    is_known = _is_known("now") & _is_known("then")
    return booked.join(effects, on=KEY, how="left", validate="1:1").select(
        *KEY,
        *kept,
        *(pl.when(is_known).then(name).alias(name) for name in ("effect", "sold_then")),
    )


def _is_known(suffix: str) -> pl.Expr:
    sold, invoiced = pl.col(f"sold_{suffix}"), pl.col(f"invoiced_{suffix}")
    return (sold > 0) & (sold * 100 >= invoiced * KNOWN_FROM)
