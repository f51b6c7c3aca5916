"""Sending what holds, on demand: to a sink that is new or has lost what it had, or what was taken for known so far."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import duckdb

from flows.errors import UsageError
from flows.events.build import EventContext
from flows.pipeline import telling
from flows.pipeline.load import open_warehouse
from flows.settings import Settings
from transforms.policy.model import parse_policy
from warehouse.connection import transaction
from warehouse.rating import emitted, outbox
from warehouse.relay.store import open_store
from warehouse.store import ledger

CAUSE = "resync"


def resync(
    settings: Settings, recorded_at: datetime, *, sink: str | None, company: str | None, customer: str | None
) -> int:
    """Write what holds to the outbox, for every sink or for one, of everybody or of one customer; how many events.

    UsageError where nothing was told yet, or the customer is none of those that are rated.
    """
    written = _write(
        settings,
        recorded_at,
        lambda connection: _resync(connection, settings, recorded_at, sink, company, customer),
    )
    if customer is not None and not written:
        raise UsageError(
            f"no customer {customer} is rated{f' in {company}' if company else ''}; look at `valuemart explain`"
        )
    return written


def announce(settings: Settings, recorded_at: datetime) -> int:
    """Write what stands and was taken for known to the outbox; how many events. UsageError where nothing was told yet."""

    def write(connection: duckdb.DuckDBPyConnection) -> int:
        return sum(
            telling.announce(connection, day.company, day.period, context)
            for day, context in _told(connection, settings, recorded_at)
        )

    return _write(settings, recorded_at, write)


def answer(connection: duckdb.DuckDBPyConnection, settings: Settings, recorded_at: datetime) -> None:
    """Write what sinks are to be sent as it holds: those that begin, and what stands behind an event that was given up."""
    with open_store(settings.relay_file) as store:
        store.begin(settings.sinks)
        wanted = store.wanted()
        if wanted:
            with transaction(connection):
                for sink, company, customer in wanted:
                    _resync(connection, settings, recorded_at, sink, company, customer)
                ledger.advance_state(connection, recorded_at)
            store.answered(wanted)


def is_wanted(settings: Settings) -> bool:
    """Whether a sink is to be sent what holds."""
    if not settings.relay_file.exists():
        return False
    with open_store(settings.relay_file) as store:
        return bool(store.wanted())


def _resync(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    recorded_at: datetime,
    sink: str | None,
    company: str | None,
    customer: str | None,
) -> int:
    return sum(
        telling.resync(connection, day.company, day.period, context, sink=sink, customer=customer)
        for day, context in _told(connection, settings, recorded_at, cause=CAUSE)
        if company in {None, day.company}
    )


def _told(
    connection: duckdb.DuckDBPyConnection, settings: Settings, recorded_at: datetime, cause: str | None = None
) -> Iterator[tuple[emitted.EmittedDay, EventContext]]:
    """The latest told day of each company, and what events of it carry."""
    for day in emitted.latest(connection):
        policy = parse_policy(ledger.policy_text(connection, day.policy_hash))
        yield day, EventContext(settings.tenant, day.as_of, recorded_at, policy, cause)


def _write(
    settings: Settings, recorded_at: datetime, write: Callable[[duckdb.DuckDBPyConnection], int]
) -> int:
    if not settings.warehouse_at.exists():
        raise UsageError(f"nothing is rated in {settings.home} yet; run `valuemart refresh` first")
    with open_warehouse(settings, recorded_at) as connection:
        if not emitted.latest(connection):
            raise UsageError(f"nothing is rated in {settings.home} yet; run `valuemart refresh` first")
        with transaction(connection):
            written = write(connection)
            ledger.advance_state(connection, recorded_at)
        outbox.copy_to_relay(connection, settings.relay_file)
    return written
