"""Runs on a lake of which the committer or one that stages is killed again and again: as if nothing had happened."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil
import pytest

from flows import upkeep
from flows.demo.world import build_world, write_month
from flows.settings import Settings
from tests.faults.test_killed_refresh import events, mart
from tests.forked import forked, imported_once
from tests.lake.catalogs import own_catalog
from tests.lake.chaos import work
from tests.runner.clusters import Cluster, own_cluster
from transforms.frames.plan import month_end
from warehouse.lake.address import Lake
from warehouse.lake.opening import ALIAS, open_at

WORLD = build_world(customers=46, months=6, last_month=date(2025, 6, 1))
DAYS = tuple(month_end(month) for month in WORLD.months[2::3])
KILLS = 20
# Steps (a batch's turn, a commit) until somebody is killed, and how long after that at most.
STEPS, PAUSE_S = (0, 1, 1, 2, 2, 3), 1.0

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]

# Kills one that stages for a run; whether there was one.
Killer = Callable[[ForkServerProcess], bool]


@dataclass
class Killed:
    """How many were killed, of whom."""

    committers: int = 0
    workers: int = 0

    @property
    def number(self) -> int:
        return self.committers + self.workers


@pytest.fixture(scope="module", autouse=True)
def _imported_once() -> Iterator[None]:
    """Each run is a process of its own, forked from one that has imported everything."""
    with imported_once("tests.lake.chaos"):
        yield


def run(home: Path) -> None:
    """Let a run come to its end."""
    with forked(work, home, DAYS) as (process, _):
        process.join(timeout=1200)
        assert process.exitcode == 0


def killed(home: Path, kill_worker: Killer, seed: int) -> Killed:
    """Begin the run again and again until so many were killed, each at a point that the seed says."""
    chance, done = random.Random(seed), Killed()
    while done.number < KILLS:
        with forked(work, home, DAYS) as (process, told):
            while done.number < KILLS:
                assert stepped(told, chance.choice(STEPS)), f"the run ended after {done} only"
                time.sleep(chance.uniform(0, PAUSE_S))
                if chance.random() < 0.5 and kill_worker(process):
                    done.workers += 1
                    continue
                process.kill()
                process.join()
                assert process.exitcode == -signal.SIGKILL, f"the run ended after {done} only"
                done.committers += 1
                break
    return done


def stepped(told: Connection, steps: int) -> bool:
    """Wait until the run has taken so many steps; False where it ends before."""
    try:
        for _ in range(steps):
            told.recv()
    except EOFError:
        return False
    return True


def a_process_of_its_own(run: ForkServerProcess) -> bool:
    staging = [
        each for each in psutil.Process(run.pid).children() if "spawn_main" in " ".join(each.cmdline())
    ]
    if staging:
        staging[0].kill()
    return bool(staging)


def a_worker_of(cluster: Cluster) -> Killer:
    def kill(_: ForkServerProcess) -> bool:
        cluster.replace(cluster.workers[0])
        return True

    return kill


def landed(home: Path) -> Path:
    for month in WORLD.months:
        write_month(WORLD, month, home / "inbox")
    return home


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = landed(tmp_path_factory.mktemp("undisturbed") / "home")
    run(home)
    return home


@pytest.mark.parametrize(("catalog", "runner"), [("sqlite", "local"), ("postgres", "dask")])
def test_a_run_that_is_killed_at_twenty_points_has_the_same_mart_and_events_and_no_orphan(
    undisturbed: Path, catalog: str, runner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = landed(tmp_path / "home")
    with ExitStack() as stack:
        url = stack.enter_context(own_catalog(catalog, tmp_path))
        monkeypatch.setenv("VALUEMART_WAREHOUSE", url)
        kill_worker: Killer = a_process_of_its_own
        if runner == "dask":
            cluster = stack.enter_context(own_cluster(tmp_path / "cluster"))
            monkeypatch.setenv("VALUEMART_RUNNER", "dask")
            monkeypatch.setenv("VALUEMART_RUNNER_ADDRESS", cluster.address)
            kill_worker = a_worker_of(cluster)

        done = killed(home, kill_worker, seed=20250603)
        run(home)

        assert done.committers, "no committer was killed"
        assert done.workers, "nobody who stages was killed"
        assert not (home / "warehouse.duckdb").exists(), "the run passed in a file"
        assert mart(home) == mart(undisturbed)
        assert events(home) == events(undisturbed)
        assert events(home), "a company in which nobody moves tries nothing"

        settings = Settings.model_validate({"home": home, "warehouse": url})
        lake = settings.warehouse_at
        assert isinstance(lake, Lake)
        late = datetime.now(UTC) + timedelta(days=40)
        upkeep.look_after(settings, late, keep_archive_days=None, backups=0, late_days=40_000)
        assert {path.name for path in lake.data.rglob("*.parquet")} == files_of(lake)


def files_of(lake: Lake) -> set[str]:
    """The files that the lake's latest state consists of."""
    with open_at(lake, read_only=True) as connection:
        tables = connection.execute(
            f"SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = '{ALIAS}'"
        ).fetchall()
        files = [
            file
            for schema, table in tables
            for row in connection.execute(
                f"SELECT data_file, delete_file FROM ducklake_list_files('{ALIAS}', '{table}', schema => '{schema}')"
            ).fetchall()
            for file in row
        ]
    return {Path(file).name for file in files if file}
