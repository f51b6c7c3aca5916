"""Segments: high or low volume, loyal or not; per period, without memory."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from transforms.facts.succession import succession_told

if TYPE_CHECKING:
    from transforms.policy.model import Policy, SegmentRule

_UNCHANGED = Decimal(1)


def volume_class(rule: SegmentRule, factor: Decimal = _UNCHANGED) -> pl.Expr:
    """'high' from the policy's bar × factor on, inclusive, else 'low'; null where volume is not assessed."""
    return _class("net_sales_12m", rule.volume_high_from * factor, "high", "low").alias("volume_class")


def loyalty_class(rule: SegmentRule, factor: Decimal = _UNCHANGED) -> pl.Expr:
    """'loyal' from the policy's bar × factor on, inclusive, else 'not_loyal'; null where loyalty is not assessed."""
    return _class("loyalty", rule.loyalty_from * factor, "loyal", "not_loyal").alias("loyalty_class")


def segment(rule: SegmentRule, factor: Decimal = _UNCHANGED) -> pl.Expr:
    """Segment of a scored customer, with the volume and loyalty bars × factor; never null.

    prospect (never ordered: nothing was billed but samples, fees, freight or deposits), new (fewer months of history than
    the policy asks for, whatever else is known), unrated (score coverage below the
    policy's floor, or volume or loyalty not assessed), else core (high, loyal), cultivate (low, loyal), speculative
    (high, not loyal) or marginal (neither). Source: docs/figures.md, Tiers.
    """
    is_new = pl.col("months_of_history") < rule.new_below_months
    is_high, is_loyal = volume_class(rule, factor) == "high", loyalty_class(rule, factor) == "loyal"
    is_rated = (
        (pl.col("score_coverage") >= pl.lit(rule.coverage_floor))
        & is_high.is_not_null()
        & is_loyal.is_not_null()
    )
    return (
        pl.when(pl.col("first_order_on").is_null())
        .then(pl.lit("prospect"))
        .when(is_new)
        .then(pl.lit("new"))
        .when(~is_rated)
        .then(pl.lit("unrated"))
        .when(is_high & is_loyal)
        .then(pl.lit("core"))
        .when(is_loyal)
        .then(pl.lit("cultivate"))
        .when(is_high)
        .then(pl.lit("speculative"))
        .otherwise(pl.lit("marginal"))
        .alias("segment")
    )


def segment_customers(scored: pl.LazyFrame, policy: Policy) -> pl.LazyFrame:
    """Add `volume_class`, `loyalty_class` and `segment` to scored customers. Grain and row order are kept."""
    return scored.with_columns(
        volume_class(policy.segments), loyalty_class(policy.segments), segment(policy.segments)
    )


def with_ledger(segmented: pl.LazyFrame, billed: pl.LazyFrame | None) -> pl.LazyFrame:
    """Let who was billed though no sales are delivered be `unrated`: it has ordered, and nothing tells how much. Grain is kept.

    `billed`: key; None: no ledger. Source: docs/figures.md, Orders and occasions.
    """
    if billed is None:
        return segmented
    known = billed.with_columns(is_billed=pl.lit(value=True))
    is_no_prospect = (pl.col("segment") == "prospect") & pl.col("is_billed").is_not_null()
    return (
        segmented.join(known, on=["company_code", "customer_id"], how="left", validate="1:1")
        .with_columns(segment=pl.when(is_no_prospect).then(pl.lit("unrated")).otherwise("segment"))
        .drop("is_billed")
    )


def with_succession(segmented: pl.LazyFrame, succession: pl.LazyFrame | None) -> pl.LazyFrame:
    """Add `continues`, `succeeded_by` and `succession_on`, and make who is succeeded its own segment. Grain is kept.

    `succession`: PARTS of the day of the rating; None: nobody is succeeded. Source: docs/figures.md, Successions.
    """
    if succession is None:
        nothing = {"continues": pl.String(), "succeeded_by": pl.String(), "succession_on": pl.Date()}
        return segmented.with_columns(
            pl.lit(None, dtype=dtype).alias(name) for name, dtype in nothing.items()
        )
    is_succeeded = pl.col("succeeded_by").is_not_null()
    return segmented.join(
        succession_told(succession), on=["company_code", "customer_id"], how="left", validate="1:1"
    ).with_columns(segment=pl.when(is_succeeded).then(pl.lit("succeeded")).otherwise("segment"))


def _class(column: str, bar: Decimal, from_bar_on: str, below: str) -> pl.Expr:
    value = pl.col(column)
    return (
        pl.when(value >= pl.lit(bar)).then(pl.lit(from_bar_on)).when(value.is_not_null()).then(pl.lit(below))
    )
