"""The rhythm of a customer's orders: what was billed anew, and which orders make one occasion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import MONEY_SUM, to_scaled_int
from transforms.frames.schemas import ORDER_DAY
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from transforms.facts.model import Facts
    from transforms.measures.window import Window

REBILLED_WITHIN: Final = 31  # days: a month, in which an invoice is found wrong and written again
SAME_AMOUNT: Final = 5  # percent: a corrected price or a line that was missing
OCCASION_DAYS: Final = 7  # one need, billed in parts

_DAY: Final = pl.Schema(columns_of(ORDER_DAY, (*KEY, "order_on", "orders", "net_sales")))
HISTORY: Final = pl.Schema(
    {
        **dict.fromkeys(KEY, pl.String()),
        "order_on": pl.Date(),
        "billed_on": pl.Date(),
        "began_on": pl.Date(),
        "net_sales": MONEY_SUM,
        "customer": pl.Int64(),
    }
)
"""The days a customer ordered on, as its rhythm sees them: grain company × customer × order_on × billed_on.

`customer` is a number that stands for company and customer within these rows: what goes through millions of them groups
by it in a fraction of the time.
"""


def order_history(facts: Facts, window: Window) -> pl.LazyFrame:
    """Tell when a customer ordered, up to closed_through. Grain: company × customer × order_on × billed_on; ends at HISTORY.

    `billed_on`: the day of the invoices; `order_on`: the same, but the first date where they bill anew what was credited
    (`rebilled`). `began_on`: the first day of the occasion they belong to, which takes in its first day and the six after
    it. `net_sales`: of the orders billed that day, less what notes that name them credited. Source: docs/figures.md, Orders and occasions.
    """
    days = (
        require_columns(facts.order_day, _DAY)
        .filter(pl.col("orders") > 0, pl.col("order_on") <= window.closed_through)
        .select(*KEY, billed_on="order_on", net_sales="net_sales")
    )
    first_dates = (
        rebilled(facts, window).group_by(*KEY, "billed_on").agg(first_on=pl.col("credited_on").min())
    )
    return (
        days.join(first_dates, on=[*KEY, "billed_on"], how="left", validate="m:1")
        .with_columns(order_on=pl.coalesce("first_on", "billed_on"))
        .sort(*KEY, "order_on", "billed_on")
        .map_batches(_with_occasions, schema=HISTORY)
    )


def rebilled(facts: Facts, window: Window) -> pl.LazyFrame:
    """List the days whose credited orders were billed anew. Grain: company × customer × credited_on.

    `billed_on`: the first order day within 31 days from then on that brought the same again, within 5 %; `credited`: what had
    been billed the first time (units of money). Source: docs/figures.md, Orders and occasions.
    """
    days = require_columns(facts.order_day, columns_of(ORDER_DAY, ORDER_DAY.names())).filter(
        pl.col("order_on") <= window.closed_through
    )
    anew = days.filter(pl.col("orders") > 0).select(
        *KEY, billed_on="order_on", again=to_scaled_int("net_sales")
    )
    credited = to_scaled_int("credited_net_sales")
    waited = (pl.col("billed_on") - pl.col("credited_on")).dt.total_days()
    difference = (pl.col("again") - pl.col("credited")).abs()
    return (
        days.filter(pl.col("credited_orders") > 0)
        .select(*KEY, credited_on="order_on", credited=credited)
        .join(anew, on=KEY, how="inner")
        .filter(waited.is_between(0, REBILLED_WITHIN), difference * 100 <= pl.col("credited") * SAME_AMOUNT)
        .group_by(*KEY, "credited_on")
        .agg(pl.col("billed_on").min(), pl.col("credited").first())
    )


def _with_occasions(history: pl.DataFrame) -> pl.DataFrame:
    """Find where occasions begin: at a customer's first order, then at the first one after the last occasion's seven days.

    Each step looks for the next beginning of every customer at once, so that there are as many steps as the busiest
    customer has occasions.
    """
    customer = history.select(pl.struct(KEY).rle_id().cast(pl.Int64)).to_series().to_numpy()
    days = history["order_on"].to_physical().cast(pl.Int64).to_numpy()
    width = 10**7  # more than there are days: customers do not overlap
    place = customer * width + days
    after = np.searchsorted(place, place + OCCASION_DAYS)
    begins = np.zeros(len(place), dtype=bool)
    now = np.flatnonzero(np.diff(customer, prepend=-1))
    while len(now):
        begins[now] = True
        following = after[now]
        inside = following < len(place)
        kept = inside.copy()
        kept[inside] = customer[following[inside]] == customer[now[inside]]
        now = following[kept]
    beginning = np.maximum.accumulate(np.where(begins, np.arange(len(place)), 0))
    return history.with_columns(
        began_on=history["order_on"].gather(beginning), customer=pl.Series(customer)
    ).select(HISTORY.names())
