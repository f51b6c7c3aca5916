"""What benches load: made extracts, by their SQL, and the bare load that is the yardstick of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from flows.inbox.landing import land
from flows.settings import Settings

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

# Lines as a company has them: few customers buy most (Zipf), each has its baskets that come again, one document in fifty
# returns goods, one line in a thousand holds an amount that is none.
LIFELIKE = """
COPY (
    WITH document AS (
        SELECT d, DATE '2022-07-01' + ((d * 1095) // {documents})::INTEGER AS day,
               CAST(pow({customers}, (hash(d) % 1000000) / 1000000) AS BIGINT) - 1 AS customer,
               hash(d + 1) % 3 AS basket, hash(d + 2) % 50 = 0 AS returned
        FROM range({first} // 4, {last} // 4) AS numbers(d))
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
    """What is loaded: files by resource and the SQL that writes them; of the large ones, what a bare load has to be told of.

    That is the amount, which is none in some rows, and the columns that are codes.
    """

    source: str
    files: Mapping[str, str]
    bare: Mapping[str, Sequence[str]]

    def write(self, folder: Path, total: int) -> None:
        """Make the files."""
        for name in self.files:
            self.write_part(name, folder / f"{name}.csv", total, 0, total)

    def write_more(self, name: str, file: Path, total: int, number: int) -> None:
        """Make a file of so many lines more of a resource."""
        self.write_part(name, file, total, total, total + number)

    def write_part(self, name: str, file: Path, total: int, first: int, last: int) -> None:
        """Make a file of the lines from one number up to another; those of `total` lines fill 36 months."""
        sizes = {"total": total, "documents": total // 4, "customers": max(total // 500, 100)}
        duckdb.execute(self.files[name].format(file=file, first=first, last=last, **sizes))

    def bare_load(self, folder: Path, database: Path) -> None:
        """The least a load can take: no check, no key, no history; by as many threads as there are, in whatever order rows come."""
        with duckdb.connect(str(database), config={"preserve_insertion_order": "false"}) as connection:
            for name, (amount, *codes) in self.bare.items():
                types = ", ".join(f"'{each}': 'VARCHAR'" for each in (amount, *codes))
                file = folder / f"{name}.csv"
                connection.execute(BARE.format(table=name, amount=amount, file=file, types=types))

    def hand_over(self, settings: Settings, files: Mapping[str, Path], *, day: int) -> None:
        """Land files by resource as the batch of a day."""
        named = [f"{name}={file}" for name, file in files.items()]
        taken = datetime(2025, 6, 30, tzinfo=UTC) + timedelta(days=day)
        land(settings, named, source=self.source, company="1000", extracted_at=taken, sequence=day)


_LINES = {"invoice_lines": ("net_amount", "line_id", "customer_id")}
CASES = {
    "hard": Case("generic_csv", {"customers": CUSTOMERS, "invoice_lines": LINES}, _LINES),
    "lifelike": Case("generic_csv", {"customers": CUSTOMERS, "invoice_lines": LIFELIKE}, _LINES),
    "joining": Case(
        "sap_ecc",
        {"T001": SAP_COMPANY, "KNA1": SAP_CUSTOMERS, "VBRK": SAP_HEADS, "VBRP": SAP_ITEMS},
        {"VBRK": ("KURRF", "VBELN", "KUNAG"), "VBRP": ("NETWR", "VBELN", "POSNR", "MATNR")},
    ),
}
