"""Bringing a warehouse file up to the tables this version expects, one transaction a step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import duckdb

from expectations.contract import contracts, stored_columns
from warehouse import dictionary
from warehouse.connection import scalar, transaction

FOLDER = Path(__file__).with_name("migrations")
SCHEMAS = ("erp", "rated", "ops", "quarantine")
AREA_SCHEMAS = {"extract": "erp", "rated": "rated"}


class MigrationError(Exception):
    """The warehouse's tables are not those this version was written for."""


def migrate(connection: duckdb.DuckDBPyConnection, recorded_at: datetime) -> int:
    """Apply the migrations that are missing; the number of those applied.

    The first one also makes the canonical and rated tables from the contracts. MigrationError where a table and its
    contract have come apart, which means that a migration is missing.
    """
    applied = _applied(connection)
    fresh = 0
    for number, name, sql in _migrations():
        if number in applied:
            continue
        with transaction(connection):
            if number == 1:
                _create_base(connection)
            connection.execute(sql)
            connection.execute("INSERT INTO ops.migration VALUES (?, ?, ?)", [number, name, recorded_at])
        fresh += 1
    _check(connection)
    return fresh


def _applied(connection: duckdb.DuckDBPyConnection) -> set[int]:
    there = scalar(
        connection,
        "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'ops' AND table_name = 'migration'",
    )
    if not there:
        return set()
    return {int(number) for (number,) in connection.execute("SELECT number FROM ops.migration").fetchall()}


def _migrations() -> Iterator[tuple[int, str, str]]:
    for path in sorted(FOLDER.glob("*.sql")):
        number = re.match(r"\d+", path.name)
        if number is None:
            raise MigrationError(f"{path.name}: a migration's name begins with its number")
        yield int(number[0]), path.stem, path.read_text(encoding="utf-8")


def _create_base(connection: duckdb.DuckDBPyConnection) -> None:
    for schema in SCHEMAS:
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute(
        "CREATE TABLE ops.migration (number INTEGER NOT NULL, name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL)"
    )
    for area, schema in AREA_SCHEMAS.items():
        for contract in contracts(area):  # type: ignore[arg-type]
            for statement in dictionary.create_table(contract, schema):
                connection.execute(statement)


def _check(connection: duckdb.DuckDBPyConnection) -> None:
    found: dict[str, list[tuple[str, str]]] = {}
    for schema, table, column, kind in connection.execute(
        "SELECT schema_name, table_name, column_name, data_type FROM duckdb_columns() "
        "WHERE schema_name IN ('erp', 'rated') AND NOT internal ORDER BY column_index"
    ).fetchall():
        found.setdefault(f"{schema}.{table}", []).append((column, kind))
    for area, schema in AREA_SCHEMAS.items():
        for contract in contracts(area):  # type: ignore[arg-type]
            wanted = [(column.name, column.type) for column in stored_columns(contract)]
            name = f"{schema}.{contract.name}"
            if found.get(name) != wanted:
                raise MigrationError(
                    f"{name} in this warehouse is not the table this version was written for; "
                    "use the version that made it, or rebuild the warehouse from the archive"
                )
