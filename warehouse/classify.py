"""What each staged row does to its canonical table, whichever order batches came in.

The rule behind every fate: the table ends up as if the batches of a source had been applied in their order, (sequence,
extracted at, batch id). A row carries the order of the batch that last said something of it, so a batch that comes late
finds out what it may still say; what newer batches said of keys that were not here yet, snapshots and windows say by
their order in the ledger, and tombstones by their place in ops.tombstone. Of a key that a newer snapshot or window holds
in quarantine, it has said nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from expectations.contract import Contract
from warehouse import cells, ledger
from warehouse.batch import Batch
from warehouse.connection import count, literal, quoted
from warehouse.staging import StagedTable

ORDER = "batch_sequence, recorded_at, batch_id"
# The parameters of a batch's order, in the same sequence.
OWN_ORDER = "$sequence::BIGINT, $extracted_at::TIMESTAMP, $batch_id"
# Fates that put a new version of the row into the table; a dead one is marked deleted as it enters.
WRITTEN = ("insert", "insert_dead", "update", "update_dead")


def order_of(batch: Batch) -> dict[str, object]:
    """The parameters of OWN_ORDER."""
    return {"sequence": batch.sequence, "extracted_at": batch.extracted_at, "batch_id": batch.batch_id}


def classify(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable, owners: Sequence[str]
) -> bool:
    """Fill the temp table `change`: one row a staged row that may enter; whether a newer snapshot is here already.

    `staged` is the staged row's rowid: rows of a derived table may share their example record.
    `fate` is one of
    insert, update: the row enters, or replaces `target`; where it comes from a source of precedence, another source's row;
    insert_dead, update_dead: so too, but a newer batch said that it is gone (`killer`, unless that was a window);
    touch: the same content from a newer batch; keep: nothing to say; bury: a tombstone for a live row;
    note: a tombstone for a row of this source that is not here (yet); owned: another source has precedence.
    `earlier`: the row that stays was known before the stored version says.
    """
    contract = table.contract
    snapshot = ledger.newest_snapshot(connection, batch, table.name)
    stale = snapshot is not None and batch.order < snapshot
    content = [*(column.name for column in contract.columns), "is_deleted", "source_changed_at"]
    staged, stored = (", ".join(f"{side}.{quoted(name)}" for name in content) for side in ("s", "t"))
    windows = ledger.gather_newer_windows(connection, batch, table.name) and contract.own_date is not None
    spared = "false"
    if stale or windows:
        _gather_spared(connection, batch, contract)
        spared = (
            f"EXISTS (SELECT 1 FROM spared WHERE spared.key = {key_text(contract, 's')} AND batch_id = %s)"
        )
    outlived = spared % "$snapshot_id" if stale else "false"
    windowed = "false"
    if windows:
        windowed = f"""EXISTS (SELECT 1 FROM newer_window AS w
            WHERE CAST(s.{quoted(str(contract.own_date))} AS DATE) BETWEEN w.window_from AND w.window_to
              AND NOT {spared % "w.batch_id"})"""
    killer = f"CASE WHEN $stale AND NOT {outlived} THEN {_struct('$snapshot_sequence', '$snapshot_at', '$snapshot_id')} END"
    buried = ""
    if _has_tombstones(connection, batch, table.name):
        newer = f"({', '.join(f'm.{name}' for name in ORDER.split(', '))}) > ({OWN_ORDER})"
        entry = _struct("m.batch_sequence", "m.recorded_at", "m.batch_id")
        # A row of nulls would compare as newer than any.
        killer = f"CASE WHEN m.key IS NOT NULL AND {newer} THEN {entry} ELSE {killer} END"
        buried = f"""LEFT JOIN ops.tombstone AS m ON m.company_code = $company AND m.table_name = $table
                     AND m.source = $source AND m.key = {key_text(contract, "s")}"""
    always = "true" if cells.is_undated(contract) else "own AND NOT differs"
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE change AS
            WITH compared AS (
                SELECT s.rowid AS staged, s._file, s._row, t.rowid AS target, s.is_deleted AS dying,
                       coalesce(t.source_system = $source, false) AS own, t.is_deleted AS is_dead,
                       t.rowid IS NOT NULL AND {_rank("t.source_system", owners)} < {_rank("$source", owners)} AS outranked,
                       ($stale AND NOT {outlived}) OR ({", ".join(f"t.{name}" for name in ORDER.split(", "))}) > ({OWN_ORDER}) AS late,
                       CASE WHEN t.rowid IS NULL THEN true ELSE ({staged}) IS DISTINCT FROM ({stored}) END AS differs,
                       {_known_on(contract)} AS known_on, t.known_on AS known_before, {killer} AS killer, {windowed} AS windowed
                FROM scratch.staging.{quoted(table.name)} AS s
                LEFT JOIN erp.{quoted(table.name)} AS t ON t.company_code = $company AND {same_key(contract, "s", "t")}
                {buried}
                WHERE NOT EXISTS (SELECT 1 FROM scratch.rejected.row AS r
                                  WHERE r.table_name = $table AND r.file = s._file AND r.row_number = s._row)),
            judged AS (
                SELECT *, CASE
                    WHEN NOT own AND outranked THEN 'owned'
                    WHEN own AND late THEN 'keep'
                    WHEN own AND dying THEN CASE WHEN is_dead THEN 'touch' ELSE 'bury' END
                    WHEN own AND differs THEN CASE WHEN windowed THEN 'update_dead' ELSE 'update' END
                    WHEN own THEN $same
                    WHEN dying THEN CASE WHEN $stale THEN 'keep' ELSE 'note' END
                    ELSE CASE WHEN target IS NULL THEN 'insert' ELSE 'update' END
                         || CASE WHEN killer IS NULL AND NOT windowed THEN '' ELSE '_dead' END
                    END AS fate
                FROM compared)
            SELECT * EXCLUDE (dying, own, is_dead, outranked, late, differs, known_before, windowed),
                   fate IN ('keep', 'owned') AND NOT dying AND known_on < known_before AND ({always}) AS earlier
            FROM judged""",
        {
            **order_of(batch),
            "company": batch.company,
            "source": batch.source,
            "table": table.name,
            "stale": stale,
            "same": "keep" if table.mode == "full_snapshot" else "touch",
            **dict(
                zip(
                    ("snapshot_sequence", "snapshot_at", "snapshot_id"),
                    snapshot or (None, None, None),
                    strict=True,
                )
            ),
        },
    )
    return stale


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


def _gather_spared(connection: duckdb.DuckDBPyConnection, batch: Batch, contract: Contract) -> None:
    """Fill the temp table `spared`: the keys that the source's batches hold in quarantine."""
    key = ", ".join(f"staged->>{literal(name)}" for name in contract.key)
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE spared AS
            SELECT DISTINCT CAST(to_json([{key}]) AS VARCHAR) AS key, batch_id FROM quarantine."row"
            WHERE source = ? AND company_code = ? AND table_name = ? AND staged IS NOT NULL""",
        [batch.source, batch.company, contract.name],
    )


def _has_tombstones(connection: duckdb.DuckDBPyConnection, batch: Batch, table: str) -> bool:
    sql = "SELECT count(*) FROM ops.tombstone WHERE company_code = ? AND source = ? AND table_name = ?"
    return count(connection, sql, [batch.company, batch.source, table]) > 0


def _struct(sequence: str, recorded_at: str, batch_id: str) -> str:
    return (
        f"struct_pack(batch_sequence := CAST({sequence} AS BIGINT), recorded_at := CAST({recorded_at} AS TIMESTAMP), "
        f"batch_id := CAST({batch_id} AS VARCHAR))"
    )


def _known_on(contract: Contract) -> str:
    """From when on the row, as this batch delivers it, could be known."""
    recorded, changed = "CAST($extracted_at::TIMESTAMP AS DATE)", "CAST(s.source_changed_at AS DATE)"
    own = f"CAST(s.{quoted(contract.own_date)} AS DATE)" if contract.own_date else "NULL::DATE"
    if cells.is_undated(contract):
        return f"least({changed}, {own}, {recorded})"
    return f"least(coalesce({changed}, {own}), {recorded})"


def _rank(source: str, owners: Sequence[str]) -> str:
    """A source's precedence as a sortable text: its place among the owners, else behind them by name."""
    cases = " ".join(f"WHEN {literal(name)} THEN '{place:06d}'" for place, name in enumerate(owners))
    return f"CASE {source} {cases} ELSE '1' || {source} END" if cases else f"'1' || {source}"
