"""Loyalty: whether a customer keeps coming, for how long it has, and how much of its demand it gives us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.exact import RATIO, RATIO_PLACES, divide, from_units, units, units_of, whole
from transforms.frames import columns_of, needing
from transforms.measures.p_alive import estimate_p_alive
from transforms.measures.window import KEY
from transforms.schemas import CUSTOMER_MONTH, ORDER_DAY

if TYPE_CHECKING:
    from decimal import Decimal

    from transforms.facts import Facts
    from transforms.measures.window import Window
    from transforms.policy import LoyaltyRule

DAYS_IN_YEAR: Final = 36525, 100  # 365.25 days as a fraction

# Parts are carried with 12 digits and rounded to 6 once, where they are shown or have been weighted.
_FINE: Final = 10**12
_ORDER_DAY = columns_of(ORDER_DAY, (*KEY, "order_on"))
_MONTH = columns_of(CUSTOMER_MONTH, (*KEY, "month", "orders"))


def measure_loyalty(
    customers: pl.LazyFrame,
    volume: pl.LazyFrame,
    demand: pl.LazyFrame,
    facts: Facts,
    window: Window,
    rule: LoyaltyRule,
) -> pl.LazyFrame:
    """Weigh the parts of loyalty that can be assessed. Grain: company × customer of `customers`.

    `loyalty` in [0, 1] = Σ weight·part ÷ Σ weight over the parts that are not null:
    - `active_month_ratio`: months with an order ÷ N;
    - tenure: `tenure_years` to closed_through, linear up to the policy's full years;
    - `repurchase_timeliness`: days since the last order in own median gaps between order days, 1 up to the policy's
      timely_until, falling to 0 at lost_from; null with fewer than two order days;
    - `share_of_wallet`: net sales ÷ estimated demand in [0, 1]; null without an estimate above 0;
    - `p_alive`, where the policy scores it; shown too where the policy says so, else null.
    Null with `loyalty_reason` no_orders; `tenure_years` is shown all the same where the master says since when.
    """
    parts = customers.select(*KEY, "months_of_history", "first_order_on", "last_order_on", "tenure_from")
    for frame in (
        _active_months(customers, facts, window),
        _median_gaps(facts, window),
        volume.select(*KEY, "net_sales_12m"),
        demand,
        estimate_p_alive(facts, window, rule.p_alive),
    ):
        parts = parts.join(frame, on=KEY, how="left", validate="1:1")
    fine = {
        "active_months": _active_month_ratio(window),
        "tenure": _tenure_part(window, rule),
        "timeliness": _timeliness(window, rule),
        "share_of_wallet": _share_of_wallet(),
        "p_alive": units("p_alive", 12),
    }
    has_ordered = pl.col("first_order_on").is_not_null()
    return (
        parts.with_columns(**fine)
        .with_columns(loyalty=pl.when(has_ordered).then(_weighted(rule, tuple(fine))))
        .select(
            *KEY,
            "loyalty",
            pl.when(~has_ordered).then(pl.lit("no_orders")).alias("loyalty_reason"),
            _shown(pl.col("active_months")).alias("active_month_ratio"),
            _shown(_tenure_years(window)).alias("tenure_years"),
            _shown(pl.col("timeliness")).alias("repurchase_timeliness"),
            _shown(pl.col("share_of_wallet")).alias("share_of_wallet"),
            _shown(pl.col("p_alive")).alias("p_alive"),
        )
    )


def _active_months(customers: pl.LazyFrame, facts: Facts, window: Window) -> pl.LazyFrame:
    return (
        needing(facts.customer_month, _MONTH)
        .join(customers.select(*KEY, "first_order_on"), on=KEY, how="inner", validate="m:1")
        .filter(window.since_first_order("month"))
        .group_by(KEY)
        .agg(active_count=(pl.col("orders") > 0).sum().cast(pl.Int128))
    )


def _median_gaps(facts: Facts, window: Window) -> pl.LazyFrame:
    """Twice the median of days between neighbouring order days, so that it is whole. Null with one order day."""
    gaps = pl.col("order_on").sort().diff().dt.total_days()
    return (
        needing(facts.order_day, _ORDER_DAY)
        .filter(pl.col("order_on") <= window.closed_through)
        .group_by(KEY)
        .agg(twice_median_gap=(gaps.median() * 2).cast(pl.Int128))
    )


def _active_month_ratio(window: Window) -> pl.Expr:
    return _fraction(pl.col("active_count").fill_null(0), window.months_counted())


def _tenure_years(window: Window) -> pl.Expr:
    """Years from `tenure_from` to closed_through; 0 where the master was opened later."""
    days = _at_least_0(
        (pl.lit(window.closed_through) - pl.col("tenure_from")).dt.total_days().cast(pl.Int128)
    )
    days_in_year, unit = DAYS_IN_YEAR
    return _fraction(days * unit, whole(days_in_year))


def _tenure_part(window: Window, rule: LoyaltyRule) -> pl.Expr:
    full = whole(units_of(rule.tenure_full_years, RATIO_PLACES))
    return _at_most_1(divide(_tenure_years(window) * 10**RATIO_PLACES, full))


def _timeliness(window: Window, rule: LoyaltyRule) -> pl.Expr:
    """(lost_from − days/gap) ÷ (lost_from − timely_until) within [0, 1], written without a fraction inside."""
    days = (pl.lit(window.closed_through) - pl.col("last_order_on")).dt.total_days().cast(pl.Int128)
    lost, timely = (units_of(bar, RATIO_PLACES) for bar in (rule.lost_from, rule.timely_until))
    gap = pl.col("twice_median_gap")
    left = gap * lost - days * 2 * 10**RATIO_PLACES
    return _at_most_1(_at_least_0(_fraction(left, gap * (lost - timely))))


def _share_of_wallet() -> pl.Expr:
    return _at_most_1(_at_least_0(_fraction(units("net_sales_12m"), units("estimated_demand_12m"))))


def _weighted(rule: LoyaltyRule, parts: tuple[str, ...]) -> pl.Expr:
    weighted, weights = whole(0), whole(0)
    for part in parts:
        weight: Decimal = getattr(rule.weights, part)
        units_of_weight = whole(units_of(weight, RATIO_PLACES))
        weighted += (pl.col(part) * units_of_weight).fill_null(0)
        weights += pl.when(pl.col(part).is_not_null()).then(units_of_weight).otherwise(whole(0))
    return from_units(divide(weighted, weights * (_FINE // 10**RATIO_PLACES)), RATIO)


def _fraction(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Divide to 12 digits; null where the denominator is not positive."""
    return divide(numerator * _FINE, denominator)


def _shown(fine: pl.Expr) -> pl.Expr:
    return from_units(divide(fine, whole(_FINE // 10**RATIO_PLACES)), RATIO)


def _at_least_0(expression: pl.Expr) -> pl.Expr:
    return expression.clip(lower_bound=whole(0))


def _at_most_1(expression: pl.Expr) -> pl.Expr:
    return expression.clip(upper_bound=whole(_FINE))
