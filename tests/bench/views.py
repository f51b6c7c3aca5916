"""How long the mart's views take to answer: part of `make bench`, or `python -m tests.bench.views [HOME]`.

Asked are the sample company's own mart (made by `valuemart demo`, or found in HOME), and one of 20,000 customers: the
sample company's rated tables with each customer many times over, published as always. Every view is read whole, as Arrow;
the yardstick is reading the table `customer_value` whole. Judged is the CPU time of all cores, which says the same
whatever else the machine does, and without which no answer comes; it ends with 1 where a view takes more than it may. A view
that hands a table over row by row may take as long as that table does by the same reader, and a quarter longer: what it
costs to hand the values over is not the view's.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from expectations.contract import load
from flows.pipeline import stages
from flows.settings import Settings
from tests.bench.real_sets import table, write
from warehouse.connection import count, frame, open_database, transaction
from warehouse.mart.publish import PUBLISHED_TABLES

CUSTOMERS = 20_000
RUNS = 7
YARDSTICK = "customer_value"
HANDED_OVER = {
    "customer_value_by_month": "customer_value_history"
}  # view: the table with its rows and columns
OWN_WORK = 1.25  # times what its table takes
VIEWS = tuple(name for name in PUBLISHED_TABLES if load(name).physical == "view")

# What is published of each customer; the books grow with batches, and the structure with its cells.
OF_A_CUSTOMER = (
    "erp.customers",
    "rated.customer_month",
    "rated.customer_value_history",
    "rated.tier_change",
    "rated.credit_watch",
    "rated.conduct_finding",
    "rated.value_curve",
    "rated.next_action",
    "rated.partner_card",
    "rated.import_case",
    "rated.explanation",
    "rated.explanation_term",
    "rated.reason",
    "rated.sales_cell",
    "rated.salesperson_month",
    "rated.customer_expectation",
    "rated.expectation_month",
)


@dataclass(frozen=True)
class Answer:
    """How many rows a view or table gave, and how long that took: medians, in milliseconds."""

    rows: int
    wall: float
    cpu: float


def main(home: Path | None) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="valuemart-views-") as folder:
        demo = sample_company(home, Path(folder))
        large = Settings(home=Path(folder) / "large")
        grow(demo, large)
        slow = [*measured("the sample company", demo, 100), *measured("the large one", large, 1_000)]
    if slow:
        sys.exit(f"too slow: {', '.join(slow)}")


def sample_company(home: Path | None, folder: Path) -> Settings:
    """The sample company that lies in the home, or a new one in the folder."""
    demo = Settings(home=home or folder / "demo")
    if home is None:
        write("making the sample company, which takes a minute or two")
        subprocess.run(
            [Path(sys.executable).with_name("valuemart"), "demo"],
            env=os.environ | {"VALUEMART_HOME": str(demo.home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
    return demo


def grow(demo: Settings, large: Settings) -> None:
    """Publish a mart with each customer of the sample company so many times over that there are CUSTOMERS."""
    large.home.mkdir()
    shutil.copy(demo.warehouse_file, large.warehouse_file)
    with open_database(large.warehouse_file) as warehouse, transaction(warehouse):
        copies = CUSTOMERS // count(warehouse, "SELECT count(*) FROM erp.customers")
        for name in OF_A_CUSTOMER:
            other = ", event_id || '/' || copy AS event_id" if name == "rated.tier_change" else ""
            warehouse.execute(
                f"""INSERT INTO {name} BY NAME
                    SELECT * EXCLUDE copy REPLACE (customer_id || '/' || copy AS customer_id{other})
                    FROM {name}, range(1, {copies}) AS copies(copy)"""
            )
    stages.publish_stage(large)


def measured(title: str, settings: Settings, at_most: float) -> list[str]:
    """Print how long each view takes, also against the yardstick; which of them take longer than they may."""
    with duckdb.connect(str(settings.mart_file), read_only=True) as mart:
        answers = {name: answer(mart, name) for name in (YARDSTICK, *HANDED_OVER.values(), *VIEWS)}
        customers, periods = (
            count(mart, f"SELECT count(DISTINCT {column}) FROM customer_value_history")
            for column in ("(company_code, customer_id)", "period")
        )
    table(
        f"{title}: {customers:,} customers, {periods} periods; each view in less than {at_most:,.0f} ms of CPU",
        ("view", "rows", "ms", "CPU ms", f"of {YARDSTICK}'s CPU"),
        [
            (name, f"{it.rows:,}", f"{it.wall:.1f}", f"{it.cpu:.1f}", f"{it.cpu / answers[YARDSTICK].cpu:.2f} x")
            for name, it in answers.items()
        ],
    )  # fmt: skip
    may = {view: max(at_most, OWN_WORK * answers[of].cpu) for view, of in HANDED_OVER.items()}
    return [f"{name} of {title}" for name in VIEWS if answers[name].cpu >= may.get(name, at_most)]


def answer(mart: duckdb.DuckDBPyConnection, name: str) -> Answer:
    """Read a view or table whole, several times over."""
    rows, wall, cpu = 0, [], []
    for _ in range(RUNS):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        rows = frame(mart, f"FROM {name}").height
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - begin_cpu)
    return Answer(rows, 1_000 * statistics.median(wall), 1_000 * statistics.median(cpu))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
