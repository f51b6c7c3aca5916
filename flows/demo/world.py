"""The sample company as a whole: made from a seed, landed month by month."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from flows.demo import cast, company, files, hanse_crm, hanse_erp
from flows.demo.calendar import Calendar
from flows.demo.catalogue import stock
from flows.demo.plans import draw_up
from flows.demo.receivables import keep_ledger
from flows.demo.relations import relate
from flows.demo.sales import sell

if TYPE_CHECKING:
    from pathlib import Path

COMPANY = "1000"
EXTRACTED_AT = time(2, tzinfo=UTC)  # of the day after the month


@dataclass(frozen=True)
class World:
    """A sample company: what its two systems hold, and who in it has a story (`planted`, by the story's name)."""

    calendar: Calendar
    seed: int
    customers: int
    planted: dict[str, cast.Planted]
    erp: hanse_erp.Erp
    crm: hanse_crm.Crm

    @property
    def months(self) -> list[date]:
        """The first days of its months, in order."""
        return [self.calendar.month(number) for number in range(self.calendar.months)]


def build_world(*, last_month: date, customers: int = 400, months: int = 36, seed: int = 7) -> World:
    """Make the company; the same arguments make the same one, to the byte.

    `last_month` is any day of the last month. ValueError where there are fewer customers than stories need, or no month.
    """
    if months < 1:
        raise ValueError(f"{months} months are none: make it 1 or more")
    cast.require_enough(customers)
    calendar = Calendar.ending(last_month, months)
    people = company.populate(customers, calendar, seed)
    planted = cast.plant(people, calendar)
    cast.settle(people, calendar)
    catalogue = stock(calendar, seed)
    sales = sell(people, catalogue, calendar, seed)
    ledger = keep_ledger(people, sales, calendar, seed)
    number = {code: seat for seat, code in enumerate(people.customer_id.tolist())}
    seats = {name: number[who.customer_id] for name, who in planted.items()}
    relations = relate(people, seats, catalogue, calendar, seed)
    return World(
        calendar=calendar,
        seed=seed,
        customers=customers,
        planted=planted,
        erp=hanse_erp.book(people, catalogue, sales, ledger, calendar),
        crm=hanse_crm.record(people, catalogue, relations, draw_up(people, sales, calendar), calendar),
    )


def write_month(world: World, month: date, inbox: Path) -> list[Path]:
    """Land the month's batch of each source, as its system would on the night after the month; the batch folders.

    ValueError where the month is not one of the world's.
    """
    number = world.calendar.number(month)
    night = datetime.combine(world.calendar.starts[number + 1].astype(date), EXTRACTED_AT)
    return [
        files.land(inbox, source, COMPANY, number + 1, night, extracts)
        for source, extracts in (
            (hanse_erp.NAME, hanse_erp.extracts(world.erp, number)),
            (hanse_crm.NAME, hanse_crm.extracts(world.crm, number)),
        )
    ]


def describe(world: World) -> str:
    """What the company is, in a few lines for a person, the customers with a story last."""
    first, last = world.months[0], world.months[-1]
    lines, postings = len(world.erp.lines.frame), len(world.erp.items.frame)
    contacts = len(world.crm.tables["ACTIVITIES"].frame)
    said = [
        f"company {COMPANY}: {world.customers:,} customers, {first:%Y-%m} to {last:%Y-%m}, seed {world.seed}",
        f"{hanse_erp.NAME}: {lines:,} invoice lines, {postings:,} ledger postings; {hanse_crm.NAME}: {contacts:,} contacts",
    ]
    width = max(len(name) for name in world.planted)
    said += [
        f"{name:<{width}}  {who.customer_id}  from {who.since:%Y-%m}: {who.expectation}"
        for name, who in world.planted.items()
    ]
    return "\n".join(said)
