"""What was billed: invoices with their lines, credit and debit notes, cancellations, free goods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from flows.demo.calendar import Calendar, Days, next_weekday, plus, stream, working_day
from flows.demo.catalogue import Catalogue, portfolios

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from flows.demo.company import Ints, Population

PORTFOLIO = 10
FIRST_DOCUMENT = 90_000_001
INVOICE, CREDIT, DEBIT, CANCELLATION, INTERCOMPANY = "F2", "G2", "L2", "S1", "IV"
COST_KNOWN = 0.95  # the rest falls back to the product's standard cost
FREE_GOODS = 0.008
CREDITED = 0.02  # of invoices
CREDITED_LATE = 0.25  # of the credit notes for every sixth month's invoices; the rest follow within days
EVERY_SIXTH = 6
UNLINKED = 0.1  # credit notes that do not say which invoice they speak of
DEBITED = 0.002
CANCELLED = 0.004


@dataclass(frozen=True)
class Sales:
    """`documents`: one row a billing document; `lines`: one row a line of it, by `document` (the row's number).

    Money is in cents, quantities in sales units; credit notes and cancellations are negative. `cancelled_on` is the
    day an invoice was cancelled; `reference` the number of the document a note or cancellation speaks of.
    """

    documents: pl.DataFrame
    lines: pl.DataFrame


@dataclass
class _Lines:
    """Lines as arrays while they are made; `document` counts within one kind of document."""

    document: Ints
    product: Ints
    quantity: Ints
    net: Ints
    cost: Ints
    cost_known: NDArray[np.bool_]
    freight: Ints
    rebate: Ints
    free: NDArray[np.bool_]
    ship_to: Ints

    def take(self, rows: Ints, document: Ints) -> _Lines:
        """Some of the lines, as lines of other documents."""
        parts = {name: getattr(self, name)[rows] for name in self.__dataclass_fields__}
        return _Lines(**{**parts, "document": document})

    def frame(self) -> pl.DataFrame:
        """As a frame; an unknown cost is null."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return (
            pl.DataFrame(values)
            .with_columns(pl.when(pl.col("cost_known")).then(pl.col("cost")).alias("cost"))
            .drop("cost_known")
        )


def sell(people: Population, catalogue: Catalogue, calendar: Calendar, seed: int) -> Sales:
    """All billing documents of the company's months."""
    random = stream(seed, 4)
    customer, day, target = _orders(people, calendar, random)
    lines = _order_lines(people, catalogue, calendar, customer, day, target, random)
    documents = pl.DataFrame(
        {
            "customer": customer,
            "day": day,
            "type": np.where(people.affiliate[customer], INTERCOMPANY, INVOICE),
            "cancelled_on": _cancellations(day, calendar, random),
        },
        schema_overrides={"cancelled_on": pl.Date},
    ).with_columns(source=pl.lit(None, pl.Int64))
    parts = [(documents, lines), *_follow_ups(documents, lines, calendar, random)]
    return _numbered(parts)


def _orders(
    people: Population, calendar: Calendar, random: np.random.Generator
) -> tuple[Ints, Days, NDArray[np.float64]]:
    """Customer, invoice date and target net sales of each order, in time order.

    Activity is shared between more orders and larger ones, half each on a logarithmic scale.
    """
    root = np.sqrt(people.level)
    rate = people.orders_per_month[:, None] * root
    phase = random.random(len(people))[:, None]
    even = np.floor(np.cumsum(rate, axis=1) + phase)
    even = np.diff(even, axis=1, prepend=np.floor(phase)).astype(np.int64)
    count = np.where(people.regular[:, None], even, random.poisson(rate))
    count *= people.active
    customer, month = np.divmod(np.repeat(np.arange(count.size), count.ravel()), calendar.months)
    of_month = np.concatenate([[0], np.cumsum(count.ravel())[:-1]]).repeat(count.ravel())
    position = np.arange(len(customer)) - of_month
    days = np.diff(calendar.starts).astype(np.int64)[month]
    share = (position + random.uniform(0.15, 0.85, len(customer))) / count[customer, month]
    day = working_day(plus(calendar.starts[month], np.floor(share * days).astype(np.int64)))
    usual = people.size / 12 / people.orders_per_month
    noise = np.where(
        people.regular[customer],
        random.lognormal(0, 0.15, len(customer)),
        random.lognormal(0, 0.45, len(customer)),
    )
    target = usual[customer] * root[customer, month] * noise
    order = np.lexsort((customer, day))
    return customer[order], day[order], target[order]


def _order_lines(
    people: Population,
    catalogue: Catalogue,
    calendar: Calendar,
    customer: Ints,
    day: Days,
    target: NDArray[np.float64],
    random: np.random.Generator,
) -> _Lines:
    count = 1 + random.poisson(people.lines_per_order[customer] - 1)
    document = np.repeat(np.arange(len(customer)), count)
    buyer = customer[document]
    month = calendar.index_of(day)[document]
    year = calendar.year_number[month]
    weight = random.exponential(1.0, len(document)) + 0.2
    starts = np.concatenate([[0], np.cumsum(count)[:-1]])
    wanted = target[document] * weight / np.add.reduceat(weight, starts)[document] * 100
    own = portfolios(len(people), PORTFOLIO, int(random.integers(2**31)))
    product = own[buyer, np.floor(PORTFOLIO * random.random(len(document)) ** 1.5).astype(np.int64)]
    product = np.where(catalogue.sold[product, month], product, own[buyer, 0])
    discount = people.discount[buyer] + np.clip(random.normal(0, 0.008, len(document)), -0.02, 0.02)
    price = np.rint(catalogue.list_cents[product, year] * (1 - discount)).astype(np.int64)
    quantity = np.maximum(1, np.rint(wanted / price)).astype(np.int64)
    first = np.zeros(len(document), dtype=bool)
    first[starts] = True
    free = (random.random(len(document)) < FREE_GOODS) & ~first
    quantity = np.where(free, np.maximum(1, quantity // 20), quantity)
    net = np.where(free, 0, quantity * price)
    drift = random.normal(1, 0.02, len(document))
    piece = np.rint(catalogue.cost_cents[product, year] * drift).astype(np.int64)
    abroad = random.random(len(document)) < people.shipped_abroad[buyer, month]
    return _Lines(
        document=document,
        product=product,
        quantity=quantity,
        net=net,
        cost=piece * quantity * catalogue.pieces[product],
        cost_known=random.random(len(document)) < COST_KNOWN,
        freight=np.rint(net * people.freight[buyer]).astype(np.int64),
        rebate=np.rint(net * people.rebate[buyer]).astype(np.int64),
        free=free,
        ship_to=np.where(abroad, people.other_territory[buyer], people.territory[buyer]),
    )


def _cancellations(day: Days, calendar: Calendar, random: np.random.Generator) -> Days:
    """The day a few invoices were cancelled, within a week; not a date for the others."""
    cancelled = next_weekday(plus(day, random.integers(1, 7, len(day))), random.integers(0, 5, len(day)))
    chosen = (random.random(len(day)) < CANCELLED) & (cancelled < calendar.end)
    return np.where(chosen, cancelled, np.datetime64("NaT", "D"))


def _follow_ups(
    invoices: pl.DataFrame, lines: _Lines, calendar: Calendar, random: np.random.Generator
) -> list[tuple[pl.DataFrame, _Lines]]:
    """Cancellations, credit notes and debit notes, each with the invoice it follows (`source`) and its lines."""
    day = invoices["day"].to_numpy()
    cancelled_on = invoices["cancelled_on"].to_numpy()
    cancelled = ~np.isnat(cancelled_on)
    standing = ~cancelled & (invoices["type"] == INVOICE).to_numpy()
    first_line = np.searchsorted(lines.document, np.arange(len(day)))
    draw = random.random(len(day))
    slow = day.astype("datetime64[M]").astype(np.int64) % EVERY_SIXTH == 0
    later = np.where(
        slow & (random.random(len(day)) < CREDITED_LATE),
        random.integers(18, 40, len(day)),
        random.integers(2, 10, len(day)),
    )
    noted_on = working_day(plus(day, later))
    booked_with_it = noted_on.astype("datetime64[M]") == day.astype("datetime64[M]")
    in_time = standing & (day < noted_on) & (noted_on < calendar.end) & (slow | booked_with_it)

    undone = np.flatnonzero(cancelled)
    rows = np.flatnonzero(cancelled[lines.document])
    twin = lines.take(rows, np.searchsorted(undone, lines.document[rows]))
    for name in ("quantity", "net", "cost", "freight", "rebate"):
        setattr(twin, name, -getattr(twin, name))

    returned = np.flatnonzero(in_time & (draw < CREDITED))
    back = lines.take(first_line[returned], np.arange(len(returned)))
    units = np.maximum(1, np.floor(back.quantity * random.uniform(0.05, 0.6, len(returned)))).astype(np.int64)
    back.net = -(back.net // back.quantity) * units
    back.cost = -(back.cost // back.quantity) * units
    back.quantity = -units
    back.freight = back.rebate = np.zeros(len(returned), dtype=np.int64)

    charged = np.flatnonzero(in_time & (draw >= CREDITED) & (draw < CREDITED + DEBITED))
    extra = lines.take(first_line[charged], np.arange(len(charged)))
    extra.net = np.maximum(100, extra.net // 50)
    for name in ("quantity", "cost", "freight", "rebate"):
        setattr(extra, name, np.zeros(len(charged), dtype=np.int64))
    extra.cost_known = np.ones(len(charged), dtype=bool)

    return [
        (_notes(invoices, undone, cancelled_on[undone], CANCELLATION), twin),
        (
            _notes(
                invoices,
                returned,
                noted_on[returned],
                CREDIT,
                linked=random.random(len(returned)) >= UNLINKED,
            ),
            back,
        ),
        (_notes(invoices, charged, noted_on[charged], DEBIT), extra),
    ]


def _notes(
    invoices: pl.DataFrame, source: Ints, day: Days, kind: str, linked: NDArray[np.bool_] | None = None
) -> pl.DataFrame:
    named = pl.lit(pl.Series(np.ones(len(source), dtype=bool) if linked is None else linked))
    return invoices[source].select(
        "customer",
        pl.Series("day", day),
        pl.lit(kind).alias("type"),
        pl.lit(None, pl.Date).alias("cancelled_on"),
        pl.when(named).then(pl.Series(source)).alias("source"),
    )


def _numbered(parts: list[tuple[pl.DataFrame, _Lines]]) -> Sales:
    """One numbering over all documents, in time order, as the ERP gives it; lines follow their document."""
    offsets = np.cumsum([0, *(len(documents) for documents, _ in parts)])
    documents = pl.concat([documents for documents, _ in parts])
    lines = pl.concat(
        [
            lines.frame().with_columns(pl.col("document") + int(offset))
            for (_, lines), offset in zip(parts, offsets, strict=False)
        ]
    )
    order = np.argsort(documents["day"].to_numpy(), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    source = documents["source"]
    reference = pl.Series("reference", rank[source.fill_null(0).to_numpy()])
    numbered = documents.with_columns(
        document=pl.Series(rank), reference=pl.when(source.is_not_null()).then(reference)
    ).drop("source")
    place = pl.int_range(1, pl.len() + 1).over("document").alias("item")
    return Sales(
        documents=numbered.sort("document"),
        lines=lines.with_columns(document=pl.Series(rank[lines["document"].to_numpy()]))
        .sort("document", maintain_order=True)
        .with_columns(place),
    )


def document_number(document: pl.Expr) -> pl.Expr:
    """A document's number as the ERP prints it, ten digits with leading zeros."""
    return (document + FIRST_DOCUMENT).cast(pl.String).str.zfill(10)
