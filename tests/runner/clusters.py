"""Clusters of a test's own, of Dask and of Ray: processes that can be killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psutil

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
    with subprocess.Popen(
        command, env=_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()


# What both sides have in their environment.
RAY_TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "of-the-tests" * 6}
# Without the second, Ray would put an address of this machine that others reach in the place of the loopback's.
_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


@dataclass(frozen=True)
class RayCluster:
    address: str
    head: psutil.Process

    def kill_a_worker(self) -> None:
        """That is at work."""
        at_work = [
            each for each in self.head.children(recursive=True) if each.name().startswith("ray::stage")
        ]
        at_work[0].kill()

    def kill(self) -> None:
        """All of it."""
        for each in [*self.head.children(recursive=True), self.head]:
            with suppress(psutil.NoSuchProcess):
                each.kill()


@contextmanager
def own_ray(folder: Path, cores: int = 2) -> Iterator[RayCluster]:
    """Up, and gone behind the block; sockets have short names, so it does not write below pytest's folder."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"),
        *("--node-ip-address", "127.0.0.1", "--port", "0", "--ray-client-server-port", str(port)),
        *("--num-cpus", str(cores), "--include-dashboard", "false", "--object-store-memory", str(80 << 20)),
        *("--temp-dir", str(folder)),
    ]
    with subprocess.Popen(
        command, env=_environment(**_RAY, **RAY_TOKEN), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        cluster = RayCluster(f"ray://127.0.0.1:{port}", psutil.Process(process.pid))
        try:
            give_up = time.monotonic() + _COMES_UP_S
            while not _listens(port):
                assert process.poll() is None, "Ray did not start"
                assert time.monotonic() < give_up, "Ray did not come up"
                time.sleep(0.1)
            yield cluster
        finally:
            cluster.kill()


def _listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, **more}
