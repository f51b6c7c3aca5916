"""Whether an amount counts: the one predicate behind severity, grades, habits, warnings, arrears and groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit.items import CUSTOMER
from transforms.frames.fixed_point import (
    MONEY_SUM,
    div_half_even,
    from_scaled_int,
    scaled_int_of,
    to_scaled_int,
)
from transforms.frames.periods import first_of_month, months_before
from transforms.frames.plan import closed_through

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.credit import CreditRule

YEARLY_SALES: Final = "yearly_sales"
_YEAR: Final = 12
_PLACES: Final = 6


def is_material(amount: pl.Expr, whole: pl.Expr, rule: CreditRule, sales: pl.Expr | None = None) -> pl.Expr:
    """Tell whether an amount of more than 0 reaches all three bars; false if it is null.

    The bars are the policy's `material_amount`, its `material_share` of `whole`, and its `material_sales_share` of the
    customer's yearly sales (`sales`, the column `yearly_sales` unless given), which asks nothing of a customer without
    any. Source: docs/figures.md, Credit: material.
    """
    return reaches(amount, whole, rule, sales=sales)


def reaches(
    amount: pl.Expr,
    whole: pl.Expr,
    rule: CreditRule,
    *,
    sales: pl.Expr | None = None,
    times: int = 1,
    share_times: int = 1,
) -> pl.Expr:
    """Tell whether `times` the amount reaches all three bars; the two shares are asked of `share_times` as much."""
    found = to_scaled_int(amount) * times
    of_share = found * share_times * 10**_PLACES
    yearly = to_scaled_int(pl.col(YEARLY_SALES) if sales is None else sales).clip(lower_bound=0).fill_null(0)
    all_three = (
        (found >= scaled_int_of(rule.material_amount))
        & (of_share >= to_scaled_int(whole) * scaled_int_of(rule.material_share, _PLACES))
        & (of_share >= yearly * scaled_int_of(rule.material_sales_share, _PLACES))
    )
    return (all_three & (found > 0)).fill_null(value=False)


def yearly_sales(facts: Facts, as_of: date) -> pl.LazyFrame:
    """Sum net sales of the 12 months that were closed on `as_of`. Grain: customer with sales by then.

    `months_known` counts the calendar months from the first one with sales on, at most 12; `yearly_sales` is annualised
    where they are fewer. `first_month` is that month. Whole months, since the running one is not complete.
    """
    last = closed_through(as_of)
    period = first_of_month(last)
    since = months_before(period, _YEAR - 1)
    month = pl.col("month")
    known = (
        (period.year * 12 + period.month)
        - (month.min().dt.year().cast(pl.Int32) * 12 + month.min().dt.month())
        + 1
    )
    return (
        facts.customer_month.filter(month <= period)
        .group_by(CUSTOMER)
        .agg(
            first_month=month.min(),
            months_known=known.clip(1, _YEAR),
            sold=to_scaled_int(pl.when(month >= since).then("net_sales").sum().cast(MONEY_SUM)),
        )
        .with_columns(
            from_scaled_int(div_half_even(pl.col("sold") * _YEAR, pl.col("months_known")), MONEY_SUM).alias(
                YEARLY_SALES
            )
        )
        .select(*CUSTOMER, "first_month", "months_known", YEARLY_SALES)
    )
