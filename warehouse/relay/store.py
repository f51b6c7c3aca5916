"""The relay's own store: a SQLite file with the events to deliver and how far each sink has got.

It is SQLite, and not DuckDB, because the relay writes it row by row while other processes read and append: DuckDB lets
one process in. The outbox in the warehouse stays the truth; losing this file costs duplicates, never an event.

Per sink, an event is `waiting` (not tried yet, or to be tried again at `next_attempt_at`), `delivered`, `dead` (given
up after its attempts; its customer waits behind it until a person decides) or `discarded` (a person let it go).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from warehouse.errors import UserError
from warehouse.relay.records import (
    Backlog,
    Copied,
    DeadLetter,
    Failure,
    Selection,
    StoredEvent,
    Waiting,
    as_instant,
    as_list,
    as_text,
)
from warehouse.relay.schema import MIGRATIONS
from warehouse.storage_errors import DamagedFileError, told_of

REPAIR = (
    "move it away, with its -wal and -shm, and run `valuemart refresh`: it is filled again from the warehouse, "
    "and events that went out go out a second time"
)
_NEEDS_TO_WRITE = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_READONLY_DIRECTORY,
    sqlite3.SQLITE_READONLY_CANTINIT,
    sqlite3.SQLITE_READONLY_RECOVERY,
    sqlite3.SQLITE_IOERR,
}


class RelayStoreError(UserError):
    """The relay's store cannot be used as asked."""


@contextmanager
def open_store(path: Path) -> Iterator[RelayStore]:
    """The relay's store at that path, made if it is not there yet; closed at the end of the block."""
    with (
        told_of(path, REPAIR),
        closing(sqlite3.connect(path, timeout=30.0, isolation_level=None)) as connection,
    ):
        # In WAL mode NORMAL keeps every commit over a kill; a power cut may lose the last ones, which sends twice.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        store = RelayStore(connection)
        store.migrate(path)
        yield store


@contextmanager
def read_store(path: Path) -> Iterator[RelayStore]:
    """The relay's books for reading alone, from a home that may not be written as well; they must be there.

    They are read as they are now: whoever waits for more needs `open_store`. If SQLite cannot read them without writing
    beside them, or an older version wrote them, a copy is read.
    """
    with told_of(path, REPAIR):
        with closing(_for_reading(path)) as connection:
            store = RelayStore(connection)
            if _is_readable(store, path):
                yield store
                return
        with TemporaryDirectory(prefix="valuemart-") as folder:
            for suffix in ("", "-wal"):
                with suppress(FileNotFoundError):
                    shutil.copyfile(f"{path}{suffix}", Path(folder, f"{path.name}{suffix}"))
            with open_store(Path(folder, path.name)) as copy:
                yield copy


def _for_reading(path: Path) -> sqlite3.Connection:
    """A connection that leaves no file behind: SQLite needs two beside the books, and removes them if it may."""
    writable = all(os.access(each, os.W_OK, effective_ids=True) for each in (path, path.absolute().parent))
    way = "mode=rw" if writable else "mode=ro"
    if not writable and not path.with_name(f"{path.name}-wal").exists():
        way = "mode=ro&immutable=1"  # nobody has them open
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{way}", uri=True, timeout=30.0, isolation_level=None
    )
    connection.execute("PRAGMA query_only = ON")
    return connection


def _is_readable(store: RelayStore, path: Path) -> bool:
    """Whether the books can be read where they lie, as this version lays them out."""
    try:
        return store.is_current(path)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode in _NEEDS_TO_WRITE:
            return False
        raise


class RelayStore:
    """The statements of the relay; one connection, one thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def is_current(self, path: Path) -> bool:
        """Whether the tables are those of this version, False for older ones.

        RelayStoreError if a newer version of this program wrote them; DamagedFileError if they are of another program.
        """
        version = self._version()
        if version > len(MIGRATIONS):
            raise RelayStoreError(
                f"{path} was made by a newer version of valuemart (schema {version}; this version knows up to "
                f"{len(MIGRATIONS)}); use that version, or a newer one"
            )
        tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
        if (tables and not version) or (version and "event" not in tables):
            raise DamagedFileError(f"{path} is a database of another program; {REPAIR}")
        return version == len(MIGRATIONS)

    def migrate(self, path: Path) -> None:
        """Bring the tables up to this version; errors as `is_current`."""
        if self.is_current(path):
            return
        with self._transaction():
            version = self._version()
            for statement in ";\n".join(MIGRATIONS[version:]).split(";\n"):
                self._connection.execute(statement)
            self._connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def event_ids(self) -> list[str]:
        """The ids of all events that are in the store."""
        return [row[0] for row in self._connection.execute("SELECT event_id FROM event")]

    def problem(self) -> str | None:
        """What SQLite finds wrong with the file, read from end to end; None if nothing."""
        found = str(self._connection.execute("PRAGMA quick_check(1)").fetchall()[0][0])
        return None if found == "ok" else found

    def copied(self) -> Copied | None:
        """How much of the warehouse's outbox is in the store, as the last copy found it; None before any."""
        rows = self._connection.execute("SELECT events, recorded_at FROM copied").fetchall()
        return Copied(rows[0][0], as_instant(rows[0][1])) if rows else None

    def add(self, events: Iterable[StoredEvent], copied: Copied | None = None) -> int:
        """Take events in, in this order, leaving out those already in; how many were new.

        With them the store has the outbox as far as `copied` says, if it is given.
        """
        before = self._connection.total_changes
        with self._transaction():
            self._connection.executemany(
                "INSERT INTO event (event_id, company_code, customer_id, sequence, type, time, recorded_at, body, sink) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING",
                (
                    (e.event_id, e.company_code, e.customer_id, e.sequence, e.type, as_text(e.time),
                     as_text(e.recorded_at), e.body, e.sink)
                    for e in events
                ),
            )  # fmt: skip
            added = self._connection.total_changes - before
            if copied is not None:
                self._connection.execute("DELETE FROM copied")
                self._connection.execute(
                    "INSERT INTO copied (events, recorded_at) VALUES (?, ?)",
                    (copied.events, None if copied.recorded_at is None else as_text(copied.recorded_at)),
                )
        return added

    def enrol(self, sink: str, types: Collection[str] | None = None) -> int:
        """Put what has arrived since the last time before a sink as waiting, of these types; how many.

        A new sink gets everything from the start. A type that is named later counts from then on.
        """
        with self._transaction():
            self._connection.execute("INSERT OR IGNORE INTO sink (name, position) VALUES (?, 0)", (sink,))
            enrolled = self._connection.execute(
                "INSERT INTO delivery (sink, event_id, position, company_code, customer_id, sequence, state) "
                "SELECT ?1, event_id, position, company_code, customer_id, sequence, 'waiting' FROM event "
                "WHERE position > (SELECT position FROM sink WHERE name = ?1) "
                "AND (event.sink IS NULL OR event.sink = ?1) "
                "AND (?2 IS NULL OR type IN (SELECT value FROM json_each(?2))) "
                "ON CONFLICT (sink, event_id) DO NOTHING",
                (sink, as_list(types)),
            ).rowcount
            self._connection.execute(
                "UPDATE sink SET position = (SELECT coalesce(max(position), 0) FROM event) WHERE name = ?",
                (sink,),
            )
        return enrolled

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
            SELECT delivery.attempts, delivery.first_failed_at, event.* FROM first
            JOIN delivery USING (company_code, customer_id, sequence) JOIN event USING (event_id)
            WHERE delivery.sink = ?1 AND delivery.state IN ('waiting', 'dead') AND delivery.state = 'waiting'
              AND (delivery.next_attempt_at IS NULL OR delivery.next_attempt_at <= ?2)
            ORDER BY delivery.position LIMIT ?3
            """,
            (sink, as_text(now), limit),
        ).fetchall()
        return [Waiting(_event(row[3:]), row[0], as_instant(row[1])) for row in rows]

    def settle(
        self, sink: str, delivered: Collection[str], failures: Sequence[Failure], now: datetime
    ) -> None:
        """Write down how an attempt ended, all of it in one transaction."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE delivery SET state = 'delivered', settled_at = ?, next_attempt_at = NULL "
                "WHERE sink = ? AND event_id = ?",
                ((as_text(now), sink, event_id) for event_id in delivered),
            )
            if delivered:
                self._connection.execute(
                    "UPDATE sink SET last_delivered_at = ? WHERE name = ?", (as_text(now), sink)
                )
            self._connection.executemany(
                "UPDATE delivery SET attempts = attempts + 1, last_error = ?1, next_attempt_at = ?2, "
                "first_failed_at = coalesce(first_failed_at, ?3), "
                "state = CASE WHEN ?2 IS NULL THEN 'dead' ELSE 'waiting' END, "
                "settled_at = CASE WHEN ?2 IS NULL THEN ?3 END WHERE sink = ?4 AND event_id = ?5",
                (
                    (each.error, as_text(each.next_attempt_at), as_text(now), sink, each.event_id)
                    for each in failures
                ),
            )

    def last_delivered(self, sink: str) -> datetime | None:
        """When a sink last took an event."""
        row = self._connection.execute(
            "SELECT last_delivered_at FROM sink WHERE name = ?", (sink,)
        ).fetchone()
        return as_instant(row[0]) if row else None

    def disable(self, sink: str, reason: str, now: datetime) -> None:
        """Serve a sink no more, until a person enables it again."""
        self._connection.execute(
            "UPDATE sink SET disabled_at = ?, disabled_reason = ? WHERE name = ?",
            (as_text(now), reason, sink),
        )

    def enable(self, sink: str) -> None:
        """Serve a disabled sink again; RelayStoreError where it is not disabled."""
        changed = self._connection.execute(
            "UPDATE sink SET disabled_at = NULL, disabled_reason = NULL "
            "WHERE name = ? AND disabled_reason IS NOT NULL",
            (sink,),
        ).rowcount
        if changed == 0:
            raise RelayStoreError(f"the sink {sink} is not disabled")

    def disabled(self, sink: str) -> str | None:
        """Why a sink is served no more; None where it is."""
        row = self._connection.execute("SELECT disabled_reason FROM sink WHERE name = ?", (sink,)).fetchone()
        return row[0] if row else None

    def pause(self, sink: str, until: datetime) -> None:
        """Leave a sink alone until then, as its receiver asked."""
        self._connection.execute("UPDATE sink SET paused_until = ? WHERE name = ?", (as_text(until), sink))

    def paused_until(self, sink: str) -> datetime | None:
        """Until when a sink's receiver asked to be left alone, which may be over; None where it never did."""
        row = self._connection.execute("SELECT paused_until FROM sink WHERE name = ?", (sink,)).fetchone()
        return as_instant(row[0]) if row else None

    def backlog(self, sink: str, types: Collection[str] | None = None) -> Backlog:
        """What a sink has not got yet, events that nobody has put before it included."""
        waiting, dead, blocked, oldest = self._connection.execute(
            """
            SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'dead'),
                   count(DISTINCT iif(state = 'dead' OR attempts > 0, json_array(company_code, customer_id), NULL)),
                   min(recorded_at)
            FROM (
                SELECT delivery.state, delivery.attempts, delivery.company_code, delivery.customer_id, recorded_at
                FROM delivery JOIN event USING (event_id)
                WHERE delivery.sink = ?1 AND state IN ('waiting', 'dead')
                UNION ALL
                SELECT 'waiting', 0, company_code, customer_id, recorded_at FROM event
                WHERE position > coalesce((SELECT position FROM sink WHERE name = ?1), 0)
                  AND (event.sink IS NULL OR event.sink = ?1)
                  AND (?2 IS NULL OR type IN (SELECT value FROM json_each(?2)))
            )
            """,
            (sink, as_list(types)),
        ).fetchone()
        return Backlog(waiting, dead, blocked, as_instant(oldest), self.disabled(sink))

    def latest(self, selection: Selection, limit: int) -> list[StoredEvent]:
        """The last events that are meant, oldest first."""
        condition, parameters = selection.condition()
        rows = self._connection.execute(
            f"SELECT * FROM event WHERE {condition} ORDER BY position DESC LIMIT :limit",
            {**parameters, "limit": limit},
        ).fetchall()
        return [_event(row[1:]) for row in reversed(rows)]

    def after(self, position: int, selection: Selection) -> tuple[int, list[StoredEvent]]:
        """What was taken in after a position, of what is meant, and the position to ask from the next time."""
        condition, parameters = selection.condition()
        last = int(self._connection.execute("SELECT coalesce(max(position), 0) FROM event").fetchone()[0])
        rows = self._connection.execute(
            f"SELECT * FROM event WHERE position > :after AND position <= :last AND {condition} ORDER BY position",
            {**parameters, "after": position, "last": last},
        ).fetchall()
        return last, [_event(row[1:]) for row in rows]

    def replay(self, sink: str, selection: Selection, types: Collection[str] | None = None) -> int:
        """Put events before a sink again that it has had, or that came before it took their type; how many.

        They leave with the bytes and ids they had. Dead letters and discarded events stay as they are.
        """
        condition, parameters = selection.condition()
        with self._transaction():
            return self._connection.execute(
                "INSERT INTO delivery (sink, event_id, position, company_code, customer_id, sequence, state) "
                "SELECT :sink, event_id, event.position, company_code, customer_id, sequence, 'waiting' FROM event "
                f"JOIN sink ON sink.name = :sink AND event.position <= sink.position WHERE {condition} "
                "AND (event.sink IS NULL OR event.sink = :sink) "
                "AND (:taken IS NULL OR type IN (SELECT value FROM json_each(:taken))) "
                "ON CONFLICT (sink, event_id) DO UPDATE SET state = 'waiting', attempts = 0, next_attempt_at = NULL, "
                "first_failed_at = NULL, last_error = NULL, settled_at = NULL WHERE delivery.state = 'delivered'",
                {**parameters, "sink": sink, "taken": as_list(types)},
            ).rowcount

    def dead_letters(self) -> list[DeadLetter]:
        """Every event that a sink refused for good and nobody has dealt with, oldest first."""
        rows = self._connection.execute(
            "SELECT delivery.sink, attempts, last_error, settled_at, event.* FROM delivery JOIN event USING (event_id) "
            "WHERE state = 'dead' ORDER BY delivery.sink, delivery.position"
        ).fetchall()
        return [
            DeadLetter(row[0], _event(row[5:]), row[1], row[2], datetime.fromisoformat(row[3]))
            for row in rows
        ]

    def reopen(self, sink: str, event_id: str) -> None:
        """Let a dead event be tried again, with all its attempts; RelayStoreError where it is not dead."""
        self._resolve(
            sink,
            event_id,
            "state = 'waiting', attempts = 0, next_attempt_at = NULL, first_failed_at = NULL, settled_at = NULL",
        )

    def discard(self, sink: str, event_id: str) -> None:
        """Give a dead event up, so that its customer's later ones go on; RelayStoreError where it is not dead.

        The sink is to be sent what holds of the customer: what it was not told may have been news.
        """
        self._resolve(sink, event_id, "state = 'discarded'")
        self._connection.execute(
            "INSERT INTO resync (sink, company_code, customer_id) "
            "SELECT ?, company_code, customer_id FROM event WHERE event_id = ?",
            (sink, event_id),
        )

    def begin(self, sinks: Iterable[str]) -> None:
        """Have sinks that were never served begin with what holds, instead of all that was told so far; if nothing was, with that."""
        (last,) = self._connection.execute("SELECT coalesce(max(position), 0) FROM event").fetchone()
        with self._transaction():
            for sink in sinks:
                new = self._connection.execute(
                    "INSERT OR IGNORE INTO sink (name, position) VALUES (?, ?)", (sink, last)
                ).rowcount
                if new and last:
                    self._connection.execute("INSERT INTO resync (sink) VALUES (?)", (sink,))

    def wanted(self) -> list[tuple[str, str | None, str | None]]:
        """Sink, company and customer of what is to be sent as it holds; no customer: of all."""
        return self._connection.execute(
            "SELECT DISTINCT sink, company_code, customer_id FROM resync ORDER BY 1, 2, 3"
        ).fetchall()

    def answered(self, wanted: Iterable[tuple[str, str | None, str | None]]) -> None:
        """What was wanted was written to the outbox."""
        with self._transaction():
            self._connection.executemany(
                "DELETE FROM resync WHERE sink = ? AND company_code IS ? AND customer_id IS ?", wanted
            )

    def highest(self) -> dict[tuple[str, str], int]:
        """The highest number of each customer."""
        rows = self._connection.execute(
            "SELECT company_code, customer_id, max(sequence) FROM event GROUP BY company_code, customer_id"
        )
        return {(company, customer): int(sequence) for company, customer, sequence in rows}

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
            if self._connection.in_transaction:  # a full disk has ended it already
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


def _event(row: Sequence[str]) -> StoredEvent:
    event_id, company_code, customer_id, sequence, type_, time, recorded_at, body, sink = row
    return StoredEvent(
        event_id, company_code, customer_id, int(sequence), type_,
        datetime.fromisoformat(time), datetime.fromisoformat(recorded_at), body, sink,
    )  # fmt: skip
