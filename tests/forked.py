"""Runs as processes of their own that a test may kill, forked from one that has imported everything: to import takes longest."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from tests.faults.nightly import variables

PROJECT = Path(__file__).parents[1]
PROCESSES = multiprocessing.get_context("forkserver")


@contextmanager
def imported_once(module: str) -> Iterator[None]:
    """Within the block, the server of forks has imported that module, and what judges batches."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(PROJECT))  # all that the server of forks finds modules by
        PROCESSES.set_forkserver_preload([module, "expectations.suites"])
        yield


@contextmanager
def forked(work: Callable[..., None], *given: object) -> Iterator[tuple[ForkServerProcess, Connection]]:
    """A process that does the work, past its imports, and what it tells; gone behind the block.

    The work is called with what is given, a connection by which it says `ready` first, and this process's variables.
    """
    receiving, sending = PROCESSES.Pipe(duplex=False)
    process = PROCESSES.Process(target=work, args=(*given, sending, variables()))
    process.start()
    sending.close()
    try:
        assert receiving.recv() == "ready"
        yield process, receiving
    finally:
        process.kill()
        process.join()
        receiving.close()
