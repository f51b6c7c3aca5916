"""What the sample company sells: products with their life cycle, price lists and floors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flows.demo.calendar import Calendar, Days, stream
from flows.demo.company import Ints, Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRODUCTS = 72
GROUPS = ("DICHTUNG", "LAGER", "PUMPE", "VENTIL", "FILTER", "SCHLAUCH")
WORDS = ("Dichtung", "Lager", "Pumpe", "Ventil", "Filter", "Schlauch")
STAGES = ("introduction", "growth", "maturity", "decline", "discontinued")
INTRODUCTION, GROWTH, MATURITY, DECLINE, DISCONTINUED = range(5)
# Every ninth product is sold by the carton of twelve; cost and floor are kept a piece.
CARTON_EVERY, PIECES_A_CARTON = 9, 12
# Always there: what a customer buys when its usual product is not, or no longer, on the market.
EVERGREENS = 40
LAUNCHES, WITHDRAWALS = 8, 5
MONTHS_TO_GROWTH, MONTHS_TO_MATURITY, MONTHS_OF_DECLINE = 9, 21, 10
YEARLY_RISE = 1.025
# A floor as a share of the list price: distributors get deeper discounts, so their floor lies deeper.
FLOOR_SHARES = {"direct": 0.84, "distribution": 0.82, "export": 0.82}


@dataclass(frozen=True)
class Catalogue:
    """One row a product; prices in cents, products × calendar years; stages products × months."""

    product_id: Texts
    name: Texts
    group: Ints
    pieces: Ints  # pieces in the unit it is sold by: 1 or 12
    list_cents: Ints  # a sales unit
    cost_cents: Ints  # standard cost of a piece
    stage: Ints
    stage_from: Days  # products × months: since when the stage holds

    @property
    def sold(self) -> NDArray[np.bool_]:
        """Products × months: whether it is on the market."""
        return (self.stage >= INTRODUCTION) & (self.stage < DISCONTINUED)

    def floor_cents(self, share: float) -> Ints:
        """The lowest net price of a piece, products × calendar years, in cents."""
        return np.floor(self.list_cents * share / self.pieces[:, None]).astype(np.int64)


def stock(calendar: Calendar, seed: int) -> Catalogue:
    """The products, of which a few are launched and a few withdrawn during the months."""
    random = stream(seed, 2)
    number = np.arange(PRODUCTS)
    pieces = np.where(number % CARTON_EVERY == 0, PIECES_A_CARTON, 1)
    group = number % len(GROUPS)
    piece_cents = np.exp(random.uniform(np.log(300), np.log(9_000), PRODUCTS)) / np.where(pieces > 1, 6, 1)
    rise = YEARLY_RISE ** np.arange(calendar.years)
    list_cents = np.rint(piece_cents[:, None] * pieces[:, None] * rise).astype(np.int64)
    cost_share = random.uniform(0.61, 0.7, PRODUCTS)
    cost_cents = np.rint(piece_cents[:, None] * cost_share[:, None] * rise).astype(np.int64)
    stage, stage_from = _life_cycles(calendar, random)
    return Catalogue(
        product_id=np.array([f"{4_711 + each:08d}" for each in number], dtype=object),
        name=np.array(
            [f"{WORDS[g]} H{20 + 5 * n}" for n, g in zip(number // len(GROUPS), group, strict=True)],
            dtype=object,
        ),
        group=group,
        pieces=pieces,
        list_cents=list_cents,
        cost_cents=cost_cents,
        stage=stage,
        stage_from=stage_from,
    )


def _life_cycles(calendar: Calendar, random: np.random.Generator) -> tuple[Ints, Days]:
    """Each product's stage in each month (−1: not launched), and since when it holds."""
    begins = np.full((PRODUCTS, len(STAGES)), np.iinfo(np.int32).max)
    begins[:, MATURITY] = -random.integers(12, 150, PRODUCTS)
    launched = slice(EVERGREENS, EVERGREENS + LAUNCHES)
    withdrawn = slice(EVERGREENS + LAUNCHES, EVERGREENS + LAUNCHES + WITHDRAWALS)
    launch = np.linspace(min(2, calendar.months - 1), max(calendar.months - 4, 0), LAUNCHES).astype(np.int64)
    begins[launched, INTRODUCTION] = launch
    begins[launched, GROWTH] = launch + MONTHS_TO_GROWTH
    begins[launched, MATURITY] = launch + MONTHS_TO_MATURITY
    withdrawal = np.linspace(min(6, calendar.months), calendar.months - 1, WITHDRAWALS).astype(np.int64)
    begins[withdrawn, DECLINE] = withdrawal - MONTHS_OF_DECLINE
    begins[withdrawn, DISCONTINUED] = withdrawal
    young = np.arange(EVERGREENS + LAUNCHES + WITHDRAWALS, PRODUCTS, 3)
    begins[young, GROWTH] = -random.integers(1, 12, len(young))
    begins[young, MATURITY] = random.integers(4, 30, len(young))
    reached = begins[:, None, :] <= np.arange(calendar.months)[None, :, None]
    latest = np.where(reached, begins[:, None, :], np.iinfo(np.int32).min)
    stage = np.where(reached.any(axis=2), latest.argmax(axis=2), -1)
    began = np.take_along_axis(latest, np.maximum(stage, 0)[:, :, None], axis=2)[:, :, 0]
    month = calendar.first.astype("datetime64[M]") + np.where(stage >= 0, began, 0)
    return stage, month.astype("datetime64[D]")


def portfolios(customers: int, width: int, seed: int) -> Ints:
    """The products each customer buys, customers × `width`; the first one is always on the market."""
    random = stream(seed, 3)
    popularity = 1 / (np.arange(PRODUCTS) % EVERGREENS + 4.0)
    own = random.choice(PRODUCTS, (customers, width), p=popularity / popularity.sum())
    own[:, 0] = random.integers(EVERGREENS, size=customers)
    return own
