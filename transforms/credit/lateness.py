"""How late a customer pays: the year's mean, its trend, the habit, and promises that were broken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit.items import CUSTOMER, ITEM, PAYMENTS
from transforms.frames.fixed_point import (
    RATIO_PLACES,
    WIDE_RATIO,
    begins,
    div_half_even,
    from_scaled_int,
    int128,
    ratio,
    running_sum,
    to_scaled_int,
)
from transforms.frames.periods import DAYS_APART, months_before

if TYPE_CHECKING:
    from datetime import date

    from transforms.credit.items import Ledger
    from transforms.policy.credit import CreditRule

WINDOW_MONTHS: Final = 12
RECENT_MONTHS: Final = (
    3  # the trend's "lately", and the period of the collection effectiveness index: a quarter
)
_FINE: Final = 10**12
_PAID: Final = 98  # of 100: an item counts as paid from here on, whatever a bank kept for itself


def lateness(ledger: Ledger, rule: CreditRule, as_of: date) -> pl.LazyFrame:
    """Weigh days late by the parts of items: what was paid in the 12 months to `as_of`, and what is open and past due.

    Grain: customer with such a part. A part paid counts on the day of its payment, an open rest (net of unapplied credit)
    on `as_of`; a rest not yet due, what was settled otherwise than by payment, and items ever in dispute count nowhere (with
    a dated end of the dispute: from there on). `days_late_12m` takes early as 0, `days_beyond_terms_12m` as negative;
    `days_late_trend` = days late of the last 3 months (open rests among them) less those of the 9 before, `paid_late_trend` the
    same of what was paid alone. Null where nothing counts. `counted_amount` is what was looked at, `late_amount` what of it was late. `days_late_p90_12m` is the
    habit: the days late that nine of ten of the paid items do not exceed, each counting once, on the day its paid sum reached
    98 % of what was to be paid. Source: docs/figures.md, Credit: lateness.
    """
    counted = pl.concat([_paid(ledger.parts, as_of), _open(ledger.items, as_of)]).with_columns(
        weight=to_scaled_int("amount")
    )
    late, weight, recent = pl.col("days").clip(lower_bound=0), pl.col("weight"), pl.col("is_recent")
    means = (
        counted.group_by(CUSTOMER)
        .agg(
            counted_amount=pl.col("amount").sum(),
            late_amount=pl.when(pl.col("days") > 0).then("amount").sum(),
            weight=weight.sum(),
            late=(weight * late).sum(),
            beyond=(weight * pl.col("days")).sum(),
            recent_weight=pl.when(recent).then(weight).sum(),
            recent_late=pl.when(recent).then(weight * late).sum(),
            recent_paid_weight=pl.when(recent & ~pl.col("is_open")).then(weight).sum(),
            recent_paid_late=pl.when(recent & ~pl.col("is_open")).then(weight * late).sum(),
        )
        .with_columns(
            days_late_12m=ratio(pl.col("late"), weight, WIDE_RATIO),
            days_beyond_terms_12m=ratio(pl.col("beyond"), weight, WIDE_RATIO),
            days_late_trend=_trend(pl.col("recent_late"), pl.col("recent_weight")),
            paid_late_trend=_trend(pl.col("recent_paid_late"), pl.col("recent_paid_weight")),
        )
    )
    return means.join(_habit(ledger.parts, rule, as_of), on=CUSTOMER, how="left", validate="1:1").select(
        *CUSTOMER,
        "days_late_12m",
        "days_beyond_terms_12m",
        "days_late_trend",
        "paid_late_trend",
        "days_late_p90_12m",
        "late_amount",
        "counted_amount",
    )


def _paid(parts: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    settled = pl.col("settled_on")
    return parts.filter(
        "is_late_counted",
        pl.col("kind").is_in(PAYMENTS),
        settled > months_before(as_of, WINDOW_MONTHS),
        pl.col("part") > 0,
    ).select(
        *CUSTOMER,
        amount="part",
        days=(settled - pl.col("late_from")).dt.total_days().cast(pl.Int128),
        is_recent=settled > months_before(as_of, RECENT_MONTHS),
        is_open=pl.lit(value=False),
    )


def _open(items: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    days = (pl.lit(as_of) - pl.col("late_from")).dt.total_days()
    return items.filter("is_late_counted", pl.col("net_open") > 0, days > 0).select(
        *CUSTOMER,
        amount="net_open",
        days=days.cast(pl.Int128),
        is_recent=pl.lit(value=True),
        is_open=pl.lit(value=True),
    )


def _habit(parts: pl.LazyFrame, rule: CreditRule, as_of: date) -> pl.LazyFrame:
    """Days late that nine of ten paid items do not exceed; no row where fewer than `habit_min_items` were paid."""
    lately = pl.col("settled_on") > months_before(as_of, WINDOW_MONTHS)
    # Whatever was paid before the window was not paid within it, and of a long history that is most.
    paid_lately = parts.filter("is_late_counted", pl.col("kind").is_in(PAYMENTS), lately).select("item")
    paid_on = paid_days(parts.filter("is_late_counted").join(paid_lately, on="item", how="semi"), PAYMENTS)
    late = (pl.col("paid_on") - pl.col("late_from")).dt.total_days().clip(lower_bound=0)
    ranked, count = late.sort(), pl.len().cast(pl.Int64)
    nearest_rank = (count * 9 + 9) // 10
    return (
        paid_on.filter(pl.col("paid_on") > months_before(as_of, WINDOW_MONTHS))
        .group_by(CUSTOMER)
        .agg(
            items=pl.len(),
            days_late_p90_12m=ranked.get(nearest_rank - 1, null_on_oob=True).cast(WIDE_RATIO),
        )
        .filter(pl.col("items") >= rule.habit_min_items)
        .drop("items")
    )


def paid_days(parts: pl.LazyFrame, kinds: tuple[str, ...] | None) -> pl.LazyFrame:
    """Find the day on which an item was settled for 98 %. Grain: item for which that day has come.

    By parts of some `kinds`, of what parts of no other kind settled; None: by whatever settled it.
    """
    by_kind = parts.with_columns(due=pl.col("original"))
    if kinds is not None:
        is_of_kind = pl.col("kind").is_in(kinds)
        otherwise = parts.filter(~is_of_kind).group_by("item").agg(otherwise=pl.col("matched").sum())
        by_kind = (
            by_kind.filter(is_of_kind)
            .join(otherwise, on="item", how="left", validate="m:1")
            .with_columns(due=pl.col("due") - pl.col("otherwise").fill_null(0))
        )
    of_item = pl.col("item").cast(pl.Int64) * DAYS_APART
    return (
        by_kind.select(*CUSTOMER, "item_id", "item", "late_from", "due", "matched", paid_on="settled_on")
        .sort(of_item + pl.col("paid_on").to_physical())
        .filter(running_sum("matched", "item") * 100 >= pl.col("due") * _PAID)
        .filter(begins("item"))
        .drop("item", "due", "matched")
    )


def _trend(recent_late: pl.Expr, recent_weight: pl.Expr) -> pl.Expr:
    """Days late of the recent months less those before; both carried with 12 digits, so that it is rounded once."""
    before_weight = pl.col("weight") - pl.col("recent_weight")
    recent = div_half_even(recent_late * _FINE, recent_weight)
    before = div_half_even((pl.col("late") - pl.col("recent_late")) * _FINE, before_weight)
    return from_scaled_int(div_half_even(recent - before, int128(_FINE // 10**RATIO_PLACES)), WIDE_RATIO)


def broken_promises(ledger: Ledger, as_of: date) -> pl.LazyFrame:
    """Count the promises to pay that were not kept. Grain: customer; no row where no item of its company bears a promise.

    Broken is a promise whose day lies in the 12 months to `as_of` and is over, while the item of more than 0 was settled
    (for 98 %, by whatever means) later, or is open net of unapplied credit. `broken_amount` is what those items were for. An
    item bears the last promise made for it.
    """
    day, settled = pl.col("promised_on"), pl.col("paid_on")
    is_open = settled.is_null() & (pl.col("net_open") + pl.col("net_contested") > 0)
    is_broken = (
        (day > months_before(as_of, WINDOW_MONTHS))
        & (day < as_of)
        & (pl.col("amount") > 0)
        & (is_open | (settled > day)).fill_null(value=False)
    ).fill_null(value=False)
    # Few items bear a promise, and the day on which another one was settled is not asked.
    promised = ledger.items.filter(day.is_not_null()).select(ITEM)
    covered = paid_days(ledger.parts.join(promised, on=ITEM, how="semi"), None).select(*ITEM, "paid_on")
    return (
        ledger.items.join(covered, on=ITEM, how="left", validate="m:1")
        .filter(day.is_not_null().any().over("company_code"))
        .group_by(CUSTOMER)
        .agg(
            broken_promises=is_broken.sum().cast(pl.Int32),
            broken_amount=pl.col("amount").filter(is_broken).sum(),
        )
    )
