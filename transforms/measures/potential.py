"""Potential: how much more a customer could buy from us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import (
    MONEY_PLACES,
    MONEY_SUM,
    QUANTITY_PLACES,
    RATIO_PLACES,
    div_half_even,
    from_scaled_int,
    int128,
    scaled_int_of,
    to_scaled_int,
)
from transforms.frames.schemas import DEMAND_ESTIMATES
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from transforms.facts.model import Facts
    from transforms.measures.window import Window
    from transforms.policy.model import PotentialRule

_ESTIMATE = columns_of(
    DEMAND_ESTIMATES,
    (
        *KEY,
        "product_group",
        "period_start",
        "estimate_version",
        "amount",
        "quantity",
        "current_price",
        "estimated_on",
    ),
)
_PEER_GROUP: Final = ("company_code", "industry_code", "channel")


def estimated_demand(facts: Facts, window: Window) -> pl.LazyFrame:
    """Take the latest estimate of yearly demand. Grain: company × customer with an estimate made by closed_through.

    Of each product group the estimate made last; among several made that day the one whose twelve months have begun
    and begin latest, then the latest version by its name. An estimate of all products together (no product group)
    is not added to those of single groups: the one made later counts, the whole one where both are of a day.
    `estimated_demand_12m` in company currency; an estimate in goods is valued at the price paid today, and null where
    that is not known (one group without value makes the sum unknown).
    """
    if facts.demand_estimates is None:
        return pl.LazyFrame(schema={**dict.fromkeys(KEY, pl.String()), "estimated_demand_12m": MONEY_SUM})
    has_begun = pl.col("period_start") <= window.closed_through
    latest_last = ["estimated_on", has_begun, "period_start", "estimate_version"]
    of_group = (
        require_columns(facts.demand_estimates, _ESTIMATE)
        .filter(pl.col("estimated_on") <= window.closed_through)
        .group_by(*KEY, "product_group")
        .agg(pl.col("estimated_on", "amount", "quantity", "current_price").sort_by(latest_last).last())
        .with_columns(amount=_amount())
    )
    is_whole = pl.col("product_group").is_null()
    whole_made_on = pl.col("estimated_on").filter(is_whole).max().over(KEY)
    groups_made_on = pl.col("estimated_on").filter(~is_whole).max().over(KEY)
    whole_counts = (whole_made_on >= groups_made_on.fill_null(whole_made_on)).fill_null(value=False)
    return (
        of_group.filter(is_whole == whole_counts)
        .group_by(KEY)
        .agg(
            pl.when(pl.col("amount").is_not_null().all())
            .then(pl.col("amount").sum())
            .alias("estimated_demand_12m")
        )
        .with_columns(pl.col("estimated_demand_12m").cast(MONEY_SUM))
    )


def measure_potential(
    customers: pl.LazyFrame,
    volume: pl.LazyFrame,
    demand: pl.LazyFrame,
    facts: Facts,
    rule: PotentialRule,
) -> pl.LazyFrame:
    """Measure the headroom to estimated demand. Grain: company × customer of `customers`.

    `headroom_12m` = max(estimated yearly demand − V, 0), V signed (0 for who never ordered), in company currency;
    `potential_method` estimate. Without an estimate, and where the policy allows it: the policy's quantile of the peers'
    volume − V, floored at 0; method peers. Null with `headroom_reason` not_delivered (no such extract), no_estimate,
    not_valued (an estimate in goods without a price), or no_peers (peers asked for, but too few, or the customer has
    no industry or channel).
    """
    bought = to_scaled_int("net_sales_12m").fill_null(0)
    measured = (
        customers.select(*KEY, "industry_code", "channel")
        .join(volume.select(*KEY, "net_sales_12m"), on=KEY, how="left", validate="1:1")
        .join(demand.with_columns(has_estimate=pl.lit(value=True)), on=KEY, how="left", validate="1:1")
    )
    measured = measured.join(
        _peer_levels(measured, rule), on=_PEER_GROUP, how="left", validate="m:1", nulls_equal=False
    )
    by_estimate = to_scaled_int("estimated_demand_12m") - bought
    by_peers = pl.col("peer_level") - bought
    is_estimated = pl.col("estimated_demand_12m").is_not_null()
    lacks_estimate = "not_delivered" if facts.demand_estimates is None else "no_estimate"
    return measured.with_columns(headroom=pl.coalesce(by_estimate, by_peers)).select(
        *KEY,
        from_scaled_int(pl.max_horizontal("headroom", _zero_where("headroom")), MONEY_SUM).alias(
            "headroom_12m"
        ),
        pl.when(pl.col("headroom").is_not_null())
        .then(None)
        .when(pl.lit(rule.peers))
        .then(pl.lit("no_peers"))
        .when(pl.col("has_estimate"))
        .then(pl.lit("not_valued"))
        .otherwise(pl.lit(lacks_estimate))
        .alias("headroom_reason"),
        pl.when(is_estimated)
        .then(pl.lit("estimate"))
        .when(pl.col("headroom").is_not_null())
        .then(pl.lit("peers"))
        .alias("potential_method"),
        "estimated_demand_12m",
    )


def _amount() -> pl.Expr:
    """Value an estimate: its money, else its goods at the price the customer pays today; null where neither is there."""
    goods = div_half_even(
        to_scaled_int("quantity", QUANTITY_PLACES) * to_scaled_int("current_price", MONEY_PLACES),
        int128(10**QUANTITY_PLACES),
    )
    return pl.coalesce(pl.col("amount").cast(MONEY_SUM), from_scaled_int(goods, MONEY_SUM))


def _zero_where(column: str) -> pl.Expr:
    """0 where the column has a value, else null: `max_horizontal` would let a literal 0 win over null."""
    return pl.when(pl.col(column).is_not_null()).then(int128(0))


def _peer_levels(measured: pl.LazyFrame, rule: PotentialRule) -> pl.LazyFrame:
    """The policy's quantile (nearest rank, so an amount someone really bought) of each large enough peer group.

    Grain: company × industry × channel, both known; empty unless the policy asks for peers. `peer_level` in units.
    """
    volumes = pl.col("net_sales_12m").drop_nulls().sort()
    quantile = scaled_int_of(rule.quantile, RATIO_PLACES)
    # ⌈q·n⌉ − 1, in whole numbers
    position = (pl.col("net_sales_12m").count().cast(pl.Int64) * quantile - 1) // 10**RATIO_PLACES
    return (
        measured.filter(
            pl.lit(rule.peers), pl.col("industry_code").is_not_null(), pl.col("channel").is_not_null()
        )
        .group_by(_PEER_GROUP)
        .agg(peers=pl.col("net_sales_12m").count(), peer_level=volumes.get(position, null_on_oob=True))
        .filter(pl.col("peers") >= rule.min_peers)
        .select(*_PEER_GROUP, to_scaled_int("peer_level").alias("peer_level"))
    )
