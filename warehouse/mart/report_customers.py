"""What the report's page of one customer shows, asked of one published mart for many of them together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from warehouse.connection import literal
from warehouse.mart import reasons
from warehouse.mart.files import Row, attached, rows

MOST_PERIODS = 25
MOST_MOVES = 12


@dataclass(slots=True)
class CustomerData:
    """One customer: its current rating with its master data, and what lies beside and behind it."""

    value: Row
    master: list[Row] = field(default_factory=list)  # one row: who it is, and who sells to it
    year: list[Row] = field(default_factory=list)  # one row: against the same months of last year
    explanation: list[Row] = field(default_factory=list)  # one row: what holds the tier, and what moves it
    partner: list[Row] = field(default_factory=list)  # joint work; one row of a strategic partner, else none
    periods: list[Row] = field(default_factory=list)  # rated periods in order: score, effective_tier
    months: list[Row] = field(
        default_factory=list
    )  # every month of the last two years: net_sales, net_sales_year_before (null before the data begin)
    products: list[Row] = field(
        default_factory=list
    )  # one a product group, the largest first: net_sales of 12 months, and of those before (null before the data begin)
    white_spots: list[Row] = field(default_factory=list)  # the largest first
    new_products: list[Row] = field(
        default_factory=list
    )  # in introduction or growth, that it bought; the last begun first
    imports: list[Row] = field(
        default_factory=list
    )  # product groups it imports or imported, the largest demand first
    actions: list[Row] = field(
        default_factory=list
    )  # what was done about it, latest first, and what it bought after three and after six months, on the year before
    moves: list[Row] = field(default_factory=list)  # latest first
    credit: list[Row] = field(default_factory=list)  # one row, or none where there are no receivables
    conduct: list[Row] = field(default_factory=list)  # one a kind
    next_action: list[Row] = field(default_factory=list)
    expectation: list[Row] = field(default_factory=list)  # one row: what it is expected to bring


Key = tuple[str, str]
"""A company, and a customer's number in its books."""


def ranked(mart_file: Path, named: Collection[Key] = ()) -> list[Key]:
    """Every rated customer, the most pressing first: those who are named elsewhere, partners and watched ones, the largest.

    NothingPublishedError where no mart is out.
    """
    with attached(mart=mart_file) as connection:
        pairs = _listed(sorted(named)) if named else "SELECT '', '' WHERE false"
        found = rows(connection, _RANKED.format(named=pairs))
    return [(row["company_code"], row["customer_id"]) for row in found]


def read_in_turn(mart_file: Path, groups: Iterable[Collection[Key]]) -> Iterator[list[CustomerData]]:
    """The customers of each group, one group at a time, for all of them together would fill the memory.

    NothingPublishedError where no mart is out.
    """
    with attached(mart=mart_file) as connection:
        _look_at_everybody(connection)
        for group in groups:
            yield _data(connection, group)


def _look_at_everybody(connection: duckdb.DuckDBPyConnection) -> None:
    """Ask once what compares customers, or each with itself, and when each company begins: that takes as long for one as for all."""
    for view in _OF_EVERYBODY:
        connection.execute(f"CREATE TEMP TABLE {view} AS FROM mart.{view}")
    connection.execute(
        "CREATE TEMP TABLE begins AS SELECT company_code, min(month) AS begins FROM mart.customer_month GROUP BY ALL"
    )


def _data(connection: duckdb.DuckDBPyConnection, keys: Collection[Key]) -> list[CustomerData]:
    """These customers, by company and number."""
    if not keys:
        return []
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE chosen AS FROM ({_listed(keys)}) AS keys(company_code, customer_id)"
    )
    known = reasons.of_chosen(connection, "chosen")

    found = {
        (row["company_code"], row["customer_id"]): CustomerData(reasons.beside(row, known, *_TEXTS["value"]))
        for row in rows(
            connection,
            "SELECT value.* FROM mart.customer_value AS value SEMI JOIN chosen USING (company_code, customer_id) "
            "ORDER BY company_code, customer_id",
        )
    }
    for part, sql in _PARTS.items():
        texts = _TEXTS.get(part, ())
        for row in rows(connection, sql):
            shown = reasons.beside(row, known, *texts) if texts else row
            getattr(found[row["company_code"], row["customer_id"]], part).append(shown)
    return list(found.values())


def _listed(keys: Iterable[Key]) -> str:
    return f"VALUES {', '.join(f'({literal(company)}, {literal(customer)})' for company, customer in keys)}"


_RANKED = """
    WITH named(company_code, customer_id) AS ({named})
    SELECT company_code, customer_id
    FROM mart.customer_value
    LEFT JOIN (SELECT *, true AS is_named FROM named) USING (company_code, customer_id)
    LEFT JOIN mart.watched_customer USING (company_code, customer_id)
    ORDER BY is_named NULLS LAST, place NULLS LAST, net_sales_12m DESC NULLS LAST, company_code, customer_id
"""

_OF_EVERYBODY = (
    "customer_year",
    "white_spot",
    "new_product_buyer",
    "import_substitution",
    "action_outcome",
    "customer_overdue",
)

_TEXTS = {
    "value": ("customer_value.watch_gap", "customer_value.cap_reason", "customer_value.decline_reason"),
    "explanation": ("explanation.tier_basis", "explanation.what_it_takes", "explanation.counterfactual"),
    "moves": ("tier_change.reasons",),
    "credit": ("credit_watch.action_reason",),
    "conduct": ("conduct_finding.evidence",),
    "next_action": ("next_action.reason",),
}

_PARTS = {
    "master": "FROM mart.customer SEMI JOIN chosen USING (company_code, customer_id)",
    "year": """
        SELECT *,
            (net_sales_difference / nullif(greatest(net_sales_year_before, 0), 0))::DECIMAL(18, 6) AS net_sales_share,
            (contribution_difference / nullif(greatest(contribution_year_before, 0), 0))::DECIMAL(18, 6) AS contribution_share
        FROM temp.customer_year SEMI JOIN chosen USING (company_code, customer_id)
        """,
    "explanation": """
        SELECT company_code, customer_id, tier_basis, what_it_takes, counterfactual
        FROM mart.explanation SEMI JOIN chosen USING (company_code, customer_id)
        """,
    "expectation": "FROM mart.customer_expectation SEMI JOIN chosen USING (company_code, customer_id)",
    "partner": "FROM mart.partner_card SEMI JOIN chosen USING (company_code, customer_id)",
    "periods": f"""
        SELECT company_code, customer_id, period, score, effective_tier
        FROM mart.customer_period SEMI JOIN chosen USING (company_code, customer_id)
        QUALIFY row_number() OVER (PARTITION BY company_code, customer_id ORDER BY period DESC) <= {MOST_PERIODS}
        ORDER BY company_code, customer_id, period
        """,
    # A month without a line is a month of no sales; before the company's first one nothing is known.
    "months": """
        WITH own AS MATERIALIZED (
            SELECT company_code, customer_id, month, net_sales
            FROM mart.customer_month SEMI JOIN chosen USING (company_code, customer_id)
        ),
        life AS (SELECT company_code, customer_id, min(month) AS first FROM own GROUP BY ALL),
        shown AS (
            SELECT life.company_code, life.customer_id, begins, unnest(generate_series(
                greatest(life.first, (value.period - INTERVAL 23 MONTHS)::DATE), value.period, INTERVAL 1 MONTH
            ))::DATE AS month
            FROM life JOIN mart.customer_value AS value USING (company_code, customer_id) JOIN temp.begins USING (company_code)
        )
        SELECT company_code, customer_id, shown.month, coalesce(now.net_sales, 0) AS net_sales,
            CASE WHEN shown.month - INTERVAL 12 MONTHS >= begins THEN coalesce(then_.net_sales, 0) END AS net_sales_year_before
        FROM shown
        LEFT JOIN own AS now USING (company_code, customer_id, month)
        LEFT JOIN own AS then_ ON (then_.company_code, then_.customer_id, then_.month)
            = (shown.company_code, shown.customer_id, (shown.month - INTERVAL 12 MONTHS)::DATE)
        ORDER BY company_code, customer_id, shown.month
        """,
    "products": """
        SELECT company_code, customer_id, product_category,
            coalesce(sum(net_sales) FILTER (WHERE month > value.period - INTERVAL 12 MONTHS), 0) AS net_sales,
            CASE WHEN any_value(begins) <= value.period - INTERVAL 23 MONTHS
                THEN coalesce(sum(net_sales) FILTER (WHERE month <= value.period - INTERVAL 12 MONTHS), 0) END AS net_sales_year_before
        FROM mart.sales_by_customer_product SEMI JOIN chosen USING (company_code, customer_id)
        JOIN mart.customer_value AS value USING (company_code, customer_id) JOIN temp.begins USING (company_code)
        GROUP BY company_code, customer_id, product_category, value.period
        ORDER BY company_code, customer_id, net_sales DESC, product_category
        """,
    "white_spots": """
        FROM temp.white_spot SEMI JOIN chosen USING (company_code, customer_id)
        ORDER BY company_code, customer_id, worth_12m DESC, product_category
        """,
    "new_products": """
        FROM temp.new_product_buyer SEMI JOIN chosen USING (company_code, customer_id)
        ORDER BY company_code, customer_id, first_bought_in DESC, product_id
        """,
    "imports": """
        FROM temp.import_substitution SEMI JOIN chosen USING (company_code, customer_id)
        ORDER BY company_code, customer_id, demand_12m DESC NULLS LAST, product_category
        """,
    "actions": f"""
        SELECT company_code, customer_id, action_id, any_value(action_done) AS action_done, done_on,
            any_value(remark) AS remark, any_value(net_sales_after) FILTER (WHERE months_after = 3) AS after_3,
            any_value(change_on_year) FILTER (WHERE months_after = 3) AS change_3,
            any_value(net_sales_after) FILTER (WHERE months_after = 6) AS after_6,
            any_value(change_on_year) FILTER (WHERE months_after = 6) AS change_6
        FROM temp.action_outcome SEMI JOIN chosen USING (company_code, customer_id)
        GROUP BY company_code, customer_id, action_id, done_on
        QUALIFY row_number() OVER (
            PARTITION BY company_code, customer_id ORDER BY done_on DESC, action_id DESC
        ) <= {MOST_MOVES}
        ORDER BY company_code, customer_id, done_on DESC, action_id DESC
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
        FROM mart.credit_watch JOIN temp.customer_overdue USING (company_code, customer_id)
        SEMI JOIN chosen USING (company_code, customer_id)
        """,
    "conduct": """
        FROM mart.conduct_finding SEMI JOIN chosen USING (company_code, customer_id)
        ORDER BY company_code, customer_id, kind
        """,
    "next_action": "FROM mart.next_action SEMI JOIN chosen USING (company_code, customer_id)",
}
