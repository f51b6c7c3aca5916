"""What the report's page of one customer shows, asked of one published mart for all of them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from warehouse.connection import count
from warehouse.published_files import Row, attached, rows

# Nobody reads more, and each takes milliseconds of every refresh. Who is left out is told by `explain`.
MOST_PAGES = 500
MOST_PERIODS = 25
MOST_MOVES = 12


@dataclass(slots=True)
class CustomerData:
    """One customer: its current rating with its master data, and what lies beside and behind it."""

    value: Row
    periods: list[Row] = field(
        default_factory=list
    )  # rated periods in order: score, effective_tier, net_sales_12m
    months: list[Row] = field(
        default_factory=list
    )  # every month of the last two years: net_sales, contribution
    moves: list[Row] = field(default_factory=list)  # latest first
    credit: list[Row] = field(default_factory=list)  # one row, or none where there are no receivables
    conduct: list[Row] = field(default_factory=list)  # one a kind
    next_action: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Watched:
    """The customers that get a page, and how many should have one."""

    customers: list[CustomerData]
    total: int


def read(mart_file: Path) -> Watched:
    """The strategic and the watched customers: those whose tier, credit or conduct somebody should keep an eye on.

    At most MOST_PAGES: partners first, then whom credit or conduct stops, then the largest.
    """
    with attached(mart=mart_file) as connection:
        connection.execute(f"CREATE TEMP TABLE watched AS {_WATCHED}")
        connection.execute(f"CREATE TEMP TABLE chosen AS FROM watched WHERE place <= {MOST_PAGES}")
        found = {
            (row["company_code"], row["customer_id"]): CustomerData(row)
            for row in rows(
                connection,
                "SELECT value.* FROM mart.customer_value AS value SEMI JOIN chosen USING (company_code, customer_id) "
                "ORDER BY company_code, customer_id",
            )
        }
        for part, sql in _PARTS.items():
            for row in rows(connection, sql):
                getattr(found[row["company_code"], row["customer_id"]], part).append(row)
        return Watched(list(found.values()), count(connection, "SELECT count(*) FROM watched"))


_WATCHED = """
    WITH conduct AS (
        SELECT company_code, customer_id, bool_or(confidence = 'confirmed') AS is_confirmed
        FROM mart.conduct_finding
        WHERE confidence IN ('confirmed', 'suspected')
        GROUP BY ALL
    )
    SELECT company_code, customer_id, row_number() OVER (
        ORDER BY effective_tier = 'strategic' DESC,
            coalesce(credit_action = 'stop', false) OR coalesce(is_confirmed, false) DESC,
            net_sales_12m DESC NULLS LAST, company_code, customer_id
    ) AS place
    FROM mart.customer_value LEFT JOIN conduct USING (company_code, customer_id)
    WHERE effective_tier = 'strategic' OR watch_tier IS NOT NULL OR credit_action IN ('prepay', 'stop')
        OR is_confirmed IS NOT NULL
"""

_PARTS = {
    "periods": f"""
        SELECT company_code, customer_id, period, score, effective_tier, effective_rank, net_sales_12m
        FROM (
            FROM mart.customer_value_history SEMI JOIN chosen USING (company_code, customer_id)
            QUALIFY row_number() OVER (PARTITION BY company_code, customer_id, period ORDER BY revision DESC) = 1
        )
        QUALIFY row_number() OVER (PARTITION BY company_code, customer_id ORDER BY period DESC) <= {MOST_PERIODS}
        ORDER BY company_code, customer_id, period
        """,
    # A month without a line is a month of no sales; before the first one there is nothing to show.
    "months": """
        WITH life AS (
            SELECT company_code, customer_id, min(month) AS first
            FROM mart.customer_month SEMI JOIN chosen USING (company_code, customer_id)
            GROUP BY ALL
        ),
        shown AS (
            SELECT life.company_code, life.customer_id, unnest(generate_series(
                greatest(life.first, (value.period - INTERVAL 23 MONTHS)::DATE), value.period, INTERVAL 1 MONTH
            ))::DATE AS month
            FROM life JOIN mart.customer_value AS value USING (company_code, customer_id)
        )
        SELECT company_code, customer_id, month, coalesce(net_sales, 0) AS net_sales, contribution
        FROM shown LEFT JOIN mart.customer_month USING (company_code, customer_id, month)
        ORDER BY company_code, customer_id, month
        """,
    "moves": f"""
        SELECT company_code, customer_id, period, from_tier, to_tier, direction, cause, score_from, score_to, reasons
        FROM mart.tier_change SEMI JOIN chosen USING (company_code, customer_id)
        QUALIFY row_number() OVER (
            PARTITION BY company_code, customer_id ORDER BY period DESC, revision DESC, recorded_at DESC
        ) <= {MOST_MOVES}
        ORDER BY company_code, customer_id, period DESC, revision DESC, recorded_at DESC
        """,
    "credit": """
        SELECT *, overdue_1_30 + overdue_31_60 + overdue_61_90 + overdue_over_90 AS overdue
        FROM mart.credit_watch SEMI JOIN chosen USING (company_code, customer_id)
        """,
    "conduct": """
        FROM mart.conduct_finding SEMI JOIN chosen USING (company_code, customer_id)
        ORDER BY company_code, customer_id, kind
        """,
    "next_action": "FROM mart.next_action SEMI JOIN chosen USING (company_code, customer_id)",
}
