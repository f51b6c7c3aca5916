"""What the sales office plans: a budget for each calendar year, and in spring a second version of it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final

import polars as pl

from flows.demo.company import CHANNELS
from flows.demo.sales import INTERCOMPANY

if TYPE_CHECKING:
    from flows.demo.calendar import Calendar
    from flows.demo.company import Population
    from flows.demo.sales import Sales

PLAN: Final = "BUDGET"
ROUNDED_TO = 100_000  # cents: plans are made in thousands
# Version: the month and day it is made, and by what the year before is to grow in each channel.
VERSIONS: Final = {
    "1": ((1, 10), {"distribution": 104, "direct": 110, "export": 102}),
    "2": ((4, 15), {"distribution": 101, "direct": 108, "export": 97}),
}
PERCENT = 100

_SCHEMA = {
    "plan": pl.String,
    "version": pl.String,
    "level": pl.String,
    "member": pl.String,
    "period_start": pl.Date,
    "period_end": pl.Date,
    "cents": pl.Int64,
    "day": pl.Date,
    "month": pl.Int64,
}


def draw_up(people: Population, sales: Sales, calendar: Calendar) -> pl.DataFrame:
    """One row a year, version, level and member: the company and each channel; of each year that follows a whole one."""
    first, last = calendar.month(0), calendar.month(calendar.months - 1)
    channel = dict(enumerate(CHANNELS[number] for number in people.channel.tolist()))
    billed = (
        sales.documents.select("customer", "day", "type", document=pl.int_range(pl.len()))
        .filter(pl.col("type") != INTERCOMPANY)
        .join(sales.lines.select("document", "net"), on="document")
        .group_by(
            year=pl.col("day").dt.year(),
            channel=pl.col("customer").replace_strict(channel, return_dtype=pl.String),
        )
        .agg(pl.col("net").sum())
    )
    sold = {(year, of): net for year, of, net in billed.iter_rows()}
    rows = []
    for year in range(first.year + (1 if first.month == 1 else 2), last.year + 1):
        for version, ((month, day), growth) in VERSIONS.items():
            planned = {
                of: sold.get((year - 1, of), 0) * grows // PERCENT // ROUNDED_TO * ROUNDED_TO
                for of, grows in growth.items()
            }
            for level, member, cents in [
                ("company", None, sum(planned.values())),
                *(("channel", of, cents) for of, cents in planned.items()),
            ]:
                rows.append(
                    {
                        "plan": f"{PLAN}-{year}",
                        "version": version,
                        "level": level,
                        "member": member,
                        "period_start": date(year, 1, 1),
                        "period_end": date(year, 12, 31),
                        "cents": cents,
                        "day": date(year, month, day),
                        "month": (year - first.year) * 12 + month - first.month,
                    }
                )
    return pl.DataFrame(rows, schema=_SCHEMA)
