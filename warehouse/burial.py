"""Soft deletes by a set of keys: what the warehouse holds of the source and the set does not name is gone."""

from __future__ import annotations

import duckdb

from warehouse import cells
from warehouse.batch import KEY_SET, Batch
from warehouse.classify import ORDER, OWN_ORDER, order_of, same_key
from warehouse.connection import count, quoted
from warehouse.faults import BatchRefusedError, Fault
from warehouse.key_sets import KeySet
from warehouse.ledger import TableOutcome


def bury_absent(
    connection: duckdb.DuckDBPyConnection, batch: Batch, keys: KeySet, *, shrink_limit: float
) -> TableOutcome:
    """Mark as deleted the source's own rows, not newer than the batch, whose key is not there any more.

    BatchRefusedError where that would be more than may go at once.
    """
    table = f"erp.{quoted(keys.name)}"
    own = "company_code = $company AND source_system = $source AND NOT is_deleted"
    about = {"company": batch.company, "source": batch.source}
    connection.execute("CREATE OR REPLACE TEMP TABLE absent (target BIGINT)")
    connection.execute(
        f"""INSERT INTO absent
            SELECT t.rowid FROM {table} AS t
            WHERE {own} AND ({ORDER}) < ({OWN_ORDER})
              AND NOT EXISTS (SELECT 1 FROM scratch.key_set.{quoted(keys.name)} AS s
                              WHERE {same_key(keys.contract, "s", "t")})""",
        {**about, **order_of(batch)},
    )
    gone = count(connection, "SELECT count(*) FROM absent")
    live = count(connection, f"SELECT count(*) FROM {table} WHERE {own}", about)
    if gone > live * shrink_limit or (gone and not keys.rows):
        message = (
            f"the keys lack {gone} of {live} live rows of {keys.name}, "
            f"more than the {shrink_limit:.0%} that may go at once"
        )
        remedy = "Check the query of the keys; if the rows are really gone, raise shrink_limit for this run."
        raise BatchRefusedError(Fault("snapshot_shrunk", message, remedy, keys.file))
    if gone:
        cells.mark_absent(connection, keys.contract, batch.company)
        connection.execute(
            f"""UPDATE {table} SET is_deleted = true, (batch_sequence, recorded_at, batch_id) = ({OWN_ORDER})
                WHERE rowid IN (SELECT target FROM absent)""",
            order_of(batch),
        )
    outcome = TableOutcome(f"keys of {keys.name}", f"keys of {keys.name}", True, KEY_SET, keys.rows, "")  # noqa: FBT003
    outcome.accepted = outcome.unchanged = keys.rows
    outcome.deleted = gone
    return outcome
