"""Made businesses of eleven kinds, 48 months of each: what the expected figures are judged by where no real set is at hand.

Each kind has what one real set or another had: whoever tells a pace by twelve months stumbles over one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from tests.unit.transforms.small_worlds import facts, line
from transforms.facts.model import Facts

FIRST = date(2022, 1, 1)
MONTHS = 48
CUSTOMERS = 250


@dataclass
class Business:
    """The lines of a business while it is made."""

    random: np.random.Generator
    sold: list[dict[str, Any]] = field(default_factory=list)

    def bill(self, customer: int, month: int, amount: float, **other: Any) -> None:
        """An invoice on some day of a month, which may lie beyond those that are made."""
        if month < MONTHS:
            day = date(FIRST.year + month // 12, month % 12 + 1, int(self.random.integers(1, 29)))
            number = f"D{len(self.sold)}"
            self.sold.append(
                line(day, round(amount, 2), customer_id=f"C{customer}", document_id=number, **other)
            )

    def credit(self, customer: int, month: int, amount: float, **other: Any) -> None:
        """A credit note."""
        self.bill(customer, month, -amount, document_type="credit_note", **other)

    def life(self, old: float, leaves: float) -> range:
        """The months of a customer: from the first on with a chance of `old`, with a chance of `leaves` a month to be gone."""
        born = 0 if self.random.random() < old else int(self.random.integers(MONTHS))
        return range(born, min(MONTHS, born + int(self.random.geometric(leaves))))

    def order(self, customer: int, month: int, rate: float, size: float, spread: float) -> None:
        """Bill a month's orders."""
        for amount in self.orders(rate, size, spread):
            self.bill(customer, month, amount)

    def bill_once(
        self, customer: int, month: int, size: float, spread: float, times: tuple[float, float]
    ) -> None:
        """Bill an order of so many times the usual size."""
        amount = self.random.lognormal(size, spread) * self.random.uniform(*times)
        self.bill(customer, month, float(amount))

    def orders(self, rate: float, size: float, spread: float) -> list[float]:
        """A month's orders: so many on average, of sizes about e to the power of `size`."""
        return [float(self.random.lognormal(size, spread)) for _ in range(self.random.poisson(rate))]

    def regular(
        self, customer: int, months: range, rate: float, size: float, spread: float, grows: float = 0
    ) -> None:
        """Orders in the months of a life, one at least in its first; sizes grow by so much a year."""
        for month in months:
            orders = self.orders(rate, size + grows * (month - months.start) / 12, spread)
            if month == months.start:
                orders.append(float(self.random.lognormal(size, spread)))
            for amount in orders:
                self.bill(customer, month, amount)


def _regular_of(
    old: float, leaves: float, *, rate: float = 1, grows: float = 0, customers: int = CUSTOMERS
) -> Callable[[Business], None]:
    def make(made: Business) -> None:
        for customer in range(customers):
            own = grows * float(made.random.normal(1, 0.7))
            often = rate * float(made.random.gamma(3, 1 / 3))
            made.regular(customer, made.life(old, leaves), often, float(made.random.normal(6, 1.1)), 0.5, own)

    return make


def _projects(made: Business) -> None:
    """One order a year or so, of any size."""
    for customer in range(CUSTOMERS):
        rate = float(made.random.gamma(2, 0.05))
        made.regular(customer, made.life(0.7, 0.01), rate, float(made.random.normal(9, 0.7)), 1.1)


def _first_orders(made: Business) -> None:
    """A first order, five to twenty times what follows, if anything does."""
    for customer in range(CUSTOMERS):
        size, rate = float(made.random.normal(6, 0.9)), float(made.random.gamma(3, 0.15))
        months = made.life(0.3, 0.02)
        if months.start:
            made.bill_once(customer, months.start, size, 0.5, (5, 20))
            months = range(0) if made.random.random() < 0.3 else months[1:]
        for month in months:
            made.order(customer, month, rate, size, 0.4)


def _one_project(made: Business) -> None:
    """Regular orders, and a project of eight to forty times that now and then."""
    for customer in range(CUSTOMERS):
        size, months = float(made.random.normal(6, 1)), made.life(0.7, 0.01)
        made.regular(customer, months, float(made.random.gamma(3, 0.35)), size, 0.4)
        for month in months:
            if made.random.random() < 0.015:
                made.bill_once(customer, month, size, 0.4, (8, 40))


def _credits(made: Business) -> None:
    """Of some a rebate each December, of others a credit of a part of the year in one line, once."""
    for customer in range(CUSTOMERS):
        size, rate, kind = (
            float(made.random.normal(6, 1)),
            float(made.random.gamma(4, 0.4)),
            made.random.random(),
        )
        months = made.life(0.75, 0.008)
        made.regular(customer, months, rate, size, 0.5)
        year = 12 * rate * float(np.exp(size + 0.125))
        for month in months[6:]:
            if kind < 0.15 and month % 12 == 11:
                made.credit(customer, month, 0.06 * year, quantity=0)
            elif kind > 0.6 and made.random.random() < 0.025:
                made.credit(customer, month, float(made.random.uniform(0.15, 0.6)) * year, quantity=0)


def _returns(made: Business) -> None:
    """Regular orders, and large ones of which more than half come back within a quarter."""
    for customer in range(CUSTOMERS):
        size, months = float(made.random.normal(6, 1)), made.life(0.75, 0.008)
        made.regular(customer, months, float(made.random.gamma(3, 0.25)), size, 0.5)
        for month in months:
            if made.random.random() < 0.01:
                amount = 20 * float(made.random.lognormal(size, 0.3))
                made.bill(customer, month, amount)
                if made.random.random() < 0.6:
                    made.credit(customer, month + int(made.random.integers(1, 4)), amount)


def _christmas(made: Business) -> None:
    """A company whose last quarter brings twice as much as the others."""
    for customer in range(CUSTOMERS):
        size, rate = float(made.random.normal(6, 1.1)), float(made.random.gamma(3, 0.35))
        for month in made.life(0.6, 0.01):
            made.order(customer, month, rate * (2 if month % 12 > 8 else 1), size, 0.5)


def _turning(made: Business) -> None:
    """Growth that ends with the first of the months that are to be foreseen."""
    for customer in range(CUSTOMERS):
        size, rate = float(made.random.normal(6, 1.1)), float(made.random.gamma(3, 0.3))
        for month in made.life(0.6, 0.01):
            made.order(customer, month, rate, size + 0.35 * min(month, 36) / 12, 0.5)


KINDS: dict[str, Callable[[Business], None]] = {
    "steady": _regular_of(0.85, 0.004, rate=4),
    "growing by a third a year": _regular_of(0.5, 0.006, grows=0.35),
    "shrinking by a third a year": _regular_of(0.9, 0.02, grows=-0.35),
    "half leave within a year": _regular_of(0.2, 0.045, customers=2 * CUSTOMERS),
    "projects": _projects,
    "large first orders": _first_orders,
    "a project now and then": _one_project,
    "price credits": _credits,
    "large orders sent back": _returns,
    "Christmas": _christmas,
    "turns: grew by a third a year, and no more": _turning,
}


def made_business(kind: str, seed: int) -> Facts:
    """The facts of a business of a kind."""
    made = Business(np.random.default_rng(seed))
    KINDS[kind](made)
    return facts(made.sold)
