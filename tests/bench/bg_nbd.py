"""BG/NBD × Gamma-Gamma, the textbook forecast of a customer base, fitted here as a yardstick and nowhere else.

Fader, Hardie, Lee: "Counting your customers the easy way: an alternative to the Pareto/NBD model", Marketing Science 24 (2005);
Fader, Hardie: "The gamma-gamma model of monetary value" (2013). Orders are days with an order; time is counted in weeks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import betaln, gammaln, hyp2f1

Floats = NDArray[np.float64]

_FAR = 9.0  # logarithms of parameters are sought between −9 and 9
_STARTS = ((0.0, 0.0, 0.0, 0.0), (0.0, 2.0, -1.0, 1.0), (-0.5, 3.0, -2.0, 0.0))


def expected_value(repeats: Floats, recency: Floats, age: Floats, mean_value: Floats, weeks: float) -> Floats:
    """What each customer is expected to buy for in the weeks ahead.

    `repeats`: order days after the first; `recency`, `age`: weeks from the first order day to the last one, and to now;
    `mean_value`: mean amount of the repeated order days, 0 without any.
    """
    return _expected_orders(repeats, recency, age, weeks) * _expected_amount(repeats, mean_value)


def _fit(loss: Callable[[Floats], float], starts: tuple[tuple[float, ...], ...]) -> Floats:
    bounds = [(-_FAR, _FAR)] * len(starts[0])
    fits = [minimize(loss, np.array(start), method="L-BFGS-B", bounds=bounds) for start in starts]
    found: Floats = np.exp(min(fits, key=lambda fit: fit.fun).x)
    return found


def _expected_orders(x: Floats, recency: Floats, age: Floats, weeks: float) -> Floats:
    again = np.maximum(x, 1)

    def loss(logs: Floats) -> float:
        r, alpha, a, b = np.exp(logs)
        buying = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x) - betaln(a, b)
        alive = -(r + x) * np.log(alpha + age)
        gone = np.where(x > 0, np.log(a) - np.log(b + again - 1) - (r + x) * np.log(alpha + recency), -np.inf)
        return -float(np.mean(buying + np.logaddexp(alive, gone)))

    r, alpha, a, b = _fit(loss, _STARTS)
    shrinking = (alpha + age) / (alpha + age + weeks)
    ahead = hyp2f1(r + x, b + x, a + b + x - 1, weeks / (alpha + age + weeks))
    orders = (a + b + x - 1) / (a - 1) * (1 - shrinking ** (r + x) * ahead)
    odds_gone = np.where(x > 0, a / (b + again - 1) * ((alpha + age) / (alpha + recency)) ** (r + x), 0)
    # where nobody ever leaves, a + b is beyond what the series holds: the plain rate is what it comes to
    found: Floats = np.where(np.isfinite(orders), orders, (r + x) / (alpha + age) * weeks) / (1 + odds_gone)
    return found


def _expected_amount(x: Floats, mean_value: Floats) -> Floats:
    known = (x > 0) & (mean_value > 0)
    scale = float(np.median(mean_value[known]))
    n, amount = x[known], mean_value[known] / scale

    def loss(logs: Floats) -> float:
        p, q, v = np.exp(logs)
        terms = gammaln(p * n + q) - gammaln(p * n) - gammaln(q) + q * np.log(v)
        return -float(
            np.mean(
                terms
                + (p * n - 1) * np.log(amount)
                + p * n * np.log(n)
                - (p * n + q) * np.log(v + n * amount)
            )
        )

    p, q, v = _fit(loss, ((1.0, 1.0, 1.0),))
    of_all = v * p / (q - 1) if q > 1 else 1.0
    own = p * x / (p * x + q - 1)
    found: Floats = ((1 - own) * of_all + own * mean_value / scale) * scale
    return found
