"""The ledger: which batches came, what became of every row, and how far each stage has been brought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import duckdb

from warehouse.batch import KEY_SET, Batch, Window
from warehouse.faults import Fault


@dataclass(slots=True)
class TableOutcome:
    """What became of the rows of one canonical table of a batch."""

    name: str
    driving: str
    derived: bool
    mode: str
    rows_in: int
    row_hash: str
    excluded_by: Mapping[str, int] = field(default_factory=dict)
    window: Window | None = None
    accepted: int = 0
    quarantined: int = 0
    refused: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0

    @property
    def excluded(self) -> int:
        """Rows the source's SQL leaves out by a named rule."""
        return sum(self.excluded_by.values())


@dataclass(slots=True)
class BatchOutcome:
    """What became of a batch: `loaded`, `unchanged` (its rows were all here already) or `refused`.

    `data_docs` is the page on the rules its rows were judged by, where one was written.
    """

    batch: Batch
    status: str
    tables: list[TableOutcome] = field(default_factory=list)
    faults: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()
    data_docs: Path | None = None


@dataclass(frozen=True, slots=True)
class KnownBatch:
    """What the ledger remembers of a batch id; `refused` is the fingerprint of what was refused of it last, if any."""

    status: str
    mapping_version: str
    hashes: Mapping[str, str]
    refused: str | None


@dataclass(frozen=True, slots=True)
class Generation:
    """How far a stage has been brought."""

    generation: int = 0
    as_of: date | None = None
    policy_hash: str | None = None


def known_batches(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str, str], KnownBatch]:
    """(source, company, batch id) to what the ledger last wrote of it."""
    hashes: dict[tuple[str, str, str], dict[str, str]] = {}
    for source, company, batch_id, resource, sha256 in connection.execute(
        "SELECT source, company_code, batch_id, resource, sha256 FROM ops.batch_resource"
    ).fetchall():
        hashes.setdefault((source, company, batch_id), {})[resource] = sha256
    refused: dict[tuple[str, str, str], str] = {
        (source, company, batch_id): fingerprint
        for source, company, batch_id, fingerprint in connection.execute(
            "SELECT source, company_code, batch_id, any_value(fingerprint) FROM ops.refusal GROUP BY ALL"
        ).fetchall()
    }
    return {
        (source, company, batch_id): KnownBatch(
            status,
            mapping_version,
            hashes.get((source, company, batch_id), {}),
            refused.get((source, company, batch_id)),
        )
        for source, company, batch_id, status, mapping_version in connection.execute(
            "SELECT source, company_code, batch_id, status, mapping_version FROM ops.batch"
        ).fetchall()
    }


def generation(connection: duckdb.DuckDBPyConnection, stage: str) -> Generation:
    """How far a stage (`load`, `rating`) has been brought; generation 0 before its first run."""
    rows = connection.execute(
        "SELECT generation, as_of, policy_hash FROM ops.generation WHERE stage = ?", [stage]
    ).fetchall()
    return Generation(*rows[0]) if rows else Generation()


def set_generation(
    connection: duckdb.DuckDBPyConnection, stage: str, reached: Generation, recorded_at: datetime
) -> None:
    """Write how far a stage has been brought; inside the transaction of the stage's own result."""
    connection.execute("DELETE FROM ops.generation WHERE stage = ?", [stage])
    connection.execute(
        "INSERT INTO ops.generation VALUES (?, ?, ?, ?, ?)",
        [stage, reached.generation, reached.as_of, reached.policy_hash, recorded_at],
    )


def advance_state(connection: duckdb.DuckDBPyConnection, recorded_at: datetime) -> None:
    """Count one more change of the warehouse, inside its transaction: published files say which state they show."""
    state = generation(connection, "state").generation + 1
    set_generation(connection, "state", Generation(state), recorded_at)


def last_applied(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: str
) -> tuple[str, str, Window | None, str] | None:
    """Row hash, mode, window and mapping version of the batch in force for that source, company and table."""
    rows = connection.execute(
        """SELECT t.row_hash, t.mode, t.window_from, t.window_to, b.mapping_version
           FROM ops.batch_table AS t JOIN ops.batch AS b USING (source, company_code, batch_id)
           WHERE source = ? AND company_code = ? AND t.table_name = ? AND b.status IN ('loaded', 'unchanged')
           ORDER BY b.sequence DESC, b.extracted_at DESC, b.batch_id DESC LIMIT 1""",
        [batch.source, batch.company, table],
    ).fetchall()
    if not rows:
        return None
    row_hash, mode, first, last, mapping_version = rows[0]
    return row_hash, mode, Window(first, last) if first else None, mapping_version


def newest_snapshot(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: str
) -> tuple[int, datetime, str] | None:
    """The order of the newest full snapshot loaded for that source, company and table."""
    rows = connection.execute(
        """SELECT b.sequence, b.extracted_at, b.batch_id
           FROM ops.batch_table AS t JOIN ops.batch AS b USING (source, company_code, batch_id)
           WHERE source = ? AND company_code = ? AND t.table_name = ? AND t.mode = 'full_snapshot'
             AND b.status IN ('loaded', 'unchanged')
           ORDER BY b.sequence DESC, b.extracted_at DESC, b.batch_id DESC LIMIT 1""",
        [batch.source, batch.company, table],
    ).fetchall()
    return rows[0] if rows else None


def gather_newer_windows(connection: duckdb.DuckDBPyConnection, batch: Batch, table: str) -> bool:
    """Fill the temp table `newer_window` with the windows that newer batches of the source replaced; whether there are any."""
    connection.execute(
        """CREATE OR REPLACE TEMP TABLE newer_window AS
           SELECT b.batch_id, t.window_from, t.window_to
           FROM ops.batch_table AS t JOIN ops.batch AS b USING (source, company_code, batch_id)
           WHERE source = $source AND company_code = $company AND t.table_name = $table
             AND t.window_from IS NOT NULL AND b.status IN ('loaded', 'unchanged')
             AND (b.sequence, b.extracted_at, b.batch_id) > ($sequence::BIGINT, $extracted_at::TIMESTAMP, $batch_id)""",
        {
            "source": batch.source,
            "company": batch.company,
            "table": table,
            "sequence": batch.sequence,
            "extracted_at": batch.extracted_at,
            "batch_id": batch.batch_id,
        },
    )
    return bool(connection.execute("SELECT 1 FROM newer_window LIMIT 1").fetchall())


def write_batch(
    connection: duckdb.DuckDBPyConnection,
    outcome: BatchOutcome,
    *,
    fingerprint: str,
    mapping_version: str,
    bytes_read: Mapping[str, int],
    record_counts: Mapping[str, int],
    recorded_at: datetime,
) -> None:
    """Enter a batch with its resources, tables and faults; what the ledger said of the same batch id is replaced.

    The load's generation and the warehouse's state advance with it.
    """
    batch = outcome.batch
    load_generation = generation(connection, "load").generation + 1
    identity = [batch.source, batch.company, batch.batch_id]
    for name in ("batch", "batch_resource", "batch_table", "refusal"):
        connection.execute(
            f"DELETE FROM ops.{name} WHERE source = ? AND company_code = ? AND batch_id = ?", identity
        )
    reason = str(outcome.faults[0]) if outcome.faults else None
    connection.execute(
        "INSERT INTO ops.batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *identity, outcome.status, batch.sequence, batch.extracted_at, fingerprint, mapping_version,
            batch.supersedes, recorded_at, load_generation, reason,
            batch.corrects.batch_id if batch.corrects else None,
        ],
    )  # fmt: skip
    for resource in (*batch.resources, *batch.key_sets):
        name = f"keys of {resource.name}" if resource.mode == KEY_SET else resource.name
        connection.execute(
            "INSERT INTO ops.batch_resource VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *identity, name, ", ".join(resource.paths), resource.sha256, bytes_read.get(name, 0), resource.mode,
                record_counts.get(name, resource.rows or 0),
            ],
        )  # fmt: skip
    for table in outcome.tables:
        excluded_by = ", ".join(f"{rule}: {rows}" for rule, rows in sorted(table.excluded_by.items())) or None
        connection.execute(
            "INSERT INTO ops.batch_table VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *identity, table.name, table.driving, table.derived, table.mode, table.rows_in, table.accepted,
                table.quarantined, table.excluded, table.refused, table.inserted, table.updated, table.unchanged,
                table.deleted, table.row_hash, excluded_by,
                table.window.first if table.window else None, table.window.last if table.window else None,
            ],
        )  # fmt: skip
    _write_faults(connection, outcome, fingerprint, recorded_at)
    set_generation(connection, "load", Generation(load_generation), recorded_at)
    advance_state(connection, recorded_at)


def note_refusal(
    connection: duckdb.DuckDBPyConnection, outcome: BatchOutcome, fingerprint: str, recorded_at: datetime
) -> None:
    """Enter why a batch was refused that came again; what became of it the first time stands."""
    batch = outcome.batch
    connection.execute(
        "DELETE FROM ops.refusal WHERE source = ? AND company_code = ? AND batch_id = ?",
        [batch.source, batch.company, batch.batch_id],
    )
    _write_faults(connection, outcome, fingerprint, recorded_at)
    advance_state(connection, recorded_at)


def _write_faults(
    connection: duckdb.DuckDBPyConnection, outcome: BatchOutcome, fingerprint: str, recorded_at: datetime
) -> None:
    batch = outcome.batch
    for fault in outcome.faults:
        connection.execute(
            "INSERT INTO ops.refusal VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                batch.source, batch.company, batch.batch_id, fault.rule, fault.file, fault.row, fault.column,
                fault.message, fault.remedy, recorded_at, fingerprint,
            ],
        )  # fmt: skip


def policy_text(connection: duckdb.DuckDBPyConnection, policy_hash: str) -> str:
    """The text of a policy that a rating was made under; KeyError where no rating was."""
    rows = connection.execute(
        "SELECT content FROM ops.policy WHERE policy_hash = ?", [policy_hash]
    ).fetchall()
    if not rows:
        raise KeyError(policy_hash)
    return str(rows[0][0])


def policy_texts(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The texts of all policies that ratings were made under, in the order in which they came into use."""
    rows = connection.execute("SELECT content FROM ops.policy ORDER BY recorded_at, policy_hash").fetchall()
    return [str(text) for (text,) in rows]


def remember_policy(
    connection: duckdb.DuckDBPyConnection,
    *,
    policy_hash: str,
    policy_id: str,
    version: str,
    content: str,
    recorded_at: datetime,
) -> None:
    """Keep a policy's text under its hash, once."""
    connection.execute(
        """INSERT INTO ops.policy SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (
               SELECT 1 FROM ops.policy WHERE policy_hash = ?)""",
        [policy_hash, policy_id, version, content, recorded_at, policy_hash],
    )
