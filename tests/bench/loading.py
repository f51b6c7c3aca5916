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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from expectations.gate import Gate
from flows.inbox.landing import land
from flows.pipeline import stages
from flows.settings import Settings
from tests.bench.measure import CUSTOMERS, LINES

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
# The same as SAP has it: heads and items in two tables, keys of fixed width, German numbers, most quantities in pieces.
SAP_HEADS = """
COPY (
    SELECT 'VBELN;FKART;FKTYP;VBTYP;WAERK;VTWEG;KURRF;FKDAT;BUKRS;KUNAG;SFAKN;LAND1;FKSTO' AS line
    UNION ALL BY NAME
    (SELECT concat_ws(';', lpad(d::VARCHAR, 10, '0'), if(hash(d + 2) % 50 = 0, 'RE;L;O', 'F2;L;M'), 'EUR', '10', '1,00000',
        strftime(DATE '2022-07-01' + ((d * 1095) // {documents})::INTEGER, '%d.%m.%Y'), '1000',
        lpad(CAST(pow({customers}, (hash(d) % 1000000) / 1000000) AS BIGINT)::VARCHAR, 10, '0'), '', 'DE', '') AS line
     FROM range({documents}) AS numbers(d) ORDER BY d)
) TO '{file}' (HEADER false, QUOTE '', DELIMITER '\t')
"""
SAP_ITEMS = """
COPY (
    SELECT 'VBELN;POSNR;PSTYV;MATNR;FKIMG;VRKME;FKLMG;NETWR;WAVWR;SHKZG;VGBEL;VGTYP;PERNR' AS line
    UNION ALL BY NAME
    (SELECT concat_ws(';', lpad(d::VARCHAR, 10, '0'), lpad((10 * n)::VARCHAR, 6, '0'), 'TAN', 'P' || hash(d, n) % 500,
        1 + hash(d, n, 1) % 20 || ',000', 'ST', 1 + hash(d, n, 1) % 20 || ',000',
        if(hash(d, n, 2) % 1000 = 999, '12x', replace(((hash(d, n, 3) % 100000) / 100)::DECIMAL(18, 2)::VARCHAR, '.', ',')),
        replace(((hash(d, n, 3) % 70000) / 100)::DECIMAL(18, 2)::VARCHAR, '.', ','), '', '', 'J', '') AS line
     FROM range({documents}) AS numbers(d), range(1, 5) AS places(n) ORDER BY d, n)
) TO '{file}' (HEADER false, QUOTE '', DELIMITER '\t')
"""
SAP_CUSTOMERS = """
COPY (SELECT lpad((i + 1)::VARCHAR, 10, '0') AS KUNNR, 'Customer ' || i AS NAME1, 'DE' AS LAND1, '' AS BRSCH, '' AS KONZS,
          '' AS AUFSD, '' AS LOEVM, '01.01.2020' AS ERDAT FROM range({customers}) AS n(i))
TO '{file}' (HEADER, DELIMITER ';')
"""
SAP_COMPANY = "COPY (SELECT '1000' AS BUKRS, 'EUR' AS WAERS, 'DE' AS LAND1, '1000' AS KKBER) TO '{file}' (HEADER, DELIMITER ';')"
BARE = """
CREATE TABLE {table} AS SELECT * REPLACE (TRY_CAST({amount} AS DECIMAL(18, 4)) AS {amount}) FROM read_csv('{file}',
    types={{{types}}})
"""


@dataclass(frozen=True)
class Case:
    """What is loaded: files by resource and the SQL that writes them, and how a bare load reads the large ones among them."""

    source: str
    files: Mapping[str, str]
    bare: Sequence[str]

    def write(self, folder: Path, total: int) -> None:
        """Make the files."""
        customers = max(total // 500, 100)
        for name, sql in self.files.items():
            sizes = {
                "total": total,
                "documents": total // 4,
                "customers": customers,
                "first": 0,
                "last": total,
            }
            duckdb.execute(sql.format(file=folder / f"{name}.csv", **sizes))


def _bare_lines(name: str, amount: str, *codes: str) -> str:
    types = ", ".join(f"'{each}': 'VARCHAR'" for each in (amount, *codes))
    return BARE.format(table=name, amount=amount, file=f"{{folder}}/{name}.csv", types=types)


_LINES = (_bare_lines("invoice_lines", "net_amount", "line_id", "customer_id"),)
CASES = {
    "hard": Case("generic_csv", {"customers": CUSTOMERS, "invoice_lines": LINES}, _LINES),
    "lifelike": Case("generic_csv", {"customers": CUSTOMERS, "invoice_lines": LIFELIKE}, _LINES),
    "joining": Case(
        "sap_ecc",
        {"T001": SAP_COMPANY, "KNA1": SAP_CUSTOMERS, "VBRK": SAP_HEADS, "VBRP": SAP_ITEMS},
        (
            _bare_lines("VBRK", "KURRF", "VBELN", "KUNAG"),
            _bare_lines("VBRP", "NETWR", "VBELN", "POSNR", "MATNR"),
        ),
    ),
}


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
        work = _bare(case, place, Path(folder)) if kind == "bare" else load(case, place, Path(folder))
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        figures = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        }
    _write(json.dumps(figures))


def _bare(case: Case, place: Path, folder: Path) -> Callable[[], object]:
    connection = duckdb.connect(str(folder / "bare.duckdb"), config={"preserve_insertion_order": "false"})

    def work() -> None:
        for sql in case.bare:
            connection.execute(sql.format(folder=place))
        connection.close()

    return work


def load(case: Case, place: Path, folder: Path) -> Callable[[], object]:
    """The work of loading a case's files into a new home in `folder`."""
    settings = Settings(home=folder / "var")
    settings.home.mkdir()
    named = [f"{name}={place / name}.csv" for name in case.files]
    taken = datetime(2025, 7, 1, tzinfo=UTC)
    land(settings, named, source=case.source, company="1000", extracted_at=taken, sequence=1)
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
