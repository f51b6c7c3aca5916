"""The totals rows that a report ends with, held against the rows above them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import duckdb

from warehouse.batch import Batch
from warehouse.binding import bind, factor
from warehouse.connection import literal, quoted, scalar
from warehouse.faults import Fault
from warehouse.resources import total
from warehouse.source import Source, Totals
from warehouse.source_files import SourceFile


def check_totals_rows(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    source: Source,
    opened: Mapping[str, Sequence[SourceFile]],
    unreadable: Mapping[str, int],
) -> list[Fault]:
    """What a totals row states must be what the rows above it in its file sum to, all of them or those since the last one.

    Rows that could not be read are told of by themselves: nothing is checked that they may be part of.
    """
    faults: list[Fault] = []
    for name, resource in source.profile.resources.items():
        delivered = batch.resource(name)
        if resource.totals is None or delivered is None or delivered.is_plain or unreadable[name]:
            continue
        readable = [
            column
            for column in resource.totals.check
            if total(connection, name, column, resource.columns[column])[1] == 0
        ]
        for file in opened[name]:
            faults += _of_file(connection, source, name, file, readable)
    return faults


def _of_file(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    name: str,
    file: SourceFile,
    columns: Sequence[str],
) -> list[Fault]:
    resource = source.profile.resources[name]
    totals, dialect = resource.totals, file.dialect
    bound = bind(file.headers, resource, dialect).headers
    if totals is None or totals.column not in bound:
        return []
    group = literal(dialect.group_mark) if dialect.group_mark else "NULL"
    asked = [column for column in columns if column in bound]
    stated = "".join(
        f", decimal_text({_cell(bound[column])}, {literal(dialect.decimal_mark)}, {group})"
        for column in asked
    )
    mark = f"trim({_cell(bound[totals.column])})"
    rows = connection.execute(
        f"""SELECT __number, {mark}{stated} FROM ({file.every_record})
            WHERE {mark} IN ({_list(totals.marks)}) ORDER BY __number"""
    ).fetchall()
    faults: list[Fault] = []
    since = 0
    for number, text, *values in rows:
        for column, value in zip(asked, values, strict=True):
            if value is None:
                continue
            counted = Decimal(value) * factor(resource.columns[column], bound[column], dialect)
            sums = [_sum(connection, name, totals, file.path, column, first, number) for first in (0, since)]
            if counted not in sums:
                message = f"the row {text} states {counted} for {column}, the rows above it sum to {sums[0]}"
                remedy = "Rows were lost, or added, on the way: export and deliver the file again."
                faults.append(Fault("totals_row_mismatch", message, remedy, file.path, None, bound[column]))
        since = number
    return faults


def _sum(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    totals: Totals,
    path: str,
    column: str,
    after: int,
    before: int,
) -> Decimal:
    """Of the rows of a file between two record numbers, totals left out."""
    marks = _list((*totals.marks, *totals.subtotals))
    summed = scalar(
        connection,
        f"""SELECT coalesce(sum({quoted(column)}), 0) FROM resource.{quoted(name)}
            WHERE _file = ? AND _row.number > ? AND _row.number < ?
              AND coalesce({quoted(totals.column)} NOT IN ({marks}), true)""",
        [path, after, before],
    )
    return Decimal(str(summed))


def _cell(header: str) -> str:
    return f"CAST({quoted(header)} AS VARCHAR)"


def _list(marks: Sequence[str]) -> str:
    return ", ".join(map(literal, marks))
