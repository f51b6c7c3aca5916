"""The watch: a move that is expected, with its target, the gap, and the day it happens if nothing changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.fixed_point import WIDE_RATIO
from transforms.frames.periods import last_of_month_after, months_since
from transforms.frames.reasons import REASONS, reason, reasons
from transforms.measures.window import KEY
from transforms.tiers.caps import binds, capped_tier
from transforms.tiers.gaps import Requirement, shortfalls, tightest_slack
from transforms.tiers.raw import keep_bars, lower_tier, one_rung_towards, other_kind, rank, reach_bars

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy.model import MemoryRule, Policy
    from transforms.tiers.raw import Bars

WATCH_COLUMNS: Final = ("watch_tier", "watch_direction", "watch_gap", "watch_deadline")

_TO_COME: Final = "_feedback_to_come"
"""What feedback is of whom it is not asked yet, and will be in the next period."""


def watch(
    rated: pl.LazyFrame, policy: Policy, period: date, announced: pl.LazyFrame | None = None
) -> pl.LazyFrame:
    """Add the expected move of the effective tier. Grain: as given, customer × period; null where none is expected.

    One of, in this order: an override that ends (to the tier beneath it, on its last day); a cap on its way back (to the
    memory tier, when the clean periods are full); a run of the memory (to its tier, when the run and the dwell are
    full; to the other kind of the same rank for a run aside; for a run down the gap names what is lacking to keep the tier, for a run up which bar would be missed first);
    a bar that is asked from the next period on (to the tier that does not ask for it, when a run down that begins then is full).
    `announced`: the feedback rate of whom that bar will be (`announced_feedback`); None: of nobody. A run up to a tier that will ask for it leads
    to the one below.
    Below a cap that binds, a run of the memory is not expected to show. Deadlines are the last day of the month that
    brings the move. Source: docs/figures.md, Tiers.
    """
    return (
        # Columns of their own first: within the move each gap would be checked anew at every level above it.
        _with_announced(rated, announced)
        .with_columns(
            _slack=tightest_slack("up_tier", reach_bars(policy), policy),
            _lacking=shortfalls("memory_tier", keep_bars(policy), policy),
            _aside=_volume_across(policy),
        )
        .with_columns(_expected(policy, period).alias("expected"))
        .drop("_slack", "_lacking", "_aside", _TO_COME)
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
                reasons(reason("override_ends", name=pl.col("override_owner"))),
                pl.col("override_valid_to"),
            )
        )
        .when(binds() & (clean > 0))
        .then(
            _move(
                pl.col("memory_tier"),
                reasons(reason("clean_periods", counted=clean, out_of=needed)),
                last_of_month_after(period, needed - clean),
            )
        )
        .when(~binds() & (pl.col("periods_up") > 0))
        .then(
            _move(
                _target("up_tier", policy.memory, at_most=_allowed(reach_bars(policy))),
                pl.col("_slack"),
                last_of_month_after(
                    period, _periods_left("periods_up", policy.memory.up_after, policy.memory, period)
                ),
            )
        )
        .when(~binds() & (pl.col("periods_down") > 0))
        .then(
            _move(
                _target("down_tier", policy.memory),
                pl.col("_lacking"),
                last_of_month_after(
                    period, _periods_left("periods_down", policy.memory.down_after, policy.memory, period)
                ),
            )
        )
        .when(~binds() & (pl.col("periods_lateral") > 0))
        .then(
            _move(
                other_kind(pl.col("memory_tier")),
                pl.col("_aside"),
                last_of_month_after(
                    period, _periods_left("periods_lateral", policy.memory.down_after, policy.memory, period)
                ),
            )
        )
        .when(~binds() & (rank("memory_tier") > rank(_allowed(keep_bars(policy)))))
        .then(
            _move(
                _allowed(keep_bars(policy)),
                _to_be_asked(keep_bars(policy)),
                last_of_month_after(
                    period, _periods_left("periods_down", policy.memory.down_after, policy.memory, period)
                ),
            )
        )
        .otherwise(_move(*(pl.lit(None),) * 3))
    )


def _target(run: str, memory: MemoryRule, *, at_most: pl.Expr | None = None) -> pl.Expr:
    """Give the tier a run leads to next."""
    tier = pl.col(run) if at_most is None else lower_tier(pl.col(run), at_most)
    return one_rung_towards(tier, pl.col("memory_tier")) if memory.one_step else tier


def _with_announced(rated: pl.LazyFrame, announced: pl.LazyFrame | None) -> pl.LazyFrame:
    if announced is None:
        return rated.with_columns(pl.lit(None, WIDE_RATIO).alias(_TO_COME))
    to_come = announced.select(*KEY, pl.col("feedback_rate").alias(_TO_COME))
    return rated.join(to_come, on=KEY, how="left", validate="1:1")


def _allowed(bars: Bars) -> pl.Expr:
    """Give the highest tier that a bar which is asked from the next period on leaves; null where it leaves any."""
    return pl.when(pl.col(_TO_COME) < pl.lit(bars.feedback_rate)).then(pl.lit("core"))


def _to_be_asked(bars: Bars) -> pl.Expr:
    lacking = pl.lit(bars.feedback_rate) - pl.col(_TO_COME)
    return reasons(reason("to_be_asked", subject="feedback_rate", value=lacking, bar=bars.feedback_rate))


def _move(tier: pl.Expr, gap: pl.Expr, deadline: pl.Expr) -> pl.Expr:
    return pl.struct(
        watch_tier=tier.cast(pl.String), watch_gap=gap.cast(REASONS), watch_deadline=deadline.cast(pl.Date)
    )


def _direction() -> pl.Expr:
    """Up, down or lateral from the effective tier; null where the move would not show."""
    target, now = rank("watch_tier"), rank("effective_tier")
    return (
        pl.when(target > now)
        .then(pl.lit("up"))
        .when(target < now)
        .then(pl.lit("down"))
        .when((target == now) & (pl.col("watch_tier") != pl.col("effective_tier")))
        .then(pl.lit("lateral"))
    )


def _volume_across(policy: Policy) -> pl.Expr:
    """Say how far volume lies beyond the bar on which the kind turns: below it to become marginal, above it to become speculative."""
    return (
        pl.when(pl.col("memory_tier") == "speculative")
        .then(reasons(Requirement("net_sales_12m", keep_bars(policy).net_sales_12m).shortfall()))
        .otherwise(reasons(Requirement("net_sales_12m", reach_bars(policy).net_sales_12m).slack()))
    )


def _periods_left(run: str, needed: int, memory: MemoryRule, period: date) -> pl.Expr:
    """Periods until both the run and the dwell are full; at least one, for this period's step is done."""
    by_run = needed - pl.col(run)
    by_dwell = memory.min_dwell - months_since(pl.col("tier_since"), period)
    return pl.max_horizontal(by_run, by_dwell, pl.lit(1, dtype=pl.Int32))
