"""Arrears: most of what is owed is overdue, and has been for months."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.conduct.evidence import to_finding
from transforms.credit.items import CUSTOMER, open_items_on, receivables_of
from transforms.credit.material import YEARLY_SALES, is_material, yearly_sales
from transforms.frames.fixed_point import WIDE_RATIO, ratio, to_scaled_int
from transforms.frames.periods import months_before
from transforms.frames.plan import closed_through, month_end
from transforms.frames.reasons import reason, reasons

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.credit import ArrearsRule, CreditRule

MEASURE: Final = "months_in_arrears"


def arrears(facts: Facts, credit: CreditRule, rule: ArrearsRule, as_of: date) -> pl.LazyFrame:
    """Find who was in arrears at how many of the last n month ends. Grain: customer with a ledger item by then.

    In arrears at a month end: what is more than `overdue_days` past due ÷ open, and its amount, both reach the policy's
    bars, and it is material; both are net of unapplied credit and without what is in dispute, since who contests an item does
    not withhold it. `confirmed` in k of n (our own ledger
    proves it), `suspected` in half of k, the last month end among them. `concerned_amount` is what was that late at the last one.
    Columns of `conduct_evidence.FOUND`. Source: docs/figures.md, Conduct.
    """
    ends = month_ends(as_of, rule.of_periods)
    months = _months(facts, credit, ends, rule)
    is_over = pl.col("is_over")
    is_last = pl.col("month_end") == ends[-1]
    found = months.group_by(CUSTOMER).agg(
        over=is_over.sum().cast(pl.Int32),
        last_over=(is_over & is_last).any(),
        evidence_from=pl.col("month_end").filter(is_over).min(),
        evidence_to=pl.col("month_end").filter(is_over).max(),
        concerned_amount=pl.col("overdue").filter(is_last).sum(),
        share=pl.col("share").filter(is_last).max(),
    )
    return to_finding(
        _debtors(facts, ends[-1])
        .join(found, on=CUSTOMER, how="left", validate="1:1")
        .with_columns(
            pl.col("over", "concerned_amount").fill_null(0), pl.col("last_over").fill_null(value=False)
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


def _months(facts: Facts, credit: CreditRule, ends: Sequence[date], rule: ArrearsRule) -> pl.LazyFrame:
    """Judge what was owed at each month end. Grain: month end × customer with something open."""
    net = pl.col("net_open")
    overdue = pl.when(pl.col("days_past_due") > rule.overdue_days).then(net).sum()
    share = ratio(to_scaled_int("overdue"), to_scaled_int("owed"), WIDE_RATIO)
    is_over = (pl.col("share") >= pl.lit(rule.overdue_share_from)) & (
        pl.col("overdue") >= pl.lit(rule.amount_from)
    )
    counts = is_material(pl.col("overdue"), pl.col("owed"), credit)
    months = (
        open_items_on(facts, credit, ends)
        # a dispute that no longer counts as one may make prepay, and gates nobody
        .filter(~pl.col("is_stale"))
        .rename({"day": "month_end"})
        .group_by("month_end", *CUSTOMER)
        .agg(owed=net.sum(), overdue=overdue)
        .collect()
        .lazy()
    )
    # Who is late with nothing is late with nothing that is material, whatever was sold to it.
    late = months.filter(pl.col("overdue") > 0).select(CUSTOMER).unique()
    sold = replace(
        facts, customer_month=facts.customer_month.join(late, on=CUSTOMER, how="semi").collect().lazy()
    )
    sales = pl.concat(
        yearly_sales(sold, end).select(*CUSTOMER, YEARLY_SALES, month_end=pl.lit(end)) for end in ends
    )
    return (
        months.join(sales, on=["month_end", *CUSTOMER], how="left", validate="1:1")
        .with_columns(share=share)
        .with_columns(is_over=is_over.fill_null(value=False) & counts)
        .drop(YEARLY_SALES)
    )


def _debtors(facts: Facts, until: date) -> pl.LazyFrame:
    """Customers with a ledger item by then: of who owes nothing it is known that nothing is in arrears."""
    return receivables_of(facts).filter(pl.col("posting_date") <= until).select(CUSTOMER).unique()


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
    overdue = reason(
        "overdue_at_month_end",
        amount=pl.col("concerned_amount"),
        counted=overdue_days,
        day=end,
        value=pl.col("share"),
    )
    return reasons(pl.when((pl.col("over") > 0) & pl.col("share").is_not_null()).then(overdue))
