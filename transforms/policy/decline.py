"""The policy's section on decline and growth."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from transforms.policy.numbers import Days, Months, Periods, PositiveNumber, PositiveRatio, Section


class DeclineRule(Section):
    """When a customer is called slowing, declining, lapsed or growing, and when no longer: `[decline]`.

    A pace (`…_ratio`) is what was bought lately ÷ the same a year before; a multiple (`…_gaps`) the days since the last order
    ÷ the customer's usual gap, and counts from `gap_counts_from_days` on.
    """

    min_months: Annotated[int, Field(ge=13, le=60)]
    months: Annotated[int, Field(ge=1, le=12)]
    months_of_rare: Annotated[int, Field(ge=1, le=12)]
    gap_counts_from_days: Days
    slowing_ratio: PositiveRatio
    slowing_gaps: PositiveNumber
    declining_ratio: PositiveRatio
    declining_periods: Periods
    declining_gaps: PositiveNumber
    lapsed_gaps: PositiveNumber
    lapsed_days: Days
    clear_ratio: PositiveRatio
    clear_gaps: PositiveNumber
    clear_periods: Periods
    growing_ratio: PositiveNumber
    listed_months: Months

    @model_validator(mode="after")
    def _harden(self) -> Self:
        ratios = (self.declining_ratio, self.slowing_ratio, self.clear_ratio, self.growing_ratio)
        if list(ratios) != sorted(ratios) or self.slowing_ratio == self.clear_ratio:
            raise ValueError(
                "declining_ratio, slowing_ratio, clear_ratio and growing_ratio must rise, the last two above slowing_ratio; "
                f"they are {', '.join(map(str, ratios))}"
            )
        gaps = (self.clear_gaps, self.slowing_gaps, self.declining_gaps, self.lapsed_gaps)
        if list(gaps) != sorted(gaps):
            raise ValueError(
                f"clear_gaps, slowing_gaps, declining_gaps and lapsed_gaps must not fall; they are {', '.join(map(str, gaps))}"
            )
        if self.months_of_rare < self.months:
            raise ValueError(
                f"months_of_rare ({self.months_of_rare}) must not be below months ({self.months})"
            )
        return self
