"""Copies of the warehouse and of the relay's books that are each of one moment, and the tidying that goes with them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse.connection import open_database
from warehouse.files import sync


@contextmanager
def exclusive_snapshot(
    warehouse_file: Path,
) -> Iterator[tuple[duckdb.DuckDBPyConnection, Callable[[Path], None]]]:
    """The warehouse, held so that nobody writes it, and a function that copies its file to a path.

    WarehouseBusyError where another run holds it for too long.
    """
    # The operating system drops a process's lock on a file when the process closes any descriptor of it: the one we
    # read by must be closed after DuckDB's.
    with warehouse_file.open("rb") as stream, open_database(warehouse_file) as connection:

        def copy_to(target: Path) -> None:
            connection.execute("CHECKPOINT")  # nothing is left in the write-ahead log
            stream.seek(0)
            with target.open("wb") as copy:
                shutil.copyfileobj(stream, copy, 4 * 1024 * 1024)
            sync(target)

        yield connection, copy_to


def copy_relay(relay_file: Path, target: Path) -> None:
    """Copy the relay's books as they are at one moment, whoever writes them meanwhile."""
    with closing(sqlite3.connect(relay_file)) as books, closing(sqlite3.connect(target)) as copy:
        books.backup(copy)
    sync(target)


def loaded_before(connection: duckdb.DuckDBPyConnection, day: datetime) -> list[tuple[str, str, str]]:
    """Source, company and id of the batches that were loaded before an instant (naive UTC), oldest first."""
    return connection.execute(
        "SELECT source, company_code, batch_id FROM ops.batch "
        "WHERE status IN ('loaded', 'unchanged', 'superseded') AND recorded_at < ? ORDER BY recorded_at, 1, 2, 3",
        [day],
    ).fetchall()


def compact(connection: duckdb.DuckDBPyConnection) -> None:
    """Write the log into the file, and let deleted rows' space be used again."""
    connection.execute("CHECKPOINT")
