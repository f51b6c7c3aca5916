"""What each staged row does to its canonical table, whichever order batches came in.

The rule behind every action: the table ends up as if the batches of a source had been applied in their order, (sequence,
extracted at, batch id). A row carries the order of the batch that last said something of it, so a batch that comes late
finds out what it may still say; what newer batches said of keys that were not here yet, snapshots and windows say by
their order in the ledger, tombstones by their place in ops.tombstone, and whole documents by theirs in
ops.whole_document. Of a key that a newer snapshot, window or document holds in quarantine, it has said nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from expectations.contract import Contract
from warehouse.connection import count, literal, quoted
from warehouse.delivery.manifest import Batch
from warehouse.staging.tables import StagedTable
from warehouse.store import ledger
from warehouse.store.ledger import NewerWindow

ORDER = "batch_sequence, recorded_at, batch_id"
# The parameters of a batch's order, in the same sequence.
OWN_ORDER = "$sequence::BIGINT, $extracted_at::TIMESTAMP, $batch_id"
# Actions that put a new version of the row into the table; a deleted one is marked so as it enters.
WRITTEN = ("insert", "insert_deleted", "update", "update_deleted")
# By what a row is deleted, those first that say it of the row itself: where several do, the first is kept with it.
CAUSES = ("tombstone", "rule", "snapshot", "window", "key_set", "whole_document", "mapping")
# A row that was given by another mapping, and is not by today's: no batch has said that it is gone, so any may bring it again.
REMAPPED = "mapping"
# Those that are held to what may go at once table by table, and not by the snapshot, window or key set that lacks the row.
SAID_GONE = ("rule", "whole_document")
# A record of the same key whose own day moved by more than this is taken for another one, be it of the same customer.
DAYS_MOVED = 31
# From so many rows on it is worth asking first whether any of their keys is known.
MANY_ROWS = 10_000
_SUPERSEDING = "STRUCT(batch_sequence BIGINT, recorded_at TIMESTAMP, batch_id VARCHAR, cause VARCHAR)"


def order_of(batch: Batch) -> dict[str, object]:
    """The parameters of OWN_ORDER."""
    return {"sequence": batch.sequence, "extracted_at": batch.extracted_at, "batch_id": batch.batch_id}


@dataclass(frozen=True, slots=True)
class Actions:
    """What the rows of one staged table do: a relation of the merge's connection by name, and its rows by action.

    Grain of the relation: one row a staged row that may enter. `staged` is the staged row's rowid, `_file` and `_row` its
    place in the delivery, `target` the rowid of the stored row of the same key, null if there is none, `available_on` the day
    from which the row could be known, `superseding_batch` the newer batch that said it is gone, as a struct, null if none
    did or if that was a window. `action` is one of
    insert, update: the row enters, or replaces `target`; if it comes from a source of precedence, another source's row;
    insert_deleted, update_deleted: so too, but a newer batch said that it is gone;
    touch: the same content from a newer batch; keep: nothing to say; delete: a tombstone for a live row;
    tombstone: one for a row of this source that is not here (yet); owned: another source has precedence.
    `earlier`: the row that stays was known before the stored version says; so many of them there are. `another`: the row
    replaces, or comes behind, a live one of its key that is another record by its day or customer; so many of them there are.
    `outdated`: a live row of a later extract stands, and says something else; so many of them there are.

    `is_stale`: a newer full snapshot of the table is here already. `rows_of` is the relation that `staged` is a rowid of.

    `entering`, if every row is inserted since no key of the batch is known: the rows themselves, as a relation of the staged
    columns and `available_on`, with the parameters of OWN_ORDER. There is no `relation` then.
    """

    relation: str
    rows_of: str
    counts: Mapping[str, int]
    is_stale: bool
    entering: str | None = None
    earlier: int = 0
    another: int = 0
    outdated: int = 0

    def rows(self, *actions: str) -> int:
        """How many rows do one of these."""
        return sum(self.counts.get(action, 0) for action in actions)


@dataclass(frozen=True, slots=True)
class Gone:
    """Live rows of a canonical table that a batch says are gone: a relation of the merge's connection, and its rows.

    Grain: one row a stored row. `target` is its rowid; `stamped` whether it takes the batch's order as it is deleted;
    `cause` one of CAUSES.
    """

    relation: str
    rows: int


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that a batch does to one canonical table; without `actions`, rows are only gone.

    `left_out` is what the rows say that a rule leaves out because they are gone: tombstones, all of them.
    """

    contract: Contract
    actions: Actions | None
    left_out: Actions | None
    gone: Gone


@dataclass(frozen=True, slots=True)
class Said:
    """Of which tables anything is to be asked at all when a batch is merged, found out once: of most, nothing is.

    `is_newest` if no newer batch of the source was loaded. The others are names of tables, as this source speaks of them: those
    that the batch has rows of in quarantine (`aside`), of which there are tombstones, of which newer batches delivered whole
    documents, and of which was forgotten what newer ones said.
    """

    is_newest: bool
    aside: frozenset[str]
    tombstones: frozenset[str]
    documents: frozenset[str]
    forgotten: frozenset[str]

    @classmethod
    def of(cls, connection: duckdb.DuckDBPyConnection, batch: Batch) -> Said:
        """What is there, with the batch's scratch file attached."""
        place, newer = "company_code = $company AND source = $source", f"({ORDER}) > ({OWN_ORDER})"
        found = connection.execute(
            f"""SELECT 'batch' AS what, NULL AS table_name FROM ops.batch
                WHERE {place} AND status IN ('loaded', 'unchanged') AND (sequence, extracted_at, batch_id) > ({OWN_ORDER})
                UNION SELECT 'aside', table_name FROM scratch.rejected.row
                UNION SELECT 'aside', table_name FROM scratch.rejected.reason
                UNION SELECT 'tombstones', table_name FROM ops.tombstone WHERE {place}
                UNION SELECT 'documents', table_name FROM ops.whole_document WHERE {place} AND {newer}
                UNION SELECT 'forgotten', table_name FROM ops.forgotten WHERE {place} AND {newer}""",
            {**order_of(batch), "company": batch.company, "source": batch.source},
        ).fetchall()
        tables = {
            kind: frozenset(name for what, name in found if what == kind)
            for kind in ("aside", "tombstones", "documents", "forgotten")
        }
        return cls(is_newest=all(what != "batch" for what, _ in found), **tables)


@dataclass(frozen=True, slots=True)
class _Newer:
    """What newer batches of the source have said of a table already: a full snapshot by its order, windows, documents.

    And whether it has tombstones, of any age.
    """

    snapshot: tuple[int, datetime, str] | None
    windows: Sequence[NewerWindow]
    tombstones: bool
    documents: bool

    @classmethod
    def than(
        cls, connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable, said: Said
    ) -> _Newer:
        tombstones, documents = table.name in said.tombstones, table.name in said.documents
        if said.is_newest:
            return cls(None, (), tombstones, documents)
        newest = ledger.newest_snapshot(connection, batch, table.name)
        return cls(
            newest if newest is not None and batch.order < newest else None,
            ledger.newer_windows(connection, batch, table.name) if table.contract.own_date else (),
            tombstones,
            documents,
        )

    @property
    def says_anything(self) -> bool:
        """Whether there is anything of it."""
        return bool(self.snapshot or self.windows or self.tombstones or self.documents)

    def parameters(self) -> dict[str, object]:
        """What the statement asks for by name, and nothing else: DuckDB refuses a parameter that it does not find."""
        found: dict[str, object] = {}
        if self.snapshot:
            found |= dict(
                zip(("snapshot_sequence", "snapshot_at", "snapshot_id"), self.snapshot, strict=True)
            )
        if self.windows:
            found["window_batches"] = [each.batch_id for each in self.windows]
            found["window_firsts"] = [each.window.first for each in self.windows]
            found["window_lasts"] = [each.window.last for each in self.windows]
        return found


def merge_actions(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable, owners: Sequence[str], said: Said
) -> Actions:
    """What each staged row that is not in quarantine does to its canonical table; `owners` by precedence."""
    # Joined, for DuckDB first groups all staged rows by what a NOT EXISTS compares.
    not_aside = f"""ANTI JOIN scratch.rejected.row AS r
                    ON r.table_name = {literal(table.name)} AND r.file = s._file AND r.row_number = s._row"""
    staged = f"""(SELECT s.rowid AS staged, s.* FROM scratch.staging.{quoted(table.name)} AS s
                  {not_aside if table.name in said.aside else ""})"""
    newer = _Newer.than(connection, batch, table, said)
    if not newer.says_anything:
        rows = _new_rows(connection, batch, table, staged, said)
        if rows:
            entering = f"(SELECT s.*, {_available_on(table.contract)} AS available_on FROM {staged} AS s)"
            return Actions("", staged, {"insert": rows}, False, entering)  # noqa: FBT003
    return _actions_of(connection, batch, table, owners, newer, "staging", staged, "merge_action")


def _new_rows(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable, staged: str, said: Said
) -> int:
    """The number of the staged rows, if each has a key that no stored row of the company has, and no row is a tombstone.

    0 otherwise, and for a batch so small that asking would cost more than it spares.
    """
    contract, staging = table.contract, f"scratch.staging.{quoted(table.name)}"
    if table.rows_in < MANY_ROWS:
        return 0
    aside = f"""SELECT count(*) FROM {staging} AS s SEMI JOIN scratch.rejected.row AS r
                ON r.table_name = {literal(table.name)} AND r.file = s._file AND r.row_number = s._row"""
    [(rows, tombstones)] = connection.execute(
        f"SELECT count(*) - ({aside if table.name in said.aside else '0'}), count(*) FILTER (is_deleted) FROM {staging}"
    ).fetchall()
    if tombstones or rows < MANY_ROWS:
        return 0
    stored = f"SELECT 1 FROM erp.{quoted(contract.name)} AS t WHERE t.company_code = ?"
    if not connection.execute(f"{stored} LIMIT 1", [batch.company]).fetchall():
        return int(rows)
    known = f"{stored} AND EXISTS (SELECT 1 FROM {staged} AS s WHERE {same_key(contract, 's', 't')}) LIMIT 1"
    return 0 if connection.execute(known, [batch.company]).fetchall() else int(rows)


def left_out_actions(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable, owners: Sequence[str], said: Said
) -> Actions:
    """What each key does whose row a rule leaves out because it is gone."""
    rows = f"scratch.gone.{quoted(table.name)}"
    if not table.says_gone or not count(connection, f"SELECT count(*) FROM {rows}"):
        return Actions("", rows, {}, False)  # noqa: FBT003
    staged = f"(SELECT s.rowid AS staged, s.* FROM {rows} AS s)"
    newer = _Newer.than(connection, batch, table, said)
    return _actions_of(connection, batch, table, owners, newer, "gone", staged, "left_out_action")


def _actions_of(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    table: StagedTable,
    owners: Sequence[str],
    newer: _Newer,
    schema: str,
    staged: str,
    name: str,
) -> Actions:
    relation, contract = f"temp.{name}", table.contract
    # A row that no source marks with a date of its own says since when it is known; another one only if it is the same.
    may_be_earlier = "true" if contract.is_undated else "own AND NOT differs"
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE {name} AS
            WITH {_said_by_newer(contract, newer)} compared AS ({_compared(contract, staged, owners, newer)}),
            judged AS (SELECT *, {_action(stale=newer.snapshot is not None)} AS action FROM compared)
            SELECT staged, _file, _row, target, available_on, superseding_batch, action,
                   action IN ('keep', 'owned') AND NOT deletes AND available_on < available_before AND ({may_be_earlier}) AS earlier,
                   action IN ('update', 'keep') AND is_another AS another,
                   action = 'keep' AND late AND differs AND NOT deletes AND NOT is_deleted_here AS outdated
            FROM judged""",
        {
            **order_of(batch),
            **newer.parameters(),
            "company": batch.company,
            "source": batch.source,
            "unchanged": "keep" if table.mode == "full_snapshot" else "touch",
        },
    )
    counted = connection.execute(
        f"""SELECT action, count(*), count(*) FILTER (earlier), count(*) FILTER (another), count(*) FILTER (outdated)
            FROM {relation} GROUP BY action"""
    ).fetchall()
    rows_of = f"scratch.{schema}.{quoted(table.name)}"
    counts = {action: rows for action, rows, *_ in counted}
    earlier, another, outdated = (sum(each[place] for each in counted) for place in (2, 3, 4))
    return Actions(
        relation,
        rows_of,
        counts,
        newer.snapshot is not None,
        earlier=earlier,
        another=another,
        outdated=outdated,
    )


def _action(*, stale: bool) -> str:
    """The action of one compared row, as SQL: the first case that holds."""
    return f"""CASE
        WHEN NOT own AND outranked THEN 'owned'
        WHEN own AND late THEN 'keep'
        WHEN own AND deletes THEN CASE WHEN is_deleted_here THEN 'touch' ELSE 'delete' END
        WHEN own AND differs THEN CASE WHEN superseding_batch IS NULL AND NOT in_newer_window THEN 'update'
                                       ELSE 'update_deleted' END
        WHEN own THEN $unchanged
        WHEN deletes THEN '{"keep" if stale else "tombstone"}'
        ELSE CASE WHEN target IS NULL THEN 'insert' ELSE 'update' END
             || CASE WHEN superseding_batch IS NULL AND NOT in_newer_window THEN '' ELSE '_deleted' END
        END"""


def _compared(contract: Contract, rows: str, owners: Sequence[str], newer: _Newer) -> str:
    """Each of the staged `rows` beside the stored row of its key, as SQL."""
    content = [*(column.name for column in contract.columns), "is_deleted", "source_changed_at"]
    staged, stored = (", ".join(f"{side}.{quoted(name)}" for name in content) for side in ("s", "t"))
    staged, stored = f"{staged}, s._document", f"{stored}, t.source_document"
    stored_order = ", ".join(f"t.{name}" for name in ORDER.split(", "))
    in_snapshot = f"NOT {_is_quarantined(contract, '$snapshot_id')}" if newer.snapshot else "false"
    tombstone = (
        f"""LEFT JOIN ops.tombstone AS m ON m.company_code = $company AND m.table_name = {literal(contract.name)}
             AND m.source = $source AND m.key = {key_text(contract, "s")}"""
        if newer.tombstones
        else ""
    )
    return f"""
        SELECT s.staged, s._file, s._row, t.rowid AS target, s.is_deleted AS deletes,
               coalesce(t.source_system = $source, false) AS own, t.is_deleted AS is_deleted_here,
               t.rowid IS NOT NULL AND {_rank("t.source_system", owners)} < {_rank("$source", owners)} AS outranked,
               ({in_snapshot}) OR (({stored_order}) > ({OWN_ORDER}) AND t.deleted_by IS DISTINCT FROM '{REMAPPED}') AS late,
               CASE WHEN t.rowid IS NULL THEN true ELSE ({staged}) IS DISTINCT FROM ({stored}) END AS differs,
               {_is_another(contract)} AS is_another,
               {_available_on(contract)} AS available_on, t.available_on AS available_before,
               {_superseding_batch(contract, newer, in_snapshot)} AS superseding_batch,
               {_in_newer_window(contract, newer)} AS in_newer_window
        FROM {rows} AS s
        LEFT JOIN erp.{quoted(contract.name)} AS t ON t.company_code = $company AND {same_key(contract, "s", "t")}
        {tombstone}"""


def _said_by_newer(contract: Contract, newer: _Newer) -> str:
    """The common table expressions of what newer batches said: their windows, and the keys that they hold in quarantine."""
    expressions = []
    if newer.snapshot or newer.windows or newer.documents:
        key = ", ".join(f"staged->>{literal(name)}" for name in contract.key)
        expressions.append(
            f"""quarantined_key AS MATERIALIZED (
                SELECT DISTINCT CAST(to_json([{key}]) AS VARCHAR) AS key, batch_id FROM quarantine."row"
                WHERE source = $source AND company_code = $company AND table_name = {literal(contract.name)} AND staged IS NOT NULL),"""
        )
    if newer.windows:
        expressions.append(
            """newer_window AS MATERIALIZED (
                SELECT unnest($window_batches::VARCHAR[]) AS batch_id, unnest($window_firsts::DATE[]) AS first_day,
                       unnest($window_lasts::DATE[]) AS last_day),"""
        )
    if newer.documents:
        expressions.append(
            f"""newer_document AS MATERIALIZED (
                SELECT document, {_struct("batch_sequence", "recorded_at", "batch_id", "'whole_document'")} AS said
                FROM ops.whole_document
                WHERE company_code = $company AND source = $source AND table_name = {literal(contract.name)}
                  AND ({ORDER}) > ({OWN_ORDER})),"""
        )
    return " ".join(expressions)


def _is_quarantined(contract: Contract, batch_id: str) -> str:
    key = key_text(contract, "s")
    return f"EXISTS (SELECT 1 FROM quarantined_key AS q WHERE q.key = {key} AND q.batch_id = {batch_id})"


def _in_newer_window(contract: Contract, newer: _Newer) -> str:
    if not newer.windows:
        return "false"
    day = f"CAST(s.{quoted(str(contract.own_date))} AS DATE)"
    return f"""EXISTS (SELECT 1 FROM newer_window AS w WHERE {day} BETWEEN w.first_day AND w.last_day
                       AND NOT {_is_quarantined(contract, "w.batch_id")})"""


def _superseding_batch(contract: Contract, newer: _Newer, in_snapshot: str) -> str:
    """The newer batch that said of a row that it is gone: by a tombstone, else by a snapshot or a document that lacks it."""
    found = f"CAST(NULL AS {_SUPERSEDING})"
    if newer.documents:
        found = f"""(SELECT max(d.said) FROM newer_document AS d
                     WHERE d.document = s._document AND NOT {_is_quarantined(contract, "d.said.batch_id")})"""
    if newer.snapshot:
        entry = _struct("$snapshot_sequence", "$snapshot_at", "$snapshot_id", "'snapshot'")
        found = f"CASE WHEN {in_snapshot} THEN {entry} ELSE {found} END"
    if newer.tombstones:
        is_newer = f"({', '.join(f'm.{name}' for name in ORDER.split(', '))}) > ({OWN_ORDER})"
        entry = _struct(
            "m.batch_sequence", "m.recorded_at", "m.batch_id", "coalesce(m.deleted_by, 'tombstone')"
        )
        # A row of nulls would compare as newer than any.
        found = f"CASE WHEN m.key IS NOT NULL AND {is_newer} THEN {entry} ELSE {found} END"
    return found


def same_key(contract: Contract, left: str, right: str) -> str:
    """The condition that two rows have the same key."""
    nullable = {column.name for column in contract.columns if column.nullable}
    return " AND ".join(
        f"{left}.{quoted(name)} {'IS NOT DISTINCT FROM' if name in nullable else '='} {right}.{quoted(name)}"
        for name in contract.key
    )


def key_text(contract: Contract, side: str) -> str:
    """A row's key as one text."""
    return f"CAST(to_json([{', '.join(f'CAST({side}.{quoted(name)} AS VARCHAR)' for name in contract.key)}]) AS VARCHAR)"


def _struct(sequence: str, recorded_at: str, batch_id: str, cause: str) -> str:
    return (
        f"struct_pack(batch_sequence := CAST({sequence} AS BIGINT), recorded_at := CAST({recorded_at} AS TIMESTAMP), "
        f"batch_id := CAST({batch_id} AS VARCHAR), cause := CAST({cause} AS VARCHAR))"
    )


def _is_another(contract: Contract) -> str:
    """Whether the stored row is live, and another record by its day or customer; never where records bear no number.

    A date that is put right moves by days, and a document that is moved to another customer keeps its date.
    """
    day, who = contract.own_date, "customer_id"
    if not day or {day, who} & set(contract.key) or who not in contract.column_names or contract.is_undated:
        return "false"
    new, old = (f"CAST({side}.{quoted(day)} AS DATE)" for side in ("s", "t"))
    moved = f"abs(datediff('day', {old}, {new}))"
    return f"""coalesce(t.source_system = $source AND NOT t.is_deleted AND ({moved} > {DAYS_MOVED}
                        OR {new} <> {old} AND s.{who} <> t.{who}), false)"""


def _available_on(contract: Contract) -> str:
    """From when on the row, as this batch delivers it, could be known."""
    recorded, changed = "CAST($extracted_at::TIMESTAMP AS DATE)", "CAST(s.source_changed_at AS DATE)"
    own = f"CAST(s.{quoted(contract.own_date)} AS DATE)" if contract.own_date else "NULL::DATE"
    if contract.is_undated:
        return f"least({changed}, {own}, {recorded})"
    return f"least(coalesce({changed}, {own}), {recorded})"


def _rank(source: str, owners: Sequence[str]) -> str:
    """A source's precedence as a sortable text: its place among the owners, else behind them by name."""
    cases = " ".join(f"WHEN {literal(name)} THEN '{place:06d}'" for place, name in enumerate(owners))
    return f"CASE {source} {cases} ELSE '1' || {source} END" if cases else f"'1' || {source}"
