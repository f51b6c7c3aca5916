"""Scored customers to rate: rows that name only what a test is about."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from tests.unit.transforms.small_worlds import frame, policy
from transforms.frames.conform import columns_of
from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY
from transforms.measures import MEASURED
from transforms.measures.descriptor import MEASURES
from transforms.measures.window import KEY
from transforms.policy.model import Policy
from transforms.scoring.segments import segment_customers
from transforms.tiers.memory import BEFORE, STATE_COLUMNS, remember
from transforms.tiers.raw import raw_tiers

JANUARY = date(2024, 1, 1)
BARS: dict[str, Any] = {
    "segments__volume_high_from": Decimal(150_000),
    "segments__loyalty_from": Decimal("0.6"),
    "segments__new_below_months": 6,
    "strategic__score_from": Decimal(70),
    "strategic__steadiness_from": Decimal("0.8"),
    "strategic__feedback_from": Decimal("0.2"),
    "gates__loss_making": "marginal",
    "gates__credit_stop": "marginal",
    "gates__confirmed_conduct": "speculative",
    "memory__margin": Decimal("0.05"),
    "memory__up_after": 2,
    "memory__down_after": 3,
    "memory__min_dwell": 3,
    "memory__clean_periods": 3,
}


def tier_policy(**changes: Any) -> Policy:
    """The default policy with the bars and lengths these tests are about, whatever the shipped ones are."""
    return policy(**BARS | changes)


SCORED = columns_of(
    CUSTOMER_VALUE_HISTORY,
    (
        *MEASURED.names(),
        *(name for each in MEASURES for name in (each.score_column, each.points_column)),
        *("score", "score_coverage", "unassessed", "volume_class", "loyalty_class", "segment"),
        *("raw_tier", "ungated_tier", "gate", "memory_tier", "tier_since", "periods_up"),
    ),
)
RUNG_FIGURES: dict[str, dict[str, Any]] = {
    "strategic": {
        "net_sales_12m": 900_000,
        "loyalty": "0.9",
        "score": 90,
        "steadiness": "0.9",
        "feedback_rate": 1,
    },
    "core": {"net_sales_12m": 900_000, "loyalty": "0.9"},
    "cultivate": {"net_sales_12m": 9000, "loyalty": "0.9"},
    "marginal": {"net_sales_12m": 9000, "loyalty": "0.1"},
    "speculative": {"net_sales_12m": 900_000, "loyalty": "0.1"},
    "new": {"net_sales_12m": 9000, "loyalty": "0.1", "months_of_history": 2},
    "unrated": {"net_sales_12m": 9000, "score_coverage": "0.1"},
    "prospect": {"first_order_on": None, "months_of_history": 0},
}
"""Figures that are far from every bar, and say what the key says."""


def scored(**figures: Any) -> dict[str, Any]:
    return {
        "months_of_history": 12,
        "first_order_on": date(2020, 1, 1),
        "score_coverage": 1,
        "score": 50,
        **figures,
    }


def rate(*customers: dict[str, Any], rule: Policy | None = None) -> pl.DataFrame:
    """Segments and raw tiers of scored customers."""
    rule = rule or tier_policy()
    rows = frame(SCORED, [scored(**customer) for customer in customers])
    return raw_tiers(segment_customers(rows, rule), rule).collect()


def month(number: int) -> date:
    """The number-th rating period; 0 is January 2024."""
    year, index = divmod(number, 12)
    return date(2024 + year, index + 1, 1)


def step(
    tiered: pl.DataFrame, before: pl.DataFrame | None, period: date, rule: Policy | None = None
) -> pl.DataFrame:
    """One step of the memory: this period's tiers after the states of the period before."""
    states = (
        pl.DataFrame(schema={name: CUSTOMER_VALUE_HISTORY[name] for name in (*KEY, *STATE_COLUMNS)})
        if before is None
        else before.select(*KEY, *STATE_COLUMNS)
    )
    renamed = states.rename({name: f"{name}{BEFORE}" for name in STATE_COLUMNS})
    joined = tiered.lazy().join(renamed.lazy(), on=KEY, how="left")
    return remember(joined, (rule or tier_policy()).memory, period).collect()


def live(periods: list[dict[str, Any]], rule: Policy | None = None) -> list[dict[str, Any]]:
    """One customer's states, period after period, from its figures."""
    states: list[dict[str, Any]] = []
    before = None
    for number, figures in enumerate(periods):
        before = step(rate(figures, rule=rule), before, month(number), rule)
        states += before.to_dicts()
    return states


def lived(*tiers: str, rule: Policy | None = None) -> list[str]:
    """The memory tiers of a customer whose figures clearly say these tiers, period after period."""
    return [state["memory_tier"] for state in live([RUNG_FIGURES[tier] for tier in tiers], rule)]
