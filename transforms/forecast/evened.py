"""A customer's months as far as they tell its pace: returns set off, and apart from them what stands out once."""

from __future__ import annotations

from typing import Final

import polars as pl

from transforms.frames.fixed_point import div_half_even, int128
from transforms.measures.window import KEY

HISTORY_MONTHS: Final = 36
"""Months that are looked back on: for a customer's first and last sale, for the gap between its sales, and for what recurs."""
STANDS_OUT: Final = 3
"""Times the second largest month: what a month has beyond that has come once."""
FEW_MONTHS: Final = 3
"""With fewer months with a sale than these it is not yet known what is usual to a customer; then its peers' is asked besides."""
PEERS_PERCENT: Final = 80
"""Percent of the customers that came again whose second largest month is no larger than what is usual to peers."""

_OF_MONTHS: Final = ("age", "net", "sale", "credit", "gain")


def evened_months(months: pl.LazyFrame) -> pl.LazyFrame:
    """Part each month into what tells a pace and what has come once. Grain: company × customer × month, of the latest 36 months.

    `months`: key, `age` in months (0 is the latest), and in whole units `net`, `credited` (price credits within it, at most 0) and
    `gain` (contribution, null where unknown). Added are `even` and `even_gain`, and `extra` and `extra_gain`, the rest:
    - what was returned beyond a month's sales is taken off the months before it, the latest first;
    - of sales beyond 3 × those of the customer's second largest month, the rest has come once. With fewer than three months
      with a sale it is the larger of that and what is usual to peers: the 80th percentile of the second largest months of the
      company's customers that came again. Where nobody did, nothing stands out of such months;
    - of price credits beyond 3 × those of the second largest month with some, the rest has come once: so has a single one.
    A month's contribution goes the way of its sales; a price credit is contribution in full. Source: docs/figures.md, Expected business.
    """
    sales = months.filter(pl.col("age") < HISTORY_MONTHS).with_columns(
        sale=pl.col("net") - pl.col("credited"), credit=int128(0) - pl.col("credited")
    )
    left = _left(sales).collect().lazy()  # asked twice, and else computed twice
    return (
        left.join(_usual(left), on=KEY, how="left", validate="m:1")
        .with_columns(
            kept=pl.min_horizontal("left", "most"),
            kept_credit=pl.min_horizontal("credit", "most_credit"),
            goods_gain=pl.col("gain") + pl.col("credit"),
        )
        .with_columns(left_gain=_gain_of("left"), kept_gain=_gain_of("kept"))
        .with_columns(
            even=pl.col("kept") - pl.col("kept_credit"), even_gain=pl.col("kept_gain") - pl.col("kept_credit")
        )
        .select(
            *KEY,
            "age",
            "net",
            "gain",
            "even",
            "even_gain",
            extra=pl.col("left") - pl.col("credit") - pl.col("even"),
            extra_gain=pl.col("left_gain") - pl.col("credit") - pl.col("even_gain"),
        )
    )


def _left(months: pl.LazyFrame) -> pl.LazyFrame:
    """Add `left`: sales of a month less what later months returned beyond their own; at least 0."""
    # Summed up from the latest month back, the sum grows beyond all it was only by what no later return has taken.
    highest = pl.col("sale").cum_sum().cum_max().clip(lower_bound=int128(0))
    # By lists, and not over groups: that takes half the time.
    return (
        months.sort("age")
        .group_by(KEY)
        .agg(*_OF_MONTHS, highest=highest)
        .with_columns(left=pl.col("highest").list.diff())
        .explode(*_OF_MONTHS, "highest", "left")
        .with_columns(left=pl.coalesce("left", "highest"))
    )


def _usual(months: pl.LazyFrame) -> pl.LazyFrame:
    """Tell from where on a customer's month stands out. Grain: company × customer. `most`: null where it does not; `most_credit`."""
    by_customer = months.group_by(KEY).agg(
        second=_second("left"),
        second_credit=_second("credit"),
        times=(pl.col("left") > 0).sum().cast(pl.Int64),
    )
    place = (pl.len().cast(pl.Int64) * PEERS_PERCENT + 99) // 100 - 1
    peers = (
        by_customer.filter(pl.col("times") > 1)
        .group_by("company_code")
        .agg(of_peers=pl.col("second").sort().get(place))
    )
    usual = (
        pl.when(pl.col("times") >= FEW_MONTHS)
        .then("second")
        .when(pl.col("of_peers").is_not_null())
        .then(pl.max_horizontal("second", "of_peers"))
    )
    return by_customer.join(peers, on="company_code", how="left", validate="m:1").select(
        *KEY, most=usual * STANDS_OUT, most_credit=pl.col("second_credit") * STANDS_OUT
    )


def _second(amount: str) -> pl.Expr:
    """The second largest, at least 0, which it is where there are fewer than two."""
    second = pl.col(amount).sort(descending=True).get(1, null_on_oob=True)
    return second.fill_null(int128(0)).clip(lower_bound=int128(0))


def _gain_of(part: str) -> pl.Expr:
    """What a part of a month's sales contributes, at the month's rate: 0 of more returned than sold, all where nothing was sold."""
    gain, sale = pl.col("goods_gain"), pl.col("sale")
    return (
        pl.when(sale > 0)
        .then(div_half_even(gain * pl.col(part), sale))
        .when(sale == 0)
        .then(gain)
        .otherwise(gain * 0)
    )
