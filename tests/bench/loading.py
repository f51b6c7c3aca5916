"""What a load takes beside a bare one of the same files: `python -m tests.bench.loading [LINES] [RUNS]`.

Each run is a process of its own: wall and CPU seconds and the peak of its memory, the medians printed and kept in results.json.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from expectations.gate import Gate
from flows.pipeline import stages
from flows.settings import Settings
from tests.bench.cases import CASES, Case

RESULTS = Path(__file__).with_name("results.json")


def main(total: int, runs: int) -> None:
    """Measure, print, and keep the figures."""
    found: dict[str, object] = {"lines": total, "runs": runs, "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        for name, case in CASES.items():
            place = Path(folder) / name
            place.mkdir()
            case.write(place, total)
            bare, load = ([_alone(kind, name, place) for _ in range(runs)] for kind in ("bare", "load"))
            found[name] = {"bare": (yardstick := _median(bare)), "load": (ours := _median(load))}
            for kind, each in (("bare", yardstick), ("load", ours)):
                _write(
                    f"{name:<9}{kind:<6}{each['wall']:8.1f} s wall ({each['wall'] / yardstick['wall']:.1f} x)"
                    f"{each['cpu']:8.1f} s CPU ({each['cpu'] / yardstick['cpu']:.1f} x){each['peak']:8.2f} GB"
                )
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _alone(kind: str, case: str, place: Path) -> dict[str, float]:
    """The figures of one run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.loading", kind, case, str(place)],
        stdout=subprocess.PIPE,
        check=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def run(kind: str, case: Case, place: Path) -> None:
    """One run in this process, its figures printed as JSON; imports are not counted, those of a judge that loads are."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        work = _bare(case, place, Path(folder)) if kind == "bare" else _load(case, place, Path(folder))
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        figures = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        }
    _write(json.dumps(figures))


def _bare(case: Case, place: Path, folder: Path) -> Callable[[], object]:
    return lambda: case.bare_load(place, folder / "bare.duckdb")


def _load(case: Case, place: Path, folder: Path) -> Callable[[], object]:
    settings = Settings(home=folder / "var")
    settings.home.mkdir()
    case.hand_over(settings, {name: place / f"{name}.csv" for name in case.files}, day=1)
    return lambda: stages.load_stage(settings, Gate())


def _median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] in (["bare"], ["load"]):
        run(sys.argv[1], CASES[sys.argv[2]], Path(sys.argv[3]))
    else:
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, int(sys.argv[2]) if len(sys.argv) > 2 else 3
        )
