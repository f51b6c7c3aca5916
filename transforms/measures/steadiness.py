"""Steadiness (采购均衡性): how evenly a customer's purchases lie over the months."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.fixed_point import div_half_even, int128, rounded, to_scaled_int
from transforms.frames.periods import YEAR
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from transforms.measures.window import Window
    from transforms.policy.model import SteadinessRule

SEASONAL_MONTHS: Final = 24  # a season is told from noise by seeing it twice
_WHOLE_SEASON: Final = 10**17  # as fine as a share can be if the largest amounts are to stay within 128 bits


def measure_steadiness(
    customers: pl.LazyFrame, months: pl.LazyFrame, window: Window, rule: SteadinessRule
) -> pl.LazyFrame:
    """Measure how even monthly net sales are. Grain: company × customer of `customers`.

    `steadiness` = 1 − CV/√(N−1) in [0, 1], where CV is population σ/μ of the N months' net sales, each floored at 0,
    months without sales included, and √(N−1) the largest CV such a series can have. Null with `steadiness_reason`
    too_few_months (N below the policy's) or no_sales (no month above 0). `xyz_class` by CV: X up to and including the
    policy's first cut-off, Y up to the second, else Z; null where steadiness is.
    `steadiness_seasonal`: the same after dividing each month by its peers' seasonal index; shown, in no score.
    """
    bought = (
        months.join(customers.select(*KEY, "first_order_on"), on=KEY, how="inner", validate="m:1")
        .filter(window.since_first_order("month"))
        .with_columns(sales=_floored(to_scaled_int("net_sales")))
        .group_by(KEY)
        .agg(total=pl.col("sales").sum(), squares=(pl.col("sales") * pl.col("sales")).sum())
    )
    enough = pl.col("months") >= rule.min_months
    return (
        customers.select(*KEY, "months_of_history")
        .join(bought, on=KEY, how="left", validate="1:1")
        .with_columns(
            pl.col("total").fill_null(0), pl.col("squares").fill_null(0), months=window.months_counted()
        )
        .with_columns(
            steadiness=pl.when(enough).then(evenness()),
            xyz_class=pl.when(enough & (pl.col("total") > 0)).then(_xyz_class(rule)),
            steadiness_reason=pl.when(~enough)
            .then(pl.lit("too_few_months"))
            .when(pl.col("total") <= 0)
            .then(pl.lit("no_sales")),
        )
        .select(*KEY, "steadiness", "steadiness_reason", "xyz_class")
        .join(_seasonal(customers, months, window, rule), on=KEY, how="left", validate="1:1")
    )


def evenness() -> pl.Expr:
    """1 − CV/√(N−1) from whole `total` (Σx), `squares` (Σx²) and `months` (N), rounded once; null where Σx ≤ 0.

    With whole numbers N·Σx² − (Σx)² is exact, so a flat year gives exactly 1 and one order exactly 0.
    """
    share_of_largest = (_spread() / (_float(_square_of_total() * (pl.col("months") - 1)))).sqrt()
    return rounded(pl.when(pl.col("total") > 0).then((1 - share_of_largest).clip(0, 1)))


def _xyz_class(rule: SteadinessRule) -> pl.Expr:
    variation = rounded((_spread() / _float(_square_of_total())).sqrt())
    return (
        pl.when(variation <= pl.lit(rule.x_cv_max))
        .then(pl.lit("X"))
        .when(variation <= pl.lit(rule.y_cv_max))
        .then(pl.lit("Y"))
        .otherwise(pl.lit("Z"))
    )


def _spread() -> pl.Expr:
    """N²σ² = N·Σx² − (Σx)²."""
    return _float(pl.col("months") * pl.col("squares") - _square_of_total())


def _square_of_total() -> pl.Expr:
    return pl.col("total") * pl.col("total")


def _float(expression: pl.Expr) -> pl.Expr:
    return expression.cast(pl.Float64)


def _floored(expression: pl.Expr) -> pl.Expr:
    return pl.max_horizontal(expression, pl.lit(0, pl.Int128))


def _seasonal(
    customers: pl.LazyFrame, months: pl.LazyFrame, window: Window, rule: SteadinessRule
) -> pl.LazyFrame:
    """Steadiness of months divided by their seasonal index. Grain: company × customer that has one.

    Peers: the customers of the same company, industry and channel with 24 months of history or more, at least the
    policy's number. The index of a calendar month is its share of the peers' sales in the last 24 months, times 12.
    Whatever all months are divided by alike cancels in the CV: so a month is taken as its share of what the peers sold in
    that season, with digits enough that the rounding of the result is the only one.
    """
    peer_group = ("company_code", "industry_code", "channel")
    in_two_years = pl.col("month").is_between(window.month_before(SEASONAL_MONTHS - 1), window.period)
    old_enough = pl.col("months_of_history") >= SEASONAL_MONTHS
    classified = pl.col("industry_code").is_not_null() & pl.col("channel").is_not_null()
    members = customers.filter(old_enough, classified).select(*KEY, "industry_code", "channel")
    groups = members.group_by(peer_group).len("peers").filter(pl.col("peers") >= rule.seasonal_min_peers)
    sales = (
        months.filter(in_two_years)
        .join(members, on=KEY, how="inner", validate="m:1")
        .join(groups, on=peer_group, how="semi")
        .with_columns(sales=_floored(to_scaled_int("net_sales")), season=pl.col("month").dt.month())
    )
    seasons = sales.group_by(*peer_group, "season").agg(one_season=pl.col("sales").sum())
    share = div_half_even(pl.col("sales") * int128(_WHOLE_SEASON), pl.col("one_season"))
    return (
        sales.filter(window.holds("month"))
        .join(seasons, on=[*peer_group, "season"], how="inner", validate="m:1")
        .with_columns(sales=pl.when(pl.col("sales") == 0).then(pl.col("sales")).otherwise(share))
        .group_by(KEY)
        .agg(
            total=pl.col("sales").sum(),
            squares=(pl.col("sales") * pl.col("sales")).sum(),
            months=pl.lit(YEAR, pl.Int128).first(),
        )
        .select(*KEY, evenness().alias("steadiness_seasonal"))
    )
