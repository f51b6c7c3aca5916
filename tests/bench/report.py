"""How long the report of 20,000 customers takes, and how large it is: part of `make bench`, or `python -m tests.bench.report [HOME]`.

The mart is that of `tests/bench/views.py`: the sample company (made by `valuemart demo`, or found in HOME) with each customer
many times over. Ends with 1 where the folder, or the first page without its scripts, is larger than it may be.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

from flows.report import build
from flows.settings import Settings
from tests.bench import views
from tests.bench.real_sets import table, write

MOST_MB = 150
MOST_FIRST_PAGE_MB = 2


def main(home: Path | None) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="valuemart-report-") as folder:
        demo = views.sample_company(home, Path(folder))
        large = Settings(home=Path(folder) / "large")
        views.grow(demo, large)
        begin, begin_cpu = time.perf_counter(), time.process_time()
        build.build_if_behind(large)
        wall, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
        files = [file for file in large.report_folder.rglob("*") if file.is_file() and not file.is_symlink()]
        kinds = {
            "first page": [large.report_file],
            "customers' pages": [file for file in files if file.parent != large.report_folder and file.suffix == ".html"],
            "packed customers": [file for file in files if file.name.startswith("others-")],
            "list": [file for file in files if file.name == "customers.js"],
            "workbook": [large.workbook_file],
        }  # fmt: skip
        sizes = {name: (len(listed), sum(map(_megabytes, listed))) for name, listed in kinds.items()}
        whole = sum(map(_megabytes, files))
    table(
        f"the report of {views.CUSTOMERS:,} customers: {wall:.0f} s, {cpu:.0f} s of CPU, {whole:.0f} MB",
        ("part", "files", "MB"),
        [(name, f"{number:,}", f"{size:.1f}") for name, (number, size) in sizes.items()],
    )
    write(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    sys.exit(whole > MOST_MB or sizes["first page"][1] > MOST_FIRST_PAGE_MB)


def _megabytes(file: Path) -> float:
    return file.stat().st_size / 1e6


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
