"""What a customer will bring in the months ahead: its pace, its season, its peers' rhythm, and whether it still buys."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.forecast.evened import HISTORY_MONTHS, evened_months
from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import RATIO_PLACES, div_half_even, int128, to_scaled_int
from transforms.frames.periods import YEAR, months_since
from transforms.frames.schemas import CUSTOMER_MONTH, CUSTOMER_VALUE_HISTORY, ORDER_DAY
from transforms.measures.p_alive import estimate_p_alive
from transforms.measures.window import KEY, Window

if TYPE_CHECKING:
    from transforms.facts.model import Facts

MODEL_VERSION: Final = 2
"""Raised by whoever changes what the expected figures mean: they are judged by version."""
WEIGHTS: Final = 2, 1
"""Of the pace of the window and of that of its later half: (net of 12 months + net of 6) ÷ 1.5 where both are full."""
SILENT_GAPS: Final = 3, 6
"""In its usual gaps: up to the first a silence says nothing, from the second on nothing is expected any more."""
MIN_PEERS: Final = 30
"""Fewer young customers than these have no rhythm of their own; then that of all customers is taken."""

_MILLI: Final = 1000
_ONE: Final = 10**RATIO_PLACES
_MONTHS: Final = columns_of(CUSTOMER_MONTH, (*KEY, "month", "net_sales", "price_credits", "contribution"))
_RATED: Final = columns_of(CUSTOMER_VALUE_HISTORY, (*KEY, "loyalty_basis", "contribution_12m"))
_ORDER_DAY: Final = columns_of(ORDER_DAY, (*KEY, "order_on", "orders"))


def expected_sales(
    facts: Facts, rated: pl.LazyFrame, once: pl.LazyFrame, window: Window, ahead: int = YEAR
) -> pl.LazyFrame:
    """Expect net sales and contribution of the `ahead` months after a window. Grain: customer with a sale within 36 months of its end.

    `rated`: columns of the rating (`loyalty_basis`, `contribution_12m`); `once`: as `bought_once` gives it. Amounts are whole units of money:
    - the pace a month = (2 × that of the window + that of its later half) ÷ 3; the window is 12 months, or as many as the
      company's data have; what stands out once (`evened_months`) is no pace: it comes once in as many months as the data have;
    - a customer that is younger than the window has its sales spread over its own months and as many more as go by, at
      its peers, until the next month with a sale: a first order says that somebody buys, not yet how often;
    - whether it still buys: `p_alive` in a company of `once`; else by its own
      rhythm, 1 up to three usual gaps without a sale, falling to 0 at six;
    - who has a season of its own (`loyalty_basis`) has the later half of the window weighed by the part of a year that this half
      brought in the last two years, and not by its months; the months ahead bring the part that they brought then.
    `units` is at least 0. `contribution_units` is the same of contribution, null where `contribution_12m` is.
    Source: docs/figures.md, Expected business.
    """
    months = require_columns(facts.customer_month, _MONTHS)
    own = _own(months, window, ahead).collect().lazy()  # asked twice, and else computed twice
    known = require_columns(rated, _RATED)
    has_season = (pl.col("loyalty_basis") == "season").fill_null(value=False) & (
        pl.col("data_months") >= 2 * YEAR
    )
    share = pl.coalesce(to_scaled_int("p_alive", RATIO_PLACES), _rhythm_share())
    contribution = to_scaled_int("contribution_12m")
    other = contribution - pl.col("borne")  # what no month bears: service, carrying cost, write-offs
    year_contribution = pl.col("contribution") + other
    later_contribution = pl.col("contribution_later") + div_half_even(
        other * pl.col("later"), pl.col("window")
    )
    return (
        own.join(_rhythm_of_peers(own), on="company_code", how="left", validate="m:1")
        .join(known, on=KEY, how="left", validate="1:1")
        .join(_still_buying(facts, once, window), on=KEY, how="left", validate="1:1")
        .with_columns(_spread("window"), _spread("later"), has_season=has_season, share=share)
        .with_columns(
            paced=_pace(pl.col("sold"), pl.col("sold_later"), ahead),
            paced_contribution=_pace(year_contribution, later_contribution, ahead),
            in_season=_in_season(),
            extra=_extra("extra", ahead),
            extra_contribution=_extra("extra_contribution", ahead),
        )
        .with_columns(
            season_contribution=div_half_even(year_contribution * pl.col("in_season"), pl.col("sold"))
        )
        .select(
            *KEY,
            "data_months",
            units=(pl.when(has_season).then("in_season").otherwise("paced") + pl.col("extra")).clip(
                lower_bound=int128(0)
            ),
            contribution_units=pl.when(has_season).then("season_contribution").otherwise("paced_contribution")
            + pl.col("extra_contribution"),
            share="share",
            basis=pl.when(pl.col("sold") <= 0)
            .then(pl.lit("no_sales"))
            .when(has_season)
            .then(pl.lit("own_season"))
            .when(pl.col("p_alive").is_not_null())
            .then(pl.lit("still_buys"))
            .when(pl.col("share") < _ONE)
            .then(pl.lit("silent"))
            .when(pl.col("tenure") < pl.col("window"))
            .then(pl.lit("peers"))
            .otherwise(pl.lit("recent_pace")),
        )
    )


def bought_once(facts: Facts, window: Window) -> pl.LazyFrame:
    """List the companies in which more than half of the customers bought on a single day, up to a window's end. Column: company_code."""
    by_customer = (
        require_columns(facts.order_day, _ORDER_DAY)
        .filter(pl.col("orders") > 0, pl.col("order_on") <= window.closed_through)
        .group_by(KEY)
        .agg(days=pl.len())
    )
    return (
        by_customer.group_by("company_code")
        .agg(once=(pl.col("days") == 1).sum(), customers=pl.len())
        .filter(pl.col("once") * 2 > pl.col("customers"))
        .select("company_code")
    )


def _still_buying(facts: Facts, once: pl.LazyFrame, window: Window) -> pl.LazyFrame:
    """Give `p_alive` to the customers of some companies. Grain: customer; empty where the model cannot be fitted."""
    of_these = facts.order_day.join(once, on="company_code", how="semi")
    return estimate_p_alive(replace(facts, order_day=of_these), window, "shown")


def _own(months: pl.LazyFrame, window: Window, ahead: int) -> pl.LazyFrame:
    """Sum up each customer's months to the window's end. Grain: company × customer.

    `data_months`: months since the company's first, at most HISTORY_MONTHS; `window`: 12, or as many as these; `later`: how
    many of them are its later half; `tenure`: months since the customer's first sale, at most the window. Sums are of evened
    months but `borne`, the window's contribution as it was; `extra` is what stood out in all of them.
    """
    age = months_since(pl.col("month"), window.period)
    known = months.filter(age >= 0).select(
        *KEY,
        age.alias("age"),
        to_scaled_int("net_sales").alias("net"),
        to_scaled_int("price_credits").fill_null(int128(0)).alias("credited"),
        to_scaled_int("contribution").alias("gain"),
    )
    start = (
        known.group_by("company_code")
        .agg(data_months=pl.min_horizontal(pl.col("age").max() + 1, pl.lit(HISTORY_MONTHS)))
        .with_columns(window=pl.min_horizontal("data_months", pl.lit(YEAR)))
        .with_columns(later=(pl.col("window") + 1) // 2)
    )
    sells, within, lately = (
        pl.col("net") > 0,
        pl.col("age") < pl.col("window"),
        pl.col("age") < pl.col("later"),
    )
    return (
        evened_months(known)
        .join(start, on="company_code", how="left", validate="m:1")
        .group_by(KEY)
        .agg(
            pl.col("data_months", "window", "later").first(),
            sold=pl.col("even").filter(within).sum(),
            sold_later=pl.col("even").filter(lately).sum(),
            borne=pl.col("gain").filter(within).sum(),
            contribution=pl.col("even_gain").filter(within).sum(),
            contribution_later=pl.col("even_gain").filter(lately).sum(),
            extra=pl.col("extra").sum(),
            extra_contribution=pl.col("extra_gain").sum(),
            two_years=pl.col("even").filter(pl.col("age") < 2 * YEAR).sum(),
            two_halves=pl.col("even")
            .filter(pl.col("age") % YEAR < YEAR // 2, pl.col("age") < 2 * YEAR)
            .sum(),
            twice_ahead=pl.col("even")
            .filter(pl.col("age") % YEAR >= YEAR - ahead, pl.col("age") < 2 * YEAR)
            .sum(),
            first=pl.col("age").filter(sells).max(),
            last=pl.col("age").filter(sells).min(),
            times=sells.sum().cast(pl.Int128),
            times_lately=(sells & within).sum().cast(pl.Int128),
        )
        .filter(pl.col("first").is_not_null())
        .with_columns(tenure=pl.min_horizontal(pl.col("first") + 1, "window"))
    )


def _rhythm_of_peers(own: pl.LazyFrame) -> pl.LazyFrame:
    """How many thousandths of a month go by, at a company's young customers, until the next month with a sale. Grain: company.

    `rhythm` is null where none bought again.
    """
    bought = pl.col("times_lately") > 0
    young = bought & (pl.col("tenure") < pl.col("window"))
    chosen = pl.when(young.sum().over("company_code") >= MIN_PEERS).then(young).otherwise(bought)
    return (
        own.filter(chosen)
        .group_by("company_code")
        .agg(
            waited=(pl.col("tenure").cast(pl.Int128) - 1).sum(),
            again=(pl.col("times_lately") - 1).sum(),
        )
        .select("company_code", rhythm=div_half_even(pl.col("waited") * _MILLI, pl.col("again")))
    )


def _spread(window: str) -> pl.Expr:
    """Over how many thousandths of a month a customer's sales are spread: its own and the peers' rhythm, at most the window."""
    full = pl.col(window).cast(pl.Int128) * _MILLI
    own = pl.min_horizontal("tenure", window).cast(pl.Int128) * _MILLI
    return pl.min_horizontal((own + pl.col("rhythm")).fill_null(full), full).alias(f"{window}_spread")


def _pace(sold: pl.Expr, sold_later: pl.Expr, ahead: int) -> pl.Expr:
    whole, half = (int128(weight) for weight in WEIGHTS)
    over, over_later = pl.col("window_spread"), pl.col("later_spread")
    weighted = whole * sold * over_later + half * sold_later * over
    return div_half_even(
        weighted * pl.col("share") * int128(ahead * _MILLI),
        int128(sum(WEIGHTS) * _ONE) * over * over_later,
    )


def _extra(amount: str, ahead: int) -> pl.Expr:
    """What stood out once in all months of the data, a year at least: its part of the months ahead; 0 without sales in the window."""
    over = pl.max_horizontal("data_months", pl.lit(YEAR)).cast(pl.Int128)
    falls_ahead = div_half_even(pl.col(amount) * pl.col("share") * int128(ahead), int128(_ONE) * over)
    return pl.when(pl.col("sold") > 0).then(falls_ahead).otherwise(int128(0))


def _in_season() -> pl.Expr:
    """What the months ahead bring to who has a season: the year's figure × the part of a year that they brought in two years."""
    whole, half = (int128(weight) for weight in WEIGHTS)
    sold, two_years = pl.col("sold"), pl.col("two_years")
    year_of_half = div_half_even(two_years * _ONE, pl.col("two_halves"))
    later = div_half_even(pl.col("sold_later") * year_of_half, int128(_ONE))
    year = div_half_even(whole * sold + half * later.fill_null(sold), int128(sum(WEIGHTS)))
    part = div_half_even(pl.col("twice_ahead") * _ONE, two_years)
    return div_half_even(
        div_half_even(year * pl.col("share"), int128(_ONE)) * part.fill_null(int128(0)), int128(_ONE)
    )


def _rhythm_share() -> pl.Expr:
    """1 up to three usual gaps without a sale, falling to 0 at six, in millionths; 1 with fewer than three months with a sale."""
    until, gone = SILENT_GAPS
    gaps = pl.col("times") - 1
    span = pl.max_horizontal((pl.col("first") - pl.col("last")).cast(pl.Int128), gaps)
    left = div_half_even((span * gone - pl.col("last").cast(pl.Int128) * gaps) * _ONE, span * (gone - until))
    return pl.when(gaps >= 2).then(left.clip(int128(0), int128(_ONE))).otherwise(int128(_ONE))
