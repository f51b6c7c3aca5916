"""The few customers with a story, written over the many: who they are, and what a rating should see in them, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from flows.demo.calendar import Calendar
from flows.demo.company import (
    DIRECT,
    DISTRIBUTION,
    EVEN_YEAR,
    GARDEN,
    GARDEN_YEAR,
    HOME_TERRITORIES,
    JOINER,
    NEVER,
    STEADY,
    Floats,
    Population,
)

if TYPE_CHECKING:
    from datetime import date

GROUP_ID = "G-4711"
SURGE_AGO = 14  # the diverter's, in months before the last one
PROOF_AGO = 11  # the first goods are found three months later
UNDERCUT_AGO = 10  # the dumper's first offer below the floor
SLOW_AGO, SILENT_AGO = 22, 7  # the arrears customer pays late, then nothing any more
FADE_AGO, GONE_AGO = 15, 6  # the lapsing customer's last full month, and the first without an order
NORTH, WEST = HOME_TERRITORIES.index("DE-NORD"), HOME_TERRITORIES.index("DE-WEST")

Months = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Planted:
    """One customer with a story: what the mart should come to say of it, from the end of which month on."""

    customer_id: str
    expectation: str
    since: date


def _always(ago: Months) -> Floats:
    return np.ones(len(ago))


def _growing(first: float, last: float) -> Callable[[Months], Floats]:
    """From `first` to `last` times the size, by the same factor each month."""

    def level(ago: Months) -> Floats:
        return last * (first / last) ** (ago / max(len(ago) - 1, 1))

    return level


def _diverting(ago: Months) -> Floats:
    """Buys in lumps, every fourth month or so, and 2.4 times as much once the goods wander."""
    buys = (ago % 4 == 1) | (ago % 12 == 2)
    return buys * np.where(ago <= SURGE_AGO, 5.0, 2.1)


def _undercut_neighbour(ago: Months) -> Floats:
    return np.where(ago <= SURGE_AGO, np.clip(1 - 0.1 * (SURGE_AGO + 1 - ago), 0.55, 1), 1.0)


def _fading(ago: Months) -> Floats:
    """Full until FADE_AGO, then less each month, and nothing from GONE_AGO on."""
    return np.clip((ago - GONE_AGO) / (FADE_AGO - GONE_AGO), 0, 1)


def _from(months_ago: int) -> Callable[[Months], Floats]:
    def level(ago: Months) -> Floats:
        return (ago <= months_ago).astype(float)

    return level


def _arrears(ago: Months) -> Floats:
    return np.where(ago <= SILENT_AGO, np.where(ago > 2, 0.8, 0.5), 1.0)


@dataclass(frozen=True)
class Role:
    """How one customer with a story differs from the many."""

    name: str
    expectation: str
    shows_ago: int  # months before the last one, from which on the expectation holds
    size: float
    orders_per_month: float
    level: Callable[[Months], Floats] = _always
    regular: bool = True
    lines_per_order: float = 3.0
    channel: int = DIRECT
    years_known: float = 8.0
    days_late: Callable[[Months], Floats] = field(default=lambda ago: np.full(len(ago), -3.0))
    wallet_share: float = 0.75
    influence: float = float("nan")
    contacts_per_month: float = 0.25
    more: dict[str, Any] = field(default_factory=dict)


def _late(days: float) -> Callable[[Months], Floats]:
    return lambda ago: np.full(len(ago), days)


def _chronic(ago: Months) -> Floats:
    return np.select([ago <= SILENT_AGO, ago <= SLOW_AGO], [NEVER, 48.0], 9.0)


LATE = "late by a week or two, always, and never more: watched, but not stopped"
GROWER = "cultivate, then core: small and loyal, and grown above the volume threshold"
GROUP = f"one of two companies of one group: exposure rolls up under {GROUP_ID}"

ROLES = (
    Role(
        name="strategic_partner",
        expectation="strategic: large, steady, loyal, and tells us what the market wants",
        shows_ago=24,
        size=1_250_000,
        orders_per_month=7,
        level=_growing(0.9, 1.05),
        years_known=12,
        wallet_share=0.8,
        influence=85,
        contacts_per_month=1.2,
    ),
    Role(
        name="diverting_speculator",
        expectation="speculative by volume and loyalty; diversion confirmed by goods found elsewhere",
        shows_ago=PROOF_AGO - 4,
        size=330_000,
        orders_per_month=1.6,
        level=_diverting,
        lines_per_order=6,
        channel=DISTRIBUTION,
        years_known=0.2,
        wallet_share=0.2,
        more={"territory": NORTH},
    ),
    Role(
        name="undercut_neighbour",
        expectation="core, and shrinking: the diverted goods turn up in its territory",
        shows_ago=SURGE_AGO - 4,
        size=330_000,
        orders_per_month=6,
        level=_undercut_neighbour,
        channel=DISTRIBUTION,
        more={"territory": WEST},
    ),
    Role(
        name="dumper",
        expectation="dumping confirmed: resale prices below the floor, three times and more",
        shows_ago=UNDERCUT_AGO - 3,
        size=320_000,
        orders_per_month=6,
        channel=DISTRIBUTION,
        years_known=5,
    ),
    Role(
        name="arrears",
        expectation="credit stop: chronically late, then more than 90 days past due on a material amount",
        shows_ago=SILENT_AGO - 4,
        size=140_000,
        orders_per_month=4,
        level=_arrears,
        days_late=_chronic,
    ),
    Role("late_payer_small", LATE, shows_ago=24, size=28_000, orders_per_month=4, days_late=_late(9)),
    Role("late_payer_middle", LATE, shows_ago=24, size=70_000, orders_per_month=4, days_late=_late(9)),
    Role("late_payer_large", LATE, shows_ago=24, size=190_000, orders_per_month=5, days_late=_late(9)),
    *(
        Role(
            name=f"loyal_grower_{number}",
            expectation=GROWER,
            shows_ago=shows_ago
            - 2,  # the memory waits a quarter, and the figures must pass the bars by a margin
            size=100_000,
            orders_per_month=3,
            level=_growing(first, last),
            years_known=years,
            wallet_share=0.5,
        )
        for number, (first, last, shows_ago, years) in enumerate(
            (
                (0.55, 3.4, 7, 6),
                (0.8, 3.0, 9, 9),
                (0.7, 2.6, 5, 4),
                (0.9, 2.4, 7, 7),
                (0.6, 4.2, 9, 5),
                (1.0, 2.2, 6, 11),
            ),
            start=1,
        )
    ),
    Role(
        name="loss_making_giant",
        expectation="loss-making: among the largest sales, and a negative contribution",
        shows_ago=24,
        size=1_900_000,
        orders_per_month=9,
        years_known=10,
        wallet_share=0.9,
        influence=70,
        more={"discount": 0.3, "freight": 0.05, "rebate": 0.06},
    ),
    Role(
        name="seasonal_buyer",
        expectation="core: unsteady by the calendar, steady against its season",
        shows_ago=12,
        size=260_000,
        orders_per_month=4,
        years_known=9,
        more={"industry": GARDEN},
    ),
    Role(
        name="newcomer",
        expectation="new: first order in the third month from the end",
        shows_ago=2,
        size=90_000,
        orders_per_month=2.5,
        level=_from(2),
        more={"kind": JOINER},
    ),
    Role(
        name="lapsing_core",
        expectation=f"core, then fading away, and below it: no order for {GONE_AGO} months",
        shows_ago=0,
        size=330_000,
        orders_per_month=5,
        level=_fading,
        years_known=9,
    ),
    Role("group_parent", GROUP, shows_ago=24, size=210_000, orders_per_month=4, more={"group_id": GROUP_ID}),
    Role(
        "group_subsidiary", GROUP, shows_ago=24, size=60_000, orders_per_month=3, more={"group_id": GROUP_ID}
    ),
    Role(
        name="import_substitute",
        expectation="co_develop: imports at twice our price what we could make for it",
        shows_ago=12,
        size=85_000,
        orders_per_month=3,
        years_known=4,
        wallet_share=float("nan"),
        influence=60,
        contacts_per_month=0.8,
    ),
    Role(
        name="overridden",
        expectation="cultivate by override, with owner, reason and an end; marginal by itself",
        shows_ago=4,
        size=15_000,
        orders_per_month=0.2,
        regular=False,
        lines_per_order=2,
        years_known=1.5,
        wallet_share=0.15,
    ),
    Role(
        name="affiliate",
        expectation="a company of the own group: intercompany sales, which never count",
        shows_ago=24,
        size=60_000,
        orders_per_month=1,
        more={"affiliate": True},
    ),
)
SMALLEST_COMPANY = 2 * len(ROLES)


def require_enough(customers: int) -> None:
    """ValueError where there are too few customers for the stories."""
    if customers < SMALLEST_COMPANY:
        raise ValueError(
            f"{customers} customers are too few: {len(ROLES)} have a story, make it {SMALLEST_COMPANY} or more"
        )


def plant(people: Population, calendar: Calendar) -> dict[str, Planted]:
    """Write the stories over evenly spread customers of the population; by role, who it is and what to expect."""
    seats = (np.arange(len(ROLES)) * len(people)) // len(ROLES) + 1
    planted = {}
    for role, seat in zip(ROLES, seats.tolist(), strict=True):
        _write(role, people, seat, calendar)
        shows = max(calendar.months - 1 - role.shows_ago, 0)
        planted[role.name] = Planted(people.customer_id[seat], role.expectation, calendar.month(shows))
    return planted


def _write(role: Role, people: Population, seat: int, calendar: Calendar) -> None:
    ago = calendar.ago
    people.kind[seat] = STEADY
    people.industry[seat] = 0
    people.channel[seat] = role.channel
    people.territory[seat] = seat % len(HOME_TERRITORIES)
    people.created_on[seat] = calendar.first - np.timedelta64(int(role.years_known * 365), "D")
    people.size[seat] = role.size
    people.orders_per_month[seat] = role.orders_per_month
    people.lines_per_order[seat] = role.lines_per_order
    people.regular[seat] = role.regular
    people.discount[seat], people.freight[seat], people.rebate[seat] = 0.09, 0.015, 0.005
    people.term_days[seat] = 30
    people.spread_of_lateness[seat] = 2.0
    people.has_limit[seat] = True
    people.wallet_share[seat] = role.wallet_share
    people.influence[seat] = role.influence
    people.contacts_per_month[seat] = role.contacts_per_month
    for name, value in role.more.items():
        getattr(people, name)[seat] = value
    year = GARDEN_YEAR if people.industry[seat] == GARDEN else EVEN_YEAR
    people.level[seat] = role.level(ago) * year[calendar.month_of_year]
    people.days_late[seat] = role.days_late(ago)
    if role.name == "diverting_speculator":
        people.shipped_abroad[seat] = np.where(ago <= SURGE_AGO, 0.55, 0.0)
        people.other_territory[seat] = WEST


def settle(people: Population, calendar: Calendar) -> None:
    """Who joins during the months is created in the month of the first order."""
    joiner = np.flatnonzero(people.kind == JOINER)
    first = people.active[joiner].argmax(axis=1)
    people.created_on[joiner] = calendar.starts[first]
