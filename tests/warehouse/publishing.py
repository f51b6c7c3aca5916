"""A small warehouse to publish: every value of one state carries that state's number, so that a mixture shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import duckdb

from expectations.contract import Contract, contracts, load, stored_columns
from warehouse.connection import connect, literal, quoted, transaction
from warehouse.mart.publish import publish
from warehouse.store.migrate import migrate

RECORDED_AT = datetime(2024, 6, 3, 2, 10)
POLICY = {"policy_id": "default", "policy_version": "1.0.0", "policy_hash": "abc123"}
EXAMPLES = {
    "VARCHAR": "x",
    "DATE": "2024-05-01",
    "TIMESTAMP": "2024-06-03 02:10:00",
    "BOOLEAN": "false",
    "INTEGER": "1",
    "BIGINT": "1",
}


def open_warehouse(home: Path) -> duckdb.DuckDBPyConnection:
    home.mkdir(parents=True, exist_ok=True)
    connection = connect(home / "warehouse.duckdb")
    migrate(connection, RECORDED_AT)
    return connection


def core_and_cultivate(folder: Path) -> Path:
    """A mart in `var` of the folder: 20 core customers, 3 to cultivate with an amount that no float holds."""
    connection = open_warehouse(folder / "var")
    bring_to(connection, 3)
    connection.execute("UPDATE rated.customer_value_history SET effective_tier = 'core'")
    for number in range(3):
        insert(
            connection, "customer_value_history", company_code="1000", customer_id=f"S{number}", revision=1,
            effective_tier="cultivate", net_sales_12m="1234567890123.4567",
        )  # fmt: skip
        insert(connection, "customers", company_code="1000", customer_id=f"S{number}", name="Elbe Ventile AG")
    publish(connection, folder / "var", contracts(), 1, RECORDED_AT)
    connection.close()
    return folder


def insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    *,
    of: str = "(SELECT 1) AS once(_)",
    schema: str | None = None,
    **values: object,
) -> None:
    """A row of a contract's table for each row of `of`, whose columns win over the values given.

    What neither gives is null, or an example where null is not allowed.
    """
    contract = load(table)
    schema = schema or ("erp" if contract.area == "extract" else contract.area)
    given = {**_examples(contract), **values}
    from_rows = [row[0] for row in connection.execute(f"DESCRIBE FROM {of}").fetchall() if row[0] != "_"]
    selected = [quoted(name) for name in from_rows] + [
        f"{_literal(value)} AS {quoted(name)}" for name, value in given.items() if name not in from_rows
    ]
    connection.execute(f"INSERT INTO {schema}.{quoted(table)} BY NAME SELECT {', '.join(selected)} FROM {of}")


def _examples(contract: Contract) -> Mapping[str, object]:
    return {
        column.name: column.allowed[0] if column.allowed else EXAMPLES.get(column.type, "1")
        for column in stored_columns(contract)
        if not column.nullable
    }


def _literal(value: object) -> str:
    return "NULL" if value is None else literal(str(value))


def bring_to(connection: duckdb.DuckDBPyConnection, state: int, customers: int = 20) -> None:
    """Put the warehouse into a numbered state: every customer sold `state` a month, and was rated `state` times."""
    customer = f"(SELECT 'C' || lpad(i::VARCHAR, 4, '0') AS customer_id FROM range({customers}) AS all_of(i))"
    month = "(SELECT unnest([DATE '2024-04-01', DATE '2024-05-01']) AS month)"
    with transaction(connection):
        for table in ("rated.customer_month", "rated.credit_watch", "ops.generation"):
            connection.execute(f"DELETE FROM {table}")
        insert(connection, "customer_month", of=f"{customer}, {month}", company_code="1000", net_sales=state)
        insert(
            connection, "customer_value_history", of=customer,
            company_code="1000", revision=state, net_sales_12m=2 * state, **POLICY,
        )  # fmt: skip
        insert(connection, "credit_watch", of=customer, company_code="1000", open_balance=state)
        connection.execute(
            "INSERT INTO ops.generation (stage, generation, as_of, policy_hash, recorded_at) VALUES ('rating', ?, '2024-06-02', ?, ?)",
            [state, POLICY["policy_hash"], RECORDED_AT],
        )


# What a reader of one consistent mart must see: a single state, everywhere.
STATES_SEEN = """
SELECT list(DISTINCT state ORDER BY state) FROM (
    SELECT generation AS state FROM {mart}.publication
    UNION ALL SELECT net_sales::BIGINT FROM {mart}.customer_month
    UNION ALL SELECT revision FROM {mart}.customer_value
    UNION ALL SELECT open_balance::BIGINT FROM {mart}.credit_watch
    UNION ALL SELECT max(revision) FROM {mart}.customer_value_history
    UNION ALL SELECT (net_sales / 2)::BIGINT FROM {mart}.customer_lifetime
)
"""
