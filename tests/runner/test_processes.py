"""A company whose batches are staged by processes of this machine, some of which die: the same warehouse, row by row."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import psutil
import pytest

from expectations.gate import Gate
from flows.runner import ahead, processes
from flows.runner.task import Order
from flows.settings import Settings
from tests.runner.companies import loaded
from tests.runner.rows import held
from tests.runner.threads import counted_verdicts

pytestmark = pytest.mark.slow

# There are two at a time: the third took the place of one.
KILLS = 3


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "FEWEST_FOR_PROCESSES", 2)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


@pytest.mark.usefixtures("in_processes")
def test_a_company_staged_by_processes_is_the_same_row_by_row(
    inbox: Path, alone: Settings, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = counted_verdicts(monkeypatch)
    settings = loaded(tmp_path / "home", inbox, gate)
    assert held(settings) == held(alone)
    assert all(counted.values()), "batches of a company that was landed in order were staged again"


@pytest.mark.usefixtures("in_processes")
def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(
    inbox: Path, alone: Settings, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = list[int]()
    submit = processes._Processes.submit

    def submit_and_kill(self: processes._Processes, order: Order, known: Path) -> object:
        given = submit(self, order, known)
        alive = [each.process.pid for each in self.workers if each.process.pid not in killed]
        if alive and len(killed) < KILLS:
            killed.append(alive[0])
            os.kill(alive[0], signal.SIGKILL)
        return given

    monkeypatch.setattr(processes._Processes, "submit", submit_and_kill)
    settings = loaded(tmp_path / "home", inbox, gate)
    assert len(killed) == KILLS
    assert held(settings) == held(alone)


@pytest.mark.usefixtures("in_processes")
def test_an_interrupt_of_the_terminal_is_not_a_workers_even_while_it_starts(
    inbox: Path,
    gate: Gate,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    counted = counted_verdicts(monkeypatch)
    interrupted = list[int]()

    class Interrupted(processes._Worker):
        def __init__(self) -> None:
            super().__init__()
            assert self.process.pid is not None
            os.kill(self.process.pid, signal.SIGINT)
            interrupted.append(self.process.pid)

    monkeypatch.setattr(processes, "_Worker", Interrupted)
    loaded(tmp_path / "home", inbox, gate)
    assert interrupted
    assert all(counted.values()), "what an interrupted process was to stage was staged again"
    assert "KeyboardInterrupt" not in capfd.readouterr().err


_LOADING = """
import sys
from flows.pipeline import load, stages
from flows.runner import ahead
from flows.settings import Settings
from expectations.gate import Gate
from pathlib import Path
if __name__ == "__main__":
    ahead.FEWEST_FOR_PROCESSES = 2
    load.load_inbox(Settings(home=Path(sys.argv[1])), Gate(), recorded_at=stages.now())
"""


def test_no_worker_outlives_a_load_that_is_killed(inbox: Path, tmp_path: Path) -> None:
    home, program = tmp_path / "home", tmp_path / "loading.py"
    copytree(inbox, home / "inbox")
    program.write_text(_LOADING, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, str(program), str(home)], env=environment) as process:
        workers = until(
            lambda: psutil.Process(process.pid).children(recursive=True), lambda found: len(found) > 2
        )
        process.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive


def until(
    look: Callable[[], list[psutil.Process]], is_enough: Callable[[list[psutil.Process]], bool]
) -> list[psutil.Process]:
    give_up = time.monotonic() + 60
    while not is_enough(found := look()):
        assert time.monotonic() < give_up
        time.sleep(0.1)
    return found
