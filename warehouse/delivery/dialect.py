"""How the values of a file are written, as a profile states it: Data Package v2's table dialect, and what it lacks.

Each setting may stand under Data Package's own name (`quoteChar`, `headerRows`, `decimalChar`) as well, and those that
Data Package does not know under `valuemart:…`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from itertools import permutations
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

DECIMAL_TYPE = re.compile(r"decimal(?:\((\d{1,2}),\s*(\d{1,2})\))?")
TYPE_HELP = "text, integer, boolean, date, timestamp, decimal or decimal(precision,scale)"
# Stands among date_formats for the day numbers of spreadsheets, counted from 1900 or, by old Macintosh files, from 1904.
EXCEL_SERIAL, EXCEL_SERIAL_1904 = "excel", "excel1904"
# The unit of a column that takes it from the header's parentheses, or from a line above the table.
STATED = "stated"
# The delimiter of text whose cells any run of blanks and tabs parts.
WHITESPACE = "whitespace"
# What amounts are counted in, where a report says so.
UNITS: Mapping[str, int] = {
    "元": 1, "百元": 100, "千元": 1000, "万元": 10_000, "十万元": 100_000, "百万元": 1_000_000, "千万元": 10_000_000,
    "亿元": 100_000_000, "千": 1000, "万": 10_000, "百万": 1_000_000, "亿": 100_000_000,
    "EUR": 1, "TEUR": 1000, "T€": 1000, "Tsd. EUR": 1000, "Mio. EUR": 1_000_000, "Mio. €": 1_000_000,
    "kEUR": 1000, "k€": 1000, "kUSD": 1000, "in thousands": 1000, "in millions": 1_000_000,
}  # fmt: skip
# Data Package v2's names (table dialect, and the table schema's for marks), and the profile's.
_STANDARD = {
    "quoteChar": "quote",
    "escapeChar": "escape",
    "headerRows": "header_rows",
    "headerJoin": "header_join",
    "sheetName": "sheet",
    "sheetNumber": "sheet",
    "missingValues": "null_marks",
    "nullSequence": "null_marks",
    "decimalChar": "decimal_mark",
    "groupChar": "group_mark",
    "trueValues": "true_marks",
    "falseValues": "false_marks",
}
_NAMESPACE = "valuemart:"
_LAST_HEADER_ROW = 1000
_WIDEST = 10_000


class Model(BaseModel):
    """A part of a profile: a key that it does not know is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def plain_keys(data: Any) -> Any:
    """The same settings under the profile's own names."""
    if not isinstance(data, Mapping):
        return data
    named = {
        _STANDARD.get(key, key.removeprefix(_NAMESPACE)) if isinstance(key, str) else key: value
        for key, value in data.items()
    }
    if len(named) < len(data):
        raise ValueError("a setting stands twice, under Data Package's name and under the profile's")
    return named


def _column_type(text: str) -> str:
    if text in {"text", "integer", "boolean", "date", "timestamp"}:
        return text
    match = DECIMAL_TYPE.fullmatch(text)
    if match is None or (match[1] and not int(match[2]) <= int(match[1]) <= 38):
        raise ValueError(f"{text!r} is no column type: use {TYPE_HELP}")
    return text


# A day whose number, month and short year could each be taken for another.
_PROBE = date(2009, 8, 7)
_YEARS = range(1970, 2200)


def _of_one_meaning(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Formats of which no two read one text as two days: from the text, nobody could tell which is meant."""
    for form, other in permutations(formats, 2):
        text = _PROBE.strftime(form)
        if _read(text, other) not in {None, _PROBE}:
            raise ValueError(
                f"date_formats: {form} and {other} read {text} as two days; keep the one that the source writes"
            )
    return formats


def _read(text: str, form: str) -> date | None:
    """The day that a format reads, as DuckDB does; None where it reads none that a table would take."""
    try:
        # The `-` lets DuckDB's formats do without zeros in front, as Python's always do.
        day = datetime.strptime(text, form.replace("%-", "%")).date()  # noqa: DTZ007 - a day
    except ValueError:
        return None
    return day if day.year in _YEARS else None


DateFormats = Annotated[tuple[str, ...], AfterValidator(_of_one_meaning)]


class Dialect(Model):
    """How a file is laid out and its values written; a resource's own setting wins over the profile's defaults."""

    encoding: str = "utf-8"
    fallback_encoding: str | None = None
    delimiter: str = ","
    # Of text without a delimiter, how many characters each column has; blanks around a cell are padding.
    widths: tuple[Annotated[int, Field(ge=1, le=_WIDEST)], ...] = ()
    quote: str = Field(default='"', max_length=1)
    escape: str = Field(default='"', max_length=1)
    # Where the table lies.
    layout: Literal["plain", "list", "either"] = "plain"
    header_rows: tuple[Annotated[int, Field(ge=1, le=_LAST_HEADER_ROW)], ...] = (1,)
    header_join: str = " "
    preamble: bool = False
    # None is the first sheet that is not hidden.
    sheet: int | str | None = None
    short_rows: Literal["quarantine", "fill"] = "quarantine"
    repeated_headers: bool = False
    totals_marks: tuple[str, ...] = ()
    totals_endings: tuple[str, ...] = ()
    # How values are written.
    null_marks: tuple[str, ...] = ("", "NULL", "null")
    decimal_mark: Literal[".", ","] = "."
    group_mark: Literal[".", ",", "'", "’", " ", "_"] | None = None
    currency_marks: tuple[str, ...] = ()
    units: Mapping[str, int] = Field(default_factory=dict)
    date_formats: DateFormats = ("%Y-%m-%d",)
    # Where the company's days begin: an instant that names its own offset is another day elsewhere.
    time_zone: str | None = None
    true_marks: tuple[str, ...] = ("true", "True", "TRUE", "1", "X", "x", "Y", "y", "yes", "J", "j")
    false_marks: tuple[str, ...] = ("false", "False", "FALSE", "0", "N", "n", "no")

    @model_validator(mode="before")
    @classmethod
    def _standard_names_are_known(cls, data: Any) -> Any:
        return plain_keys(data)

    @field_validator("header_rows", mode="before")
    @classmethod
    def _a_number_of_header_rows(cls, value: Any) -> Any:
        """1 or 2: so many from the top; a list: those rows."""
        return tuple(range(1, value + 1)) if isinstance(value, int) and 1 <= value <= 3 else value

    @field_validator("null_marks", mode="before")
    @classmethod
    def _one_mark_is_a_list_of_one(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("delimiter")
    @classmethod
    def _a_delimiter_is_a_mark_or_whitespace(cls, value: str) -> str:
        if value != WHITESPACE and not 1 <= len(value) <= 4:
            raise ValueError(f"delimiter: {value!r} is neither one to four characters nor {WHITESPACE}")
        return value

    @field_validator("time_zone")
    @classmethod
    def _a_time_zone_has_a_name(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError(f"time_zone: {value!r} is no time zone; name one such as Europe/Berlin")
        return value

    @model_validator(mode="after")
    def _settings_fit_together(self) -> Dialect:
        if self.group_mark == self.decimal_mark:
            raise ValueError(f"decimal_mark and group_mark are both {self.decimal_mark!r}")
        first, rows = min(self.header_rows, default=0), len(self.header_rows)
        if not 1 <= rows <= 3 or self.header_rows != tuple(range(first, first + rows)):
            raise ValueError("header_rows: name one to three rows that follow each other, such as [4, 5]")
        if not all(1 <= factor <= 10**9 for factor in self.units.values()):
            raise ValueError("units: a unit is a whole number of the smallest one, of at most ten digits")
        if self.is_columned and self.layout != "plain":
            raise ValueError(
                f"layout: {self.layout} parts cells by upright strokes; leave it, or widths and delimiter, out"
            )
        if self.delimiter == WHITESPACE and not self.widths and self.group_mark == " ":
            raise ValueError(
                "delimiter: whitespace would part 1 234 at its group_mark; give widths instead, or another group_mark"
            )
        return self

    @property
    def is_columned(self) -> bool:
        """Whether text is parted into cells by blanks or by widths, which no reader of delimited text understands."""
        return bool(self.widths) or self.delimiter == WHITESPACE

    @property
    def all_units(self) -> Mapping[str, int]:
        """Every unit a report may state, and how many of the column's own it is."""
        return {**UNITS, **self.units}


# CSV as every program writes it, whatever the profile's own files look like.
PLAIN: Mapping[str, Any] = {
    "encoding": "utf-8",
    "fallback_encoding": None,
    "delimiter": ",",
    "widths": (),
    "quote": '"',
    "escape": '"',
    "layout": "plain",
    "header_rows": (1,),
    "preamble": False,
    "repeated_headers": False,
    "totals_marks": (),
    "totals_endings": (),
}


class ResourceColumn(Model):
    """One column a source's SQL sees, and the headers it may have in the file."""

    header: tuple[str, ...] = ()
    type: Annotated[str, AfterValidator(_column_type)] = "text"
    optional: bool = False
    date_formats: DateFormats | None = None
    accept_number: bool = False
    unit: str | int | None = None
    forward_fill: bool = False

    @model_validator(mode="before")
    @classmethod
    def _one_header_is_a_list_of_one(cls, data: Any) -> Any:
        if isinstance(data, str):
            return {"type": data}
        if isinstance(data, Mapping) and isinstance(data.get("header"), str):
            return {**data, "header": (data["header"],)}
        return data

    @model_validator(mode="after")
    def _a_unit_is_of_a_number(self) -> ResourceColumn:
        if self.unit is not None and not self.type.startswith("decimal"):
            raise ValueError(
                f"unit: {self.unit!r} stands at a column of type {self.type}: only a decimal has one"
            )
        if isinstance(self.unit, int) and not 1 <= self.unit <= 10**9:
            raise ValueError("unit: a whole number of at most ten digits, or a unit's name")
        return self
