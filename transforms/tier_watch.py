"""The watch: a move that is expected, with its target, the gap, and the day it happens if nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.periods import last_of_month_after, months_since
from transforms.tier_caps import binds, capped_tier
from transforms.tier_gaps import for_tier, shortfalls, tightest_slack
from transforms.tiers import keep_bars, one_rung_towards, rank, reach_bars

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy import MemoryRule, Policy

WATCH_COLUMNS: Final = ("watch_tier", "watch_direction", "watch_gap", "watch_deadline")

_RUNGS: Final = ("strategic", "core", "cultivate", "marginal")  # the lowest asks for nothing


def watch(rated: pl.LazyFrame, policy: Policy, period: date) -> pl.LazyFrame:
    """Add the expected move of the effective tier. Grain: as given, customer × period; null where none is expected.

    One of, in this order: an override that ends (to the tier beneath it, on its last day); a cap on its way back (to the
    memory tier, when the clean periods are full); a run of the memory (to its tier, when the run and the dwell are
    full; for a run down the gap names what is lacking to keep the tier, for a run up which bar would be missed first).
    Below a cap that binds, a run of the memory is not expected to show. Deadlines are the last day of the month that
    brings the move. Source: DOMAIN §4.
    """
    return (
        rated.with_columns(_expected(policy, period).alias("expected"))
        .unnest("expected")
        .with_columns(watch_direction=_direction())
        .with_columns(
            pl.when(pl.col("watch_direction").is_not_null()).then(pl.col(column)).alias(column)
            for column in WATCH_COLUMNS
        )
    )


def _expected(policy: Policy, period: date) -> pl.Expr:
    clean = pl.col("cap_clean_periods")
    needed = policy.memory.clean_periods
    return (
        pl.when(pl.col("override_tier").is_not_null())
        .then(
            _move(
                capped_tier(),
                pl.lit("override by ") + pl.col("override_owner") + pl.lit(" ends"),
                pl.col("override_valid_to"),
            )
        )
        .when(binds() & (clean > 0))
        .then(
            _move(
                pl.col("memory_tier"),
                clean.cast(pl.String) + pl.lit(f" of {needed} clean periods"),
                last_of_month_after(period, needed - clean),
            )
        )
        .when(~binds() & (pl.col("periods_up") > 0))
        .then(
            _move(
                _target("up_tier", policy.memory),
                _slack_to_move_up(policy),
                last_of_month_after(
                    period, _periods_left("periods_up", policy.memory.up_after, policy.memory, period)
                ),
            )
        )
        .when(~binds() & (pl.col("periods_down") > 0))
        .then(
            _move(
                _target("down_tier", policy.memory),
                _lacking_to_keep(policy),
                last_of_month_after(
                    period, _periods_left("periods_down", policy.memory.down_after, policy.memory, period)
                ),
            )
        )
        .otherwise(_move(*(pl.lit(None),) * 3))
    )


def _target(run: str, memory: MemoryRule) -> pl.Expr:
    """Give the tier a run leads to next."""
    return one_rung_towards(pl.col(run), pl.col("memory_tier")) if memory.one_step else pl.col(run)


def _move(tier: pl.Expr, gap: pl.Expr, deadline: pl.Expr) -> pl.Expr:
    return pl.struct(
        watch_tier=tier.cast(pl.String), watch_gap=gap.cast(pl.String), watch_deadline=deadline.cast(pl.Date)
    )


def _direction() -> pl.Expr:
    """Up or down from the effective tier; null where the move would not show."""
    target, now = rank("watch_tier"), rank("effective_tier")
    return pl.when(target > now).then(pl.lit("up")).when(target < now).then(pl.lit("down"))


def _periods_left(run: str, needed: int, memory: MemoryRule, period: date) -> pl.Expr:
    """Periods until both the run and the dwell are full; at least one, for this period's step is done."""
    by_run = needed - pl.col(run)
    by_dwell = memory.min_dwell - months_since(pl.col("tier_since"), period)
    return pl.max_horizontal(by_run, by_dwell, pl.lit(1, dtype=pl.Int32))


def _slack_to_move_up(policy: Policy) -> pl.Expr:
    bars = reach_bars(policy)
    return for_tier("up_tier", {tier: tightest_slack(tier, bars, policy) for tier in _RUNGS})


def _lacking_to_keep(policy: Policy) -> pl.Expr:
    bars = keep_bars(policy)
    return for_tier("memory_tier", {tier: shortfalls(tier, bars, policy) for tier in _RUNGS})
