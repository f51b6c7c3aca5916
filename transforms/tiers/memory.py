"""The memory of the tier: one step a rating period, from the predecessor period's state. Written as a table of rules."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.choice import first_that_holds
from transforms.frames.periods import months_since
from transforms.tiers.raw import NO_CUSTOMERS, higher_tier, is_state, lower_tier, one_rung_towards, rank

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy.model import MemoryRule

BEFORE: Final = "_before"


@dataclass(frozen=True, slots=True)
class State:
    """The state after a step: the tier, the period of its last move, and the runs that speak for another."""

    memory_tier: pl.Expr
    tier_since: pl.Expr
    periods_up: pl.Expr
    up_tier: pl.Expr
    periods_down: pl.Expr
    down_tier: pl.Expr
    periods_lateral: pl.Expr


STATE_COLUMNS: Final = tuple(field.name for field in fields(State))


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the state machine: in words for the docs, and as expressions for the step."""

    name: str
    when: str
    then: str
    holds: pl.Expr
    state: State


def remember(rated: pl.LazyFrame, rule: MemoryRule, period: date) -> pl.LazyFrame:
    """Step the memory of every customer by one rating period. Grain: as given, customer × period.

    Needs raw_tier, lowest_tier, highest_tier of this period, and the predecessor period's state in columns that end in
    `_before` (null for a customer not rated then). Adds the state columns. Never fed with the state of the same period,
    a second run in a period finds the same. Source: docs/figures.md, Tiers.
    """
    table = transitions(rule, period)
    return rated.with_columns(
        first_that_holds((row.holds, getattr(row.state, column)) for row in table).alias(column)
        for column in STATE_COLUMNS
    )


def transitions(rule: MemoryRule, period: date) -> tuple[Transition, ...]:
    """Give the state machine; the first row that holds is taken."""
    before = pl.col(f"memory_tier{BEFORE}")
    up, down = _run_up(), _run_down()
    aside = pl.col(f"periods_lateral{BEFORE}").fill_null(0) + 1
    speaks_lateral = (
        (rank("lowest_tier") == rank(before))
        & (pl.col("lowest_tier") == pl.col("highest_tier"))
        & (pl.col("lowest_tier") != before)
    )
    raw_is_state, was_state = is_state("raw_tier"), is_state(f"memory_tier{BEFORE}")
    speaks_up = rank("lowest_tier") > rank(before)
    speaks_down = rank("highest_tier") < rank(before)
    stepping = ", one rung at a time, and the run goes on until it is there" if rule.one_step else ""
    is_other_state = pl.col("raw_tier").is_in(NO_CUSTOMERS) | before.is_in(NO_CUSTOMERS)
    has_dwelt = months_since(pl.col(f"tier_since{BEFORE}"), period) >= rule.min_dwell
    return (
        Transition(
            "first rating",
            "the customer was not rated in the period before",
            "the raw tier, at once",
            before.is_null(),
            _moved_to(pl.col("raw_tier"), period),
        ),
        Transition(
            "becomes a customer, or is none any more",
            "before or now: `prospect` or `succeeded`, and another state or tier then",
            "the raw tier, at once",
            is_other_state & (pl.col("raw_tier") != before),
            _moved_to(pl.col("raw_tier"), period),
        ),
        Transition(
            "leaves a state",
            "before: `new` or `unrated`; now: a rung; or `unrated` before and `new` now",
            "the raw tier, at once",
            was_state & (~raw_is_state | ((before == "unrated") & (pl.col("raw_tier") == "new"))),
            _moved_to(pl.col("raw_tier"), period),
        ),
        Transition(
            "frozen",
            "now: `new`, `unrated`, `prospect` or `succeeded`",
            "the tier before; runs stay as they are",
            raw_is_state,
            _kept(),
        ),
        Transition(
            "moves up",
            f"the run up reaches {rule.up_after} periods, and {rule.min_dwell} months have passed since the last move",
            f"the lowest tier the run up has shown{stepping}; every run ends",
            speaks_up & (up.length >= rule.up_after) & has_dwelt,
            _moved_by(rule, period, up=up),
        ),
        Transition(
            "counts up",
            "the raw tier is above, wherever within the margin the bars lie",
            "the tier before; the run up grows by one, any other run ends",
            speaks_up,
            _counted(up=up, down=None),
        ),
        Transition(
            "moves down",
            f"the run down reaches {rule.down_after} periods, and {rule.min_dwell} months have passed since the last move",
            f"the highest tier the run down has shown{stepping}; every run ends",
            speaks_down & (down.length >= rule.down_after) & has_dwelt,
            _moved_by(rule, period, down=down),
        ),
        Transition(
            "counts down",
            "the raw tier is below, wherever within the margin the bars lie",
            "the tier before; the run down grows by one, any other run ends",
            speaks_down,
            _counted(up=None, down=down),
        ),
        Transition(
            "moves aside",
            f"the run aside reaches {rule.down_after} periods, and {rule.min_dwell} months have passed since the last move",
            "the other kind of the same rank; every run ends",
            speaks_lateral & (aside >= rule.down_after) & has_dwelt,
            _moved_to(pl.col("lowest_tier"), period),
        ),
        Transition(
            "counts aside",
            "the raw tier is of the same rank and the other kind, wherever within the margin the bars lie",
            "the tier before; the run aside grows by one, any other run ends",
            speaks_lateral,
            _counted(up=None, down=None, aside=aside),
        ),
        Transition(
            "holds",
            "anything else: the tier before lies within the margin",
            "the tier before; every run ends",
            pl.lit(value=True),
            _counted(up=None, down=None),
        ),
    )


def state_machine_table(rule: MemoryRule, period: date) -> str:
    """Write the state machine as a Markdown table, for the docs; the first row that holds is taken."""
    rows = [
        f"| {number} | {row.name} | {row.when} | {row.then} |"
        for number, row in enumerate(transitions(rule, period), start=1)
    ]
    return "\n".join(["| # | step | when | tier and runs after |", "|---|---|---|---|", *rows]) + "\n"


@dataclass(frozen=True, slots=True)
class _Run:
    """Periods in a row that speak for a move, and the tier all of them allow."""

    length: pl.Expr
    tier: pl.Expr


def _run_up() -> _Run:
    length = pl.col(f"periods_up{BEFORE}")
    so_far = pl.when(length > 0).then(pl.col(f"up_tier{BEFORE}"))
    return _Run(length.fill_null(0) + 1, lower_tier(pl.col("lowest_tier"), so_far))


def _run_down() -> _Run:
    length = pl.col(f"periods_down{BEFORE}")
    so_far = pl.when(length > 0).then(pl.col(f"down_tier{BEFORE}"))
    return _Run(length.fill_null(0) + 1, higher_tier(pl.col("highest_tier"), so_far))


def _moved_to(tier: pl.Expr, period: date) -> State:
    return State(tier, pl.lit(period), *_runs(up=None, down=None), _no_periods())


def _moved_by(rule: MemoryRule, period: date, *, up: _Run | None = None, down: _Run | None = None) -> State:
    """Move to where the run leads; one rung at a time where the policy says so, and then the run goes on until it is there."""
    run = up or down
    if run is None:
        raise ValueError("a move needs a run")
    if not rule.one_step:
        return _moved_to(run.tier, period)
    tier = one_rung_towards(run.tier, pl.col(f"memory_tier{BEFORE}"))
    goes_on = rank(tier) != rank(run.tier)
    left = _Run(
        pl.when(goes_on).then(run.length).otherwise(0).cast(pl.Int32), pl.when(goes_on).then(run.tier)
    )
    runs = _runs(up=left if up else None, down=left if down else None)
    return State(tier, pl.lit(period), *runs, _no_periods())


def _kept() -> State:
    kept = {column: pl.col(f"{column}{BEFORE}") for column in STATE_COLUMNS}
    return State(**kept | {"periods_lateral": kept["periods_lateral"].fill_null(0)})


def _counted(*, up: _Run | None, down: _Run | None, aside: pl.Expr | None = None) -> State:
    tier, since = pl.col(f"memory_tier{BEFORE}"), pl.col(f"tier_since{BEFORE}")
    lateral = _no_periods() if aside is None else aside.cast(pl.Int32)
    return State(tier, since, *_runs(up=up, down=down), lateral)


def _runs(*, up: _Run | None, down: _Run | None) -> tuple[pl.Expr, pl.Expr, pl.Expr, pl.Expr]:
    """Length and tier of the run up, then of the run down; a run that is None has ended."""
    none = _Run(_no_periods(), _no_tier())
    up, down = up or none, down or none
    return up.length, up.tier, down.length, down.tier


def _no_periods() -> pl.Expr:
    return pl.lit(0, dtype=pl.Int32)


def _no_tier() -> pl.Expr:
    return pl.lit(None, dtype=pl.String)
