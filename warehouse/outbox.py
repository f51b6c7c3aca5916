"""The outbox: events written down in the rating's own transaction, and copied from there to the relay's books."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import duckdb

from warehouse.relay_records import StoredEvent
from warehouse.relay_store import open_store


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


def append(connection: duckdb.DuckDBPyConnection, events: Iterable[Event]) -> list[str]:
    """Write events to the outbox inside the caller's transaction; the ids of those that are new, in order.

    Each gets the next number of its customer's sequence, which starts at 1 and has no gaps: by business time, and in
    the order given where that is equal. An id that is there already is left out, as is a second one in the same call.
    """
    offered: dict[str, Event] = {}
    for event in events:
        offered.setdefault(event.event_id, event)
    known = _known(connection, list(offered))
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
            "unnest($4::BIGINT[]) AS sequence, unnest($5::VARCHAR[]) AS type, unnest($6::TIMESTAMP[]) AS time, "
            "unnest($7::TIMESTAMP[]) AS recorded_at, unnest($8::VARCHAR[]) AS body",
            [list(column) for column in zip(*rows, strict=True)],
        )
    return [event.event_id for event in fresh]


def last_event_ids(
    connection: duckdb.DuckDBPyConnection, company_code: str, types: Sequence[str]
) -> dict[tuple[str, str], str]:
    """The id of each customer's last event of the types, by (company, customer); customers without one are left out."""
    rows = connection.execute(
        "SELECT company_code, customer_id, arg_max(event_id, sequence) FROM ops.outbox "
        "WHERE company_code = $1 AND type IN (SELECT unnest($2::VARCHAR[])) GROUP BY ALL",
        [company_code, list(types)],
    ).fetchall()
    return {(company, customer): event_id for company, customer, event_id in rows}


def copy_to_relay(connection: duckdb.DuckDBPyConnection, relay_path: Path) -> int:
    """Bring the relay's books up to the warehouse's outbox, after the commit; how many events were new to them.

    What is in the books already is known by its id, so this may be run at any time, and must be after a crash.
    """
    with open_store(relay_path) as store:
        # A clock that was set back must not let a customer's later event overtake: hence the running maximum.
        rows = connection.execute(
            """
            SELECT event_id, company_code, customer_id, sequence, type, time, recorded_at, body
            FROM ops.outbox ANTI JOIN (SELECT unnest($1::VARCHAR[]) AS event_id) USING (event_id)
            ORDER BY max(recorded_at) OVER (PARTITION BY company_code, customer_id ORDER BY sequence),
                     company_code, customer_id, sequence
            """,
            [store.event_ids()],
        ).fetchall()
        return store.add(_stored(row) for row in rows)


def is_copied(connection: duckdb.DuckDBPyConnection, relay_path: Path) -> bool:
    """Whether the relay's books have the whole outbox; makes none where there are none."""
    (written,) = connection.execute("SELECT count(*) FROM ops.outbox").fetchall()[0]
    if not relay_path.exists():
        return int(written) == 0
    with open_store(relay_path) as store:
        return len(store.event_ids()) >= int(written)


def _known(connection: duckdb.DuckDBPyConnection, event_ids: Sequence[str]) -> set[str]:
    rows = connection.execute(
        "SELECT event_id FROM ops.outbox WHERE event_id IN (SELECT unnest($1::VARCHAR[]))", [event_ids]
    ).fetchall()
    return {row[0] for row in rows}


def _last_sequences(
    connection: duckdb.DuckDBPyConnection, events: Sequence[Event]
) -> dict[tuple[str, str], int]:
    """The highest number each of the events' customers has reached; customers without any are left out."""
    rows = connection.execute(
        "SELECT company_code, customer_id, max(sequence) FROM ops.outbox "
        "WHERE customer_id IN (SELECT unnest($1::VARCHAR[])) GROUP BY ALL",
        [sorted({event.customer_id for event in events})],
    ).fetchall()
    return {(company, customer): sequence for company, customer, sequence in rows}


def _naive(moment: datetime) -> datetime:
    """An aware instant as DuckDB's TIMESTAMP, which is UTC throughout."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def _stored(row: tuple[Any, ...]) -> StoredEvent:
    event_id, company_code, customer_id, sequence, type_, time, recorded_at, body = row
    return StoredEvent(
        event_id, company_code, customer_id, sequence, type_,
        time.replace(tzinfo=UTC), recorded_at.replace(tzinfo=UTC), body,
    )  # fmt: skip
