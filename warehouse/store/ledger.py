"""The ledger: which batches came, what became of every row, and how far each stage has been brought."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import duckdb

from warehouse.connection import insert, insert_all, transaction
from warehouse.delivery.manifest import Batch, Window
from warehouse.errors import Fault
from warehouse.store.migrate import applied


@dataclass(slots=True)
class TableOutcome:
    """What became of the rows of one canonical table of a batch.

    `waiting` rows lie in quarantine, too, for no fault of their own: a record that they are made of is there.
    """

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
    waiting: int = 0
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

    `data_docs` is the page on the rules its rows were judged by, where one was written. `took_back`: by another mapping it
    gave or deleted rows that it does not now, of which older batches may have said something.
    """

    batch: Batch
    status: str
    tables: list[TableOutcome] = field(default_factory=list)
    faults: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()
    data_docs: Path | None = None
    took_back: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """A batch as it was tried: by what mapping, and the fingerprint of all that would make another try worth while.

    `record_counts` and `bytes_read` are by resource; what is not in them was not read.
    """

    mapping_version: str
    fingerprint: str
    record_counts: Mapping[str, int] = field(default_factory=dict)
    bytes_read: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KnownBatch:
    """What the ledger remembers of a batch id; `refused` is the fingerprint of what was refused of it last, if any."""

    status: str
    mapping_version: str
    hashes: Mapping[str, str]
    refused: str | None


@dataclass(frozen=True, slots=True)
class NewerWindow:
    """A window of days that a batch replaced."""

    batch_id: str
    window: Window


@dataclass(frozen=True, slots=True)
class Generation:
    """How far a stage has been brought; policy and rules are those of a rating, null for any other stage."""

    generation: int = 0
    as_of: date | None = None
    policy_hash: str | None = None
    rules_version: int | None = None


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
        # A rating that does not say by which rules was made before that was kept, by the first ones.
        """SELECT generation, as_of, policy_hash, coalesce(rules_version, if(policy_hash IS NULL, NULL, 1))
           FROM ops.generation WHERE stage = ?""",
        [stage],
    ).fetchall()
    return Generation(*rows[0]) if rows else Generation()


def set_generation(
    connection: duckdb.DuckDBPyConnection, stage: str, reached: Generation, recorded_at: datetime
) -> None:
    """Write how far a stage has been brought; inside the transaction of the stage's own result."""
    connection.execute("DELETE FROM ops.generation WHERE stage = ?", [stage])
    insert(
        connection,
        "ops.generation",
        {
            "stage": stage,
            "generation": reached.generation,
            "as_of": reached.as_of,
            "policy_hash": reached.policy_hash,
            "rules_version": reached.rules_version,
            "recorded_at": recorded_at,
        },
    )


def advance_state(connection: duckdb.DuckDBPyConnection, recorded_at: datetime) -> None:
    """Count one more change of the warehouse, inside its transaction: published files say which state they show."""
    state = generation(connection, "state").generation + 1
    set_generation(connection, "state", Generation(state), recorded_at)


def was_loaded_by_another_mapping(
    connection: duckdb.DuckDBPyConnection, batch: Batch, mapping_version: str
) -> bool:
    """Whether the ledger holds the batch as loaded, by a mapping other than that one."""
    rows = connection.execute(
        """SELECT 1 FROM ops.batch WHERE source = ? AND company_code = ? AND batch_id = ? AND status <> 'refused'
           AND mapping_version <> ?""",
        [batch.source, batch.company, batch.batch_id, mapping_version],
    ).fetchall()
    return bool(rows)


def same_files(
    connection: duckdb.DuckDBPyConnection, batch: Batch, mapping_version: str
) -> tuple[str, datetime] | None:
    """Batch id and extraction time of the loaded batch that brought the same files by another mapping; the newest of several.

    One that a newer snapshot or window has followed is none: the same files again then say that things are as they were.
    """
    wanted = sorted(batch.contents.items())
    rows = connection.execute(
        """WITH same AS (
               SELECT b.batch_id, b.sequence, b.extracted_at, list((r.resource, r.sha256) ORDER BY r.resource, r.sha256) AS held
               FROM ops.batch AS b JOIN ops.batch_resource AS r USING (source, company_code, batch_id)
               WHERE source = $source AND company_code = $company AND b.status <> 'refused' AND b.sequence = $sequence
                 AND b.corrects IS NULL AND b.mapping_version <> $mapping_version AND b.batch_id <> $batch_id
               GROUP BY ALL)
           SELECT batch_id, extracted_at FROM same
           WHERE held = list_zip($names::VARCHAR[], $hashes::VARCHAR[])
             AND NOT EXISTS (
                 SELECT 1 FROM ops.batch AS newer JOIN ops.batch_table AS t USING (source, company_code, batch_id)
                 WHERE newer.source = $source AND newer.company_code = $company AND newer.status <> 'refused'
                   AND t.mode <> 'delta_upsert' AND list_has_any(string_split(t.driving_resource, ', '), $names::VARCHAR[])
                   AND (newer.sequence, newer.extracted_at, newer.batch_id) > (same.sequence, same.extracted_at, same.batch_id))
           ORDER BY extracted_at DESC, batch_id DESC LIMIT 1""",
        {
            "source": batch.source,
            "company": batch.company,
            "sequence": batch.sequence,
            "mapping_version": mapping_version,
            "batch_id": batch.batch_id,
            "names": [name for name, _ in wanted],
            "hashes": [sha256 for _, sha256 in wanted],
        },
    ).fetchall()
    return rows[0] if rows else None


def older_batches(connection: duckdb.DuckDBPyConnection, batch: Batch, mapping_version: str) -> list[str]:
    """The ids of the loaded batches of the same source and company that come before a batch, by that mapping, oldest first."""
    rows = connection.execute(
        """SELECT batch_id FROM ops.batch
           WHERE source = $source AND company_code = $company AND status <> 'refused' AND mapping_version = $mapping_version
             AND (sequence, extracted_at, batch_id) < ($sequence::BIGINT, $extracted_at::TIMESTAMP, $batch_id)
           ORDER BY sequence, extracted_at, batch_id""",
        {
            "source": batch.source,
            "company": batch.company,
            "mapping_version": mapping_version,
            "sequence": batch.sequence,
            "extracted_at": batch.extracted_at,
            "batch_id": batch.batch_id,
        },
    ).fetchall()
    return [str(batch_id) for (batch_id,) in rows]


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


def only_refused(connection: duckdb.DuckDBPyConnection) -> int:
    """How many batches were refused, where every batch there was is refused; else 0."""
    ((refused, others),) = connection.execute(
        """SELECT count(*) FILTER (status = 'refused'), count(*) FILTER (status <> 'refused') FROM ops.batch"""
    ).fetchall()
    return 0 if others else int(refused)


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


def newer_windows(connection: duckdb.DuckDBPyConnection, batch: Batch, table: str) -> list[NewerWindow]:
    """The windows that newer batches of the source replaced in a table."""
    rows = connection.execute(
        """SELECT b.batch_id, t.window_from, t.window_to
           FROM ops.batch_table AS t JOIN ops.batch AS b USING (source, company_code, batch_id)
           WHERE source = $source AND company_code = $company AND t.table_name = $table
             AND t.window_from IS NOT NULL AND b.status IN ('loaded', 'unchanged')
             AND (b.sequence, b.extracted_at, b.batch_id) > ($sequence::BIGINT, $extracted_at::TIMESTAMP, $batch_id)
           ORDER BY ALL""",
        {
            "source": batch.source,
            "company": batch.company,
            "table": table,
            "sequence": batch.sequence,
            "extracted_at": batch.extracted_at,
            "batch_id": batch.batch_id,
        },
    ).fetchall()
    return [NewerWindow(batch_id, Window(first, last)) for batch_id, first, last in rows]


def write_batch(
    connection: duckdb.DuckDBPyConnection, outcome: BatchOutcome, attempt: Attempt, recorded_at: datetime
) -> None:
    """Enter a batch with its resources, tables and faults; what the ledger said of the same batch id is replaced.

    The load's generation and the warehouse's state advance with it.
    """
    reached = Generation(generation(connection, "load").generation + 1)
    batch = {
        **_batch_row(outcome, attempt),
        "load_generation": reached.generation,
        "recorded_at": _first_recorded_at(connection, outcome.batch, attempt) or recorded_at,
    }
    rows = {
        "ops.batch": [batch],
        "ops.batch_resource": list(_resource_rows(outcome.batch, attempt)),
        "ops.batch_table": [_table_row(table) for table in outcome.tables],
        "ops.refusal": list(_fault_rows(outcome, attempt, recorded_at)),
    }
    keep_inserted(
        connection,
        "source = $source AND company_code = $company_code AND batch_id = $batch_id",
        _identity(outcome.batch),
    )
    _replace(connection, outcome.batch, rows)
    set_generation(connection, "load", reached, recorded_at)
    advance_state(connection, recorded_at)


def keep_inserted(
    connection: duckdb.DuckDBPyConnection, condition: str, parameters: Mapping[str, object] | None = None
) -> None:
    """Remember how many rows the batches of a condition put into the tables: their entries go, and the rows stay."""
    connection.execute(
        f"""INSERT INTO ops.replaced_insert (company_code, table_name, inserted)
            SELECT company_code, table_name, sum(inserted) FROM ops.batch_table
            WHERE inserted > 0 AND {condition} GROUP BY ALL""",
        parameters or {},
    )


def _first_recorded_at(
    connection: duckdb.DuckDBPyConnection, batch: Batch, attempt: Attempt
) -> datetime | None:
    """When a batch was recorded that is loaded anew by another mapping: what it says has been known since then."""
    if not was_loaded_by_another_mapping(connection, batch, attempt.mapping_version):
        return None
    [(recorded_at,)] = connection.execute(
        "SELECT recorded_at FROM ops.batch WHERE source = ? AND company_code = ? AND batch_id = ?",
        [batch.source, batch.company, batch.batch_id],
    ).fetchall()
    return datetime.fromisoformat(str(recorded_at))


def write_refusal(
    connection: duckdb.DuckDBPyConnection,
    outcome: BatchOutcome,
    attempt: Attempt,
    recorded_at: datetime,
    *,
    loaded_before: bool,
) -> None:
    """Enter that a batch was refused, and why; its files stay where they are.

    Of a batch that was `loaded_before`, and came again with something wrong, what the ledger says of the first time stands.
    """
    with transaction(connection):
        if loaded_before:
            refusals = list(_fault_rows(outcome, attempt, recorded_at))
            _replace(connection, outcome.batch, {"ops.refusal": refusals})
            advance_state(connection, recorded_at)
        else:
            write_batch(connection, outcome, attempt, recorded_at)


def _replace(
    connection: duckdb.DuckDBPyConnection, batch: Batch, tables: Mapping[str, Iterable[Mapping[str, object]]]
) -> None:
    """Put a batch's rows in the place of those that the ledger had of it, table by table."""
    identity = _identity(batch)
    for name, rows in tables.items():
        connection.execute(
            f"DELETE FROM {name} WHERE source = $source AND company_code = $company_code AND batch_id = $batch_id",
            identity,
        )
        insert_all(connection, name, [{**identity, **row} for row in rows])


def _batch_row(outcome: BatchOutcome, attempt: Attempt) -> dict[str, object]:
    batch = outcome.batch
    return {
        "status": outcome.status,
        "sequence": batch.sequence,
        "extracted_at": batch.extracted_at,
        "fingerprint": attempt.fingerprint,
        "mapping_version": attempt.mapping_version,
        "supersedes": batch.about.supersedes,
        "reason": str(outcome.faults[0]) if outcome.faults else None,
        "corrects": batch.about.corrects.batch_id if batch.about.corrects else None,
    }


def _resource_rows(batch: Batch, attempt: Attempt) -> Iterator[dict[str, object]]:
    for resource in batch.manifest.resources:
        name = resource.label
        yield {
            "resource": name,
            "files": ", ".join(resource.paths),
            "sha256": resource.sha256,
            "bytes": attempt.bytes_read.get(name, 0),
            "mode": resource.mode,
            "records": attempt.record_counts.get(name, resource.rows or 0),
        }


def _fault_rows(
    outcome: BatchOutcome, attempt: Attempt, recorded_at: datetime
) -> Iterator[dict[str, object]]:
    for fault in outcome.faults:
        yield {
            "rule": fault.rule,
            "file": fault.file,
            "row_number": fault.row,
            "column_name": fault.column,
            "message": fault.message,
            "remedy": fault.remedy,
            "recorded_at": recorded_at,
            "fingerprint": attempt.fingerprint,
        }


def _identity(batch: Batch) -> dict[str, object]:
    return {"source": batch.source, "company_code": batch.company, "batch_id": batch.batch_id}


def _table_row(table: TableOutcome) -> dict[str, object]:
    excluded_by = ", ".join(f"{rule}: {rows}" for rule, rows in sorted(table.excluded_by.items())) or None
    return {
        "table_name": table.name,
        "driving_resource": table.driving,
        "derived": table.derived,
        "mode": table.mode,
        "rows_in": table.rows_in,
        "accepted": table.accepted,
        "quarantined": table.quarantined,
        "waiting": table.waiting,
        "excluded": table.excluded,
        "refused": table.refused,
        "inserted": table.inserted,
        "updated": table.updated,
        "unchanged": table.unchanged,
        "deleted": table.deleted,
        "row_hash": table.row_hash,
        "excluded_by": excluded_by,
        "window_from": table.window.first if table.window else None,
        "window_to": table.window.last if table.window else None,
    }


def since(connection: duckdb.DuckDBPyConnection, moment: datetime | None) -> tuple[int, tuple[date, ...]]:
    """How many batches came after a moment, and the periods of which something was rated after it, in order; None: ever."""
    ((batches,),) = connection.execute(
        "SELECT count(*) FROM ops.batch WHERE $1::TIMESTAMP IS NULL OR recorded_at > $1", [moment]
    ).fetchall()
    periods = connection.execute(
        """SELECT DISTINCT period FROM rated.customer_value_history
           WHERE $1::TIMESTAMP IS NULL OR recorded_at > $1 ORDER BY 1""",
        [moment],
    ).fetchall()
    return int(batches), tuple(period for (period,) in periods)


def policy_text(connection: duckdb.DuckDBPyConnection, policy_hash: str) -> str:
    """The text of a policy that a rating was made under; KeyError where no rating was."""
    rows = connection.execute(
        "SELECT content FROM ops.policy WHERE policy_hash = ?", [policy_hash]
    ).fetchall()
    if not rows:
        raise KeyError(policy_hash)
    return str(rows[0][0])


def ruling_policy(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The text of the policy that was configured at the last rating; None where nothing was rated. For a warehouse of any age."""
    if not applied(connection):
        return None
    rows = connection.execute(
        """SELECT content FROM ops.policy JOIN ops.generation USING (policy_hash) WHERE stage = 'rating'"""
    ).fetchall()
    return str(rows[0][0]) if rows else None


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
        """INSERT INTO ops.policy (policy_hash, policy_id, policy_version, content, recorded_at)
           SELECT $policy_hash, $policy_id, $version, $content, $recorded_at::TIMESTAMP WHERE NOT EXISTS (
               SELECT 1 FROM ops.policy WHERE policy_hash = $policy_hash)""",
        {
            "policy_hash": policy_hash,
            "policy_id": policy_id,
            "version": version,
            "content": content,
            "recorded_at": recorded_at,
        },
    )
