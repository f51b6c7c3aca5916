"""The memory of the tier: one step a rating period, from the predecessor period's state. Written as a table of rules."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.periods import months_since
from transforms.tiers import higher_tier, is_state, lower_tier, one_rung_towards, rank

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from transforms.policy import MemoryRule

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
    a second run in a period finds the same. Source: DOMAIN §4, DECISIONS 2 and 3.
    """
    table = transitions(rule, period)
    return rated.with_columns(**{column: _first_that_holds(table, column) for column in STATE_COLUMNS})


def transitions(rule: MemoryRule, period: date) -> tuple[Transition, ...]:
    """Give the state machine; the first row that holds is taken."""
    before = pl.col(f"memory_tier{BEFORE}")
    up, down = _run_up(), _run_down()
    raw_is_state, was_state = is_state("raw_tier"), is_state(f"memory_tier{BEFORE}")
    speaks_up = rank("lowest_tier") > rank(before)
    speaks_down = rank("highest_tier") < rank(before)
    stepping = ", one rung at a time, and the run goes on until it is there" if rule.one_step else ""
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
            "leaves a state",
            "before: `new` or `unrated`; now: a rung",
            "the raw tier, at once",
            was_state & ~raw_is_state,
            _moved_to(pl.col("raw_tier"), period),
        ),
        Transition(
            "frozen",
            "now: `new` or `unrated`",
            "the tier before; runs stay as they are",
            raw_is_state,
            _kept(),
        ),
        Transition(
            "moves up",
            f"the run up reaches {rule.up_after} periods, and {rule.min_dwell} months have passed since the last move",
            f"the lowest tier the run up has shown{stepping}; both runs end",
            speaks_up & (up.length >= rule.up_after) & has_dwelt,
            _moved_by(rule, period, up=up),
        ),
        Transition(
            "counts up",
            "the raw tier is above, wherever within the margin the bars lie",
            "the tier before; the run up grows by one, a run down ends",
            speaks_up,
            _counted(up=up, down=None),
        ),
        Transition(
            "moves down",
            f"the run down reaches {rule.down_after} periods, and {rule.min_dwell} months have passed since the last move",
            f"the highest tier the run down has shown{stepping}; both runs end",
            speaks_down & (down.length >= rule.down_after) & has_dwelt,
            _moved_by(rule, period, down=down),
        ),
        Transition(
            "counts down",
            "the raw tier is below, wherever within the margin the bars lie",
            "the tier before; the run down grows by one, a run up ends",
            speaks_down,
            _counted(up=None, down=down),
        ),
        Transition(
            "holds",
            "anything else: the tier before lies within the margin",
            "the tier before; both runs end",
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
    return State(tier, pl.lit(period), _no_periods(), _no_tier(), _no_periods(), _no_tier())


def _moved_by(rule: MemoryRule, period: date, *, up: _Run | None = None, down: _Run | None = None) -> State:
    """Move to where the run leads; one rung at a time where the policy says so, and then the run goes on until it is there."""
    run = up or down
    if run is None:
        raise ValueError("a move needs a run")
    if not rule.one_step:
        return _moved_to(run.tier, period)
    tier = one_rung_towards(run.tier, pl.col(f"memory_tier{BEFORE}"))
    goes_on = rank(tier) != rank(run.tier)

    def kept(of: _Run | None) -> tuple[pl.Expr, pl.Expr]:
        if of is None:
            return _no_periods(), _no_tier()
        return pl.when(goes_on).then(of.length).otherwise(0).cast(pl.Int32), pl.when(goes_on).then(of.tier)

    return State(tier, pl.lit(period), *kept(up), *kept(down))


def _kept() -> State:
    return State(*(pl.col(f"{column}{BEFORE}") for column in STATE_COLUMNS))


def _counted(*, up: _Run | None, down: _Run | None) -> State:
    return State(
        pl.col(f"memory_tier{BEFORE}"),
        pl.col(f"tier_since{BEFORE}"),
        up.length if up else _no_periods(),
        up.tier if up else _no_tier(),
        down.length if down else _no_periods(),
        down.tier if down else _no_tier(),
    )


def _no_periods() -> pl.Expr:
    return pl.lit(0, dtype=pl.Int32)


def _no_tier() -> pl.Expr:
    return pl.lit(None, dtype=pl.String)


def _first_that_holds(table: Sequence[Transition], column: str) -> pl.Expr:
    *rules, otherwise = table
    chosen: pl.Expr = getattr(otherwise.state, column)
    for row in reversed(rules):
        value: pl.Expr = getattr(row.state, column)
        chosen = pl.when(row.holds.fill_null(value=False)).then(value).otherwise(chosen)
    return chosen
