"""What the relay's store hold, as values, and how instants and lists are written there."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as it leaves. `body` is the CloudEvent's JSON; `time` its business time, aware, UTC.

    `sink`: the one it is meant for; None for every one.
    """

    event_id: str
    company_code: str
    customer_id: str
    sequence: int
    type: str
    time: datetime
    recorded_at: datetime
    body: str
    sink: str | None = None


@dataclass(frozen=True, slots=True)
class Copied:
    """How much of an outbox: the number of its events, and when the latest was recorded, aware, UTC; None for none."""

    events: int
    recorded_at: datetime | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event whose turn it is, how often it has failed before, and since when."""

    event: StoredEvent
    attempts: int
    first_failed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed attempt: when to try again, or None to give up."""

    event_id: str
    error: str
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event a sink refused for good, and why."""

    sink: str
    event: StoredEvent
    attempts: int
    error: str
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a sink has not got yet. `blocked` counts customers behind a failed or dead event; `oldest` is recorded time.

    `disabled` says why the sink is not served any more, where its receiver asked for that.
    """

    waiting: int
    dead: int
    blocked: int
    oldest: datetime | None
    disabled: str | None = None

    def age(self, now: datetime) -> timedelta:
        """How long the oldest of it has been waiting; nothing where nothing is."""
        return timedelta(0) if self.oldest is None else now - self.oldest


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events are meant: those that fit every field that is not None. `since` is recorded time, inclusive."""

    company_code: str | None = None
    customer_id: str | None = None
    types: Collection[str] | None = None
    since: datetime | None = None
    event_ids: Collection[str] | None = None

    def condition(self) -> tuple[str, dict[str, str | None]]:
        """SQL over the table `event`, and its parameters."""
        return (
            (
                "(:company IS NULL OR event.company_code = :company) "
                "AND (:customer IS NULL OR event.customer_id = :customer) "
                "AND (:types IS NULL OR event.type IN (SELECT value FROM json_each(:types))) "
                "AND (:ids IS NULL OR event.event_id IN (SELECT value FROM json_each(:ids))) "
                "AND (:since IS NULL OR event.recorded_at >= :since)"
            ),
            {
                "company": self.company_code,
                "customer": self.customer_id,
                "types": as_list(self.types),
                "ids": as_list(self.event_ids),
                "since": as_text(self.since),
            },
        )


def as_text(moment: datetime | None) -> str | None:
    """An instant as text that sorts as it runs."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def as_instant(text: str | None) -> datetime | None:
    """The instant that such a text says."""
    return None if text is None else datetime.fromisoformat(text)


def as_list(values: Collection[str] | None) -> str | None:
    """Several values as one parameter."""
    return None if values is None else json.dumps(sorted(values))
