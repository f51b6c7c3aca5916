"""A batch's files as typed views, bound by header name: what a source's SQL selects from.

Each view has the profile's columns, `_file`, and `_row`, a handle of the record: its number in the file as a
spreadsheet shows it (the header is 1) and the values that could not be read, so that whatever the SQL makes of the
record, the loader still knows where it came from and what was wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import duckdb

from warehouse.connection import literal, quoted
from warehouse.delivery.formats import convert
from warehouse.delivery.headers import bind, listed
from warehouse.delivery.profile import Resource
from warehouse.errors import BatchRefusedError, Fault, SourceError
from warehouse.staging import values
from warehouse.staging.delivered import Delivered, Delivery
from warehouse.staging.making import make_table
from warehouse.staging.source_file import SourceFile, told

_COMMENT = re.compile(r"--[^\n]*")
_DELIMITERS = (",", ";", "\t", "|")
# How many headers of one name a message bears.
_TWINS_TOLD = 20
# Whether all texts of a record are plain.
_PLAIN = "__plain"
# The table of what of an earlier batch was mended since.
REPLACED = "__replaced"
_NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL.*)")


def create_typed(connection: duckdb.DuckDBPyConnection, delivery: Delivery, *, small: bool) -> None:
    """The typed rows of each resource that is asked for in the schema `resource`; none where the batch does not hold it.

    A table where the batch is `small`: planning the casts anew for every use takes longer than reading a small file. Of a large
    one, a table where it is read several times, as by a source that joins; else a view, so that its text streams through and
    lies nowhere.

    SourceError where the profile cannot be applied.
    """
    uses = _uses(delivery)
    for name, delivered in delivery.resources.items():
        if not delivered.files and not delivered.before and not uses[name]:
            continue
        typed = [_typed(file, at_once=small) for file in delivered.files]
        typed += [
            f"SELECT * FROM ({_typed(file, at_once=small)}) WHERE NOT ({_is_replaced(connection, file, each)})"
            for each in delivered.before
            for file in each.files
        ]
        select = " UNION ALL ".join(typed or [_empty(delivered.resource)])
        view = f"resource.{quoted(name)}"
        try:
            if small or uses[name] > 1:
                make_table(connection, delivery, view, select)
            else:
                connection.execute(f"CREATE VIEW {view} AS {select}")
        except duckdb.OutOfMemoryException:
            raise  # no fault of what was read: see scratch.stage
        except duckdb.Error as error:
            raise SourceError(
                f"source {delivery.source.name}, profile.yaml, resources.{name}: {' '.join(str(error).split())[:300]}"
            ) from error
    for each in delivery.before:
        _create_replaced(connection, each, small=small)


def _uses(delivery: Delivery) -> Mapping[str, int]:
    """How often each resource may be read: by the source's SQL for this batch, and by the loader for what it tells apart."""
    source, held = delivery.source, {each.name for each in delivery.held}
    texts = [*source.views.values()]
    texts += [source.sql(table, each.name) for table, drivers in delivery.drivers.items() for each in drivers]
    mappings = [source.profile.tables[table] for table in delivery.drivers]
    drivers = {name for mapping in mappings for name in mapping.drivers}
    told_of = drivers.union(*(mapping.grouped_by or () for mapping in mappings))
    text = _COMMENT.sub("", " ".join(texts)).casefold()
    uses: dict[str, int] = {}
    for name in delivery.resources:
        # A name with a point behind it is that of a column's table, which is read where it is named without one.
        named = len(re.findall(rf"(?<!\w){re.escape(name.casefold())}(?![\w.])", text))
        # A text that is made while it runs may name any.
        may_be_named = name in told_of or '"' in name or name.casefold() in text or "query" in text
        uses[name] = max(named, may_be_named) + (name in held and name not in drivers)
    return uses


def _create_replaced(connection: duckdb.DuckDBPyConnection, before: Delivered, *, small: bool) -> None:
    """As they were delivered, the records of an earlier batch that were mended since: `<label>__replaced`."""
    replaced = [
        f"SELECT * FROM ({_typed(file, at_once=small)}) WHERE {_is_replaced(connection, file, before)}"
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
    mark = _other_delimiter(file, resource)
    if mark is not None:
        message = (
            f"its cells are parted by {mark!r}, and the profile's delimiter is {file.dialect.delimiter!r}"
        )
        remedy = "Set delimiter in the profile to what the file uses, or export it as the profile says."
        return [Fault("missing_column", message, remedy, file.path, 1)]
    beside = convert.sheets_that_fit(file.path, file.checked.table.unread) if file.checked.table else ""
    if binding.missing and not binding.headers:
        message = f"none of its columns stands there, but {listed(file.headers)}"
        remedy = (
            "If the header stands further down, set preamble: true in the profile; else export it with "
            f"{listed((resource.columns[name].header or (name,))[0] for name in binding.missing)}.{beside}"
        )
        return [Fault("missing_column", message, remedy, file.path, 1)]
    for name in binding.missing:
        wanted = resource.columns[name].header or (name,)
        message = f"the column {' or '.join(repr(candidate) for candidate in wanted)} is missing"
        remedy = (
            f"The header has {listed(file.headers)}: "
            f"export it with the column, or add the header's name to the profile.{beside}"
        )
        faults.append(Fault("missing_column", message, remedy, file.path, 1, wanted[0]))
    for name, twins in binding.ambiguous.items():
        more = f" or {len(twins) - _TWINS_TOLD} more" if len(twins) > _TWINS_TOLD else ""
        either = " or ".join(map(repr, twins[:_TWINS_TOLD])) + more
        message = f"the column {name} is to be read from {either}: several headers bear its name"
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


def _other_delimiter(file: SourceFile, resource: Resource) -> str | None:
    """What parts the one header of a file into columns of the profile, which its own delimiter does not; None if nothing does."""
    headers, missing = list(file.headers), len(file.binding.missing)
    if len(headers) > 1 or not missing or file.dialect.is_columned or file.checked.table is not None:
        return None
    for mark in _DELIMITERS:
        names = [name.strip(' "') for header in headers for name in header.split(mark)]
        if len(bind(names, resource, file.dialect).missing) < missing:
            return mark
    return None


def _typed(file: SourceFile, *, at_once: bool) -> str:
    """The SELECT of one file, typed by the profile, with the record's handle.

    `at_once`, cells of a record that are read in one manner are read as one list: planning the long expressions anew for each
    column takes longer than reading a small file, as making lists of a large one does.
    """
    bound = file.binding.headers
    records, cells = _read_in_lists(file) if at_once else _read_in_columns(file)
    noted = [(f"{told(bound[name])}:", cells[name]) for name in file.resource.columns if name in cells]
    entries = ", ".join(f"{literal(of)} || {cell}.rule || ':' || left({cell}.raw, 200)" for of, cell in noted)
    problems = (
        f"CASE WHEN coalesce({', '.join(f'{cell}.rule' for _, cell in noted)}) IS NOT NULL "
        f"THEN list_filter([{entries}], lambda entry: entry IS NOT NULL) END"
        if noted
        else "NULL::VARCHAR[]"
    )
    columns = [
        f"{cells[name]}.value AS {quoted(name)}"
        if name in cells
        else f"NULL::{values.duckdb_type(column)} AS {quoted(name)}"
        for name, column in file.resource.columns.items()
    ]
    return (
        f"SELECT {', '.join(columns)}, {literal(file.path)} AS _file, {{'number': __number, 'problems': {problems}}} AS _row "
        f"FROM {records}"
    )


def _read_in_columns(file: SourceFile) -> tuple[str, Mapping[str, str]]:
    """The records with what became of their cells, as SQL, and by column where in it that is: each in a column of its own.

    Whether its cells are plain is asked once of a record, of all of them together, and a look at each is spared if they are.
    """
    names = {name: f"__cell{place}" for place, name in enumerate(file.binding.headers)}
    made = [f"{_delivered(file, name)} AS {cell}" for name, cell in names.items()]
    texts = [quoted(header) for header in file.binding.headers.values() if file.headers[header] == "VARCHAR"]
    made.append(f"{values.are_plain(texts)} AS {_PLAIN}")
    steps = (
        [
            *(
                f"{{{step}}} AS {cell}" if step else cell
                for step, cell in zip(each, names.values(), strict=True)
            ),
            _PLAIN,
        ]
        for each in zip_longest(
            *(_manner(file, name, cell, plain=_PLAIN).steps for name, cell in names.items())
        )
    )
    return _step_by_step(file, [made, *steps]), names


def _read_in_lists(file: SourceFile) -> tuple[str, Mapping[str, str]]:
    """As `_read_in_columns`: all that are read in one manner in a list."""
    alike: dict[_Manner, list[str]] = {}
    for name in file.binding.headers:
        alike.setdefault(_manner(file, name, "each"), []).append(name)
    lists = {f"__cells{place}": names for place, names in enumerate(alike.values())}
    made = [f"[{', '.join(_delivered(file, n) for n in names)}] AS {each}" for each, names in lists.items()]
    steps = (
        [
            f"list_transform({cells}, lambda each: {{{step}}}) AS {cells}" if step else cells
            for step, cells in zip(each, lists, strict=True)
        ]
        for each in zip_longest(*(manner.steps for manner in alike))
    )
    places = {
        name: f"{each}[{place}]" for each, names in lists.items() for place, name in enumerate(names, 1)
    }
    return _step_by_step(file, [made, *steps]), places


def _step_by_step(file: SourceFile, steps: Iterable[Sequence[str]]) -> str:
    """The records with what is made of them, each step a SELECT of its own: what it makes is planned, and computed, once."""
    made = f"({file.records})"
    for step in steps:
        made = f"(SELECT {', '.join(['__number', *step])} FROM {made})"
    return made


def _delivered(file: SourceFile, name: str) -> str:
    """A column's cell as the file holds it, beside what tells its kind where there is that."""
    header, column = file.binding.headers[name], file.resource.columns[name]
    cell, _ = values.local(quoted(header), file.headers[header], column, file.dialect)
    return f"{{'cell': {cell}, 'kind': {quoted(file.kinds[header])}}}" if _has_kind(file, name) else cell


def _has_kind(file: SourceFile, name: str) -> bool:
    return file.resource.columns[name].type == "text" and file.binding.headers[name] in file.kinds


@dataclass(frozen=True, slots=True)
class _Manner:
    """How the cells of a column become values: the type that they have in the file, and what becomes of one step by step.

    A step is the fields of a struct, of the cell or the struct that the step before has made. In the end there are its text
    (`raw`), its `value`, and the `rule` that it breaks if it has none.
    """

    physical: str
    steps: tuple[str, ...]


def _manner(file: SourceFile, name: str, each: str, *, plain: str | None = None) -> _Manner:
    """How the cells of one column of the profile become values, as SQL over the name `each`.

    Of a record of which `plain` holds, all texts are known to be as they were written, and no lost code.
    """
    column, dialect, header = file.resource.columns[name], file.dialect, file.binding.headers[name]
    _, physical = values.local(quoted(header), file.headers[header], column, dialect)
    has_kind = _has_kind(file, name)
    cell, kind = (f"{each}.cell", f"{each}.kind") if has_kind else (each, None)
    bare = values.bare(cell, physical)
    if plain and physical == "VARCHAR":
        bare = f"CASE WHEN {plain} THEN {cell} ELSE {bare} END"
    first = f"'bare': {bare}" + (f", 'kind': {kind}" if kind else "")
    raw = f"'raw': {values.unmarked(f'{each}.bare', dialect)}"
    if column.type == "text":
        rule = values.no_code(f"{each}.raw", f"{each}.kind" if kind else None)
        if plain and not kind and physical == "VARCHAR":
            rule = f"CASE WHEN NOT {plain} THEN {rule} END"
        return _Manner(
            physical,
            (
                first,
                raw + (f", 'kind': {each}.kind" if kind else ""),
                f"'raw': {each}.raw, 'rule': {rule}",
                f"'raw': {each}.raw, 'rule': {each}.rule, 'value': CASE WHEN {each}.rule IS NULL THEN {each}.raw END",
            ),
        )
    text = values.numeric_text(f"{each}.raw", column, physical, dialect, file.units[name])
    value = values.cast(f"{each}.text", column, physical, dialect, native_dates=file.native_dates)
    rule = values.broken(each, column, binary=header in file.binary)
    return _Manner(
        physical,
        (
            first,
            raw,
            f"'raw': {each}.raw, 'text': {text}",
            f"'raw': {each}.raw, 'text': {each}.text, 'value': {value}",
            f"'raw': {each}.raw, 'value': {each}.value, 'rule': {rule}",
        ),
    )
