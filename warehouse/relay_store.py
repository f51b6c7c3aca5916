"""The relay's own books: a SQLite file with the events to deliver and how far each sink has got.

It is SQLite, and not DuckDB, because the relay writes it row by row while other processes read and append: DuckDB lets
one process in. The outbox in the warehouse stays the truth; losing this file costs duplicates, never an event.

Per sink, an event is `waiting` (not tried yet, or to be tried again at `next_attempt_at`), `delivered`, `dead` (given
up after its attempts; its customer waits behind it until a person decides) or `discarded` (a person let it go).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE event (
    position INTEGER PRIMARY KEY,           -- order of arrival; of one customer, the order of its sequence
    event_id TEXT NOT NULL UNIQUE,
    company_code TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    type TEXT NOT NULL,
    time TEXT NOT NULL,                     -- business time, ISO 8601, UTC
    recorded_at TEXT NOT NULL,
    body TEXT NOT NULL                      -- the CloudEvent as sent, byte for byte
);
CREATE TABLE delivery (
    sink TEXT NOT NULL,
    event_id TEXT NOT NULL REFERENCES event (event_id),
    position INTEGER NOT NULL,
    company_code TEXT NOT NULL,
    customer_id TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'dead', 'discarded')),
    attempts INTEGER NOT NULL DEFAULT 0,    -- failed ones
    next_attempt_at TEXT,                   -- null: at once
    last_error TEXT,
    settled_at TEXT,                        -- when it became delivered, dead or discarded
    PRIMARY KEY (sink, event_id)
) WITHOUT ROWID;
CREATE INDEX enrolled ON delivery (sink, position);
CREATE INDEX outstanding ON delivery (sink, company_code, customer_id, sequence)
    WHERE state IN ('waiting', 'dead');
"""


class RelayStoreError(Exception):
    """The relay's books cannot be used as asked."""


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as it leaves. `body` is the CloudEvent's JSON; `time` its business time, aware, UTC."""

    event_id: str
    company_code: str
    customer_id: str
    sequence: int
    type: str
    time: datetime
    recorded_at: datetime
    body: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event whose turn it is, and how often it has failed before."""

    event: StoredEvent
    attempts: int


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
    """What a sink has not got yet. `blocked` counts customers behind a failed or dead event; `oldest` is recorded time."""

    waiting: int
    dead: int
    blocked: int
    oldest: datetime | None


@contextmanager
def open_store(path: Path) -> Iterator[RelayStore]:
    """The relay's books at that path, made if they are not there yet; closed at the end of the block."""
    connection = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    try:
        # In WAL mode NORMAL keeps every commit over a kill; a power cut may lose the last ones, which sends twice.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        store = RelayStore(connection)
        store.migrate(path)
        yield store
    finally:
        connection.close()


class RelayStore:
    """The statements of the relay; one connection, one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def migrate(self, path: Path) -> None:
        """Create the tables in an empty file; RelayStoreError where a later version of this program wrote it."""
        if self._version() == SCHEMA_VERSION:
            return
        with self._transaction():
            version = self._version()
            if version > SCHEMA_VERSION:
                raise RelayStoreError(
                    f"{path}: was written by a later version (schema {version}, this one knows {SCHEMA_VERSION}); "
                    "run that version"
                )
            if version == 0:
                for statement in _SCHEMA.split(";\n"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def event_ids(self) -> list[str]:
        """The ids of all events that are in the books."""
        return [row[0] for row in self._connection.execute("SELECT event_id FROM event")]

    def add(self, events: Iterable[StoredEvent]) -> int:
        """Take events in, in this order, leaving out those already in; how many were new."""
        before = self._connection.total_changes
        with self._transaction():
            self._connection.executemany(
                "INSERT INTO event (event_id, company_code, customer_id, sequence, type, time, recorded_at, body) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING",
                (
                    (e.event_id, e.company_code, e.customer_id, e.sequence, e.type, _text(e.time),
                     _text(e.recorded_at), e.body)
                    for e in events
                ),
            )  # fmt: skip
        return self._connection.total_changes - before

    def enrol(self, sink: str) -> int:
        """Put what has arrived since the last time before a sink as waiting; a new sink gets everything. How many."""
        with self._transaction():
            return self._connection.execute(
                "INSERT INTO delivery (sink, event_id, position, company_code, customer_id, sequence, state) "
                "SELECT ?1, event_id, position, company_code, customer_id, sequence, 'waiting' FROM event "
                "WHERE position > coalesce((SELECT max(position) FROM delivery WHERE sink = ?1), 0)",
                (sink,),
            ).rowcount

    def due(self, sink: str, now: datetime, limit: int) -> list[Waiting]:
        """The customers' next events: at most one a customer, and none while an earlier one of its own is not through.

        Oldest first, at most `limit`. Dead events hold their customer back, too.
        """
        rows = self._connection.execute(
            """
            WITH first AS (
                SELECT company_code, customer_id, min(sequence) AS sequence FROM delivery
                WHERE sink = ?1 AND state IN ('waiting', 'dead') GROUP BY company_code, customer_id
            )
            SELECT delivery.attempts, event.* FROM first
            JOIN delivery USING (company_code, customer_id, sequence) JOIN event USING (event_id)
            WHERE delivery.sink = ?1 AND delivery.state IN ('waiting', 'dead') AND delivery.state = 'waiting'
              AND (delivery.next_attempt_at IS NULL OR delivery.next_attempt_at <= ?2)
            ORDER BY delivery.position LIMIT ?3
            """,
            (sink, _text(now), limit),
        ).fetchall()
        return [Waiting(_event(row[2:]), row[0]) for row in rows]

    def settle(
        self, sink: str, delivered: Collection[str], failures: Sequence[Failure], now: datetime
    ) -> None:
        """Write down how an attempt ended, all of it in one transaction."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE delivery SET state = 'delivered', settled_at = ?, next_attempt_at = NULL "
                "WHERE sink = ? AND event_id = ?",
                ((_text(now), sink, event_id) for event_id in delivered),
            )
            self._connection.executemany(
                "UPDATE delivery SET attempts = attempts + 1, last_error = ?1, next_attempt_at = ?2, "
                "state = CASE WHEN ?2 IS NULL THEN 'dead' ELSE 'waiting' END, "
                "settled_at = CASE WHEN ?2 IS NULL THEN ?3 END WHERE sink = ?4 AND event_id = ?5",
                (
                    (each.error, _text(each.next_attempt_at), _text(now), sink, each.event_id)
                    for each in failures
                ),
            )

    def backlog(self, sink: str) -> Backlog:
        """What a sink has not got yet, events that nobody has put before it included."""
        waiting, dead, blocked, oldest = self._connection.execute(
            """
            SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'dead'),
                   count(DISTINCT iif(state = 'dead' OR attempts > 0, json_array(company_code, customer_id), NULL)),
                   min(recorded_at)
            FROM (
                SELECT delivery.state, delivery.attempts, delivery.company_code, delivery.customer_id, recorded_at
                FROM delivery JOIN event USING (event_id)
                WHERE sink = ?1 AND state IN ('waiting', 'dead')
                UNION ALL
                SELECT 'waiting', 0, company_code, customer_id, recorded_at FROM event
                WHERE position > coalesce((SELECT max(position) FROM delivery WHERE sink = ?1), 0)
            )
            """,
            (sink,),
        ).fetchone()
        return Backlog(waiting, dead, blocked, None if oldest is None else datetime.fromisoformat(oldest))

    def dead_letters(self) -> list[DeadLetter]:
        """Every event that a sink refused for good and nobody has dealt with, oldest first."""
        rows = self._connection.execute(
            "SELECT sink, attempts, last_error, settled_at, event.* FROM delivery JOIN event USING (event_id) "
            "WHERE state = 'dead' ORDER BY sink, delivery.position"
        ).fetchall()
        return [
            DeadLetter(row[0], _event(row[5:]), row[1], row[2], datetime.fromisoformat(row[3]))
            for row in rows
        ]

    def reopen(self, sink: str, event_id: str) -> None:
        """Let a dead event be tried again, with all its attempts; RelayStoreError where it is not dead."""
        self._resolve(
            sink, event_id, "state = 'waiting', attempts = 0, next_attempt_at = NULL, settled_at = NULL"
        )

    def discard(self, sink: str, event_id: str) -> None:
        """Give a dead event up, so that its customer's later ones go on; RelayStoreError where it is not dead."""
        self._resolve(sink, event_id, "state = 'discarded'")

    def _resolve(self, sink: str, event_id: str, assignments: str) -> None:
        changed = self._connection.execute(
            f"UPDATE delivery SET {assignments} WHERE sink = ? AND event_id = ? AND state = 'dead'",
            (sink, event_id),
        ).rowcount
        if changed == 0:
            raise RelayStoreError(f"{event_id} is no dead letter of the sink {sink}")

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _text(moment: datetime | None) -> str | None:
    """An instant as text that sorts as it runs."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def _event(row: Sequence[str]) -> StoredEvent:
    event_id, company_code, customer_id, sequence, type_, time, recorded_at, body = row
    return StoredEvent(
        event_id, company_code, customer_id, int(sequence), type_,
        datetime.fromisoformat(time), datetime.fromisoformat(recorded_at), body,
    )  # fmt: skip
