"""A Dask cluster of a test's own: a scheduler and workers as processes that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parents[2]
_COMES_UP_S = 60


@dataclass(frozen=True)
class Cluster:
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]
    start: Callable[[], subprocess.Popen[bytes]]

    def replace(self, worker: subprocess.Popen[bytes]) -> None:
        """Kill a worker and start another one, as whatever looks after a cluster does."""
        worker.kill()
        worker.wait()
        self.workers.remove(worker)
        self.workers.append(self.start())


@contextmanager
def own_cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Up, with all of its workers, and gone behind the block."""
    from distributed import Client

    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "scheduler.json"
    with ExitStack() as stack:
        scheduler = stack.enter_context(
            _program("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", file)
        )
        give_up = time.monotonic() + _COMES_UP_S
        while not file.exists():
            assert time.monotonic() < give_up, "the scheduler did not come up"
            time.sleep(0.1)
        own = ("--scheduler-file", file, "--nthreads", "1", "--no-nanny", "--local-directory")
        numbers = count()

        def start() -> subprocess.Popen[bytes]:
            return stack.enter_context(_program("worker", *own, folder / f"worker{next(numbers)}"))

        started = [start() for _ in range(workers)]
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=_COMES_UP_S)
            address = client.scheduler.address
        yield Cluster(address, scheduler, started, start)


@contextmanager
def _program(name: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", f"distributed.cli.dask_{name}", "--no-dashboard", *map(str, arguments)]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()
