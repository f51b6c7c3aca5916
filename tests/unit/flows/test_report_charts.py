"""Where the marks of the report's charts lie: on the paper, in proportion, and nowhere that a null would put them."""

from __future__ import annotations

import itertools
import math
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.report import charts, flow_chart

AMOUNTS = st.decimals(min_value=-(10**9), max_value=10**9, places=2)


def value_curve(contributions: list[Decimal]) -> list[dict[str, Any]]:
    """The rows that the mart has of these customers."""
    ranked = sorted(contributions, reverse=True)
    total = sum(ranked)
    gainers = sum(each > 0 for each in ranked)
    running = [sum(ranked[:place], Decimal(0)) for place in range(1, len(ranked) + 1)]
    return [
        {
            "place": place,
            "customer_share": Decimal(place) / len(ranked),
            "cumulative_contribution": cumulative,
            "cumulative_share": cumulative / total if total > 0 else None,
            "is_peak": place == gainers,
        }
        for place, cumulative in enumerate(running, start=1)
    ]


@given(st.lists(AMOUNTS, min_size=1, max_size=30))
def test_the_value_curve_lies_on_its_plane_and_is_highest_at_its_peak(contributions: list[Decimal]) -> None:
    drawn = charts.curve(value_curve(contributions))
    assert drawn is not None
    points = [tuple(map(float, pair.split())) for pair in re.findall(r"[\d.]+ [\d.]+", drawn.line)]
    axes = drawn.axes
    assert all(axes.left <= x <= axes.right and axes.top <= y <= axes.bottom for x, y in points)
    assert (drawn.peak is None) == all(each <= 0 for each in contributions)
    if drawn.peak:
        assert drawn.peak[1] == min(y for _, y in points), "the paper's y falls"


def test_without_customers_there_is_no_curve_no_map_and_no_flow() -> None:
    assert charts.curve([]) is None
    assert charts.volume_loyalty_map([], [], None, None) is None
    assert flow_chart.flow([]) is None
    assert charts.columns([], "net_sales") is None


def customer(sales: object, loyalty: object = "0.5", segment: str = "core") -> dict[str, Any]:
    return {"net_sales_12m": Decimal(str(sales)), "loyalty": Decimal(str(loyalty)), "segment": segment}


@given(
    st.lists(st.tuples(AMOUNTS, st.decimals(0, 1, places=6)), min_size=1, max_size=30),
    st.decimals(min_value="0.01", max_value=10**9, places=2),
)
def test_every_customer_lies_on_the_map_and_on_the_right_side_of_the_bars(
    figures: list[tuple[Decimal, Decimal]], bar: Decimal
) -> None:
    drawn = charts.volume_loyalty_map([customer(*each) for each in figures], [], bar, Decimal("0.6"))
    assert drawn is not None
    assert drawn.bar_x is not None
    assert drawn.bar_y is not None
    dots = [dot for group in drawn.dots.values() for dot in group]
    assert len(dots) == len(figures)
    for dot in dots:
        assert drawn.axes.left <= dot.x <= drawn.axes.right
        assert drawn.axes.top <= dot.y <= drawn.axes.bottom
        assert (dot.x >= drawn.bar_x) or dot.row["loyalty"] < Decimal("0.6")
        assert (dot.y <= drawn.bar_y) or dot.row["net_sales_12m"] < bar


def test_who_sold_nothing_lies_in_a_strip_of_their_own_below_the_least_seller() -> None:
    drawn = charts.volume_loyalty_map([customer(0), customer(-5), customer(1)], [], None, None)
    assert drawn is not None
    none, back, least = drawn.dots["core"]
    assert none.y == back.y == drawn.strip
    assert none.y > least.y


def move(earlier: str | None, later: str | None, before: int, after: int) -> dict[str, Any]:
    ranks = {"strategic": 6, "core": 5, "marginal": 2, None: None}
    return {
        "from_tier": earlier,
        "from_rank": ranks[earlier],
        "to_tier": later,
        "to_rank": ranks[later],
        "direction": "stays" if earlier == later else "up",
        "net_sales_before": Decimal(before),
        "net_sales_after": Decimal(after),
    }


MOVES = [move("core", "core", 75, 60), move("core", "strategic", 25, 90), move("marginal", "core", 100, 50)]


def test_a_tier_is_as_high_as_its_sales_of_then_and_of_now_and_tiers_stand_by_rank() -> None:
    drawn = flow_chart.flow(MOVES)
    assert drawn is not None
    assert [(node.tier, node.amount) for node in drawn.left] == [("core", 100), ("marginal", 100)]
    assert [(node.tier, node.amount) for node in drawn.right] == [("strategic", 90), ("core", 110)]
    scales = {round(node.height / float(node.amount), 2) for node in (*drawn.left, *drawn.right)}
    assert len(scales) == 1, "both sides are drawn to one scale"


def test_a_ribbon_is_as_thick_at_each_end_as_the_sales_there_and_what_stays_lies_below() -> None:
    drawn = flow_chart.flow(MOVES)
    assert drawn is not None
    assert [ribbon.direction for ribbon in drawn.ribbons] == ["stays", "up", "up"]
    for ribbon in drawn.ribbons:
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", ribbon.path)]
        top_left, top_right, bottom_right, bottom_left = numbers[1], numbers[7], numbers[8], numbers[14]
        before, after = bottom_left - top_left, bottom_right - top_right
        assert after / before == pytest.approx(
            float(ribbon.row["net_sales_after"] / ribbon.row["net_sales_before"]), rel=0.01
        )


def test_a_migration_in_which_nothing_was_sold_before_and_after_has_no_flow_and_new_ones_have_a_line() -> (
    None
):
    assert flow_chart.flow([move("core", "core", 0, 0), move("core", "marginal", -5, 0)]) is None
    drawn = flow_chart.flow([move(None, "core", 0, 80)])
    assert drawn is not None
    assert drawn.left[0].height > 0


def test_a_null_leaves_a_gap_in_a_line() -> None:
    rows = [{"score": value} for value in (Decimal(1), Decimal(2), None, Decimal(3))]
    drawn = charts.line(rows, "score", width=100, height=40)
    assert [path.count("L") for path in drawn.paths] == [1, 0]
    assert drawn.points[2][1] is None


def test_a_line_without_a_value_is_empty() -> None:
    drawn = charts.line([{"score": None}], "score", width=100, height=40)
    assert (drawn.paths, drawn.last) == ([], None)


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9), st.integers(3, 8))
def test_ticks_are_round_and_within_their_range(first: float, span: float, count: int) -> None:
    last = first + span
    found = charts.ticks(first, last, count)
    assert len(found) <= count + 1
    for tick in found:
        assert first <= tick <= last or math.isclose(float(tick), first) or math.isclose(float(tick), last)
    steps = {right - left for left, right in itertools.pairwise(found)}
    assert len(steps) <= 1


def test_the_parts_of_a_bar_fill_it_and_leave_out_what_is_not_positive() -> None:
    parts = charts.portions(
        [("a", Decimal(30)), ("none", Decimal(0)), ("credit", Decimal(-5)), ("b", Decimal(10))]
    )
    assert parts == [("a", 0.0, 75.0), ("b", 75.0, 25.0)]
    assert charts.portions([("none", Decimal(0))]) == []
