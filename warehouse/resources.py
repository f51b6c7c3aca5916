"""A batch's files as typed views, bound by header name: what a source's SQL selects from.

Each view has the profile's columns, `_file`, and `_row`, a handle of the record: its number in the file as a
spreadsheet shows it (the header is 1) and the values that could not be read, so that whatever the SQL makes of the
record, the loader still knows where it came from and what was wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import duckdb

from warehouse import values
from warehouse.batch import Batch
from warehouse.binding import bind, listed
from warehouse.binding import factor as factor_of
from warehouse.connection import literal, quoted, scalar
from warehouse.dialect import PLAIN, Dialect, ResourceColumn
from warehouse.faults import BatchRefusedError, Fault, SourceError
from warehouse.files import CheckedFile
from warehouse.source import Resource, Source
from warehouse.source_files import SourceFile, described, open_file

# The view of a resource's records as text, and of those among them that have a reason to be put aside.
RAW = "__raw"
ASIDE = "__aside"
# The view of the rules by which its dialect leaves records out, null for those of the table.
RULES = "__rules"
_HAS_A_REASON = "__number IN (SELECT row_number FROM rejected.reason WHERE file = {path})"
# Of a file; more of them, and it is not written as its profile says.
MOST_REJECTS = 100_000
# File, record number, rule, message, text.
Reject = tuple[str, int, str, str, str]
_NUMBERS = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL.*)")


def open_files(
    connection: duckdb.DuckDBPyConnection, batch: Batch, source: Source, checked: Mapping[str, CheckedFile]
) -> dict[str, tuple[SourceFile, ...]]:
    """The files of each resource of the profile; none where the batch does not hold it.

    A view `<name>__raw` in the schema `resource` gives their records as text: `_file`, `_row` (its number), and `raw`,
    JSON by header, written as in the source's text files; `<name>__aside` has those that `rejected.reason` names, and
    makes no text of any other; `<name>__rules` has the rule by which each record is none of the table's, null for those
    that are.
    BatchRefusedError where a file has no header or is no Parquet.
    """
    opened: dict[str, tuple[SourceFile, ...]] = {}
    faults: list[Fault] = []
    for name in source.profile.resources:
        delivered = batch.resource(name)
        found: list[SourceFile] = []
        for path in delivered.paths if delivered else ():
            try:
                own = source.profile.resources[name]
                plain = delivered is not None and delivered.is_plain
                found.append(open_file(connection, path, checked[path], own, is_plain=plain))
            except BatchRefusedError as error:
                faults.extend(error.faults)
        for view, condition in ((RAW, "true"), (ASIDE, _HAS_A_REASON)):
            raw = [_raw(file, source.profile.resources[name], condition) for file in found] or [
                "SELECT NULL::VARCHAR AS _file, NULL::BIGINT AS _row, NULL::JSON AS raw LIMIT 0"
            ]
            connection.execute(f"CREATE VIEW resource.{quoted(name + view)} AS {' UNION ALL '.join(raw)}")
        rules = [
            f"SELECT {literal(file.path)} AS _file, __rule AS rule FROM ({file.every_record})"
            for file in found
        ] or ["SELECT NULL::VARCHAR AS _file, NULL::VARCHAR AS rule LIMIT 0"]
        connection.execute(f"CREATE VIEW resource.{quoted(name + RULES)} AS {' UNION ALL '.join(rules)}")
        opened[name] = tuple(found)
    if faults:
        raise BatchRefusedError(*faults)
    return opened


def create_typed(
    connection: duckdb.DuckDBPyConnection,
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
            typed = [_typed(file, resource) for file in opened[name]]
        except BatchRefusedError as error:
            faults.extend(error.faults)
            continue
        select = " UNION ALL ".join(typed or [_empty(resource)])
        try:
            connection.execute(f"CREATE {kind} resource.{quoted(name)} AS {select}")
        except duckdb.OutOfMemoryException:
            raise  # no fault of what was read: see staging.stage
        except duckdb.Error as error:
            raise SourceError(
                f"source {source.name}, profile.yaml, resources.{name}: {' '.join(str(error).split())[:300]}"
            ) from error
    if faults:
        raise BatchRefusedError(*faults)


def dialect_of(source: Source, batch: Batch, name: str) -> Dialect:
    """How a resource of a batch is written: as the profile says, but for the layout of one that is plain CSV."""
    dialect, delivered = source.dialect(name), batch.resource(name)
    return dialect.model_copy(update=dict(PLAIN)) if delivered and delivered.is_plain else dialect


def _empty(resource: Resource) -> str:
    columns = [
        f"NULL::{values.duckdb_type(column)} AS {quoted(name)}" for name, column in resource.columns.items()
    ]
    handle = "NULL::VARCHAR AS _file, NULL::STRUCT(number BIGINT, problems VARCHAR[]) AS _row"
    return f"SELECT {', '.join(columns)}, {handle} LIMIT 0"


def _bind(file: SourceFile, resource: Resource) -> Mapping[str, str]:
    """Profile column to the file's own header; BatchRefusedError where one is missing, or holds a code as a number."""
    binding = bind(file.headers, resource, file.dialect)
    faults: list[Fault] = []
    for name in binding.missing:
        wanted = resource.columns[name].header or (name,)
        message = f"the column {' or '.join(repr(candidate) for candidate in wanted)} is missing"
        remedy = (
            f"The header has {listed(file.headers)}: "
            "export it with the column, or add the header's name to the profile."
        )
        faults.append(Fault("missing_column", message, remedy, file.path, 1, wanted[0]))
    for name, header in binding.headers.items():
        column, kind = resource.columns[name], file.headers[header]
        if column.type == "text" and _NUMBERS.fullmatch(kind) and not column.accept_number:
            message = f"is a code, but the file holds it as {kind}, which has lost leading zeros"
            remedy = (
                "Write it as a string, or set accept_number for it in the profile where codes never have any."
            )
            faults.append(Fault("code_is_numeric", message, remedy, file.path, None, header))
    if faults:
        raise BatchRefusedError(*faults)
    return binding.headers


def _typed(file: SourceFile, resource: Resource) -> str:
    """The SELECT of one file, typed by the profile, with the record's handle."""
    bound, dialect = _bind(file, resource), file.dialect
    texts, typed, carried, failed, entries = [], [], [], [], []
    for name, column in resource.columns.items():
        header = bound.get(name)
        if header is None:
            typed.append(f"NULL::{values.duckdb_type(column)} AS {quoted(name)}")
            continue
        physical = file.headers[header]
        raw, text = quoted(f"{name}__raw"), quoted(f"{name}__text")
        texts.append(f"{values.clean(quoted(header), physical, dialect)} AS {raw}")
        if column.type != "text":
            factor = factor_of(column, header, dialect)
            texts.append(f"{values.readable(raw, column, physical, dialect, factor)} AS {text}")
            given = values.value(text, column, physical, dialect, native_dates=file.native_dates)
            typed.append(f"{given} AS {quoted(name)}")
            carried += [raw, text]
            bad, rule = values.misfit(name, column)
        elif header in file.kinds:
            kind = quoted(f"{name}__kind")
            texts.append(f"{quoted(file.kinds[header])} AS {kind}")
            typed.append(f"CASE WHEN {kind} IS NULL THEN {raw} END AS {quoted(name)}")
            carried += [raw, kind]
            bad, rule = values.no_code(name)
        else:
            typed.append(f"{raw} AS {quoted(name)}")
            continue
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
        f"SELECT {names}, {literal(file.path)} AS _file, {{'number': __number, 'problems': {problems}}} AS _row "
        f"FROM (SELECT {', '.join([*typed, *carried])}, __number "
        f"FROM (SELECT __number{''.join(', ' + text for text in texts)} FROM ({file.records})))"
    )


def _told(header: str) -> str:
    """A header as a problem names it: the problem's parts are told apart by colons."""
    return header.replace(":", " ").strip()


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


def _raw(file: SourceFile, resource: Resource, condition: str) -> str:
    path = literal(file.path)
    return (
        f"SELECT {path} AS _file, __number AS _row, {_cells(file, resource)} AS raw "
        f"FROM ({file.records}) WHERE {condition.format(path=path)}"
    )


def _cells(file: SourceFile, resource: Resource) -> str:
    bound = bind(file.headers, resource, file.dialect).headers
    columns = {header: resource.columns[name] for name, header in bound.items()}
    cells = (
        f"{literal(header)}, {values.written(quoted(header), physical, columns.get(header), file.dialect)}"
        for header, physical in file.headers.items()
    )
    return f"json_object({', '.join(cells)})"


def rejected_records(
    connection: duckdb.DuckDBPyConnection, checked: Mapping[str, CheckedFile]
) -> Iterable[Reject]:
    """Records that could not be split into the header's columns.

    BatchRefusedError where a file has more of them than MOST_REJECTS.
    """
    for path, file in checked.items():
        if file.table and len(file.table.rejects) > MOST_REJECTS:
            raise _too_many_rejects(path, len(file.table.rejects))
        for reject in file.table.rejects if file.table else ():
            yield path, reject.row, reject.rule, reject.message, reject.text
    if not scalar(connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'"):
        return
    paths = {str(file.readable): path for path, file in checked.items()}
    most = connection.execute(
        """SELECT file_path, count(DISTINCT line) AS records FROM reject_errors JOIN reject_scans USING (scan_id, file_id)
           GROUP BY file_path ORDER BY records DESC, file_path LIMIT 1"""
    ).fetchall()
    for file_path, number in most:
        if number > MOST_REJECTS:
            raise _too_many_rejects(paths[file_path], int(number))
    rows = connection.execute(
        """SELECT DISTINCT ON (file_path, line) file_path, line, error_type::VARCHAR, error_message, csv_line
           FROM reject_errors JOIN reject_scans USING (scan_id, file_id) ORDER BY file_path, line, column_idx"""
    ).fetchall()
    for file_path, line, kind, message, text in rows:
        yield _reject(paths[file_path], line, kind, message, text)


def unclosed_records(
    connection: duckdb.DuckDBPyConnection, opened: Iterable[SourceFile], known: Mapping[str, int]
) -> Iterable[Reject]:
    """Records whose quote is never closed; `known` is by file the number of all others, rejected or not.

    BatchRefusedError where a file cannot be read.
    """
    for file in opened:
        if file.quotes is None:
            continue
        described(connection, f"SELECT count(*) FROM {file.quotes}", file.path)
        found = connection.execute(
            """SELECT line, error_type::VARCHAR, error_message, csv_line FROM quote_error
               WHERE error_type = 'UNQUOTED VALUE' AND line > ? + 1 ORDER BY line""",
            [known[file.path]],
        ).fetchall()
        connection.execute("DROP TABLE quote_error; DROP TABLE quote_scan")
        for line, kind, message, text in found:
            yield _reject(file.path, line, kind, message, text)


def _reject(path: str, line: int, kind: str, message: str, text: str) -> Reject:
    rule = _REJECTS.get(kind, "unreadable_record")
    return path, int(line), rule, " ".join(str(message).split()), str(text).strip("\r\n")


def _too_many_rejects(path: str, number: int) -> BatchRefusedError:
    message = f"has {number:,} records that cannot be split into the columns of its header"
    remedy = "Its delimiter or quote is not the profile's, or it is damaged: mend the profile, or export the file again."
    return BatchRefusedError(Fault("too_many_unreadable_records", message, remedy, path))


_REJECTS = {
    "MISSING COLUMNS": "ragged_record",
    "TOO MANY COLUMNS": "ragged_record",
    "UNQUOTED VALUE": "broken_quoting",
    "LINE SIZE OVER MAXIMUM": "record_too_long",
    "INVALID ENCODING": "wrong_encoding",
}
