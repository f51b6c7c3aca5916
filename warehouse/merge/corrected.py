"""What is still in quarantine of the batches that a correction mends."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from warehouse.connection import count
from warehouse.delivery.manifest import Batch
from warehouse.staging.derived import WAITS, KeptOut


@dataclass(frozen=True, slots=True)
class Corrected:
    """`kept_out` is in quarantine of what a batch corrects; it `mends_nothing` if none of the rows that it names is."""

    kept_out: tuple[KeptOut, ...] = ()
    mends_nothing: bool = False


def what_it_corrects(connection: duckdb.DuckDBPyConnection, batch: Batch) -> Corrected:
    """Of what a batch corrects; nothing of one that is no correction."""
    return Corrected(tuple(_kept_out(connection, batch)), mends_nothing=not _mends(connection, batch))


def _kept_out(connection: duckdb.DuckDBPyConnection, batch: Batch) -> list[KeptOut]:
    """Of the batches that a correction mends, what is in quarantine yet, but for rows that wait for others."""
    batches = sorted({str(each.taking.before) for each in batch.before})
    if not batches:
        return []
    rows = connection.execute(
        """SELECT batch_id, table_name, file, row_number, rule, column_name
           FROM quarantine.reason JOIN quarantine."row" AS kept USING (source, company_code, batch_id, table_name, file, row_number)
           WHERE source = ? AND company_code = ? AND batch_id IN (SELECT unnest(?::VARCHAR[])) AND released_by IS NULL
             AND rule <> ? ORDER BY ALL""",
        [batch.source, batch.company, batches, WAITS],
    ).fetchall()
    return [KeptOut(*row) for row in rows]


def _mends(connection: duckdb.DuckDBPyConnection, batch: Batch) -> bool:
    """Whether any row that a correction mends is in quarantine, or was released by it."""
    correction = batch.about.corrects
    if correction is None or not correction.rows:
        return True
    tables, files, numbers = (list(column) for column in zip(*correction.rows, strict=True))
    sql = """SELECT count(*) FROM quarantine."row" WHERE source = ? AND company_code = ? AND batch_id = ?
             AND (released_by IS NULL OR released_by = ?) AND (table_name, file, row_number) IN (
                 SELECT (unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), unnest(?::BIGINT[])))"""
    about = [batch.source, batch.company, correction.batch_id, batch.batch_id]
    return count(connection, sql, [*about, tables, files, numbers]) > 0
