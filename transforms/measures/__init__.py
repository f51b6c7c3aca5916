"""The seven measures, one file each; grain everywhere: company × customer at the end of a closed month.

Adding a customer changes no other customer's measures, apart from those that are relative by their nature and enter
no score unless the policy says so: abc_class, steadiness_seasonal, p_alive, headroom by peers, history_truncated. Where
the books name no cost, a product may be taken to cost what it cost in other customers' lines (`cost_estimate`); and feedback is
asked of nobody until enough customers give it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of, conform_to, require_columns
from transforms.frames.schemas import CUSTOMER_MONTH, CUSTOMER_VALUE_HISTORY
from transforms.measures.customers import rated_customers
from transforms.measures.descriptor import MEASURES, Measure, MeasureInput
from transforms.measures.orders import order_history
from transforms.measures.pace import PACE, measure_pace
from transforms.measures.potential import estimated_demand
from transforms.measures.volume import measure_volume
from transforms.measures.window import KEY, Window

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.model import Policy

# What is said of a rated customer beside its measures.
_OF_CUSTOMERS: Final = (
    "master_missing",
    "history_truncated",
    "months_of_history",
    "first_order_on",
    "last_order_on",
    *PACE,
)


def measured_columns(
    measures: Iterable[Measure] = MEASURES, history: pl.Schema = CUSTOMER_VALUE_HISTORY
) -> pl.Schema:
    """The columns of `measure_customers`: the key, and those of the rating history that are measured, in its order."""
    names = {*KEY, *_OF_CUSTOMERS, *(name for measure in measures for name in measure.columns)}
    return columns_of(history, sorted(names, key=history.names().index))


MEASURED: Final = measured_columns()


def measure_customers(
    facts: Facts,
    policy: Policy,
    closed_through: date,
    sales: pl.LazyFrame | None = None,
    *,
    measures: Iterable[Measure] = MEASURES,
    history: pl.Schema = CUSTOMER_VALUE_HISTORY,
) -> pl.LazyFrame:
    """Measure every customer rated in the month that ends with `closed_through`. Columns `MEASURED`, sorted by key.

    Rated is who was billed by then, or whose master was known by then. Every measure uses what happened up to
    closed_through; what is not assessed is null and has its reason beside it. `sales` are SALES_CELL rows of the 24 months,
    None where they are not kept: then no cost is estimated, and no change is split into price and quantity. `measures`, and a `history` that has their
    columns, may be others than the ones rated by. Raises ValueError where closed_through is not the last day of a month.
    """
    window = Window(closed_through)
    months = require_columns(facts.customer_month, CUSTOMER_MONTH).filter(pl.col("month") <= window.period)
    # What is read several times over by what follows is computed once.
    orders = order_history(facts, window).collect().lazy()
    customers = rated_customers(facts, months, orders, window).collect().lazy()
    volume = measure_volume(customers, months, window).collect().lazy()
    given = MeasureInput(
        facts, policy, window, customers, months, volume, estimated_demand(facts, window), orders, sales
    )
    measured = customers
    for measure in measures:
        measured = measured.join(measure.take(given), on=KEY, how="left", validate="1:1")
    # The pace is told from what was measured, several times over.
    measured = measured.collect().lazy()
    pace = measure_pace(measured, months, orders, sales, window, policy.decline)
    paced = measured.join(pace, on=KEY, how="left", validate="1:1")
    return conform_to(paced, measured_columns(measures, history)).sort(KEY)
