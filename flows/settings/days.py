"""The only place that asks what day it is: everything behind it takes `as_of` as an argument."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo


def yesterday(timezone: str, *, now: datetime | None = None) -> date:
    """The last day that is over in the company's time zone: what `as_of` is unless somebody names another."""
    return (now or datetime.now(UTC)).astimezone(ZoneInfo(timezone)).date() - timedelta(days=1)


def aware(moment: datetime, timezone: str) -> datetime:
    """An instant that a person named: without an offset it is meant in the company's time zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))
