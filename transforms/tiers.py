"""The raw tier: what a period alone says of a customer, and how certain that is within the policy's margin."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Self

import polars as pl

from transforms.policy import TIER_RANKS

if TYPE_CHECKING:
    from transforms.policy import Policy

STATES: Final = ("new", "unrated")  # not rungs of the ladder: who is in one has not been judged
LOSS_MAKING: Final = "loss_making"

_TOP_RATIO: Final = Decimal(1)
_TOP_SCORE: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class Bars:
    """The bars between the tiers, inclusive. Money in company currency, ratios 0–1, score 0–100, feedback a month."""

    net_sales_12m: Decimal
    loyalty: Decimal
    score: Decimal
    steadiness: Decimal
    feedback_rate: Decimal

    @classmethod
    def of(cls, policy: Policy, factor: Decimal = Decimal(1)) -> Self:
        """Take the policy's bars × `factor`; none is raised above the most its measure can reach."""
        strategic = policy.strategic
        return cls(
            net_sales_12m=policy.segments.volume_high_from * factor,
            loyalty=min(policy.segments.loyalty_from * factor, _TOP_RATIO),
            score=min(strategic.score_from * factor, _TOP_SCORE),
            steadiness=min(strategic.steadiness_from * factor, _TOP_RATIO),
            feedback_rate=strategic.feedback_from * factor,
        )


def keep_bars(policy: Policy) -> Bars:
    """Give the bars under which a customer must fall to move down: × (1 − margin). Source: DECISIONS 3."""
    return Bars.of(policy, 1 - policy.memory.margin)


def reach_bars(policy: Policy) -> Bars:
    """Give the bars a customer must reach to move up: × (1 + margin). Source: DECISIONS 3."""
    return Bars.of(policy, 1 + policy.memory.margin)


def rank(tier: str | pl.Expr) -> pl.Expr:
    """Rank of a tier: strategic 6 … speculative 1, the states 3; null stays null."""
    column = pl.col(tier) if isinstance(tier, str) else tier
    return column.replace_strict(TIER_RANKS, return_dtype=pl.Int32)


def lower_tier(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Give the tier of lower rank, `one` where they are equal; a null does not count."""
    return (
        pl.when(other.is_not_null() & (one.is_null() | (rank(other) < rank(one)))).then(other).otherwise(one)
    )


def higher_tier(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Give the tier of higher rank, `one` where they are equal; a null does not count."""
    return (
        pl.when(other.is_not_null() & (one.is_null() | (rank(other) > rank(one)))).then(other).otherwise(one)
    )


def is_state(tier: str) -> pl.Expr:
    """Tell whether a tier is a state (`new`, `unrated`) and not a rung."""
    return pl.col(tier).is_in(STATES)


def raw_tiers(scored: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    """Add this period's tiers, without memory. Grain: as given, customer × period.

    `ungated_tier` = the segment, `strategic` where a core customer reaches all three strategic bars (a measure that is
    not assessed reaches none). `raw_tier` = the lower of it and the cap of a gate that holds; `gate` names the gate if
    it lowered the tier. `lowest_tier` and `highest_tier` are the ends of what the raw tier can be when every bar lies
    anywhere within the margin; where volume alone speaks against a customer, a higher bar can mean a higher tier
    (marginal, not speculative), so the bar of volume and the others are tried in all four combinations.
    A gate's bar of 0 has no margin: δ × 0 = 0. States have no gate: who is not judged is not capped.
    Needs segment, net_sales_12m, loyalty, score, steadiness, feedback_rate, contribution_12m.
    Source: DOMAIN §4, DECISIONS 3.
    """
    combinations = _within_margin(policy)
    lowest, highest = combinations[0], combinations[0]
    for tier in combinations[1:]:
        lowest, highest = lower_tier(lowest, tier), higher_tier(highest, tier)
    return scored.with_columns(ungated_tier=_ungated_tier(pl.col("segment"), Bars.of(policy))).with_columns(
        raw_tier=_gated(pl.col("ungated_tier"), policy),
        gate=pl.when(
            is_loss_making()
            & (rank("ungated_tier") > TIER_RANKS[policy.gates.loss_making])
            & ~is_state("segment")
        ).then(pl.lit(LOSS_MAKING)),
        lowest_tier=lowest,
        highest_tier=highest,
    )


def is_loss_making() -> pl.Expr:
    """Tell whether the customer costs more than it brings; unknown is no."""
    return (pl.col("contribution_12m") < 0).fill_null(value=False)


def reaches(measure: str, bar: Decimal) -> pl.Expr:
    """Tell whether a measure reaches a bar, inclusive; one that is not assessed does not."""
    return (pl.col(measure) >= pl.lit(bar)).fill_null(value=False)


def _within_margin(policy: Policy) -> list[pl.Expr]:
    """Give the gated tier for each combination of strict and lenient bars."""
    keep, reach = keep_bars(policy), reach_bars(policy)
    return [
        _gated(_ungated_tier(_segment(volume, other), other), policy)
        for volume in (keep, reach)
        for other in (keep, reach)
    ]


def _segment(volume: Bars, other: Bars) -> pl.Expr:
    """Give the segment under these bars. States do not depend on bars."""
    is_high = reaches("net_sales_12m", volume.net_sales_12m)
    is_loyal = reaches("loyalty", other.loyalty)
    return (
        pl.when(is_state("segment"))
        .then("segment")
        .when(is_high & is_loyal)
        .then(pl.lit("core"))
        .when(is_loyal)
        .then(pl.lit("cultivate"))
        .when(is_high)
        .then(pl.lit("speculative"))
        .otherwise(pl.lit("marginal"))
    )


def _ungated_tier(segment: pl.Expr, bars: Bars) -> pl.Expr:
    is_partner = (
        reaches("score", bars.score)
        & reaches("steadiness", bars.steadiness)
        & reaches("feedback_rate", bars.feedback_rate)
    )
    return pl.when((segment == "core") & is_partner).then(pl.lit("strategic")).otherwise(segment)


def _gated(tier: pl.Expr, policy: Policy) -> pl.Expr:
    capped = lower_tier(tier, pl.lit(policy.gates.loss_making))
    return pl.when(is_loss_making() & ~is_state("segment")).then(capped).otherwise(tier)
