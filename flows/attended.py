"""Runs a Python module as a program that ends when its standard input does: `python attended.py MODULE ARGUMENT…`.

The standard input is a pipe from whoever started it, so the program, and every process that came of it, ends with its
starter however that one ends, kill -9 included. It is to be started as the leader of a session of its own.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

GRACE_SECONDS = 10


def main() -> None:
    """Run the module until it ends or nobody attends it any more."""
    threading.Thread(target=_end_unattended, name="end unattended", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_unattended() -> None:
    sys.stdin.buffer.read()
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
    children: dict[int, list[int]] = {}
    for child, parent, _ in _processes():
        children.setdefault(parent, []).append(child)
    found = list(children.get(process, []))
    for each in found:
        found.extend(children.get(each, []))
    return found


def is_running(process: int) -> bool:
    """Whether a process is there, and not only its entry, which waits for its parent to read how it ended."""
    return any(each == process and state != "Z" for each, _, state in _processes())


def _processes() -> Iterator[tuple[int, int, str]]:
    """Number, parent's number and state of every process."""
    proc = Path("/proc")
    if (proc / "self" / "stat").exists():
        for folder in proc.iterdir():
            if folder.name.isdigit():
                with suppress(OSError):
                    state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                    yield int(folder.name), int(parent), state
        return
    command = ["ps", "-A", "-o", "pid=,ppid=,state="]  # a system without /proc has it
    listed = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    for line in listed.stdout.splitlines():
        process, parent, state = line.split()
        yield int(process), int(parent), state[0]


if __name__ == "__main__":
    main()
