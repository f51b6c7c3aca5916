"""Processes of this machine that stage batches."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from pathlib import Path
from threading import Thread, local
from typing import TYPE_CHECKING

from flows.runner.hands import Hands
from flows.runner.task import Order, Verdict, made_by, stage_elsewhere
from flows.settings import Settings
from flows.settings.values import LEAST_MEMORY

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


@contextmanager
def workers(settings: Settings, number: int) -> Iterator[Hands]:
    """Processes of this machine, which share the memory that a batch may take."""
    hands = _Processes(number, max(settings.memory_limit // number, LEAST_MEMORY))
    try:
        yield hands
    finally:
        hands.close()


class _Processes:
    """A thread a process, which waits for it: with a pipe of its own, the end of a process is seen by its thread alone.

    The pool of the standard library shares its queues among its processes, and may wait for ever once one was killed.
    """

    def __init__(self, number: int, memory: int) -> None:
        self.number = number
        self._memory = memory
        self._threads = ThreadPoolExecutor(number)
        self._own = local()
        self.workers: list[_Worker] = []

    def submit(self, order: Order, known: Path) -> Future[Verdict]:
        return self._threads.submit(self._staged, replace(order, memory=self._memory), known)

    def are_there(self) -> bool:
        return True  # where they are not, what was begun has failed

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        for worker in self.workers:
            worker.close()

    def _staged(self, order: Order, known: Path) -> Verdict:
        worker = getattr(self._own, "worker", None)
        if worker is None:
            worker = self._own.worker = _Worker()
            self.workers.append(worker)
        try:
            return worker.ask(order, known)
        except (EOFError, OSError) as error:
            self._own.worker = None
            self.workers.remove(worker)
            worker.close()
            raise BrokenExecutor(f"{order.batch.place}: the process that staged it is gone") from error


class _Worker:
    def __init__(self) -> None:
        # Not forked: DuckDB and polars have threads, whose locks a fork would copy as they are.
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self.process = context.Process(target=_work, args=[other], daemon=True)
        try:
            with _unborn_processes_spared():
                self.process.start()
        finally:
            other.close()

    def ask(self, order: Order, known: Path) -> Verdict:
        self._pipe.send((order, made_by(), known))
        verdict, fault = self._pipe.recv()
        if verdict is None:
            raise StagedNothingError(fault)
        found: Verdict = verdict
        return found

    def close(self) -> None:
        self._pipe.close()
        self.process.join()


@contextmanager
def _unborn_processes_spared() -> Iterator[None]:
    """No interrupt reaches what is started within, until it says itself what it does with one: it would die of it, or say so."""
    resource_tracker.ensure_running()  # which is started with the first process, and lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class StagedNothingError(Exception):
    """What another process says of a batch that it would not stage."""


def _work(pipe: Connection) -> None:
    """Stage what comes, until the process that gives the orders closes the pipe or ends; an interrupt is that one's to take."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_whom_it_works_for, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            given = pipe.recv()
            try:
                answer: tuple[Verdict | None, str] = (stage_elsewhere(*given), "")
            except Exception as error:  # noqa: BLE001 - whatever it is, who commits stages the batch itself
                answer = (None, f"{type(error).__name__}: {error}")
            pipe.send(answer)


def _end_with_whom_it_works_for() -> None:
    """What is staged for a process that is gone is for nobody; the next run would share the cores with it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
