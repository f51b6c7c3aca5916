"""Who stages batches besides this process: processes of this machine, or the workers of a Dask cluster that is there."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Protocol

from flows.console.progress import report_step
from flows.errors import UsageError
from flows.runner.task import Order, Verdict, made_by, stage_elsewhere
from flows.settings import Settings
from flows.settings.values import LEAST_MEMORY

if TYPE_CHECKING:
    from distributed import Client

_INSTALL = "install valuemart with its extra, `pip install 'valuemart[dask]'`, or say runner = \"local\" in the settings"
# How long a cluster may take to answer before a run goes on without it.
_CLUSTER_ANSWERS_S = 20


class Hands(Protocol):
    """Something that stages batches elsewhere."""

    @property
    def number(self) -> int:
        """How many batches it takes at once."""
        ...

    def submit(self, order: Order, known: Path) -> Future[Verdict]:
        """Begin to stage a batch by what is known in a folder."""
        ...

    def are_there(self) -> bool:
        """Whether anybody is left who could end what was begun."""
        ...


@contextmanager
def processes(settings: Settings, number: int) -> Iterator[Hands]:
    """Processes of this machine, which share the memory that a batch may take."""
    hands = _Processes(number, max(settings.memory_limit // number, LEAST_MEMORY))
    try:
        yield hands
    finally:
        hands.close()


class _Processes:
    def __init__(self, number: int, memory: int) -> None:
        self.number = number
        self._memory = memory
        self._pool = self._opened()

    def _opened(self) -> Executor:
        # Not forked: DuckDB and polars have threads, whose locks a fork would copy as they are.
        return ProcessPoolExecutor(
            self.number, mp_context=multiprocessing.get_context("spawn"), initializer=_live_with_the_parent
        )

    def submit(self, order: Order, known: Path) -> Future[Verdict]:
        own = replace(order, memory=self._memory)
        for _ in range(2):
            try:
                return self._pool.submit(stage_elsewhere, own, made_by(), known)
            except (BrokenExecutor, OSError):  # one of them died, and its pool with it
                self.close()
                self._pool = self._opened()
        return _given_up()

    def are_there(self) -> bool:
        return True  # where they are not, what was begun has failed

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _given_up() -> Future[Verdict]:
    future = Future[Verdict]()
    future.cancel()
    return future


def _live_with_the_parent() -> None:
    """End with the process that gave the orders, however that ends; an interrupt is that one's to take."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_the_parent, daemon=True).start()


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def dask(settings: Settings) -> Iterator[Hands | None]:
    """The workers of the cluster that the settings name; None, and a word about it, where it does not answer.

    UsageError where the extra is not installed.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise UsageError(f'runner = "dask" needs the package distributed; {_INSTALL}') from error
    try:
        client = Client(settings.runner_address, timeout=_CLUSTER_ANSWERS_S, set_as_default=False)
    except OSError as error:
        report_step(
            f"no Dask cluster answers at {settings.runner_address} ({error}): batches are staged here"
        )
        yield None
        return
    with client:
        yield _Cluster(client)


class _Cluster:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False)

    @property
    def number(self) -> int:
        return max(self._threads(), 1)

    def submit(self, order: Order, known: Path) -> Future[Verdict]:
        if self._is_connected():
            return self._executor.submit(stage_elsewhere, order, made_by(), known)
        return _given_up()

    def are_there(self) -> bool:
        return self._threads() > 0

    def _is_connected(self) -> bool:
        return bool(self._client.status == "running")

    def _threads(self) -> int:
        """Those of all workers; none where the scheduler does not answer."""
        if not self._is_connected():
            return 0
        try:
            return sum(self._client.nthreads().values())
        except (OSError, RuntimeError):
            return 0
