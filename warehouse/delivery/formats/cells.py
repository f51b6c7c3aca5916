"""Rows of cells, whatever they were read from, and the bounds that no file may leave."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal

from warehouse.errors import BatchRefusedError, Fault

# A row's number as a spreadsheet shows it (the first is 1), and its cells, an empty one as "".
Row = tuple[int, list[str]]

# What a part of an archive may unpack to: this much in any case, and beyond that so many times its packed size. Tables
# of text pack ten to forty times smaller; an archive that unpacks a thousand times larger was made to fill the memory.
UNPACKED_FLOOR = 64 * 1024 * 1024
UNPACKED_RATIO = 200
# A workbook's own bounds: of a cell's text, and more columns than any list has.
LONGEST_CELL = 32_767
LAST_COLUMN = 2_000
LAST_ROW = 1_048_576
# Numbers of a workbook are binary fractions, of which it shows fifteen digits: 0.30000000000000004 is 0.3.
_DIGITS = Context(prec=15, rounding=ROUND_HALF_EVEN)
_SHORT = re.compile(r"-?[0-9]{1,15}")


class Number(str):
    """A cell that holds a number: digits with a decimal point, no zeros in front."""

    __slots__ = ()


class DateCell(str):
    """A cell that holds a date or an instant, as ISO 8601 writes it."""

    __slots__ = ()


class BoolCell(str):
    """A cell that holds true or false."""

    __slots__ = ()


class ErrorCell(str):
    """A cell that holds the error of a formula, such as #N/A."""

    __slots__ = ()


class FormulaCell(str):
    """A cell that holds a formula, and no value of it: no program has computed it since it was written."""

    __slots__ = ()


def number(text: str) -> str:
    """A workbook's number; as it stands where it is none."""
    if _SHORT.fullmatch(text):
        return Number(text)
    try:
        exact = _DIGITS.create_decimal(Decimal(text))
    except ArithmeticError:
        return ErrorCell(text)
    if not exact.is_finite() or exact.adjusted() > 40 or exact.adjusted() < -40:
        return ErrorCell(text)
    plain = f"{exact:f}"
    return Number(plain.rstrip("0").rstrip(".") if "." in plain else plain)


def refused(rule: str, message: str, remedy: str, path: str, row: int | None = None) -> BatchRefusedError:
    """The refusal of a file."""
    return BatchRefusedError(Fault(rule, message, remedy, path, row))


def decompression_bomb(path: str, unpacked: int) -> BatchRefusedError:
    """The refusal of an archive that unpacks to far more than a table of its size would."""
    message = f"unpacks to more than {unpacked // (1024 * 1024)} MiB, far more than a table of its size does"
    return refused("unpacks_too_large", message, "Deliver it as plain CSV, not packed, if it is meant.", path)


def max_unpacked(packed: int) -> int:
    """How many bytes something of that packed size may unpack to."""
    return max(UNPACKED_FLOOR, UNPACKED_RATIO * packed)
