"""What one customer's rating would be had the year gone otherwise: more or less bought, another price, other terms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.facts.as_of import AsOfFacts
from transforms.frames.fixed_point import (
    MONEY_PLACES,
    QUANTITY_PLACES,
    div_half_even,
    from_scaled_int,
    int128,
    scaled_int_of,
    to_scaled_int,
)

if TYPE_CHECKING:
    from transforms.facts.model import Facts
    from transforms.measures.window import Window

_FACTOR_PLACES: Final = 8
"""Of a factor: two shares of at most four places each, multiplied."""

_PRICED: Final = frozenset(
    {
        "net_sales",
        "invoiced",
        "returns",
        "price_credits",
        "gross_amount",
        "gross_amount_with_cost",
        "invoiced_net_sales",
        "costed_net_sales",
        "uncosted_net_sales",
        "uncosted_gross",
        "unmeasured_net_sales",
        "credited_net_sales",
    }
)
"""What a price moves: amounts at which goods were billed or credited."""
_COSTS: Final = frozenset({"cost", "freight", "rebates", "covered_cost", "costed_cost"})
"""What else comes with more goods, in money."""
_QUANTITIES: Final = frozenset({"quantity", "invoiced_quantity", "covered_quantity", "uncosted_quantity"})


@dataclass(frozen=True, slots=True)
class Supposition:
    """What is supposed of a customer's 12 months.

    `sales`: what more is bought at the same prices, as a share of what was (-0.1: a tenth less); `price`: what is asked more
    for the same goods, with no quantity lost; both of at most four decimal places. `terms`: days after posting on which items are
    due, None: as they are. ValueError where nothing would be left, a share is finer, or terms are below 0.
    """

    sales: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    terms: int | None = None

    def __post_init__(self) -> None:
        if min(self.sales, self.price) <= -1:
            raise ValueError("a fall of 100 % or more leaves nothing to rate")
        if self.terms is not None and self.terms < 0:
            raise ValueError("terms of payment are 0 days or more")
        for share in (self.sales, self.price):
            scaled_int_of(share, _FACTOR_PLACES // 2)


def suppose(known: AsOfFacts, customer_id: str, window: Window, supposed: Supposition) -> AsOfFacts:
    """Put the customer's facts as they would be. Grains and rows as in `known`; of everybody else nothing changes.

    Sales scale quantity, net amount, cost, freight and rebates of the 12 months; a price the net amounts alone, of all that was
    billed and credited. Terms move the days on which items were settled, so that each is open for the terms and the customer's own
    days late; what is not settled yet stays open. That is what carrying receivables costs, and no more: credit is to be
    judged by the facts as they are, and what is owed is not scaled. Amounts are rounded once, half to even.
    """
    facts = known.facts
    scaled = replace(
        facts,
        customer_month=_scaled(facts.customer_month, "month", customer_id, window, supposed),
        order_day=_scaled(facts.order_day, "order_on", customer_id, window, supposed),
    )
    sales = _scaled(known.sales, "month", customer_id, window, supposed)
    return AsOfFacts(_on_terms(scaled, customer_id, supposed.terms), sales)


def _scaled(
    rows: pl.LazyFrame, day: str, customer_id: str, window: Window, supposed: Supposition
) -> pl.LazyFrame:
    is_meant = (pl.col("customer_id") == customer_id) & window.holds(day)
    bought, price = 1 + supposed.sales, 1 + supposed.price
    schema = rows.collect_schema()
    scaled = {
        **{name: _times(name, bought * price) for name in schema if name in _PRICED},
        **{name: _times(name, bought) for name in schema if name in _COSTS},
        **{name: _times(name, bought, QUANTITY_PLACES) for name in schema if name in _QUANTITIES},
    }
    if "contribution" in schema:
        asked_more = _times("net_sales", bought * price) - _times("net_sales", bought)
        scaled["contribution"] = _times("contribution", bought) + asked_more
    return rows.with_columns(
        pl.when(is_meant).then(value.cast(schema[name])).otherwise(name).alias(name)
        for name, value in scaled.items()
    )


def _times(name: str, factor: Decimal, places: int = MONEY_PLACES) -> pl.Expr:
    units = to_scaled_int(name, places) * int128(scaled_int_of(factor, _FACTOR_PLACES))
    product = div_half_even(units, int128(10**_FACTOR_PLACES))
    return from_scaled_int(product, pl.Decimal(38, places))


def _on_terms(facts: Facts, customer_id: str, terms: int | None) -> Facts:
    if terms is None or facts.receivables is None:
        return facts
    is_meant = (pl.col("customer_id") == customer_id) & (pl.col("original_amount") > 0)
    days = terms - (pl.col("due_date") - pl.col("posting_date")).dt.total_days()
    items = facts.receivables.with_columns(later=pl.duration(days=pl.when(is_meant).then(days).otherwise(0)))
    allocations = facts.payment_allocations
    if allocations is not None:
        item = ["company_code", "item_id"]
        of_items = items.select(*item, "later")
        allocations = (
            allocations.join(of_items, on=item, how="left", validate="m:1")
            .with_columns(pl.col("allocated_on") + pl.col("later").fill_null(pl.duration(days=0)))
            .drop("later")
        )
    moved = items.with_columns(pl.col("cleared_date") + pl.col("later")).drop("later")
    return replace(facts, receivables=moved, payment_allocations=allocations)
