"""Diversion: goods sold outside the customer's territory, proved by what is found there, suspected from our own sales."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.conduct.evidence import (
    CONFIRMED,
    NONE,
    NOT_ASSESSABLE,
    SUSPECTED,
    evidence_refs,
    in_force,
    to_finding,
)
from transforms.conduct.surge import surges
from transforms.frames.fixed_point import WIDE_RATIO as RATIO
from transforms.frames.fixed_point import ratio, rounded, to_scaled_int
from transforms.frames.periods import YEAR, first_of_month, months_before
from transforms.frames.plan import closed_through
from transforms.frames.reasons import reason, reasons
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.credit import DiversionRule
    from transforms.policy.model import Policy

BY_PROOF: Final = "out_of_territory_share_lower_bound"
BY_SHIPMENTS: Final = "ship_to_outside_share"
BY_SURGE: Final = "surge_in_deviations"


def diversion(
    facts: Facts, policy: Policy, as_of: date, customers: pl.LazyFrame, sales: pl.LazyFrame | None
) -> pl.LazyFrame:
    """Judge diversion over the 12 months to `as_of`. Grain: customer of `customers`; columns of `conduct_evidence.FOUND`.

    A customer's places on a day are the territories it has a right to, for the product's group; without any such right
    the territory of its master; without that it cannot be judged (`no_territory`).
    `confirmed`: of at least `min_observations` sightings that a second person checked, the share found elsewhere has a
    Wilson lower bound that reaches the policy's bar. `suspected`: the same with unchecked sightings; or our own shipments
    (`sales`: SALES_CELL) went elsewhere by more than the policy's share; or purchases surge against the customer's own
    history and against its peers while another territory's own customers decline. Else `none`, but only where enough
    goods were sighted: without, it is not assessable (`not_delivered`, `too_few_observations`), never clean.
    `value` and `threshold` are of the strongest evidence. Source: docs/figures.md, Conduct.
    """
    rule = policy.conduct.diversion
    judged = (
        customers.select(KEY)
        .join(_sightings(facts, rule, as_of), on=KEY, how="left", validate="1:1")
        .join(_shipments(facts, sales, as_of), on=KEY, how="left", validate="1:1")
        .join(surges(facts, policy, as_of, sales), on=KEY, how="left", validate="1:1")
        .join(_has_place(facts), on=KEY, how="left", validate="1:1")
        .with_columns(pl.col("sightings", "checked").fill_null(0))
    )
    by_proof = (pl.col("checked") >= rule.min_observations) & (
        pl.col("bound_checked") >= pl.lit(rule.out_of_territory_share_from)
    )
    by_sight = (pl.col("sightings") >= rule.min_observations) & (
        pl.col("bound") >= pl.lit(rule.out_of_territory_share_from)
    )
    by_shipments = pl.col("ship_to_outside_share") >= pl.lit(rule.ship_to_outside_share_from)
    by_surge = (
        (pl.col("surge") >= pl.lit(rule.surge_from))
        & (pl.col("surge_against_peers") >= pl.lit(rule.surge_from))
        & pl.col("declining_neighbour").is_not_null()
    )
    flags = {"by_proof": by_proof, "by_sight": by_sight, "by_shipments": by_shipments, "by_surge": by_surge}
    assessed = (
        judged.with_columns(**{name: flag.fill_null(value=False) for name, flag in flags.items()})
        .with_columns(confidence=_confidence(rule))
        .with_columns(_reason(facts), *_strongest(rule), evidence=_evidence())
    )
    return to_finding(assessed)


def wilson_lower_bound(hits: pl.Expr, trials: pl.Expr, z: float) -> pl.Expr:
    """Give the lower end of Wilson's interval for a share, rounded to 6 digits; null without a trial.

    With few trials it stays far below hits ÷ trials, so that one sighting proves nothing.
    """
    n = pl.when(trials > 0).then(trials.cast(pl.Float64))
    p = hits / n
    spread = z * ((p * (1 - p) + z * z / (4 * n)) / n).sqrt()
    bound = (p + z * z / (2 * n) - spread) / (1 + z * z / n)
    return rounded(bound.clip(lower_bound=0), RATIO)


def _sightings(facts: Facts, rule: DiversionRule, as_of: date) -> pl.LazyFrame:
    """Count traced sightings of the year, and those outside the customer's places. Grain: customer with one."""
    if facts.market_observations is None:
        return pl.LazyFrame(
            schema={
                **dict.fromkeys(KEY, pl.String()),
                "sightings": pl.UInt32(),
                "checked": pl.UInt32(),
                "outside": pl.UInt32(),
                "bound": RATIO,
                "bound_checked": RATIO,
                "evidence_from": pl.Date(),
                "evidence_to": pl.Date(),
                "references": pl.String(),
            }
        )
    traced = (
        facts.market_observations.filter(
            pl.col("customer_id").is_not_null(),
            pl.col("observed_on") > months_before(as_of, YEAR),
            pl.col("observed_on") <= as_of,
        )
        .select(
            *KEY,
            "observation_id",
            "observed_on",
            "product_id",
            "found_territory",
            "evidence_ref",
            "confirmed",
        )
        .rename({"observed_on": "day", "found_territory": "place"})
    )
    placed = _placed(facts, traced, ["observation_id"])
    z = float(rule.wilson_z)
    outside, checked = pl.col("is_outside"), pl.col("confirmed")
    return (
        placed.filter(outside.is_not_null())
        .group_by(KEY)
        .agg(
            sightings=pl.len(),
            checked=checked.sum(),
            outside=outside.sum(),
            outside_checked=(outside & checked).sum(),
            evidence_from=pl.col("day").filter(outside).min(),
            evidence_to=pl.col("day").filter(outside).max(),
            references=evidence_refs("evidence_ref", outside),
        )
        .with_columns(
            bound=wilson_lower_bound(pl.col("outside"), pl.col("sightings"), z),
            bound_checked=wilson_lower_bound(pl.col("outside_checked"), pl.col("checked"), z),
        )
        .drop("outside_checked")
    )


def _shipments(facts: Facts, sales: pl.LazyFrame | None, as_of: date) -> pl.LazyFrame:
    """Share of the year's shipped sales that went outside the customer's places. Grain: customer with a shipment."""
    if sales is None:
        return pl.LazyFrame(
            schema={
                **dict.fromkeys(KEY, pl.String()),
                "ship_to_outside_share": RATIO,
                "shipped_outside": pl.Decimal(38, 4),
            }
        )
    last = first_of_month(closed_through(as_of))
    shipped = (
        sales.filter(
            pl.col("month").is_between(months_before(last, YEAR - 1), last),
            pl.col("ship_to_territory").is_not_null(),
            pl.col("invoiced_net_sales") > 0,
        )
        .group_by(*KEY, "month", "product_id", "ship_to_territory")
        .agg(amount=pl.col("invoiced_net_sales").sum())
        .rename({"month": "day", "ship_to_territory": "place"})
    )
    placed = _placed(facts, shipped, ["day", "product_id", "place"])
    outside = pl.col("is_outside")
    return (
        placed.filter(outside.is_not_null())
        .group_by(KEY)
        .agg(shipped_outside=pl.col("amount").filter(outside).sum(), shipped=pl.col("amount").sum())
        .select(
            *KEY,
            "shipped_outside",
            ship_to_outside_share=ratio(to_scaled_int("shipped_outside"), to_scaled_int("shipped"), RATIO),
        )
    )


def _placed(facts: Facts, goods: pl.LazyFrame, grain: list[str]) -> pl.LazyFrame:
    """Add `is_outside`: the goods' `place` is none of the customer's on that `day`; null where it has no place at all."""
    masters = facts.customers.select(*KEY, "territory_id")
    with_master = goods.join(masters, on=KEY, how="left", validate="m:1")
    by_master = pl.col("place") != pl.col("territory_id")
    if facts.territories is None:
        return with_master.with_columns(is_outside=by_master)
    with_group = _with_product_group(facts, with_master)
    rights = facts.territories.select(
        *KEY, "valid_from", "valid_to", right="territory_id", right_group="product_group"
    )
    covers = pl.col("right_group").is_null() | (pl.col("right_group") == pl.col("product_group"))
    asked = list(dict.fromkeys((*KEY, *grain, "day", "place", "product_group")))
    by_right = (
        with_group.select(asked)
        .join(rights, on=KEY, how="inner")
        .filter(in_force(pl.col("day")), covers.fill_null(value=False))
        .group_by(*KEY, *grain)
        .agg(is_inside=(pl.col("right") == pl.col("place")).any())
    )
    return with_group.join(
        by_right, on=[*KEY, *grain], how="left", validate="m:1", nulls_equal=True
    ).with_columns(
        is_outside=pl.when(pl.col("is_inside").is_not_null()).then(~pl.col("is_inside")).otherwise(by_master)
    )


def _with_product_group(facts: Facts, goods: pl.LazyFrame) -> pl.LazyFrame:
    if facts.products is None:
        return goods.with_columns(product_group=pl.lit(None, dtype=pl.String))
    groups = facts.products.select("company_code", "product_id", product_group="category")
    return goods.join(groups, on=["company_code", "product_id"], how="left", validate="m:1")


def _has_place(facts: Facts) -> pl.LazyFrame:
    """List who has a place at all, by master or by right."""
    by_master = facts.customers.filter(pl.col("territory_id").is_not_null()).select(KEY)
    by_right = [] if facts.territories is None else [facts.territories.select(KEY)]
    return pl.concat([by_master, *by_right]).unique().with_columns(has_place=pl.lit(value=True))


def _confidence(rule: DiversionRule) -> pl.Expr:
    return (
        pl.when("by_proof")
        .then(pl.lit(CONFIRMED))
        .when(pl.any_horizontal("by_sight", "by_shipments", "by_surge"))
        .then(pl.lit(SUSPECTED))
        .when(pl.col("sightings") >= rule.min_observations)
        .then(pl.lit(NONE))
        .otherwise(pl.lit(NOT_ASSESSABLE))
    )


def _reason(facts: Facts) -> pl.Expr:
    why = pl.lit("not_delivered" if facts.market_observations is None else "too_few_observations")
    return (
        pl.when(pl.col("confidence") == NOT_ASSESSABLE)
        .then(pl.when(pl.col("has_place").is_null()).then(pl.lit("no_territory")).otherwise(why))
        .alias("reason")
    )


def _strongest(rule: DiversionRule) -> tuple[pl.Expr, ...]:
    """Name the measure that decided, with its value, its bar and its money."""
    share, ship, surge = (
        pl.lit(bar, dtype=RATIO)
        for bar in (rule.out_of_territory_share_from, rule.ship_to_outside_share_from, rule.surge_from)
    )
    by_shipments = pl.col("by_shipments") & ~pl.col("by_proof") & ~pl.col("by_sight")
    by_surge = pl.col("by_surge") & ~pl.col("by_proof") & ~pl.col("by_sight") & ~pl.col("by_shipments")
    is_sighted = pl.col("sightings") > 0
    bound = pl.when("by_proof").then("bound_checked").otherwise("bound")
    return (
        pl.when(by_shipments)
        .then(pl.lit(BY_SHIPMENTS))
        .when(by_surge)
        .then(pl.lit(BY_SURGE))
        .when(is_sighted)
        .then(pl.lit(BY_PROOF))
        .alias("measure"),
        pl.when(by_shipments)
        .then("ship_to_outside_share")
        .when(by_surge)
        .then("surge")
        .otherwise(bound)
        .alias("value"),
        pl.when(by_shipments)
        .then(ship)
        .when(by_surge)
        .then(surge)
        .when(is_sighted)
        .then(share)
        .alias("threshold"),
        pl.when(is_sighted).then(pl.col("outside")).cast(pl.Int32).alias("evidence_count"),
        # What is suspected by sight or by a surge alone is money that nobody knows, not none.
        pl.when(pl.col("shipped_outside") > 0).then("shipped_outside").alias("concerned_amount"),
    )


def _evidence() -> pl.Expr:
    sighted = reason(
        "sighted_elsewhere",
        counted=pl.col("outside"),
        out_of=pl.col("sightings"),
        name=pl.col("references"),
    )
    surged = (
        reason("purchases_surge", value=pl.col("surge")),
        reason("surge_above_peers", value=pl.col("surge_against_peers")),
        reason("neighbour_declines", name=pl.col("declining_neighbour"), value=pl.col("neighbour_decline")),
    )
    return reasons(
        pl.when(pl.col("outside") > 0).then(sighted),
        pl.when("by_shipments").then(reason("shipped_elsewhere", value=pl.col("ship_to_outside_share"))),
        *(pl.when("by_surge").then(each) for each in surged),
    )
