"""Master records and the months in which they change, and so are delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from flows.demo.catalogue import PRODUCTS

if TYPE_CHECKING:
    from flows.demo.calendar import Calendar
    from flows.demo.catalogue import Catalogue
    from flows.demo.company import Population

IDLE_MONTHS = 6  # without an order, after which a customer is set inactive
LIMIT_CHANGE = 0.3  # smaller changes are not worth a new limit
SMALLEST_LIMIT = 1_000
DAYS_BEYOND_TERMS = 20  # what a limit leaves room for
HEADROOM = 1.8
BUSY = 0.85  # of the busiest month of the year, for that may be an exception
TAX = 1.19


def customer_versions(people: Population, calendar: Calendar) -> pl.DataFrame:
    """One row a customer and month of change: when created, and in January where its review changes something.

    The review sets a new limit, and inactive whoever has not bought for half a year. Columns customer, month,
    credit_limit (currency units; null: none set), inactive.
    """
    frames = []
    limit = np.zeros(len(people), dtype=np.int64)
    inactive = np.zeros(len(people), dtype=bool)
    created = np.maximum(calendar.index_of(people.created_on), 0)
    last_active = np.where(people.active, np.arange(calendar.months), 0).max(axis=1)
    for month in range(calendar.months):
        wanted = _limits(people, calendar, int(calendar.year_number[month]))
        moved = (np.abs(wanted - limit) > LIMIT_CHANGE * limit) & people.has_limit
        idle = last_active + IDLE_MONTHS <= month
        reviewed = (created < month) & (moved | (idle & ~inactive)) & (calendar.month_of_year[month] == 0)
        delivered = (created == month) | reviewed
        limit = np.where(delivered, wanted, limit)
        inactive |= reviewed & idle
        changed = np.flatnonzero(delivered)
        frames.append(
            pl.DataFrame(
                {
                    "customer": changed,
                    "month": np.full(len(changed), month),
                    "credit_limit": limit[changed],
                    "has_limit": people.has_limit[changed],
                    "inactive": inactive[changed],
                }
            )
        )
    limits = pl.when("has_limit").then("credit_limit").alias("credit_limit")
    return pl.concat(frames).with_columns(limits).drop("has_limit")


def _limits(people: Population, calendar: Calendar, year: int) -> np.ndarray:
    """The limit that the busiest months of a year call for, or one large order; in full thousands."""
    busy = people.level[:, calendar.year_number == year].max(axis=1) * BUSY
    daily = people.size * busy * TAX / 365
    order = people.size / 12 / people.orders_per_month * np.sqrt(busy) * TAX
    need = np.maximum(daily * (people.term_days + DAYS_BEYOND_TERMS), order) * HEADROOM
    return np.maximum(np.ceil(need / 1_000).astype(np.int64) * 1_000, SMALLEST_LIMIT)


def product_versions(catalogue: Catalogue) -> pl.DataFrame:
    """One row a product and month of change: launched, or in another stage of its life.

    Columns product, month, stage, stage_from, cost_cents (standard cost of a piece, set once).
    """
    stage = catalogue.stage
    before = np.concatenate([np.full((PRODUCTS, 1), -1), stage[:, :-1]], axis=1)
    month, product = np.nonzero(((stage >= 0) & (stage != before)).T)
    return pl.DataFrame(
        {
            "product": product,
            "month": month,
            "stage": stage[product, month],
            "stage_from": catalogue.stage_from[product, month],
            "cost_cents": catalogue.cost_cents[product, 0],
        }
    )
