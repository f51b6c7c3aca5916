"""Opening DuckDB files: late, briefly, and with patience where another process holds the lock."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import polars as pl

from warehouse.faults import WarehouseBusyError

# What BI tools open: a file of a newer version cannot be opened by those that embed an older DuckDB.
PUBLISHED_STORAGE = "v1.0.0"
# What the pipeline alone opens: packs text in a fraction of the time, and every DuckDB that it runs on can read it.
OWN_STORAGE = "v1.5.0"
CONFIG = {
    "storage_compatibility_version": OWN_STORAGE,
    "python_enable_replacements": "false",
    # Text as polars keeps it itself: handed over in half the time.
    "arrow_output_version": "1.4",
    "produce_arrow_string_view": "true",
}


def quoted(identifier: str) -> str:
    """An SQL identifier, safe whatever it contains."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal, safe whatever it contains."""
    return "'" + text.replace("'", "''") + "'"


def connect(path: Path, *, read_only: bool = False, patience: float = 60.0) -> duckdb.DuckDBPyConnection:
    """Open a database file, waiting up to `patience` seconds for its lock; WarehouseBusyError after that."""
    give_up = time.monotonic() + patience
    while True:
        try:
            return duckdb.connect(str(path), read_only=read_only, config={} if read_only else CONFIG)  # type: ignore[arg-type]
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise
            if time.monotonic() > give_up:
                raise WarehouseBusyError(
                    f"{path} is held by another process after {patience:.0f} s of waiting; "
                    "let the other run end, or stop it, and run this again"
                ) from error
            time.sleep(random.uniform(0.05, 0.25))  # noqa: S311 - spreads the retries, protects nothing


@contextmanager
def open_database(
    path: Path, *, read_only: bool = False, patience: float = 60.0
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for the length of a block; see `connect`."""
    connection = connect(path, read_only=read_only, patience=patience)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Everything in the block is committed together, or nothing is."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def frame(connection: duckdb.DuckDBPyConnection, sql: str, parameters: object = None) -> pl.DataFrame:
    """The rows of a query, streamed over as Arrow.

    Not by way of a relation: DuckDB runs one with parameters at once and keeps its rows, which takes 15 times as long.
    """
    return pl.DataFrame(connection.execute(sql, parameters).to_arrow_reader())


def scalar(connection: duckdb.DuckDBPyConnection, sql: str, parameters: object = None) -> object:
    """The single value of a query of one row and one column."""
    rows = connection.execute(sql, parameters).fetchall()
    return rows[0][0] if rows else None


def count(connection: duckdb.DuckDBPyConnection, sql: str, parameters: object = None) -> int:
    """The number that a query of one row and one column gives; 0 where it gives none."""
    return int(str(scalar(connection, sql, parameters) or 0))
