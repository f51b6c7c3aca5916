"""What order entry may do: the credit grade by the policy's bars, and the action with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, get_args

import polars as pl

from transforms.credit.material import is_material, reaches
from transforms.credit.overdue import FIRM, bars_passed, bars_passed_now, is_severe
from transforms.frames.reasons import FIGURE, joined, reason, reasons
from transforms.policy.credit import CreditAction, CreditGrade

if TYPE_CHECKING:
    from decimal import Decimal

    from transforms.policy.credit import CreditRule

GRADES: Final[tuple[str, ...]] = get_args(CreditGrade)
ACTIONS: Final[tuple[str, ...]] = get_args(CreditAction)  # from mild to hard

_OPEN: Final = ACTIONS.index("open")
_WATCH: Final = ACTIONS.index("watch")
_STOP: Final = ACTIONS.index("stop")
_LAST_BAR: Final = 4
_SEVERE: Final = "_severe"
_PASSED: Final = "_passed"
_PASSED_BY_LATENESS: Final = "_passed_by_lateness"
_HABIT_COUNTS: Final = "_habit_counts"
_HARDNESS: Final = "_hardness_of_"
_WHY: Final = "_why_"
WRITTEN_OFF_MONTHS: Final = 24


@dataclass(frozen=True, slots=True)
class Ground:
    """One ground of an action: how hard it is where it holds (a place in ACTIONS, 0 where it does not), and its reasons.

    `gates`: a stop on it may cap the tier.
    """

    name: str
    hardness: pl.Expr
    why: pl.Expr
    gates: bool = True


def credit_grade(rule: CreditRule) -> pl.Expr:
    """A to E by the worst of what is overdue now and of days_late_12m, bars inclusive; null where neither can be graded."""
    return _letter(pl.max_horizontal(bars_passed_now(rule), _by_lateness_passed(rule)))


def with_credit_action(watched: pl.LazyFrame, rule: CreditRule, new_below_months: int) -> pl.LazyFrame:
    """Add `credit_action`, `action_reason`, and the two flags that gates of the tier ask for. Grain: as given, customer.

    The hardest ground holds; a null reason goes with `open`. `is_credit_stop`: stopped for what it owes, and not
    merely by the ERP's block or for disputes that no longer count. `is_chronically_late`: beyond the last bar of
    days_late_12m, on a material amount.
    """
    grounds = _grounds(rule, new_below_months)
    hardness_of = {each.name: pl.col(f"{_HARDNESS}{each.name}") for each in grounds}
    hardest = pl.max_horizontal(*hardness_of.values())
    why_of = {
        f"{_WHY}{each.name}": pl.when(hardness_of[each.name] > _OPEN).then(each.why) for each in grounds
    }
    stops = pl.any_horizontal(hardness_of[each.name] == _STOP for each in grounds if each.gates)
    # In columns of their own, since the grounds ask for the same few figures again and again, and planning is dear within reasons.
    return (
        watched.with_columns(
            is_severe(rule).alias(_SEVERE),
            is_severe(rule, FIRM).alias(f"{_SEVERE}{FIRM}"),
            bars_passed_now(rule).alias(_PASSED),
            bars_passed_now(rule, FIRM).alias(f"{_PASSED}{FIRM}"),
            _by_lateness_passed(rule).alias(_PASSED_BY_LATENESS),
            habit_counts(rule).alias(_HABIT_COUNTS),
        )
        .with_columns(each.hardness.alias(f"{_HARDNESS}{each.name}") for each in grounds)
        .with_columns(**why_of)
        .with_columns(
            _action(hardest).alias("credit_action"),
            joined(*map(pl.col, why_of)).alias("action_reason"),
            stops.alias("is_credit_stop"),
            ((pl.col(_PASSED_BY_LATENESS) == _LAST_BAR) & pl.col(_HABIT_COUNTS))
            .fill_null(value=False)
            .alias("is_chronically_late"),
        )
        .drop(
            *(f"{name}{suffix}" for name in (_SEVERE, _PASSED) for suffix in ("", FIRM)),
            _PASSED_BY_LATENESS,
            _HABIT_COUNTS,
            *(f"{_HARDNESS}{each.name}" for each in grounds),
            *why_of,
        )
    )


def with_stops_in_the_group(watched: pl.LazyFrame, rule: CreditRule) -> pl.LazyFrame:
    """Show a member's stop at the others of its group, by the policy's `group_stop_action`. Grain: as given, customer.

    Only a stop for severe arrears that are material against what the whole group owes and buys; the others' action is at
    least that, and its reason names the member. Never a cap of the tier. Source: docs/figures.md, Credit: before the sale.
    """
    group = ("company_code", "group_id")
    severe = pl.col("severe_firm")
    counts = is_material(
        severe, pl.col("net_owed").sum().over(group), rule, sales=pl.col("yearly_sales").sum().over(group)
    )
    is_stopped = (
        pl.col("group_id").is_not_null()
        & (pl.col("credit_action") == "stop")
        & is_severe(rule, FIRM)
        & counts
    )
    ordered = watched.with_columns(is_stopped=is_stopped)
    of_others = (
        ordered.filter("is_stopped")
        .sort("customer_id")
        .group_by(group)
        .agg(stopped_member=pl.col("customer_id").first(), stopped_severe=severe.first())
    )
    why = reason(
        "member_stopped",
        name=pl.col("stopped_member"),
        amount=pl.col("stopped_severe"),
        counted=rule.severe_days,
    )
    by_action = pl.col("credit_action").replace_strict(ACTIONS, range(len(ACTIONS)), return_dtype=pl.Int8)
    at_least = ACTIONS.index(rule.group_stop_action)
    concerned = (
        pl.col("stopped_member").is_not_null() & ~pl.col("is_stopped") & pl.lit(at_least > _OPEN)
    ).fill_null(value=False)
    return (
        ordered.join(of_others, on=group, how="left", validate="m:1")
        .with_columns(
            credit_action=_action(
                pl.when(concerned).then(by_action.clip(lower_bound=at_least)).otherwise(by_action)
            ),
            action_reason=joined(pl.col("action_reason"), reasons(pl.when(concerned).then(why))),
        )
        .drop("is_stopped", "stopped_member", "stopped_severe")
    )


def with_credit_elsewhere(watched: pl.LazyFrame, rule: CreditRule) -> pl.LazyFrame:
    """Name credit that is never set against what is overdue: of another currency, of others of the group. Grain: as given, customer.

    A hint in the reason of an action beyond `open`, where the credit is at least the policy's `material_amount`. Needs
    `credit_left`, what of a customer's own credit meets no debt of its currency.
    """
    own = pl.col("credit_left").fill_null(0)
    of_others = own.sum().over("company_code", "group_id") - own
    is_asked = (pl.col("credit_action") != ACTIONS[_OPEN]) & (pl.col("net_overdue") > 0)

    has_group, at_least = pl.col("group_id").is_not_null(), rule.material_amount
    hints = reasons(
        pl.when(is_asked & (own >= at_least)).then(reason("credit_in_another_currency", amount=own)),
        pl.when(is_asked & has_group & (of_others >= at_least)).then(
            reason("credit_in_the_group", amount=of_others)
        ),
    )
    return watched.with_columns(action_reason=joined(pl.col("action_reason"), hints))


def _grounds(rule: CreditRule, new_below_months: int) -> tuple[Ground, ...]:
    at_most = ACTIONS.index(rule.dispute_action)
    by_severity = _when(pl.col(f"{_SEVERE}{FIRM}"), rule.severe_action)
    by_contested_severity = _when(pl.col(_SEVERE), rule.severe_action).clip(upper_bound=at_most)
    by_overdue = _by_overdue(rule, FIRM)
    by_contested_overdue = _by_overdue(rule, "").clip(upper_bound=at_most)

    def severe(amount: str) -> pl.Expr:
        return reason("severe_arrears", amount=pl.col(amount), counted=rule.severe_days)

    contested = pl.max_horizontal(by_contested_severity, by_contested_overdue)
    is_harder = contested > pl.max_horizontal(by_severity, by_overdue)
    is_unlimited = pl.col("credit_limit").is_null()
    is_new = pl.col("months_known").fill_null(0) < new_below_months
    asks = is_new & (pl.col("exposure") > pl.lit(rule.new_no_limit_free))
    return (
        Ground(
            "blocked",
            _when(pl.col("status") == "blocked", rule.blocked_action),
            reasons(
                pl.when((pl.col("status_reason") == "credit").fill_null(value=False))
                .then(reason("blocked_for_credit"))
                .otherwise(reason("blocked_in_the_erp"))
            ),
            gates=False,
        ),
        Ground("severe", by_severity, reasons(severe("severe_firm"))),
        Ground("limit", _when(_is_over_limit(), rule.over_limit_action), reasons(_over_limit())),
        Ground(
            "grade",
            pl.max_horizontal(by_overdue, _by_lateness(rule)),
            grade_reasons(rule, pl.col(_PASSED), pl.col(_PASSED_BY_LATENESS)),
        ),
        Ground(
            "contested",
            pl.when(is_harder).then(contested).otherwise(pl.lit(_OPEN, dtype=pl.Int8)),
            reasons(
                reason("disputes_not_counted", amount=pl.col("net_owed") - pl.col("net_owed_firm")),
                pl.when(pl.col(_SEVERE)).then(severe("severe")),
            ),
            gates=False,
        ),
        Ground(
            "written_off",
            _when(
                is_material(pl.col("written_off_24m"), pl.col("written_off_of"), rule),
                rule.written_off_action,
            ),
            reasons(reason("written_off", amount=pl.col("written_off_24m"), counted=WRITTEN_OFF_MONTHS)),
        ),
        Ground(
            "disputed",
            _when(
                is_material(pl.col("disputed_open"), pl.col("disputed_open") + pl.col("net_owed"), rule),
                "watch",
            ),
            reasons(reason("disputed", amount=pl.col("disputed_open"))),
        ),
        Ground(
            "no_limit",
            pl.max_horizontal(
                _when(is_unlimited, rule.no_limit_action),
                _when(is_unlimited & asks, rule.new_no_limit_action),
            ),
            reasons(
                pl.when(asks).then(reason("new_customer")),
                pl.when((pl.col("credit_limit_reason") == "no_rate").fill_null(value=False))
                .then(reason("no_limit_rate"))
                .otherwise(reason("no_limit")),
            ),
        ),
    )


def habit_counts(rule: CreditRule) -> pl.Expr:
    """Tell whether what was paid late within the year is material."""
    return is_material(pl.col("late_amount"), pl.col("counted_amount"), rule)


def _by_lateness_passed(rule: CreditRule) -> pl.Expr:
    return bars_passed("days_late_12m", rule.grades.days_late_12m)


def _letter(passed: pl.Expr) -> pl.Expr:
    return passed.replace_strict(dict(enumerate(GRADES)), return_dtype=pl.String)


def _action(hardness: pl.Expr) -> pl.Expr:
    return hardness.replace_strict(dict(enumerate(ACTIONS)), return_dtype=pl.String)


def _hardness(passed: pl.Expr, rule: CreditRule) -> pl.Expr:
    action_of = {
        count: ACTIONS.index(getattr(rule.action_by_grade, grade)) for count, grade in enumerate(GRADES)
    }
    return passed.replace_strict(action_of, return_dtype=pl.Int8).fill_null(_OPEN)


def _by_overdue(rule: CreditRule, suffix: str) -> pl.Expr:
    """What the grade by what is overdue asks for; no more than `watch` where the amount is not material."""
    hardness = _hardness(pl.col(f"{_PASSED}{suffix}"), rule)
    counts = reaches(pl.col(f"past_grace{suffix}"), pl.col(f"net_owed{suffix}"), rule)
    return pl.when(counts).then(hardness).otherwise(hardness.clip(upper_bound=_WATCH))


def _by_lateness(rule: CreditRule) -> pl.Expr:
    """What the grade by the year's days late asks for; no more than `watch` where what was late is not material."""
    hardness = _hardness(pl.col(_PASSED_BY_LATENESS), rule)
    return pl.when(pl.col(_HABIT_COUNTS)).then(hardness).otherwise(hardness.clip(upper_bound=_WATCH))


def _when(condition: pl.Expr, action: CreditAction) -> pl.Expr:
    return (
        pl.when(condition.fill_null(value=False))
        .then(pl.lit(ACTIONS.index(action), dtype=pl.Int8))
        .otherwise(pl.lit(_OPEN, dtype=pl.Int8))
    )


def _is_over_limit() -> pl.Expr:
    return (pl.col("exposure") > pl.col("credit_limit")) | (pl.col("credit_limit") == 0)


def _over_limit() -> pl.Expr:
    return (
        pl.when(pl.col("credit_limit") == 0)
        .then(reason("limit_of_nothing"))
        .otherwise(reason("over_limit", amount=pl.col("exposure"), bar=pl.col("credit_limit")))
    )


def grade_reasons(rule: CreditRule, now: pl.Expr, by_lateness: pl.Expr | None = None) -> pl.Expr:
    """Give the grade with the figures that decide it, each with the bar it passes; null below the first bar.

    `now`: the bars passed by what is overdue now; `by_lateness`: those passed by days_late_12m, which then counts too.
    A grade by what is overdue is at most B or C while the amount is not material, whatever bar its figures pass.
    """
    worst = now if by_lateness is None else pl.max_horizontal(now, by_lateness)
    deciding = [
        _above_bar(figure, bars, (now == worst) & (bars_passed(figure, bars) >= worst))
        for figure, bars in (
            ("graded_overdue_share", rule.grades.overdue_share),
            ("graded_overdue_days", rule.grades.oldest_overdue_days),
        )
    ]
    if by_lateness is not None:
        deciding.append(_above_bar("days_late_12m", rule.grades.days_late_12m, by_lateness == worst))
    return pl.when(worst > 0).then(reasons(reason("credit_grade", label=_letter(worst)), *deciding))


def _above_bar(figure: str, bars: tuple[Decimal, ...], decides: pl.Expr) -> pl.Expr:
    """Name a figure where it decides, with the highest of its bars that it passes."""
    highest = bars_passed(figure, bars).replace_strict(
        dict(enumerate(bars, start=1)), default=None, return_dtype=FIGURE
    )
    return pl.when(decides).then(
        reason("figure_above_bar", subject=figure, value=pl.col(figure), bar=highest)
    )
