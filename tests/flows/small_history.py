"""A year and a half of a small company, month by month, with what comes late and what is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

from tests.flows.small_company import Extract, Record, customer, gone, item, line
from transforms.frames.periods import months_before
from transforms.frames.plan import month_end

FIRST_MONTH, FIRST_RATED, LAST_MONTH = date(2023, 10, 1), date(2024, 8, 1), date(2024, 12, 1)
DUE, PAID_AFTER = timedelta(days=30), timedelta(days=25)

# Net sales of a month: a steady giant, a small loyal one, one that grows, one that stops buying, one that does not pay.
BUYERS: Mapping[str, tuple[int, ...]] = {
    "GIANT": (60_000,) * 15,
    "LOYAL": (900, 1100) * 7 + (900,),
    "GROWS": tuple(4_000 * 2 ** (month // 3) for month in range(15)),
    "STOPS": (30_000,) * 8 + (0,) * 7,
    "OWES": (25_000,) * 15,
    "YOUNG": (0,) * 9 + (12_000,) * 6,
}


def months() -> list[date]:
    """All months of the company, by their first day."""
    return [months_before(FIRST_MONTH, -number) for number in range(15)]


def rated_months() -> list[date]:
    """Those that are rated at their end."""
    return [month for month in months() if month >= FIRST_RATED]


def taken_on(month: date) -> date:
    """The day on which a month's extracts are taken: the first of the next."""
    return month_end(month) + timedelta(days=1)


def document(buyer: str, month: date) -> str:
    return f"{buyer}-{month:%Y-%m}"


def invoice(buyer: str, month: date, **more: object) -> Record:
    return line(
        document(buyer, month), buyer, month + timedelta(days=9), BUYERS[buyer][months().index(month)], **more
    )


def extract(month: date) -> Extract:
    """What is delivered after a month: its own documents and settlements, and now and then something about earlier ones."""
    lines = [invoice(buyer, month) for buyer, amounts in BUYERS.items() if amounts[months().index(month)]]
    items = [*_items(month), *_settled(month)]
    masters = [customer(buyer, created_on=FIRST_MONTH) for buyer in BUYERS] if month == FIRST_MONTH else []
    return {
        "customers": masters,
        "invoice_lines": [*_held_back(lines, month), *_late(month)],
        "receivables": items,
    }


def _held_back(lines: list[Record], month: date) -> list[Record]:
    """The loyal one's invoice of August is forgotten, and delivered in October."""
    return [each for each in lines if (each["customer_id"], month) != ("LOYAL", date(2024, 8, 1))]


def _late(month: date) -> list[Record]:
    september, credited = date(2024, 9, 1), date(2024, 5, 1)
    return {
        date(2024, 9, 1): [
            # a credit note in time, for an invoice of a closed month, in which it counts
            line(
                "CREDIT-1",
                "GIANT",
                date(2024, 9, 20),
                -9_000,
                document_type="credit_note",
                quantity=-1,
                references_document_id=document("GIANT", credited),
            )
        ],
        date(2024, 10, 1): [invoice("LOYAL", date(2024, 8, 1))],
        date(2024, 11, 1): [
            # corrected: other amount, and the ERP says when
            {**invoice("GROWS", september), "net_amount": Decimal(40_000), "source_changed_at": "2024-11-12"},
            # withdrawn, and booked anew on another customer
            gone(invoice("OWES", september), "document_id", "line_id"),
            line("REBOOKED", "YOUNG", september + timedelta(days=9), 25_000),
        ],
    }.get(month, [])


def _items(month: date) -> list[Record]:
    """What is invoiced is owed, but what comes late is not booked as a receivable at all: credit facts are in time here."""
    return [
        item(
            document(buyer, month), buyer, month + timedelta(days=9), month + timedelta(days=9) + DUE, amount
        )
        for buyer, amount in ((buyer, amounts[months().index(month)]) for buyer, amounts in BUYERS.items())
        if amount
    ]


def _settled(month: date) -> list[Record]:
    """Items of the month before, settled in this one; before that nobody knew."""
    before = months_before(month, 1)
    if before not in months():
        return []
    return [
        {**each, "cleared_date": before + timedelta(days=9) + PAID_AFTER}
        for each in _items(before)
        if each["customer_id"] != "OWES"
    ]
