"""One resource of invoice lines in a dialect that a test states: its files in, the rows that its SQL is given out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl

from tests.warehouse.making import Delivery, write_source
from warehouse.delivery.manifest import read_manifest
from warehouse.delivery.profile import read_source
from warehouse.staging import records
from warehouse.staging import scratch as staging

COLUMNS: dict[str, Any] = {
    "document": {"header": "Beleg"},
    "customer": {"header": "Kunde"},
    "day": {"header": "Datum", "type": "date"},
    "net": {"header": "Netto", "type": "decimal(18,4)"},
}
SQL = """
    SELECT document AS document_id, '1' AS line_id, 'invoice' AS document_type, day AS invoice_date,
           customer AS customer_id, 1 AS quantity, 'ST' AS uom, net AS net_amount, 'EUR' AS currency,
           net AS net_amount_company, 'EUR' AS company_currency, false AS is_cancelled, _file, _row
    FROM LINES
"""


@dataclass(frozen=True)
class Read:
    """What became of the files: rows as (row number, document, customer, day, net), and those that are none."""

    rows: list[tuple[Any, ...]]
    problems: list[tuple[int, str]]
    rejects: list[tuple[int, str]]
    left_out: dict[str, int]
    rows_in: int
    raw: list[dict[str, str]]
    warnings: tuple[str, ...] = ()

    @property
    def nets(self) -> list[str]:
        """The amounts as text, to the digit."""
        return [str(row[4]) for row in self.rows]


def read(
    folder: Path,
    files: Mapping[str, bytes],
    columns: Mapping[str, Any] | None = None,
    sql: str = SQL,
    **dialect: Any,
) -> Read:
    """Stage a batch of these files as lines of that dialect; BatchRefusedError as the loader has it."""
    profile = {
        "source": "shop",
        "title": "A shop",
        "version": "1",
        "defaults": {"delimiter": ";", "decimal_mark": ",", "group_mark": ".", "date_formats": ["%d.%m.%Y"]}
        | dialect,
        "resources": {"LINES": {"pattern": "*", "columns": {**COLUMNS, **(columns or {})}}},
        "tables": {"invoice_lines": {"driving": "LINES"}},
    }
    source = read_source(write_source(folder / "sources", profile, {"invoice_lines": sql}))
    batch = read_manifest(Delivery({"LINES": files}).write(folder / "inbox"))
    with staging.stage(batch, source, folder / "scratch" / "batch.duckdb") as scratch:
        ask = scratch.connection.execute
        rows = ask(
            "SELECT _row, document_id, customer_id, invoice_date, net_amount FROM staging.invoice_lines "
            "ORDER BY _file, _row"
        ).fetchall()
        problems = ask(
            "SELECT _row, unnest(_problems) AS problem FROM staging.invoice_lines ORDER BY _file, _row, problem"
        ).fetchall()
        rejects = ask("SELECT row_number, rule FROM rejected.record ORDER BY file, row_number").fetchall()
        raw = [
            json.loads(text)
            for (text,) in ask(
                f"SELECT raw FROM ({records.raw(scratch.delivery.resources['LINES'])}) ORDER BY _file, _row"
            ).fetchall()
        ]
        (table,) = scratch.tables
        found = Read(rows, problems, rejects, dict(table.excluded), table.rows_in, raw, scratch.warnings)
    assert found.rows_in == len(rows) + len(rejects) + sum(found.left_out.values())
    return found


def workbook(*sheets: list[list[Any]], formats: Mapping[str, str] | None = None) -> bytes:
    """An Excel workbook of these sheets' rows; `formats` sets the number format of cells of the first."""
    book = openpyxl.Workbook()
    for place, rows in enumerate(sheets):
        sheet = book.active if place == 0 else book.create_sheet(f"Sheet{place + 1}")
        for row in rows:
            sheet.append(row)
    for cell, code in (formats or {}).items():
        book.worksheets[0][cell].number_format = code
    stream = BytesIO()
    book.save(stream)
    return stream.getvalue()
