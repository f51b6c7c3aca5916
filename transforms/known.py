"""What was known on a day: the facts as an earlier rating would have seen them, told from what is known now."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.customer_month import CELL, customer_months, order_days
from transforms.sales_cell import sales_cells

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts import Facts

_AS_THEY_ARE: Final = frozenset({"customers", "products", "customer_month", "order_day"})


@dataclass(frozen=True, slots=True)
class Known:
    """Everything a rating may see: the facts, and the sales cells that go with them."""

    facts: Facts
    sales: pl.LazyFrame


@dataclass(frozen=True, slots=True)
class LateCells:
    """The customer-months that a line known only after their end counts in: CELL rows, and all lines of theirs (SALES_LINES)."""

    cells: pl.LazyFrame
    lines: pl.LazyFrame


def known_on(now: Known, late: LateCells, day: date) -> Known:
    """Take from `now` what was not known by `day`. Grains as in `now`.

    Facts known later are gone; cells with lines known later are summed again from the lines known by then, and any other
    cell of a month that has ended by `day` is what it was. Months that end after `day` are left as they are: a rating looks
    at none of them. Masters come as they are now, as in every rating of the past. An erp row that was changed later is
    not seen in its old form, for only its last form is kept. Source: DECISIONS 1.
    """
    facts = now.facts
    extracts = {
        each.name: frame.filter(pl.col("known_on") <= day)
        for each in fields(facts)
        if each.name not in _AS_THEY_ARE and (frame := getattr(facts, each.name)) is not None
    }
    touched = late.cells.filter(pl.col("month") <= day)
    months = customer_months(late.lines, facts.products, touched, day)
    days = _in_cells(order_days(late.lines, day), touched)
    sales = sales_cells(late.lines, facts.products, touched, day)
    return Known(
        replace(
            facts,
            **extracts,
            customer_month=_instead(facts.customer_month, months, touched),
            order_day=_instead(facts.order_day, days, touched),
        ),
        sales=_instead(now.sales, sales, touched),
    )


def _instead(rows: pl.LazyFrame, other: pl.LazyFrame, cells: pl.LazyFrame) -> pl.LazyFrame:
    """Put other rows in the place of those of the cells."""
    kept = _with_month(rows).join(cells, on=CELL, how="anti").select(rows.collect_schema().names())
    return pl.concat([kept, other])


def _in_cells(days: pl.LazyFrame, cells: pl.LazyFrame) -> pl.LazyFrame:
    return _with_month(days).join(cells, on=CELL, how="semi").drop("month")


def _with_month(rows: pl.LazyFrame) -> pl.LazyFrame:
    if "month" in rows.collect_schema().names():
        return rows
    return rows.with_columns(month=pl.col("order_on").dt.truncate("1mo"))
