"""What a reading command asks of a state of the warehouse that is published to nobody."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from expectations.contract import Contract
from warehouse.connection import transaction
from warehouse.mart.publish import building, fill_table

# All that `queries.customer_file` reads.
OF_ONE_CUSTOMER = (
    "customer",
    "customer_month",
    "customer_value_history",
    "tier_change",
    "credit_watch",
    "conduct_finding",
    "next_action",
    "customer_expectation",
    "reason",
)


def excerpt(
    connection: duckdb.DuckDBPyConnection, contracts: Sequence[Contract], names: Sequence[str], folder: Path
) -> Path:
    """A file in a folder of the caller's, with these tables of the mart as the connection's warehouse has them."""
    by_name = {contract.name: contract for contract in contracts}
    with building(connection, folder / "excerpt.duckdb") as made, transaction(connection, is_guarded=False):
        for name in names:
            fill_table(connection, by_name[name])
    return made
