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
    return (
        receivables.with_columns(
            was_contested=has_begun,
            is_contested=has_begun & ~has_ended,
            is_late_counted=~pl.col("item_type").is_in(_MONEY) & (~has_begun | is_dated_end),
            late_from=pl.when(has_begun & is_dated_end)
            .then(pl.max_horizontal("due_date", "disputed_to"))
            .otherwise("due_date"),
            contested=pl.min_horizontal(named, original),
        )
        .with_columns(contests_much=_contests_much(rule, day))
        .with_columns(
            is_stale=pl.col("is_contested")
            & (
                (pl.lit(day) - pl.col("due_date")).dt.total_days().gt(rule.dispute_max_days)
                | pl.col("contests_much")
            )
        )
        .drop("contests_much")
    )


def _contests_much(rule: CreditRule, day: date) -> pl.Expr:
    """Tell whether the customer contested several items posted within 12 months, and too much of what was billed in them."""
    is_recent = pl.col("posting_date") > months_before(day, _WINDOW_MONTHS)
    billed = to_scaled_int("original_amount_company")
    was_contested = is_recent & pl.col("was_contested")
    share = div_half_even(pl.col("contested") * billed, to_scaled_int("original_amount"))
    contested = share.filter(was_contested).sum().over(_CUSTOMER)
    of_all = billed.filter(is_recent & (billed > 0)).sum().over(_CUSTOMER)
    return (was_contested.sum().over(_CUSTOMER) >= rule.dispute_many_from) & (
        contested * 10**_SHARE_PLACES >= of_all * scaled_int_of(rule.dispute_share_max, _SHARE_PLACES)
    )
