"""A first load of 36 monthly batches, then small ones, in a file and on a lake: `python -m tests.bench.scale [LINES] [WAREHOUSE,WORKERS ...]`.

Each is staged one after the other by the one process that commits, held to one core, and by two Dask workers. Lakes have their
catalog in a file of SQLite's or on the PostgreSQL of this machine, whose own CPU is not counted. Every measurement is a process
of its own, so that the peak of its memory is its own.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil

from expectations.gate import Gate
from flows.pipeline import load, stages
from flows.pipeline.rate import default_policy
from flows.settings import Settings
from tests.bench.cases import CASES
from tests.lake.catalogs import own_catalog
from tests.runner.clusters import Cluster, own_cluster
from warehouse.connection import scalar
from warehouse.lake.address import size
from warehouse.lake.opening import open_at

CASE = CASES["lifelike"]
BATCHES, SMALL_BATCHES, SMALL = 36, 10, 1_000
AS_OF = date(2025, 6, 30)
MEASURED = [f"{warehouse},{workers}" for warehouse in ("file", "sqlite", "postgres") for workers in (1, 2)]
# From the verdict on a small batch to the end of its commit, and from its landing on.
COMMIT, WHOLE = "small batch, its commit", "small batch, whole"
AT_MOST = 3.0


@dataclass
class Found:
    """What one measurement found; all of it in seconds if it is not said."""

    figures: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str, cluster: Cluster | None = None) -> Iterator[None]:
        """Note the wall time of the block, the CPU of this process and that of the cluster's workers."""
        wall, own, theirs = time.perf_counter(), _cpu(), _cpu_of(cluster)
        yield
        self.figures |= {
            f"{what} wall": time.perf_counter() - wall,
            f"{what} CPU": _cpu() - own,
            f"{what} workers' CPU": _cpu_of(cluster) - theirs,
        }


def main(total: int, cases: list[str]) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="valuemart-scale-") as folder:
        place = Path(folder)
        _write_months(place, total)
        ours: dict[str, dict[str, float]] = {}
        for case in cases:
            warehouse, workers = case.split(",")
            ours[case] = _alone(warehouse, workers, place)
            _say(f"{case}: {json.dumps(ours[case])}")
    names = list(next(iter(ours.values())))
    _say(f"\n{total:,} lines in {BATCHES} batches, then {SMALL_BATCHES} of {SMALL:,}\n")
    _say("| | " + " | ".join(ours) + " |\n|---|" + "---|" * len(ours))
    for name in names:
        _say(f"| {name} | " + " | ".join(f"{found[name]:.2f}" for found in ours.values()) + " |")
    for name in [f"{what}, {clock}" for what in (COMMIT, WHOLE) for clock in ("wall", "CPU")]:
        yardstick = ours.get("file,1", {}).get(name)
        for kind, found in ours.items():
            if yardstick:
                _say(f"{name}: {kind} {found[name] / yardstick:.1f} x the file's (at most {AT_MOST:.0f} x)")


def _write_months(folder: Path, total: int) -> None:
    CASE.write_part("customers", folder / "customers.csv", total, 0, total)
    bounds = [total * number // BATCHES // 4 * 4 for number in range(BATCHES + 1)]
    bounds += [bounds[-1] + SMALL * number for number in range(1, SMALL_BATCHES + 1)]
    for number, (first, last) in enumerate(pairwise(bounds)):
        CASE.write_part("invoice_lines", folder / f"{number}.csv", total, first, last)


def _alone(warehouse: str, workers: str, place: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.scale", "one", warehouse, workers, str(place)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def one(warehouse: str, workers: int, place: Path) -> None:
    """One measurement in this process, its figures printed as JSON."""
    found = Found()
    with tempfile.TemporaryDirectory(dir=place) as folder, ExitStack() as stack:
        here = Path(folder)
        url = "duckdb:" if warehouse == "file" else stack.enter_context(own_catalog(warehouse, here))
        cluster = stack.enter_context(own_cluster(here / "cluster", workers)) if workers > 1 else None
        if cluster is None:
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
            os.cpu_count = lambda: 1  # asked for how many processes stage batches
        runner = {"runner": "dask", "runner_address": cluster.address} if cluster else {}
        settings = Settings.model_validate({"home": here / "var", "warehouse": url, **runner})
        settings.home.mkdir()
        settings.policy_file.write_text(default_policy(), encoding="utf-8")
        gate = Gate()
        _hand_over(settings, place, range(BATCHES))
        with found.timed("load", cluster):
            _loaded(settings, gate, BATCHES)
        found.figures["bytes, MB"] = size(settings.warehouse_at) / 1e6
        with found.timed("rate"):
            stages.rate_stage(settings, AS_OF)
        with found.timed("publish"):
            stages.publish_stage(settings)
        found.figures["most memory, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        found.figures["workers' most memory, GB"] = _memory_of(cluster)
        _small_batches(settings, gate, place, found)
        with open_at(settings.warehouse_at, read_only=True) as connection:
            lines = scalar(connection, "SELECT count(*) FROM erp.invoice_lines")
        found.figures["lines"] = float(str(lines))
    _say(json.dumps(found.figures))


def _small_batches(settings: Settings, gate: Gate, place: Path, found: Found) -> None:
    """One after the other in a warehouse that is held open, as a run holds it: the medians of what each takes."""
    alone = settings.model_copy(update={"runner": "local"})
    took: dict[str, list[float]] = defaultdict(list)
    merge_batch = load.merge.merge_batch

    @contextmanager
    def timed(what: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        took[f"{what}, wall"].append(time.perf_counter() - wall)
        took[f"{what}, CPU"].append(time.process_time() - cpu)

    def merged(*given: Any, **named: Any) -> object:
        with timed(COMMIT):
            return merge_batch(*given, **named)

    load.merge.merge_batch = merged  # type: ignore[assignment]
    with load.warehouse_held_open(alone, stages.now()):
        for number in range(BATCHES, BATCHES + SMALL_BATCHES):
            _hand_over(alone, place, range(number, number + 1))
            with timed(WHOLE):
                _loaded(alone, gate, 1)
    found.figures |= {what: statistics.median(seconds) for what, seconds in took.items()}


def _hand_over(settings: Settings, place: Path, numbers: range) -> None:
    for number in numbers:
        copied = settings.home / f"{number}.csv"
        shutil.copy(place / f"{number}.csv", copied)
        files = {"invoice_lines": copied}
        if number == 0:
            files["customers"] = shutil.copy(place / "customers.csv", settings.home / "customers.csv")
        CASE.hand_over(settings, files, day=number + 1)


def _loaded(settings: Settings, gate: Gate, batches: int) -> None:
    outcomes = stages.load_stage(settings, gate).outcomes
    assert [outcome.status for outcome in outcomes] == ["loaded"] * batches, outcomes


def _cpu() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _cpu_of(cluster: Cluster | None) -> float:
    return _sum(cluster, lambda worker: sum(worker.cpu_times()[:2]))


def _memory_of(cluster: Cluster | None) -> float:
    """The memory that the workers hold now, together."""
    return _sum(cluster, lambda worker: worker.memory_info().rss / 1e9)


def _sum(cluster: Cluster | None, figure: Callable[[psutil.Process], float]) -> float:
    return sum(figure(psutil.Process(worker.pid)) for worker in cluster.workers) if cluster else 0.0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000, sys.argv[2:] or MEASURED)
