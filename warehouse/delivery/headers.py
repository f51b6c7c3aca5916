"""Which header of a file is which column of the profile."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from warehouse.delivery.dialect import STATED, Dialect, ResourceColumn
from warehouse.delivery.profile import Resource
from warehouse.errors import BatchRefusedError, Fault

_IN_PARENTHESES = re.compile(r"(.+?)\s*[（(\[【]\s*(?:单位\s*[:：]\s*)?([^（）()\[\]【】]+?)\s*[)）\]】]")
# No ERP's table is wider; every column is named many times in the SQL that reads it.
_MOST_COLUMNS, _LONGEST_HEADER = 4_096, 256 * 1024
# What nobody sees in a header: zero-width characters, soft hyphens, marks of direction and of byte order.
_UNSEEN = dict.fromkeys(
    [0xAD, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]
)
# 单位 is the unit, and the company's name too: what follows counts only where it ends in a unit.
_ABOVE = re.compile(r"(?:单位|Einheit|[Uu]nit|[Aa]mounts? in|Betr[äa]ge? in)\s*[:：]?\s*(.+)")


@dataclass(frozen=True, slots=True)
class Binding:
    """Profile column to the file's header, the columns that have none though they must, and those that have several."""

    headers: Mapping[str, str]
    missing: tuple[str, ...]
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def bind(headers: Iterable[str], resource: Resource, dialect: Dialect) -> Binding:
    """The file's header of each column: its exact name first, then as it is read, then with a unit behind it.

    As it is read: regardless of case, of what nobody sees in it, and of how its words are parted (a line break is a blank).

    A column is ambiguous where several headers bear a name of it, be it in other case or another unit, unless they are
    what other columns are read from.
    """
    names = list(headers)
    exact = {name: (name,) for name in names}
    folded: dict[str, tuple[str, ...]] = {}
    bare: dict[str, tuple[str, ...]] = {}
    stated = any(column.unit == STATED for column in resource.columns.values())
    for place, name in enumerate(names, start=1):
        base = _twin_of(name, place, folded)
        folded[base] = (*folded.get(base, ()), name)
        base, unit = parted(name, dialect) if stated else (name, None)
        if unit:
            bare[as_read(base)] = (*bare.get(as_read(base), ()), name)
    found: dict[str, list[str]] = {}
    for name, column in resource.columns.items():
        wanted = column.header or (name,)
        plain = [as_read(wanted_name) for wanted_name in wanted]
        found[name] = [*_all(exact, wanted), *_all(folded, plain)]
        if not found[name] and column.unit == STATED:
            found[name] = _all(bare, plain)
    bound = {name: candidates[0] for name, candidates in found.items() if candidates}
    missing = (name for name, column in resource.columns.items() if name not in bound and not column.optional)
    several = {
        name: tuple(dict.fromkeys(each for each in found[name] if each == own or each not in bound.values()))
        for name, own in bound.items()
    }
    ambiguous = {name: headers for name, headers in several.items() if len(headers) > 1}
    return Binding(bound, tuple(missing), ambiguous)


def _all(known: Mapping[str, tuple[str, ...]], wanted: Iterable[str]) -> list[str]:
    """The headers of all names wanted, in the order of the names."""
    return [header for name in wanted for header in known.get(name, ())]


def _twin_of(name: str, place: int, known: Mapping[str, object]) -> str:
    """The name that a header bears, as it is read, where `header_names` has put its place behind it."""
    base = as_read(name.removesuffix(f" ({place})"))
    return base if base in known else as_read(name)


def as_read(header: str) -> str:
    """A header as a person reads it: words parted by single blanks, in one case, nothing unseen."""
    return _seen(header).casefold()


def _seen(header: str) -> str:
    return " ".join(header.translate(_UNSEEN).split())


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
    wrong, remedy = None, "It is no text, or was damaged: export the file again."
    letters = "".join(cells)
    zeros = letters.count("\0")
    if zeros > 2 and len(letters) <= 2 * zeros + 1:
        wrong = "holds a byte of 0 beside each letter, as UTF-16 does"
        remedy = "Export the file as UTF-8, or state its encoding, utf-16, in the source's profile."
    elif zeros:
        wrong = "holds bytes of 0"
    elif len(cells) > _MOST_COLUMNS or sum(map(len, cells)) > _LONGEST_HEADER:
        wrong = f"has {len(cells):,} columns and {sum(map(len, cells)):,} characters"
    if wrong:
        raise BatchRefusedError(Fault("unreadable_header", f"its header {wrong}", remedy, path, 1))
    names: dict[str, str] = {}
    for position, cell in enumerate(cells, start=1):
        name = cell.strip() or f"column {position}"
        unique = name if name.casefold() not in names else f"{name} ({position})"
        names[unique.casefold()] = unique
    return list(names.values())


def listed(headers: Iterable[str]) -> str:
    """Headers as a message can bear them."""
    told = [_seen(header[:40]) + ("…" if len(header) > 40 else "") for header in headers]
    return ", ".join(told if len(told) <= 40 else [*told[:40], f"and {len(told) - 40} more"])
