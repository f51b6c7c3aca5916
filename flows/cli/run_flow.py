"""Running a flow from the command line: what must be right first, the quiet server, and what is said meanwhile."""

from __future__ import annotations

import gc
import importlib
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from flows.console.output import echo_err
from flows.console.progress import listening, report_step, saying_first
from flows.errors import ServerError
from flows.server import run_server
from flows.settings import Settings, require_in_reach

if TYPE_CHECKING:
    from flows.demo.world import World
    from flows.pipeline.stages import RefreshResult


def run_refresh(settings: Settings, as_of: date) -> RefreshResult:
    """Bring everything up to what has landed and to a day; at once where all is current.

    UsageError for a day out of reach, PolicyError, SettingsError or ShareError before anything is touched.
    """
    from flows.pipeline import stages
    from flows.pipeline.load import LoadReport

    require_in_reach(as_of, settings.days_ahead)

    if stages.is_current(settings, as_of):
        return stages.RefreshResult(as_of, load=LoadReport(waiting=stages.waiting(settings)))
    with _flow_run(settings, judges=_has_batches(settings)):
        from flows.deployments.refresh import refresh

        return refresh(as_of)


def run_backfill(settings: Settings, first: date, last: date) -> list[RefreshResult]:
    """Rate the months from `first` to `last`, in order; UsageError, PolicyError, SettingsError or ShareError as in `run_refresh`."""
    from flows.pipeline import stages

    require_in_reach(last, settings.days_ahead)
    stages.check(settings)
    with _flow_run(settings, judges=_has_batches(settings)):
        from flows.deployments.backfill import backfill

        return backfill(first, last)


def run_restate(settings: Settings, first: date) -> RefreshResult:
    """Rate the rated months anew from `first` on. UsageError if none is; PolicyError, SettingsError or ShareError likewise."""
    from flows.pipeline import stages

    stages.check(settings)
    with _flow_run(settings, judges=False):
        from flows.deployments.restate import restate

        return restate(first)


def run_demo(settings: Settings, world: World) -> list[RefreshResult]:
    """Land the sample company month by month, rate each month under the shipped policy, publish at the end."""
    from expectations.gate import Gate
    from flows.demo.world import write_month
    from flows.pipeline import stages
    from flows.pipeline.load import staging_meanwhile, warehouse_held_open
    from flows.pipeline.rate import default_policy
    from transforms.frames.plan import month_end
    from warehouse.files import write_text

    settings = settings.model_copy(
        update={"data_docs": "never"}
    )  # a page for each month would take as long as the rest
    settings.home.mkdir(parents=True, exist_ok=True)
    if not settings.policy_file.exists():
        write_text(settings.policy_file, default_policy())
    stages.check(settings)
    days = [month_end(month) for month in world.months]
    months = Countdown("month", len(days))
    to_land = deque(world.months)

    def land_until(day: date) -> None:
        """Land what the day brings, and the next month: that one is staged while this one is rated."""
        while to_land and to_land[0] <= day + timedelta(days=1):
            write_month(world, to_land.popleft(), settings.inbox)

    def begin(day: date) -> None:
        months.begin_next()
        land_until(day)

    def stage_first() -> None:
        """Have the first days staged; the warehouse is let go of by the run, once the mart is published."""
        land_until(days[0])
        held.enter_context(warehouse_held_open(settings, stages.now()))
        held.enter_context(staging_meanwhile(settings, Gate(), stages.now()))

    with (
        ExitStack() as held,
        _flow_run(settings, judges=False, meanwhile=stage_first),
        saying_first(months.told),
    ):
        from flows.deployments.run_stages import run_days

        return run_days("demo", settings, days, begin, held)


def _has_batches(settings: Settings) -> bool:
    """Whether something has landed that may have to be judged; on a day on which only the date moves, nothing has."""
    from flows.inbox.landing import scan_inbox

    return bool(scan_inbox(settings.inbox).ready)


# The first ones tell too little of how long the others will take.
_TELLING_FROM = 3


@dataclass(slots=True)
class Countdown:
    """Which of some equal pieces of work is at hand, and how long the rest may take, by those that are done."""

    piece: str
    of: int
    clock: Callable[[], float] = time.monotonic
    at: int = 0
    begun: float = 0.0

    def begin_next(self) -> None:
        """Go on to the next piece."""
        self.at += 1
        if self.at == 1:
            self.begun = self.clock()

    def told(self) -> str:
        """What a step begins with: `month 12 of 36, 4 min left: `; nothing before the first piece."""
        if not self.at:
            return ""
        done, left = self.at - 1, ""
        if done >= _TELLING_FROM:
            seconds = (self.clock() - self.begun) / done * (self.of - done)
            left = f", {math.ceil(seconds / 60)} min left" if seconds > 60 else ", less than a minute left"
        return f"{self.piece} {self.at} of {self.of}{left}: "


@contextmanager
def _flow_run(
    settings: Settings, *, judges: bool, meanwhile: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Prefect's surroundings, and a listener that shows the steps: one moving line on a terminal, lines elsewhere.

    `judges`: whether batches are judged in this process, as a rule. `meanwhile` is done while the server starts.
    """
    with shown():
        report_step("starting Prefect")
        server = run_server.prepare(settings.home)
        meanwhile()
        with _never_garbage():
            importlib.import_module("flows.deployments.run_stages")
            if server:
                # Imports take seconds that the server needs anyway.
                importlib.import_module("flows.report.build")
                if judges:
                    importlib.import_module("expectations.suites")
        if server:
            server.wait()
            _forget_old_runs(settings)
        with _told_of(server), _without_heartbeats() if server else nullcontext():
            yield


@contextmanager
def _never_garbage() -> Iterator[None]:
    """What is imported in the block stays: neither now nor later is it looked through for garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _without_heartbeats() -> AbstractContextManager[object]:
    """No heartbeats: at a run's own server nobody listens for them, and who sends them holds up the end of a run by a second."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})


@contextmanager
def _told_of(server: run_server.OwnServer | None) -> Iterator[None]:
    """What Prefect's client hears from its server while the block runs, as a ServerError; `server` is the run's own, if it has one."""
    import httpx

    try:
        yield
    except (httpx.HTTPError, RuntimeError) as error:
        # For a server that nobody finds, Prefect raises the latter because of the former.
        heard = error if isinstance(error, httpx.HTTPError) else error.__cause__
        if not isinstance(heard, httpx.HTTPError):
            raise
        raise run_server.refusal(heard, server) from error


# More than the runs of one command, so that books of years grow shorter, and no command waits for that.
_FORGOTTEN_AT_ONCE = 20


def _forget_old_runs(settings: Settings) -> None:
    """Let the home's own books lose what is older than the settings say; that it cannot be is said, and ends no run.

    Books elsewhere, in a PREFECT_HOME or a database that the user has set, hold others' runs, and are theirs to tidy.
    """
    from flows.server.runs import forget_ended_before, keeps_its_books_in

    if not keeps_its_books_in(run_server.own_books(settings.home)):
        return
    try:
        forget_ended_before(
            datetime.now(UTC) - timedelta(days=settings.keep_runs_days), at_most=_FORGOTTEN_AT_ONCE
        )
    except ServerError as error:
        report_step(" ".join(str(error).split()))


@contextmanager
def shown() -> Iterator[None]:
    """Show the steps of a block on standard error."""
    if not sys.stderr.isatty():
        with listening(echo_err):
            yield
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status, listening(status.update):
        yield
