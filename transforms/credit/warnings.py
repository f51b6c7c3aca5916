"""Credit warnings: raised early, and kept until the cause is really over."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit.action import ACTIONS, GRADES, grade_reasons, habit_counts
from transforms.credit.items import CUSTOMER
from transforms.credit.material import is_material
from transforms.credit.overdue import bars_passed_now
from transforms.facts.continued import from_all_continued
from transforms.frames.conform import conform_to, require_columns
from transforms.frames.reasons import joined, reason, reasons, with_reasons, without_reasons
from transforms.frames.schemas import CREDIT_WARNING_DAY, CREDIT_WATCH

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy.credit import CreditRule

WARNED: Final = with_reasons(CREDIT_WATCH, ("action_reason", "warning_causes", "warning_reason"))
"""CREDIT_WATCH before its reasons become text."""

STANDING: Final = with_reasons(CREDIT_WARNING_DAY, ("warning_causes",))
"""CREDIT_WARNING_DAY before its causes become text."""

_BEFORE: Final = "_before"
_OWED: Final = pl.col("net_owed")
_REMEMBERED: Final = without_reasons(STANDING)
_STATE: Final = tuple(name for name in _REMEMBERED.names() if name not in CUSTOMER)


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause of a warning: what it speaks of, when it is raised, while it holds once raised, and its evidence (reasons)."""

    name: str
    means: str
    is_raised: pl.Expr
    holds_on: pl.Expr
    evidence: pl.Expr


def credit_warnings(
    watched: pl.LazyFrame, before: pl.LazyFrame | None, rule: CreditRule, as_of: date
) -> pl.LazyFrame:
    """Raise, keep and clear warnings on `as_of`. Grain: row of `watched` (WATCHED); ends at WARNED.

    `before`: what stood on the latest watched day before `as_of` (CREDIT_WARNING_DAY; None: nothing), from which each
    cause is remembered; rows of a later day do not count, for a look back knows nothing of them. A cause that was raised holds until its figure is back at the bar that
    clears it; a warning ends when the policy's days have passed since the last watch that found a cause. The same day
    watched again finds the same. What is late or overdue raises a warning only where it is material, so that cents warn
    nobody; a grade only by what is overdue now, since a habit with nothing overdue is no news. Source: docs/figures.md, Credit: material.
    """
    was_caused = pl.col(f"causes{_BEFORE}")
    causes = warning_causes(rule)
    holding = {
        cause.name: (
            cause.is_raised.fill_null(value=False)
            | (was_caused.list.contains(cause.name) & cause.holds_on).fill_null(value=False)
        )
        for cause in causes
    }
    named = reasons(
        *(pl.when(f"{name}_holds").then(reason("warning_cause", subject=name)) for name in holding)
    )
    evidence = {
        f"{cause.name}_evidence": pl.when(f"{cause.name}_holds").then(cause.evidence) for cause in causes
    }
    since = pl.col(f"warning_since{_BEFORE}")
    day_after_the_last_cause = pl.min_horizontal(pl.col(f"as_of{_BEFORE}").dt.offset_by("1d"), pl.lit(as_of))
    calm = pl.coalesce(f"warning_calm_since{_BEFORE}", day_after_the_last_cause)
    is_over = (pl.lit(as_of) - calm).dt.total_days() >= rule.warnings.clear_after_days
    has_cause = pl.any_horizontal(f"{name}_holds" for name in holding)
    waits = ~has_cause & since.is_not_null() & ~is_over
    return conform_to(
        watched.join(_remembered(before, as_of), on=CUSTOMER, how="left", validate="1:1")
        .with_columns(expression.alias(f"{name}_holds") for name, expression in holding.items())
        .with_columns(**evidence)
        .with_columns(
            warning_since=pl.when(has_cause).then(pl.coalesce(since, pl.lit(as_of))).when(waits).then(since),
            warning_causes=named,
            warning_reason=joined(*map(pl.col, evidence)),
            warning_calm_since=pl.when(waits).then(calm),
        ),
        WARNED,
    ).sort(CUSTOMER)


def standing_warnings(watch: pl.LazyFrame) -> pl.LazyFrame:
    """Take what a later watch has to remember of WARNED rows. Grain: customer whose warning stands; ends at STANDING."""
    standing = watch.filter(pl.col("warning_since").is_not_null())
    causes = pl.col("warning_causes").list.eval(pl.element().struct.field("subject"))
    return conform_to(standing.with_columns(causes=causes), STANDING).sort(CUSTOMER)


def still_standing(standing: pl.LazyFrame, succession: pl.LazyFrame | None) -> pl.LazyFrame:
    """Put the warnings of those who are succeeded down to their successors. Grain: customer whose warning stood before.

    `standing`: STANDING rows, as they are stored; of several the one that stands longest. Where something is left under the old
    number, its warning stays as well. `succession`: PARTS; None: nobody is
    succeeded.
    """
    if succession is None:
        return standing
    continued = from_all_continued(standing, succession).sort("warning_since", "was")
    return continued.unique(CUSTOMER, keep="first", maintain_order=True).drop("was", "valid_from")


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
            joined(reasons(reason("warning_action", label=pl.col("credit_action"))), pl.col("action_reason")),
        ),
        Cause(
            "grade",
            "the grade by what is overdue now, where a material amount of it is beyond the days of grace",
            is_material(pl.col("past_grace"), _OWED, rule) & (by_grade >= GRADES.index(raised.grade)),
            by_grade > GRADES.index(cleared.grade),
            # where the action is a cause, its reason names the grade already
            pl.when(~is_hard).then(grade_reasons(rule, by_grade)),
        ),
        _of_figure(
            "utilisation",
            "the next order may not fit into the limit",
            raised.utilisation,
            cleared.utilisation,
            pl.lit(value=True),
        ),
        _by_trend(raised.days_late_trend, cleared.days_late_trend, rule),
        _newly_overdue(raised.newly_overdue_share, cleared.newly_overdue_share, rule),
        _of_figure(
            "broken_promises",
            "promised to pay and did not; raised only where what the promises were for is material",
            raised.broken_promises,
            cleared.broken_promises,
            is_material(pl.col("broken_amount"), _OWED, rule),
        ),
        _by_habit(raised.days_late_p90_12m, cleared.days_late_p90_12m, rule),
    )


def _by_trend(raised_from: Decimal, cleared_at: Decimal, rule: CreditRule) -> Cause:
    """Warn of who pays later than it did; rests that are open for years are no news, unless they are material."""
    trend = _of_figure(
        "days_late_trend",
        "pays later than it did; raised only where what it paid late within the year is material, and what is overdue now, too, "
        "unless what it paid tells the same",
        raised_from,
        cleared_at,
        habit_counts(rule),
    )
    is_overdue, paid = is_material(pl.col("net_overdue"), _OWED, rule), pl.col("paid_late_trend")
    return replace(
        trend,
        is_raised=trend.is_raised & (is_overdue | (paid >= pl.lit(raised_from)).fill_null(value=False)),
        holds_on=trend.holds_on & (is_overdue | (paid > pl.lit(cleared_at)).fill_null(value=False)),
    )


def _newly_overdue(raised_from: Decimal, cleared_at: Decimal, rule: CreditRule) -> Cause:
    """Warn of what fell overdue at once; as long as all of it is within the days of grace, it is none."""
    share = _of_figure(
        "newly_overdue_share",
        "much fell overdue at once; raised only where what is beyond the days of grace, and at most 30, is material, and ended "
        "when nothing is",
        raised_from,
        cleared_at,
        is_material(pl.col("newly_past_grace"), _OWED, rule),
        column="net_newly_overdue_share",
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
        is_material(pl.col("net_overdue"), _OWED, rule),
    )
    return replace(habit, holds_on=habit.holds_on & (pl.col("net_overdue") > 0))


def _of_figure(
    figure: str,
    means: str,
    raised_from: Decimal | int,
    cleared_at: Decimal | int,
    counts: pl.Expr,
    *,
    column: str | None = None,
) -> Cause:
    subject = column or figure
    value = pl.col(subject)
    is_raised = value >= pl.lit(raised_from)
    evidence = (
        pl.when(is_raised)
        .then(reason("warning_figure", subject=subject, value=value, bar=raised_from))
        .otherwise(
            reason("warning_figure_kept", subject=subject, value=value, bar=raised_from, clears_at=cleared_at)
        )
    )
    return Cause(figure, means, counts & is_raised, value > pl.lit(cleared_at), reasons(evidence))


def _remembered(before: pl.LazyFrame | None, as_of: date) -> pl.LazyFrame:
    rows = pl.LazyFrame(schema=_REMEMBERED) if before is None else require_columns(before, _REMEMBERED)
    return rows.filter(pl.col("as_of") <= as_of).select(
        *CUSTOMER, *(pl.col(name).alias(f"{name}{_BEFORE}") for name in _STATE)
    )
