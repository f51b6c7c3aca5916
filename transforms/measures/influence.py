"""Influence: how much a customer moves its industry, as a named person judged it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import RATIO
from transforms.frames.schemas import CUSTOMER_ASSESSMENTS
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from transforms.facts.model import Facts
    from transforms.measures.window import Window

_ASSESSMENT = columns_of(CUSTOMER_ASSESSMENTS, (*KEY, "assessed_on", "expires_on", "influence", "assessor"))


def measure_influence(customers: pl.LazyFrame, facts: Facts, window: Window) -> pl.LazyFrame:
    """Take the latest assessment in force at closed_through. Grain: company × customer of `customers`.

    `influence` 0–100, with `influence_assessor` and `influence_assessed_on`; an assessment holds up to and including
    its expires_on. Null with `influence_reason` not_delivered, not_assessed, or expired (there were some).
    """
    if facts.customer_assessments is None:
        assessed = pl.LazyFrame(schema=_ASSESSMENT)
        lacks = "not_delivered"
    else:
        assessed = require_columns(facts.customer_assessments, _ASSESSMENT)
        lacks = "not_assessed"
    by_then = assessed.filter(pl.col("assessed_on") <= window.closed_through)
    in_force = (
        by_then.filter(pl.col("expires_on") >= window.closed_through)
        .sort(*KEY, "assessed_on")
        .unique(KEY, keep="last", maintain_order=True)
    )
    ever = by_then.select(KEY).unique().with_columns(was_assessed=pl.lit(value=True))
    return (
        customers.select(KEY)
        .join(in_force, on=KEY, how="left", validate="1:1")
        .join(ever, on=KEY, how="left", validate="1:1")
        .select(
            *KEY,
            pl.col("influence").cast(RATIO),
            pl.when(pl.col("influence").is_not_null())
            .then(None)
            .when(pl.col("was_assessed"))
            .then(pl.lit("expired"))
            .otherwise(pl.lit(lacks))
            .alias("influence_reason"),
            pl.col("assessor").alias("influence_assessor"),
            pl.col("assessed_on").alias("influence_assessed_on"),
        )
    )
