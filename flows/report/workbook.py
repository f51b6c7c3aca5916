"""The report's lists as one workbook: numbers as numbers, ids as text, headings in both languages, and nothing a formula."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter

from flows.wording.words import label, words
from warehouse.files import NOBODY_ELSE, Readers, sync

if TYPE_CHECKING:
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

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
_WIDE = frozenset({"reasons", "reason", "action_reason", "evidence", "watch_gap", "meaning"})
_NOT_OF_A_WORKBOOK = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# What a spreadsheet may take for the beginning of a formula, when the text is typed or imported again.
_LIKE_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LONGEST = 32_767  # characters of a cell


def write(
    file: Path, sheets: Sequence[Sheet], published_at: datetime, readers: Readers = NOBODY_ELSE
) -> None:
    """Put the workbook in its place whole, for its readers: a sheet each, and the definitions of their columns at the end."""
    book = Workbook(write_only=True)
    book.properties.creator = "valuemart"
    book.properties.created = book.properties.modified = published_at
    for sheet in sheets:
        names = [column["column_name"] for column in sheet.columns]
        units = {column["column_name"]: column["unit"] for column in sheet.columns}
        _fill(book.create_sheet(_title(sheet.name)), names, units, sheet.rows)
    meanings = list(_meanings(sheets))
    _fill(
        book.create_sheet(_title("definitions")),
        ["sheet", "column", "table", "meaning", "unit"],
        {},
        meanings,
    )
    building = file.with_name(f".{file.name}.building")
    book.save(building)
    readers.admit_one(building)
    sync(building)
    building.replace(file)


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


def _fill(
    sheet: WriteOnlyWorksheet, names: Sequence[str], units: dict[str, str | None], rows: Sequence[Row]
) -> None:
    sheet.freeze_panes = "D2" if "customer_id" in names else "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(names))}{len(rows) + 1}"
    for place, name in enumerate(names, start=1):
        wide = 60 if name in _WIDE else 34 if name == "name" else 18
        sheet.column_dimensions[get_column_letter(place)].width = wide
    bold, wrapped = Font(bold=True), Alignment(wrap_text=True, vertical="top")
    headings = []
    for name in names:
        heading = _text(sheet, _both("column", name))
        heading.font, heading.alignment = bold, wrapped
        headings.append(heading)
    sheet.append(headings)
    for row in rows:
        sheet.append([_cell(sheet, name, row[name], units.get(name)) for name in names])


def _cell(sheet: WriteOnlyWorksheet, name: str, value: Any, unit: str | None) -> WriteOnlyCell | None:
    """A cell by the kind of its value: what is not known is empty, never 0."""
    if value is None:
        return None
    if isinstance(value, Decimal | float | int) and not isinstance(value, bool):
        cell = WriteOnlyCell(sheet, value=value)
        cell.number_format = _format(value, unit)
        return cell
    if isinstance(value, date):
        cell = WriteOnlyCell(sheet, value=value)
        cell.number_format = "yyyy-mm" if name == "period" else "yyyy-mm-dd"
        return cell
    group = _CODED.get(name)
    return _text(sheet, _both(group, value) if group and value in words()[group] else str(value))


def _format(value: Decimal | float, unit: str | None) -> str:
    if unit in _SHARES:
        return "0.0%"
    if isinstance(value, int):
        return "#,##0"
    return "0.00" if unit == "ratio" else "#,##0.00"


def _text(sheet: WriteOnlyWorksheet, text: str) -> WriteOnlyCell:
    """Text that stays text: an id keeps its zeros, and what begins like a formula is none, here or where it is copied."""
    cell = WriteOnlyCell(sheet)
    cell.value = _NOT_OF_A_WORKBOOK.sub("\ufffd", text)[:_LONGEST]
    cell.data_type = "s"
    cell.number_format = "@"
    if text.startswith(_LIKE_A_FORMULA):
        cell.quotePrefix = True
    return cell
