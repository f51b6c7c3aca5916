"""Which allocations stand: what a payment took off an item, as long as nobody said that the payment or the item is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.fixed_point import MONEY_SUM

if TYPE_CHECKING:
    from collections.abc import Mapping

SAID_GONE: Final = ("tombstone", "rule")
"""By what a row is deleted that somebody said is gone. What a snapshot or window lacks may have been paid, and be in the extract no
more."""

_GONE: Final = ("company_code", "id")


def standing_allocations(allocations: pl.LazyFrame, gone: Mapping[str, pl.LazyFrame]) -> pl.LazyFrame:
    """Leave out what payments that are gone took off items, and give credits back what they took off items that are gone.

    A payment that is said to be gone, as a receipt that was un-approved, settles nothing, though no list of its allocations
    has come since; and a credit was not used up by an item that is gone. `gone`: the numbers of `payments` and of
    `receivables` (items) that are gone, and of items that are payments, too, gone or not (`payments_of_items`); each of
    company_code and id. An item that is no payment is gone as a payment, too: a credit. Columns are kept. Source:
    docs/figures.md, Credit: what is owed.
    """
    items, payments = gone["receivables"].collect(), gone["payments"].collect()
    if items.is_empty() and payments.is_empty():
        return allocations
    credits_ = items.lazy().join(gone["payments_of_items"], on=_GONE, how="anti")
    takers = pl.concat([payments.lazy(), credits_]).unique().rename({"id": "payment_id"})
    is_own = pl.col("item_id") == pl.col("payment_id")
    given_back = (
        allocations.filter(~is_own)
        .join(items.lazy().rename({"id": "item_id"}), on=["company_code", "item_id"], how="semi")
        .group_by("company_code", "payment_id", "allocated_on")
        .agg(given_back=pl.col("amount").cast(MONEY_SUM).sum())
    )
    used_up, rest = pl.col("amount"), pl.col("amount").cast(MONEY_SUM) + pl.col("given_back")
    amount = (
        pl.when(is_own, used_up < 0, pl.col("given_back") > 0)
        .then(rest.clip(upper_bound=0))
        .otherwise(used_up)
    )
    schema = allocations.collect_schema()
    return (
        allocations.join(takers, on=["company_code", "payment_id"], how="anti")
        .join(given_back, on=["company_code", "payment_id", "allocated_on"], how="left", validate="m:1")
        .with_columns(amount=amount.cast(schema["amount"]))
        .select(schema.names())
    )
