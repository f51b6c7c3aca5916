"""Where the oracle and the product differ: nowhere, or said with both figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

CUSTOMER = ("company_code", "customer_id")
MEASURES = ("volume", "steadiness", "contribution", "loyalty", "feedback", "influence", "potential")

# The oracle's ratios are not rounded, the stored ones once, to 6 places: half of the last one, and for the binary
# fraction 1e-9, as an unrounded ratio may.
OF_A_RATIO = 0.5e-6 + 1e-9
OF_A_BINARY_FRACTION = 1e-15  # of its own size: the oracle's have 53 bits, and go through a few operations
# Points are the steps of a running sum that is rounded, so that they sum to the score: each is off by less than one in
# the last of 4 places.
OF_POINTS = 1e-4 + 1e-9
# The difference of two stored ratios, so that the three figures a person sees agree: off by one in the last place.
OF_A_DIFFERENCE = 1e-6 + 1e-9


@dataclass(frozen=True, slots=True)
class Subject:
    """A table of the oracle beside one of the product: its key, what must be equal, what may be rounded."""

    oracle: str
    product: str
    exact: tuple[str, ...] = ()
    ratios: tuple[str, ...] = ()
    tolerance: float = OF_A_RATIO
    key: tuple[str, ...] = CUSTOMER


MONTHS = (
    Subject(
        "customer_month",
        "customer_month",
        key=(*CUSTOMER, "month"),
        exact=(
            "net_sales",
            "quantity",
            "orders",
            "invoiced",
            "returns",
            "price_credits",
            "cost",
            "cost_basis",
            "gross_amount",
            "gross_amount_with_cost",
            "freight",
            "rebates",
            "contribution",
        ),
    ),
    Subject(
        "sales_cell",
        "sales_cell",
        key=(*CUSTOMER, "month", "product_id", "channel", "ship_to_territory"),
        exact=(
            "net_sales",
            "contribution",
            "invoiced_net_sales",
            "invoiced_quantity",
            "covered_cost",
            "covered_quantity",
            "costed_cost",
            "costed_net_sales",
            "uncosted_quantity",
            "uncosted_net_sales",
            "uncosted_gross",
            "unmeasured_net_sales",
        ),
    ),
    Subject(
        "order_day",
        "order_day",
        key=(*CUSTOMER, "order_on"),
        exact=("orders", "net_sales", "credited_orders", "credited_net_sales"),
    ),
)

VALUES = (
    Subject(
        "customer",
        "customer_value",
        exact=("master_missing", "history_truncated", "months_of_history", "first_order_on", "last_order_on"),
    ),
    Subject(
        "volume",
        "customer_value",
        exact=(
            "net_sales_12m",
            "volume_reason",
            "quantity_12m",
            "abc_class",
            "quantity_effect_12m",
            "price_effect_12m",
            "sales_change_cause",
        ),
        ratios=("sales_trend", "quantity_change_12m"),
    ),
    Subject("steadiness", "customer_value", exact=("steadiness_reason", "xyz_class"), ratios=("steadiness",)),
    Subject("steadiness_seasonal", "customer_value", ratios=("steadiness_seasonal",)),
    Subject(
        "contribution",
        "customer_value",
        exact=(
            "contribution_12m",
            "contribution_reason",
            "contribution_basis",
            "loss_component",
            "cost_estimated_12m",
            "returns_warned",
        ),
        ratios=(
            "cost_coverage",
            "margin_12m",
            "cost_estimated_share",
            "return_rate_12m",
            "price_credit_rate_12m",
        ),
    ),
    Subject(
        "loyalty",
        "customer_value",
        exact=("loyalty_reason", "loyalty_basis", "season_months"),
        ratios=(
            "loyalty",
            "active_month_ratio",
            "tenure_years",
            "usual_gap_days",
            "repurchase_timeliness",
            "share_of_wallet",
        ),
    ),
    Subject(
        "pace",
        "customer_value",
        exact=("days_since_last_order", "net_sales_12m_before", "pace_basis", "pace_months"),
        ratios=("pace_ratio", "gap_multiple"),
    ),
    Subject(
        "decline",
        "customer_value",
        exact=(
            "decline_state",
            "decline_since",
            "decline_low_periods",
            "decline_calm_periods",
            "decline_stake",
            "is_growing",
        ),
    ),
    Subject(
        "feedback", "customer_value", exact=("feedback_reason", "complaints_12m"), ratios=("feedback_rate",)
    ),
    Subject(
        "influence",
        "customer_value",
        exact=("influence", "influence_reason", "influence_assessor", "influence_assessed_on"),
    ),
    Subject(
        "potential",
        "customer_value",
        exact=("headroom_12m", "headroom_reason", "potential_method", "estimated_demand_12m"),
    ),
    Subject("points", "customer_value", exact=tuple(f"{measure}_score" for measure in MEASURES)),
    Subject(
        "points",
        "customer_value",
        ratios=tuple(f"{measure}_points" for measure in MEASURES),
        tolerance=OF_POINTS,
    ),
    Subject("score", "customer_value", exact=("score", "unassessed"), ratios=("score_coverage",)),
    Subject(
        "tier",
        "customer_value",
        exact=("volume_class", "loyalty_class", "segment", "ungated_tier", "raw_tier", "gate"),
    ),
    Subject(
        "succession",
        "customer_value",
        exact=("continues", "succeeded_by", "succession_on"),
    ),
)

CREDIT = (
    Subject(
        "credit_watch",
        "credit_watch",
        exact=(
            "as_of",
            "open_balance",
            "not_yet_due",
            "overdue_1_30",
            "overdue_31_60",
            "overdue_61_90",
            "overdue_over_90",
            "unapplied_credit",
            "disputed",
            "oldest_overdue_days",
            "net_overdue",
            "net_overdue_over_90",
            "net_oldest_overdue_days",
            "graded_overdue_days",
            "to_be_applied",
            "disputed_open",
            "bills_outstanding",
            "written_off_24m",
            "limit_rate_on",
            "secured_amount",
            "exposure_unsecured",
            "months_known",
            "credit_limit",
            "credit_limit_reason",
            "open_orders",
            "exposure",
            "next_order_headroom",
            "broken_promises",
            "credit_grade",
            "credit_action",
            "group_id",
            "group_exposure",
            "group_limit",
            "group_headroom",
        ),
        ratios=(
            "overdue_share",
            "net_overdue_share",
            "graded_overdue_share",
            "net_newly_overdue_share",
            "utilisation",
            "days_late_12m",
            "days_beyond_terms_12m",
            "dso_countback",
            "best_possible_dso",
            "collection_effectiveness",
            "days_late_trend",
            "days_late_p90_12m",
            "newly_overdue_share",
        ),
    ),
    Subject("credit_watch", "credit_watch", ratios=("average_days_delinquent",), tolerance=OF_A_DIFFERENCE),
    Subject(
        "credit_warning", "credit_watch", exact=("warning_since", "warning_causes", "warning_calm_since")
    ),
)

STRUCTURE = (
    Subject(
        "customer_structure",
        "customer_structure",
        key=("company_code", "level", "channel", "lifecycle_stage", "territory"),
        exact=(
            "period",
            "net_sales_12m",
            "gross_contribution_12m",
            "customers",
            "new_customers",
            "contribution_change",
            "customers_change",
        ),
        ratios=(
            "share_of_sales",
            "top10_share",
            "direct_share",
            "export_share",
            "new_product_share",
            "net_sales_change",
        ),
    ),
    Subject(
        "value_curve",
        "value_curve",
        exact=("period", "place", "contribution_12m", "cumulative_contribution", "is_peak", "destroyed"),
        ratios=("customer_share", "cumulative_share"),
    ),
)

EXPECTED = (
    Subject(
        "expectation",
        "customer_expectation",
        exact=(
            "period",
            "expected_net_sales_12m",
            "expected_net_sales_low",
            "expected_net_sales_high",
            "expected_contribution_12m",
            "expected_basis",
        ),
        ratios=("buying_share",),
    ),
)

# The product reckons concentration in whole cents: the squares of the largest amounts must fit into 128 bits. So it says the
# same only where nothing is sold for a part of a cent.
CONCENTRATION = (
    Subject(
        "customer_structure",
        "customer_structure",
        key=("company_code", "level", "channel", "lifecycle_stage", "territory"),
        ratios=("hhi",),
    ),
)

EVERYTHING = MONTHS + VALUES + CREDIT + STRUCTURE + EXPECTED + CONCENTRATION


def differences(connection: duckdb.DuckDBPyConnection, subjects: tuple[Subject, ...]) -> list[str]:
    """One line a figure of a row in which the two differ, at most 20; empty where they agree."""
    found: list[str] = []
    for subject in subjects:
        found.extend(_differences(connection, subject))
    return found[:20]


def _differences(connection: duckdb.DuckDBPyConnection, subject: Subject) -> Iterator[str]:
    rows = [
        connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
        for table in (f"oracle.{subject.oracle}", f"product.{subject.product}")
    ]
    if rows[0] != rows[1]:
        yield f"{subject.oracle}: the oracle has {rows[0]} rows, the product {rows[1]}"
    key = ", ".join(f"coalesce(o.{name}, p.{name})" for name in subject.key)
    same_key = " AND ".join(f"o.{name} IS NOT DISTINCT FROM p.{name}" for name in subject.key)
    apart = [f"o.{name} IS DISTINCT FROM p.{name}" for name in subject.exact]
    apart += [_is_off(name, subject.tolerance) for name in subject.ratios]
    names = subject.exact + subject.ratios
    columns = ", ".join(
        f"CASE WHEN {is_apart} THEN [o.{name}::VARCHAR, p.{name}::VARCHAR] END"
        for name, is_apart in zip(names, apart, strict=True)
    )
    # a row one side lacks is apart in every figure that is not null
    found = connection.execute(
        f"""SELECT {key}, {columns} FROM oracle.{subject.oracle} AS o FULL JOIN product.{subject.product} AS p ON {same_key}
            WHERE {" OR ".join(apart)} ORDER BY ALL LIMIT 20"""
    ).fetchall()
    for row in found:
        where = ", ".join(str(part) for part in row[: len(subject.key)])
        for name, both in zip(names, row[len(subject.key) :], strict=True):
            if both is not None:
                yield f"{subject.product}.{name} of {where}: the oracle says {both[0]}, the product {both[1]}"


def _is_off(name: str, tolerance: float) -> str:
    oracle, product = f"o.{name}::DOUBLE", f"p.{name}::DOUBLE"
    room = f"{tolerance} + {OF_A_BINARY_FRACTION} * abs({oracle})"
    return (
        f"(({oracle} IS NULL) <> ({product} IS NULL) OR coalesce(abs({oracle} - {product}) > {room}, false))"
    )
