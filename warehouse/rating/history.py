"""Rated rows: the history by customer, period and revision, the moves, the current credit watch, and warnings by day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import polars as pl

from expectations.contract import load as load_contract
from warehouse.connection import add_frame, frame, lent, quoted

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


def rows_before(
    connection: duckdb.DuckDBPyConnection, company: str, period: date, customers: list[str]
) -> pl.DataFrame:
    """The latest revisions of some customers in every period before one."""
    columns = ", ".join(quoted(name) for name in load_contract("customer_value_history").column_names)
    return frame(
        connection,
        f"""SELECT {columns} FROM rated.customer_value_history
            WHERE company_code = $company AND period < $period
                AND customer_id IN (SELECT unnest($customers::VARCHAR[])) {_LATEST}""",
        {"company": company, "period": period, "customers": customers},
    )


def current_rows(connection: duckdb.DuckDBPyConnection, table: str, company: str) -> pl.DataFrame:
    """A company's rows of a current rated table."""
    columns = ", ".join(quoted(name) for name in load_contract(table).column_names)
    sql = f"SELECT {columns} FROM rated.{quoted(table)} WHERE company_code = $company"
    return frame(connection, sql, {"company": company})


def forecast_periods(connection: duckdb.DuckDBPyConnection, company: str) -> list[date]:
    """The periods of a company whose forecasts are kept, in order."""
    rows = connection.execute(
        "SELECT DISTINCT period FROM rated.customer_forecast WHERE company_code = ? ORDER BY period",
        [company],
    ).fetchall()
    return [period for (period,) in rows]


def forecasts_of(connection: duckdb.DuckDBPyConnection, company: str, periods: list[date]) -> pl.DataFrame:
    """A company's kept forecasts of some periods."""
    columns = ", ".join(quoted(name) for name in load_contract("customer_forecast").column_names)
    return frame(
        connection,
        f"""SELECT {columns} FROM rated.customer_forecast
            WHERE company_code = $company AND period IN (SELECT unnest($periods::DATE[]))""",
        {"company": company, "periods": periods},
    )


def warnings_standing(connection: duckdb.DuckDBPyConnection, company: str, as_of: date) -> pl.DataFrame:
    """A company's credit warnings on the latest watched day before `as_of`; none where no such day is, or none stood."""
    columns = ", ".join(quoted(name) for name in load_contract("credit_warning_day").column_names)
    return frame(
        connection,
        f"""SELECT {columns} FROM rated.credit_warning_day
            WHERE company_code = $company AND as_of =
                (SELECT max(as_of) FROM rated.credit_watch_day WHERE company_code = $company AND as_of < $as_of)""",
        {"company": company, "as_of": as_of},
    )


def seen_until(connection: duckdb.DuckDBPyConnection, company: str, as_of: date) -> datetime | None:
    """Up to when undated facts were read for a watched day; None where the day was not watched, or by an earlier version."""
    rows = connection.execute(
        "SELECT seen_until FROM rated.credit_watch_day WHERE company_code = ? AND as_of = ?", [company, as_of]
    ).fetchall()
    return rows[0][0] if rows else None


def keep_warnings(
    connection: duckdb.DuckDBPyConnection,
    company: str,
    as_of: date,
    warnings: pl.DataFrame,
    seen: datetime | None = None,
) -> None:
    """Put a company's credit warnings of a watched day in the place of what an earlier watch of that day found.

    `seen`: up to when undated facts were read for it.
    """
    for table in ("credit_warning_day", "credit_watch_day"):
        connection.execute(
            f"DELETE FROM rated.{quoted(table)} WHERE company_code = ? AND as_of = ?", [company, as_of]
        )
    append(connection, "credit_warning_day", warnings)
    connection.execute(
        """INSERT INTO rated.credit_watch_day (company_code, as_of, seen_until, follows)
           SELECT $company, $as_of::DATE, $seen::TIMESTAMP, max(as_of)
           FROM rated.credit_watch_day WHERE company_code = $company AND as_of < $as_of""",
        {"company": company, "as_of": as_of, "seen": seen},
    )


def doubt_warnings(connection: duckdb.DuckDBPyConnection, company: str, since: date) -> None:
    """Note that what stood on the watched days from one on is to be found anew, since facts of then have changed."""
    connection.execute(
        "UPDATE rated.credit_watch_day SET follows = as_of WHERE company_code = ? AND as_of >= ?",
        [company, since],
    )


def doubtful_days(connection: duckdb.DuckDBPyConnection, company: str, before: date) -> list[date]:
    """The watched days before a day whose warnings are to be found anew, in order.

    Those from the first one on that follows another day than it was remembered from: a day was watched in between since, or
    the day is in doubt.
    """
    rows = connection.execute(
        """WITH chain AS (
               SELECT as_of, follows IS DISTINCT FROM lag(as_of) OVER (ORDER BY as_of) AS is_doubtful
               FROM rated.credit_watch_day WHERE company_code = $company)
           SELECT as_of FROM chain
           WHERE as_of < $before AND as_of >= (SELECT min(as_of) FROM chain WHERE is_doubtful) ORDER BY as_of""",
        {"company": company, "before": before},
    ).fetchall()
    return [day for (day,) in rows]


def rows_of(connection: duckdb.DuckDBPyConnection, ratings: pl.DataFrame) -> pl.DataFrame:
    """The history's rows of these ratings: company_code, customer_id, period, revision; those that it has."""
    columns = ", ".join(quoted(name) for name in load_contract("customer_value_history").column_names)
    with lent(connection, "wanted_ratings", ratings):
        return frame(
            connection,
            f"""SELECT {columns} FROM rated.customer_value_history
                SEMI JOIN wanted_ratings USING (company_code, customer_id, period, revision)""",
        )


def replace_moves(
    connection: duckdb.DuckDBPyConnection,
    company: str,
    period: date,
    moves: pl.DataFrame,
    reasons: pl.DataFrame,
) -> pl.DataFrame:
    """Put a company's moves into a period, with their reasons, in the place of the ones before; those that are other moves.

    `moves`: tier_change rows but for the event. A move that was there keeps the event that told of it, and the time it was
    recorded.
    """
    same = ["customer_id", "from_tier", "to_tier"]
    before = frame(
        connection,
        """SELECT customer_id, from_tier, to_tier, event_id, supersedes, recorded_at AS recorded_before FROM rated.tier_change
           WHERE company_code = $company AND period = $period
           QUALIFY row_number() OVER (PARTITION BY customer_id, from_tier, to_tier ORDER BY revision DESC) = 1""",
        {"company": company, "period": period},
    )
    merged = moves.join(before, on=same, how="left", nulls_equal=True, validate="1:1")
    kept = merged.with_columns(recorded_at=pl.coalesce("recorded_before", "recorded_at"))
    replace_period(connection, "tier_change", company, period, kept.drop("recorded_before"))
    key = ["company_code", "customer_id", "period", "revision"]
    replace_period(
        connection, "reason", company, period, reasons.join(kept.select(*key, "event_id"), on=key, how="left")
    )
    return merged.filter(pl.col("recorded_before").is_null()).drop(
        "recorded_before", "event_id", "supersedes"
    )


def name_events(connection: duckdb.DuckDBPyConnection, told: pl.DataFrame) -> None:
    """Note which event told of a move: of each customer's last one, if it led to the tier that was told.

    Columns: company_code, customer_id, to_tier, event_id, supersedes.
    """
    with lent(connection, "told_tiers", told):
        connection.execute(
            """CREATE OR REPLACE TEMP TABLE told_move AS
               SELECT company_code, customer_id, period, revision, told.event_id, told.supersedes
               FROM (FROM rated.tier_change SEMI JOIN told_tiers USING (company_code, customer_id)
                     QUALIFY row_number() OVER (PARTITION BY company_code, customer_id ORDER BY period DESC, revision DESC) = 1) AS move
               JOIN told_tiers AS told USING (company_code, customer_id, to_tier)"""
        )
    for table, columns in (("tier_change", ("event_id", "supersedes")), ("reason", ("event_id",))):
        settings = ", ".join(f"{column} = told_move.{column}" for column in columns)
        connection.execute(
            f"""UPDATE rated.{table} SET {settings} FROM told_move
                WHERE {table}.company_code = told_move.company_code AND {table}.customer_id = told_move.customer_id
                  AND {table}.period = told_move.period AND {table}.revision = told_move.revision"""
        )


def append(connection: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame) -> None:
    """Add rows to a rated table that only ever grows."""
    if rows.height:
        add_frame(connection, f"rated.{quoted(table)}", rows)


def replace(connection: duckdb.DuckDBPyConnection, table: str, company: str, rows: pl.DataFrame) -> None:
    """Put a company's rows of a current table in the place of the old ones."""
    connection.execute(f"DELETE FROM rated.{quoted(table)} WHERE company_code = ?", [company])
    append(connection, table, rows)


def replace_reasons(
    connection: duckdb.DuckDBPyConnection, company: str, table: str, rows: pl.DataFrame
) -> None:
    """Put the reasons of a company's rows of a current table in the place of the old ones; none is of a tier change."""
    connection.execute(
        "DELETE FROM rated.reason WHERE company_code = ? AND starts_with(about, ?)",
        [company, f"{table}."],
    )
    append(connection, "reason", rows)


def replace_period(
    connection: duckdb.DuckDBPyConnection, table: str, company: str, period: date, rows: pl.DataFrame
) -> None:
    """Put a company's rows of one period in the place of the old ones."""
    connection.execute(
        f"DELETE FROM rated.{quoted(table)} WHERE company_code = ? AND period = ?", [company, period]
    )
    append(connection, table, rows)
