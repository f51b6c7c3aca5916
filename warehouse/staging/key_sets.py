"""The keys a table has in the ERP, all of them: what the warehouse holds of the source and they do not name is gone.

Deltas tell of what is new or changed, never of what was deleted; a full snapshot tells, and costs as much as the table.
Its keys alone tell too. A key set brings no rows; `warehouse.merge.soft_deletes` does with it what a snapshot would.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from expectations.contract import Contract
from expectations.contract import load as load_contract
from warehouse.connection import count, literal, quoted
from warehouse.delivery.inspect import is_parquet
from warehouse.delivery.manifest import Batch, BatchResource, locate
from warehouse.errors import BatchRefusedError, Fault
from warehouse.staging.delivered import Delivery
from warehouse.staging.records import unreadable
from warehouse.staging.source_file import readable_path

_AGAIN = "Extract the keys again, all of them."


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of one canonical table in the scratch file, `key_set.<table>`; each of them once."""

    contract: Contract
    file: str
    rows: int

    @property
    def name(self) -> str:
        """The canonical table's name."""
        return self.contract.name


def check(delivery: Delivery) -> list[Fault]:
    """What is wrong with a batch's key sets before they are opened."""
    faults, source = [], delivery.source
    for keys in delivery.batch.key_sets:
        if keys.name not in source.profile.tables:
            message = f"gives keys of {keys.name!r}, which is no table of source {source.name}"
            faults.append(Fault("unknown_resource", message, "Name a canonical table.", keys.paths[0]))
        elif len(keys.paths) != 1 or not is_parquet(Path(keys.paths[0])):
            message = "is a set of keys, and those come as one Parquet file"
            faults.append(Fault("wrong_file_type", message, "Write the keys as Parquet.", keys.paths[0]))
    return faults


def stage(connection: duckdb.DuckDBPyConnection, batch: Batch) -> tuple[KeySet, ...]:
    """Fill `key_set.<table>` in the scratch file; BatchRefusedError where the keys cannot be read, every one of them."""
    return tuple(_stage(connection, batch, keys) for keys in batch.key_sets)


def _stage(connection: duckdb.DuckDBPyConnection, batch: Batch, keys: BatchResource) -> KeySet:
    contract, path = load_contract(keys.name), keys.paths[0]
    columns = [column for column in contract.columns if column.key_position is not None]
    values = ", ".join(
        f"TRY_CAST(nullif(trim(CAST({quoted(c.name)} AS VARCHAR)), '') AS {c.type}) AS {quoted(c.name)}"
        for c in columns
    )
    reader = f"read_parquet({literal(readable_path(locate(batch, path)))}, hive_partitioning=false)"
    table = f"key_set.{quoted(keys.name)}"
    try:
        arrived = count(connection, f"SELECT count(*) FROM {reader}")
        connection.execute(f"CREATE TABLE {table} AS SELECT DISTINCT {values} FROM {reader}")
    except duckdb.Error as error:
        raise BatchRefusedError(unreadable(path, error)) from error
    if keys.rows is not None and keys.rows != arrived:
        message = f"the manifest counts {keys.rows} keys, {arrived} arrived"
        raise BatchRefusedError(Fault("row_count_mismatch", message, _AGAIN, path))
    unread = " OR ".join(f"{quoted(c.name)} IS NULL" for c in columns if not c.nullable)
    if unread and count(connection, f"SELECT count(*) FROM {table} WHERE {unread}"):
        message = f"has keys that cannot be read as {', '.join(f'{c.name} {c.type}' for c in columns)}"
        raise BatchRefusedError(Fault("unreadable_key", message, _AGAIN, path))
    return KeySet(contract, path, count(connection, f"SELECT count(*) FROM {table}"))
