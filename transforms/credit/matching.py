"""Setting amounts against one another in a fixed order: which part of a credit covers which part of a debt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_OF_PAIRS: Final = ("amount", "ends", "credit_row")


def matched(
    covering: pl.LazyFrame,
    debts: pl.LazyFrame,
    by: Sequence[str],
    *,
    credit_order: Sequence[str],
    debt_order: Sequence[str],
) -> pl.LazyFrame:
    """Set credits (`covering`) against debts of the same `by`, both in their order, until one side is used up.

    Grain: pair of a credit and a debt that meet. Both need `amount` (Int128, more than 0 to take part) and their order's
    columns, which make each row of a `by` unique. Gives the columns of both but `amount`, and `matched`. Rows with a null
    in `by` meet nothing.
    """
    credits_ = _laid_out(covering, by, credit_order, "credit_row")
    if credits_.is_empty():
        # As is mostly so, and planning what would follow takes longer than running it.
        return _no_pairs(credits_.schema, debts.collect_schema(), by)
    left = credits_.lazy()
    # Most debts meet no credit of their own, and laying them out is most of the work.
    right = _laid_out(debts.join(left, on=list(by), how="semi"), by, debt_order, "debt_row").lazy()
    rows = ("credit_row", "debt_row")
    # Both sides end to end: between one cut and the next lies what one credit covers of one debt.
    cuts = pl.concat(
        [each.select(*by, "ends", row) for each, row in ((left, rows[0]), (right, rows[1]))], how="diagonal"
    )
    ends, starts = pl.col("ends"), pl.col("ends").shift(1).over(by).fill_null(0)
    return (
        cuts.sort(*by, "ends")
        .with_columns(pl.col(rows).fill_null(strategy="backward").over(by), matched=ends - starts)
        .filter(pl.col("matched") > 0, *(pl.col(row).is_not_null() for row in rows))
        .drop("ends")
        .join(left.drop(*by, "ends"), on=rows[0], how="inner", validate="m:1")
        .join(right.drop(*by, "ends"), on=rows[1], how="inner", validate="m:1")
        .drop(rows)
    )


def left_over(rows: pl.LazyFrame, pairs: pl.LazyFrame, key: Sequence[str]) -> pl.LazyFrame:
    """Lower the rows' `amount` by what was matched of them; rows of which nothing is left stay, with 0."""
    # That keys are no one's twice is for the contract to say: asking it of every item here costs more than the join does.
    used = pairs.group_by(list(key)).agg(used=pl.col("matched").sum())
    return (
        rows.join(used, on=list(key), how="left", validate="m:1")
        .with_columns(amount=pl.col("amount") - pl.col("used").fill_null(0))
        .drop("used")
    )


def _no_pairs(laid_out: pl.Schema, debts: pl.Schema, by: Sequence[str]) -> pl.LazyFrame:
    """Give no pair, in the columns of pairs. `laid_out`: the credits' columns as `_laid_out` gives them."""
    others = {name: dtype for name, dtype in (laid_out | debts).items() if name not in {*by, *_NOT_OF_PAIRS}}
    return pl.LazyFrame(schema={**{name: laid_out[name] for name in by}, "matched": pl.Int128(), **others})


def _laid_out(rows: pl.LazyFrame, by: Sequence[str], order: Sequence[str], row: str) -> pl.DataFrame:
    """Lay the amounts of a `by` end to end, and number the rows; collected, so that the numbers are the same each time."""
    return (
        rows.filter(pl.col("amount") > 0, *(pl.col(name).is_not_null() for name in by))
        .with_columns(ends=pl.col("amount").cum_sum().over(list(by), order_by=list(order)))
        .drop("amount")
        .with_row_index(row)
        .collect()
    )
