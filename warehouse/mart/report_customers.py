"""What the report's page of one customer shows, asked of one published mart for all of them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from warehouse.connection import count
from warehouse.mart import reasons
from warehouse.mart.files import Row, attached, rows

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
        connection.execute(
            f"CREATE TEMP TABLE chosen AS FROM mart.watched_customer WHERE place <= {MOST_PAGES}"
        )
        known = reasons.of_chosen(connection, "chosen")

        def explained(row: Row, *texts: str) -> Row:
            for text in texts:
                row = reasons.beside(row, known, text)
            return row

        found = {
            (row["company_code"], row["customer_id"]): CustomerData(
                explained(row, "customer_value.watch_gap", "customer_value.cap_reason")
            )
            for row in rows(
                connection,
                "SELECT value.* FROM mart.customer_value AS value SEMI JOIN chosen USING (company_code, customer_id) "
                "ORDER BY company_code, customer_id",
            )
        }
        for part, sql in _PARTS.items():
            for row in rows(connection, sql):
                shown = explained(row, *_TEXTS.get(part, ()))
                getattr(found[row["company_code"], row["customer_id"]], part).append(shown)
        return Watched(list(found.values()), count(connection, "SELECT count(*) FROM mart.watched_customer"))


_TEXTS = {
    "moves": ("tier_change.reasons",),
    "credit": ("credit_watch.action_reason",),
    "conduct": ("conduct_finding.evidence",),
    "next_action": ("next_action.reason",),
}

_PARTS = {
    "periods": f"""
        SELECT company_code, customer_id, period, score, effective_tier, effective_rank, net_sales_12m
        FROM mart.customer_period SEMI JOIN chosen USING (company_code, customer_id)
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
        SELECT company_code, customer_id, period, revision, from_tier, to_tier, direction, cause, score_from, score_to, reasons
        FROM mart.tier_change SEMI JOIN chosen USING (company_code, customer_id)
        QUALIFY row_number() OVER (
            PARTITION BY company_code, customer_id ORDER BY period DESC, revision DESC, recorded_at DESC
        ) <= {MOST_MOVES}
        ORDER BY company_code, customer_id, period DESC, revision DESC, recorded_at DESC
        """,
    "credit": """
        FROM mart.credit_watch JOIN mart.customer_overdue USING (company_code, customer_id)
        SEMI JOIN chosen USING (company_code, customer_id)
        """,
    "conduct": """
        FROM mart.conduct_finding SEMI JOIN chosen USING (company_code, customer_id)
        ORDER BY company_code, customer_id, kind
        """,
    "next_action": "FROM mart.next_action SEMI JOIN chosen USING (company_code, customer_id)",
}
