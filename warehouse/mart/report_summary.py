"""What the report's first screen says of one company: its year against the last one, what changed most, and five lists to act on.

Sums, differences and shares are made here, exactly; the report only words them. A figure that cannot be had is null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.mart.files import Row, rows

if TYPE_CHECKING:
    import duckdb

# Of each list, on the first screen.
MOST_FIRST = 5
LINE_PERIODS = 24


@dataclass(frozen=True, slots=True)
class Summary:
    """One company's first screen; the lists are cut at MOST_FIRST, and each row carries the `total` and the `sum` of all."""

    # The year, the same months of last year (…_then), difference and share, and what of the difference neither quantity nor price
    # is said to have made (unsplit_difference); what is overdue; whether credit and conduct could be assessed of anybody.
    figures: Row
    line: list[
        Row
    ]  # the last 24 periods: net_sales, contribution, value_customers; null where months are not covered
    plan: list[Row]  # the company's year under way, one row; none where nothing is planned
    expected: list[Row]  # the company's row of expectation_total; none where nothing is expected
    changed: list[Row]  # of what_changed
    call: list[Row]
    cultivate: list[Row]
    loss: list[Row]
    credit: list[Row]  # whom credit stops or asks to pay before, and who is over the limit
    conduct: list[Row]


def read(connection: duckdb.DuckDBPyConnection) -> Summary:
    """The first screen of the company in the variable `company`, of the mart attached as `mart`."""
    found = {name: rows(connection, sql) for name, sql in _QUERIES.items()}
    return Summary(
        figures=found["figures"][0],
        line=found["line"][::-1],
        plan=found["plan"],
        expected=found["expected"],
        changed=found["changed"],
        call=found["call"],
        cultivate=found["cultivate"],
        loss=found["loss"],
        credit=found["credit"],
        conduct=found["conduct"],
    )


def _of_company(table: str) -> str:
    return f"(FROM mart.{table} WHERE company_code = getvariable('company'))"


_COVERED = "coalesce(months_covered, 0) = 12"

_QUERIES = {
    # Last year as it was rated; net sales also by the customers' months, where that month was not rated.
    "figures": f"""
        WITH span AS (
            SELECT max(period) AS period, (max(period) - INTERVAL 12 MONTHS)::DATE AS period_then
            FROM {_of_company("customer_value")}
        ), period AS (FROM {_of_company("company_period")}),
        sold AS (SELECT sum(net_sales_year_before) AS net_sales FROM {_of_company("customer_year")}),
        effect AS (
            SELECT sum(quantity_effect_12m) AS quantity_effect, sum(price_effect_12m) AS price_effect
            FROM {_of_company("customer_value")}
        ), compared AS (
            SELECT now.net_sales, now.contribution, now.margin, now.value_customers, now.value_customers_share,
                coalesce(then_.net_sales, sold.net_sales) AS net_sales_then, then_.contribution AS contribution_then,
                then_.margin AS margin_then, then_.value_customers AS value_customers_then, effect.*,
                span.period, span.period_then, (span.period - INTERVAL 11 MONTHS)::DATE AS first_month
            FROM span JOIN period AS now USING (period) CROSS JOIN sold CROSS JOIN effect
            LEFT JOIN (FROM period WHERE {_COVERED}) AS then_ ON then_.period = span.period_then
        )
        SELECT compared.*, net_sales - net_sales_then AS net_sales_difference,
            ((net_sales - net_sales_then) / nullif(greatest(net_sales_then, 0), 0))::DECIMAL(18,6) AS net_sales_share,
            net_sales - net_sales_then - quantity_effect - price_effect AS unsplit_difference,
            contribution - contribution_then AS contribution_difference,
            ((contribution - contribution_then) / nullif(greatest(contribution_then, 0), 0))::DECIMAL(18,6) AS contribution_share,
            value_customers - value_customers_then AS value_customers_difference,
            ageing.overdue, ageing.overdue_share, ageing.overdue_over_90,
            EXISTS {_of_company("credit_watch")} AS has_credit,
            EXISTS (FROM {_of_company("conduct_finding")} WHERE confidence <> 'not_assessable') AS has_conduct,
            (SELECT count(*) FROM {_of_company("over_limit")}) AS over_limit,
            (SELECT sum(over_by) FROM {_of_company("over_limit")}) AS over_by
        FROM compared LEFT JOIN {_of_company("credit_ageing")} AS ageing ON true
        """,
    "line": f"""
        SELECT period, CASE WHEN {_COVERED} THEN net_sales END AS net_sales,
            CASE WHEN {_COVERED} THEN contribution END AS contribution, value_customers
        FROM {_of_company("company_period")}
        WHERE period > (SELECT max(period) - INTERVAL {LINE_PERIODS} MONTHS FROM {_of_company("company_period")})
        ORDER BY period DESC
        """,
    "plan": f"""
        SELECT plan_id, attainment, difference
        FROM {_of_company("plan_attainment")}
        WHERE level = 'company' AND through = (SELECT last_day(max(period)) FROM {_of_company("customer_value")})
        ORDER BY period_end - period_start DESC, plan_id LIMIT 1
        """,
    "expected": f"FROM {_of_company('expectation_total')} WHERE level = 'company'",
    "changed": f"FROM {_of_company('what_changed')} ORDER BY place",
    # `few`: how many from the first on hold four fifths of all that is at stake.
    "call": f"""
        SELECT customer_id, name, sign, stake AS money, net_sales_difference, net_sales_year_before,
            (net_sales_difference / nullif(greatest(net_sales_year_before, 0), 0))::DECIMAL(18,6) AS share, last_order_on,
            days_silent, usual_gap_days, watch_tier,
            -- A change is one of price where the quantity is nearly the same: a fall that prices did not make is not said to be theirs.
            CASE WHEN sales_change_cause = 'quantity' OR price_effect_12m < 0 THEN sales_change_cause END AS sales_change_cause,
            count(*) OVER () AS total, sum,
            count(*) FILTER (WHERE above * 5 < sum * 4) OVER () AS few
        FROM (
            SELECT *, sum(stake) OVER () AS sum, sum(stake) OVER (ORDER BY place) - stake AS above FROM {_of_company("call_now")}
        )
        ORDER BY place LIMIT {MOST_FIRST}
        """,
    "cultivate": f"""
        SELECT customer_id, name, headroom_12m AS money, net_sales_12m, headroom_reason, count(*) OVER () AS total,
            count(headroom_12m) OVER () AS known, sum(headroom_12m) OVER () AS sum
        FROM {_of_company("cultivate_list")} ORDER BY place LIMIT {MOST_FIRST}
        """,
    "loss": f"""
        SELECT customer_id, name, contribution_12m AS money, loss_component, net_sales_12m, count(*) OVER () AS total,
            sum(contribution_12m) OVER () AS sum
        FROM {_of_company("loss_making")} ORDER BY place LIMIT {MOST_FIRST}
        """,
    "credit": f"""
        SELECT credit.customer_id, customer.name, late.overdue AS money, credit.credit_action, over.over_by,
            count(*) OVER () AS total, sum(late.overdue) OVER () AS sum
        FROM {_of_company("credit_watch")} AS credit
        JOIN {_of_company("customer")} AS customer USING (customer_id)
        JOIN {_of_company("customer_overdue")} AS late USING (customer_id)
        LEFT JOIN {_of_company("over_limit")} AS over USING (customer_id)
        WHERE credit.credit_action IN ('stop', 'prepay') OR over.over_by IS NOT NULL
        ORDER BY list_position(['stop', 'prepay'], credit.credit_action) NULLS LAST, late.overdue DESC, credit.customer_id
        LIMIT {MOST_FIRST}
        """,
    "conduct": f"""
        SELECT customer_id, name, kind, confidence, concerned_amount AS money, count(*) OVER () AS total,
            sum(concerned_amount) OVER () AS sum
        FROM {_of_company("conduct_list")} ORDER BY place LIMIT {MOST_FIRST}
        """,
}
