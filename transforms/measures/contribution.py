"""Profit contribution: what is left of a customer's net sales after everything that can be charged to it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.credit.write_offs import written_off
from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import (
    MONEY_SUM,
    RATIO_PLACES,
    WIDE_RATIO,
    div_half_even,
    from_scaled_int,
    int128,
    ratio,
    scaled_int_of,
    sum_or_null,
    to_scaled_int,
)
from transforms.frames.schemas import INTERACTIONS, PAYMENT_ALLOCATIONS, RECEIVABLES
from transforms.measures.cost_estimate import estimate_costs
from transforms.measures.orders import rebilled
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from polars.expr.whenthen import ChainedThen, Then

    from transforms.facts.model import Facts
    from transforms.measures.window import Window
    from transforms.policy.model import ContributionRule, Policy, ServiceCost

DAYS_IN_YEAR: Final = 365

_INTERACTION = columns_of(INTERACTIONS, (*KEY, "occurred_at", "kind"))
_ITEM = columns_of(
    RECEIVABLES,
    (*KEY, "item_id", "posting_date", "original_amount", "original_amount_company", "cleared_date"),
)
_ALLOCATION = columns_of(PAYMENT_ALLOCATIONS, ("company_code", "item_id", "allocated_on", "amount"))


def measure_contribution(
    customers: pl.LazyFrame,
    months: pl.LazyFrame,
    facts: Facts,
    sales: pl.LazyFrame | None,
    window: Window,
    policy: Policy,
) -> pl.LazyFrame:
    """Take cost off the year's net sales. Grain: company × customer of `customers`.

    `contribution_12m` (signed, company currency) = net sales − cost of goods − freight − rebates − service cost −
    carrying cost of receivables − what of them was written off. What was not delivered is left out; `contribution_basis` names what went in. Null
    with `contribution_reason` no_sales (no line in the year) or no_cost (`cost_coverage`, the share of Σ|net| of goods that
    has a cost, is below the policy's floor; a line without cost would count as pure profit). What goods without a cost
    cost is estimated (`estimate_costs`, from `sales`): `cost_estimated_share` of Σ|net| of goods, `cost_estimated_12m`.
    `margin_12m` = contribution ÷ net sales; null where net sales ≤ 0 too. `loss_component` names the component that turns
    a contribution negative. `return_rate_12m`, `price_credit_rate_12m`: what notes with and without goods credited ÷ what was
    invoiced, without what was credited and billed anew; `returns_warned` from the policy's rate on, if material.
    Source: docs/figures.md, Contribution.
    """
    rule = policy.contribution
    goods = (
        months.filter(window.holds("month"))
        .group_by(KEY)
        .agg(
            pl.col("net_sales").sum(),
            pl.col("invoiced").sum(),
            pl.col("returns").sum(),
            pl.col("price_credits").sum(),
            pl.col("gross_amount").sum(),
            pl.col("gross_amount_with_cost").sum(),
            sum_or_null(pl.col("cost")),
            sum_or_null(pl.col("freight")),
            sum_or_null(pl.col("rebates")),
        )
        .with_columns(
            cost_coverage=ratio(
                to_scaled_int("gross_amount_with_cost"), to_scaled_int("gross_amount"), WIDE_RATIO
            ),
        )
    )
    parts = customers.select(KEY).join(goods, on=KEY, how="left", validate="1:1")
    for part in (
        estimate_costs(sales, window),
        _rebilled(facts, window),
        _service_cost(facts, window, rule.service_cost),
        _carrying_cost(facts, window, rule),
        written_off(customers, facts, policy.credit, window.first_day, window.closed_through),
    ):
        parts = parts.join(part, on=KEY, how="left", validate="1:1")
    # delivered, but nothing for this customer: the component is known, and 0
    delivered = {"service": facts.interactions is not None, "carrying": facts.receivables is not None}
    parts = parts.with_columns(pl.col(name).fill_null(0) for name, is_there in delivered.items() if is_there)
    is_assessed = pl.col("contribution_reason").is_null()
    return (
        parts.with_columns(contribution_reason=_reason(rule))
        .with_columns(cost_estimated_12m=pl.when(is_assessed).then(pl.col("cost_estimated_12m").fill_null(0)))
        .with_columns(
            contribution_12m=pl.when(is_assessed).then(_net_of_cost()),
            contribution_basis=pl.when(is_assessed).then(_basis()),
            cost_estimated_share=pl.when(is_assessed).then(
                ratio(pl.col("gross_estimated").fill_null(0), to_scaled_int("gross_amount"))
            ),
            **_rates(),
        )
        .with_columns(
            margin_12m=ratio(to_scaled_int("contribution_12m"), to_scaled_int("net_sales"), WIDE_RATIO),
            loss_component=_loss_component(),
            returns_warned=_returns_are_warned_of(policy),
        )
        .select(
            *KEY,
            "contribution_12m",
            "contribution_reason",
            "contribution_basis",
            "loss_component",
            "cost_coverage",
            "cost_estimated_share",
            "cost_estimated_12m",
            "margin_12m",
            "return_rate_12m",
            "price_credit_rate_12m",
            "returns_warned",
        )
    )


_COMPONENTS: Final = ("cost", "freight", "rebates", "service", "carrying", "write_offs")


def _reason(rule: ContributionRule) -> pl.Expr:
    """Coverage exactly at the floor is enough; with Σ|net| of 0 (only free goods) any cost is all the cost."""
    has_cost = (pl.col("gross_amount_with_cost") > 0) | (pl.col("cost") != 0)
    is_covered = pl.when(pl.col("gross_amount") > 0).then(
        pl.col("cost_coverage") >= pl.lit(rule.cost_coverage_floor)
    )
    return (
        pl.when(pl.col("net_sales").is_null())
        .then(pl.lit("no_sales"))
        .when(~(has_cost & is_covered.fill_null(value=True)).fill_null(value=False))
        .then(pl.lit("no_cost"))
    )


def _net_of_cost() -> pl.Expr:
    charged = pl.col("cost_estimated_12m")
    for component in _COMPONENTS:
        charged += pl.col(component).fill_null(0)
    return pl.col("net_sales") - charged


def _loss_component() -> pl.Expr:
    """Name the first component below which nothing is left, in the order of `LOSS_COMPONENTS`; null without a loss.

    Price credits are taken off on their own, behind the cost of the goods they were granted for.
    """
    left = to_scaled_int("net_sales") - to_scaled_int("price_credits")
    named: Then | ChainedThen = pl.when(left < 0).then(pl.lit("returns"))
    taken = {
        "cost": to_scaled_int("cost").fill_null(0) + to_scaled_int("cost_estimated_12m"),
        "price_credits": to_scaled_int("price_credits") * -1,
        **{name: to_scaled_int(name).fill_null(0) for name in _COMPONENTS[1:]},
    }
    for component, amount in taken.items():
        left -= amount
        named = named.when(left < 0).then(pl.lit(component))
    return pl.when(pl.col("contribution_12m") < 0).then(named)


def _rates() -> dict[str, pl.Expr]:
    """Rates of returned goods and of price credits; never below 0, and null where nothing stays invoiced."""
    rebilled = pl.col("rebilled").fill_null(0)
    invoiced = to_scaled_int("invoiced") - rebilled
    returned = to_scaled_int("price_credits") - to_scaled_int("returns") - rebilled
    nothing = int128(0)
    return {
        "returned": returned,
        "return_rate_12m": ratio(returned.clip(lower_bound=nothing), invoiced, WIDE_RATIO),
        "price_credit_rate_12m": ratio(
            (to_scaled_int("price_credits") * -1).clip(lower_bound=nothing), invoiced, WIDE_RATIO
        ),
    }


def _returns_are_warned_of(policy: Policy) -> pl.Expr:
    """From the policy's rate on, and from an amount that is material in itself and to what was invoiced."""
    is_high = pl.col("return_rate_12m") >= pl.lit(policy.contribution.return_rate_from)
    share = scaled_int_of(policy.credit.material_share, RATIO_PLACES)
    is_material = (pl.col("returned") >= int128(scaled_int_of(policy.credit.material_amount))) & (
        pl.col("returned") * 10**RATIO_PLACES >= to_scaled_int("invoiced") * int128(share)
    )
    return is_high & is_material


def _rebilled(facts: Facts, window: Window) -> pl.LazyFrame:
    """What was credited in full and billed anew. Grain: company × customer with such an order in the year; units."""
    return (
        rebilled(facts, window)
        .filter(window.holds("credited_on"))
        .group_by(KEY)
        .agg(rebilled=pl.col("credited").sum())
    )


def _basis() -> pl.Expr:
    """Name what went in; cost stands for what is known and what is estimated."""
    present = (pl.when(pl.col(name).is_not_null()).then(pl.lit(name)) for name in _COMPONENTS)
    return pl.concat_str(pl.lit("net_sales"), *present, separator=", ", ignore_nulls=True)


def _service_cost(facts: Facts, window: Window, unit_cost: ServiceCost) -> pl.LazyFrame:
    """Σ interactions of the year × the policy's cost of their kind. Grain: customer with an interaction."""
    if facts.interactions is None:
        return _not_delivered("service")
    costs = unit_cost.model_dump()
    kinds, amounts = list(costs), [scaled_int_of(amount) for amount in costs.values()]
    cost = pl.col("kind").replace_strict(kinds, amounts, return_dtype=pl.Int64).cast(pl.Int128)
    return (
        require_columns(facts.interactions, _INTERACTION)
        .filter(window.holds(pl.col("occurred_at").dt.date()))
        .group_by(KEY)
        .agg(service=from_scaled_int(cost.sum(), MONEY_SUM))
    )


def _carrying_cost(facts: Facts, window: Window, rule: ContributionRule) -> pl.LazyFrame:
    """Σ open balance at the end of each day of the year × yearly rate ÷ 365. Grain: customer with a receivable.

    An item is open from its posting date to the day before it is cleared, less what was allocated to it by then;
    so its days are counted instead of adding up 365 balances. Credits lower the cost.
    """
    if facts.receivables is None:
        return _not_delivered("carrying")
    end = pl.lit(window.closed_through + timedelta(days=1))
    items = require_columns(facts.receivables, _ITEM).with_columns(
        closed=pl.min_horizontal(pl.col("cleared_date"), end),
        opened=pl.max_horizontal(pl.col("posting_date"), pl.lit(window.first_day)),
    )
    open_days = items.select(
        *KEY, (to_scaled_int("original_amount_company") * _days("opened")).alias("amount_days")
    )
    if facts.payment_allocations is not None:
        settled = (
            require_columns(facts.payment_allocations, _ALLOCATION)
            .join(items, on=["company_code", "item_id"], how="inner", validate="m:1")
            .with_columns(opened=pl.max_horizontal("opened", "allocated_on"))
            .select(*KEY, (_settled_in_company_currency() * _days("opened") * -1).alias("amount_days"))
        )
        open_days = pl.concat([open_days, settled])
    rate = scaled_int_of(rule.carrying_rate_yearly, RATIO_PLACES)
    cost = div_half_even(pl.col("amount_days") * int128(rate), int128(DAYS_IN_YEAR * 10**RATIO_PLACES))
    return (
        open_days.group_by(KEY)
        .agg(pl.col("amount_days").sum())
        .select(*KEY, from_scaled_int(cost, MONEY_SUM).alias("carrying"))
    )


def _days(opened: str) -> pl.Expr:
    """Count the days from `opened` to the day before `closed`; never below 0."""
    return pl.max_horizontal((pl.col("closed") - pl.col(opened)).dt.total_days(), pl.lit(0)).cast(pl.Int128)


def _settled_in_company_currency() -> pl.Expr:
    """Convert what was allocated, which is in the item's currency, at the item's own rate."""
    sign = pl.col("original_amount").sign().cast(pl.Int128)
    company = to_scaled_int("original_amount_company") * sign
    converted = div_half_even(to_scaled_int("amount") * company, to_scaled_int("original_amount") * sign)
    return converted.fill_null(0)


def _not_delivered(component: str) -> pl.LazyFrame:
    strings = dict.fromkeys(KEY, pl.String())
    return pl.LazyFrame(schema={**strings, component: MONEY_SUM})
