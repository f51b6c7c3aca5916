"""Looking after a lake's files: what small batches left in the catalog written out, small files merged, former states dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import duckdb

from warehouse.connection import literal, look_at_guard, transaction
from warehouse.lake import lease
from warehouse.lake.opening import ALIAS

# The token of the committer stays in the catalog.
_TO_FLUSH = f"""
SELECT DISTINCT schema_name FROM duckdb_columns() WHERE database_name = '{ALIAS}' AND schema_name <> '{lease.SCHEMA}'"""


def tidy(connection: duckdb.DuckDBPyConnection, *, states_before: datetime, files_before: datetime) -> int:
    """Tidy the lake of the connection, which is its committer; how many files were removed. Both instants are naive UTC.

    The states before `states_before` cannot be looked at any more. A file that no state needs, or that a killed commit left, is
    removed if it has been so since before `files_before`: a reader that began earlier may still read it. LakeError where another
    process committed meanwhile: what was not tidied by then stays.
    """
    for (schema,) in connection.execute(_TO_FLUSH).fetchall():
        with transaction(connection):
            _call(connection, "ducklake_flush_inlined_data", f"schema_name => '{schema}'")
    with _looked_at(connection):
        _call(connection, "ducklake_merge_adjacent_files")
    with _looked_at(connection):
        _call(connection, "ducklake_expire_snapshots", f"older_than => {_instant(states_before)}")
    removed = 0
    for clean in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"):
        with _looked_at(connection):
            removed += _call(connection, clean, f"older_than => {_instant(files_before)}")
    return removed


@contextmanager
def _looked_at(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A transaction that reads the committer's token, and does not write it.

    DuckLake lets one that merges files change nothing else, and undoes it where what they hold was changed meanwhile; of one that
    drops states, the token would be another state.
    """
    with transaction(connection, is_guarded=False):
        look_at_guard(connection)
        yield


def _call(connection: duckdb.DuckDBPyConnection, function: str, *named: str) -> int:
    """Run a function of DuckLake's on the lake; how many rows it gave."""
    return len(connection.execute(f"CALL {function}({', '.join([literal(ALIAS), *named])})").fetchall())


def _instant(moment: datetime) -> str:
    return f"{literal(f'{moment.isoformat()}+00:00')}::TIMESTAMPTZ"
