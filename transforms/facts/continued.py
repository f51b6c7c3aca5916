"""What was remembered and told of a customer, as it goes over to whom continues it."""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.facts.handover import handed_over
from transforms.facts.succession import CUSTOMER

_NOT_JUDGED: Final = ("new", "unrated", "prospect", "succeeded")


def from_the_main_one(
    rows: pl.LazyFrame, succession: pl.LazyFrame | None, *, own_first: bool
) -> pl.LazyFrame:
    """Let a successor go on from the rating rows of whom it continues, if that was not succeeded then. Grain: customer × period.

    `rows`: rating rows (history columns, `succeeded_by`, `memory_tier` and `net_sales_12m` among them); columns are kept, and who
    is succeeded keeps its rows. Of several rows, its own among them, the one that had been judged before one in a state,
    then that with most of the net sales of 12 months, then its own, then by number; with `own_first`, its own before any.
    """
    if succession is None:
        return rows
    grain = [*CUSTOMER, "period"]
    names = rows.collect_schema().names()
    to_others = succession.filter(pl.col("customer_id") != pl.col("successor_id"))
    known = rows.with_columns(was=pl.col("customer_id"), weight=pl.col("net_sales_12m"))
    continued = handed_over(
        known.filter(pl.col("succeeded_by").is_null()).join(to_others, on=CUSTOMER, how="semi"),
        to_others,
        ["weight"],
    )
    concerned = continued.select(grain).unique()
    is_other = pl.col("was") != pl.col("customer_id")
    chosen = (
        pl.concat([known.join(concerned, on=grain, how="semi"), continued])
        .sort(
            is_other & pl.lit(own_first),
            pl.col("memory_tier").is_in(_NOT_JUDGED),
            "weight",
            is_other,
            "was",
            descending=[False, False, True, False, False],
            nulls_last=True,
        )
        .unique(grain, keep="first", maintain_order=True)
    )
    return pl.concat([known.join(concerned, on=grain, how="anti"), chosen]).select(names)


def from_all_continued(rows: pl.LazyFrame, succession: pl.LazyFrame | None) -> pl.LazyFrame:
    """Put down to successors, too, what is known of whom they continue, whatever their share. Grain: row × successor.

    Of whom nothing is left under its own number, the own rows go; of whom something is left, they stay. Adds `was`, whose row
    it was, and `valid_from`, since when it is the successor's; null for its own.
    """
    own = rows.with_columns(was=pl.col("customer_id"), valid_from=pl.lit(None, pl.Date))
    if succession is None:
        return own
    is_own = pl.col("customer_id") == pl.col("successor_id")
    gone = succession.group_by(CUSTOMER).agg(is_left=is_own.any()).filter(~pl.col("is_left"))
    heirs = succession.filter(~is_own).select(*CUSTOMER, "successor_id", "valid_from")
    return pl.concat(
        [
            own.join(gone, on=CUSTOMER, how="anti"),
            own.drop("valid_from")
            .join(heirs, on=CUSTOMER, how="inner")
            .with_columns(customer_id="successor_id")
            .select(own.collect_schema().names()),
        ]
    )
