"""What the workbook of the report holds, a sheet a list, asked of one published mart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.mart import reasons
from warehouse.mart.files import Row, attached, rows

# What Excel can hold of a sheet, less its heading.
MOST_ROWS = 1_048_575
# So many rows are asked for their reasons at a time: those of all would not fit into memory.
_AT_A_TIME = 2_000

Say = Callable[[Sequence[Row], str | None], str | None]
"""How a text is said, from the reasons behind it and itself."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One list: its rows as they are shown, and what its columns are: column_name, table_name, description, unit.

    A column that the mart describes nowhere has no description.
    """

    name: str
    columns: list[Row]
    rows: list[Row]


def read(mart_file: Path, say: Say = lambda _, text: text) -> list[Sheet]:
    """Every sheet but the definitions, in order. NothingPublishedError where no mart is out."""
    with attached(mart=mart_file) as connection:
        described = {
            (row["table_name"], row["column_name"]): row
            for row in rows(
                connection,
                "SELECT table_name, column_name, description, unit FROM mart.column_dictionary",
            )
        }
        sheets = []
        for name, (origins, selection) in _SHEETS.items():
            found = connection.execute(f"{selection} LIMIT {MOST_ROWS}")
            names = [column[0] for column in found.description]
            listed = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
            if name in _TEXTS:
                listed = list(_in_words(connection, listed, _TEXTS[name], say))
            columns = [
                next(
                    (described[table, column] for table in origins if (table, column) in described),
                    {"table_name": origins[0], "column_name": column, "description": None, "unit": None},
                )
                for column in names
                if column not in _ASKED_ONLY
            ]
            sheets.append(Sheet(name, columns, listed))
        return sheets


def _in_words(
    connection: duckdb.DuckDBPyConnection, listed: Sequence[Row], texts: Mapping[str, str], say: Say
) -> Iterator[Row]:
    for first in range(0, len(listed), _AT_A_TIME):
        some = listed[first : first + _AT_A_TIME]
        why: dict[tuple[object, ...], Sequence[Row]] = {}
        for company in {row["company_code"] for row in some}:
            why.update(
                reasons.of_customers(
                    connection,
                    company,
                    (row["customer_id"] for row in some if row["company_code"] == company),
                )
            )
        for row in some:
            known = reasons.beside(row, why, *texts.values())
            said = {
                column: say(known[f"{text.partition('.')[2]}_reasons"], row[column])
                for column, text in texts.items()
                if row[column] is not None
            }
            yield {**row, **said}


# Sheet: the columns that give reasons, and the texts of the mart that they are.
_TEXTS = {
    "moves": {"reasons": "tier_change.reasons"},
    "cultivate": {"watch_gap": "customer_value.watch_gap"},
    "at_risk": {
        "decline_reason": "customer_value.decline_reason",
        "watch_gap": "customer_value.watch_gap",
        "reason": "next_action.reason",
    },
    "loss_making": {"reason": "next_action.reason"},
    "credit": {"action_reason": "credit_watch.action_reason"},
    "conduct": {"evidence": "conduct_finding.evidence"},
}
# What a row's reasons are found by beside its customer, and no sheet shows.
_ASKED_ONLY = frozenset({"revision"})

# Sheet: the tables whose columns it shows, and its rows.
_SHEETS = {
    "customers": (
        ("customer_year", "customer_value", "customer_overdue", "next_action"),
        """
        SELECT year.company_code, year.customer_id, year.name, year.effective_tier, segment, year.salesperson_id,
            year.territory_id, year.channel, year.status, year.net_sales_12m, net_sales_year_before, net_sales_difference,
            year.contribution_12m, contribution_difference, margin_12m, score, loyalty, headroom_12m, last_order_on,
            watch_tier, credit_action, overdue, action
        FROM mart.customer_year AS year
        JOIN mart.customer_value AS value USING (company_code, customer_id)
        LEFT JOIN mart.customer_overdue USING (company_code, customer_id)
        LEFT JOIN mart.next_action USING (company_code, customer_id)
        ORDER BY year.company_code, year.net_sales_12m DESC NULLS LAST, year.customer_id
        """,
    ),
    "moves": (
        ("tier_move",),
        """
        SELECT company_code, customer_id, name, period, from_tier, to_tier, direction, cause, base_period, net_sales_before, net_sales_after,
            net_sales_difference, contribution_difference, quantity_effect_12m, price_effect_12m, reasons, revision
        FROM mart.tier_move
        ORDER BY company_code, period DESC, abs(net_sales_difference) DESC NULLS LAST, customer_id, revision DESC
        """,
    ),
    "cultivate": (
        ("cultivate_list",),
        """
        SELECT company_code, customer_id, name, salesperson_id, territory_id, channel, headroom_12m, net_sales_12m, loyalty,
            sales_trend, last_order_on, watch_tier, watch_gap, credit_action, action
        FROM mart.cultivate_list ORDER BY company_code, place
        """,
    ),
    "at_risk": (
        ("call_now",),
        """
        SELECT company_code, customer_id, name, salesperson_id, territory_id, channel, effective_tier, sign, decline_since, decline_reason, stake,
            net_sales_12m, net_sales_year_before, net_sales_difference, quantity_effect_12m, price_effect_12m, last_order_on,
            days_silent, usual_gap_days, watch_tier, watch_gap, watch_deadline, credit_action, action, reason
        FROM mart.call_now ORDER BY company_code, place
        """,
    ),
    "loss_making": (
        ("loss_making",),
        """
        SELECT company_code, customer_id, name, effective_tier, salesperson_id, territory_id, contribution_12m, net_sales_12m,
            margin_12m, loss_component, action, reason
        FROM mart.loss_making ORDER BY company_code, place
        """,
    ),
    "credit": (
        ("credit_watch", "customer", "customer_overdue"),
        """
        SELECT credit.company_code, customer_id, name, salesperson_id, credit_action, credit_grade, open_balance, overdue,
            overdue_over_90, disputed, exposure, credit.credit_limit, utilisation, next_order_headroom, days_late_12m, action_reason
        FROM mart.credit_watch AS credit
        JOIN mart.customer USING (company_code, customer_id)
        JOIN mart.customer_overdue USING (company_code, customer_id)
        ORDER BY credit.company_code, list_position(['stop', 'prepay', 'watch', 'open'], credit_action), overdue DESC, customer_id
        """,
    ),
    "conduct": (
        ("conduct_list",),
        """
        SELECT company_code, customer_id, name, salesperson_id, territory_id, kind, confidence, concerned_amount,
            evidence_count, evidence_from, evidence_to, evidence, action
        FROM mart.conduct_list ORDER BY company_code, place
        """,
    ),
    "plan": (
        ("plan_attainment",),
        """
        SELECT company_code, plan_id, plan_version, level, member, period_start, period_end, through, planned, planned_to_date,
            net_sales, difference, attainment
        FROM mart.plan_attainment ORDER BY company_code, plan_id, period_start, level, member NULLS LAST
        """,
    ),
}
