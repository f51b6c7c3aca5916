"""The next batches staged by other hands while one is merged: whoever commits takes their verdicts in the batches' order.

A verdict counts only if nothing it rests on is different by then: the batch, its mapping, and what was looked up in what the
warehouse knew. Whatever else becomes of an order (refused, lost with its worker, never begun), the batch is staged again by who
commits, so that no outcome depends on where it was staged.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor, CancelledError, Future, wait
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Self

import duckdb

from expectations.gate import Gate
from flows.console.progress import report_step
from flows.runner import dask_cluster, processes, ray_cluster
from flows.runner.hands import Hands
from flows.runner.task import Order, Verdict
from flows.settings import Settings
from warehouse.files import file_size
from warehouse.staging import currency
from warehouse.staging.scratch import SMALL_BATCH_BYTES

# A process takes seconds to import the judge; for fewer batches that costs more than a second core gives.
FEWEST_FOR_PROCESSES = 24
FEWEST_FOR_A_CLUSTER = 2
# Orders given beyond those at work, so that nobody waits for the next one while a batch is merged.
_SPARE = 2
# How often an order is given: a batch that takes its worker with it twice is for who commits.
_TRIES = 2
_LOOK_EVERY_S = 5.0
_KNOWN = "known"


@dataclass(slots=True)
class _Given:
    """An order, and what it was begun with."""

    order: Order
    known: Path
    future: Future[Verdict]


class Ahead:
    """What is being staged ahead of its turn, in one run over one warehouse.

    `meanwhile`: while who commits does other work, too, and keeps a core to itself; then no batch is too few.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        settings: Settings,
        gate: Gate,
        *,
        meanwhile: bool = False,
    ) -> None:
        self._connection = connection
        self._settings = settings
        cores = os.cpu_count() or 1
        self._processes = cores - 1 if meanwhile else cores
        fewest = FEWEST_FOR_PROCESSES if settings.runner == "local" else FEWEST_FOR_A_CLUSTER
        self._fewest = 1 if meanwhile else fewest
        # What only tries a mapping is judged in another way, here alone.
        self._has_looked = type(gate) is not Gate or (settings.runner == "local" and cores < 2)
        self._stack = ExitStack()
        self._hands: Hands | None = None
        self._given: dict[str, _Given] = {}
        self._tries = Counter[str]()
        self._copies: dict[str, Path] = {}
        self._numbers = count()

    def __enter__(self) -> Self:
        """Nobody is asked for help before there is enough to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Begin nothing more, and wait for what is at work."""
        for given in self._given.values():
            given.future.cancel()
        self._stack.close()

    def begin(self, orders: Iterable[Order]) -> None:
        """Have the first of these batches staged, which are to come in this order; the same may be named again."""
        rest: Iterable[Order] = (order for order in orders if self._is_fit(order))
        if not self._has_looked:
            self._has_looked, first = True, list(islice(rest, self._fewest))
            if len(first) == self._fewest:
                self._hands = self._stack.enter_context(self._opened())
            rest = chain(first, rest)
        if self._hands is None:
            return
        for place in [place for place, given in self._given.items() if _is_lost(given.future)]:
            del self._given[place]
        for order in islice(rest, self._hands.number + _SPARE):
            place = order.batch.place
            if place not in self._given and self._tries[place] < _TRIES:
                self._tries[place] += 1
                known = self._copy(order.batch.company)
                self._given[place] = _Given(order, known, self._hands.submit(order, known))

    def verdict(self, order: Order) -> Verdict | None:
        """What came of an order whose turn it is; None where it was not given, or what came of it does not count."""
        given = self._given.pop(order.batch.place, None)
        if given is None:
            return None
        if given.order != order:
            given.future.cancel()
            return None
        verdict = self._result(given.future)
        if verdict is None or not verdict.judged.scratch.is_file():
            return None
        stored = currency.Stored(self._connection, order.batch.company)
        if not currency.answers_alike(verdict.asked, given.known, stored):
            self._copies.pop(order.batch.company, None)
            return None
        return verdict

    def _is_fit(self, order: Order) -> bool:
        """Whether other hands make a batch quicker: of this machine not those of a large one, which takes all cores as it is."""
        return self._settings.runner != "local" or _size(order) < SMALL_BATCH_BYTES

    def _opened(self) -> AbstractContextManager[Hands | None]:
        """What the settings name."""
        match self._settings.runner:
            case "dask":
                return dask_cluster.workers(self._settings)
            case "ray":
                return ray_cluster.workers(self._settings)
            case "local":
                report_step(f"staging batches in other processes, too ({self._processes})")
                return processes.workers(self._settings, self._processes)

    def _copy(self, company: str) -> Path:
        """The folder with what the warehouse knows of a company, copied when first asked for or found to be outdated."""
        if company not in self._copies:
            folder = self._settings.scratch / _KNOWN / str(next(self._numbers))
            currency.Stored(self._connection, company).copy_to(folder)
            self._copies[company] = folder
        return self._copies[company]

    def _result(self, future: Future[Verdict]) -> Verdict | None:
        while not wait([future], timeout=_LOOK_EVERY_S).done:
            if self._hands is None or not self._hands.are_there():
                future.cancel()
                return None
        return None if _failure(future) else future.result()


def _failure(future: Future[Verdict]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        return error


def _is_lost(future: Future[Verdict]) -> bool:
    """Whether nobody looked at the batch to the end; one that was refused is looked at again by who commits."""
    return future.done() and isinstance(_failure(future), BrokenExecutor | CancelledError)


def _size(order: Order) -> int:
    """The bytes in the batch's folder; a link may lead anywhere, round in a circle too, and is looked at when the batch is read."""
    return sum(file_size(path) for path in order.batch.folder.rglob("*") if not path.is_symlink())
