"""What is remembered of rows that are gone, for batches that land late: keys in ops.tombstone, documents in ops.whole_document.

What no batch may ask any more is forgotten; up to which batch it was, is kept in ops.forgotten.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from warehouse.connection import count, transaction
from warehouse.delivery.manifest import Batch
from warehouse.merge.actions import ORDER, OWN_ORDER, order_of

_REMEMBERED = ("tombstone", "whole_document")


def forget_before(connection: duckdb.DuckDBPyConnection, before: datetime) -> int:
    """Forget what batches said that were extracted before an instant (naive UTC); how many keys and documents that were."""
    with transaction(connection):
        every = " UNION ALL ".join(
            f"SELECT company_code, table_name, source, {ORDER} FROM ops.{name} WHERE recorded_at < $before"
            for name in _REMEMBERED
        )
        about = {"before": before}
        forgotten = count(connection, f"SELECT count(*) FROM ({every})", about)
        if not forgotten:
            return 0
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE mark AS
                SELECT company_code, table_name, source, unnest(max(row({ORDER})::STRUCT(
                           batch_sequence BIGINT, recorded_at TIMESTAMP, batch_id VARCHAR)))
                FROM ({every} UNION ALL SELECT company_code, table_name, source, {ORDER} FROM ops.forgotten)
                GROUP BY company_code, table_name, source""",
            about,
        )
        connection.execute("DELETE FROM ops.forgotten")
        connection.execute("INSERT INTO ops.forgotten BY NAME FROM temp.mark")
        for name in _REMEMBERED:
            connection.execute(f"DELETE FROM ops.{name} WHERE recorded_at < $before", about)
    return forgotten


def forget_marks(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the marks of sources none of whose batches is left in the ledger: they are all to come again, in their order."""
    connection.execute(
        """DELETE FROM ops.forgotten AS m WHERE NOT EXISTS (
               SELECT 1 FROM ops.batch AS b
               WHERE b.source = m.source AND b.company_code = m.company_code AND b.status <> 'refused')"""
    )


def warning_of_late(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: str, entered: int
) -> str | None:
    """What to say of a batch that is older than what was forgotten, and of which rows entered; None of any other."""
    if not entered:
        return None
    found = connection.execute(
        f"""SELECT batch_id, recorded_at FROM ops.forgotten
            WHERE company_code = $company AND source = $source AND table_name = $table AND ({ORDER}) > ({OWN_ORDER})""",
        {**order_of(batch), "company": batch.company, "source": batch.source, "table": table},
    ).fetchall()
    if not found:
        return None
    [(newest, extracted_at)] = found
    return (
        f"{table}: {entered:,} rows entered from a batch that is older than what is remembered of rows that are gone: what was "
        f"said of it up to batch {newest} of {extracted_at:%Y-%m-%d} was forgotten (late_days), and some of these rows may be gone "
        "since; bring a full snapshot, or their keys, to delete them"
    )
