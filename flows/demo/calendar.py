"""The months of the sample company, its years, and dates as numpy knows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Days = np.ndarray[Any, np.dtype[np.datetime64]]

WEEKDAYS_PER_WEEK = 7
# numpy counts days from 1970-01-01, a Thursday; Monday is 0.
EPOCH_WEEKDAY = 3


@dataclass(frozen=True)
class Calendar:
    """`months` consecutive calendar months, numbered from 0 to `months` − 1."""

    starts: Days

    @classmethod
    def ending(cls, last_month: date, months: int) -> Calendar:
        """The calendar whose last month is that of `last_month`."""
        end = np.datetime64(last_month, "M") + np.timedelta64(1, "M")
        first, behind = end - np.timedelta64(months, "M"), end + np.timedelta64(1, "M")
        return cls(np.arange(first, behind).astype("datetime64[D]"))

    @property
    def months(self) -> int:
        """How many months there are."""
        return len(self.starts) - 1

    @property
    def first(self) -> np.datetime64:
        """The first day of the first month."""
        return self.starts[0]

    @property
    def end(self) -> np.datetime64:
        """The day after the last month."""
        return self.starts[-1]

    @property
    def ago(self) -> NDArray[np.int64]:
        """For each month, how many months before the last one it lies."""
        return np.arange(self.months - 1, -1, -1)

    @property
    def month_of_year(self) -> NDArray[np.int64]:
        """For each month, 0 for January to 11 for December."""
        return self.starts[:-1].astype("datetime64[M]").astype(np.int64) % 12

    @property
    def year_number(self) -> NDArray[np.int64]:
        """For each month, its calendar year counted from that of the first month."""
        years = self.starts[:-1].astype("datetime64[Y]").astype(np.int64)
        return years - years[0]

    @property
    def years(self) -> int:
        """How many calendar years the months touch."""
        return int(self.year_number[-1]) + 1

    def index_of(self, days: Days) -> NDArray[np.int64]:
        """The number of the month each day lies in; outside 0 … months − 1 where it lies outside."""
        first = self.first.astype("datetime64[M]").astype(np.int64)
        return days.astype("datetime64[M]").astype(np.int64) - first

    def number(self, month: date) -> int:
        """The number of the month a day lies in; ValueError where it is not one of these months."""
        number = int(self.index_of(np.array([month], dtype="datetime64[D]"))[0])
        if not 0 <= number < self.months:
            raise ValueError(f"{month:%Y-%m} is not one of the {self.months} months from {self.first}")
        return number

    def month(self, number: int) -> date:
        """The first day of a month."""
        return self.starts[number].astype(date)


def plus(days: Days, number: NDArray[np.int64] | int) -> Days:
    """Each day, that many days later; earlier where the number is negative."""
    return days + np.asarray(number).astype("timedelta64[D]")


def working_day(days: Days) -> Days:
    """The day itself, or the nearest working day after it that is still in its month, else the one before."""
    return np.busday_offset(days, 0, roll="modifiedfollowing")


def next_weekday(days: Days, weekday: NDArray[np.int64]) -> Days:
    """The first day from each day on that is that weekday (Monday is 0)."""
    behind = (weekday - (days.astype(np.int64) + EPOCH_WEEKDAY)) % WEEKDAYS_PER_WEEK
    return plus(days, behind)


def stream(seed: int, *topic: int) -> np.random.Generator:
    """Random numbers for one topic: what one topic draws does not change what another one gets."""
    return np.random.default_rng([seed, *topic])
