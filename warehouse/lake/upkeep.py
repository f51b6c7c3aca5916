"""Looking after a lake's files: what small batches left in the catalog written out, small files merged, former states dropped."""

from __future__ import annotations

from datetime import datetime

import duckdb

from warehouse.connection import literal
from warehouse.lake import lease
from warehouse.lake.opening import ALIAS

# The token of the committer stays in the catalog.
_TO_FLUSH = f"""
SELECT DISTINCT schema_name FROM duckdb_columns() WHERE database_name = '{ALIAS}' AND schema_name <> '{lease.SCHEMA}'"""


def tidy(connection: duckdb.DuckDBPyConnection, *, states_before: datetime, files_before: datetime) -> int:
    """Tidy the lake of the connection, which is its committer; how many files were removed. Both instants are naive UTC.

    The states before `states_before` cannot be looked at any more. A file that no state needs, or that a killed commit left, is
    removed if it has been so since before `files_before`: a reader that began earlier may still read it.
    """
    for (schema,) in connection.execute(_TO_FLUSH).fetchall():
        connection.execute(
            f"CALL ducklake_flush_inlined_data('{ALIAS}', schema_name => '{schema}')"
        ).fetchall()
    connection.execute(f"CALL ducklake_merge_adjacent_files('{ALIAS}')").fetchall()
    connection.execute(
        f"CALL ducklake_expire_snapshots('{ALIAS}', older_than => {_instant(states_before)})"
    ).fetchall()
    removed = 0
    for clean in ("ducklake_cleanup_old_files", "ducklake_delete_orphaned_files"):
        removed += len(
            connection.execute(f"CALL {clean}('{ALIAS}', older_than => {_instant(files_before)})").fetchall()
        )
    return removed


def _instant(moment: datetime) -> str:
    return f"{literal(f'{moment.isoformat()}+00:00')}::TIMESTAMPTZ"
