"""From a judged scratch file into the canonical tables: merge by key, soft deletes, the ledger, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from expectations.contract import Contract
from warehouse import cells, ledger
from warehouse.batch import Batch
from warehouse.connection import literal, quoted, scalar, transaction
from warehouse.faults import BatchRefusedError, Fault
from warehouse.ledger import BatchOutcome, TableOutcome
from warehouse.staging import StagedTable

# (source, company) to the sources that may own a table's keys, first one first.
Owners = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A staged and judged batch, ready to be merged from its closed scratch file."""

    scratch: Path
    batch: Batch
    tables: tuple[StagedTable, ...]
    mapping_version: str
    fingerprint: str
    record_counts: Mapping[str, int]
    bytes_read: Mapping[str, int]


def merge_batch(
    connection: duckdb.DuckDBPyConnection,
    judged: Judged,
    *,
    owners: Owners,
    shrink_limit: float,
    recorded_at: datetime,
) -> BatchOutcome:
    """Merge every table of a batch and write the ledger, all or nothing.

    `shrink_limit` is the share of a source's live rows that one full snapshot may delete; beyond it the batch is
    refused whole (BatchRefusedError), since a cut extract looks just like that.
    """
    connection.execute(f"ATTACH {literal(str(judged.scratch))} AS scratch (READ_ONLY)")
    try:
        with transaction(connection):
            merger = _Merger(
                connection, judged.batch, judged.mapping_version, owners, shrink_limit, recorded_at
            )
            outcomes = [merger.merge(table) for table in judged.tables]
            changed = any(t.inserted or t.updated or t.deleted for t in outcomes)
            status = "loaded" if changed or any(t.quarantined for t in outcomes) else "unchanged"
            outcome = BatchOutcome(judged.batch, status, outcomes, warnings=tuple(merger.warnings))
            ledger.write_batch(
                connection,
                outcome,
                fingerprint=judged.fingerprint,
                mapping_version=judged.mapping_version,
                bytes_read=judged.bytes_read,
                record_counts=judged.record_counts,
                recorded_at=recorded_at,
            )
    finally:
        connection.execute("DETACH scratch")
    return outcome


def refuse_batch(
    connection: duckdb.DuckDBPyConnection,
    outcome: BatchOutcome,
    *,
    mapping_version: str,
    fingerprint: str,
    recorded_at: datetime,
) -> None:
    """Write into the ledger that a batch was refused, and why; its files stay where they are."""
    with transaction(connection):
        ledger.write_batch(
            connection,
            outcome,
            fingerprint=fingerprint,
            mapping_version=mapping_version,
            bytes_read={},
            record_counts={},
            recorded_at=recorded_at,
        )


class _Merger:
    """The merge of one batch's tables inside one transaction."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        batch: Batch,
        mapping_version: str,
        owners: Owners,
        shrink_limit: float,
        recorded_at: datetime,
    ) -> None:
        self.connection = connection
        self.batch = batch
        self.mapping_version = mapping_version
        self.owners = owners
        self.shrink_limit = shrink_limit
        self.recorded_at = recorded_at
        self.warnings: list[str] = []

    def merge(self, table: StagedTable) -> TableOutcome:
        """Merge one table; the counts of its rows by fate, which add up to the rows that came in."""
        outcome = TableOutcome(
            table.name,
            table.driving,
            table.derived,
            table.mode,
            table.rows_in,
            table.row_hash,
            dict(table.excluded),
        )
        if ledger.last_applied(self.connection, self.batch, table.name) == (
            table.row_hash,
            table.mode,
            self.mapping_version,
        ):
            self._keep_quarantine(table)
            staged = self._number(f"SELECT count(*) FROM scratch.staging.{quoted(table.name)}")
            aside = self._number(
                f"SELECT count(*) FROM scratch.rejected.row WHERE {self._is(table)} AND staged IS NOT NULL"
            )
            outcome.accepted = outcome.unchanged = staged - aside
        else:
            self._classify(table)
            self._keep_quarantine(table)
            self._quarantine_owned(table)
            self._apply(table, outcome)
        outcome.quarantined = self._quarantined(table)
        self._check_conservation(outcome)
        return outcome

    def _check_conservation(self, outcome: TableOutcome) -> None:
        told = outcome.accepted + outcome.quarantined + outcome.excluded
        if told != outcome.rows_in:
            raise RuntimeError(
                f"{self.batch.place}: {outcome.name}: {outcome.rows_in} rows came in, {told} are accounted for "
                f"({outcome.accepted} accepted, {outcome.quarantined} quarantined, {outcome.excluded} excluded); "
                "nothing was loaded"
            )

    def _number(self, sql: str, parameters: Sequence[object] = ()) -> int:
        return int(str(scalar(self.connection, sql, list(parameters)) or 0))

    def _is(self, table: StagedTable) -> str:
        return f"table_name = {literal(table.name)}"

    def _quarantined(self, table: StagedTable) -> int:
        return self._number(
            "SELECT count(*) FROM quarantine.row WHERE source = ? AND company_code = ? AND batch_id = ? AND table_name = ?",
            [self.batch.source, self.batch.company, self.batch.batch_id, table.name],
        )

    def _classify(self, table: StagedTable) -> None:
        """One row a staged row that may enter: what it does to the canonical table (temp table `change`).

        fate: insert, insert_dead (a newer snapshot lacks the key), update, touch (the same content from a newer batch),
        bury (a tombstone: the row keeps its content and is marked deleted), keep, owned (another source has precedence).
        """
        contract, batch = table.contract, self.batch
        columns = [column.name for column in contract.columns]
        snapshot = ledger.newest_snapshot(self.connection, batch, table.name)
        stale = snapshot is not None and batch.order < snapshot
        owners = list(self.owners.get(batch.company, {}).get(table.name, ()))
        content = [*columns, "is_deleted", "source_changed_at"]
        staged, stored = (", ".join(f"{side}.{quoted(name)}" for name in content) for side in ("s", "t"))
        mine = _rank("$source", owners)
        self.connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE change AS
                SELECT s.rowid AS staged, s._file, s._row, t.rowid AS target,
                       CASE WHEN s.is_deleted AND (t.rowid IS NULL OR t.is_deleted) THEN 'keep'
                            WHEN t.rowid IS NULL THEN CASE WHEN $stale THEN 'insert_dead' ELSE 'insert' END
                            WHEN t.source_system <> $source THEN
                                 CASE WHEN {_rank("t.source_system", owners)} < {mine} THEN 'owned' ELSE 'update' END
                            WHEN $stale OR (t.batch_sequence, t.recorded_at, t.batch_id)
                                          > ($sequence, $extracted_at::TIMESTAMP, $batch_id) THEN 'keep'
                            WHEN s.is_deleted THEN 'bury'
                            WHEN ({staged}) IS DISTINCT FROM ({stored}) THEN 'update'
                            ELSE $same END AS fate
                FROM scratch.staging.{quoted(table.name)} AS s
                LEFT JOIN erp.{quoted(table.name)} AS t ON t.company_code = $company AND {_same_key(contract, "s", "t")}
                WHERE NOT EXISTS (SELECT 1 FROM scratch.rejected.row AS r
                                  WHERE r.table_name = $table AND r.file = s._file AND r.row_number = s._row)""",
            {
                "stale": stale,
                "source": batch.source,
                "sequence": batch.sequence,
                "extracted_at": batch.extracted_at,
                "batch_id": batch.batch_id,
                "same": "touch" if table.mode == "delta_upsert" else "keep",
                "company": batch.company,
                "table": table.name,
            },
        )
        if table.mode == "full_snapshot" and not stale:
            self._classify_absent(table)
        else:
            self.connection.execute("CREATE OR REPLACE TEMP TABLE absent (target BIGINT)")

    def _classify_absent(self, table: StagedTable) -> None:
        """The source's own live rows that a full snapshot does not name (temp table `absent`)."""
        batch = self.batch
        if table.rows_in == 0:
            raise BatchRefusedError(
                Fault(
                    "empty_snapshot",
                    f"the full snapshot of {table.driving} is empty; taken at its word it would delete every row",
                    "Extract it again; to say that there are none any more, deliver tombstones.",
                    self._file(table),
                )
            )
        self.connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE absent AS
                SELECT t.rowid AS target FROM erp.{quoted(table.name)} AS t
                WHERE t.company_code = $company AND t.source_system = $source AND NOT t.is_deleted
                  AND (t.batch_sequence, t.recorded_at, t.batch_id) < ($sequence, $extracted_at::TIMESTAMP, $batch_id)
                  AND NOT EXISTS (SELECT 1 FROM scratch.staging.{quoted(table.name)} AS s
                                  WHERE {_same_key(table.contract, "s", "t")})""",
            {
                "company": batch.company,
                "source": batch.source,
                "sequence": batch.sequence,
                "extracted_at": batch.extracted_at,
                "batch_id": batch.batch_id,
            },
        )
        absent = self._number("SELECT count(*) FROM absent")
        if not absent:
            return
        unread = self._number(
            f"SELECT count(*) FROM scratch.rejected.row WHERE {self._is(table)} AND staged IS NULL"
        )
        if unread:
            self.connection.execute("DELETE FROM absent")
            self.warnings.append(
                f"{table.name}: {absent} rows are missing from the snapshot, but {unread} of its records could not be "
                "read and may be these: none was deleted"
            )
            return
        live = self._number(
            f"SELECT count(*) FROM erp.{quoted(table.name)} "
            "WHERE company_code = ? AND source_system = ? AND NOT is_deleted",
            [batch.company, batch.source],
        )
        if absent > live * self.shrink_limit:
            raise BatchRefusedError(
                Fault(
                    "snapshot_shrunk",
                    f"the full snapshot lacks {absent} of {live} live rows of {table.name}, "
                    f"more than the {self.shrink_limit:.0%} that may go at once",
                    "Check that the extract was not cut; if the rows are really gone, raise shrink_limit for this run.",
                    self._file(table),
                )
            )

    def _file(self, table: StagedTable) -> str | None:
        resource = self.batch.resource(table.driving)
        return resource.paths[0] if resource else None

    def _keep_quarantine(self, table: StagedTable) -> None:
        """The scratch file's rejected rows, and rows whose key another source owns, with the batch's name."""
        batch = self.batch
        identity = [batch.source, batch.company, batch.batch_id]
        for name in ("row", "reason"):
            self.connection.execute(
                f"""DELETE FROM quarantine.{name}
                    WHERE source = ? AND company_code = ? AND batch_id = ? AND table_name = ?""",
                [*identity, table.name],
            )
        self.connection.execute(
            f"""INSERT INTO quarantine.row
                SELECT ?, ?, ?, table_name, file, row_number, staged, raw, ? FROM scratch.rejected.row
                WHERE {self._is(table)}""",
            [*identity, self.recorded_at],
        )
        self.connection.execute(
            f"""INSERT INTO quarantine.reason
                SELECT ?, ?, ?, table_name, file, row_number, rule, column_name, raw_value, message
                FROM scratch.rejected.reason WHERE {self._is(table)}""",
            identity,
        )

    def _quarantine_owned(self, table: StagedTable) -> None:
        if not self._number("SELECT count(*) FROM change WHERE fate = 'owned'"):
            return
        identity = [self.batch.source, self.batch.company, self.batch.batch_id]
        packed = ", ".join(f"{quoted(name)} := s.{quoted(name)}" for name in table.contract.column_names)
        self.connection.execute(
            f"""INSERT INTO quarantine.row
                SELECT ?, ?, ?, ?, s._file, s._row, to_json(struct_pack({packed})), NULL, ?
                FROM change JOIN scratch.staging.{quoted(table.name)} AS s ON s.rowid = change.staged WHERE fate = 'owned'""",
            [*identity, table.name, self.recorded_at],
        )
        self.connection.execute(
            f"""INSERT INTO quarantine.reason
                SELECT ?, ?, ?, ?, _file, _row, 'owned_by_other_source', NULL, t.source_system,
                       'the key belongs to source ' || t.source_system || ', which has precedence'
                FROM change JOIN erp.{quoted(table.name)} AS t ON t.rowid = change.target WHERE fate = 'owned'""",
            [*identity, table.name],
        )

    def _apply(self, table: StagedTable, outcome: TableOutcome) -> None:
        target = f"erp.{quoted(table.name)}"
        counted = dict(self.connection.execute("SELECT fate, count(*) FROM change GROUP BY 1").fetchall())
        outcome.inserted = counted.get("insert", 0) + counted.get("insert_dead", 0)
        outcome.updated = counted.get("update", 0)
        outcome.unchanged = counted.get("touch", 0) + counted.get("keep", 0)
        outcome.accepted = outcome.inserted + outcome.updated + outcome.unchanged + counted.get("bury", 0)
        self.connection.execute("INSERT INTO absent SELECT target FROM change WHERE fate = 'bury'")
        outcome.deleted = self._number("SELECT count(*) FROM absent")
        cells.mark_dirty(self.connection, table.contract, self.batch.company)
        provenance = self._provenance()
        if counted.get("touch"):
            self.connection.execute(
                f"""UPDATE {target} SET batch_id = $batch_id, batch_sequence = $sequence, recorded_at = $extracted_at
                    WHERE rowid IN (SELECT target FROM change WHERE fate = 'touch')""",
                {key: provenance[key] for key in ("batch_id", "sequence", "extracted_at")},
            )
        if outcome.deleted:
            self.connection.execute(
                f"""UPDATE {target} SET is_deleted = true, batch_id = $batch_id, batch_sequence = $sequence,
                           recorded_at = $extracted_at WHERE rowid IN (SELECT target FROM absent)""",
                {key: provenance[key] for key in ("batch_id", "sequence", "extracted_at")},
            )
        if outcome.inserted or outcome.updated:
            self._write(table, provenance)

    def _provenance(self) -> dict[str, object]:
        return {
            "company": self.batch.company,
            "source": self.batch.source,
            "batch_id": self.batch.batch_id,
            "sequence": self.batch.sequence,
            "extracted_at": self.batch.extracted_at,
        }

    def _write(self, table: StagedTable, provenance: dict[str, object]) -> None:
        """Put the new version of every inserted or updated row beside the old one, then remove the old one."""
        contract = table.contract
        target = f"erp.{quoted(table.name)}"
        recorded = "CAST($extracted_at::TIMESTAMP AS DATE)"
        own = f"s.{quoted(contract.own_date)}" if contract.own_date else "NULL"
        known, old = f"coalesce(CAST(s.source_changed_at AS DATE), {own}), {recorded}", ""
        if contract.name in cells.MASTERS or contract.own_date is None:
            # What is said of a master changes; that it exists has been known since it was first seen.
            known = f"CAST(s.source_changed_at AS DATE), {own}, {recorded}, old.known_on"
            old = f"LEFT JOIN {target} AS old ON old.rowid = change.target"
        self.connection.execute(
            f"""INSERT INTO {target} BY NAME
                SELECT $company AS company_code, {", ".join(f"s.{quoted(name)}" for name in contract.column_names)},
                       $source AS source_system, $batch_id AS batch_id, $sequence::BIGINT AS batch_sequence,
                       s._file AS source_file, file_hash.sha256 AS source_file_sha256, s._row AS source_row,
                       s.source_changed_at, (s.is_deleted OR change.fate = 'insert_dead') AS is_deleted,
                       $extracted_at::TIMESTAMP AS recorded_at, least({known}) AS known_on
                FROM change
                JOIN scratch.staging.{quoted(table.name)} AS s ON s.rowid = change.staged
                JOIN (SELECT unnest($files::VARCHAR[]) AS path, unnest($hashes::VARCHAR[]) AS sha256) AS file_hash
                  ON file_hash.path = s._file
                {old}
                WHERE change.fate IN ('insert', 'insert_dead', 'update')""",
            {**provenance, **self._file_hashes()},
        )
        self.connection.execute(
            f"DELETE FROM {target} WHERE rowid IN (SELECT target FROM change WHERE fate = 'update')"
        )

    def _file_hashes(self) -> dict[str, object]:
        pairs = [
            (path, sha256)
            for resource in self.batch.resources
            for path, sha256 in zip(resource.paths, resource.hashes, strict=True)
        ]
        return {"files": [path for path, _ in pairs], "hashes": [sha256 for _, sha256 in pairs]}


def _same_key(contract: Contract, left: str, right: str) -> str:
    nullable = {column.name for column in contract.columns if column.nullable}
    return " AND ".join(
        f"{left}.{quoted(name)} {'IS NOT DISTINCT FROM' if name in nullable else '='} {right}.{quoted(name)}"
        for name in contract.key
    )


def _rank(source: str, owners: Sequence[str]) -> str:
    """A source's precedence as a sortable text: its place among the owners, else behind them by name."""
    cases = " ".join(f"WHEN {literal(name)} THEN '{place:06d}'" for place, name in enumerate(owners))
    return f"CASE {source} {cases} ELSE '1' || {source} END" if cases else f"'1' || {source}"
