"""Profit contribution: what is left of a customer's net sales after everything that can be charged to it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.exact import (
    MONEY_SUM,
    RATIO_PLACES,
    WIDE_RATIO,
    divide,
    from_units,
    ratio,
    sum_or_null,
    units,
    units_of,
    whole,
)
from transforms.frames import columns_of, needing
from transforms.measures.window import KEY
from transforms.schemas import INTERACTIONS, PAYMENT_ALLOCATIONS, RECEIVABLES

if TYPE_CHECKING:
    from transforms.facts import Facts
    from transforms.measures.window import Window
    from transforms.policy import ContributionRule, ServiceCost

DAYS_IN_YEAR: Final = 365

_INTERACTION = columns_of(INTERACTIONS, (*KEY, "occurred_at", "kind"))
_ITEM = columns_of(
    RECEIVABLES,
    (*KEY, "item_id", "posting_date", "original_amount", "original_amount_company", "cleared_date"),
)
_ALLOCATION = columns_of(PAYMENT_ALLOCATIONS, ("company_code", "item_id", "allocated_on", "amount"))


def measure_contribution(
    customers: pl.LazyFrame, months: pl.LazyFrame, facts: Facts, window: Window, rule: ContributionRule
) -> pl.LazyFrame:
    """Take cost off the year's net sales. Grain: company × customer of `customers`.

    `contribution_12m` (signed, company currency) = net sales − cost of goods − freight − rebates − service cost −
    carrying cost of receivables. What was not delivered is left out; `contribution_basis` names what went in. Null
    with `contribution_reason` no_sales (no line in the year) or no_cost (`cost_coverage`, the share of Σ|net| that
    has a cost, is below the policy's floor; a line without cost would count as pure profit). `margin_12m` =
    contribution ÷ net sales; null where net sales ≤ 0 too.
    """
    goods = (
        months.filter(window.holds("month"))
        .group_by(KEY)
        .agg(
            pl.col("net_sales").sum(),
            pl.col("gross_amount").sum(),
            pl.col("gross_amount_with_cost").sum(),
            sum_or_null(pl.col("cost")),
            sum_or_null(pl.col("freight")),
            sum_or_null(pl.col("rebates")),
        )
        .with_columns(
            cost_coverage=ratio(units("gross_amount_with_cost"), units("gross_amount"), WIDE_RATIO),
        )
    )
    parts = customers.select(KEY).join(goods, on=KEY, how="left", validate="1:1")
    for cost in (_service_cost(facts, window, rule.service_cost), _carrying_cost(facts, window, rule)):
        parts = parts.join(cost, on=KEY, how="left", validate="1:1")
    # delivered, but nothing for this customer: the component is known, and 0
    delivered = {"service": facts.interactions is not None, "carrying": facts.receivables is not None}
    parts = parts.with_columns(pl.col(name).fill_null(0) for name, is_there in delivered.items() if is_there)
    return (
        parts.with_columns(contribution_reason=_reason(rule))
        .with_columns(
            contribution_12m=pl.when(pl.col("contribution_reason").is_null()).then(_net_of_cost()),
            contribution_basis=pl.when(pl.col("contribution_reason").is_null()).then(_basis()),
        )
        .with_columns(
            margin_12m=ratio(units("contribution_12m"), units("net_sales"), WIDE_RATIO),
        )
        .select(
            *KEY,
            "contribution_12m",
            "contribution_reason",
            "contribution_basis",
            "cost_coverage",
            "margin_12m",
        )
    )


_COMPONENTS: Final = ("cost", "freight", "rebates", "service", "carrying")


def _reason(rule: ContributionRule) -> pl.Expr:
    """Coverage exactly at the floor is enough; with Σ|net| of 0 (only free goods) any cost is all the cost."""
    has_cost = pl.col("cost").is_not_null()
    is_covered = pl.when(pl.col("gross_amount") > 0).then(
        pl.col("cost_coverage") >= pl.lit(rule.cost_coverage_floor)
    )
    return (
        pl.when(pl.col("net_sales").is_null())
        .then(pl.lit("no_sales"))
        .when(~(has_cost & is_covered.fill_null(value=True)))
        .then(pl.lit("no_cost"))
    )


def _net_of_cost() -> pl.Expr:
    charged = pl.lit(0, MONEY_SUM)
    for component in _COMPONENTS:
        charged += pl.col(component).fill_null(0)
    return pl.col("net_sales") - charged


def _basis() -> pl.Expr:
    present = (pl.when(pl.col(name).is_not_null()).then(pl.lit(name)) for name in _COMPONENTS)
    return pl.concat_str(pl.lit("net_sales"), *present, separator=", ", ignore_nulls=True)


def _service_cost(facts: Facts, window: Window, unit_cost: ServiceCost) -> pl.LazyFrame:
    """Σ interactions of the year × the policy's cost of their kind. Grain: customer with an interaction."""
    if facts.interactions is None:
        return _not_delivered("service")
    costs = unit_cost.model_dump()
    kinds, amounts = list(costs), [units_of(amount) for amount in costs.values()]
    cost = pl.col("kind").replace_strict(kinds, amounts, return_dtype=pl.Int64).cast(pl.Int128)
    return (
        needing(facts.interactions, _INTERACTION)
        .filter(window.holds(pl.col("occurred_at").dt.date()))
        .group_by(KEY)
        .agg(service=from_units(cost.sum(), MONEY_SUM))
    )


def _carrying_cost(facts: Facts, window: Window, rule: ContributionRule) -> pl.LazyFrame:
    """Σ open balance at the end of each day of the year × yearly rate ÷ 365. Grain: customer with a receivable.

    An item is open from its posting date to the day before it is cleared, less what was allocated to it by then;
    so its days are counted instead of adding up 365 balances. Credits lower the cost.
    """
    if facts.receivables is None:
        return _not_delivered("carrying")
    end = pl.lit(window.closed_through + timedelta(days=1))
    items = needing(facts.receivables, _ITEM).with_columns(
        closed=pl.min_horizontal(pl.col("cleared_date"), end),
        opened=pl.max_horizontal(pl.col("posting_date"), pl.lit(window.first_day)),
    )
    open_days = items.select(*KEY, (units("original_amount_company") * _days("opened")).alias("amount_days"))
    if facts.payment_allocations is not None:
        settled = (
            needing(facts.payment_allocations, _ALLOCATION)
            .join(items, on=["company_code", "item_id"], how="inner", validate="m:1")
            .with_columns(opened=pl.max_horizontal("opened", "allocated_on"))
            .select(*KEY, (_settled_in_company_currency() * _days("opened") * -1).alias("amount_days"))
        )
        open_days = pl.concat([open_days, settled])
    rate = units_of(rule.carrying_rate_yearly, RATIO_PLACES)
    cost = divide(pl.col("amount_days") * whole(rate), whole(DAYS_IN_YEAR * 10**RATIO_PLACES))
    return (
        open_days.group_by(KEY)
        .agg(pl.col("amount_days").sum())
        .select(*KEY, from_units(cost, MONEY_SUM).alias("carrying"))
    )


def _days(opened: str) -> pl.Expr:
    """Count the days from `opened` to the day before `closed`; never below 0."""
    return pl.max_horizontal((pl.col("closed") - pl.col(opened)).dt.total_days(), pl.lit(0)).cast(pl.Int128)


def _settled_in_company_currency() -> pl.Expr:
    """Convert what was allocated, which is in the item's currency, at the item's own rate."""
    sign = pl.col("original_amount").sign().cast(pl.Int128)
    company = units("original_amount_company") * sign
    converted = divide(units("amount") * company, units("original_amount") * sign)
    return converted.fill_null(0)


def _not_delivered(component: str) -> pl.LazyFrame:
    strings = dict.fromkeys(KEY, pl.String())
    return pl.LazyFrame(schema={**strings, component: MONEY_SUM})
