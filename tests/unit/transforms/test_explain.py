"""Why a score moved, what holds a tier, and what would move it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import frame, one
from tests.unit.transforms.tier_worlds import RUNG_FIGURES, SCORED, month, tier_policy
from transforms.explain import EXPLANATION, TERMS, explain
from transforms.policy import MEASURES, Policy
from transforms.schemas import CUSTOMER_VALUE_HISTORY
from transforms.scoring import SCORED_COLUMN, score_customers
from transforms.segments import segment_customers
from transforms.tiers import raw_tiers

SCALES: dict[str, Any] = {
    "measures__volume__weight": Decimal(20),
    "measures__loyalty__weight": Decimal(20),
    "measures__steadiness__weight": Decimal(10),
    "measures__volume__breakpoints": [[0, 0], [200_000, 100]],
    "measures__loyalty__breakpoints": [[0, 0], [1, 100]],
    "measures__steadiness__breakpoints": [[0, 0], [1, 100]],
}
PLAIN = tier_policy(**SCALES)
HEAVY = tier_policy(**SCALES | {"measures__volume__weight": Decimal(60)})


def rated(*customers: dict[str, Any], rule: Policy | None = None, **state: Any) -> pl.LazyFrame:
    """History rows of customers with these measures, scored and tiered by the policy; the state is given."""
    rule = rule or PLAIN
    rows = [
        {"customer_id": f"C{n}", "months_of_history": 12, **figures} for n, figures in enumerate(customers, 1)
    ]
    tiered = raw_tiers(segment_customers(score_customers(frame(SCORED, rows), rule), rule), rule)
    known = {"period": month(1), "tier_since": month(0), "periods_up": 0, "periods_down": 0, **state}
    names = set(tiered.collect_schema().names())
    fill = {
        name: pl.lit(known.get(name), dtype=dtype)
        for name, dtype in CUSTOMER_VALUE_HISTORY.items()
        if name not in names or name in known
    }
    whole = tiered.with_columns(**fill)
    if "memory_tier" not in state:
        whole = whole.with_columns(memory_tier="raw_tier")
    if "effective_tier" not in state:
        whole = whole.with_columns(effective_tier="memory_tier")
    return whole.select(CUSTOMER_VALUE_HISTORY.names()).collect().lazy()


def explained(
    now: pl.LazyFrame, before: pl.LazyFrame | None = None, rule: Policy | None = None
) -> dict[str, Any]:
    return one(explain(now, before, rule or PLAIN).collect())


def deltas(row: dict[str, Any]) -> dict[str, Decimal]:
    return {term: row[f"{term}_delta"] for term in TERMS if row[f"{term}_delta"]}


def test_a_change_of_one_measure_is_its_weight_times_its_change():
    base = {"loyalty": "0.6", "steadiness": "0.7"}
    row = explained(rated({**base, "net_sales_12m": 150_000}), rated({**base, "net_sales_12m": 100_000}))
    # volume 50 -> 75 at weight 20 of 50 assessed
    assert deltas(row) == {"volume": Decimal(10)}
    assert row["drivers"] == "volume +10"


def test_drivers_are_listed_largest_first_with_their_sign():
    before = {"net_sales_12m": 150_000, "loyalty": "0.6", "steadiness": "0.7"}
    now = {"net_sales_12m": 100_000, "loyalty": "0.65", "steadiness": "0.85"}
    assert explained(rated(now), rated(before))["drivers"] == "volume −10, steadiness +3, loyalty +2"


def test_a_measure_that_came_or_went_is_coverage_not_value():
    before = {"net_sales_12m": 40_000, "loyalty": "0.6"}
    now = {"net_sales_12m": 40_000, "loyalty": "0.6", "influence": 100}
    row = explained(rated(now), rated(before))
    assert set(deltas(row)) == {"coverage"}
    assert row["coverage_delta"] == row["score_to"] - row["score_from"]


def test_a_new_policy_is_a_term_of_its_own():
    figures = {"net_sales_12m": 150_000, "loyalty": "0.3", "steadiness": "0.7"}
    row = explained(rated(figures, rule=HEAVY), rated(figures), HEAVY)
    assert set(deltas(row)) == {"policy"}


def test_nothing_changed_is_no_driver_and_no_earlier_rating_is_no_change():
    figures = {"net_sales_12m": 150_000, "loyalty": "0.3"}
    assert explained(rated(figures), rated(figures))["drivers"] is None
    first = explained(rated(figures))
    assert (first["score_from"], first["volume_delta"], first["drivers"]) == (None, None, None)
    assert first["score_to"] is not None


values = st.fixed_dictionaries(
    {},
    optional={
        "net_sales_12m": st.decimals(-1000, 4_000_000, places=4),
        "steadiness": st.decimals(0, 1, places=6),
        "contribution_12m": st.decimals(-5000, 800_000, places=4),
        "loyalty": st.decimals(0, 1, places=6),
        "feedback_rate": st.decimals(0, 2, places=6),
        "influence": st.decimals(0, 100, places=4),
        "headroom_12m": st.decimals(0, 2_000_000, places=4),
    },
)


@given(st.lists(st.tuples(values, values), min_size=1, max_size=40), st.booleans())
@settings(max_examples=15)
def test_the_terms_sum_to_the_change_of_the_score_to_the_last_digit(pairs, new_policy):
    rule = HEAVY if new_policy else PLAIN
    now, before = rated(*(now for now, _ in pairs), rule=rule), rated(*(before for _, before in pairs))
    found = explain(now, before, rule).collect()
    terms = pl.sum_horizontal(f"{term}_delta" for term in TERMS)
    change = pl.col("score_to") - pl.col("score_from")
    assert found.filter(change.is_not_null() & (terms != change)).is_empty()
    assert found.filter(
        change.is_null() & pl.any_horizontal(f"{term}_delta" for term in TERMS).is_not_null()
    ).is_empty()
    for (figures, earlier), row in zip(
        pairs, found.sort(pl.col("customer_id").str.slice(1).cast(int)).to_dicts(), strict=True
    ):
        for measure in MEASURES:
            column = SCORED_COLUMN[measure]
            if (
                figures.get(column) is None
                or earlier.get(column) is None
                or figures[column] == earlier[column]
            ):
                assert not row[f"{measure}_delta"]
        if not new_policy:
            assert not row["policy_delta"]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, "the period's own figures"),
        ({"memory_tier": "cultivate"}, "memory: the period alone says core"),
        (
            {
                "cap_tier": "marginal",
                "cap_reason": "credit_stop",
                "cap_since": month(1),
                "effective_tier": "marginal",
            },
            "cap at marginal since 2024-02-01: credit_stop",
        ),
        (
            {
                "override_tier": "strategic",
                "effective_tier": "strategic",
                "override_owner": "m.keller",
                "override_reason": "joint project",
                "override_valid_to": month(5),
            },
            "override by m.keller until 2024-06-01: joint project",
        ),
        (
            {"override_tier": "strategic", "effective_tier": "marginal", "override_owner": "m.keller"},
            "credit stop, against the override to strategic by m.keller",
        ),
    ],
)
def test_what_holds_the_tier_is_named(state, said):
    assert explained(rated(RUNG_FIGURES["core"] | {"feedback_rate": 0}, **state))["held_by"] == said


def test_a_gate_that_holds_the_tier_says_what_it_would_be_without():
    row = explained(rated(RUNG_FIGURES["core"] | {"contribution_12m": -5}))
    assert row["held_by"].startswith("gate loss_making: without it ")


def test_the_memory_tells_its_runs():
    state = {"memory_tier": "cultivate", "periods_up": 1, "up_tier": "core"}
    assert (
        explained(rated(RUNG_FIGURES["core"], **state))["memory"]
        == "cultivate since 2024-01; 1 of 2 periods up to core"
    )


@pytest.mark.parametrize(
    ("figures", "tier", "lacking"),
    [
        ({"net_sales_12m": 108_800, "loyalty": "0.9"}, "core", "net_sales_12m 41,200.00 below 150,000"),
        ({"net_sales_12m": 900_000, "loyalty": "0.53"}, "core", "loyalty 0.07 below 0.6"),
        ({"net_sales_12m": 9000, "loyalty": "0.53"}, "cultivate", "loyalty 0.07 below 0.6"),
        (
            {"net_sales_12m": 900_000, "loyalty": "0.9", "contribution_12m": -250},
            "core",
            "contribution_12m 250.00 below 0",
        ),
        (
            {
                "net_sales_12m": 900_000,
                "loyalty": "0.9",
                "steadiness": "0.9",
                "feedback_reason": "not_delivered",
            },
            "strategic",
            "feedback_rate not assessed: not_delivered",
        ),
    ],
)
def test_the_nearest_counterfactual_names_the_rung_and_all_that_is_lacking(figures, tier, lacking):
    row = explained(rated(figures))
    assert (row["counterfactual_tier"], row["counterfactual"]) == (tier, lacking)


@pytest.mark.parametrize("tier", ["strategic", "new"])
def test_at_the_top_and_in_a_state_there_is_nothing_to_reach(tier):
    figures = RUNG_FIGURES[tier] | {"contribution_12m": 750_000}
    assert explained(rated(figures))["counterfactual"] is None


def test_an_explanation_ends_at_its_columns():
    assert explain(rated({}), None, PLAIN).collect().schema == EXPLANATION
