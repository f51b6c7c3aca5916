"""What a tier asks for: its bars, and how far a customer is above or below them, as reasons."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.reasons import REASON, REASONS, reason, reasons
from transforms.policy.model import TIER_RANKS
from transforms.tiers.raw import is_asked, is_loss_making, reaches

if TYPE_CHECKING:
    from collections.abc import Callable

    from transforms.policy.model import GateRule, Policy
    from transforms.tiers.raw import Bars

RUNGS: Final = ("strategic", "core", "cultivate", "marginal")
"""The rungs that ask for something, each for no more than the one above it."""

_CORE: Final = ("net_sales_12m", "loyalty")
_ASKED: Final[dict[str, tuple[str, ...]]] = {
    "strategic": (*_CORE, "score", "steadiness", "feedback_rate"),
    "core": _CORE,
    "cultivate": ("loyalty",),
    "marginal": ("loyalty",),  # or volume below its bar, but nobody is asked to buy less
    "speculative": (),
}
_REASON: Final = {
    "net_sales_12m": "volume_reason",
    "loyalty": "loyalty_reason",
    "steadiness": "steadiness_reason",
    "feedback_rate": "feedback_reason",
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One bar a tier asks a measure to reach, inclusive."""

    measure: str
    bar: Decimal
    gates: GateRule | None = None

    def is_met(self) -> pl.Expr:
        """Tell whether the bar is reached, or not asked. Not assessed does not reach it, but no gate falls on what is not known."""
        if self.gates is not None:
            return ~is_loss_making(self.gates)
        return reaches(self.measure, self.bar) | ~is_asked(self.measure)

    def missing(self) -> pl.Expr:
        """Give how much the measure lacks, in its own unit: 0 or less where the bar is met, null where not assessed."""
        return pl.lit(self.bar) - pl.col(self.measure)

    def shortfall(self) -> pl.Expr:
        """Give what is lacking, or that the measure is not assessed and why (a reason); null where the bar is met."""
        below = reason("below_bar", subject=self.measure, value=self.missing(), bar=self.bar)
        return self._unless_met(below, self._not_assessed())

    def asks(self) -> pl.Expr:
        """Give the bar that is asked (a reason), met or not; null where it is not asked."""
        return pl.when(is_asked(self.measure)).then(reason("asks_for", subject=self.measure, bar=self.bar))

    def missed(self) -> pl.Expr:
        """Give what was found against the bar, or that the measure is not assessed and why (a reason); null where the bar is met."""
        found = reason("fell_below", subject=self.measure, value=pl.col(self.measure), bar=self.bar)
        return self._unless_met(found, self._not_assessed())

    def slack(self) -> pl.Expr:
        """Give how much may be lost before the bar is missed (a reason); null where it is not met or not assessed."""
        above = reason("above_bar", subject=self.measure, value=-self.missing(), bar=self.bar)
        return pl.when(self.is_met() & self._is_assessed()).then(above)

    def target_gap(self) -> pl.Expr:
        """Give what the measure would have to gain, or to reach (a reason); null where the bar is met."""
        gain = reason("target_gap", subject=self.measure, value=self.missing())
        return self._unless_met(gain, reason("target_bar", subject=self.measure, bar=self.bar))

    def relative(self) -> pl.Expr:
        """Give the measure in multiples of the bar, to compare bars of different units; not for a bar of 0."""
        return pl.col(self.measure).cast(pl.Float64) / float(self.bar)

    def _is_assessed(self) -> pl.Expr:
        return pl.col(self.measure).is_not_null()

    def _unless_met(self, found: pl.Expr, unknown: pl.Expr) -> pl.Expr:
        """Null where the bar is met, else what was found, or what is said of a measure that is not assessed."""
        return pl.when(self.is_met()).then(None).when(self._is_assessed()).then(found).otherwise(unknown)

    def _not_assessed(self) -> pl.Expr:
        without = reason("not_assessed", subject=self.measure)
        why = _REASON.get(self.measure)
        if why is None:
            return without
        because = reason("not_assessed_because", subject=self.measure, label=pl.col(why))
        return pl.when(pl.col(why).is_not_null()).then(because).otherwise(without)


def requirements(tier: str, bars: Bars, policy: Policy) -> tuple[Requirement, ...]:
    """List what a rung asks for under these bars; the gate's contribution of 0 comes last."""
    asked = tuple(Requirement(measure, getattr(bars, measure)) for measure in _ASKED[tier])
    is_gated = TIER_RANKS[tier] > TIER_RANKS[policy.gates.loss_making]
    gate = Requirement("contribution_12m", Decimal(0), policy.gates)
    return (*asked, gate) if is_gated else asked


def bars_of(tier: str | pl.Expr, bars: Bars, policy: Policy) -> list[tuple[Requirement, pl.Expr]]:
    """Pair every bar that a rung asks for with whether the tier of the row asks for it; unknown where that is null."""
    of_row = pl.col(tier) if isinstance(tier, str) else tier
    asking: dict[Requirement, list[str]] = {}
    for rung in RUNGS:
        for requirement in requirements(rung, bars, policy):
            asking.setdefault(requirement, []).append(rung)
    return [(requirement, of_row.is_in(rungs)) for requirement, rungs in asking.items()]


def for_each_bar(
    tier: str | pl.Expr, bars: Bars, policy: Policy, said: Callable[[Requirement], pl.Expr]
) -> pl.Expr:
    """Give what is said of each bar that the tier of the row asks for (reasons); null where nothing is."""
    # Each bar once for all tiers that ask for it: a reason is a wide struct, dear to plan.
    return reasons(
        *(pl.when(asks).then(said(requirement)) for requirement, asks in bars_of(tier, bars, policy))
    )


def shortfalls(tier: str | pl.Expr, bars: Bars, policy: Policy) -> pl.Expr:
    """Give everything that is lacking for the tier of the row (reasons); null where nothing is."""
    return for_each_bar(tier, bars, policy, Requirement.shortfall)


def tightest_slack(tier: str | pl.Expr, bars: Bars, policy: Policy) -> pl.Expr:
    """Give the bar of the tier of the row that would be missed first, in multiples of the bar; null where it asks for nothing."""
    asked = [
        (requirement, pl.when(asks).then(requirement.relative()))
        for requirement, asks in bars_of(tier, bars, policy)
        if requirement.bar > 0
    ]
    if not asked:
        return pl.lit(None, dtype=REASONS)
    nearest = pl.min_horizontal(*(relative for _, relative in asked))
    return reasons(
        first_of(*(pl.when(relative == nearest).then(requirement.slack()) for requirement, relative in asked))
    )


def first_of(*found: pl.Expr) -> pl.Expr:
    """Take the first reason that is there."""
    chosen = pl.lit(None, dtype=REASON)
    for each in reversed(found):
        chosen = pl.when(each.is_not_null()).then(each).otherwise(chosen)
    return chosen
