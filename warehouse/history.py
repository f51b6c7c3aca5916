"""Rated rows: the history by customer, period and revision, the moves, and the current credit watch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from expectations.contract import load as load_contract
from warehouse.connection import frame, quoted

_LATEST = "QUALIFY row_number() OVER (PARTITION BY customer_id, period ORDER BY revision DESC) = 1"


@dataclass(frozen=True, slots=True)
class RatedPeriod:
    """A period that was rated before: when it was looked at last, and under which policy."""

    period: date
    as_of: date
    policy_hash: str


def rated_periods(connection: duckdb.DuckDBPyConnection, company: str) -> list[RatedPeriod]:
    """The company's rated periods in order, each with its latest `as_of` and that rating's policy."""
    rows = connection.execute(
        """SELECT period, max(as_of), arg_max(policy_hash, (as_of, revision)) FROM rated.customer_value_history
           WHERE company_code = ? GROUP BY period ORDER BY period""",
        [company],
    ).fetchall()
    return [RatedPeriod(*row) for row in rows]


def latest_rows(connection: duckdb.DuckDBPyConnection, company: str, period: date) -> pl.DataFrame:
    """The latest revision of every customer in one period; no rows where the period was never rated."""
    columns = ", ".join(quoted(name) for name in load_contract("customer_value_history").column_names)
    return frame(
        connection,
        f"""SELECT {columns} FROM rated.customer_value_history
            WHERE company_code = $company AND period = $period {_LATEST}""",
        {"company": company, "period": period},
    )


def current_rows(connection: duckdb.DuckDBPyConnection, table: str, company: str) -> pl.DataFrame:
    """A company's rows of a current rated table."""
    columns = ", ".join(quoted(name) for name in load_contract(table).column_names)
    sql = f"SELECT {columns} FROM rated.{quoted(table)} WHERE company_code = $company"
    return frame(connection, sql, {"company": company})


def append(connection: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame) -> None:
    """Add rows to a rated table that only ever grows."""
    if rows.height:
        connection.register("new_rows", rows)
        try:
            connection.execute(f"INSERT INTO rated.{quoted(table)} BY NAME FROM new_rows")
        finally:
            connection.unregister("new_rows")


def replace(connection: duckdb.DuckDBPyConnection, table: str, company: str, rows: pl.DataFrame) -> None:
    """Put a company's rows of a current table in the place of the old ones."""
    connection.execute(f"DELETE FROM rated.{quoted(table)} WHERE company_code = ?", [company])
    append(connection, table, rows)


def replace_period(
    connection: duckdb.DuckDBPyConnection, table: str, company: str, period: date, rows: pl.DataFrame
) -> None:
    """Put a company's rows of one period in the place of the old ones."""
    connection.execute(
        f"DELETE FROM rated.{quoted(table)} WHERE company_code = ? AND period = ?", [company, period]
    )
    append(connection, table, rows)
