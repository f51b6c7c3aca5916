"""A run that is killed, wherever it is, is made up for by the next: the same mart, the same events."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import duckdb
import pytest

from flows.pipeline import stages
from flows.settings import Settings
from tests.faults.nightly import LAST_MONTH, MONTHS, nights
from tests.forked import forked, imported_once
from transforms.frames.periods import months_before
from transforms.frames.plan import month_end

KILLS = 9

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # whichever comes first makes the undisturbed company, too
]
# When a thing was written down differs from run to run; what was written must not.
WRITTEN_DOWN = {"recorded_at", "loaded_at", "published_at"}


def days() -> list[date]:
    first = months_before(LAST_MONTH, MONTHS - 1)
    return [month_end(months_before(first, -number)) for number in range(MONTHS)]


@pytest.fixture(scope="module", autouse=True)
def _imported_once() -> Iterator[None]:
    """Each night is a process of its own, forked from one that has imported everything: to import takes longer than to rate."""
    with imported_once("tests.faults.nightly"):
        yield


@contextmanager
def started(home: Path, *days: date) -> Iterator[ForkServerProcess]:
    """The process of some nights, past its imports."""
    with forked(nights, home, days) as (process, _):
        yield process


def run(home: Path, *days: date) -> float:
    """Let the nights pass; the seconds each took."""
    with started(home, *days) as process:
        began = time.monotonic()
        process.join(timeout=600)
        assert process.exitcode == 0
        return (time.monotonic() - began) / len(days)


def mart(home: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every published table's rows, without the times of writing, in one order."""
    tables = {}
    with duckdb.connect(str(home / "mart.duckdb"), read_only=True) as connection:
        for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            if name == "publication":
                continue
            columns = [row[0] for row in connection.execute(f'DESCRIBE "{name}"').fetchall()]
            kept = ", ".join(f'"{column}"' for column in columns if column not in WRITTEN_DOWN)
            tables[name] = connection.execute(f'SELECT {kept} FROM "{name}" ORDER BY ALL').fetchall()
    return tables


def events(home: Path) -> dict[str, dict[str, object]]:
    """The events a consumer keeps after dropping repeats, by id; the time of writing left out."""
    received: dict[str, dict[str, object]] = {}
    for file in sorted((home / "events").glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            event = json.loads(line)
            event.pop("recordedtime")
            assert received.setdefault(event["id"], event) == event
    return received


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    home.parent.mkdir(exist_ok=True)
    seconds = run(home, *days())
    return home, seconds


def test_a_company_whose_nightly_run_is_killed_again_and_again_has_the_same_mart_and_events(
    undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    expected, seconds = undisturbed
    home = tmp_path / "home"
    chance = random.Random(20250501)
    killed = 0
    for day in days():
        for _ in range(KILLS // MONTHS):
            with started(home, day) as process:
                time.sleep(chance.uniform(0, seconds))
                process.kill()
                process.join()
                killed += process.exitcode != 0
        run(home, day)
    assert killed >= KILLS // 2, "the runs ended before they were killed; nothing was tried"
    assert mart(home) == mart(expected)
    assert events(home) == events(expected)
    assert events(home), "a company in which nobody moves tries nothing"


def test_a_second_refresh_on_the_same_day_changes_nothing(undisturbed: tuple[Path, float]) -> None:
    home, _ = undisturbed
    before, told = mart(home), (home / "events").stat().st_mtime_ns
    files = {file: file.read_bytes() for file in (home / "events").iterdir()}
    run(home, days()[-1])
    assert mart(home) == before
    assert {file: file.read_bytes() for file in (home / "events").iterdir()} == files
    assert (home / "events").stat().st_mtime_ns == told


def test_a_run_killed_before_it_handed_its_events_over_is_made_up_for_by_the_next(
    undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    home, _ = undisturbed
    configured = Settings.model_validate({"home": shutil.copytree(home, tmp_path / "home", symlinks=True)})
    assert stages.is_current(configured, days()[-1])
    told = events(configured.home)
    for file in configured.home.glob("relay.db*"):
        file.unlink()
    shutil.rmtree(configured.events_folder)
    assert not stages.is_current(configured, days()[-1])
    run(configured.home, days()[-1])
    assert events(configured.home) == told
