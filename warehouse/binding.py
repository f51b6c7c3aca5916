"""Which header of a file is which column of the profile."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from warehouse.dialect import STATED, Dialect, ResourceColumn
from warehouse.faults import BatchRefusedError, Fault
from warehouse.source import Resource

_IN_PARENTHESES = re.compile(r"(.+?)\s*[（(\[【]\s*(?:单位\s*[:：]\s*)?([^（）()\[\]【】]+?)\s*[)）\]】]")
# No ERP's table is wider; every column is named many times in the SQL that reads it.
_MOST_COLUMNS, _LONGEST_HEADER = 4_096, 256 * 1024
# 单位 is the unit, and the company's name too: what follows counts only where it ends in a unit.
_ABOVE = re.compile(r"(?:单位|Einheit|[Uu]nit|[Aa]mounts? in|Betr[äa]ge? in)\s*[:：]?\s*(.+)")


@dataclass(frozen=True, slots=True)
class Binding:
    """Profile column to the file's header, and the columns that have none though they must."""

    headers: Mapping[str, str]
    missing: tuple[str, ...]


def bind(headers: Iterable[str], resource: Resource, dialect: Dialect) -> Binding:
    """The file's header of each column: its exact name first, then regardless of case, then with a unit behind it."""
    names = list(headers)
    exact = set(names)
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    bare: dict[str, str] = {}
    if any(column.unit == STATED for column in resource.columns.values()):
        for name in names:
            base, unit = parted(name, dialect)
            if unit:
                bare.setdefault(base.casefold(), name)
    bound: dict[str, str] = {}
    missing: list[str] = []
    for name, column in resource.columns.items():
        wanted = column.header or (name,)
        found = next((each for each in wanted if each in exact), None)
        found = found or next((folded[each.casefold()] for each in wanted if each.casefold() in folded), None)
        if found is None and column.unit == STATED:
            found = next((bare[each.casefold()] for each in wanted if each.casefold() in bare), None)
        if found is not None:
            bound[name] = found
        elif not column.optional:
            missing.append(name)
    return Binding(bound, tuple(missing))


def parted(header: str, dialect: Dialect) -> tuple[str, str | None]:
    """A header and the unit that stands in parentheses behind it: `金额(万元)`; None where none does."""
    match = _IN_PARENTHESES.fullmatch(header)
    unit = match and unit_at_the_end(match[2], dialect)
    return (match[1], unit) if match and unit else (header, None)


def unit_at_the_end(text: str, dialect: Dialect) -> str | None:
    """The unit that a text ends in, the longest that fits: `人民币万元` is 万元."""
    plain = text.strip().casefold()
    fitting = [unit for unit in dialect.all_units if plain.endswith(unit.casefold())]
    return max(fitting, key=len, default=None)


def unit_above(cells: Sequence[str], dialect: Dialect) -> str | None:
    """The unit that a line above the table states: `单位：万元`; None where it states none."""
    for cell in cells:
        match = _ABOVE.search(cell)
        if match and (unit := unit_at_the_end(match[1].rstrip("）)"), dialect)):
            return unit
    return None


def with_unit(headers: Sequence[str], unit: str, resource: Resource, dialect: Dialect) -> list[str]:
    """The headers, those of amounts with the unit that a line above the table states, so that it goes where they go."""
    counted = {
        header
        for name, header in bind(headers, resource, dialect).headers.items()
        if resource.columns[name].unit == STATED and parted(header, dialect)[1] is None
    }
    return [f"{header}({unit})" if header in counted else header for header in headers]


def factor(column: ResourceColumn, header: str, dialect: Dialect) -> int:
    """How many of its own unit a column's number counts by."""
    if column.unit is None:
        return 1
    if isinstance(column.unit, int):
        return column.unit
    unit = parted(header, dialect)[1] if column.unit == STATED else column.unit
    return dialect.all_units[unit] if unit else 1


def header_names(cells: Sequence[str], path: str) -> list[str]:
    """A header's names; one that stands twice gets a suffix, so that it can only be bound by its first place.

    BatchRefusedError where it is the header of no table.
    """
    wrong = None
    if any("\0" in cell for cell in cells):
        wrong = "holds bytes of 0"
    elif len(cells) > _MOST_COLUMNS or sum(map(len, cells)) > _LONGEST_HEADER:
        wrong = f"has {len(cells):,} columns and {sum(map(len, cells)):,} characters"
    if wrong:
        remedy = "It is no text, or was damaged: export the file again."
        raise BatchRefusedError(Fault("unreadable_header", f"its header {wrong}", remedy, path, 1))
    names: dict[str, str] = {}
    for position, cell in enumerate(cells, start=1):
        name = cell.strip() or f"column {position}"
        unique = name if name.casefold() not in names else f"{name} ({position})"
        names[unique.casefold()] = unique
    return list(names.values())


def listed(headers: Iterable[str]) -> str:
    """Headers as a message can bear them."""
    told = [" ".join(header[:40].split()) + ("…" if len(header) > 40 else "") for header in headers]
    return ", ".join(told if len(told) <= 40 else [*told[:40], f"and {len(told) - 40} more"])
