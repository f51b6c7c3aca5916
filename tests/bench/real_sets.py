"""The real sets, loaded the way everything is: landed, judged, merged. For measuring what a rating is worth on them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from expectations.gate import Gate
from flows.inbox.landing import land
from flows.pipeline import stages
from flows.settings import Settings
from tests.real_data import REAL_DATA, absent
from warehouse.connection import open_database

SOURCES = Path(__file__).resolve().parents[1] / "real" / "sources"
COMPANY = "real"

# Files of a set, the currency of its books, and the day after its last row.
SETS = {
    "online_retail": (("online_retail_all.csv.zst",), "GBP", datetime(2011, 12, 10, tzinfo=UTC)),
    "adventureworks": (
        ("Sales.csv", "Region.csv", "Reseller.csv", "Product.csv"),
        "USD",
        datetime(2020, 6, 1, tzinfo=UTC),
    ),
    "accounts_receivable": (("accounts_receivable.csv",), "USD", datetime(2014, 2, 1, tzinfo=UTC)),
}

Row = Sequence[object]


def loaded(name: str, home: Path, gate: Gate) -> Settings:
    """The settings of a home that holds the set as one batch, unrated. SystemExit where the set is not here."""
    files, currency, taken = SETS[name]
    folder = REAL_DATA / name
    if not folder.is_dir():
        sys.exit(absent())
    settings = Settings(home=home, sources_path=[SOURCES], company_currency=currency)
    land(settings, [str(folder / file) for file in files], source=name, company=COMPANY, extracted_at=taken)
    assert [outcome.status for outcome in stages.load_stage(settings, gate).outcomes] == ["loaded"]
    return settings


def ask(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    """The rows of a query on the warehouse."""
    with open_database(settings.warehouse_file, read_only=True) as connection:
        return _rows(connection, sql)


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[object, ...]]:
    return connection.execute(sql).fetchall()


def table(title: str, headings: Row, rows: Iterable[Row]) -> None:
    """Print rows under headings, the first column to the left, the rest to the right."""
    lines = [[str(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(headings))]
    write(f"\n{title}")
    for line in lines:
        first, *rest = (
            cell.ljust(width) if not at else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        write("  " + "  ".join([first, *rest]).rstrip())


def write(text: str) -> None:
    """Print one line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
