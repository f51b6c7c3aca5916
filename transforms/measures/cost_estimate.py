"""What goods cost of which the books do not say so: estimated from what the same goods cost elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import require_columns
from transforms.frames.fixed_point import (
    MONEY_SUM,
    QUANTITY_PLACES,
    div_half_even,
    from_scaled_int,
    to_scaled_int,
)
from transforms.frames.schemas import SALES_CELL
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from transforms.measures.window import Window

_PRODUCT: Final = ("company_code", "product_id")
_MONEY: Final = ("covered_cost", "uncosted_net_sales", "uncosted_gross", "unmeasured_net_sales")
_QUANTITY: Final = ("covered_quantity", "uncosted_quantity")


def estimate_costs(sales: pl.LazyFrame | None, window: Window) -> pl.LazyFrame:
    """Estimate the cost of the year's goods without one. Grain: company × customer with such goods.

    Quantity × what a base unit of the product cost in the customer's other lines of the year, else in all customers'; where
    neither is known, or the line has no product or no base quantity, net amount × the customer's own ratio of cost to net
    amount on goods invoiced, before credits; else nothing. Each estimate of a product is rounded once, half to even.
    `cost_estimated_12m`: their sum, signed; `gross_estimated`: the |net amount| of goods that have been estimated (units).
    `sales`: SALES_CELL rows; None: not kept, so that nothing is estimated. What other customers' goods cost is the one
    thing here that another customer can change. Source: docs/figures.md, Contribution.
    """
    if sales is None:
        return pl.LazyFrame(
            schema={
                **dict.fromkeys(KEY, pl.String()),
                "cost_estimated_12m": MONEY_SUM,
                "gross_estimated": pl.Int128(),
            }
        )
    of_year = require_columns(sales, SALES_CELL).filter(window.holds("month"))
    of_product = of_year.group_by(*KEY, "product_id").agg(
        *(to_scaled_int(name).sum() for name in _MONEY),
        *(to_scaled_int(name, QUANTITY_PLACES).sum() for name in _QUANTITY),
    )
    has_gap = (pl.col("uncosted_gross") != 0) | (pl.col("uncosted_quantity") != 0)
    everywhere = (
        of_product.filter(pl.col("product_id").is_not_null())
        .group_by(_PRODUCT)
        .agg(
            cost_everywhere=pl.col("covered_cost").sum(), quantity_everywhere=pl.col("covered_quantity").sum()
        )
    )
    own_ratio = of_year.group_by(KEY).agg(
        to_scaled_int("costed_cost").sum().alias("costed_cost"),
        to_scaled_int("costed_net_sales").sum().alias("costed_net"),
    )
    is_own = (pl.col("covered_quantity") > 0) & pl.col("product_id").is_not_null()
    return (
        of_product.filter(has_gap)
        .join(everywhere, on=_PRODUCT, how="left", validate="m:1")
        .join(own_ratio, on=KEY, how="left", validate="m:1")
        .with_columns(
            by_unit=_times(
                "uncosted_quantity",
                pl.when(is_own).then("covered_cost").otherwise("cost_everywhere"),
                pl.when(is_own).then("covered_quantity").otherwise("quantity_everywhere"),
            ),
            measured_net_sales=pl.col("uncosted_net_sales") - pl.col("unmeasured_net_sales"),
        )
        .with_columns(
            measured=pl.coalesce("by_unit", _by_ratio("measured_net_sales")),
            unmeasured=_by_ratio("unmeasured_net_sales"),
        )
        .with_columns(
            is_estimated=pl.col("measured").is_not_null()
            & ((pl.col("unmeasured_net_sales") == 0) | pl.col("unmeasured").is_not_null())
        )
        .group_by(KEY)
        .agg(
            cost_estimated_12m=from_scaled_int(
                (pl.col("measured").fill_null(0) + pl.col("unmeasured").fill_null(0)).sum(), MONEY_SUM
            ),
            gross_estimated=pl.col("uncosted_gross").filter("is_estimated").sum(),
        )
    )


def _by_ratio(amount: str) -> pl.Expr:
    return _times(amount, pl.col("costed_cost"), pl.col("costed_net"))


def _times(amount: str, numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    return div_half_even(pl.col(amount) * numerator, denominator)
