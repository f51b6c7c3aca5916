"""The lines of the books: which count, in which month, in which quantity and at which cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import MONEY_PLACES, MONEY_SUM, QUANTITY_PLACES, to_scaled_int
from transforms.frames.schemas import INVOICE_LINES, PRODUCTS

if TYPE_CHECKING:
    from datetime import date

COST_PLACES: Final = MONEY_PLACES + QUANTITY_PLACES
"""The digits of a price times a quantity, before it is rounded in its cell."""
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
                "is_free_goods",
                "references_document_id",
                "available_on",
            ),
        ),
        "referenced_on": pl.Date(),
    }
)
"""What `customer_months` needs of a line; `referenced_on` is the date of the document a line references, if known."""

DOCUMENT_REFERENCES: Final = columns_of(
    INVOICE_LINES,
    ("company_code", "document_id", "references_document_id", "net_amount", "available_on"),
)
"""What is asked of the lines of a document, to know which other documents it names and with how much of it."""


def is_countable_line() -> pl.Expr:
    """Tell whether a line counts: not cancelled, and not between companies of one group (null: it is not)."""
    return ~pl.col("is_cancelled") & ~pl.col("is_intercompany").fill_null(value=False)


def is_invoice() -> pl.Expr:
    """Tell whether a line belongs to an invoice, neither a credit nor a debit note."""
    return pl.col("document_type") == "invoice"


def is_credit_note() -> pl.Expr:
    """Tell whether a line belongs to a credit note."""
    return pl.col("document_type") == "credit_note"


def has_goods() -> pl.Expr:
    """Tell whether a line moves goods: one without quantity (a price credit, a surcharge) has no cost to look for.

    A quantity of 0 is what the contract gives lines without goods. Source: docs/figures.md, Contribution.
    """
    return pl.col("quantity") != 0


def month_of_line() -> pl.Expr:
    """Give the month a line counts in, as its first day.

    A credit note that names an invoice we know counts in that invoice's month; any other line in its own.
    """
    is_linked = is_credit_note() & pl.col("referenced_on").is_not_null()
    counted_on = pl.when(is_linked).then("referenced_on").otherwise("invoice_date")
    return counted_on.dt.truncate("1mo").alias("month")


def base_quantity() -> pl.Expr:
    """Give the quantity in the product's base unit, signed; null where the unit cannot be converted.

    The line's own base quantity, else its quantity where it is in the product's base unit, or where the product is
    unknown (then its unit is the only one there is).
    """
    in_base_unit = pl.col("base_uom").is_null() | (pl.col("uom") == pl.col("base_uom"))
    return pl.coalesce("base_quantity", pl.when(in_base_unit).then("quantity"))


def counted_lines(
    lines: pl.LazyFrame, products: pl.LazyFrame | None, cells: pl.LazyFrame | None, as_of: date
) -> pl.LazyFrame:
    """Keep the lines that count and were known by `as_of`, with their `month` and their product. Grain: one line.

    `cells` restricts them to the customer-months it names (company_code, customer_id, month), or to whole months where it names
    those alone.
    """
    counted = lines.filter(pl.col("available_on") <= as_of, is_countable_line()).with_columns(month_of_line())
    if cells is not None:
        counted = counted.join(cells, on=cells.collect_schema().names(), how="semi")
    return with_product(counted, products)


_PRODUCT: Final = columns_of(
    PRODUCTS, ("company_code", "product_id", "category", "base_uom", "standard_cost")
)


def with_product(lines: pl.LazyFrame, products: pl.LazyFrame | None) -> pl.LazyFrame:
    """Put the product's category, base unit and standard cost beside each line; null where the product is unknown."""
    if products is None:
        unknown = (
            pl.lit(None, pl.String).alias("category"),
            pl.lit(None, pl.String).alias("base_uom"),
            pl.lit(None, MONEY_SUM).alias("standard_cost"),
        )
        return lines.with_columns(unknown)
    of_product = require_columns(products, _PRODUCT)
    return lines.join(of_product, on=["company_code", "product_id"], how="left", validate="m:1")


def line_cost() -> pl.Expr:
    """Give the line's cost in units of 10⁻¹⁰: its own, else standard cost × base quantity, else 0 for one without goods.

    Null where goods moved and there is neither. Source: docs/figures.md, Contribution.
    """
    own = to_scaled_int("cost_amount_company", COST_PLACES)
    standard = to_scaled_int("standard_cost") * to_scaled_int(base_quantity(), QUANTITY_PLACES)
    nothing = pl.lit(0, pl.Int128)
    return pl.coalesce(own, pl.when(has_goods()).then(standard).otherwise(nothing)).alias("line_cost")
