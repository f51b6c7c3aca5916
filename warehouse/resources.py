"""A batch's files as typed views, bound by header name: what a source's SQL selects from.

Each view has the profile's columns, `_file`, and `_row`, a handle of the record: its number in the file as a
spreadsheet shows it (the header is 1) and the values that could not be read, so that whatever the SQL makes of the
record, the loader still knows where it came from and what was wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb

from warehouse import files
from warehouse.batch import Batch, locate
from warehouse.connection import literal, quoted, scalar
from warehouse.encodings import encoding_of
from warehouse.faults import BatchRefusedError, Fault, SourceError
from warehouse.source import PLAIN, Dialect, Resource, ResourceColumn, Source

_DUCKDB_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "decimal": "DECIMAL(18,6)",
}
_RULES = {
    "integer": "not_an_integer",
    "boolean": "not_a_boolean",
    "date": "not_a_date",
    "timestamp": "not_a_timestamp",
    "decimal": "not_a_number",
}
# How Parquet's own dates print as text.
_NATIVE_DATES = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
_WILDCARD = re.compile(r"[*?\[]")
# No ERP's table is wider; every column is named many times in the SQL that reads it.
_MOST_COLUMNS, _LONGEST_HEADER = 4_096, 256 * 1024
# The view of a resource's records as text.
RAW = "__raw"
_NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL.*)")


def duckdb_type(column: ResourceColumn) -> str:
    """The type a column of a resource has in SQL."""
    return _DUCKDB_TYPES.get(column.type) or column.type.upper().replace(" ", "")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """How one file is read: the table function, its record number, and the headers with their physical types."""

    path: str
    reader: str
    number: str
    headers: dict[str, str]


def open_files(
    connection: duckdb.DuckDBPyConnection, batch: Batch, source: Source
) -> dict[str, tuple[SourceFile, ...]]:
    """The files of each resource of the profile; none where the batch does not hold it.

    A view `<name>__raw` in the schema `resource` gives their records as text: `_file`, `_row` (its number), and `raw`,
    JSON by header. BatchRefusedError where a file has no header or is no Parquet.
    """
    opened: dict[str, tuple[SourceFile, ...]] = {}
    faults: list[Fault] = []
    for name in source.profile.resources:
        delivered = batch.resource(name)
        dialect = dialect_of(source, batch, name)
        found: list[SourceFile] = []
        for path in delivered.paths if delivered else ():
            try:
                found.append(_open_file(connection, locate(batch, path), path, dialect))
            except BatchRefusedError as error:
                faults.extend(error.faults)
        raw = [_raw(file) for file in found] or [
            "SELECT NULL::VARCHAR AS _file, NULL::BIGINT AS _row, NULL::JSON AS raw LIMIT 0"
        ]
        connection.execute(f"CREATE VIEW resource.{quoted(name + RAW)} AS {' UNION ALL '.join(raw)}")
        opened[name] = tuple(found)
    if faults:
        raise BatchRefusedError(*faults)
    return opened


def create_typed(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    source: Source,
    opened: Mapping[str, Sequence[SourceFile]],
    *,
    stored: bool,
) -> None:
    """The typed rows of each resource of the profile in the schema `resource`; none where the batch does not hold it.

    A table where they are to be `stored`: planning the casts anew for every use takes longer than reading a small file.
    Else a view, so that the text of a large one streams through and lies nowhere.

    BatchRefusedError where a file's header does not fit the profile, SourceError where the profile cannot be applied.
    """
    kind = "TABLE" if stored else "VIEW"
    faults: list[Fault] = []
    for name, resource in source.profile.resources.items():
        try:
            typed = [_typed(file, resource, dialect_of(source, batch, name)) for file in opened[name]]
        except BatchRefusedError as error:
            faults.extend(error.faults)
            continue
        select = " UNION ALL ".join(typed or [_empty(resource)])
        try:
            connection.execute(f"CREATE {kind} resource.{quoted(name)} AS {select}")
        except duckdb.Error as error:
            raise SourceError(
                f"source {source.name}, profile.yaml, resources.{name}: {' '.join(str(error).split())[:300]}"
            ) from error
    if faults:
        raise BatchRefusedError(*faults)


def dialect_of(source: Source, batch: Batch, name: str) -> Dialect:
    """How a resource of a batch is written: as the profile says, but for the layout of one that is plain CSV."""
    dialect, delivered = source.dialect(name), batch.resource(name)
    return dialect.model_copy(update=PLAIN) if delivered and delivered.is_plain else dialect


def readable_path(file: Path) -> str:
    """A file's path for DuckDB's readers, which take `*`, `?` and `[` for wildcards."""
    return _WILDCARD.sub(r"[\g<0>]", str(file))


def _empty(resource: Resource) -> str:
    columns = [f"NULL::{duckdb_type(column)} AS {quoted(name)}" for name, column in resource.columns.items()]
    handle = "NULL::VARCHAR AS _file, NULL::STRUCT(number BIGINT, problems VARCHAR[]) AS _row"
    return f"SELECT {', '.join(columns)}, {handle} LIMIT 0"


def _open_file(connection: duckdb.DuckDBPyConnection, file: Path, path: str, dialect: Dialect) -> SourceFile:
    location = literal(readable_path(file))
    if files.is_parquet(file):
        reader = f"read_parquet({location}, file_row_number=true, hive_partitioning=false)"
        described = _described(connection, f"DESCRIBE SELECT * FROM {reader}", path)
        headers = {str(name): str(kind) for name, kind, *_ in described if name != "file_row_number"}
        return SourceFile(path, reader, "file_row_number + 2", headers)
    headers = dict.fromkeys(_header(file, path, dialect), "VARCHAR")
    columns = ", ".join(f"{literal(header)}: 'VARCHAR'" for header in headers)
    reader = (
        f"read_csv({location}, auto_detect=false, header=true, delim={literal(dialect.delimiter)}, "
        f"quote={literal(dialect.quote)}, escape={literal(dialect.escape if dialect.quote else '')}, "
        f"columns={{{columns}}}, encoding={literal(encoding_of(dialect.encoding).duckdb)}, nullstr='\x01', "
        f"compression={literal(files.compression(file))}, hive_partitioning=false, "
        "store_rejects=true, rejects_limit=0)"
    )
    return SourceFile(path, reader, "row_number() OVER () + 1", headers)


def _described(connection: duckdb.DuckDBPyConnection, sql: str, path: str) -> list[tuple[object, ...]]:
    try:
        return connection.execute(sql).fetchall()
    except duckdb.Error as error:
        raise BatchRefusedError(unreadable(path, error)) from error


def unreadable(path: str, error: Exception) -> Fault:
    """The fault of a file DuckDB cannot read at all."""
    reason = " ".join(str(error).split("\n")[0].split())[:200]
    return Fault("unreadable_file", f"cannot be read: {reason}", "Deliver the file again, whole.", path)


def _header(file: Path, path: str, dialect: Dialect) -> list[str]:
    """The header's names; a name that stands twice gets a suffix, so that it can only be bound by its first place."""
    cells = files.header(file, path, dialect)
    if not any(cell.strip() for cell in cells):
        message = "begins with a blank line, not with its header"
        remedy = "Export it again, with the header in the first line."
        raise BatchRefusedError(Fault("missing_header", message, remedy, path, 1))
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


def bind(file: SourceFile, resource: Resource) -> dict[str, str]:
    """Profile column to the file's own header: exact name first, then regardless of case."""
    folded: dict[str, str] = {}
    for header in file.headers:
        folded.setdefault(header.casefold(), header)
    bound: dict[str, str] = {}
    faults: list[Fault] = []
    for name, column in resource.columns.items():
        wanted = column.header or (name,)
        exact = (candidate for candidate in wanted if candidate in file.headers)
        alike = (folded[candidate.casefold()] for candidate in wanted if candidate.casefold() in folded)
        found = next(exact, None) or next(alike, None)
        if found is None:
            if not column.optional:
                message = f"the column {' or '.join(repr(candidate) for candidate in wanted)} is missing"
                remedy = (
                    f"The header has {_listed(file.headers)}: "
                    "export it with the column, or add the header's name to the profile."
                )
                faults.append(Fault("missing_column", message, remedy, file.path, 1, wanted[0]))
            continue
        bound[name] = header = found
        kind = file.headers[header]
        if column.type == "text" and _NUMBERS.fullmatch(kind) and not column.accept_number:
            message = f"is a code, but the file holds it as {kind}, which has lost leading zeros"
            remedy = (
                "Write it as a string, or set accept_number for it in the profile where codes never have any."
            )
            faults.append(Fault("code_is_numeric", message, remedy, file.path, None, header))
    if faults:
        raise BatchRefusedError(*faults)
    return bound


def _listed(headers: Iterable[str]) -> str:
    """Headers as a message can bear them."""
    told = [" ".join(header[:40].split()) + ("…" if len(header) > 40 else "") for header in headers]
    return ", ".join(told if len(told) <= 40 else [*told[:40], f"and {len(told) - 40} more"])


def _typed(file: SourceFile, resource: Resource, dialect: Dialect) -> str:
    """The SELECT of one file, typed by the profile, with the record's handle."""
    bound = bind(file, resource)
    texts, typed, failed, entries = [], [], [], []
    for name, column in resource.columns.items():
        header = bound.get(name)
        if header is None:
            typed.append(f"NULL::{duckdb_type(column)} AS {quoted(name)}")
            continue
        raw, text = quoted(f"{name}__raw"), quoted(f"{name}__text")
        texts.append(f"{_clean(quoted(header), file.headers[header], dialect)} AS {raw}")
        if column.type == "text":
            typed.append(f"{raw} AS {quoted(name)}")
            continue
        texts.append(f"{_readable(raw, column, file.headers[header], dialect)} AS {text}")
        typed.append(f"{_value(text, column, file.headers[header], dialect)} AS {quoted(name)}")
        bad = f"{raw} IS NOT NULL AND {quoted(name)} IS NULL"
        rule = literal(_RULES[column.type.split("(")[0]])
        if column.type.startswith("decimal"):
            scale = int(duckdb_type(column).rstrip(")").split(",")[1])
            bad = f"{raw} IS NOT NULL AND ({quoted(name)} IS NULL OR decimal_places({text}) > {scale})"
            rule = f"CASE WHEN {text} IS NULL THEN {rule} ELSE 'too_many_digits' END"
        elif column.type == "integer":
            rule = f"CASE WHEN decimal_places({text}) = 0 THEN 'too_many_digits' ELSE {rule} END"
        failed.append(bad)
        entries.append(
            f"CASE WHEN {bad} THEN {literal(f'{_told(header)}:')} || {rule} || ':' || left({raw}, 200) END"
        )
    problems = (
        f"CASE WHEN {' OR '.join(f'({condition})' for condition in failed)} "
        f"THEN list_filter([{', '.join(entries)}], lambda entry: entry IS NOT NULL) END"
        if failed
        else "NULL::VARCHAR[]"
    )
    names = ", ".join(quoted(name) for name in resource.columns)
    # DuckDB lets a later expression of one SELECT use an earlier one's alias, so each value is computed once.
    return (
        f"SELECT {names}, {literal(file.path)} AS _file, {{'number': _number, 'problems': {problems}}} AS _row "
        f"FROM (SELECT {', '.join([*typed, *_carried(bound, resource)])}, _number "
        f"FROM (SELECT {file.number} AS _number{''.join(', ' + text for text in texts)} FROM {file.reader}))"
    )


def _told(header: str) -> str:
    """A header as a problem names it: the problem's parts are told apart by colons."""
    return header.replace(":", " ").strip()


def _carried(bound: dict[str, str], resource: Resource) -> list[str]:
    return [
        quoted(f"{name}__{part}")
        for name, column in resource.columns.items()
        if name in bound and column.type != "text"
        for part in ("raw", "text")
    ]


def _clean(header: str, kind: str, dialect: Dialect) -> str:
    """A cell as text without surrounding blanks; null where it holds one of the null marks."""
    if kind in {"DOUBLE", "FLOAT"}:
        exact = f"CAST(TRY_CAST({header} AS DECIMAL(38, 10)) AS VARCHAR)"
        header = f"coalesce(rtrim(rtrim({exact}, '0'), '.'), CAST({header} AS VARCHAR))"
    elif kind.startswith("TIMESTAMP"):
        header = f"CAST(CAST({header} AS TIMESTAMP) AS VARCHAR)"
    elif kind != "VARCHAR":
        header = f"CAST({header} AS VARCHAR)"
    marks = ", ".join(literal(mark) for mark in dialect.null_marks)
    return (
        f"CASE WHEN trim({header}) NOT IN ({marks}) THEN trim({header}) END" if marks else f"trim({header})"
    )


def _readable(raw: str, column: ResourceColumn, kind: str, dialect: Dialect) -> str:
    if column.type.startswith("decimal") or column.type == "integer":
        if kind != "VARCHAR":
            return raw
        group = literal(dialect.group_mark) if dialect.group_mark else "NULL"
        return f"decimal_text({raw}, {literal(dialect.decimal_mark)}, {group})"
    return raw


def _value(text: str, column: ResourceColumn, physical: str, dialect: Dialect) -> str:
    kind = duckdb_type(column)
    if column.type == "boolean" and physical == "BOOLEAN":
        return f"TRY_CAST({text} AS BOOLEAN)"
    if column.type == "boolean":
        true, false = (
            ", ".join(literal(mark) for mark in marks) for marks in (dialect.true_marks, dialect.false_marks)
        )
        return f"CASE WHEN {text} IN ({true}) THEN true WHEN {text} IN ({false}) THEN false END"
    if column.type in {"date", "timestamp"}:
        declared = column.date_formats or dialect.date_formats if physical == "VARCHAR" else _NATIVE_DATES
        formats = ", ".join(literal(form) for form in declared)
        return f"CAST(try_strptime({text}, [{formats}]) AS {kind})"
    if column.type == "integer":
        return f"CASE WHEN decimal_places({text}) = 0 THEN TRY_CAST({text} AS BIGINT) END"
    return f"TRY_CAST({text} AS {kind})"


def total(
    connection: duckdb.DuckDBPyConnection, resource: str, name: str, column: ResourceColumn
) -> tuple[Decimal, int]:
    """The sum of a resource's number column, and how many of its values could not be taken as they stand."""
    headers = ", ".join(literal(_told(header).casefold()) for header in column.header or (name,))
    unread = f"len(list_filter(_row.problems, lambda problem: lower(split_part(problem, ':', 1)) IN ({headers}))) > 0"
    [(summed, bad)] = connection.execute(
        f"SELECT coalesce(sum({quoted(name)}), 0), count(*) FILTER ({unread}) FROM resource.{quoted(resource)}"
    ).fetchall()
    return Decimal(str(summed)), int(bad)


def _raw(file: SourceFile) -> str:
    cells = ", ".join(f"{literal(header)}, CAST({quoted(header)} AS VARCHAR)" for header in file.headers)
    return f"SELECT {literal(file.path)} AS _file, {file.number} AS _row, json_object({cells}) AS raw FROM {file.reader}"


def rejected_records(
    connection: duckdb.DuckDBPyConnection, batch: Batch
) -> Iterable[tuple[str, int, str, str, str]]:
    """Records DuckDB could not split into the header's columns: file, record number, rule, message, text."""
    if not scalar(connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'"):
        return
    paths = {str(locate(batch, path)): path for resource in batch.resources for path in resource.paths}
    rows = connection.execute(
        """SELECT DISTINCT ON (file_path, line) file_path, line, error_type::VARCHAR, error_message, csv_line
           FROM reject_errors JOIN reject_scans USING (scan_id, file_id) ORDER BY file_path, line, column_idx"""
    ).fetchall()
    for file_path, line, kind, message, text in rows:
        rule = _REJECTS.get(kind, "unreadable_record")
        yield paths[file_path], int(line), rule, " ".join(str(message).split()), str(text).strip("\r\n")


_REJECTS = {
    "MISSING COLUMNS": "ragged_record",
    "TOO MANY COLUMNS": "ragged_record",
    "UNQUOTED VALUE": "broken_quoting",
    "LINE SIZE OVER MAXIMUM": "record_too_long",
    "INVALID ENCODING": "wrong_encoding",
}
