"""The raw tier: what a period alone says of a customer, and how certain that is within the policy's margin."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Self

import polars as pl

from transforms.frames.fixed_point import RATIO_PLACES, int128, scaled_int_of, to_scaled_int
from transforms.measures.feedback import NOT_DELIVERED, NOT_YET_ASKED
from transforms.policy.model import TIER_RANKS

if TYPE_CHECKING:
    from transforms.policy.model import GateRule, Policy

PROSPECT: Final = "prospect"
SUCCEEDED: Final = "succeeded"
NO_CUSTOMERS: Final = (PROSPECT, SUCCEEDED)  # not yet, or no more: in no count, and nothing is told of them
STATES: Final = (
    "new",
    "unrated",
    *NO_CUSTOMERS,
)  # not rungs of the ladder: who is in one has not been judged
LOSS_MAKING: Final = "loss_making"
NOT_ASKED: Final = (NOT_DELIVERED, NOT_YET_ASKED)
"""Why the bar of feedback is not asked."""
STRATEGIC_MEASURES: Final = ("score", "steadiness", "feedback_rate")

_RUNGS: Final = ("speculative", "marginal", "cultivate", "core", "strategic")
"""The rungs upwards. The two kinds of the lowest rank have a place each, so that a span of tiers has definite ends."""

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
    """Give the bars under which a customer must fall to move down: × (1 − margin). Source: docs/figures.md, Tiers."""
    return Bars.of(policy, 1 - policy.memory.margin)


def reach_bars(policy: Policy) -> Bars:
    """Give the bars a customer must reach to move up: × (1 + margin). Source: docs/figures.md, Tiers."""
    return Bars.of(policy, 1 + policy.memory.margin)


def rank(tier: str | pl.Expr) -> pl.Expr:
    """Rank of a tier: strategic 6 … marginal and speculative 2, new and unrated 3, who is no customer 0; null stays null."""
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
    """Give the rung next to `now` in the direction of `target`, or the target where it is of the next rank, or not above or below."""
    of_rank = {TIER_RANKS[tier]: tier for tier in _RUNGS}
    neighbours = list(pairwise(sorted(of_rank)))
    next_up, next_down = dict(neighbours), {high: low for low, high in neighbours}
    above = {tier: of_rank[next_up[TIER_RANKS[tier]]] for tier in _RUNGS if TIER_RANKS[tier] in next_up}
    below = {tier: of_rank[next_down[TIER_RANKS[tier]]] for tier in _RUNGS if TIER_RANKS[tier] in next_down}

    def next_to(neighbours: dict[str, str]) -> pl.Expr:
        return now.replace_strict(neighbours, default=None, return_dtype=pl.String)

    return (
        pl.when(rank(target) > rank(now))
        .then(lower_tier(target, next_to(above)))
        .when(rank(target) < rank(now))
        .then(higher_tier(target, next_to(below)))
        .otherwise(target)
    )


def other_kind(tier: pl.Expr) -> pl.Expr:
    """Give the other tier of the same rank; null where there is none."""
    kinds = {
        one: two for one in _RUNGS for two in _RUNGS if one != two and TIER_RANKS[one] == TIER_RANKS[two]
    }
    return tier.replace_strict(kinds, default=None, return_dtype=pl.String)


def is_state(tier: str) -> pl.Expr:
    """Tell whether a tier is a state (`new`, `unrated`) and not a rung."""
    return pl.col(tier).is_in(STATES)


def raw_tiers(scored: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    """Add this period's tiers, without memory. Grain: as given, customer × period.

    `ungated_tier` = the segment, `strategic` where a core customer reaches all strategic bars that are asked
    (`strategic_basis` names them; a measure that is not assessed reaches none). `raw_tier` = the lower of it and the cap of a gate that holds; `gate` names the gate if
    it lowered the tier. `lowest_tier` and `highest_tier` are the ends of what the raw tier can be when every bar lies
    anywhere within the margin; where volume alone speaks against a customer, a higher bar means another kind
    (marginal, not speculative), so the bar of volume and the others are tried in all four combinations.
    A gate's bar of 0 has no margin: δ × 0 = 0. States have no gate: who is not judged is not capped.
    Needs segment, net_sales_12m, loyalty, score, steadiness, feedback_rate, feedback_reason, contribution_12m,
    cost_estimated_12m.
    Source: docs/figures.md, Tiers.
    """
    ends = [
        _place(volume, other, policy)
        for volume in (keep_bars(policy), reach_bars(policy))
        for other in (keep_bars(policy), reach_bars(policy))
    ]
    is_judged = ~is_state("segment")
    return (
        scored.with_columns(
            ungated_tier=pl.when(is_judged & (pl.col("segment") == "core") & _is_partner(Bars.of(policy)))
            .then(pl.lit("strategic"))
            .otherwise("segment"),
            strategic_basis=_strategic_basis(),
            lowest_place=pl.min_horizontal(*ends),
            highest_place=pl.max_horizontal(*ends),
        )
        .with_columns(
            gate=pl.when(
                is_judged & is_loss_making(policy.gates) & (rank("ungated_tier") > _cap_rank(policy))
            ).then(pl.lit(LOSS_MAKING)),
            lowest_tier=pl.when(is_judged).then(_rung("lowest_place")).otherwise("segment"),
            highest_tier=pl.when(is_judged).then(_rung("highest_place")).otherwise("segment"),
        )
        .with_columns(
            raw_tier=pl.when(pl.col("gate").is_not_null())
            .then(pl.lit(policy.gates.loss_making))
            .otherwise("ungated_tier")
        )
        .drop("lowest_place", "highest_place")
    )


def is_loss_making(gates: GateRule) -> pl.Expr:
    """Tell whether the customer costs more than it brings, even if estimated costs err; unknown is no.

    Where part of the cost is estimated, it must be a loss with the policy's share of that part, too. Source: docs/figures.md, Tiers.
    """
    spared = 10**RATIO_PLACES - scaled_int_of(gates.loss_at_estimated_cost, RATIO_PLACES)
    contribution, estimated = (
        to_scaled_int("contribution_12m"),
        to_scaled_int("cost_estimated_12m").fill_null(0),
    )
    at_less_cost = contribution * 10**RATIO_PLACES + estimated * int128(spared)
    return ((contribution < 0) & (at_less_cost < 0)).fill_null(value=False)


def reaches(measure: str, bar: Decimal) -> pl.Expr:
    """Tell whether a measure reaches a bar, inclusive; one that is not assessed does not."""
    return (pl.col(measure) >= pl.lit(bar)).fill_null(value=False)


def _place(volume: Bars, other: Bars, policy: Policy) -> pl.Expr:
    """Give the place of the rung after the gate, with the bar of volume from one set and the rest from another."""
    is_high = reaches("net_sales_12m", volume.net_sales_12m)
    is_loyal = reaches("loyalty", other.loyalty)
    ungated = (
        pl.when(is_high & is_loyal & _is_partner(other))
        .then(_placed("strategic"))
        .when(is_high & is_loyal)
        .then(_placed("core"))
        .when(is_loyal)
        .then(_placed("cultivate"))
        .when(is_high)
        .then(_placed("speculative"))
        .otherwise(_placed("marginal"))
    )
    cap = policy.gates.loss_making
    is_above = ungated.is_in([_RUNGS.index(tier) for tier in _RUNGS if TIER_RANKS[tier] > TIER_RANKS[cap]])
    return pl.when(is_loss_making(policy.gates) & is_above).then(_placed(cap)).otherwise(ungated)


def is_asked(measure: str) -> pl.Expr:
    """Tell whether a strategic bar is asked: that of feedback only where contacts are delivered, for a year, of enough customers.

    Source: docs/figures.md, Tiers.
    """
    if measure != "feedback_rate":
        return pl.lit(value=True)
    return ~pl.col("feedback_reason").is_in(NOT_ASKED).fill_null(value=False)


def _is_partner(bars: Bars) -> pl.Expr:
    """Tell whether all strategic bars that are asked are reached."""
    return pl.all_horizontal(
        reaches(measure, getattr(bars, measure)) | ~is_asked(measure) for measure in STRATEGIC_MEASURES
    )


def _strategic_basis() -> pl.Expr:
    """Name the measures whose strategic bars are asked."""
    asked = (pl.when(is_asked(measure)).then(pl.lit(measure)) for measure in STRATEGIC_MEASURES)
    return pl.concat_str(*asked, separator=", ", ignore_nulls=True)


def _placed(tier: str) -> pl.Expr:
    return pl.lit(_RUNGS.index(tier), dtype=pl.Int32)


def _cap_rank(policy: Policy) -> pl.Expr:
    return pl.lit(TIER_RANKS[policy.gates.loss_making], dtype=pl.Int32)


def _rung(place: str) -> pl.Expr:
    return pl.col(place).replace_strict(dict(enumerate(_RUNGS)), default=None, return_dtype=pl.String)
