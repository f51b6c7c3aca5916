"""The day numbers of spreadsheets, and which number formats show one as a date."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from warehouse.delivery.formats.cells import DateCell, Number

# Formats that workbooks have without saying so: dates and times, the Chinese and Japanese ones among them.
_BUILT_IN = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
# What in a format is shown as it stands: "text", \x, [Red], _x, *x.
_LITERAL = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]|_.|\*.')
_ELAPSED = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_DATE_LETTERS = re.compile(r"[ymdhsge年月日]", re.IGNORECASE)
_LAST_SERIAL = 2_958_465  # 9999-12-31


def shows_a_date(format_id: int, code: str | None) -> bool:
    """Whether cells of that format hold a day number."""
    if code is None:
        return format_id in _BUILT_IN
    if code.casefold() == "general":
        return False
    return bool(_ELAPSED.search(code) or _DATE_LETTERS.search(_LITERAL.sub("", code).split(";")[0]))


def moment(serial: str, *, from_1904: bool) -> str:
    """The instant of a day number, its second begun; the number as it stands where it is none of a day."""
    days = float(serial)
    if not 1 <= days < _LAST_SERIAL + 1 or (not from_1904 and 60 <= days < 61):
        return Number(serial)
    # Spreadsheets that count from 1900 believe that it was a leap year.
    base = datetime(1904, 1, 1) if from_1904 else datetime(1899, 12, 30 if days > 60 else 31)  # noqa: DTZ001
    # Beyond a millisecond a day number holds noise; a second that is not over is not the next one, nor the last of a day.
    found = base + timedelta(seconds=round(days * 86_400_000) // 1000)
    at_midnight = (found.hour, found.minute, found.second) == (0, 0, 0)
    return DateCell(found.date().isoformat() if at_midnight else found.isoformat(sep=" "))
