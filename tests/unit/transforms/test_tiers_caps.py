"""What lies over the memory tier, day by day: caps, their way back, and decisions by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest

from tests.unit.transforms.small_worlds import frame, one
from tests.unit.transforms.tier_worlds import month, tier_policy
from transforms.credit.watch import WATCHED
from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY, TIER_OVERRIDES
from transforms.measures.window import KEY
from transforms.policy.model import Policy
from transforms.tiers.caps import CAP_COLUMNS, cap, cap_steps, cap_table, effective_tier, override
from transforms.tiers.expected import watch

AS_OF = date(2024, 2, 17)
_BARE = [
    *KEY,
    "memory_tier",
    "tier_since",
    "periods_up",
    "up_tier",
    "periods_down",
    "down_tier",
    "periods_lateral",
]


def remembered(tier: str = "core", **other: Any) -> dict[str, Any]:
    calm = {"tier_since": month(0), "periods_up": 0, "periods_down": 0, "periods_lateral": 0}
    return {"customer_id": "C1", "memory_tier": tier, **calm, **other}


def caps(
    row: dict[str, Any],
    before: dict[str, Any] | None = None,
    *,
    stopped: bool | None = False,
    confirmed: bool | None = False,
    as_of: date = AS_OF,
    began_now: bool = False,
) -> dict[str, Any]:
    """The cap of one customer; None: credit or conduct cannot be judged."""
    schema = pl.Schema({name: CUSTOMER_VALUE_HISTORY[name] for name in (*_BARE, *CAP_COLUMNS)})
    state = {**row, **{name: (before or {}).get(name) for name in CAP_COLUMNS}}
    after = frame(schema, [state]).rename({name: f"{name}_before" for name in CAP_COLUMNS})
    action = {"customer_id": "C1", "is_credit_stop": stopped}
    credit = None if stopped is None else frame(WATCHED, [action])
    guilty = pl.Schema(dict.fromkeys(KEY, pl.String()))
    conduct = None if confirmed is None else frame(guilty, [{"customer_id": "C1"}] if confirmed else [])
    flagged = after.with_columns(capped_in_period=pl.lit(began_now))
    found = cap(flagged, tier_policy(), as_of, credit=credit, confirmed_conduct=conduct).collect()
    return one(found)


def effective(capped: dict[str, Any], *overrides: dict[str, Any], as_of: date = AS_OF) -> dict[str, Any]:
    schema = pl.Schema({name: CUSTOMER_VALUE_HISTORY[name] for name in (*_BARE, *CAP_COLUMNS)})
    given = frame(TIER_OVERRIDES, list(overrides)) if overrides else None
    row = frame(schema, [{name: capped[name] for name in schema.names()}])
    [found] = (
        override(row, given, as_of).with_columns(effective_tier(tier_policy().gates)).collect().to_dicts()
    )
    return found


def by_hand(tier: str, since: date = AS_OF, until: date = AS_OF, **other: Any) -> dict[str, Any]:
    return {
        "customer_id": "C1",
        "tier": tier,
        "valid_from": since,
        "valid_to": until,
        "owner": "m.keller",
        "reason": "joint project",
        **other,
    }


def test_a_credit_stop_caps_at_once_and_leaves_the_memory_alone():
    found = caps(remembered("core"), stopped=True)
    assert (found["cap_tier"], found["cap_reason"], found["cap_since"]) == ("marginal", "credit_stop", AS_OF)
    assert found["memory_tier"] == "core"
    assert effective(found)["effective_tier"] == "marginal"


def test_a_cap_never_lifts_anybody():
    assert effective(caps(remembered("speculative"), stopped=True))["effective_tier"] == "speculative"


@pytest.mark.parametrize("state", ["new", "unrated"])
def test_a_cap_holds_newcomers_too(state):
    assert effective(caps(remembered(state), stopped=True))["effective_tier"] == "marginal"


def test_confirmed_conduct_caps_lower_and_both_causes_are_named():
    found = caps(remembered(), stopped=True, confirmed=True)
    assert (found["cap_tier"], found["cap_reason"]) == ("speculative", "confirmed_conduct, credit_stop")


@pytest.mark.parametrize(
    ("stopped", "confirmed", "tier"), [(True, False, "marginal"), (False, True, "speculative")]
)
def test_at_the_caps_own_rank_conduct_sets_the_kind_and_a_credit_stop_leaves_it(stopped, confirmed, tier):
    assert (
        effective(caps(remembered("marginal"), stopped=stopped, confirmed=confirmed))["effective_tier"]
        == tier
    )
    both = caps(remembered("marginal"), caps(remembered("marginal"), confirmed=True), stopped=True)
    assert effective(both)["effective_tier"] == "speculative"


@pytest.mark.parametrize("stopped", [True, False])
def test_a_cap_never_raises(stopped):
    capped = caps(remembered("speculative"), stopped=stopped, confirmed=not stopped)
    assert effective(capped)["effective_tier"] == "speculative"


def test_the_way_back_needs_the_clean_periods():
    state = caps(remembered(), stopped=True)
    counts = []
    for _ in range(3):
        state = caps(remembered(), state)
        counts.append((state["cap_tier"], state["cap_clean_periods"]))
    assert counts == [("marginal", 1), ("marginal", 2), (None, None)]
    assert state["cap_reason"] is None
    assert state["cap_since"] is None


def test_a_relapse_starts_the_clean_periods_anew_and_keeps_the_first_day():
    first = caps(remembered(), stopped=True)
    relapsed = caps(remembered(), caps(remembered(), first), stopped=True, as_of=date(2024, 4, 1))
    assert (relapsed["cap_clean_periods"], relapsed["cap_since"]) == (0, AS_OF)


def test_the_lowest_cap_since_it_began_stays():
    first = caps(remembered(), confirmed=True)
    then = caps(remembered(), first, stopped=True)
    assert (then["cap_tier"], then["cap_reason"]) == ("speculative", "confirmed_conduct, credit_stop")


def test_a_second_run_in_a_period_counts_no_clean_period_twice():
    first = caps(remembered(), stopped=True)
    clean = caps(remembered(), first)
    assert caps(remembered(), first, as_of=date(2024, 3, 30)) == clean


def test_a_cap_that_began_in_the_period_stays_in_it():
    first = caps(remembered(), stopped=True)
    same_period = caps(remembered(), first, began_now=True, as_of=date(2024, 2, 20))
    assert (same_period["cap_tier"], same_period["cap_clean_periods"], same_period["cap_since"]) == (
        "marginal",
        0,
        AS_OF,
    )


@pytest.mark.parametrize("unknown", ["stopped", "confirmed"])
def test_a_cause_that_cannot_be_judged_any_more_counts_nothing(unknown):
    first = caps(remembered(), **{unknown: True})
    blind = caps(remembered(), first, **{unknown: None})
    assert (blind["cap_tier"], blind["cap_clean_periods"]) == (first["cap_tier"], 0)
    other = {"stopped": "confirmed", "confirmed": "stopped"}[unknown]
    assert caps(remembered(), first, **{other: None})["cap_clean_periods"] == 1


@pytest.mark.parametrize(("day", "tier"), [(16, "core"), (17, "strategic"), (20, "strategic"), (21, "core")])
def test_an_override_holds_from_its_first_day_to_its_last(day, tier):
    hand = by_hand("strategic", date(2024, 2, 17), date(2024, 2, 20))
    assert effective(caps(remembered()), hand, as_of=date(2024, 2, day))["effective_tier"] == tier


def test_of_several_overrides_the_latest_begun_holds():
    hands = by_hand("strategic", date(2024, 2, 1)), by_hand("cultivate", date(2024, 2, 2))
    assert effective(caps(remembered()), *hands)["effective_tier"] == "cultivate"


def test_an_override_holds_against_confirmed_conduct():
    assert effective(caps(remembered(), confirmed=True), by_hand("core"))["effective_tier"] == "core"


@pytest.mark.parametrize(("lifts", "tier"), [(None, "marginal"), (False, "marginal"), (True, "core")])
def test_an_override_lifts_a_credit_stop_only_if_it_says_so(lifts, tier):
    hand = by_hand("core", lifts_credit_stop=lifts)
    assert effective(caps(remembered(), stopped=True), hand)["effective_tier"] == tier


def test_an_override_below_a_credit_stop_holds_as_it_is():
    assert (
        effective(caps(remembered(), stopped=True), by_hand("speculative"))["effective_tier"] == "speculative"
    )


FIGURES = {"net_sales_12m": "141000", "loyalty": "0.9", "volume_reason": None, "loyalty_reason": None}


def watched(
    state: dict[str, Any],
    *overrides: dict[str, Any],
    rule: Policy | None = None,
    to_come: str | None = None,
    **figures: Any,
) -> tuple[Any, ...]:
    """Target, direction, gap and deadline of the watch in February 2024."""
    whole = {**FIGURES, **state, **figures}
    columns = [
        *_BARE,
        *CAP_COLUMNS,
        "net_sales_12m",
        "loyalty",
        "volume_reason",
        "loyalty_reason",
        "score",
        "steadiness",
    ]
    columns += [
        "steadiness_reason",
        "feedback_rate",
        "feedback_reason",
        "contribution_12m",
        "cost_estimated_12m",
    ]
    schema = pl.Schema({name: CUSTOMER_VALUE_HISTORY[name] for name in columns})
    row = frame(schema, [{name: value for name, value in whole.items() if name in columns}])
    given = frame(TIER_OVERRIDES, list(overrides)) if overrides else None
    rated = override(row, given, AS_OF).with_columns(effective_tier(tier_policy().gates))
    rates = pl.Schema({name: CUSTOMER_VALUE_HISTORY[name] for name in (*KEY, "feedback_rate")})
    announced = None if to_come is None else frame(rates, [{"customer_id": "C1", "feedback_rate": to_come}])
    found = one(watch(rated, rule or tier_policy(), month(1), announced).collect())
    return found["watch_tier"], found["watch_direction"], found["watch_gap"], found["watch_deadline"]


def test_who_is_where_the_figures_say_is_not_watched():
    assert watched(remembered("core")) == (None, None, None, None)


def test_a_run_down_names_what_is_lacking_to_keep_the_tier_and_when_it_ends():
    found = watched(remembered("core", tier_since=date(2023, 1, 1), periods_down=1, down_tier="cultivate"))
    assert found == ("cultivate", "down", "net_sales_12m below 142,500 by 1,500.00", date(2024, 4, 30))


def test_a_run_up_names_the_bar_that_would_be_missed_first():
    state = remembered("cultivate", tier_since=date(2023, 1, 1), periods_up=1, up_tier="core")
    found = watched(state, net_sales_12m="160000", loyalty="0.9")
    assert found == ("core", "up", "net_sales_12m above 157,500 by 2,500.00", date(2024, 3, 31))


@pytest.mark.parametrize(
    ("tier", "other", "volume", "gap"),
    [
        ("marginal", "speculative", 160_000, "net_sales_12m above 157,500 by 2,500.00"),
        ("speculative", "marginal", 141_000, "net_sales_12m below 142,500 by 1,500.00"),
    ],
)
def test_a_run_to_the_other_kind_names_how_far_volume_lies_beyond_its_bar(tier, other, volume, gap):
    state = remembered(tier, tier_since=date(2023, 1, 1), periods_lateral=1)
    assert watched(state, net_sales_12m=volume) == (other, "lateral", gap, date(2024, 4, 30))


def test_where_moves_go_one_rung_at_a_time_the_next_rung_is_expected():
    state = remembered("marginal", tier_since=date(2023, 1, 1), periods_up=1, up_tier="core")
    assert watched(state, rule=tier_policy(memory__one_step=True))[:2] == ("cultivate", "up")
    assert watched(state)[:2] == ("core", "up")


def test_a_run_that_is_full_waits_for_the_dwell():
    state = remembered("cultivate", tier_since=month(0), periods_up=2, up_tier="core")
    assert watched(state)[3] == date(2024, 4, 30)


def test_a_measure_that_is_not_assessed_is_named():
    state = remembered("strategic", tier_since=date(2023, 1, 1), periods_down=2, down_tier="core")
    figures = {"net_sales_12m": 900_000, "score": 90, "steadiness": "0.9"}
    assert (
        watched(state, **figures, feedback_reason="no_orders")[2] == "feedback_rate not assessed: no_orders"
    )
    # what is not delivered is not asked, so nothing is lacking
    assert watched(state, **figures, feedback_reason="not_delivered")[2] is None


PARTNER = {"net_sales_12m": 900_000, "score": 90, "steadiness": "0.9", "feedback_reason": "not_yet_asked"}


def test_a_bar_that_will_be_asked_is_announced_a_period_ahead_to_whom_it_will_cost_the_tier():
    old = date(2023, 1, 1)
    partner = remembered("strategic", tier_since=old)
    said = "feedback_rate is asked from the next period on: below 0.19 by 0.1"
    assert watched(partner, **PARTNER, to_come="0.09") == ("core", "down", said, date(2024, 5, 31))
    assert watched(partner, **PARTNER, to_come="0.19") == (None, None, None, None)
    assert watched(partner, **PARTNER) == (None, None, None, None)
    assert watched(remembered("core", tier_since=old), **PARTNER, to_come="0.09")[0] is None


def test_nobody_is_expected_to_reach_a_tier_that_will_ask_for_what_it_lacks():
    old = date(2023, 1, 1)
    rising = {"tier_since": old, "periods_up": 1, "up_tier": "strategic"}
    assert watched(remembered("core", **rising), **PARTNER, to_come="0.2")[:2] == (None, None)
    assert watched(remembered("core", **rising), **PARTNER, to_come="0.21")[:2] == ("strategic", "up")
    assert watched(remembered("cultivate", **rising), **PARTNER, to_come="0.2")[:2] == ("core", "up")


def test_a_cap_on_its_way_back_is_watched_and_one_whose_cause_holds_is_not():
    capped = {"cap_tier": "marginal", "capped_by_credit_stop": True, "cap_since": AS_OF}
    back = remembered("core", **capped, cap_clean_periods=1)
    assert watched(back) == ("core", "up", "1 of 3 clean periods", date(2024, 4, 30))
    assert watched(remembered("core", **capped, cap_clean_periods=0)) == (None, None, None, None)


def test_below_a_cap_that_binds_no_run_is_expected_to_show():
    capped = {
        "cap_tier": "marginal",
        "capped_by_credit_stop": True,
        "cap_since": AS_OF,
        "cap_clean_periods": 0,
    }
    assert watched(remembered("core", **capped, periods_down=1, down_tier="cultivate"))[0] is None


def test_an_override_is_watched_to_its_last_day():
    hand = by_hand("strategic", until=date(2024, 6, 30))
    found = watched(remembered("core"), hand)
    assert found == ("core", "down", "override by m.keller ends", date(2024, 6, 30))
    assert watched(remembered("core"), by_hand("core"))[0] is None


def test_the_caps_steps_are_written_down_as_they_are_taken():
    table = cap_table(tier_policy())
    names = [row.name for row in cap_steps(tier_policy(), AS_OF, is_blind=pl.lit(value=False))]
    assert [line.split(" | ")[1] for line in table.splitlines()[2:]] == names
    assert names == ["fires", "holds still", "counts a clean period", "is over, or never was"]
    assert "fewer than 3 clean periods" in table
