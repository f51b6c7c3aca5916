"""What was searched for in texts before there were reasons is taken over once, by the migration."""

from __future__ import annotations

from datetime import date, datetime

import duckdb

from tests.warehouse.publishing import POLICY
from warehouse.connection import insert
from warehouse.store.migrate import migrate, migrations

REASONS = 20
NOW = datetime(2026, 11, 28)


def before(connection: duckdb.DuckDBPyConnection) -> None:
    """A warehouse as the version before the reasons left it."""
    for step in migrations():
        if step.number < REASONS:
            connection.execute(step.sql)
            insert(
                connection,
                "ops.migration",
                {"number": step.number, "name": step.name, "applied_at": NOW},
            )


def fill(connection: duckdb.DuckDBPyConnection, table: str, **given: object) -> None:
    """A row of a table as it is now: what is not given is null, or something where that is not allowed."""
    schema, name = table.split(".")
    usual = {"VARCHAR": "x", "DATE": date(2024, 1, 1), "TIMESTAMP": NOW, "BOOLEAN": False}
    columns = connection.execute(
        "SELECT column_name, data_type, is_nullable FROM duckdb_columns() WHERE schema_name = ? AND table_name = ?",
        [schema, name],
    ).fetchall()
    needed = {column: usual.get(kind, 0) for column, kind, nullable in columns if not nullable}
    insert(connection, table, needed | given)


def test_caps_and_warnings_of_an_earlier_version_keep_their_causes() -> None:
    with duckdb.connect() as connection:
        before(connection)
        for customer, reason in {
            "A": "confirmed_conduct, credit_stop",
            "B": "credit_stop",
            "C": None,
        }.items():
            fill(
                connection, "rated.customer_value_history", **POLICY, customer_id=customer, cap_reason=reason
            )
            fill(
                connection,
                "rated.credit_warning_day",
                customer_id=customer,
                warning_causes={"A": "grade, utilisation", "B": "action"}.get(customer),
            )
        migrate(connection, NOW)
        caps = connection.execute(
            "SELECT customer_id, capped_by_confirmed_conduct, capped_by_credit_stop, cap_reason "
            "FROM rated.customer_value_history ORDER BY ALL"
        ).fetchall()
        causes = connection.execute(
            "SELECT customer_id, causes FROM rated.credit_warning_day ORDER BY ALL"
        ).fetchall()
    assert caps == [
        ("A", True, True, "confirmed_conduct, credit_stop"),
        ("B", False, True, "credit_stop"),
        ("C", None, None, None),
    ]
    assert causes == [("A", ["grade", "utilisation"]), ("B", ["action"]), ("C", None)]
