"""The streaming reader of workbooks held against openpyxl: the same file, the same cells."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.delivery.formats import xlsx
from warehouse.delivery.formats.cells import BoolCell, DateCell, ErrorCell, Number

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
    min_size=1,
    max_size=20,
)
DAYS = st.datetimes(datetime(1900, 3, 1), datetime(2100, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0)
)
CELLS = st.one_of(
    st.none(),
    TEXTS.filter(lambda text: not text.startswith("=")),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(-1e12, 1e12, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-9),
    DAYS,
    DAYS.map(datetime.date),
    st.sampled_from(["#N/A", "#DIV/0!"]),
)
SHEETS = st.lists(st.lists(CELLS, max_size=6), max_size=8)


def as_read(cell: Any) -> tuple[type, Any]:
    """A cell of openpyxl's as ours has it."""
    if cell.value is None:
        return str, ""
    if cell.data_type == "e":
        return ErrorCell, cell.value
    if isinstance(cell.value, bool):
        return BoolCell, str(cell.value).lower()
    if isinstance(cell.value, datetime | date):
        return DateCell, datetime.fromisoformat(str(cell.value))
    return (Number, float(cell.value)) if isinstance(cell.value, int | float) else (str, cell.value)


def as_ours(cell: str) -> tuple[type, Any]:
    kind: type = type(cell)
    if kind is DateCell:
        return kind, datetime.fromisoformat(cell)
    return kind, (float(Decimal(cell)) if kind is Number else str(cell))


def same(ours: tuple[type, Any], theirs: tuple[type, Any]) -> bool:
    """Numbers are the same in the fifteen digits that a workbook shows."""
    if ours[0] is not theirs[0]:
        return False
    return (
        math.isclose(ours[1], theirs[1], rel_tol=1e-14) if ours[0] is Number else bool(ours[1] == theirs[1])
    )


@settings(max_examples=40, deadline=None)
@given(SHEETS)
def test_a_workbook_holds_the_cells_that_openpyxl_finds_in_it(
    tmp_path_factory: pytest.TempPathFactory, sheet: list[list[Any]]
) -> None:
    file = tmp_path_factory.mktemp("book") / "a.xlsx"
    book = openpyxl.Workbook()
    for row in sheet:
        book.active.append(row)
    book.save(file)
    ours = {number: [as_ours(cell) for cell in cells] for number, cells in xlsx.rows(file, "a.xlsx", 1)}
    theirs = {
        number: [as_read(cell) for cell in cells]
        for number, cells in enumerate(openpyxl.load_workbook(file).active.iter_rows(), 1)
    }
    for number, cells in theirs.items():
        found = ours.pop(number, [])
        found += [(str, "")] * (len(cells) - len(found))
        assert len(found) == len(cells)
        assert all(same(*pair) for pair in zip(found, cells, strict=True)), (number, found, cells)
    assert not ours
