"""All that a warehouse holds, from a file into a lake, from a lake into a file, or between lakes; compared before it counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse.connection import OWN_STORAGE, literal, quoted, transaction
from warehouse.errors import UserError
from warehouse.lake.address import Lake, Warehouse
from warehouse.lake.opening import attach_to_read, memory_database, told_of
from warehouse.store.migrate import migrate, require_current

SCHEMAS = ("erp", "rated", "ops", "quarantine")
# What an empty warehouse says of itself when it is made; the moved rows take its place.
_OF_ITS_MAKING = {("ops", "migration"), ("ops", "version")}
_ANY_TIME = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC, as everywhere here, and nothing that stays

Table = tuple[str, str]


class MovingError(UserError):
    """What was copied is not what is there; nothing of it stays."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Moved:
    """A table that was copied and found equal, row by row, and how many rows it has."""

    table: str
    rows: int


def into_file(lake: Lake, file: Path, memory: int | None = None) -> list[Moved]:
    """Copy a lake's state of this moment into a new DuckDB file; MovingError, LakeError."""
    with memory_database(lake, memory) as connection, told_of(lake):
        attach_to_read(connection, lake, "source")
        connection.execute(f"ATTACH {literal(str(file))} AS target (STORAGE_VERSION {literal(OWN_STORAGE)})")
        for name in ("source", "target"):
            connection.execute(f"USE {name}")
            if name == "source":
                require_current(connection)
            else:
                migrate(connection, _ANY_TIME)
        with transaction(connection):
            moved = _copy(connection, "source", "target")
        connection.execute("CHECKPOINT target")
    return moved


def take_from(connection: duckdb.DuckDBPyConnection, source: Warehouse) -> list[Moved]:
    """Put all that another warehouse holds in the place of what the lake of the connection holds, in one transaction.

    Both are of this version. MovingError where they differ behind it; MigrationError where the other is of another version.
    """
    ((own,),) = connection.execute("SELECT current_database()").fetchall()
    attach_to_read(connection, source, "source")
    try:
        connection.execute("USE source")
        require_current(connection)
        connection.execute(f"USE {quoted(own)}")
        with transaction(connection):
            return _copy(connection, "source", str(own))
    finally:
        connection.execute(f"USE {quoted(own)}; DETACH source")


def is_empty(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the warehouse of the connection holds nothing but its tables."""
    ((own,),) = connection.execute("SELECT current_database()").fetchall()
    return not any(
        connection.execute(f"SELECT 1 FROM {_named(str(own), table)} LIMIT 1").fetchall()
        for table in _tables(connection, str(own)) - _OF_ITS_MAKING
    )


def _copy(connection: duckdb.DuckDBPyConnection, source: str, target: str) -> list[Moved]:
    """Every table's rows, in the transaction at hand."""
    theirs, ours = _tables(connection, source), _tables(connection, target)
    if theirs != ours:
        odd = ", ".join(".".join(each) for each in sorted(theirs ^ ours))
        raise MovingError(
            f"the two warehouses do not have the same tables ({odd}); bring both up to one version"
        )
    moved = []
    for table in sorted(ours):
        copy, original = _named(target, table), _named(source, table)
        connection.execute(f"DELETE FROM {copy}")
        connection.execute(f"INSERT INTO {copy} BY NAME FROM {original}")
        columns = _columns(connection, source, table)
        before, after = (_digest(connection, name, columns) for name in (original, copy))
        if before != after:
            raise MovingError(
                f"{'.'.join(table)} came out with other rows than it has ({before[0]:,} there, {after[0]:,} here); nothing was moved"
            )
        moved.append(Moved(".".join(table), before[0]))
    return moved


def _tables(connection: duckdb.DuckDBPyConnection, database: str) -> set[Table]:
    rows = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name IN "
        f"({', '.join(map(literal, SCHEMAS))}) AND NOT temporary",
        [database],
    ).fetchall()
    return set(rows)


def _columns(connection: duckdb.DuckDBPyConnection, database: str, table: Table) -> list[str]:
    rows = connection.execute(
        """SELECT column_name FROM duckdb_columns()
           WHERE database_name = ? AND schema_name = ? AND table_name = ? ORDER BY column_name""",
        [database, *table],
    ).fetchall()
    return [name for (name,) in rows]


def _digest(
    connection: duckdb.DuckDBPyConnection, table: str, columns: list[str]
) -> tuple[int, int | None, int | None]:
    """How many rows a table has, and what does not depend on their order of the hashes of all their values."""
    listed = ", ".join(map(quoted, columns))
    ((rows, added, combined),) = connection.execute(
        f"SELECT count(*), sum(hash({listed})), bit_xor(hash({listed})) FROM {table}"
    ).fetchall()
    return rows, added, combined


def _named(database: str, table: Table) -> str:
    return ".".join(map(quoted, (database, *table)))
