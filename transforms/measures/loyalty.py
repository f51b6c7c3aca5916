"""Loyalty: whether a customer keeps coming, for how long it has, and how much of its demand it gives us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import (
    RATIO,
    RATIO_PLACES,
    WIDE_RATIO,
    begins,
    div_half_even,
    from_scaled_int,
    int128,
    ratio,
    scaled_int_of,
    to_scaled_int,
)
from transforms.frames.periods import DAYS_APART, MONTHS_APART, months_since
from transforms.frames.schemas import CUSTOMER_MONTH
from transforms.measures.p_alive import estimate_p_alive
from transforms.measures.season import MONTHS_TO_TELL, is_same_time_of_year, seasons
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from decimal import Decimal

    from transforms.facts.model import Facts
    from transforms.measures.window import Window
    from transforms.policy.model import LoyaltyRule

DAYS_IN_YEAR: Final = 36525, 100  # 365.25 days as a fraction
SHORTEST_GAP: Final = 10  # days: who orders every week is not late after a long weekend

# Parts are carried with 12 digits and rounded to 6 once, where they are shown or have been weighted.
_FINE: Final = 10**12
_MONTH = columns_of(CUSTOMER_MONTH, (*KEY, "month", "net_sales"))


def measure_loyalty(
    customers: pl.LazyFrame,
    volume: pl.LazyFrame,
    demand: pl.LazyFrame,
    history: pl.LazyFrame,
    facts: Facts,
    window: Window,
    rule: LoyaltyRule,
) -> pl.LazyFrame:
    """Weigh the parts of loyalty that can be assessed. Grain: company × customer of `customers`.

    `history`: rows of `order_history`. `loyalty` in [0, 1] = Σ weight·part ÷ Σ weight over the parts that are not null:
    - `active_month_ratio`: months with an order ÷ N, a month whose net sales are not above 0 not counted; for who has a
      season (`season_months`), the share of its months that was served instead;
    - tenure: `tenure_years` to closed_through, linear up to the policy's full years;
    - `repurchase_timeliness`: days since the last order in own `usual_gap_days`, 1 up to the policy's timely_until, falling to
      0 at lost_from; null with fewer than two occasions;
    - `share_of_wallet`: net sales ÷ estimated demand in [0, 1]; null without an estimate above 0;
    - `p_alive`, where the policy scores it; shown too where the policy says so, else null.
    `loyalty_basis`: season, calendar, or too_young (calendar, for less than 24 months tell no season); `season`, as
    `seasons` gives it, for who looks at its months.
    Null with `loyalty_reason` no_orders; `tenure_years` is shown all the same where the master says since when.
    Source: docs/figures.md, Loyalty.
    """
    active = _active_months(history, facts, window)
    parts = customers.select(*KEY, "months_of_history", "first_order_on", "last_order_on", "tenure_from")
    for frame in (
        _active_count(customers, active, window),
        seasons(customers, active, window),
        _gaps(history),
        volume.select(*KEY, "net_sales_12m"),
        demand,
        estimate_p_alive(facts, window, rule.p_alive),
    ):
        parts = parts.join(frame, on=KEY, how="left", validate="1:1")
    has_ordered = pl.col("first_order_on").is_not_null()
    has_season = pl.col("season_months").is_not_null()
    parts = parts.with_columns(twice_gap=_twice_usual_gap(has_season))
    fine = {
        "active_months": pl.when(has_season)
        .then(_fraction(_wide("served_months"), _wide("season_months")))
        .otherwise(_fraction(_wide("active_count").fill_null(0), window.months_counted())),
        "tenure": _tenure_part(window, rule),
        "timeliness": _timeliness(window, rule),
        "share_of_wallet": _share_of_wallet(),
        "p_alive": to_scaled_int("p_alive", 12),
    }
    return (
        parts.with_columns(**fine)
        .with_columns(loyalty=pl.when(has_ordered).then(_weighted(rule, tuple(fine))))
        .select(
            *KEY,
            "loyalty",
            pl.when(~has_ordered).then(pl.lit("no_orders")).alias("loyalty_reason"),
            pl.when(has_ordered).then(_basis(has_season)).alias("loyalty_basis"),
            "season_months",
            _shown(pl.col("active_months")).alias("active_month_ratio"),
            _shown(_tenure_years(window)).alias("tenure_years"),
            ratio(pl.col("twice_gap"), int128(2), WIDE_RATIO).alias("usual_gap_days"),
            _shown(pl.col("timeliness")).alias("repurchase_timeliness"),
            _shown(pl.col("share_of_wallet")).alias("share_of_wallet"),
            _shown(pl.col("p_alive")).alias("p_alive"),
            "season",
        )
    )


def _active_months(history: pl.LazyFrame, facts: Facts, window: Window) -> pl.LazyFrame:
    """List the months in which an occasion begins and net sales are above 0. Grain: company × customer × month.

    An occasion counts with all its orders in the month of its first day, so what was billed later is taken to that month.
    """
    began, billed = (pl.col(day).dt.month_start().alias("month") for day in ("began_on", "billed_on"))
    elsewhere = history.filter(pl.col("began_on").dt.month_start() != pl.col("billed_on").dt.month_start())
    numbers = history.group_by("customer").agg(pl.col(KEY).first())
    booked = (
        require_columns(facts.customer_month, _MONTH)
        .filter(pl.col("month") <= window.period)
        .join(numbers, on=KEY, how="inner", validate="m:1")
    )
    net = to_scaled_int("net_sales")
    sold = pl.concat(
        [
            booked.select("customer", "month", net.alias("net")),
            elsewhere.select("customer", began, net.alias("net")),
            elsewhere.select("customer", billed, (net * -1).alias("net")),
        ]
    )
    back = months_since(pl.col("month"), window.period)
    of_month = (pl.col("customer") * MONTHS_APART + back).alias("of_month")
    return (
        sold.group_by(of_month)
        .agg(pl.col("customer", "month").first(), pl.col("net").sum())
        .filter(pl.col("net") > 0)
        .join(history.select("customer", began).select(of_month).unique(), on="of_month", how="semi")
        .join(numbers, on="customer", how="inner", validate="m:1")
        .select(*KEY, "month")
    )


def _active_count(customers: pl.LazyFrame, active: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    return (
        active.join(customers.select(*KEY, "first_order_on"), on=KEY, how="inner", validate="m:1")
        .filter(window.since_first_order("month"))
        .group_by(KEY)
        .agg(active_count=pl.len())
    )


def _gaps(history: pl.LazyFrame) -> pl.LazyFrame:
    """Days from one occasion to the next. Grain: company × customer with an order.

    `twice_median`: twice their median, so that it is whole; `longest_then`: the longest that followed an occasion of the
    last one's calendar month or of one next to it. Null with one occasion, or where none of that time was followed.
    """
    days = pl.col("following").dt.total_days()
    month = pl.col("began_on").dt.month()
    customer = pl.col("customer")
    is_last = customer.ne_missing(customer.shift(-1))
    return (
        history.select(
            "customer", "began_on", *KEY, place=customer * DAYS_APART + pl.col("began_on").to_physical()
        )
        .sort("place")
        .filter(begins("place"))
        .with_columns(
            following=pl.when(~is_last).then(pl.col("began_on").shift(-1) - pl.col("began_on")),
            last_month=pl.when(is_last).then(month).backward_fill(),
        )
        .group_by("customer")
        .agg(
            pl.col(KEY).first(),
            twice_median=(days.median() * 2).cast(pl.Int128),
            longest_then=pl.when(is_same_time_of_year(month, pl.col("last_month"))).then(days).max(),
        )
        .drop("customer")
    )


def _twice_usual_gap(has_season: pl.Expr) -> pl.Expr:
    """Twice the usual gap: in a season the longest pause of that time of the year, else the median; at least 10 days."""
    in_season = pl.when(has_season).then(pl.col("longest_then").cast(pl.Int128) * 2)
    gap = pl.coalesce(in_season, "twice_median")
    return pl.when(gap.is_not_null()).then(gap.clip(lower_bound=int128(2 * SHORTEST_GAP)))


def _basis(has_season: pl.Expr) -> pl.Expr:
    return (
        pl.when(has_season)
        .then(pl.lit("season"))
        .when(pl.col("months_of_history") < MONTHS_TO_TELL)
        .then(pl.lit("too_young"))
        .otherwise(pl.lit("calendar"))
    )


def _wide(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Int128)


def _tenure_years(window: Window) -> pl.Expr:
    """Years from `tenure_from` to closed_through; 0 where the master was opened later."""
    days = _at_least_0(
        (pl.lit(window.closed_through) - pl.col("tenure_from")).dt.total_days().cast(pl.Int128)
    )
    days_in_year, unit = DAYS_IN_YEAR
    return _fraction(days * unit, int128(days_in_year))


def _tenure_part(window: Window, rule: LoyaltyRule) -> pl.Expr:
    full = int128(scaled_int_of(rule.tenure_full_years, RATIO_PLACES))
    return _at_most_1(div_half_even(_tenure_years(window) * 10**RATIO_PLACES, full))


def _timeliness(window: Window, rule: LoyaltyRule) -> pl.Expr:
    """(lost_from − days/gap) ÷ (lost_from − timely_until) within [0, 1], written without a fraction inside."""
    days = (pl.lit(window.closed_through) - pl.col("last_order_on")).dt.total_days().cast(pl.Int128)
    lost, timely = (scaled_int_of(bar, RATIO_PLACES) for bar in (rule.lost_from, rule.timely_until))
    gap = pl.col("twice_gap")
    left = gap * lost - days * 2 * 10**RATIO_PLACES
    return _at_most_1(_at_least_0(_fraction(left, gap * (lost - timely))))


def _share_of_wallet() -> pl.Expr:
    return _at_most_1(
        _at_least_0(_fraction(to_scaled_int("net_sales_12m"), to_scaled_int("estimated_demand_12m")))
    )


def _weighted(rule: LoyaltyRule, parts: tuple[str, ...]) -> pl.Expr:
    weighted, weights = int128(0), int128(0)
    for part in parts:
        weight: Decimal = getattr(rule.weights, part)
        units_of_weight = int128(scaled_int_of(weight, RATIO_PLACES))
        weighted += (pl.col(part) * units_of_weight).fill_null(0)
        weights += pl.when(pl.col(part).is_not_null()).then(units_of_weight).otherwise(int128(0))
    return from_scaled_int(div_half_even(weighted, weights * (_FINE // 10**RATIO_PLACES)), RATIO)


def _fraction(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """Divide to 12 digits; null where the denominator is not positive."""
    return div_half_even(numerator * _FINE, denominator)


def _shown(fine: pl.Expr) -> pl.Expr:
    return from_scaled_int(div_half_even(fine, int128(_FINE // 10**RATIO_PLACES)), RATIO)


def _at_least_0(expression: pl.Expr) -> pl.Expr:
    return expression.clip(lower_bound=int128(0))


def _at_most_1(expression: pl.Expr) -> pl.Expr:
    return expression.clip(upper_bound=int128(_FINE))
