"""The oracle: every figure of a rating computed a second time, in plain DuckDB SQL, from the canonical tables.

The SQL lies in `sql/`, one file a subject, and was written from the domain's text and the contracts, not from the frames
that rate. It reads the schema `erp`, two days and a policy, and leaves its findings in the schema `oracle`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

SQL = Path(__file__).parent / "sql"
EXTRACTS = (
    "customers",
    "products",
    "invoice_lines",
    "receivables",
    "payments",
    "payment_allocations",
    "fx_rates",
    "open_orders",
    "interactions",
    "demand_estimates",
    "customer_assessments",
    "customer_successions",
)
RANKS = {
    "strategic": 6,
    "core": 5,
    "cultivate": 4,
    "new": 3,
    "unrated": 3,
    "marginal": 2,
    "speculative": 2,
    "prospect": 0,
    "succeeded": 0,
}
GRADES = "ABCDE"


def over_warehouse(warehouse: Path, watched_before: pl.DataFrame) -> duckdb.DuckDBPyConnection:
    """An oracle that reads a warehouse file; what the product found there is in the schema `product`.

    `watched_before`: the warnings (CREDIT_WARNING_DAY) that stood on the latest day watched up to the one asked for. An
    extract is delivered where a company ever had a row of it, deleted ones included.
    """
    connection = _fresh()
    _store(connection, "before.credit_watch", watched_before)
    connection.execute(f"ATTACH '{warehouse}' AS warehouse (READ_ONLY)")
    for table in EXTRACTS:
        connection.execute(
            f"""CREATE VIEW erp.{table} AS FROM warehouse.erp.{table};
                INSERT INTO oracle.delivered SELECT DISTINCT company_code, '{table}' FROM erp.{table}"""
        )
    # The warehouse sums cells under the number of the lines; the oracle, as a rating sees them. No two numbers share a cell here.
    connection.execute(
        """CREATE TABLE seen.heir (company_code VARCHAR, customer_id VARCHAR, heir VARCHAR, valid_from DATE);
           CREATE MACRO continued(company, customer) AS
               coalesce((SELECT any_value(heir) FROM seen.heir WHERE company_code = company AND customer_id = customer), customer)"""
    )
    for cells in ("customer_month", "order_day", "sales_cell"):
        connection.execute(
            f"""CREATE VIEW product.{cells} AS SELECT * REPLACE (continued(company_code, customer_id) AS customer_id)
                FROM warehouse.rated.{cells}"""
        )
    connection.execute(
        """CREATE VIEW product.credit_watch AS FROM warehouse.rated.credit_watch;
           CREATE VIEW product.value_curve AS FROM warehouse.rated.value_curve;
           CREATE VIEW product.customer_expectation AS FROM warehouse.rated.customer_expectation;
           CREATE VIEW product.customer_structure AS
               FROM warehouse.rated.customer_structure
               WHERE period = date_trunc('month', getvariable('closed_through')::DATE);
           CREATE VIEW product.customer_value AS
               SELECT history.* FROM warehouse.rated.customer_value_history AS history
               JOIN (SELECT company_code, customer_id, period, max(revision) AS revision
                     FROM warehouse.rated.customer_value_history GROUP BY ALL)
                   USING (company_code, customer_id, period, revision)
               WHERE period = date_trunc('month', getvariable('closed_through')::DATE);
           CREATE VIEW before.decline AS
               SELECT company_code, customer_id, decline_state, decline_since, decline_low_periods, decline_calm_periods
               FROM warehouse.rated.customer_value_history
               WHERE period = date_trunc('month', getvariable('closed_through')::DATE) - INTERVAL 1 MONTH
               QUALIFY row_number() OVER (PARTITION BY company_code, customer_id ORDER BY revision DESC) = 1"""
    )
    return connection


def over_frames(
    extracts: Mapping[str, pl.DataFrame],
    delivered: Iterable[str],
    product: Mapping[str, pl.DataFrame],
    watched_before: pl.DataFrame,
) -> duckdb.DuckDBPyConnection:
    """An oracle over frames of the canonical tables, one an extract, and what the product made of them."""
    connection = _fresh()
    _store(connection, "before.credit_watch", watched_before)
    connection.execute(
        """CREATE TABLE before.decline (company_code VARCHAR, customer_id VARCHAR, decline_state VARCHAR, decline_since DATE,
               decline_low_periods INTEGER, decline_calm_periods INTEGER)"""
    )
    for table, rows in extracts.items():
        _store(connection, f"erp.{table}", rows.with_columns(is_deleted=False))
    for table, rows in product.items():
        _store(connection, f"product.{table}", rows)
    for table in delivered:
        connection.execute(
            f"""INSERT INTO oracle.delivered
                SELECT company_code, '{table}' FROM (FROM erp.customers SELECT company_code
                    UNION FROM erp.invoice_lines SELECT company_code UNION FROM erp.receivables SELECT company_code)"""
        )
    return connection


def consult(
    connection: duckdb.DuckDBPyConnection, policy: Mapping[str, Any], *, closed_through: date, as_of: date
) -> None:
    """Compute everything at two days under a policy's sections, as its TOML says them.

    NotImplementedError where the policy scores p_alive: a maximum-likelihood fit is not a matter of SQL.
    """
    if policy["loyalty"]["p_alive"] == "scored":
        raise NotImplementedError("the oracle knows no fitted p_alive")
    categories = ", ".join(_literal(name) for name in policy["loyalty"]["no_order_categories"])
    connection.execute(f'SET VARIABLE "loyalty.no_order_categories" = [{categories}]::VARCHAR[]')
    _set(connection, "closed_through", closed_through)
    _set(connection, "as_of", as_of)
    for key, value in _flat(policy):
        _set(connection, key, value)
    scales, credit = policy["measures"], policy["credit"]
    for name, columns, rows in (
        ("rank", "tier VARCHAR, rank INTEGER", RANKS.items()),
        ("weight", "measure VARCHAR, weight DECIMAL(18, 6)", [(name, scale["weight"]) for name, scale in scales.items()]),
        (
            "breakpoint",
            "measure VARCHAR, value DECIMAL(24, 6), score DECIMAL(18, 4)",
            [(name, *point) for name, scale in scales.items() for point in scale["breakpoints"]],
        ),
        ("service_cost", "kind VARCHAR, cost DECIMAL(18, 4)", policy["contribution"]["service_cost"].items()),
        ("grade_action", "grade VARCHAR, action VARCHAR", credit["action_by_grade"].items()),
        (
            "grade_bar",  # beyond the last bar lies E
            "figure VARCHAR, grade VARCHAR, bar DECIMAL(24, 6)",
            [(name, *pair) for name, bars in credit["grades"].items() for pair in zip(GRADES, (*bars, None), strict=True)],
        ),
    ):  # fmt: skip
        values = ", ".join(f"({', '.join(map(_literal, row))})" for row in rows)
        connection.execute(
            f"CREATE OR REPLACE TABLE oracle.{name} ({columns}); INSERT INTO oracle.{name} VALUES {values}"
        )
    for file in sorted(SQL.glob("*.sql")):
        connection.execute(file.read_text("utf-8"))


def _fresh() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        """CREATE SCHEMA erp; CREATE SCHEMA seen; CREATE SCHEMA oracle; CREATE SCHEMA product; CREATE SCHEMA before;
           CREATE TABLE oracle.delivered (company_code VARCHAR, table_name VARCHAR)"""
    )
    return connection


def _store(connection: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame) -> None:
    connection.register("rows_to_store", rows)
    connection.execute(f"CREATE TABLE {table} AS FROM rows_to_store")
    connection.unregister("rows_to_store")


def _flat(section: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """The policy's plain values by their dotted keys."""
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{key}.")
        elif not isinstance(value, list):
            yield f"{path}{key}", value


def _set(connection: duckdb.DuckDBPyConnection, name: str, value: object) -> None:
    connection.execute(f'SET VARIABLE "{name}" = {_literal(value)}')


def _literal(value: object) -> str:
    """A value as SQL: a number with its decimals exact, everything else quoted."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | Decimal):
        return f"{Decimal(value):f}::DECIMAL(24, 6)"
    if isinstance(value, date):
        return f"DATE '{value}'"
    escaped = str(value).replace("'", "''")
    return f"'{escaped}'"
