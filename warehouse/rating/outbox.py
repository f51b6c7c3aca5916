"""The outbox: events written down in the rating's own transaction, and copied from there to the relay's store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import duckdb

from warehouse.connection import insert
from warehouse.relay.records import Copied, StoredEvent
from warehouse.relay.store import open_store, read_store

UNKNOWN = 1_000_000
"""More events than any customer can have had between a backup and its restore."""


class SameIdError(Exception):
    """Two events of one id: what makes them different is missing from the facts that the id is made of."""


class Event(Protocol):
    """What the outbox needs to know of an event; instants are aware."""

    @property
    def event_id(self) -> str:
        """The same for the same facts, whenever they are rated again."""
        ...

    @property
    def company_code(self) -> str:
        """The customer's legal entity."""
        ...

    @property
    def customer_id(self) -> str:
        """The customer within that entity; the two together own a sequence."""
        ...

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        ...

    @property
    def time(self) -> datetime:
        """Business time."""
        ...

    @property
    def recorded_at(self) -> datetime:
        """When it was written."""
        ...

    def body(self, sequence: int) -> str:
        """The bytes that will be sent, as text, with the event's number in its customer's sequence."""
        ...


def append(
    connection: duckdb.DuckDBPyConnection, events: Iterable[Event], *, sink: str | None = None
) -> list[str]:
    """Write events to the outbox inside the caller's transaction; the ids of those that are new, in order.

    They are meant for every sink, or for one. Each gets the next number of its customer's sequence, which starts at 1 and has no
    gaps, but after a restore: by business time, and in
    the order given where that is equal. An event that is there already is left out, as is a second one in the same call;
    SameIdError where one of the two says something else.
    """
    offered: dict[str, Event] = {}
    for event in events:
        _require_same(event, offered.setdefault(event.event_id, event).body(0))
    known = _known(connection, list(offered))
    for event_id, body in known.items():
        _require_same(offered[event_id], body)
    fresh = sorted(
        (event for event in offered.values() if event.event_id not in known),
        key=lambda event: (event.company_code, event.customer_id, event.time),
    )
    last = _last_sequences(connection, fresh)
    rows: list[tuple[object, ...]] = []
    for event in fresh:
        customer = (event.company_code, event.customer_id)
        last[customer] = sequence = last.get(customer, 0) + 1
        rows.append(
            (
                event.event_id, *customer, sequence, event.type,
                _naive(event.time), _naive(event.recorded_at), event.body(sequence),
            )
        )  # fmt: skip
    if rows:
        connection.execute(
            "INSERT INTO ops.outbox BY NAME SELECT unnest($1::VARCHAR[]) AS event_id, "
            "unnest($2::VARCHAR[]) AS company_code, unnest($3::VARCHAR[]) AS customer_id, "
            "unnest($4::BIGINT[]) AS sequence, $9::VARCHAR AS sink, unnest($5::VARCHAR[]) AS type, unnest($6::TIMESTAMP[]) AS time, "
            "unnest($7::TIMESTAMP[]) AS recorded_at, unnest($8::VARCHAR[]) AS body",
            [*(list(column) for column in zip(*rows, strict=True)), sink],
        )
    return [event.event_id for event in fresh]


def copy_to_relay(connection: duckdb.DuckDBPyConnection, relay_path: Path) -> int:
    """Bring the relay's store up to the warehouse's outbox, after the commit; how many events were new to them.

    This may be run at any time, and must be after a crash. The store notes how far it has the outbox: what was
    recorded after that is new to it. If the outbox up to there is not what it has seen, since one of the two was
    restored or a clock was set back, every event is looked up by its id.
    """
    reached = _reached(connection)
    with open_store(relay_path) as store:
        seen = store.copied()
        if seen == reached:
            return 0
        after = (
            seen.recorded_at if seen is not None and _reached(connection, seen.recorded_at) == seen else None
        )
        known = [] if after is not None else store.event_ids()
        # A clock that was set back must not let a customer's later event overtake: hence the running maximum.
        rows = connection.execute(
            """
            SELECT event_id, company_code, customer_id, sequence, type, time, recorded_at, body, sink
            FROM ops.outbox ANTI JOIN (SELECT unnest($known::VARCHAR[]) AS event_id) USING (event_id)
            WHERE $after::TIMESTAMP IS NULL OR recorded_at > $after
            ORDER BY max(recorded_at) OVER (PARTITION BY company_code, customer_id ORDER BY sequence),
                     company_code, customer_id, sequence
            """,
            {"known": known, "after": None if after is None else _naive(after)},
        ).fetchall()
        return store.add((_stored(row) for row in rows), reached)


def is_copied(connection: duckdb.DuckDBPyConnection, relay_path: Path) -> bool:
    """Whether the relay's store has the whole outbox; makes none where there is none."""
    reached = _reached(connection)
    if not relay_path.exists():
        return reached.events == 0
    with read_store(relay_path) as store:
        return store.copied() == reached


def _reached(connection: duckdb.DuckDBPyConnection, until: datetime | None = None) -> Copied:
    """How many events the outbox has, and when the latest of them was recorded; of those recorded until then, if given."""
    ((events, latest),) = connection.execute(
        "SELECT count(*), max(recorded_at) FROM ops.outbox WHERE $1::TIMESTAMP IS NULL OR recorded_at <= $1",
        [None if until is None else _naive(until)],
    ).fetchall()
    return Copied(int(events), None if latest is None else latest.replace(tzinfo=UTC))


def _known(connection: duckdb.DuckDBPyConnection, event_ids: Sequence[str]) -> dict[str, str]:
    rows = connection.execute(
        "SELECT event_id, body FROM ops.outbox WHERE event_id IN (SELECT unnest($1::VARCHAR[]))", [event_ids]
    ).fetchall()
    return dict(rows)


def _require_same(event: Event, body: str) -> None:
    """SameIdError if an event of that id says something else, its number and the time it was written apart."""
    if _said(event.body(0)) != _said(body):
        raise SameIdError(
            f"the event {event.event_id} of {event.company_code}/{event.customer_id} was written before and said something else"
        )


def _said(body: str) -> dict[str, object]:
    return {
        name: value for name, value in json.loads(body).items() if name not in {"sequence", "recordedtime"}
    }


def _last_sequences(
    connection: duckdb.DuckDBPyConnection, events: Sequence[Event]
) -> dict[tuple[str, str], int]:
    """The highest number each of the events' customers has reached, or may have reached before a restore."""
    customers = sorted({event.customer_id for event in events})
    reached = last_sequences(connection, customers)
    floors = connection.execute(
        "SELECT max(sequence) FROM ops.sequence_floor WHERE customer_id IS NULL"
    ).fetchall()
    for event in events if floors[0][0] is not None else ():
        reached.setdefault((event.company_code, event.customer_id), int(floors[0][0]))
    return reached


def last_sequences(
    connection: duckdb.DuckDBPyConnection, customers: Sequence[str] | None = None
) -> dict[tuple[str, str], int]:
    """The highest number each customer, or each of some, has reached, or may have; customers without any are left out."""
    rows = connection.execute(
        """SELECT company_code, customer_id, max(sequence) FROM (
               SELECT company_code, customer_id, sequence FROM ops.outbox
               UNION ALL SELECT company_code, customer_id, sequence FROM ops.sequence_floor WHERE customer_id IS NOT NULL)
           WHERE $1::VARCHAR[] IS NULL OR customer_id IN (SELECT unnest($1::VARCHAR[])) GROUP BY ALL""",
        [None if customers is None else list(customers)],
    ).fetchall()
    return {(company, customer): sequence for company, customer, sequence in rows}


def raise_sequences(
    connection: duckdb.DuckDBPyConnection, seen: Mapping[tuple[str, str], int] | None
) -> None:
    """Have sequences go on above what consumers may have seen of a warehouse that was restored since.

    `seen`: the highest number of each customer that the relay or a sink's files knew; None where nobody knows: then a million
    above what the warehouse knows.
    """
    if seen is None:
        known = last_sequences(connection)
        floors = {customer: sequence + UNKNOWN for customer, sequence in known.items()}
        insert(
            connection, "ops.sequence_floor", {"company_code": None, "customer_id": None, "sequence": UNKNOWN}
        )
    else:
        floors = dict(seen)
    for (company, customer), sequence in sorted(floors.items()):
        insert(
            connection,
            "ops.sequence_floor",
            {"company_code": company, "customer_id": customer, "sequence": sequence},
        )


def _naive(moment: datetime) -> datetime:
    """An aware instant as DuckDB's TIMESTAMP, which is UTC throughout."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _stored(row: tuple[Any, ...]) -> StoredEvent:
    event_id, company_code, customer_id, sequence, type_, time, recorded_at, body, sink = row
    return StoredEvent(
        event_id, company_code, customer_id, sequence, type_,
        time.replace(tzinfo=UTC), recorded_at.replace(tzinfo=UTC), body, sink,
    )  # fmt: skip
