"""Runs a Python module as a program that ends when its standard input does: `python supervised.py MODULE ARGUMENT…`.

The standard input is a pipe from whoever started it, so the program, and every process that came of it, ends with its
starter however that one ends, kill -9 included. It is to be started as the leader of a session of its own.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Collection
from contextlib import suppress

import psutil

GRACE_SECONDS = 10


def main() -> None:
    """Run the module until it ends or its supervisor does."""
    threading.Thread(target=_end_with_supervisor, name="end with the supervisor", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_supervisor() -> None:
    while os.read(0, 1024):  # not through sys.stdin, whose lock would be held when the interpreter ends
        pass
    end(descendants(os.getpid()))
    os.kill(os.getpid(), signal.SIGKILL)


def end(processes: Collection[int], patience: float = GRACE_SECONDS) -> None:
    """Ask processes to end, and after the patience end those that have not."""
    _send(processes, signal.SIGTERM)
    give_up = time.monotonic() + patience
    while any(is_running(process) for process in processes) and time.monotonic() < give_up:
        time.sleep(0.05)
    _send([process for process in processes if is_running(process)], signal.SIGKILL)


def _send(processes: Collection[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def descendants(process: int) -> list[int]:
    """The processes that came of one, by whatever session or group they are in; its children first."""
    try:
        return [child.pid for child in psutil.Process(process).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def is_running(process: int) -> bool:
    """Whether a process is there, and not only its entry, which waits for its parent to read how it ended."""
    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


if __name__ == "__main__":
    main()
