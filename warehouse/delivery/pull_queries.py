"""How a source is read from its ERP's database: `pull:` in its profile, and one SELECT a resource in its folder `pull`.

The statements are the ERP's SQL, run there. Two parameters are put into them as literals: `:company`, what the ERP calls
the company, and `:since`, the watermark less the lag (everything, on a first or full pull).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from expectations.contract import load as load_contract
from warehouse.connection import literal
from warehouse.delivery.pull_section import Pull, one_statement
from warehouse.errors import SourceError

if TYPE_CHECKING:
    from warehouse.delivery.dialect import ResourceColumn
    from warehouse.delivery.profile import Resource, Source


FOLDER = "pull"
# Before any stamp of any ERP, and a date that every database's types can hold.
BEGINNING = datetime(1900, 1, 1)  # noqa: DTZ001 - on the ERP's clock

# Comments and quoted text are passed over, so that a colon in them is none of a parameter.
_TOKEN = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|(?<![:\w]):(?P<parameter>[a-z]+)\b", re.DOTALL
)


def pull_of(source: Source) -> Pull:
    """The source's pull; SourceError where it has none."""
    if source.profile.pull is None:
        raise SourceError(
            f"source {source.name} says nothing of its database: land files, or add a section pull to "
            f"{source.folder / 'profile.yaml'} (docs/pulling.md)"
        )
    return source.profile.pull


def query(source: Source, resource: str, *, company: str, since: datetime | None) -> str:
    """The SELECT of one resource with its parameters; SourceError where the file is missing or misses one."""
    delta = pull_of(source).clocked_by(resource) is not None
    wanted = {"company", "since"} if delta else {"company"}
    sql, used = _filled(source, f"{resource}.sql", wanted, company=company, since=since)
    if delta and "since" not in used:
        raise SourceError(
            f"{place_of(source, resource)}: reads everything each time, though {resource} has a watermark: "
            "compare its column with :since"
        )
    return sql


def key_query(source: Source, table: str, *, company: str) -> str:
    """The SELECT of the keys that a canonical table has in the ERP."""
    return _filled(source, f"keys/{table}.sql", {"company"}, company=company, since=None)[0]


def place_of(source: Source, resource: str) -> str:
    """A resource's SQL file, as messages name it."""
    return f"source {source.name}, {FOLDER}/{resource}.sql"


def _filled(
    source: Source, file: str, allowed: set[str], *, company: str, since: datetime | None
) -> tuple[str, set[str]]:
    path = source.folder / FOLDER / file
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from error
    # ISO 8601 with a T is the one form that no server's date format turns around; whole seconds suit every type.
    values = {"company": literal(company), "since": literal(f"{since or BEGINNING:%Y-%m-%dT%H:%M:%S}")}
    used: set[str] = set()

    def put(match: re.Match[str]) -> str:
        name = match["parameter"]
        if name is None:
            return " " if match[0].startswith(("--", "/*")) else match[0]
        if name not in allowed:
            known = " and ".join(f":{each}" for each in sorted(allowed))
            raise SourceError(f"{path}: there is no parameter :{name} here; use {known}")
        used.add(name)
        return values[name]

    return one_statement(_TOKEN.sub(put, text)), used


def placed_columns(resource: Resource, headers: Iterable[str], where: str) -> dict[str, ResourceColumn]:
    """Which of a result's columns are wanted, by the profile's headers and regardless of case; the rest is not taken.

    SourceError where one is missing that the profile requires.
    """
    folded = {header.casefold(): header for header in headers}
    placed: dict[str, ResourceColumn] = {}
    for name, column in resource.columns.items():
        wanted = column.header or (name,)
        found = next((folded[each.casefold()] for each in wanted if each.casefold() in folded), None)
        if found is not None:
            placed[found] = column
        elif not column.optional:
            raise SourceError(
                f"{where}: does not give the column {' or '.join(wanted)}, which the profile reads"
            )
    return placed


def key_columns(table: str, headers: Iterable[str], where: str) -> tuple[str, ...]:
    """The key columns of a canonical table; SourceError where a result lacks one."""
    given = set(headers)
    key = load_contract(table).key
    missing = [name for name in key if name not in given]
    if missing:
        raise SourceError(f"{where}: does not give {', '.join(missing)}, part of the key of {table}")
    return tuple(key)
