"""How long before a customer falls far behind its credit was flagged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from transforms.credit.items import CUSTOMER

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy.credit import CreditRule


@dataclass(frozen=True, slots=True)
class WarningLead:
    """Lapses into more than 90 days past due, how many were flagged at an earlier look, and how long before, in days."""

    lapses: int
    flagged_before: int
    median_days: int | None
    shortest_days: int | None


def warning_lead(credit: pl.DataFrame, rule: CreditRule, *, first: date, last: date) -> WarningLead:
    """Measure the lead of flags before lapses on the looks from `first` to `last`.

    `credit`: one row a customer and look (`replay.CREDIT`); it may begin earlier, so that a flag that was up already is
    known. A customer lapses at the first look of a run of looks that find a material amount more than 90 days past due. It
    is flagged while its credit action is beyond open; the lead runs from the first look of the unbroken run of flags up to
    the lapse. A lapse that no earlier look flagged has none. Source: docs/figures.md, Simulation.
    """
    looks = (
        credit.lazy()
        .with_columns(
            is_flagged=pl.col("credit_action") != "open",
            is_lapsed=(pl.col("overdue_over_90") > 0)
            & (pl.col("overdue_over_90") >= pl.lit(rule.material_amount)),
        )
        .with_columns(
            begins=pl.col("is_flagged")
            & ~pl.col("is_flagged").shift(1).over(CUSTOMER, order_by="as_of").fill_null(value=False),
            was_lapsed=pl.col("is_lapsed").shift(1).over(CUSTOMER, order_by="as_of").fill_null(value=False),
        )
        .with_columns(
            flagged_since=pl.when("begins").then("as_of").forward_fill().over(CUSTOMER, order_by="as_of")
        )
    )
    lapses = (
        looks.filter("is_lapsed", ~pl.col("was_lapsed"), pl.col("as_of").is_between(first, last))
        .select(lead=pl.when("is_flagged").then((pl.col("as_of") - pl.col("flagged_since")).dt.total_days()))
        .collect()
        .get_column("lead")
    )
    leads = lapses.filter(lapses > 0).sort()
    return WarningLead(
        lapses=lapses.len(),
        flagged_before=leads.len(),
        median_days=leads[(leads.len() - 1) // 2] if leads.len() else None,
        shortest_days=leads[0] if leads.len() else None,
    )
