"""Sales by customer, month, product, channel and place: what conduct and structure need beside the customer's months."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.facts.lines import (
    CELL,
    COST_PLACES,
    LINES,
    base_quantity,
    counted_lines,
    has_goods,
    is_invoice,
    line_cost,
)
from transforms.frames.conform import conform_to, require_columns
from transforms.frames.fixed_point import (
    MONEY_PLACES,
    MONEY_SUM,
    div_half_even,
    from_scaled_int,
    int128,
    sum_or_null,
)
from transforms.frames.schemas import INVOICE_LINES, SALES_CELL

if TYPE_CHECKING:
    from datetime import date

SALES_LINES: Final = pl.Schema(
    {**LINES, **{name: INVOICE_LINES[name] for name in ("channel", "ship_to_territory")}}
)
"""What `sales_cells` needs of a line."""

GRAIN: Final = (*CELL, "product_id", "channel", "ship_to_territory")


def sales_cells(
    lines: pl.LazyFrame, products: pl.LazyFrame | None, cells: pl.LazyFrame | None, as_of: date
) -> pl.LazyFrame:
    """Sum invoice lines into sales cells; the same lines count in the same months as in `customer_months`.

    Grain: GRAIN; ends at SALES_CELL. `product_id` is null for lines without goods, `channel` and `ship_to_territory` where
    the line leaves them to the customer's master. `invoiced_*` are of invoices of goods at a price: what was asked for
    them, before credits.
    `lines` has at least SALES_LINES; `cells` restricts the result to the customer-months it names. Money is company
    currency; `contribution` = net sales − cost − freight − rebates, null where no line of the cell has a cost;
    `invoiced_quantity` is in base units, null where no line's unit can be converted. What the cost of lines without one is
    estimated from: `covered_*` of goods with a cost and a base quantity (|cost|, |quantity|), `costed_*` of goods invoiced
    with a cost, `uncosted_*` of goods without one, `unmeasured_net_sales` of those of them without a base quantity.
    Source: docs/figures.md, Structure.
    """
    counted = counted_lines(require_columns(lines, SALES_LINES), products, cells, as_of)
    net, quantity = pl.col("net_amount_company"), pl.col("base_quantity")
    is_priced = is_invoice() & (pl.col("quantity") > 0) & ~pl.col("is_free_goods").fill_null(value=False)
    charged = pl.col("freight").fill_null(0) + pl.col("rebates").fill_null(0)
    is_measured, has_cost = quantity.is_not_null(), pl.col("line_cost").is_not_null()
    parts = _line_parts(net, quantity, is_measured)
    summed = (
        counted.with_columns(line_cost(), base_quantity().alias("base_quantity"), is_priced=is_priced)
        .with_columns(
            is_costed=has_goods() & has_cost & is_invoice(),
            is_covered=has_goods() & has_cost & is_measured,
            is_uncosted=has_goods() & ~has_cost,
        )
        .with_columns(**parts)
        .group_by(GRAIN)
        .agg(
            *(pl.col(name).sum() for name in parts if name != "invoiced_quantity"),
            cost=sum_or_null(pl.col("line_cost")),
            invoiced_quantity=sum_or_null(pl.col("invoiced_quantity")),
        )
        .with_columns(
            contribution=pl.col("net_sales") - _rounded_cost("cost") - charged,
            covered_cost=_rounded_cost("covered_cost"),
            costed_cost=_rounded_cost("costed_cost"),
        )
    )
    return conform_to(summed, SALES_CELL).sort(GRAIN, nulls_last=True)


def _line_parts(net: pl.Expr, quantity: pl.Expr, is_measured: pl.Expr) -> dict[str, pl.Expr]:
    """Split a line into what the cell sums, so that the grouping itself only adds: there are nearly as many cells as lines."""
    cost = pl.col("line_cost")
    return {
        "net_sales": net,
        "freight": pl.col("freight_amount"),
        "rebates": pl.col("rebate_amount"),
        "invoiced_net_sales": pl.when(pl.col("is_priced") & is_measured).then(net),
        "invoiced_quantity": pl.when("is_priced").then(quantity),
        "covered_cost": pl.when("is_covered").then(cost.abs()),
        "covered_quantity": pl.when("is_covered").then(quantity.abs()),
        "costed_cost": pl.when("is_costed").then(cost),
        "costed_net_sales": pl.when("is_costed").then(net),
        "uncosted_quantity": pl.when("is_uncosted").then(quantity),
        "uncosted_net_sales": pl.when("is_uncosted").then(net),
        "uncosted_gross": pl.when("is_uncosted").then(net.abs()),
        "unmeasured_net_sales": pl.when(pl.col("is_uncosted") & ~is_measured).then(net),
    }


def _rounded_cost(column: str) -> pl.Expr:
    """Round a sum of costs once, in its cell."""
    return from_scaled_int(
        div_half_even(pl.col(column), int128(10 ** (COST_PLACES - MONEY_PLACES))), MONEY_SUM
    )
