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
LIMIT_CHANGE = 0.15  # smaller changes are not worth a new limit
SMALLEST_LIMIT = 1_000
DAYS_BEYOND_TERMS = 20  # what a limit leaves room for
HEADROOM = 1.8


def customer_versions(people: Population, calendar: Calendar) -> pl.DataFrame:
    """One row a customer and month of change: created, a new limit in January, inactive after half a year without orders.

    Columns customer, month, credit_limit (currency units; null: none set), inactive.
    """
    frames = []
    limit = np.zeros(len(people), dtype=np.int64)
    created = np.maximum(calendar.index_of(people.created_on), 0)
    months = np.arange(calendar.months)
    last_active = np.where(people.active.any(axis=1), (people.active * months).max(axis=1), 0)
    idle_from = last_active + IDLE_MONTHS
    for month in range(calendar.months):
        wanted = _limits(people, calendar, int(calendar.year_number[month]))
        review = (created < month) & (np.abs(wanted - limit) > LIMIT_CHANGE * limit) & people.has_limit
        reviewed = review & (calendar.month_of_year[month] == 0)
        changed = np.flatnonzero((created == month) | reviewed | ((idle_from == month) & (created < month)))
        limit = np.where((created == month) | reviewed, wanted, limit)
        frames.append(
            pl.DataFrame(
                {
                    "customer": changed,
                    "month": np.full(len(changed), month),
                    "credit_limit": limit[changed],
                    "has_limit": people.has_limit[changed],
                    "inactive": idle_from[changed] <= month,
                }
            )
        )
    return (
        pl.concat(frames)
        .with_columns(credit_limit=pl.when("has_limit").then("credit_limit"))
        .drop("has_limit")
    )


def _limits(people: Population, calendar: Calendar, year: int) -> np.ndarray:
    """The limit that the year's sales call for, in full thousands."""
    of_year = calendar.year_number == year
    daily = people.size * people.level[:, of_year].mean(axis=1) * 1.19 / 365
    need = daily * (people.term_days + DAYS_BEYOND_TERMS) * HEADROOM
    return np.maximum(np.ceil(need / 1_000).astype(np.int64) * 1_000, SMALLEST_LIMIT)


def product_versions(catalogue: Catalogue, calendar: Calendar) -> pl.DataFrame:
    """One row a product and month of change: launched, another stage, another standard cost in January.

    Columns product, month, stage, stage_from, cost_cents.
    """
    stage = catalogue.stage
    before = np.concatenate([np.full((PRODUCTS, 1), -1), stage[:, :-1]], axis=1)
    january = (calendar.month_of_year == 0) & (np.arange(calendar.months) > 0)
    changed = (stage >= 0) & ((stage != before) | january)
    month, product = np.nonzero(changed.T)
    return pl.DataFrame(
        {
            "product": product,
            "month": month,
            "stage": stage[product, month],
            "stage_from": catalogue.stage_from[product, month],
            "cost_cents": catalogue.cost_cents[product, calendar.year_number[month]],
        }
    )
