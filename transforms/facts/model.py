"""The facts a rating may see, one frame an extract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Facts:
    """Frames of the canonical contracts' columns, plus `company_code` and `available_on`; None where not delivered.

    Every frame holds rows that are not deleted and were known by the rating's `as_of`; `customers` and `products` hold
    all of them, as they are now, customers with `available_on` to judge by. `customer_month` and `order_day` are what
    `transforms.facts.customer_month` makes of the invoice lines, `document_references` (DOCUMENT_REFERENCES) those of them that
    belong to a document of which a line names another. None and an empty frame differ: "no such extract" against
    "nothing happened". `succession` is what `transforms.facts.succession` makes of the successions that hold on the day of a
    rating: None until it has, and where nobody is succeeded.
    """

    customers: pl.LazyFrame
    customer_month: pl.LazyFrame
    order_day: pl.LazyFrame
    products: pl.LazyFrame | None = None
    document_references: pl.LazyFrame | None = None
    receivables: pl.LazyFrame | None = None
    payments: pl.LazyFrame | None = None
    payment_allocations: pl.LazyFrame | None = None
    open_orders: pl.LazyFrame | None = None
    interactions: pl.LazyFrame | None = None
    demand_estimates: pl.LazyFrame | None = None
    customer_assessments: pl.LazyFrame | None = None
    tier_overrides: pl.LazyFrame | None = None
    territories: pl.LazyFrame | None = None
    price_floors: pl.LazyFrame | None = None
    market_observations: pl.LazyFrame | None = None
    fx_rates: pl.LazyFrame | None = None
    customer_successions: pl.LazyFrame | None = None
    succession: pl.LazyFrame | None = None
