"""Databases of a test's own on the servers of this machine; they are gone when the test is over."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

HOST = "127.0.0.1"
POSTGRES_USER, MARIADB_USER = "postgres", "root"


def _absent(server: str, error: Exception) -> None:
    """Skip where a server is not here, fail where it must be."""
    reason = f"{server} does not answer on {HOST}: {' '.join(str(error).split())[:200]}"
    if os.environ.get("VALUEMART_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def literal(value: Any) -> str:
    """A value as SQL; an empty text is null, as in the extracts."""
    if value is None or value == "":
        return "NULL"
    return "'" + str(value).replace("'", "''") + "'"


def insert(table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """One INSERT of several rows."""
    values = ", ".join(f"({', '.join(literal(value) for value in row)})" for row in rows)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}"


@dataclass
class Postgres:
    """One connection to one database, every statement committed at once unless a transaction was begun."""

    database: str

    def __post_init__(self) -> None:
        from adbc_driver_postgresql import dbapi

        self.connection = dbapi.connect(
            f"host={HOST} user={POSTGRES_USER} dbname={self.database} connect_timeout=5", autocommit=True
        )

    def execute(self, *statements: str) -> None:
        """Run statements one after the other."""
        for statement in statements:
            with self.connection.cursor() as cursor:
                cursor.execute(statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]

    def another(self) -> Postgres:
        """A second connection to the same database."""
        return Postgres(self.database)

    def close(self) -> None:
        """Let go of the server."""
        self.connection.close()


@dataclass
class MariaDb:
    """One connection to one database, every statement committed at once unless a transaction was begun."""

    database: str

    def __post_init__(self) -> None:
        import arrow_odbc

        database = f"Database={self.database};" if self.database else ""
        self.connection = arrow_odbc.connect(
            f"Driver={{MariaDB Unicode}};Server={HOST};Charset=utf8mb4;{database}",
            user=MARIADB_USER,
            password="",
            login_timeout_sec=5,
        )
        # Who waits for a lock waits for a mistake of the test's, and is to say so.
        self.execute("SET SESSION lock_wait_timeout = 20, innodb_lock_wait_timeout = 5")

    def execute(self, *statements: str) -> None:
        """Run statements one after the other."""
        for statement in statements:
            self.connection.execute(statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        reader = self.connection.read_arrow_batches(sql, batch_size=10_000, max_text_size=4096)
        return [
            row
            for batch in reader
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        ]

    def another(self) -> MariaDb:
        """A second connection to the same database."""
        return MariaDb(self.database)

    def close(self) -> None:
        """Let go of the server."""
        del self.connection


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """An empty database on the machine's PostgreSQL."""
    name = f"valuemart_{uuid.uuid4().hex[:12]}"
    try:
        server = Postgres("postgres")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not here
        _absent("PostgreSQL", error)
    server.execute(f"CREATE DATABASE {name}")
    try:
        database = Postgres(name)
        try:
            yield database
        finally:
            database.close()
    finally:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        server.close()


@contextmanager
def own_mariadb() -> Iterator[MariaDb]:
    """An empty database on the machine's MariaDB."""
    name = f"valuemart_{uuid.uuid4().hex[:12]}"
    try:
        server = MariaDb("")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not here
        _absent("MariaDB, or its ODBC driver,", error)
    server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    try:
        database = MariaDb(name)
        try:
            yield database
        finally:
            database.close()
    finally:
        server.execute(f"DROP DATABASE {name}")
        server.close()
