"""Who the sample company sells to: the many, and room for the few with a story (see cast.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.demo.calendar import Calendar, Days, plus, stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Texts = np.ndarray[Any, np.dtype[np.object_]]

CHANNELS = ("direct", "distribution", "export")
DIRECT, DISTRIBUTION, EXPORT = range(3)
HOME_TERRITORIES = ("DE-NORD", "DE-WEST", "DE-MITTE", "DE-OST", "DE-SUED")
TERRITORIES = (*HOME_TERRITORIES, "AT", "NL", "PL", "DK")
INDUSTRIES = ("MASCH", "BAU", "ELEKTRO", "CHEMIE", "HANDEL", "GARTEN")
GARDEN = 5
TRADES = ("Maschinenbau", "Bautechnik", "Elektro", "Chemie", "Handel", "Gartenbau")
NAMES = (
    "Ahlers",
    "Behrens",
    "Böttcher",
    "Carstens",
    "Dührkop",
    "Ehlers",
    "Feddersen",
    "Gerdes",
    "Hansen",
    "Iversen",
    "Jürgens",
    "Köster",
    "Lührs",
    "Möller",
    "Nissen",
    "Oelkers",
    "Petersen",
    "Quast",
    "Rickmers",
    "Schröder",
    "Thießen",
    "Uhlenbrock",
    "Voß",
    "Wübbe",
)
CITIES = (
    "Bremen",
    "Emden",
    "Flensburg",
    "Görlitz",
    "Hamburg",
    "Husum",
    "Kiel",
    "Köln",
    "Lübeck",
    "Lüneburg",
    "Münster",
    "Oldenburg",
    "Rostock",
    "Schwerin",
    "Stade",
    "Stralsund",
    "Wismar",
    "Würzburg",
)
FORMS = ("GmbH", "GmbH & Co. KG", "KG", "AG", "OHG", "e. K.")

# Sales of a month of the year against the average month. Garden goods live from spring; the rest has a quiet summer.
EVEN_YEAR = np.array([0.95, 0.95, 1.05, 1.0, 1.0, 1.0, 0.9, 0.85, 1.1, 1.1, 1.1, 1.0])
GARDEN_YEAR = np.array([0.05, 0.1, 0.6, 2.6, 3.2, 2.4, 1.2, 0.7, 0.5, 0.3, 0.2, 0.15])

STEADY, OCCASIONAL, SPOT, LAPSED, JOINER = range(5)
KIND_SHARES = (0.45, 0.3, 0.06, 0.1, 0.09)
FIRST_CUSTOMER = 100_001
DOMESTIC_TAX_PERCENT = 19
NEVER = 10_000.0  # days late, of items that are not paid while the company is watched
LOWEST, MEDIAN, LARGEST = 2_000.0, 40_000.0, 2_200_000.0


@dataclass
class Population:
    """One row a customer; matrices are customers × months.

    `size` is yearly net sales in company currency at level 1; `level` is the month's activity against the average
    month (0: no order). `days_late` is the mean of settled − due for items posted in the month.
    """

    customer_id: Texts
    name: Texts
    kind: Ints
    industry: Ints
    channel: Ints
    territory: Ints
    group_id: Texts
    created_on: Days
    size: Floats
    orders_per_month: Floats
    lines_per_order: Floats
    regular: NDArray[np.bool_]
    discount: Floats
    freight: Floats
    rebate: Floats
    term_days: Ints
    pay_weekday: Ints
    spread_of_lateness: Floats
    has_limit: NDArray[np.bool_]
    wallet_share: Floats  # our share of what the customer buys; null (NaN) where nobody estimated it
    influence: Floats  # null (NaN) where nobody assessed it
    contacts_per_month: Floats
    affiliate: NDArray[np.bool_]  # a company of the own group: its sales are intercompany
    level: Floats
    days_late: Floats
    shipped_abroad: Floats  # share of lines shipped to `other_territory`
    other_territory: Ints

    def __len__(self) -> int:
        return len(self.customer_id)

    @property
    def active(self) -> NDArray[np.bool_]:
        """Customers × months: whether the customer buys at all in the month."""
        return self.level > 0


def populate(customers: int, calendar: Calendar, seed: int) -> Population:
    """The many: a heavy-tailed crowd of steady, occasional, spot, lapsed and new customers."""
    random = stream(seed, 1)
    kind = random.choice(len(KIND_SHARES), customers, p=KIND_SHARES)
    industry = random.choice(len(INDUSTRIES), customers, p=(0.24, 0.2, 0.18, 0.12, 0.18, 0.08))
    channel = random.choice(len(CHANNELS), customers, p=(0.5, 0.36, 0.14))
    home = random.integers(len(HOME_TERRITORIES), size=customers)
    abroad = random.integers(len(HOME_TERRITORIES), len(TERRITORIES), size=customers)
    territory = np.where(channel == EXPORT, abroad, home)
    size = np.exp(random.normal(np.log(MEDIAN), 1.2, customers))
    size = np.where(kind == SPOT, np.exp(random.normal(np.log(230_000), 0.4, customers)), size)
    size = np.clip(np.where(kind == OCCASIONAL, size * 0.4, size), LOWEST, LARGEST)
    # Larger customers order more often, not only more at a time; 72 lines a year is the median customer.
    lines_per_year = np.clip(72 * np.sqrt(size / MEDIAN), 6, 240)
    orders = lines_per_year / 12 / 3
    orders = np.where(kind == OCCASIONAL, random.uniform(0.12, 0.4, customers), orders)
    orders = np.where(kind == SPOT, random.uniform(0.22, 0.4, customers), orders)
    term_days = random.choice((14, 30, 45, 60), customers, p=(0.1, 0.6, 0.15, 0.15))
    slow = random.choice(3, customers, p=(0.74, 0.19, 0.07)) * (term_days >= 30)
    lateness = np.choose(
        slow,
        [random.normal(-3, 2, customers), random.uniform(3, 9, customers), random.uniform(9, 14, customers)],
    )
    return Population(
        customer_id=np.array(
            [f"{FIRST_CUSTOMER + number:010d}" for number in range(customers)], dtype=object
        ),
        name=_names(customers, industry, random),
        kind=kind,
        industry=industry,
        channel=channel,
        territory=territory,
        group_id=np.full(customers, None, dtype=object),
        created_on=plus(np.full(customers, calendar.first), -random.integers(60, 5_500, customers)),
        size=size,
        orders_per_month=orders,
        lines_per_order=np.where(kind == SPOT, 6.0, np.where(kind == OCCASIONAL, 2.0, 3.0)),
        regular=kind != OCCASIONAL,
        discount=np.choose(
            channel,
            [random.uniform(lo, hi, customers) for lo, hi in ((0.02, 0.09), (0.07, 0.12), (0.04, 0.1))],
        ),
        freight=np.choose(
            channel,
            [random.uniform(lo, hi, customers) for lo, hi in ((0.01, 0.03), (0.01, 0.02), (0.03, 0.05))],
        ),
        rebate=np.where(channel == DISTRIBUTION, random.uniform(0.005, 0.02, customers), 0.0),
        term_days=term_days,
        pay_weekday=random.integers(0, 5, customers),
        spread_of_lateness=np.full(customers, 3.0),
        has_limit=random.random(customers) < 0.92,
        wallet_share=_wallet_shares(kind, random),
        influence=np.where(
            random.random(customers) < 0.35, np.clip(random.normal(38, 18, customers), 2, 95), np.nan
        ),
        contacts_per_month=0.15 + 0.35 * np.clip(np.sqrt(size / 150_000), 0.2, 2.5),
        affiliate=np.zeros(customers, dtype=bool),
        level=_levels(kind, industry, calendar, random),
        days_late=np.repeat(lateness[:, None], calendar.months, axis=1),
        shipped_abroad=np.zeros((customers, calendar.months)),
        other_territory=territory.copy(),
    )


def _names(customers: int, industry: Ints, random: np.random.Generator) -> Texts:
    """Company names; a second one of the same name gets a number, as in any grown customer master."""
    seen: dict[str, int] = {}
    names = []
    parts = zip(
        random.integers(len(NAMES), size=customers).tolist(),
        industry.tolist(),
        random.integers(len(CITIES), size=customers).tolist(),
        random.integers(len(FORMS), size=customers).tolist(),
        strict=True,
    )
    for name, trade, city, form in parts:
        full = f"{NAMES[name]} {TRADES[trade]} {CITIES[city]} {FORMS[form]}"
        seen[full] = seen.get(full, 0) + 1
        names.append(full if seen[full] == 1 else f"{full} ({seen[full]})")
    return np.array(names, dtype=object)


def _wallet_shares(kind: Ints, random: np.random.Generator) -> Floats:
    share = np.where(
        kind == STEADY, random.uniform(0.45, 0.95, len(kind)), random.uniform(0.1, 0.5, len(kind))
    )
    return np.where(random.random(len(kind)) < 0.6, share, np.nan)


def season(industry: Ints, calendar: Calendar) -> Floats:
    """Customers × months: the month against the average month, by the customer's industry."""
    years = np.where((industry == GARDEN)[:, None], GARDEN_YEAR, EVEN_YEAR)
    return years[:, calendar.month_of_year]


def _levels(kind: Ints, industry: Ints, calendar: Calendar, random: np.random.Generator) -> Floats:
    """Growth, season, and whether the customer is there yet, or still."""
    customers, months = len(kind), calendar.months
    number = np.arange(months)
    growth = np.exp(random.normal(0.02, 0.07, customers))[:, None] ** (number / 12)
    start = np.where(kind == JOINER, random.integers(0, months, customers), 0)
    # A lapsing customer fades over four months and is gone from `stop` on.
    stop = np.where(kind == LAPSED, random.integers(min(6, months), months + 1, customers), months + 4)
    fade = np.clip((stop[:, None] - number) / 4, 0, 1)
    return growth * season(industry, calendar) * fade * (number >= start[:, None])
