"""The policy's sections on credit and conduct."""

from decimal import Decimal
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, field_validator, model_validator

from transforms.policy.numbers import (
    Count,
    Days,
    Money,
    Months,
    Number,
    Periods,
    PositiveNumber,
    Ratio,
    Section,
    listed,
)

CreditGrade = Literal["A", "B", "C", "D", "E"]
CreditAction = Literal["open", "watch", "prepay", "stop"]  # from mild to hard
GradeBars = Annotated[tuple[Number, Number, Number, Number], BeforeValidator(listed)]


class GradeRule(Section):
    """Inclusive upper bars of grades A, B, C and D; above the last is E. The worst figure decides: `[credit.grades]`."""

    overdue_share: GradeBars
    days_late_12m: GradeBars
    oldest_overdue_days: GradeBars

    @field_validator("overdue_share", "days_late_12m", "oldest_overdue_days")
    @classmethod
    def _rise(cls, bars: tuple[Decimal, ...]) -> tuple[Decimal, ...]:
        if list(bars) != sorted(bars):
            raise ValueError(f"the bars of A, B, C and D must not fall; they are {', '.join(map(str, bars))}")
        return bars


class ActionByGrade(Section):
    """What order entry may do by grade: `[credit.action_by_grade]`."""

    A: CreditAction
    B: CreditAction
    C: CreditAction
    D: CreditAction
    E: CreditAction

    @model_validator(mode="after")
    def _harden(self) -> Self:
        hardness = get_args(CreditAction)
        actions = (self.A, self.B, self.C, self.D, self.E)
        if [hardness.index(action) for action in actions] != sorted(map(hardness.index, actions)):
            raise ValueError(f"a worse grade must not get a milder action; they are {', '.join(actions)}")
        return self


class WarningBars(Section):
    """One bar for each figure a credit warning looks at."""

    action: CreditAction
    grade: CreditGrade
    utilisation: Number
    days_late_trend: Number
    newly_overdue_share: Ratio
    broken_promises: Annotated[int, Field(ge=0, le=1000)]
    days_late_p90_12m: Number


class WarningRule(Section):
    """When a credit warning is raised, and when it is taken back: `[credit.warnings]`.

    A cause is raised from its bar in `raise_from` on, inclusive, and holds until its figure is back at its bar in
    `clear_at`, inclusive; the warning ends after `clear_after_days` without any cause.
    """

    clear_after_days: Days
    raise_from: WarningBars
    clear_at: WarningBars

    @model_validator(mode="after")
    def _hysteresis(self) -> Self:
        hardness = get_args(CreditAction)
        for name in WarningBars.model_fields:
            raised, cleared = getattr(self.raise_from, name), getattr(self.clear_at, name)
            is_milder = (
                hardness.index(cleared) < hardness.index(raised) if name == "action" else cleared < raised
            )
            if not is_milder:
                raise ValueError(
                    f"clear_at.{name} ({cleared}) must be milder than raise_from.{name} ({raised}), or warnings would flicker"
                )
        return self


class CreditRule(Section):
    """Ageing, materiality, disputes, limits, grades and actions of the credit watch: `[credit]`.

    An amount is material if it reaches `material_amount`, `material_share` of what it is part of, and
    `material_sales_share` of the customer's yearly net sales. A `severe_amount` of 0: none is severe by itself.
    """

    severe_days: Days
    grace_days: Days
    habit_min_items: Count
    material_amount: Money
    material_share: Ratio
    material_sales_share: Ratio
    severe_amount: Money
    severe_action: CreditAction
    over_limit_action: CreditAction
    blocked_action: CreditAction
    written_off_action: CreditAction
    bill_days: Days
    dispute_max_days: Days
    dispute_many_from: Count
    dispute_share_max: Ratio
    dispute_action: CreditAction
    no_limit_action: CreditAction
    new_no_limit_action: CreditAction
    new_no_limit_free: Money
    limit_rate_max_days: Days
    group_stop_action: CreditAction
    grades: GradeRule
    action_by_grade: ActionByGrade
    warnings: WarningRule

    @model_validator(mode="after")
    def _severe_is_beyond_grace(self) -> Self:
        if self.grace_days > self.severe_days:
            raise ValueError(
                f"grace_days ({self.grace_days}) must not be more than severe_days ({self.severe_days})"
            )
        return self


class ArrearsRule(Section):
    """Long arrears: share and amount overdue for long in k of the last n months: `[conduct.arrears]`."""

    overdue_days: Days
    overdue_share_from: Ratio
    amount_from: Money
    periods: Periods
    of_periods: Periods

    @model_validator(mode="after")
    def _k_of_n(self) -> Self:
        if self.periods > self.of_periods:
            raise ValueError(f"periods ({self.periods}) must not be more than of_periods ({self.of_periods})")
        return self


class DiversionRule(Section):
    """Goods sold outside the customer's territory, by proof and by suspicion: `[conduct.diversion]`."""

    min_observations: Count
    out_of_territory_share_from: Ratio
    wilson_z: PositiveNumber
    ship_to_outside_share_from: Ratio
    ewma_half_life_months: Months
    surge_from: PositiveNumber
    neighbour_decline_from: Ratio


class DumpingRule(Section):
    """Resale below the floor price, and our own invoices below it: `[conduct.dumping]`."""

    below_floor_from: Ratio
    min_observations: Count
    own_below_floor_from: Ratio


class ConductRule(Section):
    """Thresholds of the conduct findings: `[conduct.*]`."""

    arrears: ArrearsRule
    diversion: DiversionRule
    dumping: DumpingRule
