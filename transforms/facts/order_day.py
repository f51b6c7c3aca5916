"""Orders: which invoices are one, and on which days a customer ordered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.facts.lines import CELL, LINES, counted_lines, is_credit_note, is_invoice
from transforms.frames.conform import conform_to, require_columns
from transforms.frames.fixed_point import MONEY_SUM, from_scaled_int, to_scaled_int
from transforms.frames.schemas import ORDER_DAY

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

CREDITED_FROM: Final = 95  # percent: what is left of an invoice then is a difference, not a sale

_CUSTOMER: Final = ("company_code", "customer_id")


def orders(counted: pl.LazyFrame, no_order_categories: Collection[str]) -> pl.LazyFrame:
    """List the orders among lines that count. Grain: company × customer × month × document.

    `counted`: rows of `counted_lines`, all of a month or none. An order is an invoice whose lines, free goods and products
    of `no_order_categories` left out, sum to more than 0; services and tolling count, and so does everything where no
    product is known. `is_credited`: notes that name it credit at least 95 % of those lines, so it is one no more.
    `order_on`: its first day of the month; `net_sales`: all its lines and those of the notes that name it; `invoiced`: its
    lines alone. Source: docs/figures.md, Orders and occasions.
    """
    is_asked_for = ~pl.col("is_free_goods").fill_null(value=False) & ~pl.col("category").is_in(
        list(no_order_categories)
    ).fill_null(value=False)
    net = to_scaled_int("net_amount_company")
    # Split before they are grouped: documents are many, and a filter within each costs as much as its sum.
    amounts = {"net": net, "asked_for": pl.when(is_asked_for).then(net)}
    invoices = (
        counted.filter(is_invoice())
        .select(*CELL, "document_id", "invoice_date", **amounts)
        .group_by(*CELL, "document_id")
        .agg(
            order_on=pl.col("invoice_date").min(),
            invoiced=pl.col("net").sum(),
            asked_for=pl.col("asked_for").sum(),
        )
        .filter(pl.col("asked_for") > 0)
    )
    notes = (
        counted.filter(is_credit_note(), pl.col("references_document_id").is_not_null())
        .select(*CELL, document_id="references_document_id", **amounts)
        .group_by(*CELL, "document_id")
        .agg(noted=pl.col("net").sum(), noted_asked_for=pl.col("asked_for").sum())
    )
    return (
        invoices.join(notes, on=[*CELL, "document_id"], how="left", validate="1:1")
        .with_columns(pl.col("noted", "noted_asked_for").fill_null(0))
        .select(
            *CELL,
            "document_id",
            "order_on",
            "invoiced",
            (pl.col("invoiced") + pl.col("noted")).alias("net_sales"),
            (pl.col("noted_asked_for") * -100 >= pl.col("asked_for") * CREDITED_FROM).alias("is_credited"),
        )
    )


def order_days(
    lines: pl.LazyFrame,
    products: pl.LazyFrame | None,
    cells: pl.LazyFrame | None,
    as_of: date,
    no_order_categories: Collection[str],
) -> pl.LazyFrame:
    """List the days on which a customer ordered. Grain: company × customer × day with an order, credited ones included.

    Columns `order_on`, `orders` and `net_sales` (of those that stand, less what notes that name them credited), `credited_orders`
    and `credited_net_sales` (of those that were credited, as they were invoiced): a rebilling is told by them. Parameters
    as for `customer_months`. Source: docs/figures.md, Orders and occasions.
    """
    stands = ~pl.col("is_credited")
    days = (
        orders(counted_lines(require_columns(lines, LINES), products, cells, as_of), no_order_categories)
        .group_by(*_CUSTOMER, "order_on")
        .agg(
            orders=stands.sum(),
            net_sales=_money(pl.when(stands).then("net_sales")),
            credited_orders=(~stands).sum(),
            credited_net_sales=_money(pl.when(~stands).then("invoiced")),
        )
    )
    return conform_to(days, ORDER_DAY).sort(*_CUSTOMER, "order_on")


def first_orders(order_day: pl.LazyFrame) -> pl.LazyFrame:
    """Give each customer's first order that stands; where all were credited, the first of those. Grain: customer."""
    day = pl.col("order_on")
    return order_day.group_by(_CUSTOMER).agg(
        first_order_on=pl.coalesce(day.filter(pl.col("orders") > 0).min(), day.min())
    )


def _money(amounts: pl.Expr) -> pl.Expr:
    return from_scaled_int(amounts.sum(), MONEY_SUM)
