"""What a batch says of a key and what is stored of it, where both cannot be right: told, since the order of extracts decides."""

from __future__ import annotations

import duckdb

from warehouse.connection import quoted
from warehouse.delivery.manifest import Batch
from warehouse.merge.actions import Actions
from warehouse.staging.tables import StagedTable


def told(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable, actions: Actions
) -> list[str]:
    """A warning of each kind that there is, with one of its rows."""
    found = []
    if actions.another:
        found.append(_used_again(connection, batch, table, actions))
    if actions.outdated and batch.about.corrects is None:
        found.append(_outdated(connection, batch, table, actions))
    return found


def _used_again(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable, actions: Actions
) -> str:
    """That rows have the key of other records, by their day or customer: only the later one is kept."""
    day = quoted(str(table.contract.own_date))
    [(key, old_day, old_customer, new_day, new_customer)] = connection.execute(
        f"""SELECT {_key(table)}, CAST(t.{day} AS DATE), t.customer_id, CAST(s.{day} AS DATE), s.customer_id
            {_rows(table, actions)} WHERE a.another ORDER BY 1 LIMIT 1"""
    ).fetchall()
    return (
        f"{table.name}: {actions.another:,} rows bear the number of another record, of another day or customer, such as {key} of "
        f"{new_day} ({new_customer}) and of {old_day} ({old_customer}) [number_used_again]: of two with one number only that of "
        "the later extract counts. If numbers begin anew, each year or in each branch, have the SQL of the source put the year "
        f"or branch in front of {table.contract.key[0]}, then `valuemart reload {batch.source}`"
    )


def _outdated(
    connection: duckdb.DuckDBPyConnection, batch: Batch, table: StagedTable, actions: Actions
) -> str:
    """That rows differ from those of a later extract, which stand."""
    [(key, batch_id, later)] = connection.execute(
        f"SELECT {_key(table)}, t.batch_id, t.recorded_at {_rows(table, actions)} WHERE a.outdated ORDER BY 1 LIMIT 1"
    ).fetchall()
    return (
        f"{table.name}: {actions.outdated:,} rows differ from those of a later extract, which stand, such as {key} of {batch_id}, "
        f"extracted at {later:%Y-%m-%d %H:%M} [older_extract]: this one was extracted at {batch.extracted_at:%Y-%m-%d %H:%M} (UTC). If "
        "its rows are the corrected ones, land them with the time at which they were made (--extracted-at)"
    )


def _key(table: StagedTable) -> str:
    return f"concat_ws('/', {', '.join(f's.{quoted(name)}' for name in table.contract.key)})"


def _rows(table: StagedTable, actions: Actions) -> str:
    """The rows of a batch beside the stored ones of their keys."""
    return f"""FROM {actions.relation} AS a
               JOIN {actions.rows_of} AS s ON s.rowid = a.staged
               JOIN erp.{quoted(table.name)} AS t ON t.rowid = a.target"""
