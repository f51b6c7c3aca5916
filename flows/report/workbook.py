"""The report's lists as one workbook: numbers as numbers, ids as text, headings in both languages, and nothing a formula."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlsxwriter import Workbook

from flows.wording.reasons import localized
from flows.wording.words import label, words
from warehouse.files import NOBODY_ELSE, Readers, sync

if TYPE_CHECKING:
    from xlsxwriter.worksheet import Worksheet

    from warehouse.mart.files import Row
    from warehouse.mart.report_workbook import Sheet

# Column: the words its codes are said in.
_CODED = {
    "effective_tier": "tier",
    "from_tier": "tier",
    "to_tier": "tier",
    "watch_tier": "tier",
    "segment": "segment",
    "channel": "channel",
    "status": "customer_status",
    "direction": "direction",
    "cause": "cause",
    "credit_action": "action",
    "action": "next_action",
    "kind": "kind",
    "confidence": "confidence",
    "loss_component": "component",
    "sign": "sign",
}
_SHARES = frozenset({"share 0–1", "share"})
_WIDE = frozenset(
    {"reasons", "reason", "action_reason", "decline_reason", "evidence", "watch_gap", "meaning"}
)
_NOT_OF_A_WORKBOOK = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# What a spreadsheet may take for the beginning of a formula, when the text is typed or imported again.
_LIKE_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LONGEST = 32_767  # characters of a cell


def write(
    file: Path, sheets: Sequence[Sheet], published_at: datetime, readers: Readers = NOBODY_ELSE
) -> None:
    """Put the workbook in its place whole, for its readers: a sheet each, and the definitions of their columns at the end."""
    building = file.with_name(f".{file.name}.building")
    # Row after row goes to the disk; a text is a text, whatever it looks like.
    with Workbook(building, {"constant_memory": True}) as book:
        book.set_properties({"author": "valuemart", "created": published_at})
        writing = _Writing(book)
        for sheet in sheets:
            names = [column["column_name"] for column in sheet.columns]
            units = {column["column_name"]: column["unit"] for column in sheet.columns}
            writing.fill(_title(sheet.name), names, units, sheet.rows)
        meanings = list(_meanings(sheets))
        writing.fill(_title("definitions"), ["sheet", "column", "table", "meaning", "unit"], {}, meanings)
    readers.admit_one(building)
    sync(building)
    building.replace(file)


def in_words(reasons: Sequence[Row], text: str | None) -> str | None:
    """A text of the mart as a person reads it, in both languages, from the reasons behind it; without any as it stands."""
    said = localized(reasons, text)
    if said is None:
        return None
    return said.en if said.en == said.zh else f"{said.en} / {said.zh}"


def _both(group: str, code: str) -> str:
    said = label(group, code)
    return said.en if said.en == said.zh else f"{said.en} {said.zh}"


def _title(name: str) -> str:
    return _both("sheet", name)


def _meanings(sheets: Iterable[Sheet]) -> Iterable[Row]:
    for sheet in sheets:
        for column in sheet.columns:
            yield {
                "sheet": _title(sheet.name),
                "column": _both("column", column["column_name"]),
                "table": f"{column['table_name']}.{column['column_name']}",
                "meaning": column["description"],
                "unit": column["unit"] and _both("unit", column["unit"]),
            }


class _Writing:
    """A workbook that is being written, and the looks of its cells."""

    def __init__(self, book: Workbook) -> None:
        self._book = book
        self._heading = book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
        self._text = book.add_format({"num_format": "@"})
        self._like_a_formula = book.add_format({"num_format": "@", "quote_prefix": True})
        self._numbers = {
            name: book.add_format({"num_format": name})
            for name in ("0.0%", "#,##0", "#,##0.00", "0.00", "yyyy-mm", "yyyy-mm-dd")
        }

    def fill(
        self, title: str, names: Sequence[str], units: Mapping[str, str | None], rows: Sequence[Row]
    ) -> None:
        """A sheet of rows under headings, which stay in sight and can be filtered by."""
        sheet = self._book.add_worksheet(title)
        sheet.freeze_panes(1, 3 if "customer_id" in names else 0)
        sheet.autofilter(0, 0, len(rows), len(names) - 1)
        for column, name in enumerate(names):
            sheet.set_column(column, column, 60 if name in _WIDE else 34 if name == "name" else 18)
            sheet.write_string(0, column, _both("column", name), self._heading)
        for number, row in enumerate(rows, start=1):
            for column, name in enumerate(names):
                self._put(sheet, (number, column), name, row[name], units.get(name))

    def _put(self, sheet: Worksheet, place: tuple[int, int], name: str, value: Any, unit: str | None) -> None:
        """A cell by the kind of its value: what is not known is empty, never 0."""
        if value is None:
            return
        if isinstance(value, Decimal | float | int) and not isinstance(value, bool):
            sheet.write_number(*place, value, self._numbers[_format(value, unit)])
        elif isinstance(value, date):
            sheet.write_datetime(
                *place, value, self._numbers["yyyy-mm" if name == "period" else "yyyy-mm-dd"]
            )
        else:
            group = _CODED.get(name)
            self._put_text(
                sheet, place, _both(group, value) if group and value in words()[group] else str(value)
            )

    def _put_text(self, sheet: Worksheet, place: tuple[int, int], text: str) -> None:
        """Text that stays text: an id keeps its zeros, and what begins like a formula is none, here or where it is copied."""
        looks = self._like_a_formula if text.startswith(_LIKE_A_FORMULA) else self._text
        sheet.write_string(*place, _NOT_OF_A_WORKBOOK.sub("\ufffd", text)[:_LONGEST], looks)


def _format(value: Decimal | float, unit: str | None) -> str:
    if unit in _SHARES:
        return "0.0%"
    if isinstance(value, int):
        return "#,##0"
    return "0.00" if unit == "ratio" else "#,##0.00"
