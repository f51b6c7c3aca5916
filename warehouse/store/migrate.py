"""Bringing a warehouse up to the tables this version expects, one transaction a step.

Tables are made by the numbered SQL files in `migrations/` and by nothing else; a contract describes what they must come
to. What a released version applied is never changed: a later change is a file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path

import duckdb

from expectations.contract import Column, Contract, contracts, stored_columns
from warehouse.connection import count, in_one_thread, insert, transaction
from warehouse.errors import UserError
from warehouse.store import ddl

FOLDER = Path(__file__).with_name("migrations")
AREA_SCHEMAS = {"extract": "erp", "rated": "rated"}
# Never released, and never to be: a warehouse that has one of these was made by something else.
RETIRED = frozenset({2})
# Before a warehouse remembered which version made it.
FIRST_VERSION = "0.1.0"

_OWN = "database_name = current_database() AND NOT internal"
_NAME = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+")


class MigrationError(UserError):
    """The warehouse's tables are not those this version was written for."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its number, its name (the number included) and its statements."""

    number: int
    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class _StoredColumn:
    type: str
    nullable: bool
    comment: str | None


@cache
def migrations() -> tuple[Migration, ...]:
    """All migrations of this version in their order; MigrationError if two share a number, or one has a retired one."""
    found = tuple(_read(path) for path in sorted(FOLDER.glob("*.sql")))
    numbers = [each.number for each in found]
    if len(set(numbers)) != len(numbers) or RETIRED & set(numbers):
        raise MigrationError(
            f"the migrations' numbers are {numbers}: each is used once, and {sorted(RETIRED)} never"
        )
    return found


def applied(connection: duckdb.DuckDBPyConnection) -> frozenset[int]:
    """The numbers of the migrations that a warehouse has; none in an empty file.

    MigrationError if a newer version made it, or if it holds tables and none of them is this program's.
    """
    tables = {
        f"{schema}.{table}"
        for schema, table in connection.execute(
            # Of its columns: for each table of a lake, duckdb_tables() asks how many rows it has.
            f"SELECT DISTINCT schema_name, table_name FROM duckdb_columns() WHERE {_OWN} AND schema_name <> 'lake'"
        ).fetchall()
    }
    if "ops.migration" not in tables:
        if tables:
            raise MigrationError(
                f"{_file(connection)} holds {', '.join(sorted(tables)[:3])}, and is no warehouse of valuemart; "
                "move it away, or name another home"
            )
        return frozenset()
    numbers = frozenset(
        int(number) for (number,) in connection.execute("SELECT number FROM ops.migration").fetchall()
    )
    unknown = numbers - {each.number for each in migrations()}
    if unknown:
        raise MigrationError(
            f"{_file(connection)} was made by a newer version of valuemart (migration {max(unknown)}; this version, "
            f"{version('valuemart')}, knows up to {migrations()[-1].number}); use that version, or a newer one"
        )
    return numbers


def due(connection: duckdb.DuckDBPyConnection) -> tuple[Migration, ...]:
    """The migrations that a warehouse lacks, in order; MigrationError as `applied`. Changes nothing."""
    there = applied(connection)
    return tuple(each for each in migrations() if each.number not in there)


def require_current(connection: duckdb.DuckDBPyConnection) -> None:
    """For those who only read: MigrationError if a migration is due, or a newer version made the warehouse."""
    missing = due(connection)
    if missing:
        raise MigrationError(
            f"{_file(connection)} was made by an older version of valuemart (it lacks {missing[0].name}); "
            "run `valuemart refresh`, which upgrades it"
        )


def migrate(connection: duckdb.DuckDBPyConnection, recorded_at: datetime) -> int:
    """Apply the migrations that are missing; the number of those applied.

    Called each time a warehouse is opened for writing. MigrationError if a newer version made the warehouse, or if a
    table and its contract have come apart, which means that a migration is missing.
    """
    there = applied(connection)
    missing = tuple(each for each in migrations() if each.number not in there)
    # A new warehouse is made in one step: a lake keeps, and asks, a table for every form that a table of its own ever had.
    for steps in [missing] if missing and not there else [(each,) for each in missing]:
        with transaction(connection):
            for step in steps:
                connection.execute(step.sql)
                row = {"number": step.number, "name": step.name, "applied_at": recorded_at}
                insert(connection, "ops.migration", row)
    _remember_version(connection, recorded_at, older=bool(there and missing))
    columns = _columns(connection)
    problems = list(_differences(columns))
    if problems:
        raise MigrationError(
            f"{_file(connection)}: {problems[0]}; use the version that made this warehouse, "
            "or rebuild it from the archive"
        )
    _comment(connection, columns)
    return len(missing)


def made_by(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, datetime]]:
    """The versions that have written a warehouse, each with the time of its first writing, oldest first.

    Of a warehouse that is older than this record: the first version, and when it was made. Nothing of an empty file.
    """
    there = applied(connection)
    if not there:
        return []
    if not count(connection, f"SELECT count(*) FROM duckdb_tables() WHERE {_OWN} AND table_name = 'version'"):
        return [(FIRST_VERSION, first) for (first,) in connection.execute(_BEGUN).fetchall()]
    return connection.execute("SELECT version, since FROM ops.version ORDER BY since, version").fetchall()


def differences(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """How the canonical and rated tables differ from their contracts in name, type or nullability; nothing if they agree.

    A column's place does not count, since a migration can only add behind.
    """
    return list(_differences(_columns(connection)))


_BEGUN = "SELECT min(applied_at) FROM ops.migration"


def _remember_version(connection: duckdb.DuckDBPyConnection, recorded_at: datetime, *, older: bool) -> None:
    """Note that this version writes the warehouse, once; and what wrote an `older` one that has no such note."""
    known = {name for (name,) in connection.execute("SELECT version FROM ops.version").fetchall()}
    missing: dict[str, datetime] = {}
    if older and not known:
        ((begun,),) = connection.execute(_BEGUN).fetchall()
        missing[FIRST_VERSION] = begun
    if version("valuemart") not in known:
        missing.setdefault(version("valuemart"), recorded_at)
    if missing:
        with transaction(connection):
            for name, since in missing.items():
                insert(connection, "ops.version", {"version": name, "since": since})


def _read(path: Path) -> Migration:
    matched = _NAME.fullmatch(path.stem)
    if matched is None:
        raise MigrationError(f"{path.name}: a migration's name is its number in four digits, and a word")
    return Migration(int(matched["number"]), path.stem, path.read_text(encoding="utf-8"))


def _file(connection: duckdb.DuckDBPyConnection) -> str:
    """The path of the warehouse at hand, or its name if it has none."""
    path = connection.execute(
        "SELECT coalesce(path, database_name) FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchall()
    return str(path[0][0])


def _columns(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, _StoredColumn]]:
    """Table (with its schema) to its columns as they are stored."""
    found: dict[str, dict[str, _StoredColumn]] = {}
    for schema, table, column, kind, nullable, comment in connection.execute(
        "SELECT schema_name, table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns() "
        f"WHERE schema_name IN ('erp', 'rated') AND {_OWN}"
    ).fetchall():
        found.setdefault(f"{schema}.{table}", {})[column] = _StoredColumn(kind, nullable, comment)
    return found


def _contracts() -> Iterator[tuple[str, str, Contract]]:
    """Schema, table with its schema, and contract of every stored table."""
    for area, schema in AREA_SCHEMAS.items():
        for contract in contracts(area):  # type: ignore[arg-type]
            yield schema, f"{schema}.{contract.name}", contract


def _differences(found: dict[str, dict[str, _StoredColumn]]) -> Iterator[str]:
    for _, name, contract in _contracts():
        stored = found.get(name)
        if stored is None:
            yield f"the table {name} is missing"
            continue
        wanted = {column.name: column for column in stored_columns(contract)}
        yield from (f"{name} lacks the column {each}" for each in wanted if each not in stored)
        yield from (
            f"{name} has a column {each} that its contract does not" for each in stored if each not in wanted
        )
        for each in wanted.keys() & stored.keys():
            yield from _column_differences(f"{name}.{each}", wanted[each], stored[each])


def _column_differences(name: str, wanted: Column, stored: _StoredColumn) -> Iterator[str]:
    if wanted.type != stored.type:
        yield f"{name} is {stored.type}, and {wanted.type} in its contract"
    if wanted.nullable != stored.nullable:
        yield f"{name} may {'' if stored.nullable else 'not '}be null, against its contract"


def _comment(connection: duckdb.DuckDBPyConnection, found: dict[str, dict[str, _StoredColumn]]) -> None:
    """Put the contracts' words on the tables and columns that do not bear them: words are no structure, and no step."""
    tables = {
        f"{schema}.{table}": comment
        for schema, table, comment in connection.execute(
            f"SELECT schema_name, table_name, comment FROM duckdb_tables() WHERE {_OWN}"
        ).fetchall()
    }
    statements = [
        statement
        for schema, name, contract in _contracts()
        if tables[name] != ddl.table_comment(contract)
        or any(
            found[name][column.name].comment != ddl.column_comment(column)
            for column in stored_columns(contract)
        )
        for statement in ddl.comments(contract, schema)
    ]
    if statements:
        with in_one_thread(connection), transaction(connection):
            connection.execute(";\n".join(statements))
