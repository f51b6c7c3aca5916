"""The totals rows that a report ends with, held against the rows above them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal

import duckdb

from warehouse.batch import Batch
from warehouse.binding import bind, factor
from warehouse.connection import literal, quoted
from warehouse.faults import Fault
from warehouse.resources import total
from warehouse.source import Source, Totals
from warehouse.source_files import SourceFile, bare_mark

# A list in a larger unit shows each figure rounded by itself, to two decimals at the coarsest.
_DECIMALS = 2


def check_totals_rows(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    source: Source,
    opened: Mapping[str, Sequence[SourceFile]],
    unreadable: Mapping[str, int],
    left_out: Mapping[str, Mapping[str, int]],
) -> list[Fault]:
    """What a totals row states must be what the rows above it in its file sum to, all of them or those since the last one.

    Rows that could not be read are told of by themselves: nothing is checked that they may be part of. `left_out` are
    the records of each resource that its dialect leaves out, by rule.
    """
    faults: list[Fault] = []
    for name, resource in source.profile.resources.items():
        delivered, totals = batch.resource(name), resource.totals
        if totals is None or delivered is None or delivered.is_plain or unreadable[name]:
            continue
        if totals.column is None and not left_out[name].get("totals_row"):
            continue
        found = [(file, _totals_rows(connection, source, name, file)) for file in opened[name]]
        if not any(rows for _, rows in found):
            continue
        unread = {
            column for column in totals.check if total(connection, name, column, resource.columns[column])[1]
        }
        for file, rows in found:
            faults += _of_file(connection, source, name, file, rows, unread)
    return faults


# Of a totals row: its number, its mark, and by column what it states.
_TotalsRow = tuple[int, str, Mapping[str, Decimal]]


def _totals_rows(
    connection: duckdb.DuckDBPyConnection, source: Source, name: str, file: SourceFile
) -> list[_TotalsRow]:
    """The totals rows of a file, from the top, with their figures in the columns' own units."""
    resource = source.profile.resources[name]
    totals, dialect = resource.totals, file.dialect
    bound = bind(file.headers, resource, dialect).headers
    mark = _mark(totals, file, bound) if totals else None
    if totals is None or mark is None:
        return []
    group = literal(dialect.group_mark) if dialect.group_mark else "NULL"
    asked = [column for column in totals.check if column in bound]
    stated = "".join(
        f", decimal_text({_cell(bound[column])}, {literal(dialect.decimal_mark)}, {group})"
        for column in asked
    )
    rows = connection.execute(
        f"SELECT __number, {mark} AS mark{stated} FROM ({file.every_record}) WHERE mark IS NOT NULL ORDER BY __number"
    ).fetchall()
    return [
        (
            int(number),
            str(text),
            {
                column: Decimal(value) * factor(resource.columns[column], bound[column], dialect)
                for column, value in zip(asked, values, strict=True)
                if value is not None
            },
        )
        for number, text, *values in rows
    ]


def _mark(totals: Totals, file: SourceFile, bound: Mapping[str, str]) -> str | None:
    """The mark of a record that is a totals row, null for any other, as SQL; None where the file has no such cell."""
    if totals.column is None:
        marks = _list([bare_mark(mark) for mark in totals.marks])
        found = ", ".join(
            f"CASE WHEN bare_mark({cell}) IN ({marks}) THEN trim({cell}) END" for cell in file.marked
        )
        return f"CASE WHEN __rule = 'totals_row' THEN coalesce({found}, NULL) END" if found else None
    if totals.column not in bound:
        return None
    cell = f"trim({_cell(bound[totals.column])})"
    return f"CASE WHEN {cell} IN ({_list(totals.marks)}) THEN {cell} END"


def _of_file(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    name: str,
    file: SourceFile,
    rows: Sequence[_TotalsRow],
    unread: Collection[str],
) -> list[Fault]:
    resource = source.profile.resources[name]
    bound = bind(file.headers, resource, file.dialect).headers
    faults: list[Fault] = []
    since = 0
    for number, text, figures in rows:
        for column, stated in figures.items():
            if column in unread or resource.totals is None:
                continue
            unit = factor(resource.columns[column], bound[column], file.dialect)
            sums = [
                _sum(connection, name, resource.totals, file.path, column, first, number)
                for first in dict.fromkeys((0, since))
            ]
            if not any(
                abs(stated - summed) <= _rounding(stated, unit, number_of) for summed, number_of in sums
            ):
                message = (
                    f"the row {text} states {stated} for {column}, the rows above it sum to {sums[0][0]}"
                )
                remedy = "Rows were lost, or added, on the way: export and deliver the file again."
                faults.append(Fault("totals_row_mismatch", message, remedy, file.path, None, bound[column]))
        since = number
    return faults


def _rounding(stated: Decimal, unit: int, rows: int) -> Decimal:
    """By how much a total may differ: not at all, but in a larger unit by half a last place for each figure and itself."""
    if unit == 1:
        return Decimal(0)
    exponent = (stated / unit).as_tuple().exponent
    places = max(_DECIMALS, -exponent if isinstance(exponent, int) else 0)
    return unit * Decimal(1).scaleb(-places) / 2 * (rows + 1)


def _sum(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    totals: Totals,
    path: str,
    column: str,
    after: int,
    before: int,
) -> tuple[Decimal, int]:
    """Sum and number of the rows of a file between two record numbers, totals left out."""
    own = "true"
    if totals.column is not None:
        own = f"coalesce({quoted(totals.column)} NOT IN ({_list((*totals.marks, *totals.subtotals))}), true)"
    [(summed, rows)] = connection.execute(
        f"""SELECT coalesce(sum({quoted(column)}), 0), count({quoted(column)}) FROM resource.{quoted(name)}
            WHERE _file = ? AND _row.number > ? AND _row.number < ? AND {own}""",
        [path, after, before],
    ).fetchall()
    return Decimal(str(summed)), int(rows)


def _cell(header: str) -> str:
    return f"CAST({quoted(header)} AS VARCHAR)"


def _list(marks: Sequence[str]) -> str:
    return ", ".join(map(literal, marks))
