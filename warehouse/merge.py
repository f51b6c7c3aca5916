"""From a judged scratch file into the canonical tables: merge by key, soft deletes, the ledger, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse import burial, cells, ledger, watermarks
from warehouse.batch import Batch
from warehouse.classify import ORDER, OWN_ORDER, WRITTEN, classify, key_text, order_of, same_key
from warehouse.connection import count, literal, quoted, transaction
from warehouse.faults import BatchRefusedError, Fault
from warehouse.key_sets import KeySet
from warehouse.ledger import BatchOutcome, TableOutcome
from warehouse.staging import LookUp, StagedTable

# (source, company) to the sources that may own a table's keys, first one first.
Owners = Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True, slots=True)
class Judged:
    """A staged and judged batch, ready to be merged from its closed scratch file."""

    scratch: Path
    batch: Batch
    tables: tuple[StagedTable, ...]
    look_ups: tuple[LookUp, ...]
    mapping_version: str
    fingerprint: str
    record_counts: Mapping[str, int]
    bytes_read: Mapping[str, int]
    key_sets: tuple[KeySet, ...] = ()


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
            merger = _Merger(connection, judged.batch, owners, shrink_limit, recorded_at)
            merger.forget_quarantine()
            outcomes = [merger.merge(table) for table in judged.tables]
            news = any(
                merger.is_news(table, outcome, judged.mapping_version)
                for table, outcome in zip(judged.tables, outcomes, strict=True)
            )
            merger.release()
            outcomes += [
                outcome for look_up in judged.look_ups if (outcome := merger.look_up(look_up)).quarantined
            ]
            buried = [
                burial.bury_absent(connection, judged.batch, keys, shrink_limit=shrink_limit)
                for keys in judged.key_sets
            ]
            outcomes += buried
            news = news or any(outcome.deleted for outcome in buried)
            merger.warnings += watermarks.advance(connection, judged.batch)
            merged = BatchOutcome(
                judged.batch, "loaded" if news else "unchanged", outcomes, warnings=tuple(merger.warnings)
            )
            ledger.write_batch(
                connection,
                merged,
                fingerprint=judged.fingerprint,
                mapping_version=judged.mapping_version,
                bytes_read=judged.bytes_read,
                record_counts=judged.record_counts,
                recorded_at=recorded_at,
            )
    except BatchRefusedError as error:
        error.records = {table.driving: table.rows_in for table in judged.tables if not table.derived}
        raise
    finally:
        connection.execute("DETACH scratch")
    return merged


def refuse_batch(
    connection: duckdb.DuckDBPyConnection,
    outcome: BatchOutcome,
    *,
    loaded_before: bool,
    mapping_version: str,
    fingerprint: str,
    recorded_at: datetime,
) -> None:
    """Write into the ledger that a batch was refused, and why; its files stay where they are.

    Of a batch that was `loaded_before`, and came again with something wrong, the ledger keeps what it says of the first.
    """
    with transaction(connection):
        if loaded_before:
            ledger.note_refusal(connection, outcome, fingerprint, recorded_at)
            return
        ledger.write_batch(
            connection,
            outcome,
            fingerprint=fingerprint,
            mapping_version=mapping_version,
            bytes_read={},
            record_counts={table.driving: table.rows_in for table in outcome.tables},
            recorded_at=recorded_at,
        )


class _Merger:
    """The merge of one batch's tables inside one transaction."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        batch: Batch,
        owners: Owners,
        shrink_limit: float,
        recorded_at: datetime,
    ) -> None:
        self.connection = connection
        self.batch = batch
        self.owners = owners
        self.shrink_limit = shrink_limit
        self.recorded_at = recorded_at
        self.identity = [batch.source, batch.company, batch.batch_id]
        self.warnings: list[str] = []

    def forget_quarantine(self) -> None:
        """What an earlier delivery of the same batch had in quarantine is answered by this one."""
        for name in ("row", "reason"):
            self.connection.execute(
                f"DELETE FROM quarantine.{name} WHERE source = ? AND company_code = ? AND batch_id = ?",
                self.identity,
            )

    def release(self) -> None:
        """Note at the rows that this batch brings again, mended, that it did."""
        correction = self.batch.corrects
        if correction is None or not correction.rows:
            return
        tables, files, numbers = (list(column) for column in zip(*correction.rows, strict=True))
        self.connection.execute(
            """UPDATE quarantine."row" AS kept SET released_by = $batch_id
               FROM (SELECT unnest($tables::VARCHAR[]) AS table_name, unnest($files::VARCHAR[]) AS file,
                            unnest($numbers::BIGINT[]) AS row_number) AS named
               WHERE kept.source = $source AND kept.company_code = $company AND kept.batch_id = $corrected
                 AND (kept.table_name, kept.file, kept.row_number) = (named.table_name, named.file, named.row_number)""",
            {
                "tables": tables,
                "files": files,
                "numbers": numbers,
                "source": self.batch.source,
                "company": self.batch.company,
                "batch_id": self.batch.batch_id,
                "corrected": correction.batch_id,
            },
        )

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
            table.window,
        )
        snapshot = table.mode == "full_snapshot"
        if snapshot and table.rows_in == 0 and not self._is_empty_there(table):
            raise BatchRefusedError(self._empty(table))
        owners = list(self.owners.get(self.batch.company, {}).get(table.name, ()))
        stale = classify(self.connection, self.batch, table, owners)
        self.connection.execute("CREATE OR REPLACE TEMP TABLE absent (target BIGINT, stamped BOOLEAN)")
        if (snapshot or table.window) and not stale:
            self._find_absent(table)
        self._keep_quarantine(table.name)
        self._quarantine_owned(table)
        self._apply(table, outcome)
        self._keep_tombstones(table, newest_snapshot=snapshot and not stale)
        outcome.quarantined = self._quarantined(table.name)
        self._check_conservation(outcome)
        return outcome

    def look_up(self, look_up: LookUp) -> TableOutcome:
        """What of a resource that drives no table could not be read; counted apart, as derived tables are."""
        self._keep_quarantine(look_up.name)
        outcome = TableOutcome(look_up.name, look_up.name, True, look_up.mode, look_up.rows_in, "")  # noqa: FBT003
        outcome.quarantined = self._quarantined(look_up.name)
        outcome.accepted = outcome.unchanged = outcome.rows_in - outcome.quarantined
        if outcome.quarantined:
            self.warnings.append(
                f"{look_up.name}: {outcome.quarantined} of its {outcome.rows_in} records hold something that cannot be "
                "read; rows that look it up there go without"
            )
        return outcome

    def is_news(self, table: StagedTable, outcome: TableOutcome, mapping_version: str) -> bool:
        """Whether a table's rows changed anything, or are not those that the newest batch before it brought."""
        if outcome.inserted or outcome.updated or outcome.deleted:
            return True
        same = (table.row_hash, table.mode, table.window, mapping_version)
        return (
            outcome.quarantined > 0 and ledger.last_applied(self.connection, self.batch, table.name) != same
        )

    def _check_conservation(self, outcome: TableOutcome) -> None:
        told = outcome.accepted + outcome.quarantined + outcome.excluded
        if told != outcome.rows_in:
            message = (
                f"{outcome.name}: {outcome.rows_in} rows came in, {told} are accounted for ({outcome.accepted} accepted, "
                f"{outcome.quarantined} quarantined, {outcome.excluded} excluded)"
            )
            remedy = "Nothing was loaded; this is a defect of the loader: report it with the batch."
            raise BatchRefusedError(Fault("rows_unaccounted", message, remedy))

    def _quarantined(self, name: str) -> int:
        sql = """SELECT count(*) FROM quarantine.row
                 WHERE source = ? AND company_code = ? AND batch_id = ? AND table_name = ?"""
        return count(self.connection, sql, [*self.identity, name])

    def _empty(self, table: StagedTable) -> Fault:
        return Fault(
            "empty_snapshot",
            f"the full snapshot of {table.driving} is empty; taken at its word it would delete every row",
            "Extract it again; to say that there are none any more, deliver tombstones.",
            self._file(table),
        )

    def _is_empty_there(self, table: StagedTable) -> bool:
        """Whether the sender counted none, and none are here either: nothing is lost by believing it."""
        resource = self.batch.resource(table.driving)
        return (
            resource is not None
            and resource.rows == 0
            and not count(
                self.connection,
                f"""SELECT count(*) FROM erp.{quoted(table.name)}
                    WHERE company_code = ? AND source_system = ? AND NOT is_deleted""",
                [self.batch.company, self.batch.source],
            )
        )

    def _find_absent(self, table: StagedTable) -> None:
        """The source's own live rows that a full snapshot, or a window, does not name (temp table `absent`).

        A row that a window deletes keeps the order of the version that it deletes: a batch from in between may yet move
        the row out of the window.
        """
        batch = self.batch
        inside = "true"
        if table.window:
            day = f"CAST(t.{quoted(str(table.contract.own_date))} AS DATE)"
            inside = f"{day} BETWEEN DATE '{table.window.first}' AND DATE '{table.window.last}'"
        self.connection.execute(
            f"""INSERT INTO absent
                SELECT t.rowid, {table.window is None} FROM erp.{quoted(table.name)} AS t
                WHERE t.company_code = $company AND t.source_system = $source AND NOT t.is_deleted AND {inside}
                  AND ({ORDER}) < ({OWN_ORDER})
                  AND NOT EXISTS (SELECT 1 FROM scratch.staging.{quoted(table.name)} AS s
                                  WHERE {same_key(table.contract, "s", "t")})""",
            {"company": batch.company, "source": batch.source, **order_of(batch)},
        )
        absent = count(self.connection, "SELECT count(*) FROM absent")
        if not absent:
            return
        nameless = self._nameless(table)
        if nameless:
            self.connection.execute("DELETE FROM absent")
            self.warnings.append(
                f"{table.name}: {absent} rows are missing from the {_whole(table)}, but of {nameless} of its records the key "
                "could not be read, and they may be these: none was deleted"
            )
            return
        live = count(
            self.connection,
            f"SELECT count(*) FROM erp.{quoted(table.name)} AS t "
            f"WHERE company_code = ? AND source_system = ? AND NOT is_deleted AND {inside}",
            [batch.company, batch.source],
        )
        if absent > live * self.shrink_limit:
            raise BatchRefusedError(
                Fault(
                    "window_shrunk" if table.window else "snapshot_shrunk",
                    f"the {_whole(table)} lacks {absent} of {live} live rows of {table.name}, "
                    f"more than the {self.shrink_limit:.0%} that may go at once",
                    "Check that the extract was not cut; if the rows are really gone, raise shrink_limit for this run.",
                    self._file(table),
                )
            )

    def _nameless(self, table: StagedTable) -> int:
        """The quarantined records that may be any row, since their key could not be read."""
        required = [c.name for c in table.contract.columns if c.key_position and not c.nullable]
        unread = " OR ".join(f"(staged->>{literal(name)}) IS NULL" for name in required)
        return count(
            self.connection,
            f"""SELECT count(*) FROM scratch.rejected.row
                WHERE table_name = ? AND (staged IS NULL OR {unread})""",
            [table.name],
        )

    def _file(self, table: StagedTable) -> str | None:
        resource = self.batch.resource(table.driving)
        return resource.paths[0] if resource else None

    def _keep_quarantine(self, name: str) -> None:
        """The scratch file's rejected rows of one table or look-up, with the batch's name."""
        self.connection.execute(
            """INSERT INTO quarantine.row
               SELECT ?, ?, ?, table_name, file, row_number, staged, raw, ?, NULL FROM scratch.rejected.row
               WHERE table_name = ?""",
            [*self.identity, self.recorded_at, name],
        )
        self.connection.execute(
            """INSERT INTO quarantine.reason
               SELECT ?, ?, ?, table_name, file, row_number, rule, column_name, raw_value, message
               FROM scratch.rejected.reason WHERE table_name = ?""",
            [*self.identity, name],
        )

    def _quarantine_owned(self, table: StagedTable) -> None:
        """Rows whose key belongs to a source of higher precedence."""
        if not count(self.connection, "SELECT count(*) FROM change WHERE fate = 'owned'"):
            return
        packed = ", ".join(f"{quoted(name)} := s.{quoted(name)}" for name in table.contract.column_names)
        self.connection.execute(
            f"""INSERT INTO quarantine.row
                SELECT ?, ?, ?, ?, s._file, s._row, to_json(struct_pack({packed})), NULL, ?, NULL
                FROM change JOIN scratch.staging.{quoted(table.name)} AS s ON s.rowid = change.staged WHERE fate = 'owned'""",
            [*self.identity, table.name, self.recorded_at],
        )
        self.connection.execute(
            f"""INSERT INTO quarantine.reason
                SELECT ?, ?, ?, ?, _file, _row, 'owned_by_other_source', NULL, t.source_system,
                       'the key belongs to source ' || t.source_system || ', which has precedence'
                FROM change JOIN erp.{quoted(table.name)} AS t ON t.rowid = change.target WHERE fate = 'owned'""",
            [*self.identity, table.name],
        )

    def _apply(self, table: StagedTable, outcome: TableOutcome) -> None:
        target = f"erp.{quoted(table.name)}"
        counted = dict(self.connection.execute("SELECT fate, count(*) FROM change GROUP BY fate").fetchall())
        outcome.inserted = counted.get("insert", 0) + counted.get("insert_dead", 0)
        outcome.updated = counted.get("update", 0) + counted.get("update_dead", 0)
        outcome.unchanged = sum(counted.get(fate, 0) for fate in ("touch", "keep", "note"))
        outcome.accepted = outcome.inserted + outcome.updated + outcome.unchanged + counted.get("bury", 0)
        self.connection.execute("INSERT INTO absent SELECT target, true FROM change WHERE fate = 'bury'")
        outcome.deleted = count(self.connection, "SELECT count(*) FROM absent")
        cells.mark_dirty(self.connection, table.contract, self.batch.company)
        stamp = f"(batch_sequence, recorded_at, batch_id) = ({OWN_ORDER})"
        if counted.get("touch"):
            self.connection.execute(
                f"UPDATE {target} SET {stamp} WHERE rowid IN (SELECT target FROM change WHERE fate = 'touch')",
                order_of(self.batch),
            )
        if outcome.deleted:
            self.connection.execute(
                f"UPDATE {target} SET is_deleted = true, {stamp} WHERE rowid IN (SELECT target FROM absent WHERE stamped)",
                order_of(self.batch),
            )
            self.connection.execute(
                f"UPDATE {target} SET is_deleted = true WHERE rowid IN (SELECT target FROM absent WHERE NOT stamped)"
            )
        self.connection.execute(
            f"UPDATE {target} AS t SET known_on = change.known_on FROM change WHERE t.rowid = change.target AND earlier"
        )
        if outcome.inserted or outcome.updated:
            self._write(table)

    def _write(self, table: StagedTable) -> None:
        """Put the new version of every inserted or updated row beside the old one, then remove the old one.

        A row that enters dead bears the order of the batch that said so, unless that is a window. What is said of a master changes; that it
        exists has been known since it was first seen.
        """
        contract, batch = table.contract, self.batch
        target = f"erp.{quoted(table.name)}"
        first_known, old = "change.known_on", ""
        if cells.is_undated(contract):
            first_known = "least(change.known_on, old.known_on)"
            old = f"LEFT JOIN {target} AS old ON old.rowid = change.target"
        pairs = [
            pair for resource in batch.resources for pair in zip(resource.paths, resource.hashes, strict=True)
        ]
        written = ", ".join(literal(fate) for fate in WRITTEN)
        self.connection.execute(
            f"""INSERT INTO {target} BY NAME
                SELECT $company AS company_code, {", ".join(f"s.{quoted(name)}" for name in contract.column_names)},
                       $source AS source_system, coalesce(killer.batch_id, $batch_id) AS batch_id,
                       coalesce(killer.batch_sequence, $sequence::BIGINT) AS batch_sequence,
                       s._file AS source_file, file_hash.sha256 AS source_file_sha256, s._row AS source_row,
                       s.source_changed_at, ends_with(fate, '_dead') AS is_deleted,
                       coalesce(killer.recorded_at, $extracted_at::TIMESTAMP) AS recorded_at, {first_known} AS known_on
                FROM change
                JOIN scratch.staging.{quoted(table.name)} AS s ON s.rowid = change.staged
                JOIN (SELECT unnest($files::VARCHAR[]) AS path, unnest($hashes::VARCHAR[]) AS sha256) AS file_hash
                  ON file_hash.path = s._file
                {old}
                WHERE fate IN ({written})""",
            {
                **order_of(batch),
                "company": batch.company,
                "source": batch.source,
                "files": [path for path, _ in pairs],
                "hashes": [sha256 for _, sha256 in pairs],
            },
        )
        self.connection.execute(
            f"""DELETE FROM {target} WHERE rowid IN (
                    SELECT target FROM change WHERE fate IN ({written}) AND target IS NOT NULL)"""
        )

    def _keep_tombstones(self, table: StagedTable, *, newest_snapshot: bool) -> None:
        """Remember what this batch said is gone and is not here; forget what the table or a snapshot says itself now."""
        batch = self.batch
        place = "company_code = $company AND table_name = $table AND source = $source"
        about = {"company": batch.company, "table": table.name, "source": batch.source}
        keys = f"""SELECT {key_text(table.contract, "s")} AS key FROM change
                   JOIN scratch.staging.{quoted(table.name)} AS s ON s.rowid = change.staged WHERE fate IN"""
        if count(self.connection, f"SELECT count(*) FROM ops.tombstone WHERE {place}", about):
            written = ", ".join(literal(fate) for fate in WRITTEN)
            self.connection.execute(
                f"""DELETE FROM ops.tombstone WHERE {place} AND (
                        key IN ({keys} ({written}))
                        OR (({ORDER}) < ({OWN_ORDER}) AND ($snapshot OR key IN ({keys} ('note')))))""",
                {**about, **order_of(batch), "snapshot": newest_snapshot},
            )
        self.connection.execute(
            f"""INSERT INTO ops.tombstone
                SELECT $company, $table, $source, noted.key, {OWN_ORDER}
                FROM (SELECT DISTINCT key FROM ({keys} ('note'))) AS noted
                WHERE NOT EXISTS (SELECT 1 FROM ops.tombstone AS m WHERE m.key = noted.key AND {place})""",
            {**about, **order_of(batch)},
        )


def _whole(table: StagedTable) -> str:
    """What a batch says is all there is: in messages."""
    return f"window {table.window}" if table.window else "full snapshot"
