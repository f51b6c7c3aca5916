"""Who slows down, declines or has lapsed: the bars, the memory, what is at stake, and the laws."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tests.unit.transforms.small_worlds import YEAR_END, facts, frame, line, monthly, one, policy, sales
from transforms.facts.model import Facts
from transforms.frames.periods import months_before
from transforms.frames.plan import month_end
from transforms.measures import MEASURED
from transforms.measures.window import KEY, Window
from transforms.policy.model import Policy
from transforms.rating.decline import DECLINE, MEMORY, STATES, tell_decline
from transforms.rating.period import rate_period
from transforms.tiers.memory import BEFORE

LAST = date(2024, 12, 1)
# Of a customer that buys as it did, by every figure that a decline is told from.
CALM: dict[str, Any] = {
    "months_of_history": 36,
    "last_order_on": date(2024, 11, 30),
    "days_since_last_order": 31,
    "usual_gap_days": 31,
    "gap_multiple": 1,
    "pace_ratio": 1,
    "pace_basis": "quantity",
    "pace_months": 3,
    "net_sales_12m": 50_000,
    "net_sales_12m_before": 50_000,
}


def told(
    *,
    before: tuple[str, int, int] | None = None,
    rule: Policy | None = None,
    extracts: dict[str, Any] | None = None,
    sold: list[dict[str, Any]] | None = None,
    **figures: Any,
) -> dict[str, Any]:
    """What is told of a customer that is calm but for these figures; `before`: its state, its low and its calm periods."""
    was = dict(
        zip(("decline_state", "decline_low_periods", "decline_calm_periods"), before or (), strict=False)
    )
    memory = pl.LazyFrame(
        {f"{name}{BEFORE}": [was.get(name)] for name in MEMORY},
        schema={f"{name}{BEFORE}": RATED_MEMORY[name] for name in MEMORY},
    )
    rated = pl.concat([frame(MEASURED, [CALM | figures]), memory], how="horizontal")
    found = tell_decline(rated, facts(sold or [], **extracts or {}), rule or policy(), Window(YEAR_END))
    return one(found.collect())


RATED_MEMORY = {
    "decline_state": pl.String(),
    "decline_since": pl.Date(),
    "decline_low_periods": pl.Int32(),
    "decline_calm_periods": pl.Int32(),
}


@pytest.mark.parametrize(
    ("figures", "state"),
    [
        ({}, "none"),
        ({"pace_ratio": "0.750001"}, "none"),
        ({"pace_ratio": "0.75"}, "slowing"),
        ({"pace_ratio": "0.6"}, "slowing"),  # for the first time
        ({"gap_multiple": 2}, "none"),
        ({"gap_multiple": "2.000001"}, "slowing"),
        ({"gap_multiple": 3}, "slowing"),
        ({"gap_multiple": "3.000001"}, "declining"),
        ({"gap_multiple": 4}, "declining"),
        ({"gap_multiple": "4.000001"}, "lapsed"),
        ({"gap_multiple": 5, "days_since_last_order": 29}, "none"),
        ({"gap_multiple": 5, "days_since_last_order": 30}, "lapsed"),
        ({"usual_gap_days": 400, "days_since_last_order": 765, "gap_multiple": "1.9125"}, "none"),
        ({"usual_gap_days": 400, "days_since_last_order": 766, "gap_multiple": "1.915"}, "lapsed"),
        ({"pace_ratio": "0.7", "gap_multiple": "3.5"}, "declining"),  # the worst holds
        ({"pace_ratio": None, "gap_multiple": None, "usual_gap_days": None}, "none"),
    ],
)
def test_a_decline_begins_at_the_bars_of_the_policy(figures: dict[str, Any], state: str) -> None:
    found = told(**figures)
    assert found["decline_state"] == state
    assert found["decline_since"] == (None if state == "none" else LAST)
    assert (found["decline_reason"] is None) == (state == "none")


def test_a_low_pace_is_a_decline_in_the_second_period_running() -> None:
    assert told(pace_ratio="0.6", before=("slowing", 1, 0))["decline_state"] == "declining"
    assert told(pace_ratio="0.600001", before=("slowing", 1, 0))["decline_state"] == "slowing"
    assert told(pace_ratio="0.6", before=("slowing", 0, 0))["decline_state"] == "slowing"
    assert told(pace_ratio="0.6", before=("slowing", 1, 0))["decline_low_periods"] == 2


@pytest.mark.parametrize("state", ["slowing", "declining"])
@pytest.mark.parametrize(
    ("figures", "calm_before", "is_over"),
    [
        ({"pace_ratio": "0.85", "gap_multiple": "1.5"}, 1, True),
        ({"pace_ratio": "0.85", "gap_multiple": "1.5"}, 0, False),
        ({"pace_ratio": "0.849999"}, 1, False),
        ({"gap_multiple": "1.500001"}, 1, False),
        ({"gap_multiple": "1.9", "days_since_last_order": 19}, 1, True),
        ({"pace_ratio": None}, 1, True),
    ],
)
def test_it_is_over_after_two_calm_periods_running(
    state: str, figures: dict[str, Any], calm_before: int, is_over: bool
) -> None:
    found = told(before=(state, 0, calm_before), **figures)
    assert found["decline_state"] == ("none" if is_over else state)


def test_a_calm_period_is_said_and_a_restless_one_begins_the_count_anew() -> None:
    first = told(before=("declining", 0, 0))
    assert (first["decline_calm_periods"], first["decline_reason"]) == (1, "calm for 1 of 2 periods")
    assert told(before=("declining", 0, 1), pace_ratio="0.8")["decline_calm_periods"] == 0


def test_a_milder_state_does_not_take_the_place_of_a_harder_one() -> None:
    assert told(before=("declining", 0, 0), pace_ratio="0.7")["decline_state"] == "declining"


def test_a_lapse_ends_with_an_order_and_with_nothing_else() -> None:
    silent = {"last_order_on": date(2023, 10, 1), "days_since_last_order": 457, "gap_multiple": "14.7"}
    lapse = ("lapsed", 5, 0)
    assert told(before=lapse, **silent)["decline_state"] == "lapsed"
    assert told(before=lapse, **silent | {"gap_multiple": 1})["decline_state"] == "lapsed"
    back = {"last_order_on": LAST, "days_since_last_order": 30, "gap_multiple": "0.9"}
    returned = told(before=lapse, **back, pace_ratio="0.2")
    assert (returned["decline_state"], returned["decline_low_periods"]) == ("none", 0)


@pytest.mark.parametrize("before", [None, ("lapsed", 0, 0)])
def test_who_has_something_on_order_has_not_lapsed(before: tuple[str, int, int] | None) -> None:
    ordered = {"open_orders": [{"order_id": "1", "line_id": "1", "amount": 10}]}
    assert told(before=before, gap_multiple=9, extracts=ordered)["decline_state"] == "declining"
    billed = {"open_orders": [{"order_id": "1", "line_id": "1", "amount": 0}]}
    assert told(before=before, gap_multiple=9, extracts=billed)["decline_state"] == "lapsed"


def test_nothing_is_told_of_who_is_young_or_inactive() -> None:
    for figures in ({"months_of_history": 14}, {"extracts": {"customers": [{"status": "inactive"}]}}):
        found = told(before=("slowing", 1, 1), gap_multiple=9, **figures)
        assert {found[name] for name in DECLINE} == {None}
    assert told(months_of_history=15, gap_multiple=9)["decline_state"] == "lapsed"


def test_only_material_sales_of_the_year_before_are_missed() -> None:
    rule = policy(credit__material_amount=1000)
    small = {"net_sales_12m_before": "999.9999", "gap_multiple": 9}
    assert told(rule=rule, **small)["decline_state"] == "none"
    assert told(rule=rule, **small | {"net_sales_12m_before": 1000})["decline_state"] == "lapsed"
    # what is warned of already goes on, and gets worse
    assert told(rule=rule, before=("slowing", 0, 0), **small)["decline_state"] == "lapsed"


def test_growth_is_named_from_its_bar_on_where_nothing_declines() -> None:
    found = told(pace_ratio="1.25")
    assert (found["is_growing"], found["decline_reason"]) == (
        True,
        "quantity of 3 months 1.25 of a year before",
    )
    assert told(pace_ratio="1.249999")["is_growing"] is False
    assert told(pace_ratio="1.25", gap_multiple=3)["is_growing"] is False
    assert told(pace_ratio="1.25", net_sales_12m_before=0)["is_growing"] is False


def test_of_a_decline_the_best_year_less_this_one_is_at_stake() -> None:
    sold = monthly(*[5000] * 12, *[2000] * 12)
    found = told(sold=sold, pace_ratio="0.4", net_sales_12m=24_000, net_sales_12m_before=60_000)
    assert found["decline_stake"] == 36_000
    assert told(sold=monthly(*[5000] * 24), pace_ratio="0.4", net_sales_12m=60_000)["decline_stake"] == 0


@pytest.mark.parametrize(("months_ago", "stake"), [(14, 60_000), (24, 60_000), (25, None)])
def test_of_a_lapse_the_year_to_the_last_order_is_at_stake_for_two_years(
    months_ago: int, stake: int | None
) -> None:
    ended = months_before(LAST, months_ago)
    sold = monthly(*[9000] * 6, *[5000] * 12, last=month_end(ended))
    found = told(
        sold=sold, before=("lapsed", 0, 0), last_order_on=ended.replace(day=10), gap_multiple=20, pace_ratio=0
    )
    assert (found["decline_state"], found["decline_stake"]) == ("lapsed", stake)


GROUP = {"customers": [{"customer_id": name, "group_id": "G1"} for name in ("C1", "C2", "C3")]}


def bought_by_others(more: int, *, then: date, now: date) -> list[dict[str, Any]]:
    """What one of the group bought then and buys now; another of it buys as ever, and somebody of no group much more."""
    return [
        line(then, 500, customer_id="C2"),
        line(now, 500 + more, customer_id="C2"),
        line(then, 700, customer_id="C3"),
        line(now, 700, customer_id="C3"),
        line(now, 90_000, customer_id="C4"),
    ]


@pytest.mark.parametrize(("more", "is_said"), [(2499, False), (2500, True)])
def test_a_decline_says_what_others_of_the_group_buy_more_where_it_is_material(
    more: int, is_said: bool
) -> None:
    sold = [line(date(2023, 12, 5), 50_000), line(date(2024, 1, 5), 9_000)]
    sold += bought_by_others(more, then=date(2023, 1, 31), now=date(2024, 1, 1))
    found = told(pace_ratio="0.5", sold=sold, extracts=GROUP)
    slow = "quantity of 3 months 0.5 of a year before"
    assert found["decline_reason"] == (f"{slow}; others of its group buy 2,500.00 more" if is_said else slow)


def test_of_a_lapse_others_are_compared_with_the_year_to_the_customers_last_order() -> None:
    """The year to December 2022, and not the one before the last: what moved then has moved for long."""
    silent = {"gap_multiple": 5, "last_order_on": date(2022, 12, 20), "days_since_last_order": 742}
    sold = [line(date(2022, 12, 20), 50_000), line(date(2023, 5, 5), 60_000, customer_id="C2")]
    sold += bought_by_others(50_000, then=date(2022, 1, 1), now=date(2024, 12, 31))
    found = told(**silent, sold=sold, extracts=GROUP)
    assert found["decline_reason"].endswith("; others of its group buy 50,000.00 more")
    on_its_own = told(**silent, sold=sold, extracts={"customers": [{"customer_id": "C1"}]})
    assert on_its_own["decline_reason"] == "last order 742 days ago, usual gap 31"


# From the orders on.


def rated(world: Facts, cells: pl.LazyFrame | None, months: int, rule: Policy | None = None) -> pl.DataFrame:
    """The last months of a world, each rated from the one before."""
    found: list[pl.DataFrame] = []
    for back in range(months - 1, -1, -1):
        end = month_end(months_before(LAST, back))
        previous = found[-1].lazy() if found else None
        values = rate_period(
            world, rule or policy(), closed_through=end, as_of=end, previous=previous, sales=cells
        )
        found.append(values.values.collect())
    return pl.concat(found)


def states(*amounts: float, months: int, price: list[float] | None = None) -> list[str]:
    """The states of a customer with an order a month of these amounts; at `price`, what one piece costs then."""
    sold = monthly(*amounts)
    for record, unit in zip(sold, price or [], strict=False):
        record["quantity"] = int(record["net_amount_company"] / unit)
    goods = [{"product_id": "P1"}]
    world = facts(sold, products=goods)
    return rated(world, sales(sold, goods), months)["decline_state"].to_list()


def test_who_stops_is_warned_of_step_by_step_and_who_comes_back_is_cleared() -> None:
    assert states(*[6000] * 24, 0, 0, 0, 0, 0, 6000, months=7) == [
        "none",
        "slowing",
        "slowing",
        "declining",
        "lapsed",
        "lapsed",
        "none",
    ]


def test_who_halves_slows_down_and_declines() -> None:
    assert states(*[6000] * 26, *[3000] * 4, months=5, price=[6] * 30) == [
        "none",
        "none",
        "slowing",
        "slowing",
        "declining",
    ]


def test_a_fall_of_prices_alone_is_no_decline() -> None:
    amounts = [*[6000] * 24, *[3000] * 6]
    assert set(states(*amounts, months=6, price=[6] * 24 + [3] * 6)) == {"none"}
    assert "declining" in states(*amounts, months=6, price=[6] * 30)


def test_a_month_without_an_order_is_no_decline() -> None:
    assert set(states(*[6000] * 26, 0, 6000, 6000, 6000, months=5)) <= {"none", "slowing"}


def test_who_comes_each_season_is_never_warned_of_and_who_stays_away_is() -> None:
    season = [0, 0, 6000, 6000, 6000, 0, 0, 0, 0, 0, 0, 0]
    each_year = [line(date(year, month, 10), amount) for year in (2021, 2022, 2023, 2024)
                 for month, amount in enumerate(season, 1) if amount]  # fmt: skip
    assert set(rated(facts(each_year), None, 12)["decline_state"]) == {"none"}
    gone = [record for record in each_year if record["invoice_date"].year < 2024]
    found = rated(facts(gone), None, 12)
    # whole seasons are compared: the one that is missed is known once it is over
    assert found["decline_state"].to_list() == [*["none"] * 6, "slowing", *["declining"] * 5]
    assert found["decline_stake"].to_list()[-1] == 18_000


amounts = st.lists(st.sampled_from([0, 0, 500, 2000, 6000, 20_000]), min_size=26, max_size=30)


@settings(max_examples=5, deadline=None)
@given(amounts, amounts, st.randoms(use_true_random=False))
def test_a_decline_is_the_customer_s_own_and_the_same_in_any_order(
    one_s: list[int], other_s: list[int], shuffler: Any
) -> None:
    own = monthly(*one_s)
    together = [*own, *monthly(*other_s, customer="C2")]
    shuffler.shuffle(together)
    columns = [*KEY, "period", "pace_ratio", "gap_multiple", *DECLINE]
    alone = rated(facts(own), sales(own), 3).select(columns)
    among = rated(facts(together), sales(together), 3).filter(pl.col("customer_id") == "C1").select(columns)
    assert_frame_equal(alone, among)


@settings(max_examples=5, deadline=None)
@given(amounts, st.sampled_from([3, 10]))
def test_scaling_amounts_and_what_is_material_scales_what_is_at_stake_and_nothing_else(
    bought: list[int], factor: int
) -> None:
    def of(times: int) -> pl.DataFrame:
        sold = monthly(*(amount * times for amount in bought))
        rule = policy(credit__material_amount=1000 * times)
        kept = (*MEMORY, "is_growing", "pace_ratio", "gap_multiple")
        return rated(facts(sold), sales(sold), 3, rule).select(*kept, "decline_stake")

    before, after = of(1), of(factor)
    assert_frame_equal(after.drop("decline_stake"), before.drop("decline_stake"))
    assert after["decline_stake"].to_list() == [
        None if stake is None else stake * factor for stake in before["decline_stake"]
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([None, *((state, low, calm) for state in STATES for low in (0, 1) for calm in (0, 1))]),
    st.none() | st.integers(0, 200),
    st.integers(0, 700),
)
def test_a_state_is_worse_only_for_a_reason_and_better_only_when_it_is_calm(
    before: tuple[str, int, int] | None, pace: int | None, days: int
) -> None:
    ratio = None if pace is None else Decimal(pace) / 100
    figures = {"days_since_last_order": days, "gap_multiple": Decimal(days) / 31}
    found = told(before=before, pace_ratio=ratio, last_order_on=YEAR_END - timedelta(days), **figures)
    was = STATES.index(before[0]) if before else 0
    now = STATES.index(found["decline_state"])
    if now > was:
        assert (ratio is not None and ratio <= Decimal("0.75")) or days > 62
    if now < was and before and before[0] != "lapsed":
        assert ratio is None or ratio >= Decimal("0.85")
        assert days <= 46
    assert found["decline_since"] is None or now > 0
    assert (found["decline_stake"] is None) == (now == 0)
