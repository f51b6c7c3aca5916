"""What was known on a day: the facts as an earlier rating would have seen them, told from what is known now."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.facts.customer_month import customer_months
from transforms.facts.lines import CELL
from transforms.facts.order_day import order_days
from transforms.facts.sales_cell import sales_cells
from transforms.frames.schemas import READ_AS_THEY_ARE_NOW

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date

    from transforms.facts.model import Facts

# Computed from the lines, not delivered: a cell is summed again instead of filtered.
_COMPUTED: Final = frozenset({"customer_month", "order_day"})


@dataclass(frozen=True, slots=True)
class AsOfFacts:
    """Everything a rating may see: the facts, and the sales cells that go with them."""

    facts: Facts
    sales: pl.LazyFrame


@dataclass(frozen=True, slots=True)
class LateArriving:
    """The customer-months that a line known only after their end counts in: CELL rows, and all lines of theirs (SALES_LINES)."""

    cells: pl.LazyFrame
    lines: pl.LazyFrame


def available_on(
    now: AsOfFacts, late: LateArriving, day: date, no_order_categories: Collection[str]
) -> AsOfFacts:
    """Take from `now` what was not known by `day`. Grains as in `now`.

    Facts known later are gone; cells with lines known later are summed again from the lines known by then, and any other
    cell of a month that has ended by `day` is what it was. Months that end after `day` are left as they are: a rating looks
    at none of them. Masters come as they are now, as in every rating of the past. An erp row that was changed later is
    not seen in its old form, for only its last form is kept. `no_order_categories`: those the cells were summed with.
    Source: docs/figures.md, Time.
    """
    facts = now.facts
    extracts = {
        each.name: frame.filter(pl.col("available_on") <= day)
        for each in fields(facts)
        if each.name not in READ_AS_THEY_ARE_NOW | _COMPUTED
        and (frame := getattr(facts, each.name)) is not None
    }
    touched = late.cells.filter(pl.col("month") <= day)
    months = customer_months(late.lines, facts.products, touched, day, no_order_categories)
    days = order_days(late.lines, facts.products, touched, day, no_order_categories)
    sales = sales_cells(late.lines, facts.products, touched, day)
    return AsOfFacts(
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


def _with_month(rows: pl.LazyFrame) -> pl.LazyFrame:
    if "month" in rows.collect_schema().names():
        return rows
    return rows.with_columns(month=pl.col("order_on").dt.truncate("1mo"))
