"""Sales by customer, month and who sold it: the line's own salesperson, whoever looks after the customer today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.facts.lines import CELL, LINES, counted_lines
from transforms.frames.conform import conform_to, require_columns
from transforms.frames.schemas import INVOICE_LINES, SALESPERSON_MONTH

if TYPE_CHECKING:
    from datetime import date

SALESPERSON_LINES: Final = pl.Schema({**LINES, "salesperson_id": INVOICE_LINES["salesperson_id"]})
"""What `salesperson_months` needs of a line."""

GRAIN: Final = (*CELL, "salesperson_id")


def salesperson_months(lines: pl.LazyFrame, cells: pl.LazyFrame | None, as_of: date) -> pl.LazyFrame:
    """Sum invoice lines by who sold them; the same lines count in the same months as in `customer_months`.

    Grain: GRAIN; ends at SALESPERSON_MONTH. A credit note is its own line's salesperson's; null: the line names nobody.
    `net_sales` in company currency: over the salespersons of a customer-month they sum up to its net sales. `cells` restricts
    the result to the customer-months it names.
    """
    counted = counted_lines(require_columns(lines, SALESPERSON_LINES), None, cells, as_of)
    summed = counted.group_by(GRAIN).agg(net_sales=pl.col("net_amount_company").sum())
    return conform_to(summed, SALESPERSON_MONTH).sort(GRAIN, nulls_last=True)
