"""What order entry may do: the credit grade by the policy's bars, and the action with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

import polars as pl

from transforms.policy_credit import CreditAction, CreditGrade
from transforms.wording import bar, money, number, sentence

if TYPE_CHECKING:
    from decimal import Decimal

    from transforms.policy_credit import CreditRule

GRADES: Final[tuple[str, ...]] = get_args(CreditGrade)
ACTIONS: Final[tuple[str, ...]] = get_args(CreditAction)  # from mild to hard

NOW_OVERDUE: Final = ("overdue_share", "oldest_overdue_days")
_FIGURES: Final = (*NOW_OVERDUE, "days_late_12m")
_OPEN: Final = ACTIONS.index("open")
_WATCH: Final = ACTIONS.index("watch")


def credit_grade(rule: CreditRule) -> pl.Expr:
    """A to E by the worst of the assessed figures, bars inclusive; null where none is assessed."""
    return _letter(_worst(rule, _FIGURES))


def is_severe(rule: CreditRule) -> pl.Expr:
    """Tell whether a material amount is further past due than the policy's `severe_days`."""
    return is_material(pl.col("severe"), owed(), rule)


def credit_action(rule: CreditRule) -> tuple[pl.Expr, pl.Expr]:
    """Give `credit_action` and `action_reason`; a null reason goes with `open`.

    The hardest of three holds: severe arrears, exposure above the limit (a limit of 0 allows nothing), and the grade.
    A grade that rests on immaterial amounts asks for no more than `watch`, so that neither cents nor a payment in the post
    block: what is overdue now speaks only where what is beyond the days of grace is material, and the habit of the year
    only where what was paid late is.
    """
    by_severity = _when(is_severe(rule), rule.severe_action)
    by_limit = _when(_is_over_limit(), rule.over_limit_action)
    by_grade = _hardness_by_grade(rule)
    hardest = pl.max_horizontal(by_severity, by_limit, by_grade)
    action = hardest.replace_strict(dict(enumerate(ACTIONS)), return_dtype=pl.String)
    severity = money(pl.col("severe")) + pl.lit(f" more than {rule.severe_days} days past due")
    reasons = sentence(
        pl.when(by_severity > _OPEN).then(severity),
        pl.when(by_limit > _OPEN).then(_over_limit_text()),
        pl.when(by_grade > _OPEN).then(grade_text(rule)),
    )
    return action.alias("credit_action"), pl.when(hardest > _OPEN).then(reasons).alias("action_reason")


def _worst(rule: CreditRule, figures: tuple[str, ...]) -> pl.Expr:
    """Bars passed by the worst of the figures, 0 to 4; null where none is assessed."""
    return pl.max_horizontal(*(_passed(figure, _bars(rule, figure)) for figure in figures))


def _bars(rule: CreditRule, figure: str) -> tuple[Decimal, ...]:
    bars: tuple[Decimal, ...] = getattr(rule.grades, figure)
    return bars


def _passed(figure: str, bars: tuple[Decimal, ...]) -> pl.Expr:
    above = [(pl.col(figure) > pl.lit(upper)).cast(pl.Int8) for upper in bars]
    return pl.when(pl.col(figure).is_not_null()).then(pl.sum_horizontal(*above)).cast(pl.Int8)


def _letter(passed: pl.Expr) -> pl.Expr:
    return passed.replace_strict(dict(enumerate(GRADES)), return_dtype=pl.String)


def bars_passed_materially(rule: CreditRule) -> pl.Expr:
    """Count the bars passed by the worst figure behind which lies a material amount, 0 to 4; null where none does."""
    return pl.max_horizontal(
        bars_passed_now(rule), pl.when(habit_counts(rule)).then(_worst(rule, ("days_late_12m",)))
    )


def bars_passed_now(rule: CreditRule) -> pl.Expr:
    """Count those passed by what is overdue now, where a material amount of it is beyond the days of grace."""
    return pl.when(is_material(pl.col("past_grace"), owed(), rule)).then(_worst(rule, NOW_OVERDUE))


def habit_counts(rule: CreditRule) -> pl.Expr:
    """Tell whether what was paid late within the year is material."""
    return is_material(pl.col("late_amount"), pl.col("counted_amount"), rule)


def is_material(amount: pl.Expr, whole: pl.Expr, rule: CreditRule) -> pl.Expr:
    """Tell whether an amount counts: it reaches the absolute bar, and the bar relative to what it is part of."""
    reaches_both = (amount >= pl.lit(rule.material_amount)) & (amount >= whole * pl.lit(rule.material_share))
    return (reaches_both & (amount > 0)).fill_null(value=False)


def owed() -> pl.Expr:
    """Sum the open items of more than 0."""
    return pl.col("not_yet_due") + overdue()


def overdue() -> pl.Expr:
    """Sum those past due."""
    return pl.sum_horizontal("overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_over_90")


def _hardness_by_grade(rule: CreditRule) -> pl.Expr:
    action_of = {
        passed: ACTIONS.index(getattr(rule.action_by_grade, grade)) for passed, grade in enumerate(GRADES)
    }

    def hardness(passed: pl.Expr) -> pl.Expr:
        return passed.replace_strict(action_of, return_dtype=pl.Int8).fill_null(_OPEN)

    by_all = hardness(_worst(rule, _FIGURES))
    return pl.max_horizontal(by_all.clip(upper_bound=_WATCH), hardness(bars_passed_materially(rule)))


def _when(condition: pl.Expr, action: CreditAction) -> pl.Expr:
    return (
        pl.when(condition.fill_null(value=False))
        .then(pl.lit(ACTIONS.index(action), dtype=pl.Int8))
        .otherwise(pl.lit(_OPEN, dtype=pl.Int8))
    )


def _is_over_limit() -> pl.Expr:
    return (pl.col("exposure") > pl.col("credit_limit")) | (pl.col("credit_limit") == 0)


def _over_limit_text() -> pl.Expr:
    exposure, limit = money(pl.col("exposure")), money(pl.col("credit_limit"))
    return (
        pl.when(pl.col("credit_limit") == 0)
        .then(pl.lit("credit limit 0"))
        .otherwise(pl.lit("exposure ") + exposure + pl.lit(" above limit ") + limit)
    )


def grade_text(rule: CreditRule, figures: tuple[str, ...] = _FIGURES) -> pl.Expr:
    """Such as "grade D: overdue_share 0.41 above 0.4": those of the figures that decide the grade, with the bar they pass."""
    worst = _worst(rule, figures)
    deciding = [
        pl.when(_passed(figure, _bars(rule, figure)) == worst).then(
            pl.lit(f"{figure} ") + number(pl.col(figure)) + pl.lit(" above ") + _last_bar(rule, figure)
        )
        for figure in figures
    ]
    return pl.lit("grade ") + _letter(worst) + pl.lit(": ") + sentence(*deciding, separator=", ")


def _last_bar(rule: CreditRule, figure: str) -> pl.Expr:
    """Text of the highest bar the figure passes; null below the first."""
    bars = _bars(rule, figure)
    texts = {count: bar(upper) for count, upper in enumerate(bars, start=1)}
    return _passed(figure, bars).replace_strict(texts, default=None, return_dtype=pl.String)
