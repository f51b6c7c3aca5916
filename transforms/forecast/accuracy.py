"""How forecasts came out: each period's figures as first recorded, against the twelve months that followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.facts.handover import handed_over
from transforms.forecast.backcast import LARGE
from transforms.frames.conform import columns_of, conform_to, require_columns
from transforms.frames.fixed_point import (
    MONEY_SUM,
    RATIO,
    WIDE_RATIO,
    from_scaled_int,
    int128,
    ratio,
    sum_or_null,
    to_scaled_int,
)
from transforms.frames.periods import YEAR, months_before, months_since
from transforms.frames.schemas import (
    CUSTOMER_EXPECTATION,
    CUSTOMER_FORECAST,
    CUSTOMER_MONTH,
    CUSTOMER_VALUE_HISTORY,
    FORECAST_ACCURACY,
)
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

JUDGED_PERIODS: Final = 2 * YEAR
"""The latest forecasts that are judged; older ones say little of the next."""

_MONTHS: Final = columns_of(CUSTOMER_MONTH, (*KEY, "month", "net_sales"))
_VOLUME: Final = columns_of(CUSTOMER_VALUE_HISTORY, (*KEY, "net_sales_12m"))


def first_forecasts(
    customers: pl.LazyFrame, rated: pl.LazyFrame, period: date, recorded_at: datetime
) -> pl.LazyFrame:
    """Keep a period's expected figures as they are recorded for the first time. Grain: customer × period; ends at CUSTOMER_FORECAST.

    `customers`: CUSTOMER_EXPECTATION rows of the period. `origin` is `published` up to the end of the month after the period,
    `backcast` from then on: whoever rates so late could know what came.
    """
    is_published = (recorded_at.year * YEAR + recorded_at.month) - (period.year * YEAR + period.month) <= 1
    return conform_to(
        require_columns(customers, CUSTOMER_EXPECTATION)
        .join(require_columns(rated, _VOLUME), on=KEY, how="left", validate="1:1")
        .with_columns(
            pl.col("net_sales_12m").fill_null(0),
            recorded_at=pl.lit(recorded_at).dt.replace_time_zone(None),
            origin=pl.lit("published" if is_published else "backcast"),
        ),
        CUSTOMER_FORECAST,
    )


def judged_periods(periods: Sequence[date], target: date) -> list[date]:
    """The forecast periods of which the twelve months that follow are closed by `target`, of the latest two years."""
    latest = months_before(target, YEAR)
    return [each for each in periods if months_before(latest, JUDGED_PERIODS) < each <= latest]


def forecast_accuracy(
    forecasts: pl.LazyFrame,
    months: pl.LazyFrame,
    periods: Sequence[date],
    succession: pl.LazyFrame | None = None,
) -> pl.LazyFrame:
    """Judge forecasts by the twelve months that followed. Grain: company × period × origin × model version; ends at FORECAST_ACCURACY.

    `forecasts`: CUSTOMER_FORECAST rows of `periods`; `months`: CUSTOMER_MONTH rows; `succession`: PARTS by which these have gone over
    to successors, so that what was expected of a customer is held against what its successors brought. Beside it the forecast that the twelve
    months before come again. `covered_share_large` is of the largest customers, who had brought 80 % of these: not of what
    came, for that would choose by the outcome. Null where a denominator is not positive. Source: docs/figures.md, Expected business.
    """
    known = _of_successors(require_columns(forecasts, CUSTOMER_FORECAST), succession)
    sold = require_columns(months, _MONTHS).with_columns(net=to_scaled_int("net_sales"))
    judged = [_judged(known.filter(pl.col("period") == each), sold, each) for each in periods]
    empty = pl.LazyFrame(schema=FORECAST_ACCURACY)
    return pl.concat([empty, *judged]).sort("company_code", "period")


def _of_successors(forecasts: pl.LazyFrame, succession: pl.LazyFrame | None) -> pl.LazyFrame:
    """Put forecasts down to those who have succeeded since, by their shares, and add up those that meet. Grain: as given."""
    if succession is None:
        return forecasts
    amounts = [name for name, dtype in CUSTOMER_FORECAST.items() if dtype.is_decimal()]
    rest = [
        name
        for name in CUSTOMER_FORECAST.names()
        if name not in {*amounts, *KEY, "period", "origin", "model_version"}
    ]
    joined = (
        handed_over(forecasts, succession, amounts)
        .group_by(*KEY, "period", "origin", "model_version")
        .agg(
            *(sum_or_null(pl.col(name)).alias(name) for name in amounts),
            *(pl.col(name).max() for name in rest),
        )
    )
    return conform_to(joined, CUSTOMER_FORECAST)


def _judged(forecasts: pl.LazyFrame, sold: pl.LazyFrame, period: date) -> pl.LazyFrame:
    age = months_since(pl.col("month"), period)
    actual = sold.filter(age.is_between(-YEAR, -1)).group_by(KEY).agg(actual=pl.col("net").sum())
    expected, before, true = pl.col("expected"), pl.col("before"), pl.col("actual")
    low, high = pl.col("low"), pl.col("high")
    customers = (
        forecasts.with_columns(
            expected=to_scaled_int("expected_net_sales_12m"),
            before=to_scaled_int("net_sales_12m"),
            low=to_scaled_int("expected_net_sales_low"),
            high=to_scaled_int("expected_net_sales_high"),
        )
        .filter(expected.is_not_null())
        .join(actual, on=KEY, how="left", validate="1:1")
        .with_columns(true.fill_null(int128(0)))
        # nobody is expected to bring less than nothing, so a lower bound of 0 leaves out no one
        .with_columns(covered=((true >= low) | (low == 0)) & (true <= high))
        .sort("company_code", "before", "customer_id", descending=[False, True, False])
        .with_columns(
            earlier=pl.col("before").clip(int128(0)).cum_sum().over("company_code") - before.clip(int128(0))
        )
        .with_columns(
            large=pl.col("earlier") * 100 < before.clip(int128(0)).sum().over("company_code") * LARGE
        )
    )
    of_all = actual.group_by("company_code").agg(of_all=true.sum())
    return conform_to(
        customers.group_by("company_code", "period", "origin", "model_version")
        .agg(
            customers=pl.len(),
            expected=expected.sum(),
            actual=true.sum(),
            before=before.sum(),
            missed=(expected - true).abs().sum(),
            missed_before=(before - true).abs().sum(),
            size=true.abs().sum(),
            bounded=pl.col("covered").is_not_null().sum(),
            covered=pl.col("covered").sum(),
            bounded_large=(pl.col("covered").is_not_null() & pl.col("large")).sum(),
            covered_large=(pl.col("covered") & pl.col("large")).sum(),
        )
        .join(of_all, on="company_code", how="left", validate="m:1")
        .select(
            "company_code",
            "period",
            "origin",
            "model_version",
            "customers",
            expected_net_sales=from_scaled_int(expected, MONEY_SUM),
            actual_net_sales=from_scaled_int(true, MONEY_SUM),
            total_error=ratio(expected - true, true, WIDE_RATIO),
            wape=ratio(pl.col("missed"), pl.col("size"), WIDE_RATIO),
            last_year_net_sales=from_scaled_int(before, MONEY_SUM),
            last_year_total_error=ratio(before - true, true, WIDE_RATIO),
            last_year_wape=ratio(pl.col("missed_before"), pl.col("size"), WIDE_RATIO),
            covered_share=ratio(pl.col("covered"), pl.col("bounded"), RATIO),
            covered_share_large=ratio(pl.col("covered_large"), pl.col("bounded_large"), RATIO),
            new_customer_net_sales=from_scaled_int(pl.col("of_all").fill_null(int128(0)) - true, MONEY_SUM),
        ),
        FORECAST_ACCURACY,
    )
