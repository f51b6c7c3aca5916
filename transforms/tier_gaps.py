"""What a tier asks for: its bars, and how far a customer is above or below them, in words."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

import polars as pl

from transforms.policy import TIER_RANKS
from transforms.tiers import reaches
from transforms.wording import bar as bar_text
from transforms.wording import money, number, sentence

if TYPE_CHECKING:
    from transforms.policy import Policy
    from transforms.tiers import Bars

Unit = Literal["money", "ratio"]

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

_SPOKEN: Final = {
    "net_sales_12m": "net sales",
    "contribution_12m": "contribution",
    "feedback_rate": "feedback a month",
}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One bar a tier asks a measure to reach, inclusive."""

    measure: str
    bar: Decimal
    unit: Unit
    is_gate: bool = False

    def is_met(self) -> pl.Expr:
        """Tell whether the bar is reached. Not assessed does not reach a bar, but no gate falls on what is not known."""
        met = reaches(self.measure, self.bar)
        return met | pl.col(self.measure).is_null() if self.is_gate else met

    def missing(self) -> pl.Expr:
        """Give how much the measure lacks, in its own unit: 0 or less where the bar is met, null where not assessed."""
        return pl.lit(self.bar) - pl.col(self.measure)

    def shortfall(self) -> pl.Expr:
        """Say what is lacking, or that the measure is not assessed and why; null where the bar is met."""
        gap = self._written(self.missing())
        below = pl.lit(f"{self.measure} ") + gap + pl.lit(f" below {bar_text(self.bar)}")
        return pl.when(~self.is_met()).then(pl.coalesce(below, self._not_assessed()))

    def slack(self) -> pl.Expr:
        """Say how much may be lost before the bar is missed; null where it is not met."""
        room = self._written(-self.missing())
        above = pl.lit(f"{self.measure} ") + room + pl.lit(f" above {bar_text(self.bar)}")
        return pl.when(self.is_met()).then(above)

    def wish(self) -> pl.Expr:
        """Say what the measure would have to gain, as "net sales +41,200.00"; null where the bar is met."""
        name = _SPOKEN.get(self.measure, self.measure)
        gain = pl.lit(f"{name} +") + self._written(self.missing())
        return pl.when(~self.is_met()).then(
            pl.coalesce(gain, pl.lit(f"{name} of {bar_text(self.bar)} or more"))
        )

    def relative(self) -> pl.Expr:
        """Give the measure in multiples of the bar, to compare bars of different units; not for a bar of 0."""
        return pl.col(self.measure).cast(pl.Float64) / float(self.bar)

    def _written(self, amount: pl.Expr) -> pl.Expr:
        return money(amount) if self.unit == "money" else number(amount)

    def _not_assessed(self) -> pl.Expr:
        text = pl.lit(f"{self.measure} not assessed")
        reason = _REASON.get(self.measure)
        return pl.coalesce(text + pl.lit(": ") + pl.col(reason), text) if reason else text


def requirements(tier: str, bars: Bars, policy: Policy) -> tuple[Requirement, ...]:
    """List what a rung asks for under these bars; the gate's contribution of 0 comes last."""
    asked = tuple(
        Requirement(measure, getattr(bars, measure), "money" if measure == "net_sales_12m" else "ratio")
        for measure in _ASKED[tier]
    )
    is_gated = TIER_RANKS[tier] > TIER_RANKS[policy.gates.loss_making]
    gate = Requirement("contribution_12m", Decimal(0), "money", is_gate=True)
    return (*asked, gate) if is_gated else asked


def shortfalls(tier: str, bars: Bars, policy: Policy) -> pl.Expr:
    """Say everything that is lacking for a rung; null where nothing is."""
    return sentence(*(requirement.shortfall() for requirement in requirements(tier, bars, policy)))


def tightest_slack(tier: str, bars: Bars, policy: Policy) -> pl.Expr:
    """Say which bar of a rung would be missed first, in multiples of the bar; null where the rung asks for nothing."""
    asked = [requirement for requirement in requirements(tier, bars, policy) if requirement.bar > 0]
    if not asked:
        return pl.lit(None, dtype=pl.String)
    nearest = pl.min_horizontal(*(requirement.relative() for requirement in asked))
    return pl.coalesce(
        *(pl.when(requirement.relative() == nearest).then(requirement.slack()) for requirement in asked)
    )


def for_tier(column: str, text: dict[str, pl.Expr]) -> pl.Expr:
    """Choose by the tier in a column; null where the column is null or a tier without a text."""
    chosen = pl.lit(None, dtype=pl.String)
    for tier, words in text.items():
        chosen = pl.when(pl.col(column) == tier).then(words).otherwise(chosen)
    return chosen
