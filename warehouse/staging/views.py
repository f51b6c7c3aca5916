"""A batch's files as typed views, bound by header name: what a source's SQL selects from.

Each view has the profile's columns, `_file`, and `_row`, a handle of the record: its number in the file as a
spreadsheet shows it (the header is 1) and the values that could not be read, so that whatever the SQL makes of the
record, the loader still knows where it came from and what was wrong with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import duckdb

from warehouse.connection import literal, quoted
from warehouse.delivery.dialect import ResourceColumn
from warehouse.delivery.headers import listed
from warehouse.delivery.profile import Resource
from warehouse.errors import BatchRefusedError, Fault, SourceError
from warehouse.staging import values
from warehouse.staging.delivered import Delivered, Delivery
from warehouse.staging.source_file import SourceFile, told

# The table of what of an earlier batch was mended since.
REPLACED = "__replaced"
_NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL.*)")


def create_typed(connection: duckdb.DuckDBPyConnection, delivery: Delivery, *, stored: bool) -> None:
    """The typed rows of each resource of the profile in the schema `resource`; none where the batch does not hold it.

    A table where they are to be `stored`: planning the casts anew for every use takes longer than reading a small file.
    Else a view, so that the text of a large one streams through and lies nowhere.

    SourceError where the profile cannot be applied.
    """
    kind = "TABLE" if stored else "VIEW"
    for name, delivered in delivery.resources.items():
        typed = [_typed(file, delivered.resource) for file in delivered.files]
        typed += [
            f"SELECT * FROM ({_typed(file, each.resource)}) WHERE NOT ({_is_replaced(connection, file, each)})"
            for each in delivered.before
            for file in each.files
        ]
        select = " UNION ALL ".join(typed or [_empty(delivered.resource)])
        try:
            connection.execute(f"CREATE {kind} resource.{quoted(name)} AS {select}")
        except duckdb.OutOfMemoryException:
            raise  # no fault of what was read: see scratch.stage
        except duckdb.Error as error:
            raise SourceError(
                f"source {delivery.source.name}, profile.yaml, resources.{name}: {' '.join(str(error).split())[:300]}"
            ) from error
    for each in delivery.before:
        _create_replaced(connection, each)


def _create_replaced(connection: duckdb.DuckDBPyConnection, before: Delivered) -> None:
    """As they were delivered, the records of an earlier batch that were mended since: `<label>__replaced`."""
    replaced = [
        f"SELECT * FROM ({_typed(file, before.resource)}) WHERE {_is_replaced(connection, file, before)}"
        for file in before.files
    ]
    select = " UNION ALL ".join(replaced or [_empty(before.resource)])
    connection.execute(f"CREATE TABLE resource.{quoted(before.name + REPLACED)} AS {select}")


def _is_replaced(connection: duckdb.DuckDBPyConnection, file: SourceFile, before: Delivered) -> str:
    """Whether a record of an earlier batch was mended since, by its place among the readable ones of its file."""
    mended = [number for path, number in before.replaced if path == file.path]
    if not mended:
        return "false"
    gaps = {
        int(number)
        for (number,) in connection.execute(
            """SELECT row_number FROM rejected.record WHERE file = $file AND NOT is_exact
               UNION SELECT row_number FROM rejected.blank WHERE file = $file""",
            {"file": file.path},
        ).fetchall()
    }
    places = [number - sum(gap < number for gap in gaps) for number in mended if number not in gaps]
    return f"_row.number IN ({', '.join(map(str, places))})" if places else "false"


def _empty(resource: Resource) -> str:
    columns = [
        f"NULL::{values.duckdb_type(column)} AS {quoted(name)}" for name, column in resource.columns.items()
    ]
    handle = "NULL::VARCHAR AS _file, NULL::STRUCT(number BIGINT, problems VARCHAR[]) AS _row"
    return f"SELECT {', '.join(columns)}, {handle} LIMIT 0"


def require_columns(delivery: Delivery) -> None:
    """Each opened file has the columns of the profile; BatchRefusedError with all that miss, or hold a code as a number."""
    faults = [
        fault for each in delivery.every for file in each.files for fault in _misfits(file, each.resource)
    ]
    if faults:
        raise BatchRefusedError(*faults)


def _misfits(file: SourceFile, resource: Resource) -> list[Fault]:
    """What of a file's header does not fit the profile."""
    binding = file.binding
    faults: list[Fault] = []
    for name in binding.missing:
        wanted = resource.columns[name].header or (name,)
        message = f"the column {' or '.join(repr(candidate) for candidate in wanted)} is missing"
        remedy = (
            f"The header has {listed(file.headers)}: "
            "export it with the column, or add the header's name to the profile."
        )
        faults.append(Fault("missing_column", message, remedy, file.path, 1, wanted[0]))
    for name, twins in binding.ambiguous.items():
        message = f"the column {name} is to be read from {' or '.join(map(repr, twins))}: several headers bear its name"
        remedy = "Export it with one of them only, or rename the other."
        faults.append(Fault("ambiguous_column", message, remedy, file.path, 1, twins[0]))
    for name, header in binding.headers.items():
        column, kind = resource.columns[name], file.headers[header]
        if column.type == "text" and _NUMBERS.fullmatch(kind) and not column.accept_number:
            message = f"is a code, but the file holds it as {kind}, which has lost leading zeros"
            remedy = (
                "Write it as a string, or set accept_number for it in the profile where codes never have any."
            )
            faults.append(Fault("code_is_numeric", message, remedy, file.path, None, header))
    return faults


@dataclass(frozen=True, slots=True)
class _TypedColumn:
    """How one column is made: expressions over the record, over those, and what of them a failure is told by."""

    texts: tuple[str, ...]
    typed: str
    carried: tuple[str, ...] = ()
    problem: str | None = None


def _typed(file: SourceFile, resource: Resource) -> str:
    """The SELECT of one file, typed by the profile, with the record's handle.

    Four steps, each a SELECT of its own, so that an expression is planned, and computed, once: the cells as trimmed text,
    the values made of them, the problem of each that could not be made, and the list of these.
    """
    bound = file.binding.headers
    columns = [_typed_column(file, name, each, bound.get(name)) for name, each in resource.columns.items()]
    texts = [text for column in columns for text in column.texts]
    typed = [column.typed for column in columns] + [each for column in columns for each in column.carried]
    noted = [column.problem for column in columns if column.problem]
    names = [quoted(name) for name in resource.columns]
    entries = ", ".join(f"__problem{place}" for place in range(len(noted)))
    problems = (
        f"CASE WHEN coalesce({entries}) IS NOT NULL "
        f"THEN list_filter([{entries}], lambda entry: entry IS NOT NULL) END"
        if noted
        else "NULL::VARCHAR[]"
    )
    told_of = [f"{problem} AS __problem{place}" for place, problem in enumerate(noted)]
    return (
        f"SELECT {', '.join(names)}, {literal(file.path)} AS _file, {{'number': __number, 'problems': {problems}}} AS _row "
        f"FROM (SELECT {', '.join([*names, *told_of])}, __number "
        f"FROM (SELECT {', '.join(typed)}, __number "
        f"FROM (SELECT {', '.join(['__number', *texts])} FROM ({file.records}))))"
    )


def _typed_column(file: SourceFile, name: str, column: ResourceColumn, header: str | None) -> _TypedColumn:
    """One column of the profile: null if the file has no such header, else its text, its code, or its typed value."""
    if header is None:
        return _TypedColumn((), f"NULL::{values.duckdb_type(column)} AS {quoted(name)}")
    dialect, physical = file.dialect, file.headers[header]
    raw, text, lost = (quoted(f"{name}__{part}") for part in ("raw", "text", "lost"))
    cell, physical = values.local(quoted(header), physical, column, dialect)
    trimmed = f"{values.trimmed(cell, physical, dialect)} AS {raw}"
    if column.type == "text":
        of_kind = quoted(file.kinds[header]) if header in file.kinds else None
        texts = (trimmed, f"{values.no_code(raw, of_kind)} AS {lost}")
        typed, carried = f"CASE WHEN {lost} IS NULL THEN {raw} END AS {quoted(name)}", (raw, lost)
        failed, rule = f"{lost} IS NOT NULL", lost
    else:
        texts = (
            trimmed,
            f"{values.numeric_text(raw, column, physical, dialect, file.units[name])} AS {text}",
        )
        value = values.cast(text, column, physical, dialect, native_dates=file.native_dates)
        typed, carried = f"{value} AS {quoted(name)}", (raw, text)
        failed, rule = values.cast_failure(name, column, binary=header in file.binary)
    problem = (
        f"CASE WHEN {failed} THEN {literal(f'{told(header)}:')} || {rule} || ':' || left({raw}, 200) END"
    )
    return _TypedColumn(texts, typed, carried, problem)
