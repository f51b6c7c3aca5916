"""Opening DuckDB files: late, briefly, and with patience where another process holds the lock."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Protocol
from weakref import WeakKeyDictionary

import duckdb
import polars as pl

from warehouse.errors import WarehouseBusyError
from warehouse.storage_errors import described, told_of

# What BI tools open: a file of a newer version cannot be opened by those that embed an older DuckDB.
PUBLISHED_STORAGE = "v1.0.0"
# What the pipeline alone opens: packs text in a fraction of the time, and every DuckDB that it runs on can read it.
OWN_STORAGE = "v1.5.0"
# A file of SQLite's would have DuckDB ask the internet for an extension.
NO_DOWNLOAD = {"autoinstall_known_extensions": "false"}
CONFIG = {
    **NO_DOWNLOAD,
    "storage_compatibility_version": OWN_STORAGE,
    "python_enable_replacements": "false",
    # Text as polars keeps it itself: handed over in half the time.
    "arrow_output_version": "1.4",
    "produce_arrow_string_view": "true",
}


# What DuckDB is to hold for a moment when it is to let go of the rest.
_ENOUGH = 256 << 20


def quoted(identifier: str) -> str:
    """An SQL identifier, safe whatever it contains."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal, safe whatever it contains."""
    return "'" + text.replace("'", "''") + "'"


def limited_to(memory: int | None) -> dict[str, str]:
    """How a connection is told that it may hold so many bytes; DuckDB's own default where None is given."""
    return {} if memory is None else {"memory_limit": f"{memory >> 10}KiB"}


def connect(
    path: Path, *, read_only: bool = False, patience: float = 60.0, memory: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Open a database file, waiting up to `patience` seconds for its lock; WarehouseBusyError after that.

    It holds at most `memory` bytes, if that is given. StorageError if the file is damaged, of another program, or may not be opened.
    """
    give_up = time.monotonic() + patience
    while True:
        try:
            config = {**(NO_DOWNLOAD if read_only else CONFIG), **limited_to(memory)}
            return duckdb.connect(str(path), read_only=read_only, config=config)  # type: ignore[arg-type]
        except duckdb.Error as error:
            if "could not set lock" not in str(error).lower():
                told = described(error, path)
                if told is None:
                    raise
                raise told from error
            if time.monotonic() > give_up:
                raise WarehouseBusyError(
                    f"{path} is held by another process after {patience:.0f} s of waiting; "
                    "let the other run end, or stop it, and run this again"
                ) from error
            time.sleep(random.uniform(0.05, 0.25))  # noqa: S311 - spreads the retries, protects nothing


@contextmanager
def open_database(
    path: Path, *, read_only: bool = False, patience: float = 60.0, memory: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for the length of a block; see `connect`."""
    connection = connect(path, read_only=read_only, patience=patience, memory=memory)
    try:
        with told_of(path):
            yield connection
    finally:
        connection.close()


class Guard(Protocol):
    """What may forbid a connection to commit, by raising."""

    def check(self) -> None:
        """As the last thing before a commit, as part of it."""
        ...

    def look(self) -> None:
        """The same without writing."""
        ...


_GUARDS: WeakKeyDictionary[duckdb.DuckDBPyConnection, Guard] = WeakKeyDictionary()


def guard_commits(connection: duckdb.DuckDBPyConnection, guard: Guard) -> None:
    """From here on, let the guard check every transaction of the connection."""
    _GUARDS[connection] = guard


def look_at_guard(connection: duckdb.DuckDBPyConnection) -> None:
    """In a transaction in which nothing may be written beside what it does: ask the guard all the same, if there is one."""
    if guard := _GUARDS.get(connection):
        guard.look()


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection, *, is_guarded: bool = True) -> Iterator[None]:
    """Everything in the block is committed together, or nothing is. Not guarded: one that writes another database than its own."""
    connection.execute("BEGIN TRANSACTION")
    try:
        yield
        if is_guarded and (guard := _GUARDS.get(connection)):
            guard.check()
    except BaseException:
        with suppress(duckdb.Error):  # a full disk has ended it already, and is what is to be told
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def is_small(connection: duckdb.DuckDBPyConnection, schema: str, rows: int) -> bool:
    """Whether no table in a schema of the warehouse at hand holds more rows than that, as DuckDB estimates them."""
    sql = """SELECT max(estimated_size) <= ? FROM duckdb_tables()
             WHERE database_name = current_database() AND schema_name = ?"""
    return bool(scalar(connection, sql, [rows, schema]))


@contextmanager
def in_one_thread(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """What the block asks is answered in one thread: where little is to be read, waking others costs more than they give."""
    threads = count(connection, "SELECT current_setting('threads')")
    connection.execute("SET threads = 1")
    try:
        yield
    finally:
        with suppress(duckdb.Error):  # a database that has failed for good is what is to be told
            connection.execute(f"SET threads = {threads}")


def let_go(connection: duckdb.DuckDBPyConnection, memory: int) -> None:
    """Have DuckDB give back what it can read again, and pages that its allocator keeps; it may hold `memory` bytes as before.

    Told by a connection of its own: if it cannot do with so little, that statement fails, and would end a transaction with it.
    """
    with closing(connection.cursor()) as other:
        if count(other, "SELECT sum(memory_usage_bytes) FROM duckdb_memory()") <= _ENOUGH:
            return
        with suppress(duckdb.OutOfMemoryException):
            other.execute(f"SET memory_limit = '{_ENOUGH >> 10}KiB'")
        other.execute(f"SET memory_limit = '{memory >> 10}KiB'")


def frame(connection: duckdb.DuckDBPyConnection, sql: str, parameters: object = None) -> pl.DataFrame:
    """The rows of a query, streamed over as Arrow.

    Not by way of a relation: DuckDB runs one with parameters at once and keeps its rows, which takes 15 times as long.
    """
    return pl.DataFrame(connection.execute(sql, parameters).to_arrow_reader())


@contextmanager
def lent(connection: duckdb.DuckDBPyConnection, name: str, rows: pl.DataFrame) -> Iterator[None]:
    """Let what the block asks read a frame by a name.

    DuckDB keeps whatever is registered until the transaction ends, and would keep every frame of a run: it is given a loan.
    """
    # Text as Arrow has it of old: only of this can its scanner, which picks columns and rows, pick rows.
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    # Where an empty frame has its nothing is anywhere, of which Arrow warns on stderr.
    with _registered(connection, name, table if rows.height else table.schema.empty_table()):
        yield


def add_frame(connection: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame) -> None:
    """Add the rows of a frame to a table, column by column name; columns that it does not have are null.

    In one thread: of what Python hands over, DuckDB reads one piece after the other, and a thread that waits for it takes a core.
    So not by a connection whose configuration is locked.
    """
    with in_one_thread(connection), _registered(connection, "new_rows", rows):
        connection.execute(f"INSERT INTO {table} BY NAME FROM new_rows")


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, name: str, rows: _Streamed) -> Iterator[None]:
    loan = _Loan(rows)
    connection.register(name, loan)
    try:
        yield
    finally:
        loan.rows = None
        connection.unregister(name)


class _Streamed(Protocol):
    """A table that Arrow's C interface can read."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """A stream of its rows."""
        ...


class _Loan:
    """A table as a stream, as often as it is asked for, until it is taken back."""

    def __init__(self, rows: _Streamed) -> None:
        self.rows: _Streamed | None = rows

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        if self.rows is None:
            raise ValueError("a frame was asked for after it was taken back")
        return self.rows.__arrow_c_stream__(requested_schema)


def insert(connection: duckdb.DuckDBPyConnection, table: str, row: Mapping[str, object]) -> None:
    """Add one row, column by column name; columns that it does not name are null."""
    insert_all(connection, table, [row])


def insert_all(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Mapping[str, object]]
) -> None:
    """Add a few rows in one statement, all with the same column names; columns that they do not name are null."""
    if not rows:
        return
    columns = ", ".join(quoted(name) for name in rows[0])
    places = ", ".join([f"({', '.join('?' * len(rows[0]))})"] * len(rows))
    values = [row[name] for row in rows for name in rows[0]]
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES {places}", values)


def scalar(connection: duckdb.DuckDBPyConnection, sql: str, parameters: object = None) -> object:
    """The single value of a query of one row and one column."""
    rows = connection.execute(sql, parameters).fetchall()
    return rows[0][0] if rows else None


def count(connection: duckdb.DuckDBPyConnection, sql: str, parameters: object = None) -> int:
    """The number that a query of one row and one column gives; 0 where it gives none."""
    return int(str(scalar(connection, sql, parameters) or 0))
