"""A surge of purchases: against the customer's own history, against its peers, and beside a neighbour's decline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.facts.order_day import first_orders
from transforms.frames.fixed_point import QUANTITY_PLACES, div_half_even, ratio, rounded, to_scaled_int
from transforms.frames.fixed_point import WIDE_RATIO as RATIO
from transforms.frames.periods import first_of_month, months_before, months_since
from transforms.frames.plan import closed_through
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.model import Policy

_PEERS: Final = ("company_code", "industry_code", "channel")
_HISTORY_MONTHS: Final = 12
_SQUARED_MONTHS: Final = 143  # Σ of the 12 months' squared distances from their middle
_RECENT_HALF_LIVES: Final = 2  # three quarters of an endless EWMA's weight
_WEIGHT_PLACES: Final = 9
_LEAST_SPREAD: Final = (
    0.1  # of the mean: no order book is flatter, and without a floor a flat one would surge at once
)
_MAD_TO_DEVIATION: Final = 1.4826  # of a normal distribution


def surges(facts: Facts, policy: Policy, as_of: date, sales: pl.LazyFrame | None = None) -> pl.LazyFrame:
    """Measure surges at the last closed month. Grain: customer that has bought throughout the history looked at.

    A month's purchases are its net sales, goods of a known quantity (`sales`: SALES_CELL rows, None where they are not kept) at the
    customer's own mean prices of the history, as far as they were bought then: dearer is not more.
    `surge`: EWMA of the last two half-lives of monthly purchases, less what the 12 months before them led to expect, in
    standard deviations of those months from the same (at least a tenth of their mean). Expected is their mean, and where
    they rose, their straight line carried on: who grows month by month does not surge. `surge_against_peers`: the EWMA ÷ that mean, less the
    peers' median of it, in deviations of the peers (1.4826 × their median absolute deviation, at least 0.1); peers share
    industry and channel; null with fewer than the policy's `seasonal_min_peers`. Null where the mean is not positive.
    `declining_neighbour`: the territory, other than the customer's own, whose customers' purchases of those last months
    fell most on the same months a year before, and by at least the policy's share; `neighbour_decline` is by how much.
    """
    rule = policy.conduct.diversion
    last = first_of_month(closed_through(as_of))
    recent_months = _RECENT_HALF_LIVES * rule.ewma_half_life_months
    bought = (
        _bought(facts, sales, last, recent_months).collect().lazy()
    )  # asked twice, and else computed twice
    own = _own(facts, bought, last, rule.ewma_half_life_months, recent_months)
    masters = facts.customers.select(*KEY, "industry_code", "channel", "territory_id")
    against_peers = _against_peers(
        own.join(masters, on=KEY, how="inner", validate="1:1"), policy.steadiness.seasonal_min_peers
    )
    neighbours = _neighbours(facts, bought, last, recent_months, float(rule.neighbour_decline_from))
    return against_peers.join(
        neighbours, on=["company_code", "territory_id"], how="left", validate="m:1"
    ).select(
        *KEY,
        rounded(pl.col("surge"), RATIO).alias("surge"),
        rounded(pl.col("surge_against_peers"), RATIO).alias("surge_against_peers"),
        "declining_neighbour",
        "neighbour_decline",
    )


def _bought(facts: Facts, sales: pl.LazyFrame | None, last: date, recent_months: int) -> pl.LazyFrame:
    """Give what was bought in each month, at the prices of the history. Grain: company × customer × month; `bought`, units of money."""
    begins = months_before(last, recent_months + _HISTORY_MONTHS - 1)
    is_looked_at = pl.col("month").is_between(begins, last)
    net = to_scaled_int("net_sales")
    booked = facts.customer_month.filter(is_looked_at).select(*KEY, "month", bought=net)
    if sales is None:
        return booked
    goods = [*KEY, "product_id"]
    sold = (
        sales.filter(is_looked_at, pl.col("invoiced_quantity") > 0)
        .group_by(*goods, "month")
        .agg(
            quantity=to_scaled_int("invoiced_quantity", QUANTITY_PLACES).sum(),
            sold=to_scaled_int("invoiced_net_sales").sum(),
        )
    )
    of_history = (
        sold.filter(months_since(pl.col("month"), last) >= recent_months)
        .group_by(goods)
        .agg(quantity_then=pl.col("quantity").sum(), sold_then=pl.col("sold").sum())
    )
    at_old_prices = div_half_even(pl.col("quantity") * pl.col("sold_then"), pl.col("quantity_then"))
    dearer = (
        sold.join(of_history, on=goods, how="inner", validate="m:1")
        .group_by(*KEY, "month")
        .agg(dearer=(pl.col("sold") - at_old_prices).sum())
    )
    return booked.join(dearer, on=[*KEY, "month"], how="left", validate="1:1").select(
        *KEY, "month", bought=pl.col("bought") - pl.col("dearer").fill_null(0)
    )


def _own(facts: Facts, bought: pl.LazyFrame, last: date, half_life: int, recent_months: int) -> pl.LazyFrame:
    """`surge` and `growth` (EWMA ÷ mean before) of who bought before the history begins. Months without sales are 0."""
    begins = months_before(last, recent_months + _HISTORY_MONTHS - 1)
    first = first_orders(facts.order_day)
    decay = [0.5 ** (back / half_life) for back in range(recent_months)]
    ewma = pl.col("weighted").cast(pl.Float64) / 10**_WEIGHT_PLACES
    mean, slope, spread = _history()
    rise = slope * _months_ahead(decay)
    return (
        bought.group_by(KEY)
        .agg(**_sums(months_since(pl.col("month"), last), decay))
        .join(first, on=KEY, how="inner", validate="1:1")
        .filter(pl.col("first_order_on") < begins, pl.col("total") > 0)
        .select(
            *KEY,
            surge=(ewma - mean - rise) / pl.max_horizontal(spread, mean * _LEAST_SPREAD),
            growth=ewma / mean,
        )
    )


def _sums(age: pl.Expr, decay: list[float]) -> dict[str, pl.Expr]:
    """What a customer's months come to; `age` is how many months before the last one a month lies.

    `weighted`: the recent months by their weights in the EWMA; of the history before them `total`, `squares`, and `moment`:
    Σ of amounts × twice the months from the history's middle. Whole numbers, so that sums do not depend on the order of rows.
    """
    recent_months = len(decay)
    weights = {back: round(weight / sum(decay) * 10**_WEIGHT_PLACES) for back, weight in enumerate(decay)}
    weight = age.replace_strict(weights, default=0, return_dtype=pl.Int64).cast(pl.Int128)
    twice_from_middle = 2 * (recent_months - age) + _HISTORY_MONTHS - 1
    amount = pl.col("bought")
    is_recent = age < recent_months
    return {
        "weighted": (amount * weight).filter(is_recent).sum(),
        "total": amount.filter(~is_recent).sum(),
        "squares": (amount * amount).filter(~is_recent).sum(),
        "moment": (amount * twice_from_middle.cast(pl.Int128)).filter(~is_recent).sum(),
    }


def _history() -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Mean of the history's months, how much they rise a month (0 if they fall), and their deviation from that line."""
    mean = pl.col("total").cast(pl.Float64) / _HISTORY_MONTHS
    slope = (pl.col("moment").cast(pl.Float64) / 2 / _SQUARED_MONTHS).clip(lower_bound=0)
    variance = (
        pl.col("squares").cast(pl.Float64) - _HISTORY_MONTHS * mean * mean - slope * slope * _SQUARED_MONTHS
    )
    return mean, slope, (variance / _HISTORY_MONTHS).clip(lower_bound=0).sqrt()


def _months_ahead(decay: list[float]) -> float:
    """How far beyond the history's middle the recent months lie, weighted as in the EWMA."""
    recent_months = len(decay)
    ahead = (weight * (recent_months - back + (_HISTORY_MONTHS - 1) / 2) for back, weight in enumerate(decay))
    return sum(ahead) / sum(decay)


def _against_peers(own: pl.LazyFrame, min_peers: int) -> pl.LazyFrame:
    """Compare growth with the peers' median; sorted medians do not depend on the order of rows."""
    growth = pl.col("growth")
    median = growth.median().over(_PEERS)
    deviation = (_MAD_TO_DEVIATION * pl.col("distance").median().over(_PEERS)).clip(lower_bound=_LEAST_SPREAD)
    has_peers = (
        (pl.len().over(_PEERS) > min_peers)
        & pl.col("industry_code").is_not_null()
        & pl.col("channel").is_not_null()
    )
    return own.with_columns(median=median, distance=(growth - median).abs()).with_columns(
        surge_against_peers=pl.when(has_peers).then((growth - pl.col("median")) / deviation)
    )


def _neighbours(
    facts: Facts, bought: pl.LazyFrame, last: date, months: int, decline_from: float
) -> pl.LazyFrame:
    """Name each territory's most declining other one. Grain: company × territory."""
    year_before = months_before(last, _HISTORY_MONTHS)
    places = facts.customers.select(*KEY, "territory_id").filter(pl.col("territory_id").is_not_null())
    month = pl.col("month")
    now = month.is_between(months_before(last, months - 1), last)
    then = month.is_between(months_before(year_before, months - 1), year_before)
    sold = (
        bought.filter(now | then)
        .join(places, on=KEY, how="inner", validate="m:1")
        .group_by("company_code", "territory_id")
        .agg(now=pl.col("bought").filter(now).sum(), then=pl.col("bought").filter(then).sum())
        .select(
            "company_code",
            "territory_id",
            decline=ratio(pl.col("then") - pl.col("now"), pl.col("then"), RATIO),
        )
    )
    falling = sold.filter(pl.col("decline").cast(pl.Float64) >= decline_from).rename(
        {"territory_id": "declining_neighbour", "decline": "neighbour_decline"}
    )
    return (
        sold.select("company_code", "territory_id")
        .join(falling, on="company_code", how="inner")
        .filter(pl.col("territory_id") != pl.col("declining_neighbour"))
        .sort("neighbour_decline", "declining_neighbour", descending=[True, False])
        .group_by("company_code", "territory_id")
        .agg(
            pl.col("declining_neighbour", "neighbour_decline")
            .sort_by(["neighbour_decline", "declining_neighbour"], descending=[True, False])
            .first()
        )
    )
