"""The raw tier: what a period alone says of a customer, and how certain that is within the policy's margin."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
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


def direction(from_rank: pl.Expr, to_rank: pl.Expr) -> pl.Expr:
    """Up or down by rank; lateral between equal ones, and where one is null, for that comes from nowhere."""
    return (
        pl.when(to_rank > from_rank)
        .then(pl.lit("up"))
        .when(to_rank < from_rank)
        .then(pl.lit("down"))
        .otherwise(pl.lit("lateral"))
    )


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


def one_rung_towards(target: pl.Expr, now: pl.Expr) -> pl.Expr:
    """Give the rung next to `now` in the direction of `target`, or the target where it is not above or below."""
    rungs = [tier for tier in sorted(TIER_RANKS, key=TIER_RANKS.__getitem__) if tier not in STATES]
    above, below = dict(pairwise(rungs)), dict(pairwise(reversed(rungs)))

    def next_to(neighbours: dict[str, str]) -> pl.Expr:
        return now.replace_strict(neighbours, default=None, return_dtype=pl.String)

    return (
        pl.when(rank(target) > rank(now))
        .then(lower_tier(target, next_to(above)))
        .when(rank(target) < rank(now))
        .then(higher_tier(target, next_to(below)))
        .otherwise(target)
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
    ends = [
        _rung_rank(volume, other, policy)
        for volume in (keep_bars(policy), reach_bars(policy))
        for other in (keep_bars(policy), reach_bars(policy))
    ]
    is_judged = ~is_state("segment")
    return (
        scored.with_columns(
            ungated_tier=pl.when(is_judged & (pl.col("segment") == "core") & _is_partner(Bars.of(policy)))
            .then(pl.lit("strategic"))
            .otherwise("segment"),
            lowest_rank=pl.min_horizontal(*ends),
            highest_rank=pl.max_horizontal(*ends),
        )
        .with_columns(
            gate=pl.when(is_judged & is_loss_making() & (rank("ungated_tier") > _cap_rank(policy))).then(
                pl.lit(LOSS_MAKING)
            ),
            lowest_tier=pl.when(is_judged).then(_rung("lowest_rank")).otherwise("segment"),
            highest_tier=pl.when(is_judged).then(_rung("highest_rank")).otherwise("segment"),
        )
        .with_columns(
            raw_tier=pl.when(pl.col("gate").is_not_null())
            .then(pl.lit(policy.gates.loss_making))
            .otherwise("ungated_tier")
        )
        .drop("lowest_rank", "highest_rank")
    )


def is_loss_making() -> pl.Expr:
    """Tell whether the customer costs more than it brings; unknown is no."""
    return (pl.col("contribution_12m") < 0).fill_null(value=False)


def reaches(measure: str, bar: Decimal) -> pl.Expr:
    """Tell whether a measure reaches a bar, inclusive; one that is not assessed does not."""
    return (pl.col(measure) >= pl.lit(bar)).fill_null(value=False)


def _rung_rank(volume: Bars, other: Bars, policy: Policy) -> pl.Expr:
    """Give the rank of the rung after the gate, with the bar of volume from one set and the rest from another."""
    is_high = reaches("net_sales_12m", volume.net_sales_12m)
    is_loyal = reaches("loyalty", other.loyalty)
    ungated = (
        pl.when(is_high & is_loyal & _is_partner(other))
        .then(_ranked("strategic"))
        .when(is_high & is_loyal)
        .then(_ranked("core"))
        .when(is_loyal)
        .then(_ranked("cultivate"))
        .when(is_high)
        .then(_ranked("speculative"))
        .otherwise(_ranked("marginal"))
    )
    return pl.when(is_loss_making()).then(pl.min_horizontal(ungated, _cap_rank(policy))).otherwise(ungated)


def _is_partner(bars: Bars) -> pl.Expr:
    """Tell whether all three strategic bars are reached."""
    return (
        reaches("score", bars.score)
        & reaches("steadiness", bars.steadiness)
        & reaches("feedback_rate", bars.feedback_rate)
    )


def _ranked(tier: str) -> pl.Expr:
    return pl.lit(TIER_RANKS[tier], dtype=pl.Int32)


def _cap_rank(policy: Policy) -> pl.Expr:
    return _ranked(policy.gates.loss_making)


def _rung(ranked: str) -> pl.Expr:
    rungs = {number: tier for tier, number in TIER_RANKS.items() if tier not in STATES}
    return pl.col(ranked).replace_strict(rungs, default=None, return_dtype=pl.String)
