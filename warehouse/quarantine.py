"""Rows that may not enter, each with its text and every rule it broke; first in the batch's scratch file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import duckdb

from warehouse.connection import literal, quoted, scalar
from warehouse.staging import Scratch, StagedTable

# The judge's name for "something in _problems"; told here value by value instead.
UNREADABLE = "unreadable_value"


class Violation(Protocol):
    """What a judge says of a table: which rule, and an SQL text that selects `_file, _row` of the offending rows."""

    @property
    def rule(self) -> str:
        """The rule's name."""
        ...

    @property
    def column(self) -> str | None:
        """The column it speaks of, None for several."""
        ...

    @property
    def message(self) -> str:
        """What to tell whoever delivered the row."""
        ...

    @property
    def query(self) -> str:
        """Selects `_file, _row` of the rows that break it."""
        ...


def put_aside(scratch: Scratch, table: StagedTable, violations: Iterable[Violation]) -> int:
    """Write the reasons of one judged table into the scratch file; the number of rows put aside.

    Values that could not be read are told one by one, with the file's text, from `_problems`.
    """
    connection = scratch.connection
    staged, name = f"staging.{quoted(table.name)}", literal(table.name)
    connection.execute(
        f"""INSERT INTO rejected.reason
            SELECT {name}, _file, _row, split_part(problem, ':', 2), split_part(problem, ':', 1),
                   substr(problem, length(split_part(problem, ':', 1)) + length(split_part(problem, ':', 2)) + 3),
                   'the value cannot be taken as it stands'
            FROM (SELECT _file, _row, unnest(_problems) AS problem FROM {staged} WHERE _problems IS NOT NULL)"""
    )
    for violation in violations:
        if violation.rule == UNREADABLE:
            continue
        raw = f"CAST(staged.{quoted(violation.column)} AS VARCHAR)" if violation.column else "NULL"
        column = literal(violation.column) if violation.column else "NULL"
        connection.execute(
            f"""INSERT INTO rejected.reason
                SELECT DISTINCT {name}, staged._file, staged._row, {literal(violation.rule)}, {column}, {raw},
                       {literal(violation.message)}
                FROM {staged} AS staged
                JOIN (SELECT _file, _row FROM ({violation.query.rstrip().rstrip(";")})) AS broken USING (_file, _row)"""
        )
    _keep_rows(connection, table)
    if not table.derived:
        _keep_unreadable(connection, table)
    return int(str(scalar(connection, f"SELECT count(*) FROM rejected.row WHERE table_name = {name}")))


def _keep_rows(connection: duckdb.DuckDBPyConnection, table: StagedTable) -> None:
    """One row with its text for all its reasons."""
    name = literal(table.name)
    if not scalar(connection, f"SELECT count(*) FROM rejected.reason WHERE table_name = {name}"):
        return
    connection.execute(
        f"""INSERT INTO rejected.row
            WITH aside AS (SELECT DISTINCT file, row_number FROM rejected.reason WHERE table_name = {name})
            SELECT {name}, aside.file, aside.row_number, staged.content, record.raw
            FROM aside
            LEFT JOIN (SELECT _file, _row, to_json(struct_pack({_packed(table)})) AS content
                       FROM staging.{quoted(table.name)}) AS staged
                   ON staged._file = aside.file AND staged._row = aside.row_number
            LEFT JOIN resource.{quoted(table.driving + "__raw")} AS record
                   ON record._file = aside.file AND record._row = aside.row_number"""
    )


def _packed(table: StagedTable) -> str:
    return ", ".join(f"{quoted(column)} := {quoted(column)}" for column in table.contract.column_names)


def _keep_unreadable(connection: duckdb.DuckDBPyConnection, table: StagedTable) -> None:
    """The driving resource's records that could not be split into columns."""
    name, resource = literal(table.name), literal(table.driving)
    connection.execute(
        f"""INSERT INTO rejected.row SELECT {name}, file, -row_number, NULL, json_object('record', text)
            FROM rejected.record WHERE resource = {resource}"""
    )
    connection.execute(
        f"""INSERT INTO rejected.reason SELECT {name}, file, -row_number, rule, NULL, NULL, message
            FROM rejected.record WHERE resource = {resource}"""
    )


def number_rows_as_the_file_does(scratch: Scratch) -> None:
    """Count the records that could not be read into the row numbers, everywhere in the scratch file.

    Until here a row's number is its place among the readable records, and an unreadable record's number stands
    negative, so that the two cannot be taken for each other.
    """
    connection = scratch.connection
    if not scalar(connection, "SELECT count(*) FROM rejected.record"):
        return
    connection.execute(
        """CREATE TEMP TABLE shift AS
           SELECT file, row_number - place + 1 AS from_row, place AS missing,
                  lead(row_number - place + 1, 1, 9223372036854775807) OVER (PARTITION BY file ORDER BY place) AS until_row
           FROM (SELECT DISTINCT file, row_number, dense_rank() OVER (PARTITION BY file ORDER BY row_number) AS place
                 FROM rejected.record)"""
    )
    targets = [("rejected.row", "file", "row_number"), ("rejected.reason", "file", "row_number")]
    targets += [(f"staging.{quoted(table.name)}", "_file", "_row") for table in scratch.tables]
    for target, file, number in targets:
        connection.execute(
            f"""UPDATE {target} AS t SET {number} = t.{number} + shift.missing FROM shift
                WHERE t.{file} = shift.file AND t.{number} >= shift.from_row AND t.{number} < shift.until_row"""
        )
    for target in ("rejected.row", "rejected.reason"):
        connection.execute(f"UPDATE {target} SET row_number = -row_number WHERE row_number < 0")
