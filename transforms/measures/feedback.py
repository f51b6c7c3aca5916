"""Feedback: how often a customer tells us something about products or the market."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import RATIO_PLACES, WIDE_RATIO, int128, ratio, scaled_int_of
from transforms.frames.schemas import INTERACTIONS
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from transforms.facts.model import Facts
    from transforms.measures.window import Window
    from transforms.policy.model import FeedbackRule

_INTERACTION = columns_of(INTERACTIONS, (*KEY, "occurred_at", "kind", "is_feedback"))


def measure_feedback(
    customers: pl.LazyFrame, facts: Facts, window: Window, rule: FeedbackRule
) -> pl.LazyFrame:
    """Rate feedback a month. Grain: company × customer of `customers`.

    `feedback_rate` = (n + alpha)/(N + beta), n the distinct (day, kind) of feedback interactions, complaints left out,
    within the N months since the first order (at most 12). Null with `feedback_reason` not_delivered, or no_orders.
    `complaints_12m`: distinct days with a complaint in the 12 months; null only where not delivered. Days are UTC.
    """
    if facts.interactions is None:
        return customers.select(
            *KEY,
            pl.lit(None, WIDE_RATIO).alias("feedback_rate"),
            pl.lit("not_delivered").alias("feedback_reason"),
            pl.lit(None, pl.Int32).alias("complaints_12m"),
        )
    is_complaint = pl.col("kind") == "complaint"
    counted = (
        require_columns(facts.interactions, _INTERACTION)
        .with_columns(day=pl.col("occurred_at").dt.date())
        .filter(window.holds("day"), is_complaint | pl.col("is_feedback"))
        .unique([*KEY, "day", "kind"])
        .join(customers.select(*KEY, "first_order_on"), on=KEY, how="inner", validate="m:1")
        .group_by(KEY)
        .agg(
            feedbacks=(~is_complaint & window.since_first_order("day")).sum(),
            complaints_12m=is_complaint.sum(),
        )
    )
    prior, prior_months = scaled_int_of(rule.alpha, RATIO_PLACES), scaled_int_of(rule.beta, RATIO_PLACES)
    rate = ratio(
        pl.col("feedbacks").cast(pl.Int128) * 10**RATIO_PLACES + int128(prior),
        window.months_counted() * 10**RATIO_PLACES + int128(prior_months),
        WIDE_RATIO,
    )
    has_ordered = pl.col("months_of_history") > 0
    return (
        customers.select(*KEY, "months_of_history")
        .join(counted, on=KEY, how="left", validate="1:1")
        .with_columns(pl.col("feedbacks", "complaints_12m").fill_null(0))
        .select(
            *KEY,
            pl.when(has_ordered).then(rate).alias("feedback_rate"),
            pl.when(~has_ordered).then(pl.lit("no_orders")).alias("feedback_reason"),
            "complaints_12m",
        )
    )
