"""Copies of the warehouse and of the relay's books that are each of one moment, and the tidying that goes with them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

import duckdb

from warehouse.connection import open_database
from warehouse.files import sync
from warehouse.lake.address import Lake, Warehouse
from warehouse.lake.opening import open_at
from warehouse.store import moving


class Held(Protocol):
    """The warehouse, held so that nobody writes it."""

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """A connection to it."""

    def copy_to(self, target: Path) -> None:
        """Copy all of it into a new DuckDB file."""

    def take(self, file: Path) -> None:
        """Put what a DuckDB file holds, which is given away, in its place: all of it or nothing."""


@dataclass(frozen=True, slots=True)
class _HeldFile:
    connection: duckdb.DuckDBPyConnection
    file: Path
    stream: BinaryIO

    def copy_to(self, target: Path) -> None:
        self.connection.execute("CHECKPOINT")  # nothing is left in the write-ahead log
        self.stream.seek(0)
        with target.open("wb") as copy:
            shutil.copyfileobj(self.stream, copy, 4 * 1024 * 1024)
        sync(target)

    def take(self, file: Path) -> None:
        file.replace(self.file)


@dataclass(frozen=True, slots=True)
class _HeldLake:
    connection: duckdb.DuckDBPyConnection
    lake: Lake
    memory: int | None

    def copy_to(self, target: Path) -> None:
        moving.into_file(self.lake, target, self.memory)
        sync(target)

    def take(self, file: Path) -> None:
        moving.take_from(self.connection, file)
        file.unlink()


@contextmanager
def exclusive_snapshot(warehouse: Warehouse, memory: int | None = None) -> Iterator[Held]:
    """The warehouse, held so that nobody writes it. WarehouseBusyError where another run holds it for too long.

    Copying a lake takes at most `memory` bytes, if that is given.
    """
    if isinstance(warehouse, Lake):
        with open_at(warehouse, memory=memory) as connection:
            yield _HeldLake(connection, warehouse, memory)
        return
    # The operating system drops a process's lock on a file when the process closes any descriptor of it: the one we
    # read by must be closed after DuckDB's.
    with warehouse.open("rb") as stream, open_database(warehouse) as connection:
        yield _HeldFile(connection, warehouse, stream)


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
