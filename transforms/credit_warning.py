"""Credit warnings: raised early, and kept until the cause is really over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit_action import (
    ACTIONS,
    GRADES,
    NOW_OVERDUE,
    bars_passed_now,
    grade_text,
    habit_counts,
    is_material,
    overdue,
    owed,
)
from transforms.credit_items import CUSTOMER
from transforms.frames import ending_at, needing
from transforms.schemas import CREDIT_WARNING_DAY, CREDIT_WATCH
from transforms.wording import bar, number, sentence

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy_credit import CreditRule

_BEFORE: Final = "_before"
_STATE: Final = tuple(name for name in CREDIT_WARNING_DAY.names() if name not in CUSTOMER)


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of a warning: what it speaks of, when it is raised, while it holds once raised, and its evidence in words."""

    name: str
    means: str
    is_raised: pl.Expr
    holds_on: pl.Expr
    evidence: pl.Expr


def credit_warnings(
    watched: pl.LazyFrame, before: pl.LazyFrame | None, rule: CreditRule, as_of: date
) -> pl.LazyFrame:
    """Raise, keep and clear warnings on `as_of`. Grain: row of `watched` (WATCHED); ends at CREDIT_WATCH.

    `before`: what stood on the latest watched day up to `as_of` (CREDIT_WARNING_DAY; None: nothing), from which each
    cause is remembered; rows of a later day do not count, for a look back knows nothing of them. A cause that was raised holds until its figure is back at the bar that
    clears it; a warning ends when the policy's days have passed since the last watch that found a cause. The same day
    watched again finds the same. What is late or overdue raises a warning only where it is material, so that cents warn
    nobody; a grade only by what is overdue now, since a habit with nothing overdue is no news. Source: DOMAIN §5.
    """
    was_caused = pl.col(f"warning_causes{_BEFORE}").str.split(", ")
    causes = warning_causes(rule)
    holding = {
        cause.name: (
            cause.is_raised.fill_null(value=False)
            | (was_caused.list.contains(cause.name) & cause.holds_on).fill_null(value=False)
        )
        for cause in causes
    }
    named = sentence(*(pl.when(f"{name}_holds").then(pl.lit(name)) for name in holding), separator=", ")
    evidence = sentence(*(pl.when(f"{cause.name}_holds").then(cause.evidence) for cause in causes))
    since = pl.col(f"warning_since{_BEFORE}")
    day_after_the_last_cause = pl.min_horizontal(pl.col(f"as_of{_BEFORE}").dt.offset_by("1d"), pl.lit(as_of))
    calm = pl.coalesce(f"warning_calm_since{_BEFORE}", day_after_the_last_cause)
    is_over = (pl.lit(as_of) - calm).dt.total_days() >= rule.warnings.clear_after_days
    has_cause = pl.any_horizontal(f"{name}_holds" for name in holding)
    waits = ~has_cause & since.is_not_null() & ~is_over
    return ending_at(
        watched.join(_remembered(before, as_of), on=CUSTOMER, how="left", validate="1:1")
        .with_columns(expression.alias(f"{name}_holds") for name, expression in holding.items())
        .with_columns(
            warning_since=pl.when(has_cause).then(pl.coalesce(since, pl.lit(as_of))).when(waits).then(since),
            warning_causes=named,
            warning_reason=evidence,
            warning_calm_since=pl.when(waits).then(calm),
        ),
        CREDIT_WATCH,
    ).sort(CUSTOMER)


def standing_warnings(watch: pl.LazyFrame) -> pl.LazyFrame:
    """Take what a later watch has to remember of CREDIT_WATCH rows. Grain: customer whose warning stands."""
    return ending_at(watch.filter(pl.col("warning_since").is_not_null()), CREDIT_WARNING_DAY).sort(CUSTOMER)


def warning_causes(rule: CreditRule) -> tuple[Cause, ...]:
    """List the causes in the order in which a warning names them."""
    raised, cleared = rule.warnings.raise_from, rule.warnings.clear_at
    by_action = pl.col("credit_action").replace_strict(ACTIONS, range(len(ACTIONS)), return_dtype=pl.Int8)
    by_grade = bars_passed_now(rule)
    is_hard = by_action >= ACTIONS.index(raised.action)
    return (
        Cause(
            "action",
            "order entry is told to ask for payment first, or to stop, for whatever reason",
            is_hard,
            by_action > ACTIONS.index(cleared.action),
            pl.col("credit_action") + pl.lit(": ") + pl.col("action_reason"),
        ),
        Cause(
            "grade",
            "the grade by what is overdue now, where a material amount of it is beyond the days of grace",
            by_grade >= GRADES.index(raised.grade),
            by_grade > GRADES.index(cleared.grade),
            # where the action is a cause, its reason names the grade already
            pl.when(~is_hard).then(grade_text(rule, NOW_OVERDUE)),
        ),
        _of_figure(
            "utilisation",
            "the next order may not fit into the limit",
            raised.utilisation,
            cleared.utilisation,
            pl.lit(value=True),
        ),
        _of_figure(
            "days_late_trend",
            "pays later than it did; raised only where what it paid late within the year is material",
            raised.days_late_trend,
            cleared.days_late_trend,
            habit_counts(rule),
        ),
        _newly_overdue(raised.newly_overdue_share, cleared.newly_overdue_share, rule),
        _of_figure(
            "broken_promises",
            "promised to pay and did not; raised only where what the promises were for is material",
            raised.broken_promises,
            cleared.broken_promises,
            is_material(pl.col("broken_amount"), owed(), rule),
        ),
        _by_habit(raised.days_late_p90_12m, cleared.days_late_p90_12m, rule),
    )


def _newly_overdue(raised_from: Decimal, cleared_at: Decimal, rule: CreditRule) -> Cause:
    """Warn of what fell overdue at once; as long as all of it is within the days of grace, it is none."""
    share = _of_figure(
        "newly_overdue_share",
        "much fell overdue at once; raised only where what is beyond the days of grace, and at most 30, is material, and ended "
        "when nothing is",
        raised_from,
        cleared_at,
        is_material(pl.col("newly_past_grace"), owed(), rule),
    )
    return replace(share, holds_on=share.holds_on & (pl.col("newly_past_grace") > 0))


def _by_habit(raised_from: Decimal, cleared_at: Decimal, rule: CreditRule) -> Cause:
    """Warn of what is overdue now where the customer's own habit is to pay very late; a habit with nothing overdue is none."""
    habit = _of_figure(
        "days_late_p90_12m",
        "something is overdue, from its first day on, and by the customer's own habit may become very late; raised only where "
        "what is overdue is material, and ended when nothing is",
        raised_from,
        cleared_at,
        is_material(overdue(), owed(), rule),
    )
    return replace(habit, holds_on=habit.holds_on & (overdue() > 0))


def _of_figure(
    figure: str, means: str, raised_from: Decimal | int, cleared_at: Decimal | int, counts: pl.Expr
) -> Cause:
    value = pl.col(figure)
    is_raised = value >= pl.lit(raised_from)
    until = pl.when(~is_raised).then(pl.lit(f", until {bar(Decimal(cleared_at))}"))
    said = [pl.lit(f"{figure} "), number(value), pl.lit(f" from {bar(Decimal(raised_from))} on"), until]
    return Cause(figure, means, counts & is_raised, value > pl.lit(cleared_at), sentence(*said, separator=""))


def _remembered(before: pl.LazyFrame | None, as_of: date) -> pl.LazyFrame:
    rows = pl.LazyFrame(schema=CREDIT_WARNING_DAY) if before is None else needing(before, CREDIT_WARNING_DAY)
    return rows.filter(pl.col("as_of") <= as_of).select(
        *CUSTOMER, *(pl.col(name).alias(f"{name}{_BEFORE}") for name in _STATE)
    )
