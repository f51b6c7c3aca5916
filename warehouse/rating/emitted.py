"""What consumers were told last, kind by kind, and on which days it was told; all inside the rating's transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import polars as pl

from warehouse.connection import frame, insert, lent, scalar


@dataclass(frozen=True, slots=True)
class EmittedDay:
    """The latest day at whose end a company's consumers were told what differs, its period, and that period's policy."""

    company: str
    as_of: date
    period: date
    policy_hash: str


def latest(connection: duckdb.DuckDBPyConnection) -> list[EmittedDay]:
    """The latest told day of each company, in order."""
    rows = connection.execute(
        """WITH latest AS (SELECT company_code, max(as_of) AS as_of, max_by(period, as_of) AS period FROM ops.emitted_day GROUP BY ALL)
           SELECT latest.company_code, latest.as_of, latest.period, max_by(policy_hash, (history.as_of, revision))
           FROM latest JOIN rated.customer_value_history AS history USING (company_code, period)
           GROUP BY ALL ORDER BY 1"""
    ).fetchall()
    return [EmittedDay(*row) for row in rows]


def state(connection: duckdb.DuckDBPyConnection, company: str) -> pl.DataFrame:
    """A company's emitted state: a row a customer and kind."""
    return frame(
        connection,
        """SELECT company_code, customer_id, kind, emitted, since, period, revision, event_id, state_version
           FROM ops.emitted_state WHERE company_code = $company""",
        {"company": company},
    )


def keep(connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame) -> None:
    """Put what was told, or taken for known, in the place of what was told of the same customers and kinds before."""
    if rows.is_empty():
        return
    with lent(connection, "emitted_now", rows):
        connection.execute(
            """DELETE FROM ops.emitted_state
               WHERE (company_code, customer_id, kind) IN (SELECT (company_code, customer_id, kind) FROM emitted_now);
               INSERT INTO ops.emitted_state BY NAME FROM emitted_now"""
        )


def latest_day(connection: duckdb.DuckDBPyConnection, company: str | None = None) -> date | None:
    """The latest day at whose end it was told what differs, of a company or of any; None before the first."""
    day = scalar(
        connection,
        "SELECT max(as_of) FROM ops.emitted_day WHERE $company IS NULL OR company_code = $company",
        {"company": company},
    )
    return day if isinstance(day, date) else None


def periods(connection: duckdb.DuckDBPyConnection, company: str) -> list[date]:
    """The periods that were the latest when it was told what differs: consumers know of them."""
    rows = connection.execute(
        "SELECT DISTINCT period FROM ops.emitted_day WHERE company_code = ? ORDER BY 1", [company]
    ).fetchall()
    return [period for (period,) in rows]


def note_day(
    connection: duckdb.DuckDBPyConnection, company: str, as_of: date, period: date, recorded_at: datetime
) -> None:
    """Note that at the end of a day it was told what differs."""
    connection.execute("DELETE FROM ops.emitted_day WHERE company_code = ? AND as_of = ?", [company, as_of])
    insert(
        connection,
        "ops.emitted_day",
        {"company_code": company, "as_of": as_of, "period": period, "recorded_at": recorded_at},
    )
