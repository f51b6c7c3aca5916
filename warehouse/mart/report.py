"""What the report shows of each company, asked of one published mart: sums, shares and changes, and who they are about.

Every figure is made here, exactly, from the mart's own columns; the report only formats and draws. A figure that cannot
be had is null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.connection import literal
from warehouse.mart import reasons, report_summary
from warehouse.mart.files import Row, attached, rows

# What a list shows at most; the report says how many there are.
MOST_LISTED = 25
MOST_BATCHES = 12
# More dots than this hide one another: from here on the map counts customers by cell.
MOST_DOTS = 1_500
CURVE_POINTS = 300
TREND_PERIODS = 25


@dataclass(frozen=True, slots=True)
class CompanyData:
    """One company's part. Lists are cut at MOST_LISTED, the most pressing first; each row carries the `total`."""

    company: str
    period: Row  # period, before, year_before (null where not rated), closed_through, as_of
    summary: report_summary.Summary | None  # the first screen; None where nothing is rated
    headlines: list[Row]  # figure, value, before, change, change_share; in the order of _HEADLINES
    migration: list[
        Row
    ]  # of tier_migration: span, tiers, direction, customers, net sales before, after, change
    migration_sums: list[Row]  # span, direction (null: all), customers, net sales before, after, change
    curve: list[Row]  # place, customer_share, cumulative_contribution, cumulative_share, is_peak, destroyed
    dots: list[Row]  # one a customer with volume and loyalty; empty where there are more than MOST_DOTS
    cells: list[Row]  # the same counted by cell of loyalty and volume, where there are
    quadrants: list[Row]  # segment, customers, net_sales_12m, contribution_12m, the largest three
    movers: list[Row]
    expected: list[Row]  # the watch
    credit_standing: list[Row]  # credit_grade, credit_action, customers, open_balance, overdue
    ageing: Row | None  # Σ of each bucket of open items
    credit_list: list[Row]
    conduct_counts: list[Row]  # kind, confidence, reason, customers, concerned_amount
    conduct_list: list[Row]
    structure: list[Row]  # by channel and by life-cycle stage, and the company as a whole
    structure_cells: list[Row]  # channel × stage: net_sales_12m
    structure_trend: list[Row]  # the company as a whole, period by period
    new_products: list[Row]  # of the company as a whole, the newest first
    imports: list[Row]  # what customers import and we do not supply yet, the largest demand first
    batches: list[Row]  # the latest, with the fate of their rows
    broken_rules: list[Row]  # of those batches: tables with rows set aside or refused
    refusals: list[Row]  # fault by fault, the latest first
    findings: list[Row]  # of all batches, by table and finding: what counts for nothing yet, or was deleted

    def first_lists(self) -> list[list[Row]]:
        """The lists of the first screen."""
        first = self.summary
        return [first.call, first.cultivate, first.loss, first.credit, first.conduct] if first else []

    def largest(self) -> list[list[Row]]:
        """The largest customers of each quadrant."""
        return [row["largest"] or [] for row in self.quadrants]


@dataclass(frozen=True, slots=True)
class ReportData:
    """What one published mart holds for the report; a company that is not rated yet has only batches."""

    publication: Row
    companies: list[CompanyData]
    columns: dict[str, Row]  # by table.column: description and unit, as the column dictionary has them

    def named(self) -> set[tuple[str, str]]:
        """Company and number of every customer that a list of the report names."""
        return {
            (each.company, row["customer_id"])
            for each in self.companies
            for listed in (
                each.movers,
                each.expected,
                each.credit_list,
                each.conduct_list,
                each.imports,
                *each.first_lists(),
                *each.largest(),
            )
            for row in listed
        }


def read(mart_file: Path) -> ReportData:
    """Everything the report's first page shows. NothingPublishedError where no mart is out."""
    with attached(mart=mart_file) as connection:
        connection.execute(_PERIODS)
        companies = [
            row["company_code"]
            for row in rows(
                connection,
                "SELECT company_code FROM mart.customer UNION SELECT company_code FROM mart.data_quality ORDER BY ALL",
            )
        ]
        return ReportData(
            publication=rows(connection, "FROM mart.publication")[0],
            companies=[_company(connection, company) for company in companies],
            columns={
                f"{row['table_name']}.{row['column_name']}": row
                for row in rows(
                    connection,
                    "SELECT table_name, column_name, description, unit FROM mart.column_dictionary",
                )
            },
        )


def _company(connection: duckdb.DuckDBPyConnection, company: str) -> CompanyData:
    # Every query is held to one company by its name, which SQL text carries as a literal.
    connection.execute(f"SET VARIABLE company = {literal(company)}")
    found = {name: rows(connection, sql) for name, sql in _QUERIES.items()}
    is_crowded = len(found["dots"]) > MOST_DOTS
    none: list[Row] = []
    return CompanyData(
        company=company,
        period=found["period"][0] if found["period"] else {},
        summary=report_summary.read(connection) if found["period"] else None,
        headlines=found["headlines"] if found["period"] else none,
        migration=found["migration"],
        migration_sums=found["migration_sums"],
        curve=found["curve"],
        dots=none if is_crowded else found["dots"],
        cells=rows(connection, _CELLS) if is_crowded else none,
        quadrants=found["quadrants"],
        **_with_reasons(connection, company, found),
        credit_standing=found["credit_standing"],
        ageing=found["ageing"][0] if found["ageing"] else None,
        conduct_counts=found["conduct_counts"],
        structure=found["structure"],
        structure_cells=found["structure_cells"],
        structure_trend=found["structure_trend"],
        new_products=found["new_products"],
        imports=found["imports"],
        batches=found["batches"],
        broken_rules=found["broken_rules"],
        refusals=found["refusals"],
        findings=found["findings"],
    )


# List: the text whose reasons stand beside it.
_REASONED = {
    "movers": "tier_change.reasons",
    "expected": "customer_value.watch_gap",
    "credit_list": "credit_watch.action_reason",
    "conduct_list": "conduct_finding.evidence",
}


def _with_reasons(
    connection: duckdb.DuckDBPyConnection, company: str, found: Mapping[str, list[Row]]
) -> dict[str, list[Row]]:
    listed = {row["customer_id"] for name in _REASONED for row in found[name]}
    known = reasons.of_customers(connection, company, listed)
    return {
        name: [reasons.beside({**row, "company_code": company}, known, text) for row in found[name]]
        for name, text in _REASONED.items()
    }


_PERIODS = """
CREATE TEMP TABLE asked AS
WITH now AS (
    SELECT company_code, max(period) AS period, max(closed_through) AS closed_through, max(as_of) AS as_of
    FROM mart.customer_value GROUP BY ALL
)
SELECT now.*,
    max(rated.period) FILTER (WHERE rated.period < now.period) AS before,
    max(rated.period) FILTER (WHERE rated.period = (now.period - INTERVAL 12 MONTHS)::DATE) AS year_before
FROM now
JOIN (SELECT DISTINCT company_code, period FROM mart.customer_value_history) AS rated USING (company_code)
GROUP BY ALL
"""

# In the order in which they are shown; columns of company_period.
_HEADLINES = (
    "net_sales",
    "contribution",
    "margin",
    "value_customers",
    "value_customers_share",
    "cultivate_headroom",
    "loss",
)


def _of_company(table: str) -> str:
    return f"(FROM {table} WHERE company_code = getvariable('company'))"


_QUERIES = {
    "period": f"FROM {_of_company('asked')}",
    "headlines": f"""
        WITH figures AS (
            SELECT period, figure, value
            FROM (
                SELECT period, {", ".join(f"{name}::DECIMAL(38, 6) AS {name}" for name in _HEADLINES)}
                FROM {_of_company("mart.company_period")}
            ) UNPIVOT INCLUDE NULLS (value FOR figure IN ({", ".join(_HEADLINES)}))
        ),
        compared AS (
            SELECT figure,
                max(value) FILTER (WHERE figures.period = asked.period) AS value,
                max(value) FILTER (WHERE figures.period = asked.before) AS before
            FROM figures, {_of_company("asked")} AS asked
            GROUP BY ALL
        )
        SELECT figure, value, before, value - before AS change,
            ((value - before) / nullif(abs(before), 0))::DECIMAL(18, 6) AS change_share
        FROM compared
        ORDER BY list_position({list(_HEADLINES)}, figure)
        """,
    # A prospect is no customer, then or now, nor is who is succeeded; what they were billed is in no tier.
    "migration": f"""
        SELECT span, from_tier, from_rank, to_tier, to_rank, direction, customers, net_sales_before, net_sales_after,
            net_sales_difference
        FROM {_of_company("mart.tier_migration")}
        WHERE direction <> 'prospect'
        ORDER BY span, from_rank DESC NULLS LAST, from_tier, to_rank DESC NULLS LAST, to_tier
        """,
    # What went up, down and stayed, and all of them together (null): the change of the company but for prospects.
    "migration_sums": f"""
        SELECT span, direction, sum(customers)::INTEGER AS customers, sum(net_sales_before) AS net_sales_before,
            sum(net_sales_after) AS net_sales_after, sum(net_sales_difference) AS net_sales_difference
        FROM {_of_company("mart.tier_migration")}
        WHERE direction <> 'prospect'
        GROUP BY GROUPING SETS ((span, direction), (span))
        ORDER BY span,
            list_position(['up', 'down', 'lateral', 'stays', 'appears', 'disappears'], direction) NULLS LAST
        """,
    "curve": f"""
        WITH mine AS {_of_company("mart.value_curve")}
        SELECT place, customer_share, cumulative_contribution, cumulative_share, is_peak, destroyed,
            (SELECT max(place) FROM mine) AS total
        FROM mine
        WHERE is_peak OR place IN (1, (SELECT max(place) FROM mine))
            OR place % (SELECT greatest(1, max(place) // {CURVE_POINTS}) FROM mine) = 0
        ORDER BY place
        """,
    "dots": f"""
        SELECT customer_id, name, net_sales_12m, loyalty, segment, effective_tier
        FROM {_of_company("mart.customer_value")}
        WHERE net_sales_12m IS NOT NULL AND loyalty IS NOT NULL
        ORDER BY net_sales_12m, customer_id
        LIMIT {MOST_DOTS + 1}
        """,
    "quadrants": f"""
        SELECT segment, count(*) AS customers, sum(net_sales_12m) AS net_sales_12m,
            sum(contribution_12m) AS contribution_12m,
            count(*) FILTER (WHERE net_sales_12m IS NULL OR loyalty IS NULL) AS not_on_map,
            max_by({{'customer_id': customer_id, 'name': name}}, (net_sales_12m, customer_id), 3)
                FILTER (WHERE net_sales_12m > 0) AS largest
        FROM {_of_company("mart.customer_value")}
        WHERE segment NOT IN ('prospect', 'succeeded')
        GROUP BY segment
        ORDER BY segment
        """,
    "movers": f"""
        SELECT period, revision, customer_id, name, from_tier, to_tier, direction, cause, base_period, net_sales_before,
            net_sales_after, net_sales_difference, reasons, count(*) OVER () AS total
        FROM {_of_company("mart.tier_move")}
        WHERE period = (SELECT period FROM {_of_company("asked")}) AND cause <> 'baseline'
        ORDER BY abs(net_sales_difference) DESC NULLS LAST, net_sales_after DESC NULLS LAST, customer_id, revision DESC
        LIMIT {MOST_LISTED}
        """,
    "expected": f"""
        SELECT customer_id, value.name, value.effective_tier, watch_tier, watch_direction, watch_gap, watch_deadline,
            value.net_sales_12m, net_sales_difference,
            (net_sales_difference / nullif(greatest(net_sales_year_before, 0), 0))::DECIMAL(18,6) AS share, last_order_on,
            usual_gap_days, date_diff('day', last_order_on, closed_through)::INTEGER AS days_silent, count(*) OVER () AS total
        FROM {_of_company("mart.customer_value")} AS value
        JOIN {_of_company("mart.customer_year")} AS year USING (customer_id)
        WHERE watch_tier IS NOT NULL
        ORDER BY watch_deadline, value.net_sales_12m DESC NULLS LAST, customer_id
        LIMIT {MOST_LISTED}
        """,
    "credit_standing": f"""
        SELECT credit_grade, credit_action, customers, open_balance, overdue
        FROM {_of_company("mart.credit_exposure")}
        ORDER BY credit_grade NULLS LAST, credit_action
        """,
    "ageing": f"FROM {_of_company('mart.credit_ageing')}",
    "credit_list": f"""
        SELECT credit.customer_id, customer.name, credit_grade, credit_action, action_reason, open_balance,
            overdue, utilisation, credit.credit_limit_reason, next_order_headroom,
            count(*) OVER () AS total
        FROM {_of_company("mart.credit_watch")} AS credit
        JOIN {_of_company("mart.customer_overdue")} AS late USING (customer_id)
        JOIN {_of_company("mart.customer")} AS customer USING (customer_id)
        WHERE credit_action <> 'open'
        ORDER BY list_position(['stop', 'prepay', 'watch'], credit_action), overdue DESC, customer_id
        LIMIT {MOST_LISTED}
        """,
    "conduct_counts": f"""
        SELECT kind, confidence, reason, count(*) AS customers, sum(concerned_amount) AS concerned_amount
        FROM {_of_company("mart.conduct_finding")}
        GROUP BY ALL
        ORDER BY ALL
        """,
    "conduct_list": f"""
        SELECT finding.customer_id, customer.name, kind, confidence, measure, value, threshold, evidence_count,
            evidence_from, evidence_to, concerned_amount, evidence, count(*) OVER () AS total
        FROM {_of_company("mart.conduct_finding")} AS finding
        JOIN {_of_company("mart.customer")} AS customer USING (customer_id)
        WHERE confidence IN ('confirmed', 'suspected', 'own_concession')
        ORDER BY list_position(['confirmed', 'suspected', 'own_concession'], confidence),
            concerned_amount DESC NULLS LAST, customer_id, kind
        LIMIT {MOST_LISTED}
        """,
    "structure": f"""
        SELECT level, channel, lifecycle_stage, net_sales_12m, gross_contribution_12m, customers, new_customers, share_of_sales,
            hhi, top10_share, net_sales_change, contribution_change, customers_change
        FROM {_of_company("mart.customer_structure")}
        WHERE level IN ('company', 'channel', 'lifecycle_stage') AND period = (SELECT period FROM {_of_company("asked")})
        ORDER BY level, list_position(['introduction', 'growth', 'maturity', 'decline', 'discontinued'], lifecycle_stage)
            NULLS LAST, channel
        """,
    "structure_cells": f"""
        SELECT channel, lifecycle_stage, sum(net_sales_12m) AS net_sales_12m
        FROM {_of_company("mart.customer_structure")}
        WHERE level = 'cell' AND period = (SELECT period FROM {_of_company("asked")})
        GROUP BY ALL
        """,
    "structure_trend": f"""
        SELECT period, net_sales_12m, gross_contribution_12m, customers, hhi, top10_share, direct_share, export_share,
            new_product_share
        FROM {_of_company("mart.customer_structure")}
        WHERE level = 'company'
        ORDER BY period DESC
        LIMIT {TREND_PERIODS}
        """,
    "new_products": f"""
        SELECT product_id, product_name, product_category, lifecycle_stage, launched_in, months_since_launch, customers,
            customers_buying, adoption, net_sales_12m, count(*) OVER () AS total
        FROM {_of_company("mart.new_product_adoption")}
        WHERE level = 'company'
        ORDER BY launched_in DESC NULLS LAST, net_sales_12m DESC, product_id
        LIMIT {MOST_LISTED}
        """,
    "imports": f"""
        SELECT customer_id, name, product_category, stage, demand_12m, net_sales_12m, last_joint_work_on,
            count(*) OVER () AS total
        FROM {_of_company("mart.import_substitution")}
        WHERE stage IN ('open', 'in_work', 'started')
        ORDER BY demand_12m DESC NULLS LAST, customer_id, product_category
        LIMIT {MOST_LISTED}
        """,
    "batches": f"""
        SELECT source_system, batch_id, status, sequence, extracted_at, loaded_at, sum(rows_in)::BIGINT AS rows_in,
            sum(accepted)::BIGINT AS accepted, sum(quarantined)::BIGINT AS quarantined,
            sum(waiting)::BIGINT AS waiting,
            sum(excluded)::BIGINT AS excluded, sum(refused)::BIGINT AS refused,
            (SELECT count(DISTINCT (source_system, batch_id)) FROM {_of_company("mart.data_quality")}) AS total
        FROM {_of_company("mart.data_quality")}
        GROUP BY ALL
        ORDER BY loaded_at DESC, sequence DESC, extracted_at DESC, source_system, batch_id
        LIMIT {MOST_BATCHES}
        """,
    "broken_rules": f"""
        WITH mine AS {_of_company("mart.data_quality")},
        latest AS (
            SELECT DISTINCT source_system, batch_id, loaded_at, sequence, extracted_at FROM mine
            ORDER BY loaded_at DESC, sequence DESC, extracted_at DESC, source_system, batch_id
            LIMIT {MOST_BATCHES}
        )
        SELECT source_system, batch_id, table_name, quarantined, refused, reasons, count(*) OVER () AS total
        FROM mine JOIN (SELECT DISTINCT source_system, batch_id FROM latest) USING (source_system, batch_id)
        WHERE quarantined > 0 OR waiting > 0 OR refused > 0
        ORDER BY loaded_at DESC, sequence DESC, extracted_at DESC, source_system, batch_id, table_name
        LIMIT {MOST_LISTED}
        """,
    "refusals": f"""
        SELECT source_system, batch_id, rule, file, row_number, column_name, message, remedy, count(*) OVER () AS total
        FROM {_of_company("mart.batch_refusal")}
        ORDER BY refused_at DESC, source_system, batch_id, fault_number
        LIMIT {MOST_LISTED}
        """,
    "findings": f"""
        SELECT table_name, finding, dated_after, sum(row_count)::BIGINT AS row_count, sum(net_sales) AS net_sales,
            count(*) AS batches, count(*) OVER () AS total
        FROM {_of_company("mart.batch_finding")}
        GROUP BY table_name, finding, dated_after
        ORDER BY starts_with(finding, 'deleted_by_'), table_name, finding
        LIMIT {MOST_LISTED}
        """,
}

# Fifty steps of loyalty and ten to each tenfold of volume; sales of 0 or less lie in a step of their own (null).
_CELLS = f"""
    SELECT least(floor(loyalty::DECIMAL(9, 6) * 50), 49)::INTEGER AS loyalty_step,
        CASE WHEN net_sales_12m > 0 THEN floor(log10(net_sales_12m) * 10) END::INTEGER AS volume_step,
        count(*) AS customers, sum(net_sales_12m) AS net_sales_12m, mode(segment ORDER BY segment) AS segment
    FROM {_of_company("mart.customer_value")}
    WHERE net_sales_12m IS NOT NULL AND loyalty IS NOT NULL
    GROUP BY ALL
    ORDER BY ALL
"""
