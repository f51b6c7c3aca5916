"""The probability that a customer still buys, by the MBG/NBD model.

Batislam, Denizel, Filiztekin: "Empirical validation and comparison of models for customer base analysis", IJRM 24
(2007). While alive a customer orders at a rate of its own (gamma distributed, r and alpha); after every order, the
first included, it may leave for good (beta distributed, a and b). Unlike BG/NBD, a customer with a single order is
not certain to be alive. The four parameters are fitted to all customers of a company, so one customer's probability
moves when others do: it is computed only where the policy asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import polars as pl

from transforms.frames.conform import columns_of, require_columns
from transforms.frames.fixed_point import RATIO, rounded
from transforms.frames.schemas import ORDER_DAY
from transforms.measures.window import KEY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from transforms.facts.model import Facts
    from transforms.measures.window import Window

MIN_CUSTOMERS: Final = 30  # four parameters from fewer customers are noise
MIN_REPEATERS: Final = 10  # without repeat orders the rate and the leaving cannot be told apart

_ORDER_DAY = columns_of(ORDER_DAY, (*KEY, "order_on", "orders"))
_SCHEMA: Final = pl.Schema({**dict.fromkeys(KEY, pl.String()), "p_alive": RATIO})
# Parameters are sought between e⁻⁹ and e⁹ of the natural scale: beyond, the likelihood is flat to the last digit.
_BOUNDS: Final = [(-9.0, 9.0)] * 4


def estimate_p_alive(facts: Facts, window: Window, use: Literal["off", "shown", "scored"]) -> pl.LazyFrame:
    """Estimate `p_alive` in [0, 1]. Grain: company × customer with an order by closed_through.

    Empty where the policy does not ask for it, and for a company with too few customers or repeat buyers to fit, or
    where the fit does not converge. Orders are days with an order; time is counted in days.
    """
    if use == "off":
        return pl.LazyFrame(schema=_SCHEMA)
    days_since = (pl.lit(window.closed_through) - pl.col("order_on")).dt.total_days()
    histories = (
        require_columns(facts.order_day, _ORDER_DAY)
        .filter(pl.col("orders") > 0, pl.col("order_on") <= window.closed_through)
        .group_by(KEY)
        .agg(
            repeats=pl.len().cast(pl.Float64) - 1,
            age=days_since.max().cast(pl.Float64),
            recency=(days_since.max() - days_since.min()).cast(pl.Float64),
        )
        # the fit adds up logarithms of binary fractions: equal customers in equal order give equal bits
        .sort("company_code", "repeats", "age", "recency", "customer_id")
    )
    return histories.map_batches(_fit_each_company, schema=_SCHEMA)


def _fit_each_company(histories: pl.DataFrame) -> pl.DataFrame:
    companies = histories.partition_by("company_code", maintain_order=True)
    fitted = [rated for company in companies if (rated := _fit_company(company)) is not None]
    return pl.concat(fitted) if fitted else pl.DataFrame(schema=_SCHEMA)


def _fit_company(histories: pl.DataFrame) -> pl.DataFrame | None:
    repeats, recency, age = (histories[name].to_numpy() for name in ("repeats", "recency", "age"))
    if len(repeats) < MIN_CUSTOMERS or np.count_nonzero(repeats) < MIN_REPEATERS:
        return None
    from scipy.optimize import minimize  # seconds to import, and used only where a policy asks for it

    scale = age.max()
    fit = minimize(
        _negative_log_likelihood,
        np.zeros(4),
        args=(repeats, recency / scale, age / scale),
        method="L-BFGS-B",
        bounds=_BOUNDS,
    )
    if not fit.success:
        return None
    alive = probability_alive(np.exp(fit.x), repeats, recency / scale, age / scale)
    return histories.select(*KEY, rounded(pl.lit(pl.Series(alive))).alias("p_alive"))


def probability_alive(
    parameters: NDArray[np.float64],
    repeats: NDArray[np.float64],
    recency: NDArray[np.float64],
    age: NDArray[np.float64],
) -> NDArray[np.float64]:
    """P(alive | x, tₓ, T) = 1 ÷ (1 + a/(b + x) · ((alpha + T)/(alpha + tₓ))^(r + x)); parameters r, alpha, a, b."""
    r, alpha, a, b = parameters
    log_odds_gone = (
        np.log(a) - np.log(b + repeats) + (r + repeats) * np.log((alpha + age) / (alpha + recency))
    )
    alive: NDArray[np.float64] = 1.0 / (
        1.0 + np.exp(np.minimum(log_odds_gone, 700.0))
    )  # e⁷⁰⁰ still is a number
    return alive


def _negative_log_likelihood(
    log_parameters: NDArray[np.float64],
    repeats: NDArray[np.float64],
    recency: NDArray[np.float64],
    age: NDArray[np.float64],
) -> float:
    from scipy.special import betaln, gammaln

    r, alpha, a, b = np.exp(log_parameters)
    buying = gammaln(r + repeats) - gammaln(r) + r * np.log(alpha)
    alive = betaln(a, b + repeats + 1) - (r + repeats) * np.log(alpha + age)
    gone = betaln(a + 1, b + repeats) - (r + repeats) * np.log(alpha + recency)
    return -float(np.mean(buying + np.logaddexp(alive, gone) - betaln(a, b)))
