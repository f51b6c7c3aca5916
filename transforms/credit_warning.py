"""Credit warnings: raised early, and kept until the cause is really over."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit_action import (
    ACTIONS,
    GRADES,
    bars_passed_materially,
    grade_text,
    habit_counts,
    is_material,
    owed,
)
from transforms.credit_items import CUSTOMER
from transforms.frames import columns_of, ending_at, needing
from transforms.schemas import CREDIT_WATCH
from transforms.wording import bar, number, sentence

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy_credit import CreditRule

STATE: Final = ("warning_since", "warning_causes", "warning_calm_since")

_BEFORE: Final = "_before"
_STATE: Final = columns_of(CREDIT_WATCH, (*CUSTOMER, "as_of", *STATE))


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of a warning: when it is raised, while it holds once raised, and its evidence in words."""

    name: str
    is_raised: pl.Expr
    holds_on: pl.Expr
    evidence: pl.Expr


def credit_warnings(
    watched: pl.LazyFrame, before: pl.LazyFrame | None, rule: CreditRule, as_of: date
) -> pl.LazyFrame:
    """Raise, keep and clear warnings on `as_of`. Grain: row of `watched` (WATCHED); ends at CREDIT_WATCH.

    `before`: the watch of an earlier day (CREDIT_WATCH; None: none), from which each cause is remembered; rows of a later
    day, which a look back finds, do not count. A cause that was raised holds until its figure is back at the bar that
    clears it; a warning without any cause waits the policy's days and ends. The same day watched again finds the same.
    What is late or overdue raises a warning only where it is material, so that cents warn nobody. Source: DOMAIN §5.
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
    since, calm = (
        pl.col(f"warning_since{_BEFORE}"),
        pl.coalesce(f"warning_calm_since{_BEFORE}", pl.lit(as_of)),
    )
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


def warning_causes(rule: CreditRule) -> tuple[Cause, ...]:
    """List the causes in the order in which a warning names them."""
    raised, cleared = rule.warnings.raise_from, rule.warnings.clear_at
    by_action = pl.col("credit_action").replace_strict(ACTIONS, range(len(ACTIONS)), return_dtype=pl.Int8)
    by_grade = bars_passed_materially(rule)
    is_hard = by_action >= ACTIONS.index(raised.action)
    return (
        Cause(
            "action",
            is_hard,
            by_action > ACTIONS.index(cleared.action),
            pl.col("credit_action") + pl.lit(": ") + pl.col("action_reason"),
        ),
        Cause(
            "grade",
            by_grade >= GRADES.index(raised.grade),
            by_grade > GRADES.index(cleared.grade),
            # where the action is a cause, its reason names the grade already
            pl.when(~is_hard).then(grade_text(rule)),
        ),
        _of_figure("utilisation", raised.utilisation, cleared.utilisation, pl.lit(value=True)),
        _of_figure("days_late_trend", raised.days_late_trend, cleared.days_late_trend, habit_counts(rule)),
        _of_figure(
            "newly_overdue_share",
            raised.newly_overdue_share,
            cleared.newly_overdue_share,
            is_material(pl.col("overdue_1_30"), owed(), rule),
        ),
        _of_figure(
            "broken_promises",
            raised.broken_promises,
            cleared.broken_promises,
            is_material(pl.col("broken_amount"), owed(), rule),
        ),
    )


def _of_figure(figure: str, raised_from: Decimal | int, cleared_at: Decimal | int, counts: pl.Expr) -> Cause:
    value = pl.col(figure)
    is_raised = value >= pl.lit(raised_from)
    until = pl.when(~is_raised).then(pl.lit(f", until {bar(Decimal(cleared_at))}"))
    said = [pl.lit(f"{figure} "), number(value), pl.lit(f" from {bar(Decimal(raised_from))} on"), until]
    return Cause(figure, counts & is_raised, value > pl.lit(cleared_at), sentence(*said, separator=""))


def _remembered(before: pl.LazyFrame | None, as_of: date) -> pl.LazyFrame:
    rows = pl.LazyFrame(schema=_STATE) if before is None else needing(before, _STATE)
    return rows.filter(pl.col("as_of") <= as_of).select(
        *CUSTOMER, *(pl.col(name).alias(f"{name}{_BEFORE}") for name in STATE)
    )
