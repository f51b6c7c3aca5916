"""Soft deletes: by what a batch says is gone, and by what a snapshot, a window of days or a set of keys does not name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import duckdb

from expectations.contract import Contract
from warehouse.connection import count, literal, quoted
from warehouse.delivery.manifest import KEY_SET, Batch, Window
from warehouse.errors import BatchRefusedError, Fault
from warehouse.merge import dirty_cells
from warehouse.merge.actions import (
    CAUSES,
    ORDER,
    OWN_ORDER,
    SAID_GONE,
    Actions,
    Changes,
    Gone,
    order_of,
    same_key,
)
from warehouse.staging.key_sets import KeySet
from warehouse.staging.tables import StagedTable
from warehouse.store.ledger import TableOutcome

# Of so few rows a batch may say that they are gone, whatever their share: no extract was cut for want of a dozen.
FEW_GONE = 20
# Letters of a list of files that a warning shows.
_SHOWN = 120


@dataclass(frozen=True, slots=True)
class Missing:
    """Live rows of a source that a batch, which names all there are, does not name: a relation (target: rowid), and its rows.

    `stamped`: they take the batch's order as they are deleted. A row that a window deletes keeps the order of the version
    that it deletes: a batch from in between may yet move the row out of the window. `documents`: those that the batch names
    all rows of, as a relation (document); "" if it is not documents that it names.
    """

    relation: str = ""
    rows: int = 0
    stamped: bool = True
    cause: str = "snapshot"
    documents: str = ""
    warnings: list[str] = field(default_factory=list)


NOTHING_MISSING = Missing()


def find_missing(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable, shrink_limit: float
) -> Missing:
    """The rows that a full snapshot, or a window, does not name; none if they may be records whose key could not be read.

    BatchRefusedError if that would be more than may go at once.
    """
    inside = _inside(table.contract, table.window)
    named = f"scratch.staging.{quoted(table.name)}"
    cause = "window" if table.window else "snapshot"
    missing = _missing(connection, batch, table.contract, named, inside, cause)
    if not missing.rows:
        return missing
    whole = f"window {table.window}" if table.window else "full snapshot"
    nameless = _nameless(connection, table)
    if nameless:
        warning = (
            f"{table.name}: {missing.rows} rows are missing from the {whole}, but of {nameless} of its records the key "
            "could not be read, and they may be these: none was deleted"
        )
        return Missing(warnings=[warning])
    live = _live(connection, batch, table.contract, inside)
    if missing.rows > live * shrink_limit:
        resource = batch.resource(table.drivers[0])
        raise BatchRefusedError(
            Fault(
                "window_shrunk" if table.window else "snapshot_shrunk",
                f"the {whole} lacks {missing.rows} of {live} live rows of {table.name}, "
                f"more than the {shrink_limit:.0%} that may go at once",
                "Check that the extract was not cut; if the rows are really gone, raise shrink_limit for this run.",
                resource.paths[0] if resource else None,
            )
        )
    told = None if table.window else _of_fewer_files(connection, batch, table, missing.rows)
    return replace(missing, warnings=[told]) if told else missing


def _of_fewer_files(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable, rows: int
) -> str | None:
    """That a snapshot which lacks rows comes in fewer files than the one before it; None if it does not."""
    for resource in filter(None, map(batch.resource, table.drivers)):
        before = connection.execute(
            """SELECT r.files FROM ops.batch AS b JOIN ops.batch_resource AS r USING (source, company_code, batch_id)
               WHERE source = $source AND company_code = $company AND b.status <> 'refused' AND r.resource = $resource
                 AND r.mode = 'full_snapshot'
                 AND (b.sequence, b.extracted_at, batch_id) < ($sequence::BIGINT, $extracted_at::TIMESTAMP, $batch_id)
               ORDER BY b.sequence DESC, b.extracted_at DESC, batch_id DESC LIMIT 1""",
            {"company": batch.company, "source": batch.source, "resource": resource.label, **order_of(batch)},
        ).fetchone()
        here = ", ".join(resource.paths)
        if before and here.count(", ") < before[0].count(", "):
            return (
                f"{table.name}: {rows:,} rows are missing from the full snapshot, and are gone; {resource.label} comes in "
                f"fewer files ({_shown(here)}) than in the one before ({_shown(before[0])}) [fewer_files]: if one was "
                "forgotten, land them all together"
            )
    return None


def _shown(files: str) -> str:
    return files if len(files) <= _SHOWN else f"{files[:_SHOWN]}…"


def find_missing_of_documents(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable
) -> Missing:
    """The rows of documents that the batch delivers whole, and does not name; outside its window, if it has one.

    Whole are those in which no row's key was left unread; none if a record could not be split, since it may be a line of any.
    """
    if not table.whole_if_split:
        return NOTHING_MISSING
    unsplit = count(
        connection,
        "SELECT count(*) FROM scratch.rejected.record WHERE resource IN "
        f"({', '.join(map(literal, table.whole_if_split))})",
    )
    unread = f"""SELECT DISTINCT s._document AS document FROM scratch.rejected.row AS r
                 LEFT JOIN scratch.staging.{quoted(table.name)} AS s ON s._file = r.file AND s._row = r.row_number
                 WHERE r.table_name = {literal(table.name)} AND {_is_nameless(table.contract, "r.staged")}"""
    if unsplit or count(connection, f"SELECT count(*) FROM ({unread}) WHERE document IS NULL"):
        warning = (
            f"{table.name}: a record of it could not be read so far as to say of which document it is, and it may be of any: "
            "what the documents of this batch lack was not deleted"
        )
        return Missing(warnings=[warning])
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE whole_document AS
            SELECT document FROM scratch.whole.{quoted(table.name)} EXCEPT {unread}"""
    )
    inside = f"NOT coalesce({_inside(table.contract, table.window)}, false)" if table.window else "true"
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE missing_of_document AS
            SELECT t.rowid AS target FROM erp.{quoted(table.name)} AS t
            WHERE t.source_document IN (SELECT document FROM temp.whole_document) AND {inside}
              AND {_is_unnamed(table.contract, f"scratch.staging.{quoted(table.name)}")}""",
        {"company": batch.company, "source": batch.source, **order_of(batch)},
    )
    rows = count(connection, "SELECT count(*) FROM temp.missing_of_document")
    return Missing("temp.missing_of_document", rows, cause="whole_document", documents="temp.whole_document")


def changes_of(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    missing: Iterable[Missing],
    actions: Actions | None = None,
    left_out: Actions | None = None,
) -> Changes:
    """What a batch does to a table: what its rows do, and which rows are gone, each once and by the first of CAUSES."""
    parts = [
        f"SELECT target, true AS stamped, {literal(cause)} AS cause FROM {each.relation} WHERE action = 'delete'"
        for cause, each in (("tombstone", actions), ("rule", left_out))
        if each and each.rows("delete")
    ]
    parts += [
        f"SELECT target, {each.stamped} AS stamped, {literal(each.cause)} AS cause FROM {each.relation}"
        for each in missing
        if each.rows
    ]
    if not parts:
        none = "(SELECT NULL::BIGINT AS target, NULL::BOOLEAN AS stamped, NULL::VARCHAR AS cause LIMIT 0)"
        return Changes(contract, actions, left_out, Gone(none, 0))
    every, causes = " UNION ALL ".join(parts), ", ".join(map(literal, CAUSES))
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE gone_row AS
            SELECT target, bool_or(stamped) AS stamped, arg_min(cause, list_position([{causes}], cause)) AS cause
            FROM ({every}) AS each (target, stamped, cause) GROUP BY target"""
    )
    gone = Gone("temp.gone_row", count(connection, "SELECT count(*) FROM temp.gone_row"))
    return Changes(contract, actions, left_out, gone)


def require_few_gone(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    table: StagedTable,
    changes: Changes,
    shrink_limit: float,
) -> None:
    """BatchRefusedError if a batch says of more rows than may go at once that they are gone; of FEW_GONE it always may."""
    if changes.gone.rows <= FEW_GONE:
        return
    by_batch = (
        f"SELECT count(*) FROM {changes.gone.relation} WHERE cause IN ({', '.join(map(literal, SAID_GONE))})"
    )
    gone = count(connection, by_batch)
    if gone <= FEW_GONE:
        return
    live = _live(connection, batch, table.contract, "true")
    if gone > live * shrink_limit:
        resource = batch.resource(table.drivers[0])
        message = (
            f"the batch says of {gone} of {live} live rows of {table.name} that they are gone, "
            f"more than the {shrink_limit:.0%} that may go at once"
        )
        remedy = "Check the extract and the rules of its source; if they are really gone, raise shrink_limit for this run."
        raise BatchRefusedError(
            Fault("too_many_gone", message, remedy, resource.paths[0] if resource else None)
        )


def delete_gone(connection: duckdb.DuckDBPyConnection, batch: Batch, changes: Changes) -> None:
    """Mark the rows that are gone as deleted, and by what."""
    if not changes.gone.rows:
        return
    target, gone = f"erp.{quoted(changes.contract.name)}", changes.gone.relation
    connection.execute(
        f"""UPDATE {target} AS t SET is_deleted = true, deleted_by = gone.cause,
                   (batch_sequence, recorded_at, batch_id) = ({OWN_ORDER})
            FROM {gone} AS gone WHERE t.rowid = gone.target AND gone.stamped""",
        order_of(batch),
    )
    connection.execute(
        f"""UPDATE {target} AS t SET is_deleted = true, deleted_by = gone.cause
            FROM {gone} AS gone WHERE t.rowid = gone.target AND NOT gone.stamped"""
    )


def soft_delete_missing(
    connection: duckdb.DuckDBPyConnection, batch: Batch, keys: KeySet, *, shrink_limit: float
) -> TableOutcome:
    """Mark as deleted the source's own rows, not newer than the batch, whose key is not in a set of all keys any more.

    BatchRefusedError if that would be more than may go at once.
    """
    named = f"scratch.key_set.{quoted(keys.name)}"
    missing = _missing(connection, batch, keys.contract, named, "true", "key_set")
    live = _live(connection, batch, keys.contract, "true")
    if missing.rows > live * shrink_limit or (missing.rows and not keys.rows):
        message = (
            f"the keys lack {missing.rows} of {live} live rows of {keys.name}, "
            f"more than the {shrink_limit:.0%} that may go at once"
        )
        remedy = "Check the query of the keys; if the rows are really gone, raise shrink_limit for this run."
        raise BatchRefusedError(Fault("snapshot_shrunk", message, remedy, keys.file))
    changes = changes_of(connection, keys.contract, [missing])
    dirty_cells.mark(connection, changes, batch.company)
    delete_gone(connection, batch, changes)
    outcome = TableOutcome(f"keys of {keys.name}", f"keys of {keys.name}", True, KEY_SET, keys.rows, "")  # noqa: FBT003
    outcome.accepted = outcome.unchanged = keys.rows
    outcome.deleted = missing.rows
    return outcome


def _inside(contract: Contract, window: Window | None) -> str:
    if window is None:
        return "true"
    day = f"CAST(t.{quoted(str(contract.own_date))} AS DATE)"
    return f"{day} BETWEEN DATE '{window.first}' AND DATE '{window.last}'"


def _missing(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    contract: Contract,
    named: str,
    inside: str,
    cause: str,
) -> Missing:
    """The source's own live rows, not newer than the batch, whose key does not stand in the relation `named`."""
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE missing_row AS
            SELECT t.rowid AS target FROM erp.{quoted(contract.name)} AS t
            WHERE {inside} AND {_is_unnamed(contract, named)}""",
        {"company": batch.company, "source": batch.source, **order_of(batch)},
    )
    rows = count(connection, "SELECT count(*) FROM temp.missing_row")
    return Missing("temp.missing_row", rows, cause != "window", cause)


def _is_unnamed(contract: Contract, named: str) -> str:
    """The condition that `t` is one of the source's own live rows, not newer than the batch, and not in `named`."""
    return f"""t.company_code = $company AND t.source_system = $source AND NOT t.is_deleted
               AND ({ORDER}) < ({OWN_ORDER})
               AND NOT EXISTS (SELECT 1 FROM {named} AS s WHERE {same_key(contract, "s", "t")})"""


def _live(connection: duckdb.DuckDBPyConnection, batch: Batch, contract: Contract, inside: str) -> int:
    return count(
        connection,
        f"""SELECT count(*) FROM erp.{quoted(contract.name)} AS t
            WHERE company_code = ? AND source_system = ? AND NOT is_deleted AND {inside}""",
        [batch.company, batch.source],
    )


def _nameless(connection: duckdb.DuckDBPyConnection, table: StagedTable) -> int:
    """The quarantined records that may be any row, since their key could not be read."""
    return count(
        connection,
        f"SELECT count(*) FROM scratch.rejected.row WHERE table_name = ? AND {_is_nameless(table.contract, 'staged')}",
        [table.name],
    )


def _is_nameless(contract: Contract, staged: str) -> str:
    required = [c.name for c in contract.columns if c.key_position and not c.nullable]
    unread = "".join(f" OR ({staged}->>{literal(name)}) IS NULL" for name in required)
    return f"({staged} IS NULL{unread})"
