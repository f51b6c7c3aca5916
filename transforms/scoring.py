"""Scores: what a measure is worth in points, on absolute scales."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.exact import (
    RATIO,
    RATIO_PLACES,
    SCORE,
    SCORE_PLACES,
    divide,
    from_units,
    ratio,
    units,
    units_of,
    whole,
)
from transforms.policy import MEASURES

if TYPE_CHECKING:
    from transforms.policy import MeasureScale, Policy

SCORED_COLUMN: Final[dict[str, str]] = {
    "volume": "net_sales_12m",
    "steadiness": "steadiness",
    "contribution": "contribution_12m",
    "loyalty": "loyalty",
    "feedback": "feedback_rate",
    "influence": "influence",
    "potential": "headroom_12m",
}
"""The measured column each score is read from."""

REASON_COLUMN: Final[dict[str, str]] = {
    measure: "headroom_reason" if measure == "potential" else f"{measure}_reason" for measure in MEASURES
}
"""The column that says why a measure is not assessed."""

# The finest step of a breakpoint; measured money has 4 places and ratios 6.
_VALUE_PLACES: Final = RATIO_PLACES


def score_customers(measured: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    """Add scores, points and coverage to measured customers. Grain and row order are kept.

    `<measure>_score` 0–100 by the policy's breakpoints, null where the measure is. `score` = Σ w·s ÷ Σ w over the
    assessed measures, null if there is none; `<measure>_points` are what each gives to it, and sum to it exactly.
    `score_coverage` = Σ w assessed ÷ Σ w. `unassessed` lists the others with their reasons; null if there is none.
    """
    return (
        measured.with_columns(
            measure_score(SCORED_COLUMN[measure], policy.measures.scale(measure)).alias(f"{measure}_score")
            for measure in MEASURES
        )
        .with_columns(*_points(policy), _coverage(policy), _unassessed())
        .with_columns(score=_sum_of_points())
    )


def measure_score(column: str, scale: MeasureScale) -> pl.Expr:
    """Score a measured value: linear between the scale's breakpoints, flat beyond their ends; null stays null.

    Computed in whole numbers and rounded once to 4 digits, half to even, so a value at a breakpoint has its score.
    """
    value = units(column, _VALUE_PLACES)
    points = [(units_of(x, _VALUE_PLACES), units_of(y, SCORE_PLACES)) for x, y in scale.breakpoints]
    score = pl.when(value.is_null()).then(None).when(value <= whole(points[0][0])).then(whole(points[0][1]))
    for (low, low_score), (high, high_score) in pairwise(points):
        risen = (value - whole(low)) * whole(high_score - low_score) + whole(low_score * (high - low))
        score = score.when(value <= whole(high)).then(divide(risen, whole(high - low)))
    return from_units(score.otherwise(whole(points[-1][1])), SCORE)


def _weight(policy: Policy, measure: str) -> int:
    return units_of(policy.measures.scale(measure).weight, RATIO_PLACES)


def _assessed_weight(policy: Policy, measure: str) -> pl.Expr:
    is_assessed = pl.col(f"{measure}_score").is_not_null()
    return pl.when(is_assessed).then(whole(_weight(policy, measure))).otherwise(whole(0))


def _points(policy: Policy) -> list[pl.Expr]:
    """w·s ÷ Σw of each assessed measure, rounded so that the points sum to the rounded score.

    Not the points but their running sum is rounded, in the order of `MEASURES`, and a measure gets the step it makes: each
    is within 0.0001 of its exact value, none is below 0, one that gives nothing has exactly 0, and no rest is left.
    """
    weights = pl.sum_horizontal(_assessed_weight(policy, measure) for measure in MEASURES)
    running, before, points = whole(0), whole(0), []
    for measure in MEASURES:
        score = f"{measure}_score"
        running += (units(score, SCORE_PLACES) * whole(_weight(policy, measure))).fill_null(0)
        after = divide(running, weights)
        step = pl.when(pl.col(score).is_not_null()).then(after - before)
        points.append(from_units(step, SCORE).alias(f"{measure}_points"))
        before = after
    return points


def _sum_of_points() -> pl.Expr:
    points = [pl.col(f"{measure}_points") for measure in MEASURES]
    total = pl.sum_horizontal(units(point, SCORE_PLACES) for point in points)
    return pl.when(pl.any_horizontal(point.is_not_null() for point in points)).then(from_units(total, SCORE))


def _coverage(policy: Policy) -> pl.Expr:
    assessed = pl.sum_horizontal(_assessed_weight(policy, measure) for measure in MEASURES)
    total = sum(_weight(policy, measure) for measure in MEASURES)
    return ratio(assessed, whole(total), RATIO).alias("score_coverage")


def _unassessed() -> pl.Expr:
    reasons = (pl.format(f"{measure}: {{}}", pl.col(REASON_COLUMN[measure])) for measure in MEASURES)
    listed = pl.concat_str(*reasons, separator=", ", ignore_nulls=True)
    return pl.when(listed != "").then(listed).alias("unassessed")
