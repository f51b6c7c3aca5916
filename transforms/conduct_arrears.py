"""Arrears: most of what is owed is overdue, and has been for months."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.conduct_evidence import found
from transforms.credit_items import CUSTOMER, items_on
from transforms.exact import WIDE_RATIO, ratio, units
from transforms.periods import months_before
from transforms.plan import closed_through, month_end
from transforms.wording import money, number

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy_credit import ArrearsRule

MEASURE: Final = "months_in_arrears"


def arrears(
    receivables: pl.LazyFrame, allocations: pl.LazyFrame | None, rule: ArrearsRule, as_of: date
) -> pl.LazyFrame:
    """Find who was in arrears at how many of the last n month ends. Grain: customer with a ledger item by then.

    In arrears at a month end: what is more than `overdue_days` past due ÷ open, and its amount, both reach the policy's
    bars; credits and disputed items are left out of both, since who contests an item does not withhold it. `confirmed` in k of n (our own ledger
    proves it), `suspected` in half of k, the last month end among them. `concerned_amount` is what was that late at the last one.
    Columns of `conduct_evidence.FOUND`. Source: DOMAIN §6.
    """
    ends = month_ends(as_of, rule.of_periods)
    months = pl.concat(_month(items_on(receivables, allocations, end), end, rule) for end in ends)
    is_over = pl.col("is_over")
    is_last = pl.col("month_end") == ends[-1]
    return found(
        months.group_by(CUSTOMER)
        .agg(
            over=is_over.sum().cast(pl.Int32),
            last_over=(is_over & is_last).any(),
            evidence_from=pl.col("month_end").filter(is_over).min(),
            evidence_to=pl.col("month_end").filter(is_over).max(),
            concerned_amount=pl.col("overdue").filter(is_last).sum(),
            share=pl.col("share").filter(is_last).max(),
        )
        .with_columns(
            confidence=_confidence(rule),
            measure=pl.lit(MEASURE),
            value=pl.col("over"),
            threshold=pl.lit(rule.periods),
            evidence_count=pl.col("over"),
            evidence=_evidence(ends[-1], rule.overdue_days),
        )
    )


def month_ends(as_of: date, count: int) -> list[date]:
    """List the last month ends on or before a day, the oldest first."""
    last = closed_through(as_of)
    return [month_end(months_before(last.replace(day=1), back)) for back in range(count - 1, -1, -1)]


def _month(items: pl.LazyFrame, end: date, rule: ArrearsRule) -> pl.LazyFrame:
    owed = (pl.col("open_amount") > 0) & ~pl.col("is_disputed")
    is_late = pl.col("days_past_due") > rule.overdue_days
    overdue = pl.col("open_amount").filter(owed & is_late).sum()
    share = ratio(units("overdue"), units("owed"), WIDE_RATIO)
    is_over = (pl.col("share") >= pl.lit(rule.overdue_share_from)) & (
        pl.col("overdue") >= pl.lit(rule.amount_from)
    )
    return (
        items.group_by(CUSTOMER)
        .agg(owed=pl.col("open_amount").filter(owed).sum(), overdue=overdue)
        .with_columns(share=share, month_end=pl.lit(end))
        .with_columns(is_over=is_over.fill_null(value=False) & (pl.col("overdue") > 0))
    )


def _confidence(rule: ArrearsRule) -> pl.Expr:
    half = (rule.periods + 1) // 2
    return (
        pl.when(pl.col("over") >= rule.periods)
        .then(pl.lit("confirmed"))
        .when((pl.col("over") >= half) & pl.col("last_over"))
        .then(pl.lit("suspected"))
        .otherwise(pl.lit("none"))
    )


def _evidence(end: date, overdue_days: int) -> pl.Expr:
    text = (
        money(pl.col("concerned_amount"))
        + pl.lit(f" more than {overdue_days} days past due on {end}, share ")
        + number(pl.col("share"))
    )
    return pl.when(pl.col("over") > 0).then(text)
