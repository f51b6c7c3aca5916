"""How long a refresh takes, stage by stage, against a bare load of the same files: `python -m tests.bench.refresh [LINES] [CASE ...]`.

Each case is a process of its own, so that the peak of its memory is its own, and its files are made by another one, which takes more.
Machines differ, ratios less so: of CPU seconds, which say the same whatever else the machine does. `VALUEMART_MEMORY_LIMIT` says how
much DuckDB may hold; the peak of a step is printed with it.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from expectations.gate import Gate
from flows.pipeline import stages
from flows.pipeline.rate import default_policy
from flows.settings import Settings
from tests import memory
from tests.bench.cases import CASES, Case

AS_OF = date(2025, 6, 30)
MORE = 10_000
DELIVERED = ("hard", "lifelike")


def measured(case: Case, total: int, home: Path) -> None:
    """Measure one case and print."""
    settings = Settings(home=home / "var")
    settings.home.mkdir()
    settings.policy_file.write_text(default_policy(), encoding="utf-8")
    _in_a_process(case.write, home, total)
    files = {name: home / f"{name}.csv" for name in case.files}
    bare = timed("bare load", lambda: case.bare_load(home, home / "bare.duckdb"))
    gate = Gate()
    case.hand_over(settings, files, day=1)
    timed("load, judged", lambda: stages.load_stage(settings, gate), bare)
    timed("rate", lambda: stages.rate_stage(settings, AS_OF), bare)
    timed("publish", lambda: stages.publish_stage(settings), bare)
    timed("report", lambda: stages.report_stage(settings), bare)
    _in_a_process(case.write_more, "invoice_lines", home / "more.csv", total, MORE)
    case.hand_over(settings, {"invoice_lines": home / "more.csv"}, day=2)
    timed(f"load {MORE:,} more lines", lambda: stages.load_stage(settings, gate), bare)
    timed("rate them", lambda: stages.rate_stage(settings, AS_OF), bare)
    timed("publish", lambda: stages.publish_stage(settings), bare)
    timed("valuemart --help", lambda: command(settings, "--help"))
    timed("valuemart status", lambda: command(settings, "status"))


def command(settings: Settings, *arguments: str) -> None:
    """One run of the command line as a person starts it."""
    subprocess.run(
        [Path(sys.executable).with_name("valuemart"), *arguments],
        env=os.environ | {"VALUEMART_HOME": str(settings.home)},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def timed(what: str, work: Callable[[], object], yardstick: float | None = None) -> float:
    """CPU seconds that work takes, those of processes that it starts among them; printed with the wall's, and as bare loads."""
    memory.forget_peak()
    wall, cpu = time.perf_counter(), _cpu()
    work()
    wall, cpu = time.perf_counter() - wall, _cpu() - cpu
    ratio = f"{cpu / yardstick:8.2f} x bare" if yardstick else ""
    write(f"{what:<34}{wall:8.2f} s wall{cpu:8.2f} s CPU{ratio:>17}{memory.peak() / 1e9:8.2f} GB")
    return cpu


def _in_a_process(work: Callable[..., None], *arguments: object) -> None:
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"the files of the bench were not made: exit code {process.exitcode}")


def _cpu() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def write(line: str) -> None:
    """One line, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(total: int, names: list[str]) -> None:
    """Measure each case in a process of its own, or the only one here."""
    for name in names:
        if len(names) > 1:
            subprocess.run([sys.executable, "-m", "tests.bench.refresh", str(total), name], check=True)
            continue
        write(f"{name}, {total:,} lines")
        with tempfile.TemporaryDirectory() as folder:
            measured(CASES[name], total, Path(folder))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, sys.argv[2:] or [*DELIVERED])
