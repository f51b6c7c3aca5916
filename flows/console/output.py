"""What a person or a script sees: tables on a terminal, plain aligned lines elsewhere, JSON where asked for.

In JSON, amounts and ratios are strings, so that no reader rounds them, and instants are ISO 8601.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.wording import MINUS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = Mapping[str, Any]

_MONEY_FROM = 100  # what is smaller may be a ratio or points


def echo(text: str = "") -> None:
    """One line on standard output."""
    sys.stdout.write(text + "\n")


def echo_err(text: str) -> None:
    """One line on standard error, which keeps a piped output clean."""
    sys.stderr.write(text + "\n")


def echo_json(value: object) -> None:
    """A value as JSON: on a terminal indented, elsewhere on one line, so that `… | jq` and line readers both like it."""
    indent = 2 if sys.stdout.isatty() else None
    echo(json.dumps(plain(value), ensure_ascii=False, indent=indent))


def plain(value: object) -> object:
    """A value in JSON's own types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(fields_of(value))
    if (
        fields := getattr(type(value), "model_fields", None)
    ) is not None:  # a model of pydantic, not imported for it
        return {name: plain(getattr(value, name)) for name in fields}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return value


def fields_of(value: DataclassInstance) -> dict[str, Any]:
    """A dataclass by its fields' names, one level deep."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def text(value: object) -> str:
    """A value in a table's cell: numbers with thousands marks, no value as a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", MINUS)
    if isinstance(value, Decimal):
        return _trimmed(value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return str(value)


def _trimmed(value: Decimal) -> str:
    """A decimal as a person reads it: money to the cent, ratios and points to four places, without zeros at their end."""
    shown = 2 if abs(value) >= _MONEY_FROM else 4
    whole, _, places = format(round(value, shown), ",f").partition(".")
    whole, kept = whole.replace("-", MINUS), places.rstrip("0")
    return f"{whole}.{kept.ljust(2, '0')}" if kept else whole


def place(path: Path) -> str:
    """A path as a person would type it: relative to the working folder where it lies below."""
    try:
        return f"./{path.relative_to(Path.cwd())}"
    except ValueError:
        return str(path)


def table(rows: Sequence[Row], columns: Mapping[str, str], *, title: str | None = None) -> None:
    """Rows under headings; `columns` maps a row's key to its heading. Numbers are set to the right."""
    if title:
        echo()
        echo(title)
    if not rows:
        echo("  none")
        return
    right = {key for key in columns if all(_is_number(row[key]) for row in rows)}
    cells = [[text(row[key]) for key in columns] for row in rows]
    if sys.stdout.isatty():
        _rich_table(cells, columns, right)
    else:
        _plain_table(cells, columns, right)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | Decimal) and not isinstance(value, bool))


def _rich_table(cells: Sequence[Sequence[str]], columns: Mapping[str, str], right: set[str]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1), collapse_padding=True)
    for key, heading in columns.items():
        drawn.add_column(heading, justify="right" if key in right else "left", overflow="fold")
    for row in cells:
        drawn.add_row(
            *(Text(cell) for cell in row)
        )  # Text: a customer's name may hold what rich takes for markup
    Console().print(drawn)


def _plain_table(cells: Sequence[Sequence[str]], columns: Mapping[str, str], right: set[str]) -> None:
    headings = list(columns.values())
    widths = [max(_cells(row[at]) for row in [headings, *cells]) for at in range(len(headings))]
    for row in [headings, *cells]:
        gaps = [" " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True)]
        parts = [
            gap + cell if key in right else cell + gap
            for cell, gap, key in zip(row, gaps, columns, strict=True)
        ]
        echo("  " + "  ".join(parts).rstrip())


def _cells(value: str) -> int:
    """How many places a text takes in a terminal's font: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in value)


def pairs(values: Mapping[str, object]) -> None:
    """Names and values, one pair a line."""
    width = max(len(name) for name in values)
    for name, value in values.items():
        echo(f"  {name.ljust(width)}  {text(value)}")
