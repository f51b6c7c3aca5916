"""One delivered file as DuckDB reads it: a table function, its header, and which of its records are none of the table's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from warehouse import files, values
from warehouse.binding import bind, header_names
from warehouse.connection import literal, quoted
from warehouse.dialect import Dialect
from warehouse.encodings import encoding_of
from warehouse.faults import BatchRefusedError, Fault
from warehouse.files import CheckedFile
from warehouse.formats import convert
from warehouse.formats.grid import bomb, bound
from warehouse.source import Resource

_WILDCARD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """How one file is read: the table function, its record number, and the headers with their physical types.

    `left_out` is the rule by which a record is none of the table's, null for those that are; `kinds` names the column that
    tells what a header's cells hold, in a workbook; `filled` are the columns that are filled down, as expressions, and
    `marked` the cells that may say that a record is a total; `quotes` reads the file so that quote_error lists the record
    of a quote that is never closed.
    """

    path: str
    reader: str
    number: str
    headers: Mapping[str, str]
    dialect: Dialect
    kinds: Mapping[str, str] = field(default_factory=dict)
    left_out: str | None = None
    filled: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    native_dates: bool = False
    quotes: str | None = None

    @property
    def every_record(self) -> str:
        """Selects all records with their number and the rule that leaves them out."""
        rule = self.left_out or "NULL::VARCHAR"
        return f"SELECT *, {rule} AS __rule FROM (SELECT *, {self.number} AS __number FROM {self.reader})"

    @property
    def records(self) -> str:
        """Selects the table's own records with their number, groups filled down."""
        if self.left_out is None:
            own = f"SELECT *, {self.number} AS __number FROM {self.reader}"
        else:
            own = f"SELECT * EXCLUDE (__rule) FROM ({self.every_record}) WHERE __rule IS NULL"
        return f"SELECT * REPLACE ({', '.join(self.filled)}) FROM ({own})" if self.filled else own


def readable_path(file: Path) -> str:
    """A file's path for DuckDB's readers, which take `*`, `?` and `[` for wildcards."""
    return _WILDCARD.sub(r"[\g<0>]", str(file))


def open_file(
    connection: duckdb.DuckDBPyConnection,
    path: str,
    checked: CheckedFile,
    resource: Resource,
    *,
    is_plain: bool,
) -> SourceFile:
    """How a checked file is read; BatchRefusedError where it has no header or is no Parquet.

    In one that `is_plain` each record stands for itself, whatever is filled down in the source's own files.
    """
    file, dialect, table = checked.readable, checked.dialect, checked.table
    location = literal(readable_path(file))
    if table is not None:
        headers = dict.fromkeys(table.headers, "VARCHAR")
        return SourceFile(
            path,
            f"read_parquet({location}, hive_partitioning=false)",
            quoted(convert.NUMBER),
            headers,
            dialect,
            kinds=table.kinds,
            left_out=f"coalesce({quoted(convert.LEFT_OUT)}, {_left_out_rule(headers, dialect, resource) or 'NULL'})",
            filled=_filled(headers, table.kinds, dialect, resource),
            marked=_marked(headers, dialect, resource),
            native_dates=checked.kind != "text",
        )
    if checked.kind == "parquet":
        reader = f"read_parquet({location}, file_row_number=true, hive_partitioning=false)"
        columns_of = described(connection, f"DESCRIBE SELECT * FROM {reader}", path)
        headers = {str(name): str(kind) for name, kind, *_ in columns_of if name != "file_row_number"}
        _require_a_table_of_its_size(connection, location, path, checked.size)
        return SourceFile(path, reader, "file_row_number + 2", headers, dialect)
    headers = dict.fromkeys(_header(file, path, dialect), "VARCHAR")
    columns = ", ".join(f"{literal(header)}: 'VARCHAR'" for header in headers)
    written = (
        f"{location}, auto_detect=false, header=true, delim={literal(dialect.delimiter)}, "
        f"quote={literal(dialect.quote)}, escape={literal(dialect.escape if dialect.quote else '')}, "
        f"columns={{{columns}}}, encoding={literal(encoding_of(dialect.encoding).duckdb or 'utf-8')}, nullstr='\x01', "
        f"compression={literal(files.compression(file))}, hive_partitioning=false, store_rejects=true, rejects_limit=0"
    )
    # In parallel, DuckDB loses what follows 8 MB of records that cannot be split; in one thread, which numbering them takes
    # anyway, it says nothing of a quote that is never closed, and of what that hides. So it looks for those apart.
    padded = ", null_padding=true" if dialect.short_rows == "fill" else ""
    reader = f"read_csv({written}, parallel=false{padded})"
    quotes = f"read_csv({written}, rejects_table='quote_error', rejects_scan='quote_scan')"
    return SourceFile(
        path,
        reader,
        "row_number() OVER () + 1",
        headers,
        dialect,
        left_out=_left_out_rule(headers, dialect, resource),
        filled=() if is_plain else _filled(headers, {}, dialect, resource),
        native_dates=is_plain,
        marked=_marked(headers, dialect, resource),
        quotes=quotes if dialect.quote else None,
    )


def _filled(
    headers: Mapping[str, str], kinds: Mapping[str, str], dialect: Dialect, resource: Resource
) -> tuple[str, ...]:
    """The columns whose blanks below a group's first row are filled from it.

    A column is filled unless one declared before it has a value of its own in the row: then a new group has begun.
    """
    bound = bind(headers, resource, dialect).headers
    begins: list[str] = []
    replaced = []
    for name, column in resource.columns.items():
        if not column.forward_fill or name not in bound:
            continue
        header = bound[name]
        begins.append(f"{values.clean(quoted(header), headers[header], dialect)} IS NOT NULL")
        # Kept in a structure, since what a group's first row leaves empty is empty in the rows below it.
        replaced += [
            f"last_value(CASE WHEN {' OR '.join(begins)} THEN {{'cell': {quoted(cell)}}} END IGNORE NULLS) "
            f"OVER (ORDER BY __number ROWS UNBOUNDED PRECEDING).cell AS {quoted(cell)}"
            for cell in (header, kinds.get(header))
            if cell is not None
        ]
    return tuple(replaced)


def _left_out_rule(headers: Mapping[str, str], dialect: Dialect, resource: Resource) -> str | None:
    """The rule by which a record is a total or the header once more, null for any other; None where the dialect has none."""
    rules = []
    if dialect.repeated_headers:
        same = " AND ".join(f"trim({quoted(header)}) = {literal(header)}" for header in headers)
        rules.append(f"WHEN {same} THEN 'repeated_header'")
    if dialect.totals_marks or dialect.totals_endings:
        bare = [bare_mark(mark) for mark in dialect.totals_marks]
        marks, initials = (
            ", ".join(map(literal, texts)) for texts in (bare, sorted({mark[:1] for mark in bare}))
        )
        tests = [
            test
            for cell in _marked(headers, dialect, resource)
            for test in (
                # The first letter alone tells nearly every record from them, and costs nothing.
                f"(left(ltrim({cell}, ' \u3000\u00a0'), 1) IN ({initials}) AND bare_mark({cell}) IN ({marks}))"
                if dialect.totals_marks
                else "",
                *(f"suffix(bare_mark({cell}), {literal(bare_mark(end))})" for end in dialect.totals_endings),
            )
            if test
        ]
        rules.append(f"WHEN {' OR '.join(tests)} THEN 'totals_row'")
    return f"CASE {' '.join(rules)} END" if rules else None


def _marked(headers: Mapping[str, str], dialect: Dialect, resource: Resource) -> tuple[str, ...]:
    """The cells of a record in which a mark makes it a total: the first filled one, and those that are filled down."""
    filled = ", ".join(f"nullif(trim({quoted(header)}), '')" for header in headers)
    bound = bind(headers, resource, dialect).headers
    groups = [
        quoted(bound[name])
        for name, column in resource.columns.items()
        if column.forward_fill and name in bound
    ]
    return (f"coalesce({filled})", *dict.fromkeys(groups))


def bare_mark(mark: str) -> str:
    """A mark without blanks and colons, as the macro bare_mark makes it."""
    return re.sub(r"[\s\u00a0\u3000:：]", "", mark)


def _require_a_table_of_its_size(
    connection: duckdb.DuckDBPyConnection, location: str, path: str, size: int
) -> None:
    """A Parquet file of a few kilobytes can hold the same cell a billion times: a cell counts as a byte at least."""
    query = (
        f"SELECT greatest(sum(total_uncompressed_size), sum(num_values)) FROM parquet_metadata({location})"
    )
    [(unpacked,)] = described(connection, query, path)
    if int(str(unpacked or 0)) > bound(size):
        raise bomb(path, bound(size))


def described(connection: duckdb.DuckDBPyConnection, sql: str, path: str) -> list[tuple[Any, ...]]:
    """What a query says of a file; BatchRefusedError where it cannot be read."""
    try:
        return connection.execute(sql).fetchall()
    except duckdb.OutOfMemoryException:
        raise  # no fault of what was read: see staging.stage
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
    return header_names(cells, path)
