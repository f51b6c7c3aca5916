"""What DuckDB gives back when it is told to let go, in the middle of a transaction."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from warehouse import connection as connections
from warehouse.connection import connect, count, let_go, transaction

MIB = 1 << 20
LIMIT = 600 * MIB


def held(connection: duckdb.DuckDBPyConnection) -> int:
    return count(connection, "SELECT sum(memory_usage_bytes) FROM duckdb_memory()")


def limit(connection: duckdb.DuckDBPyConnection) -> object:
    return connection.execute("SELECT current_setting('memory_limit')").fetchone()


def test_what_was_read_is_let_go_of_and_what_was_written_stays(tmp_path: Path):
    with connect(tmp_path / "w.duckdb", memory=LIMIT) as connection:
        connection.execute(
            "CREATE TABLE t AS SELECT hash(range) AS a, hash(range + 1) AS b FROM range(20000000)"
        )
        connection.execute("CHECKPOINT; CREATE TABLE s (a INTEGER)")
        before = limit(connection)
        with transaction(connection):
            connection.execute("INSERT INTO s SELECT range FROM range(100000)")
            connection.execute("SELECT sum(a), sum(b) FROM t").fetchall()
            assert held(connection) > 256 * MIB
            let_go(connection, LIMIT)
            assert held(connection) <= 256 * MIB
        assert limit(connection) == before
        assert count(connection, "SELECT count(*) FROM s") == 100_000


def test_a_transaction_that_needs_more_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "_ENOUGH", 1024)
    with connect(tmp_path / "w.duckdb", memory=LIMIT) as connection:
        connection.execute("CREATE TABLE t (a BIGINT)")
        before = limit(connection)
        with transaction(connection):
            connection.execute("INSERT INTO t SELECT range FROM range(1000000)")
            let_go(connection, LIMIT)
            connection.execute("INSERT INTO t SELECT range FROM range(1000000)")
        assert limit(connection) == before
        assert count(connection, "SELECT count(*) FROM t") == 2_000_000
