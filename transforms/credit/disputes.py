"""Disputes on a day: what is contested, since when, and which disputes no longer count as any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.fixed_point import div_half_even, scaled_int_of, to_scaled_int
from transforms.frames.periods import months_before

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy.credit import CreditRule

_CUSTOMER: Final = ("company_code", "customer_id")
_WINDOW_MONTHS: Final = 12
# Of more than 0: what was paid back, which nobody can be late with.
_MONEY: Final = ("payment_on_account", "advance", "deposit")
_SHARE_PLACES: Final = 6


def with_disputes(receivables: pl.LazyFrame, rule: CreditRule, day: date) -> pl.LazyFrame:
    """Add the state of each item's dispute on a day. Grain: as given, ledger item posted by then.

    `is_contested`: in dispute, by its dates where they are delivered, otherwise by the flag. `was_contested`: ever so by
    then. `is_late_counted`: lateness may count the item, from `late_from` on (its due date, or the end of its dispute):
    billed to the customer (money that went back to it is not), and
    never contested, or settled on a known day. `is_stale`: contested, but counting as no dispute, since the item is too
    far past due or the customer contests too much of what it is billed. `contested` (Int128, document currency): the
    amount contested, of the item's original amount where none is named. Source: docs/figures.md, Credit: disputes.
    """
    flag, since, until = (pl.col(name) for name in ("is_disputed", "disputed_from", "disputed_to"))
    original = to_scaled_int("original_amount")
    # a credit is never in dispute: nothing is owed with it
    has_begun = (original > 0) & (
        pl.when(since.is_not_null())
        .then(since <= day)
        .otherwise(flag.fill_null(value=False) | until.is_not_null())
    )
    is_dated_end = (until <= day).fill_null(value=False)
    has_ended = is_dated_end | (until.is_null() & flag.not_().fill_null(value=False))
    named = pl.coalesce(to_scaled_int("disputed_amount"), original)
    disputed = receivables.with_columns(
        was_contested=has_begun,
        is_contested=has_begun & ~has_ended,
        is_late_counted=~pl.col("item_type").is_in(_MONEY) & (~has_begun | is_dated_end),
        late_from=pl.when(has_begun & is_dated_end)
        .then(pl.max_horizontal("due_date", "disputed_to"))
        .otherwise("due_date"),
        contested=pl.min_horizontal(named, original),
    )
    past_due = (pl.lit(day) - pl.col("due_date")).dt.total_days()
    is_old = past_due.gt(rule.dispute_max_days)
    contesting = _contesting_much(disputed, rule, day)
    if contesting is None:
        return disputed.with_columns(is_stale=pl.col("is_contested") & is_old)
    return (
        disputed.join(contesting, on=_CUSTOMER, how="left", validate="m:1")
        .with_columns(
            is_stale=pl.col("is_contested") & (is_old | pl.col("contests_much").fill_null(value=False))
        )
        .drop("contests_much")
    )


def _contesting_much(disputed: pl.LazyFrame, rule: CreditRule, day: date) -> pl.LazyFrame | None:
    """List who contested several items posted within 12 months, and too much of what was billed in them: `contests_much`.

    Grain: customer; None where nobody contested several. Found at once, since few contest anything, and what everybody was
    billed need not be summed for them.
    """
    recent = disputed.filter(pl.col("posting_date") > months_before(day, _WINDOW_MONTHS)).with_columns(
        billed=to_scaled_int("original_amount_company")
    )
    share = div_half_even(pl.col("contested") * pl.col("billed"), to_scaled_int("original_amount"))
    several = (
        recent.filter("was_contested")
        .group_by(_CUSTOMER)
        .agg(items=pl.len(), contested=share.sum())
        .filter(pl.col("items") >= rule.dispute_many_from)
        .collect()
    )
    if several.is_empty():
        return None
    of_all = (
        recent.join(several.lazy(), on=_CUSTOMER, how="semi")
        .filter(pl.col("billed") > 0)
        .group_by(_CUSTOMER)
        .agg(of_all=pl.col("billed").sum())
    )
    bar = scaled_int_of(rule.dispute_share_max, _SHARE_PLACES)
    return (
        several.lazy()
        .join(of_all, on=_CUSTOMER, how="left", validate="1:1")
        .filter(pl.col("contested") * 10**_SHARE_PLACES >= pl.col("of_all").fill_null(0) * bar)
        .select(*_CUSTOMER, contests_much=pl.lit(value=True))
        .collect()
        .lazy()
    )
