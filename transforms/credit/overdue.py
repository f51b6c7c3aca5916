"""What is overdue net of unapplied credit and without disputes: the amounts and figures that judge a customer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit.items import CUSTOMER
from transforms.credit.material import YEARLY_SALES, reaches
from transforms.frames.fixed_point import WIDE_RATIO, ratio, to_scaled_int

if TYPE_CHECKING:
    from decimal import Decimal

    from transforms.policy.credit import CreditRule

FIRM: Final = "_firm"
"""Suffix of the figures without disputes that no longer count as any."""


def overdue_figures(
    items: pl.LazyFrame, sales: pl.LazyFrame, rule: CreditRule, *, suffix: str = ""
) -> pl.LazyFrame:
    """Sum what is overdue for long, and take the two figures that are graded. Grain: customer with an item.

    `net_owed` (net, undisputed), `past_grace` of it (more than the policy's `grace_days` past due), `severe` (more than
    `severe_days`), `severe_long` (more than twice that). `graded_overdue_share` = past_grace ÷ net_owed;
    `graded_overdue_days`: the days past due from which on the items beyond the days of grace are material together with all
    older ones, those of the oldest if not even all are; both null where nothing is owed. Source: docs/figures.md, Credit: material.
    """
    past, net = pl.col("days_past_due"), pl.col("net_open")
    totals = items.group_by(CUSTOMER).agg(
        net_owed=net.sum(),
        past_grace=net.filter(past > rule.grace_days).sum(),
        severe=net.filter(past > rule.severe_days).sum(),
        severe_long=net.filter(past > 2 * rule.severe_days).sum(),
    )
    late = (
        items.filter(net > 0, past > rule.grace_days)
        .group_by(*CUSTOMER, "days_past_due")
        .agg(net.sum())
        .with_columns(so_far=net.cum_sum().over(CUSTOMER, order_by="days_past_due", descending=True))
        .join(totals.select(*CUSTOMER, "net_owed"), on=CUSTOMER, how="inner", validate="m:1")
        .join(sales.select(*CUSTOMER, YEARLY_SALES), on=CUSTOMER, how="left", validate="m:1")
        .with_columns(counts=reaches(pl.col("so_far"), pl.col("net_owed"), rule))
        .group_by(CUSTOMER)
        .agg(days=pl.coalesce(past.filter("counts").max(), past.max()))
    )
    is_owed = pl.col("net_owed") > 0
    figures = (
        totals.join(late, on=CUSTOMER, how="left", validate="1:1")
        .with_columns(
            graded_overdue_share=ratio(to_scaled_int("past_grace"), to_scaled_int("net_owed"), WIDE_RATIO),
            graded_overdue_days=pl.when(is_owed).then(pl.col("days").fill_null(0)).cast(WIDE_RATIO),
        )
        .drop("days")
    )
    names = [name for name in figures.collect_schema().names() if name not in CUSTOMER]
    return figures.rename({name: f"{name}{suffix}" for name in names})


def is_severe(rule: CreditRule, suffix: str = "") -> pl.Expr:
    """Tell whether what is further past due than `severe_days` is material, or large, or half as material and twice as late."""
    severe, owed = pl.col(f"severe{suffix}"), pl.col(f"net_owed{suffix}")
    by_amount = (severe >= pl.lit(rule.severe_amount)) if rule.severe_amount else pl.lit(value=False)
    for_long = reaches(pl.col(f"severe_long{suffix}"), owed, rule, share_times=2)
    return reaches(severe, owed, rule) | by_amount.fill_null(value=False) | for_long


def bars_passed_now(rule: CreditRule, suffix: str = "") -> pl.Expr:
    """Count the grade's bars passed by what is overdue, 0 to 4; null where nothing is owed.

    With r = the least of the amount beyond the days of grace ÷ its three bars: below 0.5 it passes no more than the first
    bar (grade B), below 1 no more than the second (C), so that a small change of it makes a small change of the grade.
    """
    amount, owed = pl.col(f"past_grace{suffix}"), pl.col(f"net_owed{suffix}")
    passed = pl.max_horizontal(
        bars_passed(f"graded_overdue_share{suffix}", rule.grades.overdue_share),
        bars_passed(f"graded_overdue_days{suffix}", rule.grades.oldest_overdue_days),
    )
    return (
        pl.when(reaches(amount, owed, rule))
        .then(passed)
        .when(reaches(amount, owed, rule, times=2))
        .then(passed.clip(upper_bound=2))
        .otherwise(passed.clip(upper_bound=1))
    )


def bars_passed(figure: str, bars: tuple[Decimal, ...]) -> pl.Expr:
    """Count the bars that a figure is above; null where it is null."""
    above = [(pl.col(figure) > pl.lit(upper)).cast(pl.Int8) for upper in bars]
    return pl.when(pl.col(figure).is_not_null()).then(pl.sum_horizontal(*above)).cast(pl.Int8)
