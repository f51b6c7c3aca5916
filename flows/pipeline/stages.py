"""The stages of a refresh: load, rate, publish, relay, report. Each brings its result up to what lies before it.

A stage that finds nothing to do does nothing; one that was killed is made up for by the next run, whatever has landed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from expectations.contract import contracts
from expectations.gate import Gate
from flows.console.progress import report_step
from flows.delivery import relay
from flows.delivery.routes import backlogs, sink_routes
from flows.errors import REFUSED, ROW_FAULTS
from flows.file_modes import require_membership
from flows.inbox import landing
from flows.pipeline import load, rate, resync
from flows.pipeline.rate_company import RatingReport
from flows.report import stamp
from flows.settings import Settings
from transforms.policy.model import Policy
from warehouse.lake.opening import open_at
from warehouse.mart import live, publish, share
from warehouse.mart.publish import Published
from warehouse.rating import emitted, outbox
from warehouse.store import ledger
from warehouse.store.migrate import due

# What a slow sink may add to a refresh; the rest of its backlog is for the relay, which holds nobody up.
SENDING_AT_MOST = timedelta(seconds=30)


@dataclass(slots=True)
class RefreshResult:
    """What a run did, stage by stage, and for how long; None where a stage had nothing to do.

    `not_rated`: why there was nothing to rate yet, where there was not.
    """

    as_of: date
    load: load.LoadReport = field(default_factory=load.LoadReport)
    rating: RatingReport | None = None
    not_rated: str | None = None
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
        if strict and any(
            table.quarantined or table.waiting for outcome in self.load.outcomes for table in outcome.tables
        ):
            return ROW_FAULTS
        return 0


def now() -> datetime:
    """When something is written down; never what it means."""
    return datetime.now(UTC).replace(tzinfo=None)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a home stands: its warehouse, open for reading at least, and the day and policy that are wanted of it."""

    settings: Settings
    connection: duckdb.DuckDBPyConnection
    as_of: date
    policy: Policy | None


@dataclass(frozen=True, slots=True)
class Run:
    """What a refresh hands from stage to stage of one day; a day whose mart nobody will see need not be `shown`.

    At the end of a day that `tells` (of one that is shown, if nothing is said), consumers are told what differs.
    With `restate_from`, nothing is loaded, and the months from that one on are rated anew. `calibrate_to`: the last day that the
    days rated together look at, to which a policy is calibrated where there is none. `until`: what was extracted then or later is
    left for a day that follows.
    """

    settings: Settings
    gate: Gate
    result: RefreshResult
    shown: bool = True
    tells: bool | None = None
    restate_from: date | None = None
    calibrate_to: date | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a refresh. `is_behind`: whether its result lies behind what lies before it; `update` brings it up.

    An update whose stage is not behind does nothing, and notes nothing in the run's result.
    """

    name: str
    is_behind: Callable[[Position], bool]
    update: Callable[[Run], None]


def is_current(settings: Settings, as_of: date) -> bool:
    """Whether no stage is behind: nothing landed, same day, same policy, all published, reported and sent.

    Opens the warehouse for reading only.
    """
    check(settings)
    if not settings.warehouse_at.exists():
        return False
    policy = rate.read_policy(settings.policy_file) if settings.policy_file.exists() else None
    with open_at(settings.warehouse_at, read_only=True) as connection:
        if due(connection):
            return False
        position = Position(settings, connection, as_of, policy)
        return not any(stage.is_behind(position) for stage in STAGES)


def check(settings: Settings) -> None:
    """Whether what was set can be used; nothing is touched.

    PolicyError for the policy that would rule, PolicyMissingError where it is gone, SettingsError for a sink or for the group
    that is to read what is published, ShareError for what a further mart hides.
    """
    sink_routes(settings)
    require_membership(settings)
    if settings.policy_file.exists():
        rate.read_policy(settings.policy_file)
    rate.require_policy(settings)
    for each in settings.shares:
        share.check(each)


def waiting(settings: Settings) -> tuple[str, ...]:
    """The batches that have no `_SUCCESS` yet."""
    return tuple("/".join(landed.identity) for landed in landing.scan_inbox(settings.inbox).waiting)


def rated_after(settings: Settings, day: date) -> list[date]:
    """The latest rated day, where it lies after `day`: what a look back must catch up with."""
    rated = last_rated(settings)
    return [rated] if rated is not None and rated > day else []


def last_rated(settings: Settings) -> date | None:
    """The latest day that was rated last, or of which consumers were told; None where there is none. For runs that write: an older warehouse is brought up."""
    if not settings.warehouse_at.exists():
        return None
    with load.open_warehouse(settings, now()) as connection:
        days = (ledger.generation(connection, "rating").as_of, emitted.latest_day(connection))
    return max((day for day in days if day is not None), default=None)


def load_stage(settings: Settings, gate: Gate, until: datetime | None = None) -> load.LoadReport:
    """Bring the canonical tables up to what has landed; of that, to what was extracted before `until`."""
    return load.load_inbox(settings, gate, recorded_at=now(), until=until)


def rate_stage(
    settings: Settings,
    as_of: date,
    *,
    shown: bool = True,
    tells: bool | None = None,
    restate_from: date | None = None,
    calibrate_to: date | None = None,
) -> RatingReport | None:
    """Bring the ratings up to the canonical tables at `as_of`; None where they are. See `rate.update`."""
    return rate.update(
        settings,
        as_of,
        recorded_at=now(),
        shown=shown,
        tells=tells,
        restate_from=restate_from,
        calibrate_to=calibrate_to,
    )


def nothing_to_rate(settings: Settings) -> str | None:
    """Why nothing can be rated yet, as a sentence; None where something can, or was."""
    with load.open_warehouse(settings, now()) as connection:
        if not rate.has_nothing_to_rate(connection):
            return None
        refused = ledger.only_refused(connection)
    if refused:
        return f"every batch so far was refused ({refused:,}): mend what is said of them, and land them again"
    return f"no customer, invoice line or receivable was accepted yet: land extracts into {settings.inbox} with `valuemart land`"


def publish_stage(settings: Settings) -> Published:
    """Bring the relay's store and the published files up to the warehouse."""
    report_step("publishing the mart")
    with load.open_warehouse(settings, now()) as connection:
        resync.answer(connection, settings, now())
        outbox.copy_to_relay(connection, settings.relay_file)
        state = ledger.generation(connection, "state").generation
        published = publish.publish(
            connection,
            settings.home,
            contracts(),
            state,
            now(),
            folder=settings.published_folder,
            readers=settings.readers,
            live=settings.shows_live,
        )
    for each in settings.shares:
        share.build_if_behind(
            settings.home, each, published=settings.published_folder, readers=settings.readers
        )
    return published


def relay_stage(settings: Settings) -> relay.RelayReport:
    """Offer the sinks what they have not got yet, for a while; the warehouse is not needed, and must not be held."""
    report_step("sending events")
    return relay.relay(settings.relay_file, sink_routes(settings), budget=SENDING_AT_MOST)


def report_stage(settings: Settings) -> Path:
    """Bring the report up to the published mart; its first page."""
    from flows.report.build import build_if_behind

    report_step("writing the report")
    return build_if_behind(settings)


def _load_is_behind(position: Position) -> bool:
    inbox = landing.scan_inbox(position.settings.inbox)
    known = ledger.known_batches(position.connection)
    return bool(landing.new_batches(inbox, known, position.settings))


def _load(run: Run) -> None:
    if run.restate_from is None:
        run.result.load = load_stage(run.settings, run.gate, run.until)


def _rate_is_behind(position: Position) -> bool:
    return rate.is_behind(position.connection, position.policy, position.as_of)


def _rate(run: Run) -> None:
    as_of, first = run.result.as_of, run.restate_from
    run.result.rating = rate_stage(
        run.settings,
        as_of,
        shown=run.shown,
        tells=run.tells,
        restate_from=first,
        calibrate_to=run.calibrate_to,
    )
    if run.result.rating is None:
        run.result.not_rated = nothing_to_rate(run.settings)


def _publish_is_behind(position: Position) -> bool:
    settings, state = position.settings, ledger.generation(position.connection, "state").generation
    return (
        not outbox.is_copied(position.connection, settings.relay_file)
        or resync.is_wanted(settings)
        or publish.published_generation(settings.home, settings.published_folder) != state
        or (settings.shows_live and live.state(position.connection) != (state, publish.content_version()))
        or not all(share.is_current(settings.published_folder, each) for each in settings.shares)
    )


def _publish(run: Run) -> None:
    run.result.published = publish_stage(run.settings)


def _relay_is_behind(position: Position) -> bool:
    waiting = backlogs(position.settings).values()
    return any(backlog.waiting and not backlog.disabled for backlog in waiting)


def _relay(run: Run) -> None:
    run.result.relayed = relay_stage(run.settings)


def _report_is_behind(position: Position) -> bool:
    return not stamp.is_current(position.settings)


def _report(run: Run) -> None:
    run.result.report = report_stage(run.settings)


# What every day of a run goes through; what follows the last one, while the warehouse may be held open; and what comes
# once it is closed: whoever waits for events does not wait for the report, which is made of the published mart.
OF_EACH_DAY = (Stage("load", _load_is_behind, _load), Stage("rate", _rate_is_behind, _rate))
OF_THE_LAST_DAY = (Stage("publish", _publish_is_behind, _publish),)
AFTER_THE_WAREHOUSE = (
    Stage("relay", _relay_is_behind, _relay),
    Stage("report", _report_is_behind, _report),
)
STAGES = (*OF_EACH_DAY, *OF_THE_LAST_DAY, *AFTER_THE_WAREHOUSE)
