"""The only place that asks what day it is: everything behind it takes `as_of` as an argument."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from flows.errors import UsageError


def yesterday(timezone: str, *, now: datetime | None = None) -> date:
    """The last day that is over in the company's time zone: what `as_of` is unless somebody names another."""
    return (now or datetime.now(UTC)).astimezone(ZoneInfo(timezone)).date() - timedelta(days=1)


def require_in_reach(day: date, days_ahead: int, *, now: datetime | None = None) -> None:
    """UsageError where a day to rate lies further ahead than facts may: each month up to a slip of the pen would be rated for good."""
    last = (now or datetime.now(UTC)).date() + timedelta(days=days_ahead)
    if day > last:
        raise UsageError(
            f"{day} lies more than {days_ahead} days ahead, further than any fact may (days_ahead of the settings): name a day "
            f"up to {last}"
        )


def aware(moment: datetime, timezone: str) -> datetime:
    """An instant that a person named: without an offset it is meant in the company's time zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))
