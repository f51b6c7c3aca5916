"""Rated rows: the history by customer, period and revision, the moves, the current credit watch, and warnings by day."""

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


def warnings_standing(connection: duckdb.DuckDBPyConnection, company: str, as_of: date) -> pl.DataFrame:
    """A company's credit warnings on the latest watched day up to `as_of`; none where no such day is, or none stood."""
    columns = ", ".join(quoted(name) for name in load_contract("credit_warning_day").column_names)
    return frame(
        connection,
        f"""SELECT {columns} FROM rated.credit_warning_day
            WHERE company_code = $company AND as_of =
                (SELECT max(as_of) FROM rated.credit_watch_day WHERE company_code = $company AND as_of <= $as_of)""",
        {"company": company, "as_of": as_of},
    )


def keep_warnings(
    connection: duckdb.DuckDBPyConnection, company: str, as_of: date, warnings: pl.DataFrame
) -> None:
    """Put a company's credit warnings of a watched day in the place of what an earlier watch of that day found."""
    for table in ("credit_warning_day", "credit_watch_day"):
        connection.execute(
            f"DELETE FROM rated.{quoted(table)} WHERE company_code = ? AND as_of = ?", [company, as_of]
        )
    append(connection, "credit_warning_day", warnings)
    connection.execute("INSERT INTO rated.credit_watch_day VALUES (?, ?)", [company, as_of])


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
