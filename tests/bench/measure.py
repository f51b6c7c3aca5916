"""How long things take here, against yardsticks: `make bench`, or with other sizes `python tests/bench/measure.py LINES`.

The yardstick of a load is the bare one: CREATE TABLE AS from a typed CSV scan. Machines differ, ratios less so.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from expectations.gate import Gate
from flows.inbox.landing import land
from flows.pipeline import stages
from flows.pipeline.rate import default_policy
from flows.settings import Settings

AS_OF = date(2025, 6, 30)
DELTA = 10_000

# Lines of 36 months in time order, one in a thousand with an amount that is none.
LINES = """
COPY (
    SELECT 'D' || lpad((i // 4)::VARCHAR, 10, '0') AS document_id, (i % 4)::VARCHAR AS line_id, 'invoice' AS document_type,
        DATE '2022-07-01' + ((i * 1095) // {total})::INTEGER AS invoice_date,
        lpad((hash(i // 4) % {customers})::VARCHAR, 8, '0') AS customer_id, 'P' || hash(i) % 500 AS product_id,
        1 + hash(i + 1) % 20 AS quantity, 'PCE' AS uom,
        CASE WHEN i % 1000 = 999 THEN '12x' ELSE ((hash(i + 2) % 1000000) / 100)::DECIMAL(18, 2)::VARCHAR END AS net_amount,
        'EUR' AS currency, 'EUR' AS company_currency, false AS is_cancelled
    FROM range({first}, {last}) AS numbers(i)
) TO '{file}' (HEADER)
"""
CUSTOMERS = """
COPY (SELECT lpad(i::VARCHAR, 8, '0') AS customer_id, 'Customer ' || i AS name, 'active' AS status FROM range({customers}) AS n(i))
TO '{file}' (HEADER)
"""


def main(total: int) -> None:
    """Measure and print."""
    customers = max(total // 500, 100)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        settings = Settings(home=home / "var")
        settings.home.mkdir()
        settings.policy_file.write_text(default_policy(), encoding="utf-8")
        files = {name: home / f"{name}.csv" for name in ("customers", "invoice_lines", "invoice_lines_delta")}
        duckdb.execute(CUSTOMERS.format(customers=customers, file=files["customers"]))
        duckdb.execute(
            LINES.format(total=total, customers=customers, first=0, last=total, file=files["invoice_lines"])
        )
        duckdb.execute(
            LINES.format(
                total=total,
                customers=customers,
                first=total,
                last=total + DELTA,
                file=files["invoice_lines_delta"],
            )
        )
        size = files["invoice_lines"].stat().st_size / 1e6
        report(f"{total:,} lines, {size:,.0f} MB, {customers:,} customers", None, None)
        bare = timed("bare load", lambda: bare_load(home / "bare.duckdb", files["invoice_lines"]))
        gate = Gate()
        hand_over(settings, [files["customers"], files["invoice_lines"]], day=1)
        timed("load, judged", lambda: stages.load_stage(settings, gate), bare)
        timed("rate", lambda: stages.rate_stage(settings, AS_OF), bare)
        timed("publish", lambda: stages.publish_stage(settings), bare)
        timed("report", lambda: stages.report_stage(settings), bare)
        hand_over(settings, [files["invoice_lines_delta"]], day=2)
        timed(f"load {DELTA:,} more lines", lambda: stages.load_stage(settings, gate), bare)
        timed("rate them", lambda: stages.rate_stage(settings, AS_OF), bare)
        timed("publish", lambda: stages.publish_stage(settings), bare)
        timed("valuemart --help", lambda: command(settings, "--help"))
        timed("valuemart status", lambda: command(settings, "status"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    report(f"peak memory {peak:.2f} GB", None, None)


def bare_load(database: Path, file: Path) -> None:
    """The least a load can take: no check, no key, no history."""
    with duckdb.connect(str(database)) as connection:
        connection.execute(
            f"CREATE TABLE lines AS SELECT * REPLACE (TRY_CAST(net_amount AS DECIMAL(18, 4)) AS net_amount) "
            f"FROM read_csv('{file}', types={{'net_amount': 'VARCHAR', 'line_id': 'VARCHAR', 'customer_id': 'VARCHAR'}})"
        )


def hand_over(settings: Settings, files: list[Path], *, day: int) -> None:
    """A batch of generic_csv."""
    named = [f"{file.stem.removesuffix('_delta')}={file}" for file in files]
    taken = datetime(2025, 7, day, tzinfo=UTC)
    land(settings, named, source="generic_csv", company="BENCH", extracted_at=taken, sequence=day)


def command(settings: Settings, *arguments: str) -> None:
    """One run of the command line as a person starts it."""
    subprocess.run(
        [Path(sys.executable).with_name("valuemart"), *arguments],
        env=os.environ | {"VALUEMART_HOME": str(settings.home)},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def timed(what: str, work: Callable[[], object], yardstick: float | None = None) -> float:
    """Seconds that work takes, printed, and how many bare loads that is."""
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    report(what, seconds, yardstick)
    return seconds


def report(what: str, seconds: float | None, yardstick: float | None) -> None:
    """One line."""
    times = f"{seconds:8.2f} s" if seconds is not None else ""
    ratio = f"{seconds / yardstick:8.2f} x bare" if seconds is not None and yardstick else ""
    sys.stdout.write(f"{what:<34}{times}{ratio}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
