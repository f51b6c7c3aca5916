"""What is remembered of rows that are gone, for batches that land late: keys in ops.tombstone, documents in ops.whole_document.

What no batch may ask any more is forgotten; up to which batch it was, is kept in ops.forgotten.
"""

from __future__ import annotations

from datetime import datetime

import duckdb

from warehouse.connection import count, literal, transaction
from warehouse.delivery.manifest import Batch
from warehouse.merge.actions import ORDER, OWN_ORDER, WRITTEN, Actions, key_text, order_of
from warehouse.staging.tables import StagedTable

_REMEMBERED = ("tombstone", "whole_document")
_OF_TABLE = "company_code = $company AND table_name = $table AND source = $source"


def keep_tombstones(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    table: StagedTable,
    actions: Actions,
    left_out: Actions,
    *,
    newest_snapshot: bool,
    has_some: bool,
) -> None:
    """Remember what a batch said is gone and is not here; forget what the table or a snapshot says itself now.

    What a snapshot leaves out it also lacks, and that is known by its order. `has_some`: there are tombstones of the table.
    """
    said = {"tombstone": _keys(table, actions, "tombstone")} if actions.rows("tombstone") else {}
    if left_out.rows("tombstone") and not newest_snapshot:
        said["rule"] = _keys(table, left_out, "tombstone")
    if has_some:
        again = "".join(f" OR key IN ({keys})" for keys in said.values())
        connection.execute(
            f"""DELETE FROM ops.tombstone WHERE {_OF_TABLE} AND (
                    key IN ({_keys(table, actions, *WRITTEN)})
                    OR (({ORDER}) < ({OWN_ORDER}) AND ($snapshot{again})))""",
            {**_about(batch, table.name), **order_of(batch), "snapshot": newest_snapshot},
        )
    for cause, keys in said.items():
        connection.execute(
            f"""INSERT INTO ops.tombstone (
                    company_code, table_name, source, key, batch_sequence, recorded_at, batch_id, deleted_by)
                SELECT $company, $table, $source, said.key, {OWN_ORDER}, $cause
                FROM (SELECT DISTINCT key FROM ({keys})) AS said
                WHERE NOT EXISTS (SELECT 1 FROM ops.tombstone AS m WHERE m.key = said.key AND {_OF_TABLE})""",
            {**_about(batch, table.name), **order_of(batch), "cause": cause},
        )


def keep_documents(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    table: str,
    documents: str,
    *,
    newest_snapshot: bool,
    answered: bool,
) -> None:
    """Remember which documents a batch delivered whole; forget what it, or a snapshot, says itself now.

    `documents` is their relation, "" if none came whole. Unless all rows are `answered`, some being in quarantine, the batch
    has said nothing of those, and older deliveries still count.
    """
    again = f"document IN (SELECT document FROM {documents})" if documents and answered else "false"
    connection.execute(
        f"""DELETE FROM ops.whole_document WHERE {_OF_TABLE} AND (
                batch_id = $batch_id OR (({ORDER}) < ({OWN_ORDER}) AND ($snapshot OR {again})))""",
        {**_about(batch, table), **order_of(batch), "snapshot": newest_snapshot},
    )
    if documents:
        connection.execute(
            f"""INSERT INTO ops.whole_document (
                    company_code, table_name, source, document, batch_sequence, recorded_at, batch_id)
                SELECT $company, $table, $source, document, {OWN_ORDER} FROM {documents}""",
            {**_about(batch, table), **order_of(batch)},
        )


def _about(batch: Batch, table: str) -> dict[str, object]:
    return {"company": batch.company, "table": table, "source": batch.source}


def _keys(table: StagedTable, actions: Actions, *wanted: str) -> str:
    """The keys of the rows that do one of these, as SQL."""
    return f"""SELECT {key_text(table.contract, "s")} AS key FROM {actions.relation} AS a
               JOIN {actions.rows_of} AS s ON s.rowid = a.staged
               WHERE action IN ({", ".join(map(literal, wanted))})"""


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
