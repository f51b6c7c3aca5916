"""What a batch gave by another mapping, taken back before the same files are merged by today's.

A row that it gave is gone, and may come back from any batch. A row that it only touched, or deleted, is again as the batch
before said, with the order of that batch where it is still known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from expectations.contract import Contract, contracts
from warehouse.connection import count, literal, quoted
from warehouse.delivery.manifest import About, Batch, Manifest
from warehouse.merge import dirty_cells, remembered, soft_deletes
from warehouse.merge.actions import OWN_ORDER, REMAPPED, Actions, Changes, Gone, order_of, same_key
from warehouse.merge.soft_deletes import Missing
from warehouse.store import ledger

# Whether a row's version comes from a file of the batch that it bears.
_IS_OF_ITS_BATCH = """EXISTS (
    SELECT 1 FROM ops.batch_resource AS own
    WHERE own.source = t.source_system AND own.company_code = t.company_code AND own.batch_id = t.batch_id
      AND list_contains(string_split(own.files, ', '), t.source_file)
      AND (own.sha256 = t.source_file_sha256 OR contains(own.files, ', ')))"""


def restore(connection: duckdb.DuckDBPyConnection, batch: Batch) -> int:
    """Forget what a batch said of rows that others gave: its deletions, tombstones, whole documents and touches.

    How many rows are as an older batch said.
    """
    for name in ("tombstone", "whole_document"):
        connection.execute(
            f"DELETE FROM ops.{name} WHERE source = ? AND company_code = ? AND batch_id = ?",
            [batch.source, batch.company, batch.batch_id],
        )
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE giver AS
            SELECT DISTINCT r.files AS file, r.sha256, b.sequence AS batch_sequence, b.extracted_at AS recorded_at, b.batch_id
            FROM ops.batch_resource AS r JOIN ops.batch AS b USING (source, company_code, batch_id)
            WHERE source = $source AND company_code = $company AND b.status <> 'refused'
              AND (b.sequence, b.extracted_at, b.batch_id) < ({OWN_ORDER})""",
        {**order_of(batch), "source": batch.source, "company": batch.company},
    )
    return sum(_restore(connection, batch, contract) for contract in contracts("extract"))


def _restore(connection: duckdb.DuckDBPyConnection, batch: Batch, contract: Contract) -> int:
    table = f"erp.{quoted(contract.name)}"
    about = {"company": batch.company, "source": batch.source, "batch_id": batch.batch_id}
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE restored AS
            SELECT t.rowid AS target, t.is_deleted AS was_deleted,
                   arg_max(struct_pack(batch_sequence := g.batch_sequence, recorded_at := g.recorded_at, batch_id := g.batch_id),
                           (g.batch_sequence, g.recorded_at, g.batch_id)) AS said
            FROM {table} AS t
            LEFT JOIN temp.giver AS g ON g.file = t.source_file AND g.sha256 = t.source_file_sha256
            WHERE t.company_code = $company AND t.source_system = $source AND t.batch_id = $batch_id
              AND t.deleted_by IS DISTINCT FROM {literal(REMAPPED)} AND NOT {_IS_OF_ITS_BATCH}
            GROUP BY ALL""",
        about,
    )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE gone_row AS SELECT target FROM temp.restored WHERE was_deleted"
    )
    deleted = count(connection, "SELECT count(*) FROM temp.gone_row")
    dirty_cells.mark(connection, Changes(contract, None, None, Gone("temp.gone_row", deleted)), batch.company)
    connection.execute(
        f"""UPDATE {table} AS t SET is_deleted = false, deleted_by = NULL,
                   batch_sequence = coalesce(said.batch_sequence, t.batch_sequence),
                   recorded_at = coalesce(said.recorded_at, t.recorded_at), batch_id = coalesce(said.batch_id, t.batch_id)
            FROM temp.restored AS r WHERE t.rowid = r.target"""
    )
    return count(connection, "SELECT count(*) FROM temp.restored")


def take_back_corrections(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Take back what the corrections of a batch gave: which of them still mend something, the batch tells by its new quarantine."""
    about = {"source": batch.source, "company": batch.company}
    while True:
        rows = connection.execute(
            """WITH RECURSIVE later AS (
                   SELECT batch_id FROM ops.batch
                   WHERE source = $source AND company_code = $company AND corrects = $batch_id AND status <> 'refused'
                   UNION SELECT b.batch_id FROM ops.batch AS b JOIN later ON b.corrects = later.batch_id
                   WHERE b.source = $source AND b.company_code = $company AND b.status <> 'refused')
               SELECT b.batch_id, b.sequence, b.extracted_at FROM ops.batch AS b JOIN later USING (batch_id)
               WHERE b.source = $source AND b.company_code = $company ORDER BY b.batch_id DESC LIMIT 1""",
            {**about, "batch_id": batch.batch_id},
        ).fetchall()
        if not rows:
            return
        batch_id, sequence, extracted_at = rows[0]
        correction = About(
            source=batch.source,
            company=batch.company,
            batch_id=batch_id,
            sequence=sequence,
            extracted_at=extracted_at,
        )
        _take_back(connection, Batch(Path(batch_id), Manifest(about=correction, resources=())))


def _take_back(connection: duckdb.DuckDBPyConnection, correction: Batch) -> None:
    """Everything that a correction said, as if it had not come; the ledger forgets it too."""
    restore(connection, correction)
    for contract in contracts("extract"):
        missing = find_remapped(connection, correction, contract, None)
        if missing.rows:
            changes = soft_deletes.changes_of(connection, contract, [missing])
            dirty_cells.mark(connection, changes, correction.company)
            soft_deletes.delete_gone(connection, correction, changes)
    ledger.keep_inserted(
        connection,
        "source = $source AND company_code = $company AND batch_id = $batch_id",
        {"source": correction.source, "company": correction.company, "batch_id": correction.batch_id},
    )
    for name in (
        "quarantine.reason",
        'quarantine."row"',
        "ops.batch_table",
        "ops.batch_resource",
        "ops.batch",
    ):
        connection.execute(
            f"DELETE FROM {name} WHERE source = ? AND company_code = ? AND batch_id = ?",
            [correction.source, correction.company, correction.batch_id],
        )


def find_remapped(
    connection: duckdb.DuckDBPyConnection, batch: Batch, contract: Contract, actions: Actions | None
) -> Missing:
    """The rows that a batch gave by another mapping, and does not give any more."""
    given = ""
    if actions:
        given = f"""AND NOT EXISTS (SELECT 1 FROM {actions.relation} AS a JOIN {actions.rows_of} AS s ON s.rowid = a.staged
                                    WHERE {same_key(contract, "s", "t")})"""
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE remapped_row AS
            SELECT t.rowid AS target FROM erp.{quoted(contract.name)} AS t
            WHERE t.company_code = $company AND t.source_system = $source AND t.batch_id = $batch_id AND NOT t.is_deleted
              AND {_IS_OF_ITS_BATCH} {given}""",
        {"company": batch.company, "source": batch.source, "batch_id": batch.batch_id},
    )
    return Missing(
        "temp.remapped_row", count(connection, "SELECT count(*) FROM temp.remapped_row"), cause=REMAPPED
    )


def tables_without(
    connection: duckdb.DuckDBPyConnection, batch: Batch, staged: Iterable[str]
) -> list[Contract]:
    """The tables that a batch gave rows of by another mapping, and has none of any more."""
    now = set(staged)
    return [
        each
        for each in contracts("extract")
        if each.name not in now and find_remapped(connection, batch, each, None).rows
    ]


@dataclass(frozen=True, slots=True)
class LoadedBatch:
    """A batch that was loaded, by its place and order, with the hashes of what it delivered and when it was recorded."""

    source: str
    company: str
    batch_id: str
    hashes: Mapping[str, str]
    recorded_at: datetime


def loaded_batches(
    connection: duckdb.DuckDBPyConnection, source: str, company: str | None
) -> list[LoadedBatch]:
    """The loaded batches of a source, of one company or all, in the order in which they apply."""
    rows = connection.execute(
        """SELECT b.company_code, b.batch_id, b.recorded_at, list(r.resource ORDER BY r.resource), list(r.sha256 ORDER BY r.resource)
           FROM ops.batch AS b JOIN ops.batch_resource AS r USING (source, company_code, batch_id)
           WHERE source = $source AND b.company_code = coalesce($company, b.company_code) AND b.status <> 'refused'
           GROUP BY b.company_code, b.batch_id, b.recorded_at, b.sequence, b.extracted_at
           ORDER BY b.company_code, b.sequence, b.extracted_at, b.batch_id""",
        {"source": source, "company": company},
    ).fetchall()
    return [
        LoadedBatch(source, code, batch_id, dict(zip(names, hashes, strict=True)), recorded_at)
        for code, batch_id, recorded_at, names, hashes in rows
    ]


def forget(connection: duckdb.DuckDBPyConnection, batches: Sequence[LoadedBatch]) -> None:
    """Take back everything that these batches of one source said, and their entries in the ledger and the quarantine.

    What others gave, and these only touched or deleted, is as the others said. The rows that they gave stay, deleted, until
    one of them is loaded again.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE forgotten (company_code VARCHAR, source VARCHAR, batch_id VARCHAR)"
    )
    connection.executemany(
        "INSERT INTO forgotten VALUES (?, ?, ?)", [[b.company, b.source, b.batch_id] for b in batches]
    )
    named = (
        "(company_code, source, batch_id) IN (SELECT (company_code, source, batch_id) FROM temp.forgotten)"
    )
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE kept_giver AS
            SELECT DISTINCT company_code, source, r.files AS file, r.sha256, b.sequence AS batch_sequence,
                   b.extracted_at AS recorded_at, b.batch_id
            FROM ops.batch_resource AS r JOIN ops.batch AS b USING (source, company_code, batch_id)
            WHERE b.status <> 'refused' AND NOT {named.replace("(company_code", "(b.company_code", 1)}"""
    )
    for contract in contracts("extract"):
        _forget_rows(connection, contract)
    ledger.keep_inserted(connection, named)
    for name in ("tombstone", "whole_document", "batch_table", "batch_resource", "refusal", "batch"):
        connection.execute(f"DELETE FROM ops.{name} WHERE {named}")
    for name in ("reason", '"row"'):
        connection.execute(f"DELETE FROM quarantine.{name} WHERE {named}")
    remembered.forget_marks(connection)


def _forget_rows(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    table = f"erp.{quoted(contract.name)}"
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE forgotten_row AS
            SELECT t.rowid AS target, t.company_code, t.is_deleted, any_value(struct_pack(
                batch_sequence := g.batch_sequence, recorded_at := g.recorded_at, batch_id := g.batch_id)) FILTER (g.batch_id IS NOT NULL) AS said
            FROM {table} AS t JOIN temp.forgotten AS f
              ON (f.company_code, f.source, f.batch_id) = (t.company_code, t.source_system, t.batch_id)
            LEFT JOIN temp.kept_giver AS g ON g.company_code = t.company_code AND g.source = t.source_system
              AND g.file = t.source_file AND g.sha256 = t.source_file_sha256
            GROUP BY ALL"""
    )
    companies = connection.execute(
        "SELECT DISTINCT company_code FROM temp.forgotten_row ORDER BY ALL"
    ).fetchall()
    for (company,) in companies:
        connection.execute(
            """CREATE OR REPLACE TEMP TABLE gone_row AS
               SELECT target FROM temp.forgotten_row WHERE company_code = ? AND is_deleted IS DISTINCT FROM (said IS NULL)""",
            [company],
        )
        rows = count(connection, "SELECT count(*) FROM temp.gone_row")
        dirty_cells.mark(connection, Changes(contract, None, None, Gone("temp.gone_row", rows)), company)
    connection.execute(
        f"""UPDATE {table} AS t SET is_deleted = said IS NULL, deleted_by = CASE WHEN said IS NULL THEN {literal(REMAPPED)} END,
                   batch_sequence = coalesce(said.batch_sequence, t.batch_sequence),
                   recorded_at = coalesce(said.recorded_at, t.recorded_at), batch_id = coalesce(said.batch_id, t.batch_id)
            FROM temp.forgotten_row AS r WHERE t.rowid = r.target"""
    )


def keep_versions(connection: duckdb.DuckDBPyConnection) -> None:
    """Remember the live rows of every canonical table, for `changed_rows`."""
    for contract in contracts("extract"):
        name = quoted(f"before_{contract.name}")
        connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {_live(contract)}")


def changed_rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """By canonical table, how many live rows came, went or are others than `keep_versions` saw; tables without any left out."""
    found = {}
    for contract in contracts("extract"):
        key = ", ".join(["company_code", *map(quoted, contract.key)])
        before, after = f"SELECT * FROM temp.{quoted('before_' + contract.name)}", _live(contract)
        found[contract.name] = count(
            connection,
            f"""SELECT count(*) FROM (SELECT DISTINCT {key} FROM (
                    (({before}) EXCEPT ALL ({after})) UNION ALL (({after}) EXCEPT ALL ({before}))))""",
        )
    return {name: rows for name, rows in found.items() if rows}


def note_whose_rows_changed(connection: duckdb.DuckDBPyConnection) -> None:
    """Note the customers whose live rows are others than `keep_versions` saw, for the rating to call that a correction.

    Of a table that names no customer, if any of its rows changed, all whose months are to be summed anew.
    """
    for contract in contracts("extract"):
        before, after = f"SELECT * FROM temp.{quoted('before_' + contract.name)}", _live(contract)
        changed = f"(({before}) EXCEPT ALL ({after})) UNION ALL (({after}) EXCEPT ALL ({before}))"
        whose = f"SELECT company_code, customer_id FROM ({changed})"
        if "customer_id" not in contract.column_names:
            whose = f"SELECT company_code, customer_id FROM ops.dirty_cell WHERE company_code IN (SELECT company_code FROM ({changed}))"
        connection.execute(
            f"""INSERT INTO ops.remapped_customer (company_code, customer_id)
                SELECT DISTINCT company_code, customer_id FROM ({whose}) WHERE customer_id IS NOT NULL
                EXCEPT SELECT company_code, customer_id FROM ops.remapped_customer"""
        )


def _live(contract: Contract) -> str:
    columns = ", ".join(["company_code", *map(quoted, contract.column_names)])
    return f"SELECT {columns} FROM erp.{quoted(contract.name)} WHERE NOT is_deleted"
