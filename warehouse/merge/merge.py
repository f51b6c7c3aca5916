"""From a judged scratch file into the canonical tables: merge by key, soft deletes, the ledger, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse.connection import count, in_one_thread, is_small, literal, quoted, transaction
from warehouse.delivery.manifest import Batch
from warehouse.errors import BatchRefusedError, Fault, Mistakes
from warehouse.merge import (
    contradictions,
    dirty_cells,
    quarantine,
    remembered,
    replacing,
    soft_deletes,
    watermarks,
)
from warehouse.merge.actions import (
    OWN_ORDER,
    WRITTEN,
    Actions,
    Changes,
    Said,
    left_out_actions,
    merge_actions,
    order_of,
)
from warehouse.merge.quarantine import Kept
from warehouse.merge.soft_deletes import Missing
from warehouse.staging.key_sets import KeySet
from warehouse.staging.scratch import ReferenceResource
from warehouse.staging.tables import StagedTable
from warehouse.store import ledger
from warehouse.store.ledger import Attempt, BatchOutcome, TableOutcome

# (source, company) to the sources that may own a table's keys, first one first.
Owners = Mapping[str, Mapping[str, Sequence[str]]]

# So few rows of a batch, and of each canonical table, are merged faster in one thread: DuckDB divides no less than 122,880.
FEW_ROWS, FEW_STORED_ROWS = 100_000, 500_000
_WRITTEN = ", ".join(map(literal, WRITTEN))


@dataclass(frozen=True, slots=True)
class Judged:
    """A staged and judged batch, ready to be merged from its closed scratch file."""

    scratch: Path
    batch: Batch
    tables: tuple[StagedTable, ...]
    reference_resources: tuple[ReferenceResource, ...]
    attempt: Attempt
    key_sets: tuple[KeySet, ...] = ()
    warnings: tuple[str, ...] = ()


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
        with _threads_for(connection, judged), transaction(connection):
            merger = _Merger(connection, judged.batch, owners, shrink_limit, recorded_at)
            quarantine.forget(connection, judged.batch)
            merger.take_back(judged.attempt.mapping_version)
            merger.said = Said.of(connection, judged.batch)
            mistakes, outcomes = Mistakes(), list[TableOutcome]()
            for table in judged.tables:
                with mistakes.noted():
                    outcomes.append(merger.merge(table))
            mistakes.require_none()
            outcomes += merger.delete_from_other_tables(judged.tables)
            has_changes = any(
                merger.has_changes(table, outcome, judged.attempt.mapping_version)
                for table, outcome in zip(judged.tables, outcomes, strict=True)
            )
            quarantine.release(connection, judged.batch)
            for table in judged.tables:
                quarantine.release_waiting(connection, judged.batch, table)
            outcomes += [
                outcome
                for resource in judged.reference_resources
                if (outcome := merger.keep_reference(resource)).quarantined
            ]
            deleted = [
                soft_deletes.soft_delete_missing(connection, judged.batch, keys, shrink_limit=shrink_limit)
                for keys in judged.key_sets
            ]
            outcomes += deleted
            has_changes = has_changes or merger.is_remapped or any(outcome.deleted for outcome in deleted)
            merger.warnings += watermarks.advance(connection, judged.batch)
            merged = BatchOutcome(
                judged.batch,
                "loaded" if has_changes else "unchanged",
                outcomes,
                warnings=(*judged.warnings, *merger.warnings),
                took_back=merger.took_back > 0,
            )
            ledger.write_batch(connection, merged, judged.attempt, recorded_at)
    except BatchRefusedError as error:
        error.records = {
            name: records
            for table in judged.tables
            if not table.derived
            for name, records in table.records.items()
        }
        raise
    finally:
        connection.execute("DETACH scratch")
    return merged


def _threads_for(connection: duckdb.DuckDBPyConnection, judged: Judged) -> AbstractContextManager[None]:
    """One thread where batch and canonical tables are small, else as many as there are."""
    few = sum(table.rows_in for table in judged.tables) <= FEW_ROWS
    if not few or not is_small(connection, "erp", FEW_STORED_ROWS):
        return nullcontext()
    return in_one_thread(connection)


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
        self.warnings: list[str] = []
        self.is_remapped = False
        self.took_back = 0
        self.said: Said

    def take_back(self, mapping_version: str) -> None:
        """If the batch was loaded by another mapping, forget what it said then; its corrections are to come again."""
        self.is_remapped = ledger.was_loaded_by_another_mapping(self.connection, self.batch, mapping_version)
        if self.is_remapped:
            self.took_back += replacing.restore(self.connection, self.batch)
            replacing.take_back_corrections(self.connection, self.batch)

    def delete_from_other_tables(self, tables: Sequence[StagedTable]) -> list[TableOutcome]:
        """Delete what the batch gave to tables that today's mapping does not fill from it; counted apart."""
        if not self.is_remapped:
            return []
        found = []
        for contract in replacing.tables_without(self.connection, self.batch, [each.name for each in tables]):
            missing = replacing.find_remapped(self.connection, self.batch, contract, None)
            self.took_back += missing.rows
            changes = soft_deletes.changes_of(self.connection, contract, [missing])
            dirty_cells.mark(self.connection, changes, self.batch.company)
            soft_deletes.delete_gone(self.connection, self.batch, changes)
            outcome = TableOutcome(contract.name, contract.name, True, "delta_upsert", 0, "")  # noqa: FBT003
            outcome.deleted = missing.rows
            found.append(outcome)
        return found

    def merge(self, table: StagedTable) -> TableOutcome:
        """Merge one table; the counts of its rows by action, which add up to the rows that came in."""
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
        actions = merge_actions(self.connection, self.batch, table, owners, self.said)
        left_out = left_out_actions(self.connection, self.batch, table, owners, self.said)
        missing = self._missing(table, actions)
        self.warnings += [warning for each in missing for warning in each.warnings]
        if not self.is_remapped:
            self.warnings += contradictions.told(self.connection, self.batch, table, actions)
        if table.unexplained:
            self.warnings.append(_unexplained(table))
        kept = self._keep_out(table, actions)
        outcome.quarantined, outcome.waiting = kept.quarantined, kept.waiting
        changes = soft_deletes.changes_of(self.connection, table.contract, missing, actions, left_out)
        soft_deletes.require_few_gone(self.connection, self.batch, table, changes, self.shrink_limit)
        self._apply(table, changes, actions, outcome)
        self._remember(table, actions, left_out, outcome, "".join(each.documents for each in missing))
        self._check_conservation(outcome)
        if table.name in self.said.forgotten:
            late = remembered.warning_of_late(
                self.connection, self.batch, table.name, outcome.inserted + outcome.updated
            )
            self.warnings += [late] if late else []
        return outcome

    def _missing(self, table: StagedTable, actions: Actions) -> list[Missing]:
        """The stored rows that a snapshot, a window, whole documents or today's mapping do not name.

        Where a newer snapshot is here already, only those of today's mapping.
        """
        missing = []
        if not actions.is_stale:
            if table.mode == "full_snapshot" or table.window:
                missing.append(
                    soft_deletes.find_missing(self.connection, self.batch, table, self.shrink_limit)
                )
            missing.append(soft_deletes.find_missing_of_documents(self.connection, self.batch, table))
        if self.is_remapped:
            # Of rows whose keys are all new none is the same as one that is here.
            given = None if actions.entering else actions
            remapped = replacing.find_remapped(self.connection, self.batch, table.contract, given)
            self.took_back += remapped.rows
            missing.append(remapped)
        return missing

    def _keep_out(self, table: StagedTable, actions: Actions) -> Kept:
        """Put into quarantine what the scratch file rejects, and what belongs to another source."""
        has_aside = table.name in self.said.aside
        if has_aside:
            quarantine.keep(self.connection, self.batch, table.name, self.recorded_at)
        if actions.rows("owned"):
            quarantine.keep_owned(self.connection, self.batch, table, actions, self.recorded_at)
        elif not has_aside:
            return Kept()
        return quarantine.kept(self.connection, self.batch, table.name)

    def _remember(
        self,
        table: StagedTable,
        actions: Actions,
        left_out: Actions,
        outcome: TableOutcome,
        documents: str,
    ) -> None:
        """Keep for batches that land late which keys are gone, and which `documents` (a relation) came whole."""
        newest_snapshot = table.mode == "full_snapshot" and not actions.is_stale
        remembered.keep_tombstones(
            self.connection,
            self.batch,
            table,
            actions,
            left_out,
            newest_snapshot=newest_snapshot,
            has_some=table.name in self.said.tombstones,
        )
        if newest_snapshot or (table.whole_if_split and not actions.is_stale):
            remembered.keep_documents(
                self.connection,
                self.batch,
                table.name,
                documents,
                newest_snapshot=newest_snapshot,
                answered=not (outcome.quarantined or outcome.waiting),
            )

    def keep_reference(self, resource: ReferenceResource) -> TableOutcome:
        """What of a resource that drives no table could not be read; counted apart, as derived tables are."""
        outcome = TableOutcome(resource.name, resource.name, True, resource.mode, resource.rows_in, "")  # noqa: FBT003
        if resource.name in self.said.aside:
            quarantine.keep(self.connection, self.batch, resource.name, self.recorded_at)
            outcome.quarantined = quarantine.kept(self.connection, self.batch, resource.name).quarantined
        outcome.accepted = outcome.unchanged = outcome.rows_in - outcome.quarantined
        if outcome.quarantined:
            self.warnings.append(
                f"{resource.name}: {outcome.quarantined} of its {outcome.rows_in} records hold something that cannot be "
                "read; rows that look it up there go without"
            )
        return outcome

    def has_changes(self, table: StagedTable, outcome: TableOutcome, mapping_version: str) -> bool:
        """Whether a table's rows changed anything, or are not those that the newest batch before it brought."""
        if outcome.inserted or outcome.updated or outcome.deleted:
            return True
        same = (table.row_hash, table.mode, table.window, mapping_version)
        return (
            outcome.quarantined + outcome.waiting > 0
            and ledger.last_applied(self.connection, self.batch, table.name) != same
        )

    def _check_conservation(self, outcome: TableOutcome) -> None:
        told = outcome.accepted + outcome.quarantined + outcome.waiting + outcome.excluded
        if told != outcome.rows_in:
            message = (
                f"{outcome.name}: {outcome.rows_in} rows came in, {told} are accounted for ({outcome.accepted} accepted, "
                f"{outcome.quarantined} quarantined, {outcome.waiting} waiting, {outcome.excluded} excluded)"
            )
            remedy = "Nothing was loaded; this is a defect of the loader: report it with the batch."
            raise BatchRefusedError(Fault("rows_unaccounted", message, remedy))

    def _empty(self, table: StagedTable) -> Fault:
        return Fault(
            "empty_snapshot",
            f"the full snapshot of {table.driving} is empty; taken at its word it would delete every row",
            "Extract it again; to say that there are none any more, deliver tombstones.",
            self._file(table),
        )

    def _is_empty_there(self, table: StagedTable) -> bool:
        """Whether there may be none, or the sender counted none, and none are here either: nothing is lost by believing it."""
        resources = [self.batch.resource(name) for name in table.drivers]
        return all(
            each is not None and (table.may_be_empty or each.rows == 0) for each in resources
        ) and not count(
            self.connection,
            f"""SELECT count(*) FROM erp.{quoted(table.name)}
                    WHERE company_code = ? AND source_system = ? AND NOT is_deleted""",
            [self.batch.company, self.batch.source],
        )

    def _file(self, table: StagedTable) -> str | None:
        resource = self.batch.resource(table.drivers[0])
        return resource.paths[0] if resource else None

    def _apply(self, table: StagedTable, changes: Changes, actions: Actions, outcome: TableOutcome) -> None:
        """Note what the changes touch, and make them; the counts of the outcome follow."""
        outcome.inserted = actions.rows("insert", "insert_deleted")
        outcome.updated = actions.rows("update", "update_deleted")
        outcome.unchanged = actions.rows("touch", "keep", "tombstone")
        outcome.accepted = outcome.inserted + outcome.updated + outcome.unchanged + actions.rows("delete")
        outcome.deleted = changes.gone.rows
        dirty_cells.mark(self.connection, changes, self.batch.company)
        target = f"erp.{quoted(table.name)}"
        for each in (actions, changes.left_out):
            if each and each.rows("touch"):
                self.connection.execute(
                    f"""UPDATE {target} SET (batch_sequence, recorded_at, batch_id) = ({OWN_ORDER})
                        WHERE rowid IN (SELECT target FROM {each.relation} WHERE action = 'touch')""",
                    order_of(self.batch),
                )
        soft_deletes.delete_gone(self.connection, self.batch, changes)
        if actions.rows("keep", "owned"):
            self.connection.execute(
                f"""UPDATE {target} AS t SET available_on = a.available_on
                    FROM {actions.relation} AS a WHERE t.rowid = a.target AND earlier"""
            )
        if outcome.inserted or outcome.updated:
            self._write(table, actions)

    def _write(self, table: StagedTable, actions: Actions) -> None:
        """Put the new version of every inserted or updated row beside the old one, then remove the old one.

        A row that enters deleted bears the order of the batch that said so, unless that is a window. What is said of a
        master changes; that it exists has been known since it was first seen.
        """
        batch, target = self.batch, f"erp.{quoted(table.name)}"
        pairs = [
            pair
            for resource in (*batch.resources, *batch.before)
            for pair in zip(resource.paths, resource.hashes, strict=True)
        ]
        self.connection.execute(
            f"INSERT INTO {target} BY NAME {self._entering(table, actions)}",
            {
                **order_of(batch),
                "company": batch.company,
                "source": batch.source,
                "files": [path for path, _ in pairs],
                "hashes": [sha256 for _, sha256 in pairs],
            },
        )
        if actions.rows("update", "update_deleted"):
            self.connection.execute(
                f"""DELETE FROM {target} WHERE rowid IN (
                        SELECT target FROM {actions.relation} WHERE action IN ({_WRITTEN}) AND target IS NOT NULL)"""
            )

    def _entering(self, table: StagedTable, actions: Actions) -> str:
        """Selects the new versions of rows, as the canonical table has them."""
        contract = table.contract
        columns = f"""
            $company AS company_code, {", ".join(f"s.{quoted(name)}" for name in contract.column_names)},
            $source AS source_system, s._file AS source_file, file_hash.sha256 AS source_file_sha256,
            s._row AS source_row, s._document AS source_document, s.source_changed_at"""
        hashes = """
            JOIN (SELECT unnest($files::VARCHAR[]) AS path, unnest($hashes::VARCHAR[]) AS sha256) AS file_hash
              ON file_hash.path = s._file"""
        if actions.entering:
            return f"""SELECT {columns}, $batch_id AS batch_id, $sequence::BIGINT AS batch_sequence, false AS is_deleted,
                              NULL::VARCHAR AS deleted_by, $extracted_at::TIMESTAMP AS recorded_at, s.available_on
                       FROM {actions.entering} AS s {hashes}"""
        first_available, old = "a.available_on", ""
        if contract.is_undated:
            first_available = "least(a.available_on, old.available_on)"
            old = f"LEFT JOIN erp.{quoted(table.name)} AS old ON old.rowid = a.target"
        return f"""SELECT {columns}, coalesce(superseding_batch.batch_id, $batch_id) AS batch_id,
                          coalesce(superseding_batch.batch_sequence, $sequence::BIGINT) AS batch_sequence,
                          ends_with(action, '_deleted') AS is_deleted,
                          CASE WHEN superseding_batch IS NOT NULL THEN superseding_batch.cause
                               WHEN ends_with(action, '_deleted') THEN 'window' END AS deleted_by,
                          coalesce(superseding_batch.recorded_at, $extracted_at::TIMESTAMP) AS recorded_at,
                          {first_available} AS available_on
                   FROM {actions.relation} AS a
                   JOIN scratch.staging.{quoted(table.name)} AS s ON s.rowid = a.staged {hashes} {old}
                   WHERE action IN ({_WRITTEN})"""


def _unexplained(table: StagedTable) -> str:
    rules = ", ".join(table.unexplained)
    return (
        f"{table.name}: rows are left out by {rules}, and the profile's rules do not say what that means (gone, part_of or "
        "never): it is taken as never, and deletes nothing"
    )
