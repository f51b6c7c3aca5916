"""The expected business of one company: of each customer with bounds, of each month ahead, and in total."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.facts.succession import succeeded
from transforms.forecast.backcast import bounds, missed, with_large
from transforms.forecast.expected import MODEL_VERSION, bought_once, expected_sales
from transforms.frames.conform import columns_of, conform_to, require_columns
from transforms.frames.fixed_point import (
    MONEY_PLACES,
    MONEY_SUM,
    RATIO,
    RATIO_PLACES,
    div_half_even,
    from_scaled_int,
    int128,
    to_scaled_int,
)
from transforms.frames.periods import YEAR, months_since
from transforms.frames.schemas import (
    CUSTOMER_EXPECTATION,
    CUSTOMER_VALUE_HISTORY,
    CUSTOMERS,
    EXPECTATION_MONTH,
    EXPECTATION_TOTAL,
)
from transforms.measures.window import KEY, Window

if TYPE_CHECKING:
    from transforms.facts.model import Facts

SUCCEEDED: Final = "succeeded"
NONE_EXPECTED: Final = ("blocked", "inactive")
"""By its master, nothing is sold to such a customer: no figure, and this as its basis."""
WITHIN_80_PERCENT: Final = 1_281_552
"""Millionths: so many standard deviations to either side hold 80 % of a normal distribution."""
ALL: Final = "all"
UNKNOWN: Final = "unknown"

_ONE: Final = 10**RATIO_PLACES
_RATED: Final = columns_of(
    CUSTOMER_VALUE_HISTORY, (*KEY, "loyalty_basis", "contribution_12m", "first_order_on")
)
_MASTER: Final = columns_of(CUSTOMERS, (*KEY, "status", "channel"))
_UNIT: Final = 10**MONEY_PLACES
_NO_UNITS: Final = pl.lit(None, pl.Int128)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one company is expected to bring. `customers`: CUSTOMER_EXPECTATION rows; `drift`: as in `backcast.Missed`."""

    customers: pl.DataFrame
    drift: tuple[int, ...]


def expect_business(facts: Facts, rated: pl.LazyFrame, window: Window, ahead: int = YEAR) -> Expectation:
    """Expect what each rated customer brings in the `ahead` months after a window. Grain: customer of `rated`.

    `facts`: of one company; `rated`: rows of its rating of the window's period. Null, with the reason as `expected_basis`, for
    who is succeeded or never ordered and whom the master calls blocked or inactive; 0 for who has had no sale within the window.
    A figure is that of the model × the company's level (`backcast`). A bound is
    that of the model × what the lowest tenth of the customers of its size brought of their forecast at most, or all but
    the highest tenth; the figure itself is always within. Source: docs/figures.md, Expected business.
    """
    known = require_columns(rated, _RATED).collect()
    once = bought_once(facts, window).collect().lazy()
    found = expected_sales(facts, known.lazy(), once, window, ahead).collect()
    data_months: int = found.select(pl.col("data_months").max()).item() or 0
    past = missed(facts, known.lazy(), once, window, data_months)
    master = require_columns(facts.customers, _MASTER).select(*KEY, "status").collect()
    gone = succeeded(facts).with_columns(is_succeeded=pl.lit(value=True)).collect()
    bare = (
        known.join(found, on=KEY, how="left", validate="1:1")
        .join(master, on=KEY, how="left", validate="1:1")
        .join(gone, on=KEY, how="left", validate="1:1")
    )
    reason = (
        pl.when("is_succeeded")
        .then(pl.lit(SUCCEEDED))
        .when(pl.col("first_order_on").is_null())
        .then(pl.lit("no_orders"))
        .when(pl.col("status").is_in(NONE_EXPECTED))
        .then(pl.col("status"))
    )
    sized = with_large(
        bare.with_columns(reason=reason).with_columns(
            units=pl.when(pl.col("reason").is_null()).then(pl.col("units").fill_null(int128(0)))
        )
    )
    expects = pl.col("units").is_not_null()
    small, large = bounds(past.ratios)
    customers = (
        sized.with_columns(
            figure=_at(past.level, "units"),
            contribution_figure=_at(past.level, "contribution_units"),
            low=_bound(small, large, 0),
            high=_bound(small, large, 1),
        )
        .with_columns(low=pl.col("low").clip(upper_bound="figure"), high=pl.max_horizontal("high", "figure"))
        .select(
            *KEY,
            period=pl.lit(window.period),
            expected_net_sales_12m=from_scaled_int(pl.col("figure"), MONEY_SUM),
            expected_net_sales_low=from_scaled_int(pl.col("low"), MONEY_SUM),
            expected_net_sales_high=from_scaled_int(
                pl.when(pl.col("low").is_not_null()).then("high"), MONEY_SUM
            ),
            expected_contribution_12m=from_scaled_int(
                pl.when(expects & pl.col("contribution_12m").is_not_null()).then(
                    pl.col("contribution_figure").fill_null(int128(0))
                ),
                MONEY_SUM,
            ),
            expected_basis=pl.coalesce("reason", "basis", pl.lit("no_sales")),
            buying_share=from_scaled_int(pl.when(expects).then("share"), RATIO),
            model_version=pl.lit(MODEL_VERSION),
        )
        .lazy()
    )
    return Expectation(conform_to(customers, CUSTOMER_EXPECTATION).sort(KEY).collect(), past.drift)


def _at(level: int, units: str) -> pl.Expr:
    return div_half_even(pl.col(units) * int128(level), int128(_ONE))


def _bound(small: tuple[int, int] | None, large: tuple[int, int] | None, side: int) -> pl.Expr:
    """What the model gave × the ratio of the customer's size, in units; null where that is not known."""
    of_size = [_NO_UNITS if each is None else int128(each[side]) for each in (small, large)]
    factor = pl.when("large").then(of_size[1]).otherwise(of_size[0])
    return div_half_even(pl.col("units") * factor, int128(_ONE))


def expectation_months(customers: pl.LazyFrame, facts: Facts, window: Window) -> pl.LazyFrame:
    """Spread the expected net sales over the twelve months ahead. Grain: customer with a figure × month; ends at EXPECTATION_MONTH.

    `customers`: CUSTOMER_EXPECTATION rows. By what the same months of last year brought: the customer's own where it has a
    season, else the company's of the last two years if its data reach so far back, else evenly; a month below 0 counts 0.
    The months sum up to the figure: each is what is due by its end less what was due by that of the month before.
    """
    age = months_since(pl.col("month"), window.period)
    recent = facts.customer_month.filter(age.is_between(0, 2 * YEAR - 1)).select(
        *KEY, age.alias("age"), ahead=YEAR - 1 - age % YEAR, net=to_scaled_int("net_sales")
    )
    company = (
        recent.group_by("company_code", "ahead")
        .agg(net=pl.col("net").sum(), oldest=pl.col("age").max())
        .with_columns(reaches=pl.col("oldest").max().over("company_code") == 2 * YEAR - 1)
        .select("company_code", "ahead", of_company=pl.when("reaches").then(pl.col("net").clip(int128(0))))
    )
    own = (
        recent.filter(pl.col("age") < YEAR)
        .group_by(*KEY, "ahead")
        .agg(of_customer=pl.col("net").sum().clip(int128(0)))
    )
    has_season = pl.col("expected_basis") == "own_season"
    due = div_half_even(
        pl.col("units") * pl.col("weight").cum_sum().over(KEY, order_by="ahead"),
        pl.col("weight").sum().over(KEY),
    )
    return conform_to(
        customers.filter(pl.col("expected_net_sales_12m").is_not_null())
        .select(*KEY, "period", "expected_basis", units=to_scaled_int("expected_net_sales_12m"))
        .join(pl.LazyFrame({"ahead": range(YEAR)}, schema={"ahead": pl.Int32}), how="cross")
        .join(company, on=["company_code", "ahead"], how="left", validate="m:1")
        .join(own, on=[*KEY, "ahead"], how="left", validate="1:1")
        .with_columns(
            weight=pl.when(has_season)
            .then(pl.col("of_customer").fill_null(int128(0)))
            .otherwise(pl.col("of_company"))
        )
        .with_columns(
            weight=pl.when((pl.col("weight") > 0).any().over(KEY))
            .then(pl.col("weight").fill_null(int128(0)))
            .otherwise(int128(1))
        )
        .with_columns(due=due)
        .with_columns(
            of_month=pl.col("due") - pl.col("due").shift(1).over(KEY, order_by="ahead").fill_null(int128(0))
        )
        .select(
            *KEY,
            "period",
            month=pl.lit(window.period).dt.offset_by(pl.format("{}mo", pl.col("ahead") + 1)),
            expected_net_sales=from_scaled_int(pl.col("of_month"), MONEY_SUM),
        ),
        EXPECTATION_MONTH,
    ).sort(*KEY, "month")


def expectation_totals(expectation: Expectation, facts: Facts, salespersons: pl.LazyFrame) -> pl.LazyFrame:
    """Sum up the company, its channels and its salespersons, with bounds of their own. Ends at EXPECTATION_TOTAL.

    `salespersons`: key and `salesperson_id`. What customers miss by evens out: the root of the sum of the squares of half
    their spans. What all miss by does not: 1.28 × the total × the root of the mean square of what the whole company was off
    by some months ago (`drift`). The half span of a total is the root of the sum of the two squares; a lower bound is at least 0.
    """
    figures = expectation.customers.lazy().filter(pl.col("expected_net_sales_12m").is_not_null())
    low, high = (to_scaled_int(f"expected_net_sales_{side}") for side in ("low", "high"))
    parts = (
        figures.join(
            require_columns(facts.customers, _MASTER).select(*KEY, "channel"),
            on=KEY,
            how="left",
            validate="1:1",
        )
        .join(salespersons.select(*KEY, "salesperson_id"), on=KEY, how="left", validate="1:1")
        .with_columns(
            units=to_scaled_int("expected_net_sales_12m"),
            # whole units of money: a square of cents' hundredths would not leave room for a sum
            half_span=div_half_even(high - low, int128(2 * _UNIT)),
        )
    )
    members = {"company": pl.lit(ALL), "channel": pl.col("channel"), "salesperson": pl.col("salesperson_id")}
    summed = pl.concat(
        parts.group_by(
            "company_code", "period", pl.lit(level).alias("level"), member.fill_null(UNKNOWN).alias("member")
        ).agg(
            customers=pl.len(),
            units=pl.col("units").sum(),
            bounded=pl.col("half_span").is_not_null().all(),
            squares=(pl.col("half_span") ** 2).sum(),
            expected_contribution_12m=pl.col("expected_contribution_12m").sum(),
            has_contribution=pl.col("expected_contribution_12m").is_not_null().any(),
        )
        for level, member in members.items()
    ).collect()
    spans = pl.Series(
        [
            _half_span(int(units), int(squares), expectation.drift) if bounded and expectation.drift else None
            for units, squares, bounded in summed.select("units", "squares", "bounded").iter_rows()
        ],
        dtype=pl.Int128,
    )
    return conform_to(
        summed.lazy()
        .with_columns(span=spans)
        .select(
            "company_code",
            "level",
            "member",
            "period",
            "customers",
            expected_net_sales_12m=from_scaled_int(pl.col("units"), MONEY_SUM),
            expected_net_sales_low=from_scaled_int(
                (pl.col("units") - pl.col("span")).clip(int128(0)), MONEY_SUM
            ),
            expected_net_sales_high=from_scaled_int(pl.col("units") + pl.col("span"), MONEY_SUM),
            expected_contribution_12m=pl.when("has_contribution").then("expected_contribution_12m"),
        ),
        EXPECTATION_TOTAL,
    ).sort("company_code", "level", "member")


def _half_span(units: int, squares: int, drift: tuple[int, ...]) -> int:
    """Half the span of a total, in units; `squares`: of whole units of money."""
    mean_square = sum(each * each for each in drift) // len(drift)
    common = units * units * mean_square * WITHIN_80_PERCENT**2 // _ONE**4
    return isqrt(squares * _UNIT**2 + common)
