"""How late a customer pays: the year's mean, its trend, the habit, and promises that were broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit_items import CUSTOMER
from transforms.exact import RATIO_PLACES, WIDE_RATIO, divide, from_units, ratio, units, whole
from transforms.periods import months_before

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy_credit import CreditRule

WINDOW_MONTHS: Final = 12
RECENT_MONTHS: Final = (
    3  # the trend's "lately", and the period of the collection effectiveness index: a quarter
)
_FINE: Final = 10**12


def lateness(items: pl.LazyFrame, rule: CreditRule, as_of: date) -> pl.LazyFrame:
    """Weigh days late by the items' original amounts. Grain: customer.

    Counted are items of more than 0 settled in the 12 months to `as_of`, and open overdue ones up to `as_of`.
    `days_late_12m` takes early as 0, `days_beyond_terms_12m` as negative; `days_late_trend` = days late of the last 3
    months (open ones among them) less those of the 9 before. Null where no such item is. `counted_amount` is what was
    looked at, `late_amount` what of it was late. `days_late_p90_12m` is the
    habit: the days late that nine of ten of the settled ones do not exceed.
    """
    settled, due = pl.col("settled_on"), pl.col("due_date")
    is_recent = settled.is_null() | (settled > months_before(as_of, RECENT_MONTHS))
    counted = items.filter(
        pl.col("amount") > 0,
        (settled > months_before(as_of, WINDOW_MONTHS))
        | (settled.is_null() & (pl.col("open_amount") > 0) & (pl.col("days_past_due") > 0)),
    ).select(
        *CUSTOMER,
        "amount",
        weight=units("amount"),
        days=(settled.fill_null(as_of) - due).dt.total_days().cast(pl.Int128),
        is_recent=is_recent,
        is_settled=settled.is_not_null(),
    )
    late, weight, recent = pl.col("days").clip(lower_bound=0), pl.col("weight"), pl.col("is_recent")
    return (
        counted.group_by(CUSTOMER)
        .agg(
            counted_amount=pl.col("amount").sum(),
            late_amount=pl.col("amount").filter(pl.col("days") > 0).sum(),
            weight=weight.sum(),
            late=(weight * late).sum(),
            beyond=(weight * pl.col("days")).sum(),
            recent_weight=weight.filter(recent).sum(),
            recent_late=(weight * late).filter(recent).sum(),
            days_late_p90_12m=_habit(late.filter("is_settled"), rule.habit_min_items),
        )
        .with_columns(
            days_late_12m=ratio(pl.col("late"), weight, WIDE_RATIO),
            days_beyond_terms_12m=ratio(pl.col("beyond"), weight, WIDE_RATIO),
            days_late_trend=_trend(),
        )
        .select(
            *CUSTOMER,
            "days_late_12m",
            "days_beyond_terms_12m",
            "days_late_trend",
            "days_late_p90_12m",
            "late_amount",
            "counted_amount",
        )
    )


def _habit(days_late: pl.Expr, min_items: int) -> pl.Expr:
    """Days late that nine of ten settled items do not exceed, each counting once; null where fewer than `min_items` are."""
    ranked, settled = days_late.sort(), days_late.len().cast(pl.Int64)
    nearest_rank = (settled * 9 + 9) // 10
    return pl.when(settled >= min_items).then(ranked.get(nearest_rank - 1, null_on_oob=True)).cast(WIDE_RATIO)


def _trend() -> pl.Expr:
    """Days late of the recent months less those before; both carried with 12 digits, so that it is rounded once."""
    before_weight = pl.col("weight") - pl.col("recent_weight")
    recent = divide(pl.col("recent_late") * _FINE, pl.col("recent_weight"))
    before = divide((pl.col("late") - pl.col("recent_late")) * _FINE, before_weight)
    return from_units(divide(recent - before, whole(_FINE // 10**RATIO_PLACES)), WIDE_RATIO)


def broken_promises(items: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Count the promises to pay that were not kept. Grain: customer; no row where no item bears a promise.

    Broken is a promise whose day lies in the 12 months to `as_of` and is over, while the item of more than 0 was settled
    later or is open. `broken_amount` is what those items were for. An item bears the last promise made for it.
    """
    day, settled = pl.col("promised_on"), pl.col("settled_on")
    is_open = settled.is_null() & (pl.col("open_amount") > 0)
    is_broken = (
        (day > months_before(as_of, WINDOW_MONTHS))
        & (day < as_of)
        & (pl.col("amount") > 0)
        & (is_open | (settled > day)).fill_null(value=False)
    ).fill_null(value=False)
    return (
        items.filter(day.is_not_null().any().over("company_code"))
        .group_by(CUSTOMER)
        .agg(
            broken_promises=is_broken.sum().cast(pl.Int32),
            broken_amount=pl.col("amount").filter(is_broken).sum(),
        )
    )
