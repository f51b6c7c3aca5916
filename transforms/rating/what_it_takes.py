"""What moves the effective tier, memory and margin included: what would have to hold, and for how many periods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.reasons import joined, reason, reasons
from transforms.rating.nearest_tier import nearest
from transforms.tiers.caps import binds, cap_causes, capped_tier
from transforms.tiers.gaps import Requirement, for_each_bar
from transforms.tiers.raw import is_state, keep_bars, one_rung_towards, reach_bars

if TYPE_CHECKING:
    from transforms.policy.model import Policy
    from transforms.tiers.raw import Bars

TARGET: Final = "_target"
"""The tier that `what_it_takes` speaks of, in a column of its own: within the expression it would stand a dozen times."""


def target_tier(policy: Policy) -> pl.Expr:
    """Name the tier that is run up to, else the nearest above by the bars a move up asks for; null at the top, and for a state."""
    is_rising = pl.col("periods_up") > 0
    return pl.when(is_rising).then("up_tier").otherwise(nearest(policy, reach_bars(policy), "memory_tier"))


def what_it_takes(policy: Policy) -> pl.Expr:
    """Say what moves or keeps the effective tier (reasons). Null at the top, and for a state. Needs `target_tier` as TARGET.

    One of, in this order: the last day of an override, and the tier beneath it; how many periods without cause lift a cap that binds;
    the bars that keep the tier, lowered by the margin, where a run down is on; the bars of the next tier, raised by the
    margin, and in which period in a row on them it is there. Each holds if it is done, and everything else stays.
    """
    tier = pl.col("memory_tier")
    is_judged = ~is_state("memory_tier") & ~is_state("raw_tier")
    target = pl.col(TARGET)
    return (
        pl.when(pl.col("override_tier").is_not_null())
        .then(
            reasons(
                reason(
                    "override_gives_way",
                    label=capped_tier(),
                    name=pl.col("override_owner"),
                    day=pl.col("override_valid_to"),
                )
            )
        )
        .when(binds())
        .then(_lifted(policy))
        .when(is_judged & (pl.col("periods_down") > 0))
        .then(joined(reasons(reason("stays_with", label=tier)), _bars(tier, keep_bars(policy), policy)))
        .when(is_judged & target.is_not_null())
        .then(joined(_moves_with(target, policy), _bars(target, reach_bars(policy), policy)))
    )


def _lifted(policy: Policy) -> pl.Expr:
    left = policy.memory.clean_periods - pl.col("cap_clean_periods")
    return reasons(reason("cap_lifts", label=pl.col("memory_tier"), counted=left), *cap_causes())


def _moves_with(target: pl.Expr, policy: Policy) -> pl.Expr:
    """Say which tier is there, in which period in a row from the next one on."""
    memory = policy.memory
    reached = one_rung_towards(target, pl.col("memory_tier")) if memory.one_step else target
    dwelt = _months(pl.col("period")) - _months(pl.col("tier_since"))
    periods = pl.max_horizontal(
        memory.up_after - pl.col("periods_up"), memory.min_dwell - dwelt, pl.lit(1, dtype=pl.Int32)
    )
    return reasons(
        pl.when(periods == 1)
        .then(reason("moves_next", label=reached))
        .otherwise(reason("moves_in_a_row", label=reached, counted=periods))
    )


def _bars(tier: pl.Expr, bars: Bars, policy: Policy) -> pl.Expr:
    """List every bar that is asked of a tier (reasons)."""
    return for_each_bar(tier, bars, policy, Requirement.asks)


def _months(day: pl.Expr) -> pl.Expr:
    return day.dt.year().cast(pl.Int32) * 12 + day.dt.month().cast(pl.Int32)
