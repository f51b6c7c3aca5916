"""Sales by customer, month, product, channel and place: what conduct and structure need beside the customer's months."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.customer_month import (
    CELL,
    LINES,
    base_quantity,
    counts,
    is_order,
    line_cost,
    month_of_line,
    with_product,
)
from transforms.exact import MONEY_SUM, QUANTITY_PLACES, divide, from_units, sum_or_null, whole
from transforms.frames import ending_at, needing
from transforms.schemas import INVOICE_LINES, SALES_CELL

if TYPE_CHECKING:
    from datetime import date

SALES_LINES: Final = pl.Schema(
    {**LINES, **{name: INVOICE_LINES[name] for name in ("is_free_goods", "channel", "ship_to_territory")}}
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
    `invoiced_quantity` is in base units, null where no line's unit can be converted.
    """
    counted = (
        needing(lines, SALES_LINES)
        .filter(pl.col("known_on") <= as_of, counts())
        .with_columns(month_of_line())
    )
    if cells is not None:
        counted = counted.join(cells, on=CELL, how="semi")
    is_priced = is_order() & (pl.col("quantity") > 0) & ~pl.col("is_free_goods").fill_null(value=False)
    charged = pl.col("freight").fill_null(0) + pl.col("rebates").fill_null(0)
    summed = (
        with_product(counted, products)
        .with_columns(line_cost(), base_quantity().alias("base_quantity"), is_priced=is_priced)
        .group_by(GRAIN)
        .agg(
            net_sales=pl.col("net_amount_company").sum(),
            cost=sum_or_null(pl.col("line_cost")),
            freight=pl.col("freight_amount").sum(),
            rebates=pl.col("rebate_amount").sum(),
            invoiced_net_sales=pl.col("net_amount_company")
            .filter("is_priced", pl.col("base_quantity").is_not_null())
            .sum(),
            invoiced_quantity=sum_or_null(pl.col("base_quantity").filter("is_priced")),
        )
        .with_columns(
            contribution=pl.col("net_sales")
            - from_units(divide(pl.col("cost"), whole(10**QUANTITY_PLACES)), MONEY_SUM)
            - charged
        )
    )
    return ending_at(summed, SALES_CELL).sort(GRAIN, nulls_last=True)
