"""Why a tier moved: the period a move is compared with, and its causes in the order of their weight."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from flows.wording.reasons import with_text
from tests.unit.transforms.small_worlds import policy
from tests.unit.transforms.test_revisions import MARCH, revision, written
from transforms.rating.revisions import movers, moves

POLICY = policy(
    segments__volume_high_from=100_000,
    memory__margin="0.1",
    measures__volume__breakpoints=[[0, 0], [200_000, 100]],
)
JANUARY, FEBRUARY = date(2024, 1, 1), date(2024, 2, 1)
SEEN: dict[str, Any] = {
    "net_sales_12m": 300_000,
    "score": 60,
    "volume_score": 60,
    "loyalty": "0.9",
    "periods_up": 0,
    "periods_down": 0,
    "policy_hash": POLICY.content_hash,
}
CULTIVATE = {
    "memory_tier": "cultivate",
    "effective_tier": "cultivate",
    "effective_rank": 4,
    "raw_tier": "cultivate",
}


def told(now: dict[str, Any], *earlier: dict[str, Any]) -> dict[str, Any]:
    """The move of April, where the last of `earlier` is what was shown before."""
    past = written(*(SEEN | row for row in earlier))
    shown = past.filter(pl.col("period") == pl.col("period").max().over("customer_id"))
    [move] = with_text(
        moves(movers(revision(**SEEN | now), shown).collect().lazy(), past, POLICY).collect()
    ).to_dicts()
    return move


FALLEN = CULTIVATE | {"net_sales_12m": 80_000, "score": 40, "volume_score": 40}
RUN_DOWN = [
    {"period": JANUARY, "score": 55, "volume_score": 55, "net_sales_12m": 200_000},
    {"period": FEBRUARY, "periods_down": 1, "score": 45, "volume_score": 45, "net_sales_12m": 85_000},
    {"period": MARCH, "periods_down": 2, "score": 41, "volume_score": 41, "net_sales_12m": 82_000},
]  # fmt: skip


def test_a_move_is_compared_with_the_last_period_before_its_run_began():
    move = told(FALLEN, *RUN_DOWN)
    assert (move["base_period"], move["score_from"], move["score_to"]) == (JANUARY, 55, 40)
    assert (move["net_sales_from"], move["net_sales_to"]) == (200_000, 80_000)
    assert move["reasons"] == (
        "net_sales_12m 80,000.00 below 90,000; net sales of 12 months 200,000.00 → 80,000.00; volume −15"
    )


def test_periods_that_were_frozen_belong_to_the_run():
    frozen = [*RUN_DOWN[:2], RUN_DOWN[2] | {"raw_tier": "unrated", "periods_down": 1}]
    assert told(FALLEN, *frozen)["base_period"] == JANUARY


def test_a_run_that_was_broken_began_anew():
    assert told(FALLEN, *RUN_DOWN[:2], RUN_DOWN[2] | {"periods_down": 0})["base_period"] == MARCH


def test_a_move_up_names_the_bars_it_reached_and_not_those_it_had_reached_before():
    small = CULTIVATE | {"period": MARCH, "net_sales_12m": 90_000, "score": 45, "volume_score": 45}
    move = told({"net_sales_12m": 130_000, "score": 65, "volume_score": 65}, small)
    assert move["reasons"].split("; ")[0] == "net_sales_12m 130,000.00 reaches 110,000"
    assert "loyalty" not in move["reasons"]


def test_a_loss_that_lowers_a_tier_is_named_with_its_figure():
    loss = {"gate": "loss_making", "contribution_12m": "-1200", "raw_tier": "marginal"}
    lost = {"memory_tier": "marginal", "effective_tier": "marginal", "effective_rank": 2} | loss
    move = told(lost, {"period": MARCH, "contribution_12m": 5000})
    assert move["reasons"].split("; ")[:2] == ["gate: loss_making", "contribution_12m −1,200.00 below 0"]
    assert (move["contribution_from"], move["contribution_to"]) == (5000, -1200)


def test_a_fall_names_quantity_price_and_an_order_that_is_overdue_by_the_customers_own_rhythm():
    business = {
        "quantity_effect_12m": -140_000, "price_effect_12m": -20_000, "quantity_change_12m": "-0.7",
        "last_order_on": date(2023, 10, 18), "usual_gap_days": 21,
    }  # fmt: skip
    said = told(FALLEN | business, *RUN_DOWN)["reasons"].split("; ")
    assert said[2:4] == ["quantity −70% in a year, price −20%", "last order 195 days ago, usual gap 21"]


@pytest.mark.parametrize(
    ("first_order_on", "change", "said"),
    [
        (date(2022, 5, 31), "1.5", ["quantity +150% in a year, price +25%"]),
        (date(2022, 6, 1), "1.5", ["price +25%"]),
        (date(2022, 6, 1), "-0.7", ["quantity −70% in a year, price +25%"]),
        (None, "1.5", ["quantity +150% in a year, price +25%"]),
    ],
    ids=["a whole year before", "began in it", "fell all the same", "first order not known"],
)
def test_nobody_is_said_to_have_grown_on_a_year_in_which_it_only_began(
    first_order_on: date | None, change: str, said: list[str]
):
    """The period is April 2024, and the year before it May 2022 to April 2023."""
    business = {
        "quantity_effect_12m": 20_000, "price_effect_12m": 16_000, "quantity_change_12m": change,
        "first_order_on": first_order_on, "last_order_on": date(2024, 4, 20), "usual_gap_days": 21,
    }  # fmt: skip
    reasons = told(FALLEN | business, *RUN_DOWN)["reasons"].split("; ")
    assert [each for each in reasons if "quantity" in each or "price" in each] == said


def test_quantity_and_price_that_are_as_they_were_are_no_reason():
    as_before = {"quantity_effect_12m": 0, "price_effect_12m": 0, "quantity_change_12m": 0}
    reasons = told(FALLEN | as_before, *RUN_DOWN)["reasons"]
    assert "quantity" not in reasons
    assert "price" not in reasons


def test_of_a_year_in_which_more_came_back_than_was_bought_the_quantity_is_said_without_a_price():
    """Net sales of 12 months at the prices of the year before are below 0, and a change of prices is no share of them."""
    business = {
        "net_sales_12m": -40_000, "quantity_effect_12m": -240_000, "price_effect_12m": 0, "quantity_change_12m": "-1.2",
    }  # fmt: skip
    reasons = told(FALLEN | business, *RUN_DOWN)["reasons"].split("; ")
    assert [each for each in reasons if "quantity" in each or "price" in each] == ["quantity −120% in a year"]


def test_an_order_within_the_usual_gap_is_no_reason():
    business = {"last_order_on": date(2024, 4, 15), "usual_gap_days": 21}
    assert "last order" not in told(FALLEN | business, *RUN_DOWN)["reasons"]


def test_a_cap_that_is_set_is_compared_with_the_period_before_it_and_named_first():
    capped = {
        "cap_tier": "marginal", "capped_by_credit_stop": True, "cap_since": date(2024, 5, 2), "cap_clean_periods": 0,
        "effective_tier": "marginal", "effective_rank": 2,
    }  # fmt: skip
    move = told(capped, {"period": FEBRUARY}, {"period": MARCH, "score": 58, "volume_score": 58})
    assert (move["base_period"], move["reasons"].split("; ")[0]) == (MARCH, "cap: credit_stop")


def test_a_cap_that_ends_says_what_ended_and_since_when():
    capped = {
        "cap_tier": "marginal", "capped_by_credit_stop": True, "cap_since": date(2024, 1, 9),
        "effective_tier": "marginal", "effective_rank": 2,
    }  # fmt: skip
    move = told(
        {},
        {"period": FEBRUARY, "cap_clean_periods": 0} | capped,
        {"period": MARCH, "cap_clean_periods": 1} | capped,
    )
    assert move["base_period"] == FEBRUARY
    assert move["reasons"].split("; ")[0] == "cap since 2024-01-09 ended: credit_stop"


def test_an_override_that_ends_is_named_with_its_day():
    hand = {
        "override_tier": "strategic", "override_owner": "m.keller", "override_valid_to": date(2024, 4, 20),
        "effective_tier": "strategic", "effective_rank": 6,
    }  # fmt: skip
    move = told({}, {"period": MARCH} | hand)
    assert (move["base_period"], move["reasons"]) == (MARCH, "override by m.keller ended on 2024-04-20")


@pytest.mark.parametrize("state", ["new", "unrated"])
def test_who_leaves_a_state_is_compared_with_nothing(state: str):
    before = {
        "period": MARCH,
        "memory_tier": state,
        "effective_tier": state,
        "effective_rank": 3,
        "segment": state,
    }
    move = told({}, before)
    assert (move["base_period"], move["segment_from"], move["score_from"], move["net_sales_from"]) == (
        None,
    ) * 4
    assert move["from_tier"] == state


def test_late_facts_and_another_policy_are_said_before_the_bars():
    assert told(FALLEN | {"cause": "correction"}, *RUN_DOWN)["reasons"].startswith(
        "facts of an earlier month came late; "
    )
    by_policy = FALLEN | {"cause": "policy_change", "cause_reason": "policy"}
    assert told(by_policy, *RUN_DOWN)["reasons"].startswith("another policy; ")


def test_points_sum_to_the_change_of_the_score_since_the_base_with_the_policy_as_a_term_of_its_own():
    past = written(*(SEEN | row | {"policy_hash": "another"} for row in RUN_DOWN))
    shown = past.filter(pl.col("period") == MARCH)
    moved = movers(revision(**SEEN | FALLEN), shown).collect().lazy()
    [move] = moves(moved, past, POLICY).collect().to_dicts()
    points = [
        Decimal(each["value"]) for each in move["reasons"] if each["code"] in {"driver", "other_drivers"}
    ]
    assert "policy" in {each["subject"] for each in move["reasons"]}
    assert sum(points) == move["score_to"] - move["score_from"]
