"""Why a score moved, what holds a tier, and what would move it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import frame, one
from tests.unit.transforms.tier_worlds import RUNG_FIGURES, SCORED, month, tier_policy
from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY, EXPLANATION_TERM
from transforms.measures.descriptor import MEASURES
from transforms.policy.model import Policy
from transforms.rating.explain_score import explain, explained_columns, explanation_terms, score_term_names
from transforms.scoring.scores import score_customers
from transforms.scoring.segments import segment_customers
from transforms.tiers.raw import raw_tiers

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
        {"customer_id": f"C{n}", "months_of_history": 12, "first_order_on": date(2020, 1, 1), **figures}
        for n, figures in enumerate(customers, 1)
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
    return {term: row[f"{term}_delta"] for term in score_term_names() if row[f"{term}_delta"]}


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


FIVE = {
    f"measures__{measure}__{key}": value
    for measure in ("volume", "loyalty", "steadiness", "influence", "feedback", "potential", "contribution")
    for key, value in (("weight", Decimal(10)), ("breakpoints", [[0, 0], [1, 100]]))
}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (4, "volume +10, loyalty +5, steadiness +2.5, influence −1.25"),
        (5, "volume +10, loyalty +5, steadiness +2.5, others −1.875"),
    ],
)
def test_three_drivers_are_named_and_more_than_one_left_are_summed_up(changed, said):
    before = dict.fromkeys(
        (
            "net_sales_12m",
            "loyalty",
            "steadiness",
            "influence",
            "feedback_rate",
            "headroom_12m",
            "contribution_12m",
        ),
        "0.5",
    ) | {
        "net_sales_12m": "0.2",
        "influence": "0.5",
        "feedback_rate": "0.5",
        "headroom_12m": "0.5",
        "contribution_12m": "0.5",
    }
    moved = {
        "net_sales_12m": "0.9",
        "loyalty": "0.85",
        "steadiness": "0.675",
        "influence": "0.4125",
        "feedback_rate": "0.45625",
    }
    now = before | dict(list(moved.items())[:changed])
    rule = tier_policy(**FIVE)
    row = explained(rated(now, rule=rule), rated(before, rule=rule), rule)
    assert row["drivers"] == said


def test_what_the_drivers_show_adds_up():
    before = {"net_sales_12m": 150_000, "loyalty": "0.6", "steadiness": "0.7", "influence": 50, "feedback_rate": "0.2",
              "headroom_12m": 900, "contribution_12m": 700}  # fmt: skip
    now = {"net_sales_12m": 140_000, "loyalty": "0.65", "steadiness": "0.85", "influence": 51, "feedback_rate": "0.3",
           "headroom_12m": 22_000, "contribution_12m": 9000}  # fmt: skip
    row = explained(rated(now), rated(before))
    shown = [Decimal(part.split(" ")[1].replace("−", "-")) for part in row["drivers"].split(", ")]
    assert sum(shown) == row["score_to"] - row["score_from"]
    assert "others" in row["drivers"]


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
    terms = pl.sum_horizontal(f"{term}_delta" for term in score_term_names())
    change = pl.col("score_to") - pl.col("score_from")
    assert found.filter(change.is_not_null() & (terms != change)).is_empty()
    assert found.filter(
        change.is_null() & pl.any_horizontal(f"{term}_delta" for term in score_term_names()).is_not_null()
    ).is_empty()
    listed = (
        explanation_terms(now, before, found.lazy())
        .collect()
        .group_by("customer_id")
        .agg(pl.col("delta").sum())
    )
    assert (
        found.join(listed, on="customer_id")
        .filter(change.is_not_null() & (pl.col("delta") != change))
        .is_empty()
    )
    for (figures, earlier), row in zip(
        pairs, found.sort(pl.col("customer_id").str.slice(1).cast(int)).to_dicts(), strict=True
    ):
        for measure in MEASURES:
            column = measure.column
            if (
                figures.get(column) is None
                or earlier.get(column) is None
                or figures[column] == earlier[column]
            ):
                assert not row[measure.delta_column]
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
                "capped_by_credit_stop": True,
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
            {
                "override_tier": "strategic",
                "effective_tier": "marginal",
                "override_owner": "m.keller",
                "override_valid_to": date(2024, 6, 30),
            },
            "credit stop, against the override to strategic by m.keller",
        ),
    ],
)
def test_what_holds_the_tier_is_named(state, said):
    assert explained(rated(RUNG_FIGURES["core"] | {"feedback_rate": 0}, **state))["tier_basis"] == said


def test_a_gate_that_holds_the_tier_says_what_it_would_be_without():
    row = explained(rated(RUNG_FIGURES["core"] | {"contribution_12m": -5}))
    assert row["tier_basis"].startswith("gate loss_making: without it ")


def test_the_memory_tells_its_runs():
    state = {"memory_tier": "cultivate", "periods_up": 1, "up_tier": "core"}
    assert (
        explained(rated(RUNG_FIGURES["core"], **state))["memory"]
        == "cultivate since 2024-01; 1 of 2 periods up to core"
    )


@pytest.mark.parametrize(
    ("figures", "tier", "shortfall", "target_gap"),
    [
        (
            {"net_sales_12m": 108_800, "loyalty": "0.9"},
            "core",
            "net_sales_12m below 150,000 by 41,200.00",
            "net sales +41,200.00",
        ),
        ({"net_sales_12m": 900_000, "loyalty": "0.53"}, "core", "loyalty below 0.6 by 0.07", "loyalty +0.07"),
        (
            {"net_sales_12m": 9000, "loyalty": "0.53"},
            "cultivate",
            "loyalty below 0.6 by 0.07",
            "loyalty +0.07",
        ),
        (
            {"net_sales_12m": 900_000, "loyalty": "0.9", "contribution_12m": -250},
            "core",
            "contribution_12m below 0 by 250.00",
            "contribution +250.00",
        ),
        (
            {
                "net_sales_12m": 900_000,
                "loyalty": "0.9",
                "steadiness": "0.9",
                "feedback_reason": "no_orders",
            },
            "strategic",
            "feedback_rate not assessed: no_orders",
            "feedback a month of 0.2 or more",
        ),
    ],
)
def test_the_nearest_counterfactual_names_the_rung_and_all_that_would_reach_it(
    figures, tier, shortfall, target_gap
):
    row = explained(rated(figures))
    assert (row["counterfactual_tier"], row["shortfall"]) == (tier, shortfall)
    assert row["counterfactual"] == f"{target_gap} would make this customer {tier}"
    assert row["binding_bar"] == shortfall


def test_of_several_bars_the_one_furthest_away_binds():
    row = explained(
        rated({"net_sales_12m": 900_000, "loyalty": "0.9", "steadiness": "0.79", "feedback_rate": "0.1"})
    )
    assert row["shortfall"] == "steadiness below 0.8 by 0.01; feedback_rate below 0.2 by 0.1"
    assert row["binding_bar"] == "feedback_rate below 0.2 by 0.1"
    assert (
        row["counterfactual"]
        == "steadiness +0.01 and feedback a month +0.1 would make this customer strategic"
    )


def test_at_the_top_the_bar_that_would_be_missed_first_binds():
    figures = RUNG_FIGURES["strategic"] | {"steadiness": "0.82", "contribution_12m": 750_000}
    row = explained(rated(figures))
    assert (row["binding_bar"], row["counterfactual"]) == ("steadiness above 0.8 by 0.02", None)


@pytest.mark.parametrize(
    ("figures", "state", "said"),
    [
        ({}, {}, None),
        ({"contribution_12m": -250}, {}, "loss_making fires: contribution −250.00, at most marginal"),
        (
            {},
            {"cap_tier": "marginal", "capped_by_credit_stop": True, "cap_since": month(1), "cap_clean_periods": 0},
            "credit_stop fires since 2024-02-01: at most marginal",
        ),
        (
            {"contribution_12m": -250},
            {"cap_tier": "marginal", "capped_by_credit_stop": True, "cap_since": month(0), "cap_clean_periods": 1},
            ("loss_making fires: contribution −250.00, at most marginal; "
            "credit_stop is held since 2024-01-01: at most marginal, 1 of 3 clean periods"),
        ),
    ],
)  # fmt: skip
def test_a_gate_that_fires_and_a_cap_that_is_held_are_named(figures, state, said):
    assert explained(rated(RUNG_FIGURES["core"] | figures, **state))["gates"] == said


def test_the_terms_of_a_change_lie_one_below_the_other():
    before = {"net_sales_12m": 100_000, "loyalty": "0.6", "feedback_reason": "not_delivered"}
    now = before | {"net_sales_12m": 150_000}
    then_rows, now_rows = rated(before), rated(now)
    found = explanation_terms(now_rows, then_rows, explain(now_rows, then_rows, PLAIN)).collect()
    assert found.schema == EXPLANATION_TERM
    assert found["term"].to_list() == list(score_term_names())
    volume, *_ = found.to_dicts()
    assert (volume["value_from"], volume["value_to"]) == (100_000, 150_000)
    assert (volume["score_from"], volume["score_to"], volume["delta"]) == (50, 75, Decimal("12.5"))
    assert found.filter(term="feedback")["reason"].item() == "not_delivered"
    assert found.filter(pl.col("term").is_in(["coverage", "policy"]))["value_to"].to_list() == [None, None]


def test_terms_without_an_earlier_rating_have_no_change():
    rows = rated({"net_sales_12m": 100_000, "loyalty": "0.6"})
    found = explanation_terms(rows, None, explain(rows, None, PLAIN)).collect()
    assert set(found["delta"].to_list()) == {None}
    assert found["points_to"].sum() == rows.collect()["score"].item()


@pytest.mark.parametrize("tier", ["strategic", "new"])
def test_at_the_top_and_in_a_state_there_is_nothing_to_reach(tier):
    figures = RUNG_FIGURES[tier] | {"contribution_12m": 750_000}
    assert explained(rated(figures))["counterfactual"] is None
    assert explained(rated(figures))["shortfall"] is None


def test_an_explanation_ends_at_its_columns():
    assert explain(rated({}), None, PLAIN).collect().schema == explained_columns()
