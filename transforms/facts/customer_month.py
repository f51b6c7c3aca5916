"""From invoice lines to a customer's months: sales, orders, returns and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.facts.lines import (
    CELL,
    LINES,
    base_quantity,
    counted_lines,
    has_goods,
    is_credit_note,
    is_invoice,
    line_cost,
)
from transforms.facts.order_day import orders
from transforms.frames.conform import conform_to, require_columns
from transforms.frames.fixed_point import (
    MONEY_SUM,
    QUANTITY_PLACES,
    div_half_even,
    from_scaled_int,
    int128,
    sum_or_null,
)
from transforms.frames.schemas import CUSTOMER_MONTH

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date


def customer_months(
    lines: pl.LazyFrame,
    products: pl.LazyFrame | None,
    cells: pl.LazyFrame | None,
    as_of: date,
    no_order_categories: Collection[str],
) -> pl.LazyFrame:
    """Sum invoice lines into cells. Grain: company × customer × calendar month with at least one line that counts.

    `lines` has at least the columns `LINES`. `products` None: not delivered. `cells` restricts the result to the cells
    it names (company_code, customer_id, month). `no_order_categories`: products of these are no order (`orders`).
    Lines known later than `as_of` are not seen. Money is company currency, net of tax; no sale is lost or invented:
    Σ net_sales = Σ net_amount_company of the lines that count. Null means "not delivered on any line of the cell"
    (cost, freight, rebates) or "in no common unit" (quantity); contribution is null where cost is. A line without goods
    costs nothing unless it says so, and stands in neither side of the cost coverage (gross_amount, gross_amount_with_cost).
    Source: docs/figures.md, Orders and occasions, Contribution.
    """
    counted = counted_lines(require_columns(lines, LINES), products, cells, as_of)
    ordered = (
        orders(counted, no_order_categories)
        .filter(~pl.col("is_credited"))
        .group_by(CELL)
        .agg(orders=pl.len().cast(pl.UInt32))
    )
    cells_of_lines = (
        counted.with_columns(line_cost(), base_quantity().alias("base_quantity"))
        .with_columns(*_line_parts())
        .group_by(CELL)
        .agg(
            net_sales=pl.col("net_amount_company").sum(),
            quantity=sum_or_null(pl.col("base_quantity")),
            invoiced=pl.col("invoiced").sum(),
            returns=pl.col("credited").sum(),
            price_credits=pl.col("credited_price").sum(),
            cost=sum_or_null(pl.col("line_cost")),
            gross_amount=pl.col("gross").sum(),
            gross_amount_with_cost=pl.col("gross_with_cost").sum(),
            freight=sum_or_null(pl.col("freight_amount")),
            rebates=sum_or_null(pl.col("rebate_amount")),
            least_basis=pl.col("basis").min(),
            greatest_basis=pl.col("basis").max(),
        )
        .with_columns(
            cost=from_scaled_int(div_half_even(pl.col("cost"), int128(10**QUANTITY_PLACES)), MONEY_SUM),
            cost_basis=_cell_cost_basis(),
        )
        .with_columns(contribution=_cell_contribution())
        .join(ordered, on=CELL, how="left", validate="1:1")
        .with_columns(pl.col("orders").fill_null(0))
    )
    return conform_to(cells_of_lines, CUSTOMER_MONTH).sort(CELL)


_BASES: Final = ("actual", "standard_at_sale", "standard_current")
_UNSTATED: Final = len(_BASES)


def _line_parts() -> tuple[pl.Expr, ...]:
    """Split a line into what the cell sums, so that the grouping itself only adds, counts and compares."""
    has_cost = has_goods() & pl.col("line_cost").is_not_null()
    is_own = pl.col("cost_amount_company").is_not_null()
    stated = pl.col("cost_basis").replace_strict(_BASES, range(_UNSTATED), default=None, return_dtype=pl.Int8)
    own_basis = stated.fill_null(_UNSTATED)
    net = pl.col("net_amount_company")
    return (
        pl.when(is_invoice()).then(net).alias("invoiced"),
        pl.when(is_credit_note()).then(net).alias("credited"),
        pl.when(is_credit_note() & ~has_goods()).then(net).alias("credited_price"),
        pl.when(has_goods()).then(net.abs()).alias("gross"),
        pl.when(has_cost).then(net.abs()).alias("gross_with_cost"),
        # where goods have no cost of their own, they got the product's present standard
        pl.when(is_own).then(own_basis).when(has_cost).then(_BASES.index("standard_current")).alias("basis"),
    )


def _cell_cost_basis() -> pl.Expr:
    """Name the one basis all costs of the cell have, or mixed; null without cost, or where the ERP does not say."""
    only = pl.col("least_basis").replace_strict(
        range(_UNSTATED), _BASES, default=None, return_dtype=pl.String
    )
    return pl.when(pl.col("least_basis") < pl.col("greatest_basis")).then(pl.lit("mixed")).otherwise(only)


def _cell_contribution() -> pl.Expr:
    """Net sales − cost − freight − rebates; what was not delivered is left out, and without cost there is none."""
    freight, rebates = pl.col("freight").fill_null(0), pl.col("rebates").fill_null(0)
    return pl.col("net_sales") - pl.col("cost") - freight - rebates
