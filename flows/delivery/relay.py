"""Delivers events to the sinks: at least once, each customer's in order, from `relay.db` alone.

It never opens DuckDB, so it may run while anything else does, and wait for a network without holding anybody up. Each
sink has a thread, a lock and a place in the relay's store of its own: none waits for another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import TypeVar
from zlib import crc32

from flows.delivery.sinks import Sent, Sink, SinkDownError
from flows.settings.sinks import DEFAULT_RETRY, Retry
from warehouse.files import held_alone
from warehouse.relay.records import Backlog, Failure, Waiting
from warehouse.relay.store import RelayStore, open_store, read_store

Clock = Callable[[], datetime]
T = TypeVar("T")

BATCH = 500
_LONGEST_DOWN = timedelta(minutes=5)
# A signal may reach a sink's thread, and Python handles it in the main one alone, which does not wake for it.
_LOOK_EACH_SECONDS = 1.0

# However long a receiver asks to be left alone, it is asked again after this.
LONGEST_ASKED_FOR = timedelta(hours=1)

_NOTHING = "the sink offered its receiver nothing"


@dataclass(frozen=True, slots=True)
class SinkRoute:
    """A sink, which types it is offered (None: all), and how a failing event is tried again."""

    sink: Sink
    types: frozenset[str] | None = None
    retry: Retry = DEFAULT_RETRY

    @property
    def name(self) -> str:
        """The sink's."""
        return self.sink.name


@dataclass(frozen=True, slots=True)
class SinkReport:
    """What one run did for one sink. `backlog` is what is left behind.

    `down` says why the run stopped early; `busy` means that another run was serving this sink, and this one left it.
    """

    sink: str
    delivered: int
    refused: int
    down: str | None
    backlog: Backlog
    busy: bool = False


@dataclass(frozen=True, slots=True)
class RelayReport:
    """What one run did, sink by sink."""

    sinks: tuple[SinkReport, ...] = ()

    @property
    def delivered(self) -> int:
        """Deliveries over all sinks."""
        return sum(sink.delivered for sink in self.sinks)


def utc_now() -> datetime:
    """The wall clock: it decides when to try again, and nothing about an event."""
    return datetime.now(UTC)


def relay(
    relay_path: Path,
    routes: Sequence[SinkRoute],
    *,
    budget: timedelta | None = None,
    batch_size: int = BATCH,
    clock: Clock = utc_now,
) -> RelayReport:
    """Offer every sink what is due, until nothing is, the sink is down, or `budget` is used up (None: no bound).

    A run that dies at any point loses nothing: what it had delivered and not yet written down goes out once more.
    """
    names = [route.name for route in routes]
    if len(set(names)) != len(names):
        raise ValueError(
            f"two sinks share a name, and would share their progress: {', '.join(sorted(names))}"
        )
    with open_store(relay_path):
        pass  # so that the sinks' threads find the tables made
    stop = Event()

    def serve_one(route: SinkRoute) -> SinkReport:
        return serve(relay_path, route, budget=budget, batch_size=batch_size, clock=clock, stop=stop)

    return RelayReport(tuple(_each_in_a_thread(serve_one, routes, stop)))


def serve_for_ever(
    relay_path: Path,
    routes: Sequence[SinkRoute],
    every: timedelta,
    tell: Callable[[SinkReport], None],
    stop: Event | None = None,
) -> None:
    """Serve each sink again and again, `every` so often, and less often while it is down; until `stop` is set.

    An interrupt ends it as well, once each sink is done with what it has just offered.
    """
    stop = stop or Event()

    def keep_serving(route: SinkRoute) -> None:
        downs = 0
        while not stop.is_set():
            report = serve(relay_path, route, stop=stop)
            tell(report)
            downs = downs + 1 if report.down else 0
            if not report.delivered:
                stop.wait(min(every * 2 ** min(downs, 30), max(every, _LONGEST_DOWN)).total_seconds())

    _each_in_a_thread(keep_serving, routes, stop)


def backlogs(relay_path: Path, sinks: Mapping[str, frozenset[str] | None]) -> dict[str, Backlog]:
    """What each sink has not got yet: how many, and since when; makes no file where nothing was ever sent.

    `sinks`: the types that each is offered, by its name; None for all.
    """
    if not relay_path.exists():
        return {name: Backlog(0, 0, 0, None) for name in sinks}
    with read_store(relay_path) as store:
        return {name: store.backlog(name, types) for name, types in sinks.items()}


def serve(
    relay_path: Path,
    route: SinkRoute,
    *,
    budget: timedelta | None = None,
    batch_size: int = BATCH,
    clock: Clock = utc_now,
    stop: Event | None = None,
) -> SinkReport:
    """One sink's run: batch after batch, each written down before the next is offered, until `stop` is set at most."""
    ends_at = None if budget is None else time.monotonic() + budget.total_seconds()
    sink = route.sink
    report = SinkReport(sink.name, 0, 0, None, Backlog(0, 0, 0, None))
    # Two at once could send a customer's events past each other.
    lock = relay_path.with_name(f"{relay_path.name}.{sink.name}.lock")
    with open_store(relay_path) as store, held_alone(lock) as alone:
        if not alone:
            return replace(report, busy=True, backlog=store.backlog(sink.name, route.types))
        store.enrol(sink.name, route.types)
        if disabled := store.disabled(sink.name):
            report = replace(report, down=f"disabled: {disabled}")
        elif (until := store.paused_until(sink.name)) and clock() < until:
            report = replace(report, down=f"asked to be left alone until {until:%Y-%m-%d %H:%M:%S} UTC")
        try:
            while (
                report.down is None
                and (ends_at is None or time.monotonic() < ends_at)
                and not (stop and stop.is_set())
                and (batch := store.due(sink.name, clock(), batch_size))
            ):
                sent = _offer(sink, batch)
                failures = _settle(store, route, batch, sent, clock())
                report = replace(
                    report,
                    delivered=report.delivered + len(sent.delivered),
                    refused=report.refused + failures,
                    down=sent.disabled or sent.down or (None if sent.delivered or failures else _NOTHING),
                )
        finally:
            sink.close()
        return replace(report, backlog=store.backlog(sink.name, route.types))


def _each_in_a_thread(work: Callable[[SinkRoute], T], routes: Sequence[SinkRoute], stop: Event) -> list[T]:
    """The work's results, in order; where one fails, or the run is interrupted, the others are asked to stop."""
    with ThreadPoolExecutor(max_workers=max(len(routes), 1), thread_name_prefix="sink") as pool:
        runs = [pool.submit(work, route) for route in routes]
        try:
            left = set(runs)
            while left:
                done, left = wait(left, timeout=_LOOK_EACH_SECONDS, return_when=FIRST_COMPLETED)
                for run in done:
                    run.result()
        except BaseException:
            stop.set()
            raise
        return [run.result() for run in runs]


def _settle(store: RelayStore, route: SinkRoute, batch: Sequence[Waiting], sent: Sent, now: datetime) -> int:
    """Write down what became of a batch; how many events failed."""
    taken_last = now if sent.delivered else store.last_delivered(route.name)
    failures = []
    for each in batch:
        event_id, failed = each.event.event_id, each.attempts + 1
        reason = sent.refused.get(event_id) or sent.failed.get(event_id)
        if reason is None:
            continue
        spread = (
            crc32(f"{event_id}:{failed}".encode()) / 2**32
        )  # another event, another pause; the same in every run
        again = route.retry.next_attempt(failed, now, spread=spread)
        if again is None and event_id in sent.failed and not _others_passed(each, taken_last, now):
            again = now + route.retry.longest_pause
        failures.append(Failure(event_id, reason, again))
    store.settle(route.name, sent.delivered, failures, now)
    if sent.disabled:
        store.disable(route.name, sent.disabled, now)
    if sent.pause:
        store.pause(route.name, now + min(sent.pause, LONGEST_ASKED_FOR))
    return len(failures)


def _others_passed(waiting: Waiting, taken_last: datetime | None, now: datetime) -> bool:
    """Whether the receiver took an event since this one first failed: else the fault may be its own, not the event's."""
    return taken_last is not None and taken_last >= (waiting.first_failed_at or now)


def _offer(sink: Sink, batch: Sequence[Waiting]) -> Sent:
    try:
        return sink.send([each.event for each in batch])
    except (SinkDownError, OSError) as error:
        return Sent(down=_reason(error))
    except Exception as error:  # noqa: BLE001 - whatever a sink makes of an event, the other customers go on
        if len(batch) == 1:
            return Sent(refused={batch[0].event.event_id: _reason(error)})
        return _offer_one_by_one(sink, batch)


def _offer_one_by_one(sink: Sink, batch: Sequence[Waiting]) -> Sent:
    """Which event of a batch it is that makes the sink raise."""
    delivered: list[str] = []
    refused: dict[str, str] = {}
    failed: dict[str, str] = {}
    for each in batch:
        sent = _offer(sink, [each])
        delivered += sent.delivered
        refused |= sent.refused
        failed |= sent.failed
        if sent.down or sent.disabled:
            return Sent(delivered, refused, failed, sent.down, sent.disabled, sent.pause)
    return Sent(delivered, refused, failed)


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]
