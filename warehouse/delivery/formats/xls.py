"""Workbooks of Excel 97 to 2003."""

from __future__ import annotations

import io
import struct
from collections.abc import Generator
from pathlib import Path
from typing import Any

from warehouse.delivery.formats import excel_dates
from warehouse.delivery.formats.cells import BoolCell, ErrorCell, Number, Row, number, refused

# Such a workbook has at most 65,536 rows of 256 columns and is read whole.
_LARGEST = 128 * 1024 * 1024
_AGAIN = "Save it as .xlsx, or export it as CSV."


def rows(file: Path, path: str, sheet: int | str | None) -> Generator[Row]:
    """The rows of one sheet that hold anything, by its name or its number from 1; BatchRefusedError where it cannot be read.

    None is the first sheet that is not hidden.
    """
    import xlrd
    from xlrd.compdoc import CompDocError

    if file.stat().st_size > _LARGEST:
        message = f"is larger than {_LARGEST // (1024 * 1024)} MiB, no old Excel workbook is"
        raise refused("unreadable_file", message, _AGAIN, path)
    try:
        with xlrd.open_workbook(
            str(file), logfile=io.StringIO(), on_demand=True, ragged_rows=True, formatting_info=False
        ) as book:
            names = book.sheet_names()
            if sheet is None:
                place = next(iter(_shown(book)), 0)
            else:
                place = sheet - 1 if isinstance(sheet, int) else names.index(sheet) if sheet in names else -1
            if not 0 <= place < len(names):
                message = f"has no sheet {sheet!r}; it has {', '.join(names)}"
                raise refused("missing_sheet", message, "Name one of them in the profile: sheet.", path)
            table = book.sheet_by_index(place)
            for at in range(table.nrows):
                cells = [_cell(cell, from_1904=book.datemode == 1) for cell in table.row(at)]
                if any(cells):
                    yield at + 1, cells
    except (xlrd.XLRDError, CompDocError) as error:
        told = " ".join(str(error).split())[:150]
        remedy = "Save it without its password." if "encrypt" in told.casefold() else _AGAIN
        raise refused(
            "unreadable_file", f"cannot be read as an Excel workbook ({told})", remedy, path
        ) from None
    except (
        ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, OSError, RecursionError, TypeError, ValueError, struct.error,
    ) as error:  # fmt: skip
        # A damaged workbook makes its reader stumble anywhere.
        told = f"{type(error).__name__} {' '.join(str(error).split())}"[:150]
        raise refused(
            "unreadable_file", f"cannot be read as an Excel workbook ({told})", _AGAIN, path
        ) from None


def shown_sheets(file: Path) -> list[str]:
    """The names of the sheets that are not hidden, in their order; of a workbook that `rows` can read."""
    import xlrd

    with xlrd.open_workbook(str(file), logfile=io.StringIO(), on_demand=True) as book:
        return [book.sheet_names()[place] for place in _shown(book)]


def _shown(book: Any) -> list[int]:
    return [place for place in range(book.nsheets) if book.sheet_by_index(place).visibility == 0]


def _cell(cell: Any, *, from_1904: bool) -> str:
    import xlrd

    if cell.ctype == xlrd.XL_CELL_TEXT:
        return str(cell.value)
    if cell.ctype == xlrd.XL_CELL_NUMBER:
        return number(repr(cell.value))
    if cell.ctype == xlrd.XL_CELL_DATE:
        value = number(repr(cell.value))
        return excel_dates.moment(value, from_1904=from_1904) if isinstance(value, Number) else value
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return BoolCell("true" if cell.value else "false")
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return ErrorCell(xlrd.error_text_from_code.get(cell.value, "#ERROR"))
    return ""
