"""The twelve months a value measure looks at."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.periods import YEAR, first_of_month, months_before

if TYPE_CHECKING:
    from datetime import date

KEY: Final = ("company_code", "customer_id")


@dataclass(frozen=True, slots=True)
class Window:
    """The 12 complete calendar months that end with `closed_through`, a month's last day."""

    closed_through: date

    def __post_init__(self) -> None:
        day = self.closed_through
        if day.day != monthrange(day.year, day.month)[1]:
            raise ValueError(f"closed_through must be the last day of a month; {day} is not")

    @property
    def period(self) -> date:
        """The rating period: the first day of the last month."""
        return first_of_month(self.closed_through)

    @property
    def first_day(self) -> date:
        """The first day of the 12 months."""
        return self.month_before(YEAR - 1)

    def month_before(self, months: int) -> date:
        """Give the first day of the month that many months before the last one."""
        return months_before(self.period, months)

    def holds(self, day: str | pl.Expr) -> pl.Expr:
        """Tell whether a day, or the first day of a month, lies within the 12 months."""
        expression = pl.col(day) if isinstance(day, str) else day
        return expression.is_between(self.first_day, self.closed_through)

    def months_counted(self) -> pl.Expr:
        """N: calendar months from the month of the first order inclusive, at most 12; 0 without an order."""
        return pl.min_horizontal("months_of_history", pl.lit(YEAR, pl.Int32)).cast(pl.Int128)

    def since_first_order(self, day: str) -> pl.Expr:
        """Tell whether a day lies within the N months: in the window, and not before the month of the first order."""
        return self.holds(day) & (pl.col(day).cast(pl.Date) >= pl.col("first_order_on").dt.truncate("1mo"))
