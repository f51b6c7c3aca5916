"""How fast what is billed comes in: days of sales outstanding, and how effectively it is collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transforms.credit.items import CUSTOMER, ITEM, PAYMENTS
from transforms.credit.lateness import RECENT_MONTHS
from transforms.frames.fixed_point import WIDE_RATIO, begins, ratio, running_sum, to_scaled_int
from transforms.frames.periods import MONTHS_APART, first_of_month, months_before, months_since

if TYPE_CHECKING:
    from datetime import date

    from transforms.credit.items import Ledger


def countback(ledger: Ledger, as_of: date) -> pl.LazyFrame:
    """Count sales outstanding back through the months of billing, in days. Grain: customer with something billed.

    Going back from `as_of`, a month's whole days count while the receivables (net of unapplied credit, without what is in
    dispute) exceed all billed since, and the share of its billing for the month in which they are used up; months without
    billing count whole. Billed = items of more than 0 by posting month, less what credits settled of them, tax included
    as receivables are. `best_possible_dso` does the same for what is not yet due; `average_days_delinquent` is the
    difference. 0 where nothing is open; null where more is open than was ever billed. Source: docs/figures.md, Credit: collection.
    """
    # Each customer has a number, and its months lie together: millions of them are grouped by one whole number.
    owed = (
        ledger.items.group_by(CUSTOMER)
        .agg(
            receivable=to_scaled_int(pl.col("net_open").sum()),
            current=to_scaled_int(pl.when(pl.col("days_past_due") <= 0).then("net_open").sum()),
        )
        .with_row_index("customer")
        .collect()
        .lazy()
    )
    back = months_since(pl.col("posting_date"), first_of_month(as_of))
    months = (
        _billed(ledger)
        .join(owed, on=CUSTOMER, how="inner", validate="m:1")
        .group_by(place=pl.col("customer").cast(pl.Int64) * MONTHS_APART + back)
        .agg(
            pl.col("customer", "receivable", "current").first(),
            month=pl.col("posting_date").first().dt.month_start(),
            billed=to_scaled_int(pl.col("billed").sum()),
        )
        .sort("place")
        .with_columns(
            since=running_sum("billed", "customer"),
            days=(_last_day(as_of) - pl.col("month")).dt.total_days() + 1,
            days_after=(pl.lit(as_of) - _last_day(as_of)).dt.total_days(),
        )
        .collect()
        .lazy()
    )
    used_up = (
        months.with_columns(is_last=_is_last("receivable"), is_last_of_current=_is_last("current"))
        .filter(pl.col("is_last") | pl.col("is_last_of_current"))
        .group_by("customer")
        .agg(
            dso=_days_back("receivable", pl.col("is_last")),
            best=_days_back("current", pl.col("is_last_of_current")),
        )
    )
    nothing = pl.lit(0).cast(WIDE_RATIO)
    return (
        owed.join(months.filter(begins("customer")), on="customer", how="semi")
        .join(used_up, on="customer", how="left", validate="1:1")
        .select(
            *CUSTOMER,
            dso_countback=pl.when(pl.col("receivable") == 0).then(nothing).otherwise("dso"),
            best_possible_dso=pl.when(pl.col("current") == 0).then(nothing).otherwise("best"),
        )
        .with_columns(average_days_delinquent=pl.col("dso_countback") - pl.col("best_possible_dso"))
    )


def _billed(ledger: Ledger) -> pl.LazyFrame:
    """What was billed of each item of more than 0 and not taken back: credited, returned, cancelled or written off."""
    taken_back = (
        ledger.parts.filter(~pl.col("kind").is_in(PAYMENTS))
        .group_by(ITEM)
        .agg(taken_back=pl.col("part").sum())
    )
    return (
        ledger.items.filter(pl.col("amount") > 0)
        .join(taken_back, on=ITEM, how="left", validate="m:1")
        .select(*CUSTOMER, "posting_date", billed=pl.col("amount") - pl.col("taken_back").fill_null(0))
    )


def _last_day(as_of: date) -> pl.Expr:
    """Last day of the month that has passed: its end, or `as_of` in the month that is running."""
    return pl.min_horizontal(pl.col("month").dt.month_end(), pl.lit(as_of))


def _is_last(owed: str) -> pl.Expr:
    """Tell the month in which billing, latest month first, uses up the amount."""
    return (pl.col("since") - pl.col("billed") < pl.col(owed)) & (pl.col(owed) <= pl.col("since"))


def _days_back(owed: str, is_last: pl.Expr) -> pl.Expr:
    """Days until billing, latest month first, uses up the amount."""
    before = pl.col("since") - pl.col("billed")
    share = (pl.col(owed) - before) * pl.col("days") + pl.col("days_after") * pl.col("billed")
    return ratio(pl.when(is_last).then(share).sum(), pl.when(is_last).then("billed").sum(), WIDE_RATIO)


def collected(ledger: Ledger, quarter_ago: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Measure collection effectiveness of the last 3 months. Grain: customer.

    (opening + billed − credited − closing) ÷ (opening + billed − credited − closing not yet due): items of more than 0, net of
    unapplied credit; opening is what was open then (`quarter_ago`, see `open_items_on`); credited is what other means than payment settled in the months (credit notes, returns, reversals,
    write-offs). Items in dispute at their end are left out of all. Null where nothing was collectable. Source: docs/figures.md, Credit: collection.
    """
    opened = months_before(as_of, RECENT_MONTHS)
    calm = ledger.items.filter(pl.col("amount") > 0, pl.col("net_contested") == 0)
    opening = quarter_ago.select(*ITEM, opening=pl.col("net_open") + pl.col("net_contested"))
    credited = (
        ledger.parts.filter(~pl.col("kind").is_in(PAYMENTS), pl.col("settled_on") > opened)
        .group_by(ITEM)
        .agg(credited=pl.col("part").sum())
    )
    amounts = (
        calm.join(opening, on=ITEM, how="left", validate="m:1")
        .join(credited, on=ITEM, how="left", validate="m:1")
        .with_columns(pl.col("opening", "credited").fill_null(0))
        .group_by(CUSTOMER)
        .agg(
            collectable=to_scaled_int(
                pl.col("opening").sum()
                + pl.when(pl.col("posting_date") > opened).then("amount").sum()
                - pl.col("credited").sum()
            ),
            closing=to_scaled_int(pl.col("net_open").sum()),
            closing_current=to_scaled_int(pl.when(pl.col("days_past_due") <= 0).then("net_open").sum()),
        )
    )
    left = pl.col("collectable")
    return amounts.select(
        *CUSTOMER,
        collection_effectiveness=ratio(
            left - pl.col("closing"), left - pl.col("closing_current"), WIDE_RATIO
        ),
    )
