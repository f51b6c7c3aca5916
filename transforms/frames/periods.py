"""Calendar arithmetic on months, for windows, dwell times and deadlines."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from typing import Final

import polars as pl

YEAR: Final = 12  # months, and so rating periods
# More months and days than there are: numbers of customers or items so far apart keep what is theirs from overlapping.
MONTHS_APART: Final = 10**5
DAYS_APART: Final = 10**7


def first_of_month(day: date) -> date:
    """Give the first day of a day's month; the rating period of a `closed_through` is this."""
    return day.replace(day=1)


def months_before(day: date, months: int) -> date:
    """Go back by calendar months; a day the month does not have becomes its last (31 May − 3 months = 28 February)."""
    count = day.year * 12 + day.month - 1 - months
    year, month = divmod(count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def months_since(earlier: pl.Expr, period: date) -> pl.Expr:
    """Count calendar months from `earlier` (any day of its month) to `period`; null where `earlier` is."""
    return (period.year * 12 + period.month) - (
        earlier.dt.year().cast(pl.Int32) * 12 + earlier.dt.month().cast(pl.Int32)
    )


def last_of_month_after(period: date, months: pl.Expr) -> pl.Expr:
    """Give the last day of the month that many months after `period`; null where the number is."""
    offset = pl.concat_str(months.cast(pl.String), pl.lit("mo"))
    return pl.when(months.is_not_null()).then(
        pl.lit(first_of_month(period)).dt.offset_by(offset.fill_null("0mo")).dt.month_end()
    )
