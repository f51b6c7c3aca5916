"""Scores: what a measure is worth in points, on absolute scales."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.fixed_point import (
    RATIO,
    RATIO_PLACES,
    SCORE,
    SCORE_PLACES,
    div_half_even,
    from_scaled_int,
    int128,
    ratio,
    scaled_int_of,
    to_scaled_int,
    with_rounded_shares,
)
from transforms.frames.reasons import reason, reasons
from transforms.measures.descriptor import MEASURES, Measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transforms.policy.model import MeasureScale, Policy

# The finest step of a breakpoint; measured money has 4 places and ratios 6.
_VALUE_PLACES: Final = RATIO_PLACES


def score_customers(
    measured: pl.LazyFrame, policy: Policy, measures: Sequence[Measure] = MEASURES
) -> pl.LazyFrame:
    """Add scores, points and coverage to measured customers. Grain and row order are kept.

    `<measure>_score` 0–100 by the policy's breakpoints, null where the measure is. `score` = Σ w·s ÷ Σ w over the
    assessed measures, null if there is none; `<measure>_points` are what each gives to it, and sum to it exactly.
    `score_coverage` = Σ w assessed ÷ Σ w. `unassessed` lists the others with their reasons; null if there is none.
    """
    scores = (measure_score(each.column, each.scale(policy)).alias(each.score_column) for each in measures)
    return (
        _with_points(measured.with_columns(scores), policy, measures)
        .with_columns(_coverage(policy, measures), _unassessed(measures))
        .with_columns(score=_sum_of_points(measures))
    )


def measure_score(column: str, scale: MeasureScale) -> pl.Expr:
    """Score a measured value: linear between the scale's breakpoints, flat beyond their ends; null stays null.

    Computed in whole numbers and rounded once to 4 digits, half to even, so a value at a breakpoint has its score.
    """
    value = pl.field("value")
    points = [(scaled_int_of(x, _VALUE_PLACES), scaled_int_of(y, SCORE_PLACES)) for x, y in scale.breakpoints]
    risen, width = int128(points[-1][1]), int128(1)
    for (low, low_score), (high, high_score) in reversed(list(pairwise(points))):
        by_slope = (value - int128(low)) * int128(high_score - low_score) + int128(low_score * (high - low))
        is_below = value <= int128(high)
        risen = pl.when(is_below).then(by_slope).otherwise(risen)
        width = pl.when(is_below).then(int128(high - low)).otherwise(width)
    (lowest, least), is_known = points[0], value.is_not_null()
    risen = pl.when(is_known).then(pl.when(value <= int128(lowest)).then(int128(least)).otherwise(risen))
    width = pl.when(value <= int128(lowest)).then(int128(1)).otherwise(width)
    # By way of a struct, so that the value stands once in the expression; and one division, whichever step it lies on.
    scored = pl.struct(value=to_scaled_int(column, _VALUE_PLACES)).struct.with_fields(
        score=div_half_even(risen, width)
    )
    return from_scaled_int(scored.struct.field("score"), SCORE)


def _weight(policy: Policy, measure: Measure) -> int:
    return scaled_int_of(measure.scale(policy).weight, RATIO_PLACES)


def _assessed_weight(policy: Policy, measure: Measure) -> pl.Expr:
    is_assessed = pl.col(measure.score_column).is_not_null()
    return pl.when(is_assessed).then(int128(_weight(policy, measure))).otherwise(int128(0))


def _with_points(scored: pl.LazyFrame, policy: Policy, measures: Sequence[Measure]) -> pl.LazyFrame:
    """Add w·s ÷ Σw of each assessed measure, rounded so that the points sum to the rounded score."""
    weighed = {
        measure.points_column: to_scaled_int(measure.score_column, SCORE_PLACES)
        * int128(_weight(policy, measure))
        for measure in measures
    }
    weights = pl.sum_horizontal(_assessed_weight(policy, measure) for measure in measures)
    points = (
        pl.when(pl.col(measure.score_column).is_not_null()).then(pl.col(measure.points_column))
        for measure in measures
    )
    return with_rounded_shares(scored, weighed, weights).with_columns(
        from_scaled_int(each, SCORE) for each in points
    )


def _sum_of_points(measures: Sequence[Measure]) -> pl.Expr:
    points = [pl.col(measure.points_column) for measure in measures]
    total = pl.sum_horizontal(to_scaled_int(point, SCORE_PLACES) for point in points)
    return pl.when(pl.any_horizontal(point.is_not_null() for point in points)).then(
        from_scaled_int(total, SCORE)
    )


def _coverage(policy: Policy, measures: Sequence[Measure]) -> pl.Expr:
    assessed = pl.sum_horizontal(_assessed_weight(policy, measure) for measure in measures)
    total = sum(_weight(policy, measure) for measure in measures)
    return ratio(assessed, int128(total), RATIO).alias("score_coverage")


def _unassessed(measures: Sequence[Measure]) -> pl.Expr:
    return reasons(
        *(
            pl.when(pl.col(measure.reason_column).is_not_null()).then(
                reason("unassessed", subject=measure.name, label=pl.col(measure.reason_column))
            )
            for measure in measures
        )
    ).alias("unassessed")
