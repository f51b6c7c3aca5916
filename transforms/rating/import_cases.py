"""Import substitution: which imports of our customers we could replace, and how far that has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of, conform_to, require_columns
from transforms.frames.fixed_point import (
    MONEY_PLACES,
    MONEY_SUM,
    QUANTITY_PLACES,
    div_half_even,
    from_scaled_int,
    int128,
    to_scaled_int,
)
from transforms.frames.periods import YEAR, months_before
from transforms.frames.schemas import DEMAND_ESTIMATES, IMPORT_CASE, SALES_CELL
from transforms.measures.window import KEY, Window

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts.model import Facts

JOINT_WORK: Final = ("growth_plan", "new_product_need", "technical_exchange", "joint_project")
STAGES: Final = ("open", "in_work", "started", "substituted", "lost")

_CASE: Final = (*KEY, "product_group")
_ESTIMATE: Final = columns_of(
    DEMAND_ESTIMATES,
    (
        *_CASE,
        "period_start",
        "estimate_version",
        "amount",
        "quantity",
        "unit",
        "current_price",
        "estimated_on",
        "supplied_by",
    ),
)
_SOLD: Final = columns_of(SALES_CELL, (*KEY, "month", "product_id", "net_sales"))


def import_cases(facts: Facts, sales: pl.LazyFrame, *, closed_through: date, as_of: date) -> pl.LazyFrame:
    """List what customers import or imported, and its stage. Grain: company × customer × product group; ends at IMPORT_CASE.

    A case is a product group (null: all products together) of which an estimate made by `as_of` says import and of which the
    latest one says who supplies it. `demand_12m` is the last imported demand, null where it is not valued. `sales`:
    SALES_CELL rows of at least the 12 months to `closed_through`; a product is of the group it is in today. Joint
    work is null where interactions are not delivered. Source: docs/figures.md, New products and imports.
    """
    if facts.demand_estimates is None:
        return pl.LazyFrame(schema=IMPORT_CASE)
    window = Window(closed_through)
    estimates = require_columns(facts.demand_estimates, _ESTIMATE)
    imported = latest_estimates(estimates.filter(pl.col("supplied_by") == "import"), as_of).drop(
        "supplied_by", "estimated_on"
    )
    latest = latest_estimates(estimates, as_of).select(*_CASE, "supplied_by", "estimated_on")
    return conform_to(
        imported.join(latest, on=_CASE, how="inner", validate="1:1", nulls_equal=True)
        .filter(pl.col("supplied_by").is_not_null())
        .join(_our_sales(facts, sales, window), on=_CASE, how="left", validate="1:1", nulls_equal=True)
        .join(_joint_work(facts, imported, as_of), on=_CASE, how="left", validate="1:1", nulls_equal=True)
        .with_columns(pl.col("net_sales_12m").fill_null(0))
        .with_columns(
            substitution_stage(),
            period=pl.lit(window.period),
            as_of=pl.lit(as_of),
            demand_12m=pl.col("demand"),
            imported_since=pl.col("first_estimated_on"),
        ),
        IMPORT_CASE,
    ).sort(_CASE)


def substitution_stage() -> pl.Expr:
    """How far an import is replaced: open, in_work, started, substituted or lost.

    Who supplies by the latest estimate goes first: we do (substituted), or a competitor at home (lost). What is still
    imported has started if it is bought from us as well, and is in work if there was joint work. Never null.
    """
    return (
        pl.when(pl.col("supplied_by") == "us")
        .then(pl.lit("substituted"))
        .when(pl.col("supplied_by") == "domestic")
        .then(pl.lit("lost"))
        .when(pl.col("net_sales_12m") > 0)
        .then(pl.lit("started"))
        .when(pl.col("joint_work_12m") > 0)
        .then(pl.lit("in_work"))
        .otherwise(pl.lit("open"))
        .alias("stage")
    )


def latest_estimates(estimates: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Take the latest of the estimates made by `as_of`. Grain: company × customer × product group.

    `demand`: its money, else its goods at what the customer pays today; null where neither is known. `first_estimated_on`:
    when the first of them was made.
    """
    latest_last = ["estimated_on", "period_start", "estimate_version"]
    goods = div_half_even(
        to_scaled_int("quantity", QUANTITY_PLACES) * to_scaled_int("current_price", MONEY_PLACES),
        int128(10**QUANTITY_PLACES),
    )
    said = ("amount", "quantity", "unit", "current_price", "supplied_by", "estimated_on")
    return (
        estimates.filter(pl.col("estimated_on") <= as_of)
        .group_by(_CASE)
        .agg(
            pl.col(said).sort_by(latest_last).last(),
            first_estimated_on=pl.col("estimated_on").min(),
        )
        .with_columns(demand=pl.coalesce(pl.col("amount").cast(MONEY_SUM), from_scaled_int(goods, MONEY_SUM)))
    )


def _our_sales(facts: Facts, sales: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Sum our sales of the 12 months by product group, and of all groups under null. Grain: company × customer × group."""
    sold = require_columns(sales, _SOLD).filter(window.holds("month"))
    whole = sold.with_columns(product_group=pl.lit(None, dtype=pl.String))
    if facts.products is None:
        parts = [whole]
    else:
        groups = facts.products.select("company_code", "product_id", product_group="category")
        of_group = sold.join(groups, on=["company_code", "product_id"], how="inner", validate="m:1")
        parts = [whole, of_group.filter(pl.col("product_group").is_not_null())]
    return (
        pl.concat([part.select(*_CASE, "net_sales") for part in parts])
        .group_by(_CASE)
        .agg(net_sales_12m=from_scaled_int(to_scaled_int("net_sales").sum(), MONEY_SUM))
    )


def _joint_work(facts: Facts, cases: pl.LazyFrame, as_of: date) -> pl.LazyFrame:
    """Count the joint work of the 12 months to `as_of` on each case, and on none in particular. Grain: case."""
    if facts.interactions is None:
        unknown = {"joint_work_12m": pl.lit(None, pl.Int32), "last_joint_work_on": pl.lit(None, pl.Date)}
        return cases.select(_CASE).with_columns(**unknown)
    day = pl.col("occurred_at").dt.date()
    work = facts.interactions.filter(
        pl.col("kind").is_in(JOINT_WORK), day > months_before(as_of, YEAR), day <= as_of
    ).select(*KEY, worked_on=day, about="product_group")
    is_on_it = pl.col("about").is_null() | (pl.col("about") == pl.col("product_group"))
    is_on_it = is_on_it.fill_null(value=True)  # all products together
    counts = pl.col("worked_on").filter(pl.col("worked_on").is_not_null(), is_on_it)
    return (
        cases.select(_CASE)
        .join(work, on=KEY, how="left")
        .group_by(_CASE)
        .agg(joint_work_12m=counts.len().cast(pl.Int32), last_joint_work_on=counts.max())
    )
