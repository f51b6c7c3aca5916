"""Delivers events to the sinks: at least once, each customer's in order, from `relay.db` alone.

It never opens DuckDB, so it may run while anything else does, and wait for a network without holding anybody up.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows.sinks import Sink, SinkDownError
from warehouse.relay_store import Backlog, Failure, Waiting, open_store

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Retry:
    """How a failing event is tried again: after `first_pause`, doubling up to `longest_pause`, `attempts` times in all.

    The defaults give a receiver about two and a half hours before a person is asked.
    """

    attempts: int = 10
    first_pause: timedelta = timedelta(seconds=30)
    longest_pause: timedelta = timedelta(minutes=30)

    def next_attempt(self, failed: int, now: datetime) -> datetime | None:
        """When to try again after the `failed`th failure, or None to give up."""
        if failed >= self.attempts:
            return None
        return now + min(self.first_pause * 2 ** min(failed - 1, 30), self.longest_pause)


@dataclass(frozen=True, slots=True)
class SinkReport:
    """What one run did for one sink. `down` says why the run stopped early; `backlog` is what is left behind."""

    sink: str
    delivered: int
    refused: int
    down: str | None
    backlog: Backlog


@dataclass(frozen=True, slots=True)
class RelayReport:
    """What one run did, sink by sink; `busy` means that another run was under way and this one did nothing."""

    sinks: tuple[SinkReport, ...] = ()
    busy: bool = False

    @property
    def delivered(self) -> int:
        """Deliveries over all sinks."""
        return sum(sink.delivered for sink in self.sinks)


def utc_now() -> datetime:
    """The wall clock: it decides when to try again, and nothing about an event."""
    return datetime.now(UTC)


def relay(
    relay_path: Path,
    sinks: Sequence[Sink],
    *,
    retry: Retry = Retry(),
    batch_size: int = 500,
    clock: Clock = utc_now,
) -> RelayReport:
    """Offer every sink what is due, until nothing is or the sink is down; sinks do not wait for each other.

    A run that dies at any point loses nothing: what it had delivered and not yet written down goes out once more.
    """
    names = [sink.name for sink in sinks]
    if len(set(names)) != len(names):
        raise ValueError(
            f"two sinks share a name, and would share their progress: {', '.join(sorted(names))}"
        )
    with _only_run(relay_path) as alone:
        if not alone:
            return RelayReport(busy=True)
        with open_store(relay_path):
            pass  # so that the sinks' threads find the tables made
        with ThreadPoolExecutor(max_workers=max(len(sinks), 1), thread_name_prefix="sink") as pool:
            runs = [pool.submit(_serve, relay_path, sink, retry, batch_size, clock) for sink in sinks]
            return RelayReport(tuple(run.result() for run in runs))


def backlogs(relay_path: Path, sinks: Sequence[str]) -> dict[str, Backlog]:
    """What each sink has not got yet; makes no file where nothing was ever sent."""
    if not relay_path.exists():
        return {sink: Backlog(0, 0, 0, None) for sink in sinks}
    with open_store(relay_path) as store:
        return {sink: store.backlog(sink) for sink in sinks}


def _serve(relay_path: Path, sink: Sink, retry: Retry, batch_size: int, clock: Clock) -> SinkReport:
    """One sink's run: batch after batch, each written down before the next is offered."""
    delivered = refused = 0
    down: str | None = None
    with open_store(relay_path) as store:
        store.enrol(sink.name)
        while down is None and (batch := store.due(sink.name, clock(), batch_size)):
            outcome = _offer(sink, batch)
            now = clock()
            failures = [
                Failure(each.event.event_id, reason, retry.next_attempt(each.attempts + 1, now))
                for each in batch
                if (reason := outcome.refused.get(each.event.event_id)) is not None
            ]
            store.settle(sink.name, outcome.delivered, failures, now)
            delivered += len(outcome.delivered)
            refused += len(failures)
            down = outcome.down
        return SinkReport(sink.name, delivered, refused, down, store.backlog(sink.name))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How offering a batch ended; events that are in neither collection were not offered."""

    delivered: Sequence[str]
    refused: Mapping[str, str]
    down: str | None


def _offer(sink: Sink, batch: Sequence[Waiting]) -> _Outcome:
    ids = [each.event.event_id for each in batch]
    try:
        refused = sink.send([each.event for each in batch])
    except (SinkDownError, OSError) as error:
        return _Outcome((), {}, _reason(error))
    except Exception as error:  # noqa: BLE001 - whatever a sink makes of an event, the other customers go on
        if len(batch) == 1:
            return _Outcome((), {ids[0]: _reason(error)}, None)
        return _offer_one_by_one(sink, batch)
    return _Outcome([event_id for event_id in ids if event_id not in refused], refused, None)


def _offer_one_by_one(sink: Sink, batch: Sequence[Waiting]) -> _Outcome:
    """Which event of a batch it is that makes the sink raise."""
    delivered: list[str] = []
    refused: dict[str, str] = {}
    for each in batch:
        outcome = _offer(sink, [each])
        delivered.extend(outcome.delivered)
        refused.update(outcome.refused)
        if outcome.down is not None:
            return _Outcome(delivered, refused, outcome.down)
    return _Outcome(delivered, refused, None)


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:500]


@contextmanager
def _only_run(relay_path: Path) -> Iterator[bool]:
    """Whether this is the only relay on these books: two at once could send a customer's events past each other.

    The operating system frees the lock when the process ends, however it ends.
    """
    with relay_path.with_name(f"{relay_path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
