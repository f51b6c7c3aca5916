"""From invoice lines to a customer's months and order days: what counts, where, and with which cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.exact import (
    MONEY_PLACES,
    MONEY_SUM,
    QUANTITY_PLACES,
    divide,
    from_units,
    sum_or_null,
    units,
    whole,
)
from transforms.frames import columns_of, ending_at, needing
from transforms.schemas import CUSTOMER_MONTH, INVOICE_LINES, ORDER_DAY, PRODUCTS

if TYPE_CHECKING:
    from datetime import date

CELL: Final = ("company_code", "customer_id", "month")

LINES: Final = pl.Schema(
    {
        **columns_of(
            INVOICE_LINES,
            (
                "company_code",
                "customer_id",
                "document_id",
                "document_type",
                "invoice_date",
                "product_id",
                "quantity",
                "uom",
                "base_quantity",
                "net_amount_company",
                "cost_amount_company",
                "cost_basis",
                "freight_amount",
                "rebate_amount",
                "is_cancelled",
                "is_intercompany",
                "known_on",
            ),
        ),
        "referenced_on": pl.Date(),
    }
)
"""What `customer_months` needs of a line; `referenced_on` is the date of the document a line references, if known."""

ORDER_LINES: Final = columns_of(
    INVOICE_LINES,
    (
        "company_code",
        "customer_id",
        "document_id",
        "document_type",
        "invoice_date",
        "net_amount_company",
        "is_cancelled",
        "is_intercompany",
        "known_on",
    ),
)
"""What `order_days` needs of a line."""


def counts() -> pl.Expr:
    """Tell whether a line counts: not cancelled, and not between companies of one group (null: it is not)."""
    return ~pl.col("is_cancelled") & ~pl.col("is_intercompany").fill_null(value=False)


def is_order() -> pl.Expr:
    """Tell whether a line belongs to an order: an invoice, neither a credit nor a debit note."""
    return pl.col("document_type") == "invoice"


def month_of_line() -> pl.Expr:
    """Give the month a line counts in, as its first day.

    A credit note that names an invoice we know counts in that invoice's month; any other line in its own.
    """
    is_linked = (pl.col("document_type") == "credit_note") & pl.col("referenced_on").is_not_null()
    counted_on = pl.when(is_linked).then("referenced_on").otherwise("invoice_date")
    return counted_on.dt.truncate("1mo").alias("month")


def base_quantity() -> pl.Expr:
    """Give the quantity in the product's base unit, signed; null where the unit cannot be converted.

    The line's own base quantity, else its quantity where it is in the product's base unit, or where the product is
    unknown (then its unit is the only one there is).
    """
    in_base_unit = pl.col("base_uom").is_null() | (pl.col("uom") == pl.col("base_uom"))
    return pl.coalesce("base_quantity", pl.when(in_base_unit).then("quantity"))


def customer_months(
    lines: pl.LazyFrame, products: pl.LazyFrame | None, cells: pl.LazyFrame | None, as_of: date
) -> pl.LazyFrame:
    """Sum invoice lines into cells. Grain: company × customer × calendar month with at least one line that counts.

    `lines` has at least the columns `LINES`. `products` None: not delivered. `cells` restricts the result to the cells
    it names (company_code, customer_id, month).
    Lines known later than `as_of` are not seen. Money is company currency, net of tax; no sale is lost or invented:
    Σ net_sales = Σ net_amount_company of the lines that count. Null means "not delivered on any line of the cell"
    (cost, freight, rebates) or "in no common unit" (quantity); contribution is null where cost is.
    """
    counted = (
        needing(lines, LINES).filter(pl.col("known_on") <= as_of, counts()).with_columns(month_of_line())
    )
    if cells is not None:
        counted = counted.join(cells, on=CELL, how="semi")
    counted = with_product(counted, products)
    cells_of_lines = (
        counted.with_columns(line_cost(), base_quantity().alias("base_quantity"))
        .with_columns(*_line_parts())
        .group_by(CELL)
        .agg(
            net_sales=pl.col("net_amount_company").sum(),
            quantity=sum_or_null(pl.col("base_quantity")),
            orders=pl.col("order_document").drop_nulls().n_unique(),
            returns=pl.col("credited").sum(),
            cost=sum_or_null(pl.col("line_cost")),
            gross_amount=pl.col("gross").sum(),
            gross_amount_with_cost=pl.col("gross_with_cost").sum(),
            freight=sum_or_null(pl.col("freight_amount")),
            rebates=sum_or_null(pl.col("rebate_amount")),
            least_basis=pl.col("basis").min(),
            greatest_basis=pl.col("basis").max(),
        )
        .with_columns(
            cost=from_units(divide(pl.col("cost"), whole(10**QUANTITY_PLACES)), MONEY_SUM),
            cost_basis=_cell_cost_basis(),
        )
        .with_columns(contribution=_cell_contribution())
    )
    return ending_at(cells_of_lines, CUSTOMER_MONTH).sort(CELL)


def order_days(lines: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """List the days on which a customer was invoiced. Grain: company × customer × day with at least one invoice.

    Columns `order_on`, `orders` (distinct invoices), `net_sales` (theirs, company currency). Credit and debit notes
    are no orders; cancelled and intercompany lines never count; lines known later than `as_of` are not seen.
    """
    days = (
        needing(lines, ORDER_LINES)
        .filter(pl.col("known_on") <= as_of, counts(), is_order())
        .group_by("company_code", "customer_id", order_on="invoice_date")
        .agg(orders=pl.col("document_id").n_unique(), net_sales=pl.col("net_amount_company").sum())
    )
    return ending_at(days, ORDER_DAY).sort("company_code", "customer_id", "order_on")


_COST_PLACES: Final = (
    MONEY_PLACES + QUANTITY_PLACES
)  # a price times a quantity, before it is rounded in its cell


_PRODUCT: Final = columns_of(PRODUCTS, ("company_code", "product_id", "base_uom", "standard_cost"))


def with_product(lines: pl.LazyFrame, products: pl.LazyFrame | None) -> pl.LazyFrame:
    """Put the product's base unit and standard cost beside each line; null where the product is unknown."""
    if products is None:
        unknown = (pl.lit(None, pl.String).alias("base_uom"), pl.lit(None, MONEY_SUM).alias("standard_cost"))
        return lines.with_columns(unknown)
    of_product = needing(products, _PRODUCT)
    return lines.join(of_product, on=["company_code", "product_id"], how="left", validate="m:1")


def line_cost() -> pl.Expr:
    """Give the line's cost in units of 10⁻¹⁰: its own, else standard cost × base quantity; null where there is neither."""
    own = units("cost_amount_company", _COST_PLACES)
    standard = units("standard_cost") * units(base_quantity(), QUANTITY_PLACES)
    return pl.coalesce(own, standard).alias("line_cost")


_BASES: Final = ("actual", "standard_at_sale", "standard_current")
_UNSTATED: Final = len(_BASES)


def _line_parts() -> tuple[pl.Expr, ...]:
    """Split a line into what the cell sums, so that the grouping itself only adds, counts and compares."""
    has_cost = pl.col("line_cost").is_not_null()
    is_own = pl.col("cost_amount_company").is_not_null()
    stated = pl.col("cost_basis").replace_strict(_BASES, range(_UNSTATED), default=None, return_dtype=pl.Int8)
    own_basis = stated.fill_null(_UNSTATED)
    gross = pl.col("net_amount_company").abs()
    return (
        pl.when(is_order()).then("document_id").alias("order_document"),
        pl.when(pl.col("document_type") == "credit_note").then("net_amount_company").alias("credited"),
        gross.alias("gross"),
        pl.when(has_cost).then(gross).alias("gross_with_cost"),
        # where the line has no cost of its own, it got the product's present standard
        pl.when(has_cost)
        .then(pl.when(is_own).then(own_basis).otherwise(_BASES.index("standard_current")))
        .alias("basis"),
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
