"""A workbook's cells as the loader reads them, held against openpyxl's."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import openpyxl
from openpyxl.styles.numbers import is_date_format

from tests.warehouse.test_workbook_oracle import as_ours, as_read, same
from warehouse.delivery.formats import xlsx
from warehouse.delivery.formats.cells import DateCell, FormulaCell, Number

# openpyxl rounds a moment to the next second, ours never into the next day.
_CLOSE = timedelta(seconds=1)
_LAST_DAY = 2_958_465  # 9999-12-31


def cells_that_differ(file: Path) -> str | None:
    """The first cell of the first sheet that is not hidden in which openpyxl finds another thing; None if there is none."""
    with catch_warnings():
        simplefilter("ignore", UserWarning)  # a number that is formatted as a date and is none
        book = openpyxl.load_workbook(file)
    sheet = next(each for each in book.worksheets if each.sheet_state == "visible")
    ours = {number: [as_ours(cell) for cell in cells] for number, cells in xlsx.rows(file, file.name, None)}
    for number, row in enumerate(sheet.iter_rows(), 1):
        found = ours.get(number, [])
        found += [(str, "")] * (len(row) - len(found))
        for mine, cell in zip(found, row, strict=True):
            if not _is_same(mine, cell):
                return f"row {number}: reads {mine}, and openpyxl {cell.value!r} of type {cell.data_type}"
    return None


def _is_same(mine: tuple[type, Any], cell: Any) -> bool:
    if cell.data_type == "f":  # without a value, which openpyxl never computes
        return mine[0] is FormulaCell
    if mine[0] is Number and cell.is_date:
        # Of a number below 1 or 0 openpyxl makes an hour, or a day before there were any; ours leaves it the number that it is.
        return isinstance(cell.value, time) or cell.value < datetime(1900, 1, 1)
    if mine[0] is Number and cell.data_type == "e" and is_date_format(cell.number_format):
        # A number beyond the last day is an error to openpyxl; ours leaves it, too, the number that it is.
        return bool(mine[1] > _LAST_DAY)
    theirs = as_read(cell)
    if mine[0] is theirs[0] is DateCell:
        moments: tuple[datetime, datetime] = (mine[1], theirs[1])
        return abs(moments[0] - moments[1]) <= _CLOSE
    return same(mine, theirs)
