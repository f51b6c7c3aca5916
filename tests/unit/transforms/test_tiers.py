"""What a period alone says of a customer, and how certain that is."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transforms.tier_worlds import RUNG_FIGURES, rate, tier_policy
from transforms.policy.model import TIER_RANKS
from transforms.tiers.raw import STATES, SUCCEEDED

PARTNER = RUNG_FIGURES["strategic"]


def tier(**figures) -> str:
    return rate(figures)["raw_tier"].item()


# Who is succeeded is so by no figure of its own.
@pytest.mark.parametrize("said", sorted(RUNG_FIGURES))
def test_clear_figures_say_one_tier_wherever_the_bars_lie_within_the_margin(said):
    row = rate(RUNG_FIGURES[said]).row(0, named=True)
    assert (row["raw_tier"], row["lowest_tier"], row["highest_tier"]) == (said, said, said)


@pytest.mark.parametrize(
    ("bar", "value"), [("score", "69.9999"), ("steadiness", "0.799999"), ("feedback_rate", "0.199999")]
)
def test_a_core_customer_below_one_strategic_bar_is_core(bar, value):
    assert tier(**PARTNER | {bar: value}) == "core"


def test_the_strategic_bars_are_inclusive():
    assert tier(**PARTNER | {"score": 70, "steadiness": "0.8", "feedback_rate": "0.2"}) == "strategic"


@pytest.mark.parametrize("bar", ["score", "steadiness", "feedback_rate"])
def test_a_measure_that_is_not_assessed_reaches_no_strategic_bar(bar):
    assert tier(**PARTNER | {bar: None}) == "core"


def test_a_partner_in_figures_with_low_volume_is_not_strategic():
    assert tier(**PARTNER | {"net_sales_12m": 9000}) == "cultivate"


@pytest.mark.parametrize(
    ("contribution", "raw", "gate"), [("-0.01", "marginal", "loss_making"), (0, "core", None)]
)
def test_a_customer_that_costs_more_than_it_brings_is_capped(contribution, raw, gate):
    row = rate(RUNG_FIGURES["core"] | {"contribution_12m": contribution}).row(0, named=True)
    assert (row["raw_tier"], row["ungated_tier"], row["gate"]) == (raw, "core", gate)


def test_a_gate_names_itself_only_where_it_lowers_the_tier():
    row = rate(RUNG_FIGURES["speculative"] | {"contribution_12m": -1}).row(0, named=True)
    assert (row["raw_tier"], row["gate"]) == ("speculative", None)


def test_a_contribution_that_is_not_known_closes_no_gate():
    assert tier(**RUNG_FIGURES["core"] | {"contribution_12m": None}) == "core"


@pytest.mark.parametrize("state", sorted(set(STATES) - {SUCCEEDED}))
def test_who_is_not_judged_is_not_capped(state):
    row = rate(RUNG_FIGURES[state] | {"contribution_12m": -1}).row(0, named=True)
    assert (row["raw_tier"], row["lowest_tier"], row["gate"]) == (state, state, None)


@pytest.mark.parametrize(
    ("volume", "lowest", "highest"),
    [
        (142_499, "cultivate", "cultivate"),
        (142_500, "cultivate", "core"),
        (150_000, "cultivate", "core"),
        (157_499, "cultivate", "core"),
        (157_500, "core", "core"),
    ],
)
def test_within_the_margin_of_a_bar_either_side_may_be_true(volume, lowest, highest):
    row = rate({"net_sales_12m": volume, "loyalty": "0.9"}).row(0, named=True)
    assert (row["lowest_tier"], row["highest_tier"]) == (lowest, highest)


def test_a_higher_bar_of_volume_can_mean_a_higher_tier():
    row = rate({"net_sales_12m": 150_000, "loyalty": "0.1"}).row(0, named=True)
    assert (row["raw_tier"], row["lowest_tier"], row["highest_tier"]) == (
        "speculative",
        "speculative",
        "marginal",
    )


def test_the_bars_move_apart_from_each_other():
    row = rate({"net_sales_12m": 150_000, "loyalty": "0.6"}).row(0, named=True)
    assert (row["raw_tier"], row["lowest_tier"], row["highest_tier"]) == ("core", "speculative", "core")


def test_no_margin_lifts_a_bar_above_what_its_measure_can_reach():
    strict = tier_policy(strategic__steadiness_from=Decimal("0.99"), segments__loyalty_from=Decimal("0.98"))
    row = rate(PARTNER | {"steadiness": 1, "loyalty": 1}, rule=strict).row(0, named=True)
    assert row["lowest_tier"] == "strategic"


figures = st.fixed_dictionaries(
    {
        "net_sales_12m": st.none() | st.decimals(0, 300_000, places=2),
        "loyalty": st.none() | st.decimals(0, 1, places=4),
        "score": st.decimals(0, 100, places=4),
        "steadiness": st.none() | st.decimals(0, 1, places=4),
        "feedback_rate": st.none() | st.decimals(0, 1, places=4),
        "contribution_12m": st.none() | st.decimals(-100, 100, places=2),
        "months_of_history": st.integers(0, 12),
        "score_coverage": st.decimals(0, 1, places=2),
    }
)


@given(st.lists(figures, min_size=1, max_size=20))
@settings(max_examples=60)
def test_the_raw_tier_lies_between_the_ends_of_its_margin(customers):
    found = rate(*(customer | {"customer_id": f"C{n}"} for n, customer in enumerate(customers)))
    for row in found.to_dicts():
        low, raw, high = (TIER_RANKS[row[name]] for name in ("lowest_tier", "raw_tier", "highest_tier"))
        assert low <= raw <= high
        assert (row["ungated_tier"] == row["segment"]) or (row["segment"], row["ungated_tier"]) == (
            "core",
            "strategic",
        )


@given(figures)
@settings(max_examples=40)
def test_noise_within_the_margin_stays_within_its_ends(customer):
    """Whatever bar × (1 ± margin) decides, the tier found lies between the ends."""
    plain = rate(customer).row(0, named=True)
    low, high = TIER_RANKS[plain["lowest_tier"]], TIER_RANKS[plain["highest_tier"]]
    for volume, loyalty in product((Decimal("0.96"), Decimal("1.04")), repeat=2):
        rule = tier_policy(
            segments__volume_high_from=Decimal(150_000) * volume,
            segments__loyalty_from=Decimal("0.6") * loyalty,
        )
        assert low <= TIER_RANKS[rate(customer, rule=rule)["raw_tier"].item()] <= high
