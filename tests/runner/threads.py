"""Hands in threads of the test's own: what is given and what comes back is pickled, as it is for another process."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from flows.runner import ahead, processes
from flows.runner.task import Order, Verdict, made_by, stage_elsewhere


class Threads:
    number = 3

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool

    def submit(self, order: Order, known: Path) -> Future[Verdict]:
        return self._pool.submit(_pickled, pickle.dumps(order), known)

    def are_there(self) -> bool:
        return True


def _pickled(order: bytes, known: Path) -> Verdict:
    verdict = stage_elsewhere(pickle.loads(order), made_by(), known)
    pickled: Verdict = pickle.loads(pickle.dumps(verdict))
    return pickled


@contextmanager
def opened(*_: object) -> Iterator[Threads]:
    with ThreadPoolExecutor(Threads.number) as pool:
        yield Threads(pool)


def stage_in_threads(patch: pytest.MonkeyPatch) -> dict[str, bool]:
    """From here on, whatever is loaded is staged ahead of its turn; see `counted_verdicts`."""
    patch.setattr(ahead, "FEWEST_FOR_PROCESSES", 1)
    patch.setattr(processes, "workers", opened)
    return counted_verdicts(patch)


def after_orders(number: int, act: Callable[[], None], cluster: type, patch: pytest.MonkeyPatch) -> None:
    """Do something once the hands of a cluster have been given so many orders."""
    given, submit = count(1), cluster.submit

    def submit_and_act(self: Any, order: Order, known: Path) -> Future[Verdict]:
        future: Future[Verdict] = submit(self, order, known)
        if next(given) == number:
            act()
        return future

    patch.setattr(cluster, "submit", submit_and_act)
    patch.setattr(ahead, "_LOOK_EVERY_S", 0.5)


def counted_verdicts(patch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Of each batch that is loaded from here on, whether what others had staged counted."""
    counted: dict[str, bool] = {}
    verdict = ahead.Ahead.verdict

    def noted(self: ahead.Ahead, order: Order) -> Verdict | None:
        found = verdict(self, order)
        counted[order.batch.batch_id] = found is not None
        return found

    patch.setattr(ahead.Ahead, "verdict", noted)
    return counted
