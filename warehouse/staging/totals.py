"""The sums that a sender states, held against the rows that arrived: in the manifest, and in the totals rows of a report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import duckdb

from warehouse.connection import literal, quoted
from warehouse.delivery.profile import Totals
from warehouse.errors import BatchRefusedError, Fault
from warehouse.staging.delivered import Delivered, Delivery
from warehouse.staging.source_file import SourceFile, bare_mark
from warehouse.staging.source_sql import has_problem

# A list in a larger unit shows each figure rounded by itself, to two decimals at the coarsest.
_DECIMALS = 2


def check_totals(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> None:
    """What the sender counted and summed must be what arrived.

    A total that a row in quarantine is part of cannot be checked: the row is told of by itself.
    """
    faults: list[Fault] = []
    again = "Rows were lost on the way: extract and deliver the batch again."
    for stated in delivery.batch.resources:
        delivered, path = delivery.resources[stated.name], stated.paths[0]
        if stated.rows is not None and stated.rows != delivered.records:
            message = f"the manifest counts {stated.rows} records, {delivered.records} arrived"
            faults.append(Fault("row_count_mismatch", message, again, path))
        for column, expected in stated.taking.control_totals.items():
            mapped = delivered.resource.columns.get(column)
            if mapped is None or not mapped.type.startswith(("decimal", "integer")):
                message = f"the manifest gives a control total of {column!r}, which is no number column of the profile"
                faults.append(Fault("unknown_control_total", message, "Name a number column.", path))
                continue
            summed, unread = _total(connection, delivered, column)
            if not unread and not delivered.unreadable and summed != expected:
                message = f"the control total of {column!r} is {expected}, the rows sum to {summed}"
                faults.append(Fault("control_total_mismatch", message, again, path, None, column))
    if not faults:
        faults = _check_totals_rows(connection, delivery)
    if faults:
        raise BatchRefusedError(*faults)


def _total(connection: duckdb.DuckDBPyConnection, delivered: Delivered, name: str) -> tuple[Decimal, int]:
    """The sum of a resource's number column, and how many of its values could not be taken as they stand."""
    unread = has_problem([name], delivered)
    [(summed, bad)] = connection.execute(
        f"SELECT coalesce(sum({quoted(name)}), 0), count(*) FILTER ({unread}) FROM resource.{quoted(delivered.name)}"
    ).fetchall()
    return Decimal(str(summed)), int(bad)


def _check_totals_rows(connection: duckdb.DuckDBPyConnection, delivery: Delivery) -> list[Fault]:
    """What a totals row states must be what the rows above it in its file sum to, all of them or those since the last one.

    Rows that could not be read are told of by themselves: nothing is checked that they may be part of.
    """
    return [fault for each in delivery.resources.values() for fault in _of_resource(connection, each)]


def _of_resource(connection: duckdb.DuckDBPyConnection, delivered: Delivered) -> list[Fault]:
    totals = delivered.resource.totals
    if totals is None or delivered.stated is None or delivered.is_plain or delivered.unreadable:
        return []
    if totals.column is None and not delivered.left_out.get("totals_row"):
        return []
    sheets = [_Totals(connection, delivered, totals, file) for file in delivered.files]
    found = [(each, each.rows()) for each in sheets]
    if not any(rows for _, rows in found):
        return []
    unread = {name for name in totals.check if _total(connection, delivered, name)[1]}
    return [fault for each, rows in found for fault in each.faults(rows, unread)]


# Of a totals row: its number, its mark, and by column what it states.
_TotalsRow = tuple[int, str, Mapping[str, Decimal]]


@dataclass(frozen=True, slots=True)
class _Totals:
    """The totals rows of one file."""

    connection: duckdb.DuckDBPyConnection
    delivered: Delivered
    totals: Totals
    file: SourceFile

    def rows(self) -> list[_TotalsRow]:
        """From the top, with their figures in the columns' own units."""
        dialect, bound = self.file.dialect, self.file.binding.headers
        mark = _mark(self.totals, self.file, bound)
        if mark is None:
            return []
        group = literal(dialect.group_mark) if dialect.group_mark else "NULL"
        asked = [column for column in self.totals.check if column in bound]
        stated = "".join(
            f", decimal_text({_cell(bound[column])}, {literal(dialect.decimal_mark)}, {group})"
            for column in asked
        )
        rows = self.connection.execute(
            f"SELECT __number, {mark} AS mark{stated} FROM ({self.file.every_record}) WHERE mark IS NOT NULL ORDER BY __number"
        ).fetchall()
        return [
            (
                int(number),
                str(text),
                {
                    column: Decimal(value) * self.file.units[column]
                    for column, value in zip(asked, values, strict=True)
                    if value is not None
                },
            )
            for number, text, *values in rows
        ]

    def faults(self, rows: Sequence[_TotalsRow], unread: Collection[str]) -> list[Fault]:
        """The figures that the rows above them do not sum to."""
        faults: list[Fault] = []
        since = 0
        for number, text, figures in rows:
            for column, stated in figures.items():
                if column in unread:
                    continue
                sums = [self._sum(column, first, number) for first in dict.fromkeys((0, since))]
                unit = self.file.units[column]
                if not any(abs(stated - summed) <= _rounding(stated, unit, count) for summed, count in sums):
                    message = (
                        f"the row {text} states {stated} for {column}, the rows above it sum to {sums[0][0]}"
                    )
                    remedy = "Rows were lost, or added, on the way: export and deliver the file again."
                    header = self.file.binding.headers[column]
                    faults.append(Fault("totals_row_mismatch", message, remedy, self.file.path, None, header))
            since = number
        return faults

    def _sum(self, column: str, after: int, before: int) -> tuple[Decimal, int]:
        """Sum and number of the rows of the file between two record numbers, totals left out."""
        own, totals = "true", self.totals
        if totals.column is not None:
            own = f"coalesce({quoted(totals.column)} NOT IN ({_list((*totals.marks, *totals.subtotals))}), true)"
        [(summed, rows)] = self.connection.execute(
            f"""SELECT coalesce(sum({quoted(column)}), 0), count({quoted(column)})
                FROM resource.{quoted(self.delivered.name)}
                WHERE _file = ? AND _row.number > ? AND _row.number < ? AND {own}""",
            [self.file.path, after, before],
        ).fetchall()
        return Decimal(str(summed)), int(rows)


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


def _rounding(stated: Decimal, unit: int, rows: int) -> Decimal:
    """By how much a total may differ: not at all, but in a larger unit by half a last place for each figure and itself."""
    if unit == 1:
        return Decimal(0)
    exponent = (stated / unit).as_tuple().exponent
    places = max(_DECIMALS, -exponent if isinstance(exponent, int) else 0)
    return unit * Decimal(1).scaleb(-places) / 2 * (rows + 1)


def _cell(header: str) -> str:
    return f"CAST({quoted(header)} AS VARCHAR)"


def _list(marks: Sequence[str]) -> str:
    return ", ".join(map(literal, marks))
