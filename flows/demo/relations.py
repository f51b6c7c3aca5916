"""What the CRM knows: contacts, assessments, estimates of demand, rights to a territory, floors, goods found in the market."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from flows.demo.calendar import Calendar, Days, plus, stream, working_day
from flows.demo.cast import PROOF_AGO, UNDERCUT_AGO, WEST
from flows.demo.catalogue import CARTON_EVERY, EVERGREENS, FLOOR_SHARES, GROUPS
from flows.demo.company import CHANNELS, DISTRIBUTION, JOINER, LAPSED, TERRITORIES, Ints

if TYPE_CHECKING:
    from flows.demo.catalogue import Catalogue
    from flows.demo.company import Population

KINDS = (
    "order_inquiry",
    "visit",
    "complaint",
    "product_feedback",
    "market_information",
    "campaign_participation",
    "growth_plan",
    "new_product_need",
    "technical_exchange",
    "joint_project",
)
KIND_SHARES = (0.45, 0.2, 0.08, 0.1, 0.07, 0.07, 0.01, 0.01, 0.01, 0.0)
FEEDBACK = ("product_feedback", "market_information", "growth_plan", "new_product_need", "technical_exchange")
SUBJECTS = (
    "Anfrage zu Preis, Menge und Termin",
    "Besuch beim Einkauf,\nmit Rundgang im Lager",
    'Reklamation: Ware beschädigt, "Karton offen"',
    "Rückmeldung zur Haltbarkeit, gut",
    "Wettbewerber bietet an,\nPreis unbekannt",
    "Frühjahrsaktion, zugesagt",
    "Planung für das nächste Jahr",
    'Bedarf an einer neuen Größe, "dringend"',
    "Versuch im Technikum",
    "Gemeinsames Projekt, Stand",
)
VALID_ASSESSMENT_DAYS = 540
IMPORT_PRICE_FACTOR = 2
IMPORTED_CENTS = 15_000_000  # a year, at our own price
PUMPS = 2
RESALE_MARKUP = (1.08, 1.25)  # of honest dealers, on the floor
RESALE_UNDERCUT = (0.78, 0.88)
CONFIRMED = 0.7  # of honest dealers' goods, looked at by a second person
# Per story: what is talked about each month, and on which day of it.
STORY_CONTACTS = {
    "strategic_partner": (
        (3, "market_information"),
        (11, "technical_exchange"),
        (19, "product_feedback"),
        (25, "joint_project"),
    ),
    "import_substitute": ((8, "new_product_need"), (21, "technical_exchange")),
}
# Story: how many months ago something was done about the customer, on which day, what, and what came of the talk.
STORY_ACTIONS = (
    ("loss_making_giant", 9, 14, "renegotiate", "freight from now on at cost; rebate refused"),
    ("lapsing_core", 4, 21, "call", 'visited; new buyer, "asks for quotes"'),
    ("loyal_grower_1", 8, 9, "cultivate", "second product group offered"),
    ("arrears", 5, 17, "prepay", "agreed by telephone"),
    ("strategic_partner", 2, 6, "protect", "yearly talk held"),
)


LATEST_AGO = 6  # months before the last one, in which a succession is said at the latest


@dataclass(frozen=True)
class Relations:
    """The CRM's tables, one frame each; `month` says in which month's extract a row goes out."""

    interactions: pl.DataFrame
    assessments: pl.DataFrame
    estimates: pl.DataFrame
    territories: pl.DataFrame
    floors: pl.DataFrame
    observations: pl.DataFrame
    overrides: pl.DataFrame
    actions: pl.DataFrame
    successions: pl.DataFrame


def relate(
    people: Population, seats: dict[str, int], catalogue: Catalogue, calendar: Calendar, seed: int
) -> Relations:
    """All the CRM's facts of the company's months; `seats` names the customers with a story."""
    return Relations(
        interactions=_interactions(people, seats, calendar, stream(seed, 6)),
        assessments=_assessments(people, calendar, stream(seed, 7)),
        estimates=_estimates(people, seats, catalogue, calendar, stream(seed, 8)),
        territories=_territories(people, calendar),
        floors=_floors(catalogue, calendar),
        observations=_observations(people, seats, catalogue, calendar, stream(seed, 9)),
        overrides=_overrides(seats, calendar),
        actions=_actions(seats, calendar),
        successions=_successions(people, seats, calendar),
    )


def _interactions(
    people: Population, seats: dict[str, int], calendar: Calendar, random: np.random.Generator
) -> pl.DataFrame:
    count = random.poisson(people.contacts_per_month[:, None] * people.active)
    customer, month = np.divmod(np.repeat(np.arange(count.size), count.ravel()), calendar.months)
    day = random.integers(0, 28, len(customer))
    kind = random.choice(len(KINDS), len(customer), p=KIND_SHARES)
    told = [
        (seats[role], number, on, KINDS.index(what))
        for role, contacts in STORY_CONTACTS.items()
        for number in range(calendar.months)
        for on, what in contacts
    ]
    extra = np.array(told, dtype=np.int64).T
    customer, month = np.concatenate([customer, extra[0]]), np.concatenate([month, extra[1]])
    day, kind = np.concatenate([day, extra[2]]), np.concatenate([kind, extra[3]])
    minute = random.integers(8 * 60, 17 * 60, len(customer))
    at = working_day(plus(calendar.starts[month], day)).astype("datetime64[m]") + minute.astype(
        "timedelta64[m]"
    )
    story = np.isin(customer, [seats["strategic_partner"], seats["import_substitute"]])
    frame = pl.DataFrame(
        {
            "customer": customer,
            "month": month,
            "at": at.astype("datetime64[us]"),
            "kind": kind,
            "story": story,
        }
    )
    name = pl.col("kind").replace_strict(dict(enumerate(KINDS)), return_dtype=pl.String)
    return (
        frame.sort("at", "customer", "kind")
        .with_row_index("number", offset=1)
        .with_columns(
            subject=pl.col("kind").replace_strict(dict(enumerate(SUBJECTS)), return_dtype=pl.String),
            outbound=name.is_in(["visit", "campaign_participation"]),
            feedback=name.is_in(FEEDBACK),
            project=pl.when((name == "joint_project") & pl.col("story")).then(
                pl.format("P-{}", pl.col("customer"))
            ),
            group=pl.when(name == "new_product_need").then(pl.lit(GROUPS[PUMPS])),
            kind=name,
        )
    )


def _assessments(people: Population, calendar: Calendar, random: np.random.Generator) -> pl.DataFrame:
    """Once a year a person of the sales force says how much a customer moves its trade; first within the year before."""
    assessed = np.flatnonzero(~np.isnan(people.influence))
    offset = random.integers(1, 365, len(assessed))
    rounds = np.arange(calendar.months // 12 + 1)
    customer, year = np.repeat(assessed, len(rounds)), np.tile(rounds, len(assessed))
    day = plus(np.full(len(year), calendar.first), year * 365 - np.repeat(offset, len(rounds)))
    influence = np.clip(people.influence[customer] + random.integers(-4, 5, len(customer)), 0, 100)
    frame = pl.DataFrame({"customer": customer, "day": day, "influence": np.rint(influence).astype(np.int64)})
    assessor = pl.format(
        "key account {}", pl.Series([TERRITORIES[number] for number in people.territory[customer]])
    )
    return (
        frame.with_columns(
            month=pl.Series(np.maximum(calendar.index_of(day), 0)),
            expires_on=pl.col("day").dt.offset_by(f"{VALID_ASSESSMENT_DAYS}d"),
            assessor=assessor,
        )
        .filter(pl.Series((day < calendar.end) & (day >= people.created_on[customer])))
        .sort("day", "customer")
    )


def _new_years(calendar: Calendar) -> tuple[Days, Ints]:
    """The start of each calendar year, the first one's being the company's first month, and the month it lies in."""
    years = (calendar.first.astype("datetime64[Y]") + np.arange(calendar.years)).astype("datetime64[D]")
    return years, np.maximum(calendar.index_of(years), 0)


def _estimates(
    people: Population,
    seats: dict[str, int],
    catalogue: Catalogue,
    calendar: Calendar,
    random: np.random.Generator,
) -> pl.DataFrame:
    """Each January, what a customer will need in the year, from whomever; our share of it is what we know of its wallet."""
    starts, months = _new_years(calendar)
    known = np.flatnonzero(~np.isnan(people.wallet_share))
    customer, year = np.repeat(known, len(starts)), np.tile(np.arange(len(starts)), len(known))
    level = np.stack(
        [people.level[:, calendar.year_number == number].mean(axis=1) for number in range(len(starts))],
        axis=1,
    )
    ours = people.size[customer] * level[customer, year]
    demand = ours / people.wallet_share[customer] * random.uniform(0.95, 1.05, len(customer))
    day = plus(np.maximum(starts[year], calendar.first), random.integers(4, 25, len(customer)))
    there = (people.created_on[customer] <= day) & (demand > 0)
    frame = pl.DataFrame(
        {
            "customer": customer,
            "month": months[year],
            "period_start": starts[year],
            "day": day,
            "cents": np.rint(demand / 100).astype(np.int64) * 10_000,
        }
    ).filter(pl.Series(there))
    frame = frame.with_columns(
        group=pl.lit(None, pl.String),
        quantity=pl.lit(None, pl.Int64),
        unit=pl.lit(None, pl.String),
        supplied_by=pl.lit("us"),
        price_cents=pl.lit(None, pl.Int64),
        source=pl.lit("customer survey"),
    )
    return pl.concat(
        [frame, _imports(people, seats["import_substitute"], catalogue, calendar, frame.columns)]
    ).sort("day", "customer", "group")


def _imports(
    people: Population, seat: int, catalogue: Catalogue, calendar: Calendar, columns: list[str]
) -> pl.DataFrame:
    """One customer's demand by product group: what we deliver, and what it imports at twice our price."""
    starts, months = _new_years(calendar)
    product = next(
        number for number in range(EVERGREENS) if catalogue.group[number] == PUMPS and number % CARTON_EVERY
    )
    price = catalogue.list_cents[product]
    pieces = np.rint(IMPORTED_CENTS / price).astype(np.int64)
    ours = np.rint(people.size[seat] * 1.1).astype(np.int64) * 100
    year = pl.DataFrame(
        {"period_start": starts, "month": months, "day": plus(np.maximum(starts, calendar.first), 20)}
    )
    supplied = year.with_columns(
        cents=pl.lit(ours),
        group=pl.lit(GROUPS[0]),
        quantity=pl.lit(None, pl.Int64),
        unit=pl.lit(None, pl.String),
        supplied_by=pl.lit("us"),
        price_cents=pl.lit(None, pl.Int64),
    )
    imported = year.with_columns(
        cents=pl.Series(pieces * price),
        group=pl.lit(GROUPS[PUMPS]),
        quantity=pl.Series(pieces),
        unit=pl.lit("PC"),
        supplied_by=pl.lit("import"),
        price_cents=pl.Series(price * IMPORT_PRICE_FACTOR),
    )
    both = pl.concat([supplied, imported])
    return both.with_columns(customer=pl.lit(seat, pl.Int64), source=pl.lit("joint project")).select(columns)


def _territories(people: Population, calendar: Calendar) -> pl.DataFrame:
    """Distributors have the right to one territory each; every tenth alone."""
    dealer = np.flatnonzero(people.channel == DISTRIBUTION)
    day = people.created_on[dealer]
    return pl.DataFrame(
        {
            "customer": dealer,
            "month": np.maximum(calendar.index_of(day), 0),
            "territory": [TERRITORIES[number] for number in people.territory[dealer]],
            "valid_from": day,
            "exclusive": np.arange(len(dealer)) % 10 == 0,
        }
    ).sort("valid_from", "customer")


def _floors(catalogue: Catalogue, calendar: Calendar) -> pl.DataFrame:
    """A floor a product and channel, raised each January; the one before goes out again with its last day."""
    starts, months = _new_years(calendar)
    frames = []
    for channel in CHANNELS:
        cents = catalogue.floor_cents(FLOOR_SHARES[channel])
        for year in range(calendar.years):
            row = pl.DataFrame({"product": np.arange(len(cents)), "cents": cents[:, year]}).with_columns(
                channel=pl.lit(channel), valid_from=pl.lit(starts[year].astype(object))
            )
            frames.append(row.with_columns(month=pl.lit(int(months[year])), valid_to=pl.lit(None, pl.Date)))
            if year + 1 < calendar.years:
                last_day = plus(starts, -1)[year + 1].astype(object)
                frames.append(
                    row.with_columns(month=pl.lit(int(months[year + 1])), valid_to=pl.lit(last_day))
                )
    return pl.concat(frames).sort("month", "valid_from", "product", "channel")


def _observations(
    people: Population,
    seats: dict[str, int],
    catalogue: Catalogue,
    calendar: Calendar,
    random: np.random.Generator,
) -> pl.DataFrame:
    """Goods found by the field force: two a month of honest dealers, and what the diverter and the dumper leave behind."""
    diverter, dumper = seats["diverting_speculator"], seats["dumper"]
    at = people.territory.item
    honest = np.flatnonzero((people.channel == DISTRIBUTION) & (people.created_on < calendar.first))
    honest = honest[~np.isin(honest, [diverter, dumper])]
    found: list[tuple[int, int, int, float, bool]] = []
    for number, ago in enumerate(calendar.ago.tolist()):
        dealers = random.choice(honest, min(2, len(honest)), replace=False).tolist()
        found.extend(
            (dealer, number, at(dealer), random.uniform(*RESALE_MARKUP), bool(random.random() < CONFIRMED))
            for dealer in dealers
        )
        if ago <= PROOF_AGO:
            found.extend((diverter, number, WEST, random.uniform(*RESALE_MARKUP), True) for _ in range(2))
            found.append((diverter, number, at(diverter), random.uniform(*RESALE_MARKUP), ago % 2 == 0))
        if ago <= UNDERCUT_AGO:
            found.extend(
                (dumper, number, at(dumper), random.uniform(*RESALE_UNDERCUT), True) for _ in range(2)
            )
    customer, month, territory, markup, confirmed = (np.array(column) for column in zip(*found, strict=True))
    product = random.integers(EVERGREENS, size=len(customer))
    floor = catalogue.floor_cents(FLOOR_SHARES["distribution"])[product, calendar.year_number[month]]
    return (
        pl.DataFrame(
            {
                "customer": customer,
                "month": month,
                "day": plus(calendar.starts[month], random.integers(0, 28, len(customer))),
                "product": product,
                "territory": [TERRITORIES[number] for number in territory],
                "cents": np.rint(floor * markup).astype(np.int64),
                "confirmed": confirmed,
            }
        )
        .sort("day", "customer", "product", maintain_order=True)
        .with_row_index("number", offset=1)
    )


def _overrides(seats: dict[str, int], calendar: Calendar) -> pl.DataFrame:
    """One customer is held up by decision, for a year at most."""
    month = max(calendar.months - 5, 0)
    start = calendar.month(month)
    return pl.DataFrame(
        {
            "customer": [seats["overridden"]],
            "month": [month],
            "valid_from": [start],
            "tier": ["cultivate"],
            "owner": ["head of sales"],
            "reason": ['New plant in spring,\nfirst orders promised, "in writing"'],
            "valid_to": [start.replace(year=start.year + 1, day=28)],
        }
    )


def _actions(seats: dict[str, int], calendar: Calendar) -> pl.DataFrame:
    """What the sales office did about customers with a story, as far as the months reach back."""
    last = calendar.months - 1
    return pl.DataFrame(
        [
            {
                "number": number,
                "customer": seats[role],
                "month": last - ago,
                "done": done,
                "day": calendar.month(last - ago).replace(day=day),
                "remark": remark,
            }
            for number, (role, ago, day, done, remark) in enumerate(STORY_ACTIONS, start=1)
            if ago <= last
        ],
        schema={
            "number": pl.Int64,
            "customer": pl.Int64,
            "month": pl.Int64,
            "done": pl.String,
            "day": pl.Date,
            "remark": pl.String,
        },
    )


def _successions(people: Population, seats: dict[str, int], calendar: Calendar) -> pl.DataFrame:
    """One customer that stopped buying goes on under the number of one that began soon after: a change of legal form.

    Of the many, none with a story; none where no such two are there, or it would be said in the last months only.
    """
    months = np.arange(calendar.months)
    last = np.where(people.active, months, -1).max(axis=1)
    first = np.where(people.active, months, calendar.months).min(axis=1)
    alone = np.setdiff1d(np.arange(len(people)), list(seats.values()))
    ended = [seat for seat in alone.tolist() if people.kind[seat] == LAPSED and last[seat] >= 0]
    began = [
        seat
        for seat in alone.tolist()
        if people.kind[seat] == JOINER and first[seat] < calendar.months - LATEST_AGO
    ]
    pairs = [
        (int(first[new] - last[old]), old, new) for old in ended for new in began if first[new] > last[old]
    ]
    found = [min(pairs)] if pairs else []
    return pl.DataFrame(
        [
            {
                "customer": old,
                "successor": new,
                "month": int(first[new]),
                "valid_from": calendar.month(int(first[new])),
                "reason": "change of legal form",
            }
            for _, old, new in found
        ],
        schema={
            "customer": pl.Int64,
            "successor": pl.Int64,
            "month": pl.Int64,
            "valid_from": pl.Date,
            "reason": pl.String,
        },
    )
