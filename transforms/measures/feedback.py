"""Feedback: how often a customer tells us something about products or the market."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import RATIO_PLACES, WIDE_RATIO, int128, ratio, scaled_int_of
from transforms.frames.periods import YEAR, months_before, months_since
from transforms.frames.plan import month_end
from transforms.frames.schemas import INTERACTIONS
from transforms.measures.window import KEY, Window

if TYPE_CHECKING:
    from transforms.facts.model import Facts
    from transforms.policy.model import FeedbackRule

NOT_DELIVERED: Final = "not_delivered"
NOT_YET_ASKED: Final = "not_yet_asked"
ASKED_FROM_CUSTOMERS: Final = 5  # fewer say that the contacts are not kept yet, not who speaks to us
ASKED_FROM_SHARE: Final = 10  # one rated customer in so many
ASKED_OF_ALL_AFTER: Final = 2 * YEAR  # months of contacts that were kept: who is silent then is silent

_INTERACTION = columns_of(INTERACTIONS, (*KEY, "occurred_at", "kind", "is_feedback"))


def measure_feedback(
    customers: pl.LazyFrame, facts: Facts, window: Window, rule: FeedbackRule
) -> pl.LazyFrame:
    """Rate feedback a month. Grain: company × customer of `customers`.

    `feedback_rate` = (n + alpha)/(N + beta), n the distinct (day, kind) of feedback interactions, complaints left out,
    within the N months since the first order and since the company's first feedback of all (at most 12). Null with
    `feedback_reason` not_delivered; not_yet_asked until a year after that first feedback, and in the year that follows where fewer
    than 5 customers, or less than 10 % of those with an order, gave one in the 12 months; or no_orders.
    `complaints_12m`: distinct days with a complaint in the 12 months; null only where not delivered. Days are UTC.
    Source: docs/figures.md, Feedback and influence.
    """
    if facts.interactions is None:
        return customers.select(
            *KEY,
            pl.lit(None, WIDE_RATIO).alias("feedback_rate"),
            pl.lit(NOT_DELIVERED).alias("feedback_reason"),
            pl.lit(None, pl.Int32).alias("complaints_12m"),
        )
    told = _told(customers, facts.interactions, window, rule)
    is_asked, has_ordered = _is_asked(window), pl.col("months_of_history") > 0
    return told.select(
        *KEY,
        pl.when(is_asked & has_ordered).then("feedback_rate").alias("feedback_rate"),
        pl.when(~is_asked)
        .then(pl.lit(NOT_YET_ASKED))
        .when(~has_ordered)
        .then(pl.lit("no_orders"))
        .alias("feedback_reason"),
        "complaints_12m",
    )


def announced_feedback(
    measured: pl.LazyFrame, facts: Facts, window: Window, rule: FeedbackRule
) -> pl.LazyFrame | None:
    """Give the feedback rate of whom it is not asked yet, and will be in the next period if nothing changes. Grain: customer.

    `measured`: customers with first_order_on and months_of_history. None where contacts are not delivered.
    """
    if facts.interactions is None:
        return None
    due = Window(month_end(months_before(window.period, -1)))
    return (
        _told(measured, facts.interactions, window, rule)
        .filter(~_is_asked(window), _is_asked(due), pl.col("months_of_history") > 0)
        .select(*KEY, "feedback_rate")
    )


def _told(
    customers: pl.LazyFrame, interactions: pl.LazyFrame, window: Window, rule: FeedbackRule
) -> pl.LazyFrame:
    """Give the rate and the complaints, and what is known of the company's feedback. Grain: customer."""
    is_complaint = pl.col("kind") == "complaint"
    known = (
        require_columns(interactions, _INTERACTION)
        .with_columns(day=pl.col("occurred_at").dt.date())
        .filter(pl.col("day") <= window.closed_through, is_complaint | pl.col("is_feedback"))
    )
    first = known.filter(~is_complaint).group_by("company_code").agg(first_feedback_on=pl.col("day").min())
    counted = (
        known.filter(window.holds("day"))
        .unique([*KEY, "day", "kind"])
        .join(customers.select(*KEY, "first_order_on"), on=KEY, how="inner", validate="m:1")
        .group_by(KEY)
        .agg(
            feedbacks=(~is_complaint & window.since_first_order("day")).sum(),
            is_heard=(~is_complaint).any() & pl.col("first_order_on").is_not_null().any(),
            complaints_12m=is_complaint.sum(),
        )
    )
    prior, prior_months = scaled_int_of(rule.alpha, RATIO_PLACES), scaled_int_of(rule.beta, RATIO_PLACES)
    kept_for = (months_since(pl.col("first_feedback_on"), window.period) + 1).cast(pl.Int128)
    rate = ratio(
        pl.col("feedbacks").cast(pl.Int128) * 10**RATIO_PLACES + int128(prior),
        pl.min_horizontal(window.months_counted(), kept_for) * 10**RATIO_PLACES + int128(prior_months),
        WIDE_RATIO,
    )
    return (
        customers.select(*KEY, "first_order_on", "months_of_history")
        .join(counted, on=KEY, how="left", validate="1:1")
        .join(first, on="company_code", how="left", validate="m:1")
        .with_columns(
            pl.col("feedbacks", "complaints_12m").fill_null(0),
            heard=pl.col("is_heard").sum().over("company_code"),
            buyers=pl.col("first_order_on").is_not_null().sum().over("company_code"),
        )
        .with_columns(feedback_rate=rate)
    )


def _is_asked(window: Window) -> pl.Expr:
    """Tell whether feedback is asked of a company's customers in a period: long enough kept, and of enough of them."""
    kept_for_a_year, kept_for_long = (
        pl.col("first_feedback_on").dt.offset_by(f"{months}mo") <= window.closed_through
        for months in (YEAR, ASKED_OF_ALL_AFTER)
    )
    enough = (pl.col("heard") >= ASKED_FROM_CUSTOMERS) & (
        pl.col("heard") * ASKED_FROM_SHARE >= pl.col("buyers")
    )
    return (kept_for_long | (kept_for_a_year & enough)).fill_null(value=False)
