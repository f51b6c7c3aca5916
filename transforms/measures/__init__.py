"""The seven measures, one file each; grain everywhere: company × customer at the end of a closed month.

Adding a customer changes no other customer's measures, apart from those that are relative by their nature and enter
no score unless the policy says so: abc_class, steadiness_seasonal, p_alive, headroom by peers, history_truncated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames import columns_of, ending_at, needing
from transforms.measures.contribution import measure_contribution
from transforms.measures.customers import rated_customers
from transforms.measures.feedback import measure_feedback
from transforms.measures.influence import measure_influence
from transforms.measures.loyalty import measure_loyalty
from transforms.measures.potential import estimated_demand, measure_potential
from transforms.measures.steadiness import measure_steadiness
from transforms.measures.volume import measure_volume
from transforms.measures.window import KEY, Window
from transforms.schemas import CUSTOMER_MONTH, CUSTOMER_VALUE_HISTORY

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts import Facts
    from transforms.policy import Policy

_HISTORY_COLUMNS = CUSTOMER_VALUE_HISTORY.names()
MEASURED: Final = columns_of(
    CUSTOMER_VALUE_HISTORY,
    (
        *KEY,
        *_HISTORY_COLUMNS[_HISTORY_COLUMNS.index("master_missing") : _HISTORY_COLUMNS.index("volume_score")],
    ),
)
"""The columns of `measure_customers`: the key, and the rating history's from master_missing to sales_trend."""


def measure_customers(facts: Facts, policy: Policy, closed_through: date) -> pl.LazyFrame:
    """Measure every customer rated in the month that ends with `closed_through`. Columns `MEASURED`, sorted by key.

    Rated is who ordered by then, or whose master was known by then. Every measure uses what happened up to
    closed_through; what is not assessed is null and has its reason beside it. Raises ValueError where closed_through
    is not the last day of a month.
    """
    window = Window(closed_through)
    months = needing(facts.customer_month, CUSTOMER_MONTH).filter(pl.col("month") <= window.period)
    customers = rated_customers(facts, window)
    volume = measure_volume(customers, months, window)
    demand = estimated_demand(facts, window)
    measured = customers
    for measure in (
        volume,
        measure_steadiness(customers, months, window, policy.steadiness),
        measure_contribution(customers, months, facts, window, policy.contribution),
        measure_loyalty(customers, volume, demand, facts, window, policy.loyalty),
        measure_feedback(customers, facts, window, policy.feedback),
        measure_influence(customers, facts, window),
        measure_potential(customers, volume, demand, facts, policy.potential),
    ):
        measured = measured.join(measure, on=KEY, how="left", validate="1:1")
    return ending_at(measured, MEASURED).sort(KEY)
