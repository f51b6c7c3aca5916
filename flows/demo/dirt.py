"""Rows that no loader may take in silently: what really is in an ERP's extracts, a few a month."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

KINDS = (
    "no_customer",
    "unparsable_date",
    "unparsable_amount",
    "ragged_record",
    "duplicate_key",
    "unknown_document_type",
    "too_many_decimals",
    "item_without_header",
)
FIRST_DOCUMENT = 99_000_001
AT_LEAST = 4
ONE_IN = 600


@dataclass(frozen=True)
class DirtyRow:
    """One wrong line of billing items, as texts by the ERP's column names; `amount_units` is what a reader can sum of it.

    `amount_units` counts hundred-thousandths, for one kind has five decimals; None where there is no amount to read.
    """

    kind: str
    header: dict[str, str] | None
    item: dict[str, str]
    amount_units: int | None


def dirty_rows(number: int, month: date, customer: str, product: str, clean_lines: int) -> list[DirtyRow]:
    """The wrong lines of one month: kind after kind, so that two months show them all."""
    count = max(AT_LEAST, clean_lines // ONE_IN)
    rows: list[DirtyRow] = []
    for place in range(count):
        kind = KINDS[(number * count + place) % len(KINDS)]
        document = f"{FIRST_DOCUMENT + number * 10_000 + place:010d}"
        rows.extend(_rows(kind, document, f"14.{month:%m.%Y}", customer, product))
    return rows


def _rows(kind: str, document: str, day: str, customer: str, product: str) -> list[DirtyRow]:
    header = {"VBELN": document, "FKART": "F2", "WAERK": "EUR", "VTWEG": "10", "FKSTO": "", "VGBEL": ""}
    item = {
        "VBELN": document,
        "POSNR": "000010",
        "FKDAT": day,
        "KUNAG": customer,
        "MATNR": product,
        "FKIMG": "10,000",
        "VRKME": "ST",
        "FKLMG": "10,000",
        "NETWR": "125,00",
        "WAVWR": "90,00",
        "FRACHT": "0,00",
        "BONUS": "0,00",
        "PSTYV": "TAN",
        "BZIRK": "DE-NORD",
        "PERNR": "00000017",
    }
    amount: int | None = 12_500_000
    match kind:
        case "no_customer":
            item["KUNAG"] = ""
        case "unparsable_date":
            item["FKDAT"] = "31.02." + day[-4:]
        case "unparsable_amount":
            item["NETWR"], amount = "125,O0", None
        case "ragged_record":
            item["PERNR"], amount = "00000017;Müller", None
        case "unknown_document_type":
            header["FKART"] = "ZX9"
        case "too_many_decimals":
            item["NETWR"], amount = "125,00125", 12_500_125
        case "duplicate_key":
            twin = {**item, "NETWR": "130,00"}
            return [DirtyRow(kind, header, item, amount), DirtyRow(kind, None, twin, 13_000_000)]
        case "item_without_header":
            return [DirtyRow(kind, None, item, amount)]
    return [DirtyRow(kind, header, item, amount)]
