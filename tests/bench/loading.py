"""What a load takes beside a bare one of the same file: `python -m tests.bench.loading [LINES] [RUNS]`.

Each run is a process of its own: wall and CPU seconds and the peak of its memory, the medians printed and kept in results.json.
The bare load is CREATE TABLE AS from a typed scan of the file, by as many threads as there are, in whatever order they come.
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

import duckdb

from expectations.gate import Gate
from flows.pipeline import stages
from flows.settings import Settings
from tests.bench.measure import CUSTOMERS, LINES, hand_over

RESULTS = Path(__file__).with_name("results.json")

# Lines as a company has them: few customers buy most (Zipf), each has its baskets that come again, one document in fifty
# returns goods, one line in a thousand holds an amount that is none.
LIFELIKE = """
COPY (
    WITH document AS (
        SELECT d, DATE '2022-07-01' + ((d * 1095) // {documents})::INTEGER AS day,
               CAST(pow({customers}, (hash(d) % 1000000) / 1000000) AS BIGINT) - 1 AS customer,
               hash(d + 1) % 3 AS basket, hash(d + 2) % 50 = 0 AS returned
        FROM range({documents}) AS numbers(d))
    SELECT 'D' || lpad(d::VARCHAR, 10, '0') AS document_id, n::VARCHAR AS line_id,
           CASE WHEN returned THEN 'credit_note' ELSE 'invoice' END AS document_type, day AS invoice_date,
           lpad(customer::VARCHAR, 8, '0') AS customer_id, 'P' || hash(customer, basket, n) % 500 AS product_id,
           (CASE WHEN returned THEN -1 ELSE 1 END) * (1 + hash(customer, n) % 20)::INTEGER AS quantity, 'PCE' AS uom,
           CASE WHEN hash(d, n) % 1000 = 999 THEN '12x'
                ELSE (CASE WHEN returned THEN -1 ELSE 1 END * (hash(customer, basket, n) % 100000) / 100)::DECIMAL(18, 2)::VARCHAR
           END AS net_amount,
           'EUR' AS currency, 'EUR' AS company_currency, false AS is_cancelled
    FROM document, range(4) AS places(n)
    ORDER BY d, n
) TO '{file}' (HEADER)
"""
BARE = """
CREATE TABLE lines AS SELECT * REPLACE (TRY_CAST(net_amount AS DECIMAL(18, 4)) AS net_amount) FROM read_csv('{file}',
    types={{'net_amount': 'VARCHAR', 'line_id': 'VARCHAR', 'customer_id': 'VARCHAR'}})
"""


def main(total: int, runs: int) -> None:
    """Measure, print, and keep the figures."""
    customers = max(total // 500, 100)
    found: dict[str, object] = {"lines": total, "runs": runs, "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        for case, sql in (("hard", LINES), ("lifelike", LIFELIKE)):
            place = Path(folder) / case
            place.mkdir()
            duckdb.execute(CUSTOMERS.format(customers=customers, file=place / "customers.csv"))
            duckdb.execute(
                sql.format(
                    total=total,
                    documents=total // 4,
                    customers=customers,
                    first=0,
                    last=total,
                    file=place / "invoice_lines.csv",
                )
            )
            bare, load = ([_alone(kind, place) for _ in range(runs)] for kind in ("bare", "load"))
            found[case] = {"bare": (yardstick := _median(bare)), "load": (ours := _median(load))}
            for name, each in (("bare", yardstick), ("load", ours)):
                _write(
                    f"{case:<9}{name:<6}{each['wall']:8.1f} s wall ({each['wall'] / yardstick['wall']:.1f} x)"
                    f"{each['cpu']:8.1f} s CPU ({each['cpu'] / yardstick['cpu']:.1f} x){each['peak']:8.2f} GB"
                )
    RESULTS.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _alone(kind: str, place: Path) -> dict[str, float]:
    """The figures of one run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.loading", kind, str(place)], stdout=subprocess.PIPE, check=True
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def run(kind: str, place: Path) -> None:
    """One run in this process, its figures printed as JSON; imports are not counted, those of a judge that loads are."""
    with tempfile.TemporaryDirectory(dir=place) as folder:
        work = _bare(place, Path(folder)) if kind == "bare" else _load(place, Path(folder))
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        figures = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        }
    _write(json.dumps(figures))


def _bare(place: Path, folder: Path) -> Callable[[], object]:
    connection = duckdb.connect(str(folder / "bare.duckdb"), config={"preserve_insertion_order": "false"})

    def work() -> None:
        connection.execute(BARE.format(file=place / "invoice_lines.csv"))
        connection.close()

    return work


def _load(place: Path, folder: Path) -> Callable[[], object]:
    settings = Settings(home=folder / "var")
    settings.home.mkdir()
    hand_over(settings, [place / "customers.csv", place / "invoice_lines.csv"], day=1)
    return lambda: stages.load_stage(settings, Gate())


def _median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] in (["bare"], ["load"]):
        run(sys.argv[1], Path(sys.argv[2]))
    else:
        main(
            int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000, int(sys.argv[2]) if len(sys.argv) > 2 else 3
        )
