"""The stages of a refresh as plain functions: load, rate, publish, relay, report. Each brings its result up to what lies before it.

A stage that finds nothing to do does nothing; one that was killed is made up for by the next run, whatever has landed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from expectations.contract import contracts
from expectations.gate import Gate
from flows import load, pull, rate, relay
from flows.progress import say
from flows.report import stamp
from flows.settings import Settings
from flows.sinks.building import backlogs, outlets
from warehouse import ledger, outbox, publish, share
from warehouse.connection import open_database
from warehouse.publish import Published

REFUSED, ROW_FAULTS = 3, 4

# What a slow sink may add to a refresh; the rest of its backlog is for the relay, which holds nobody up.
SENDING_AT_MOST = timedelta(seconds=30)


@dataclass(slots=True)
class RefreshResult:
    """What a run did, stage by stage, and for how long; None where a stage had nothing to do."""

    as_of: date
    load: load.LoadReport = field(default_factory=load.LoadReport)
    rating: rate.RatingReport | None = None
    published: Published | None = None
    report: Path | None = None
    relayed: relay.RelayReport | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Note what the stage in the block took."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = round(time.perf_counter() - began, 3)

    def exit_code(self, *, strict: bool) -> int:
        """0, 3 where a batch was refused, 4 where rows were quarantined and the run is strict."""
        if any(outcome.status == "refused" for outcome in self.load.outcomes):
            return REFUSED
        if strict and any(table.quarantined for outcome in self.load.outcomes for table in outcome.tables):
            return ROW_FAULTS
        return 0


def now() -> datetime:
    """When something is written down; never what it means."""
    return datetime.now(UTC).replace(tzinfo=None)


def is_current(settings: Settings, as_of: date) -> bool:
    """Whether every stage is up to date: nothing landed, same day, same policy, all published, reported and sent.

    Opens the warehouse for reading only.
    """
    check(settings)
    if not settings.warehouse_file.exists() or not settings.policy_file.exists():
        return False
    with open_database(settings.warehouse_file, read_only=True) as connection:
        known = ledger.known_batches(connection)
        loaded, rated, shown = (
            ledger.generation(connection, stage) for stage in ("load", "rating", "display")
        )
        state = ledger.generation(connection, "state")
        handed_over = outbox.is_copied(connection, settings.relay_file)
    wanted = ledger.Generation(loaded.generation, as_of, rate.read_policy(settings.policy_file).content_hash)
    if (
        {rated, shown} != {wanted}
        or not handed_over
        or publish.published_generation(settings.home) != state.generation
    ):
        return False
    if not all(share.is_current(settings.home, each) for each in settings.shares):
        return False
    if not stamp.is_current(settings):
        return False
    if pull.new_batches(pull.scan_inbox(settings.inbox), known, settings):
        return False
    return not any(backlog.waiting and not backlog.disabled for backlog in backlogs(settings).values())


def check(settings: Settings) -> None:
    """Whether what was set can be used; nothing is touched.

    PolicyError for the policy that would rule, SettingsError for a sink, ShareError for what a further mart hides.
    """
    outlets(settings)
    if settings.policy_file.exists():
        rate.read_policy(settings.policy_file)
    for each in settings.shares:
        share.check(each)


def waiting(settings: Settings) -> tuple[str, ...]:
    """The batches that have no `_SUCCESS` yet."""
    return tuple("/".join(landed.identity) for landed in pull.scan_inbox(settings.inbox).waiting)


def rated_after(settings: Settings, day: date) -> list[date]:
    """The day of the last rating, where it lies after `day`: what a look back must catch up with."""
    if not settings.warehouse_file.exists():
        return []
    with open_database(settings.warehouse_file, read_only=True) as connection:
        rated = ledger.generation(connection, "rating").as_of
    return [rated] if rated is not None and rated > day else []


def load_stage(settings: Settings, gate: Gate) -> load.LoadReport:
    """Bring the canonical tables up to what has landed."""
    return load.load_inbox(settings, gate, recorded_at=now())


def rate_stage(settings: Settings, as_of: date, *, shown: bool = True) -> rate.RatingReport | None:
    """Bring the ratings up to the canonical tables at `as_of`; None where they are. See `rate.bring_up`."""
    return rate.bring_up(settings, as_of, recorded_at=now(), shown=shown)


def publish_stage(settings: Settings) -> Published:
    """Bring the relay's books and the published files up to the warehouse."""
    say("publishing the mart")
    with load.open_warehouse(settings, now()) as connection:
        outbox.copy_to_relay(connection, settings.relay_file)
        state = ledger.generation(connection, "state").generation
        published = publish.publish(connection, settings.home, contracts(), state, now())
    for each in settings.shares:
        share.bring_up(settings.home, each)
    return published


def report_stage(settings: Settings) -> Path:
    """Bring the report up to the published mart; its first page."""
    from flows.report.build import bring_up

    say("writing the report")
    return bring_up(settings)


def relay_stage(settings: Settings) -> relay.RelayReport:
    """Offer the sinks what they have not got yet, for a while; the warehouse is not needed, and must not be held."""
    say("sending events")
    return relay.relay(settings.relay_file, outlets(settings), budget=SENDING_AT_MOST)
