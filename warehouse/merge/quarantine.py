"""What of a batch is kept out: written with the batch's name, counted, and released by the correction that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from warehouse.connection import count, literal, quoted
from warehouse.delivery.manifest import Batch
from warehouse.merge.actions import Actions, key_text
from warehouse.staging.derived import WAITS
from warehouse.staging.tables import StagedTable

_REASON = (
    "source, company_code, batch_id, table_name, file, row_number, rule, column_name, raw_value, message"
)
_OWN = "source = ? AND company_code = ? AND batch_id = ?"


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of a table that a batch has in quarantine: with a fault of their own, and waiting for a record that has one."""

    quarantined: int = 0
    waiting: int = 0


def forget(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """What an earlier delivery of the same batch had in quarantine is answered by this one."""
    for name in ("row", "reason"):
        connection.execute(f"DELETE FROM quarantine.{name} WHERE {_OWN}", _identity(batch))


def keep(connection: duckdb.DuckDBPyConnection, batch: Batch, name: str, recorded_at: datetime) -> None:
    """Keep the scratch file's rejected rows of one table or look-up, and why."""
    connection.execute(
        """INSERT INTO quarantine."row" (
               source, company_code, batch_id, table_name, file, row_number, staged, raw, recorded_at)
           SELECT ?, ?, ?, table_name, file, row_number, staged, raw, ? FROM scratch.rejected.row
           WHERE table_name = ?""",
        [*_identity(batch), recorded_at, name],
    )
    connection.execute(
        f"""INSERT INTO quarantine.reason ({_REASON})
           SELECT ?, ?, ?, table_name, file, row_number, rule, column_name, raw_value, message
           FROM scratch.rejected.reason WHERE table_name = ?""",
        [*_identity(batch), name],
    )


def keep_owned(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    table: StagedTable,
    actions: Actions,
    recorded_at: datetime,
) -> None:
    """Keep the rows whose key belongs to a source of higher precedence."""
    packed = ", ".join(f"{quoted(name)} := s.{quoted(name)}" for name in table.contract.column_names)
    connection.execute(
        f"""INSERT INTO quarantine."row" (
                source, company_code, batch_id, table_name, file, row_number, staged, recorded_at)
            SELECT ?, ?, ?, ?, s._file, s._row, to_json(struct_pack({packed})), ?
            FROM {actions.relation} AS a JOIN {actions.rows_of} AS s ON s.rowid = a.staged
            WHERE action = 'owned'""",
        [*_identity(batch), table.name, recorded_at],
    )
    connection.execute(
        f"""INSERT INTO quarantine.reason ({_REASON})
            SELECT ?, ?, ?, ?, _file, _row, 'owned_by_other_source', NULL, t.source_system,
                   'the key belongs to source ' || t.source_system || ', which has precedence'
            FROM {actions.relation} AS a JOIN erp.{quoted(table.name)} AS t ON t.rowid = a.target
            WHERE action = 'owned'""",
        [*_identity(batch), table.name],
    )


def kept(connection: duckdb.DuckDBPyConnection, batch: Batch, name: str) -> Kept:
    """How many rows of a table or look-up the batch has in quarantine."""
    place = [*_identity(batch), name]
    rows = count(connection, f"SELECT count(*) FROM quarantine.row WHERE {_OWN} AND table_name = ?", place)
    if not rows:
        return Kept()
    waiting = count(
        connection,
        f"""SELECT count(*) FROM (
                SELECT 1 FROM quarantine.reason WHERE {_OWN} AND table_name = ?
                GROUP BY file, row_number HAVING bool_and(rule = ?))""",
        [*place, WAITS],
    )
    return Kept(rows - waiting, waiting)


def release(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Note at the rows that this batch brings again, mended, that it did."""
    correction = batch.about.corrects
    if correction is None or not correction.rows:
        return
    tables, files, numbers = (list(column) for column in zip(*correction.rows, strict=True))
    connection.execute(
        """UPDATE quarantine."row" AS kept SET released_by = $batch_id
           FROM (SELECT unnest($tables::VARCHAR[]) AS table_name, unnest($files::VARCHAR[]) AS file,
                        unnest($numbers::BIGINT[]) AS row_number) AS named
           WHERE kept.source = $source AND kept.company_code = $company AND kept.batch_id = $corrected
             AND (kept.table_name, kept.file, kept.row_number) = (named.table_name, named.file, named.row_number)""",
        {
            "tables": tables,
            "files": files,
            "numbers": numbers,
            "source": batch.source,
            "company": batch.company,
            "batch_id": batch.batch_id,
            "corrected": correction.batch_id,
        },
    )


def release_waiting(connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable) -> None:
    """Note at the rows that earlier batches have in quarantine, and that this one makes again, that it does.

    Of a table that tells of each record by itself these are only rows that waited for another one.
    """
    correction = batch.about.corrects
    batches = sorted({str(each.taking.before) for each in batch.before})
    if correction is None or not batches:
        return
    key = ", ".join(f"kept.staged->>{literal(name)}" for name in table.contract.key)
    connection.execute(
        f"""UPDATE quarantine."row" AS kept SET released_by = $batch_id
            WHERE source = $source AND company_code = $company AND table_name = $table AND released_by IS NULL
              AND batch_id IN (SELECT unnest($batches::VARCHAR[]))
              AND EXISTS (SELECT 1 FROM quarantine.reason AS r WHERE ($derived OR r.rule = $waits) AND
                    (r.source, r.company_code, r.batch_id, r.table_name, r.file, r.row_number)
                    = (kept.source, kept.company_code, kept.batch_id, kept.table_name, kept.file, kept.row_number))
              AND (CAST(to_json([{key}]) AS VARCHAR) IN (
                      SELECT {key_text(table.contract, "s")} FROM scratch.staging.{quoted(table.name)} AS s)
                   OR (kept.file, kept.row_number) IN (
                      SELECT (unnest($files::VARCHAR[]), unnest($numbers::BIGINT[]))))""",
        {
            "batch_id": batch.batch_id,
            "source": batch.source,
            "company": batch.company,
            "table": table.name,
            "batches": batches,
            "waits": WAITS,
            "derived": table.derived,
            "files": [file for _, file, _ in correction.rows],
            "numbers": [number for _, _, number in correction.rows],
        },
    )


def _identity(batch: Batch) -> list[object]:
    return [batch.source, batch.company, batch.batch_id]
