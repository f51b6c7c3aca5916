"""Rows that may not enter, each with its text and every rule it broke; first in the batch's scratch file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import duckdb

from warehouse.connection import literal, quoted, scalar
from warehouse.resources import ASIDE
from warehouse.staging import Scratch, StagedTable

# The judge's name for "something in _problems"; told here value by value instead.
UNREADABLE = "unreadable_value"
_NO_RATE = "no exchange rate holds on that day: land fx_rates with one, then release the row"


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
            SELECT {name}, _file, _row, {_told("problem")}
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
        _keep_unreadable(connection, table.name, table.driving)
    return int(str(scalar(connection, f"SELECT count(*) FROM rejected.row WHERE table_name = {name}")))


def _keep_rows(connection: duckdb.DuckDBPyConnection, table: StagedTable) -> None:
    """One row with its text for all its reasons."""
    name = literal(table.name)
    if not scalar(connection, f"SELECT count(*) FROM rejected.reason WHERE table_name = {name}"):
        return
    connection.execute(
        f"""INSERT INTO rejected.row
            WITH aside AS MATERIALIZED (
                SELECT DISTINCT file, row_number FROM rejected.reason WHERE table_name = {name}),
            staged AS MATERIALIZED (
                SELECT file, row_number, to_json(struct_pack({_packed(table)})) AS content
                FROM staging.{quoted(table.name)} JOIN aside ON _file = file AND _row = row_number),
            record AS MATERIALIZED (
                SELECT _file AS file, _row AS row_number, raw FROM resource.{quoted(table.driving + ASIDE)})
            SELECT {name}, file, row_number, content, raw
            FROM aside LEFT JOIN staged USING (file, row_number) LEFT JOIN record USING (file, row_number)"""
    )


def _packed(table: StagedTable) -> str:
    return ", ".join(f"{quoted(column)} := {quoted(column)}" for column in table.contract.column_names)


def put_look_ups_aside(scratch: Scratch) -> None:
    """Write into the scratch file what of the look-ups could not be read: no canonical row would tell of it."""
    connection = scratch.connection
    for look_up in scratch.look_ups:
        name, view = literal(look_up.name), f"resource.{quoted(look_up.name)}"
        connection.execute(
            f"""INSERT INTO rejected.reason
                SELECT {name}, _file, number, {_told("problem")}
                FROM (SELECT _file, _row.number AS number, unnest(_row.problems) AS problem
                      FROM {view} WHERE _row.problems IS NOT NULL)"""
        )
        connection.execute(
            f"""INSERT INTO rejected.row
                SELECT {name}, _file, _row, NULL, raw FROM resource.{quoted(look_up.name + ASIDE)}
                WHERE (_file, _row) IN (SELECT (file, row_number) FROM rejected.reason WHERE table_name = {name})"""
        )
        _keep_unreadable(connection, look_up.name, look_up.name)


def _told(problem: str) -> str:
    """Rule, column, raw value and message of an entry `column:rule:raw text`."""
    column, rule = (f"split_part({problem}, ':', {place})" for place in (1, 2))
    return (
        f"{rule}, {column}, substr({problem}, length({column}) + length({rule}) + 3), "
        f"CASE {rule} WHEN 'fx_rate_missing' THEN {literal(_NO_RATE)} "
        "ELSE 'the value cannot be taken as it stands' END"
    )


def _keep_unreadable(connection: duckdb.DuckDBPyConnection, table: str, driving: str) -> None:
    """The driving resource's records that could not be split into columns."""
    name, resource = literal(table), literal(driving)
    connection.execute(
        f"""INSERT INTO rejected.row SELECT {name}, file, -row_number, NULL, json_object('record', text)
            FROM rejected.record WHERE resource = {resource}"""
    )
    connection.execute(
        f"""INSERT INTO rejected.reason SELECT {name}, file, -row_number, rule, NULL, NULL, message
            FROM rejected.record WHERE resource = {resource}"""
    )


def number_rows_as_the_file_does(scratch: Scratch) -> None:
    """Count the records that could not be read, and blank lines, into the row numbers, everywhere in the scratch file.

    Until here a row's number is its place among the readable records, and an unreadable record's number stands
    negative, so that the two cannot be taken for each other.
    """
    connection = scratch.connection
    gaps = "SELECT file, row_number FROM rejected.record WHERE NOT is_exact UNION SELECT file, row_number FROM rejected.blank"
    if scalar(connection, f"SELECT count(*) FROM ({gaps})"):
        _shift_below(scratch, gaps)
    for target in ("rejected.row", "rejected.reason"):
        connection.execute(f"UPDATE {target} SET row_number = -row_number WHERE row_number < 0")


def _shift_below(scratch: Scratch, gaps: str) -> None:
    """Count into each row's number the gaps above it."""
    connection = scratch.connection
    connection.execute(
        f"""CREATE TEMP TABLE shift AS
            SELECT file, row_number - place + 1 AS from_row, max(place) AS missing
            FROM (SELECT file, row_number, row_number() OVER (PARTITION BY file ORDER BY row_number) AS place FROM ({gaps}))
            GROUP BY ALL"""
    )
    targets = [("rejected.row", "file", "row_number"), ("rejected.reason", "file", "row_number")]
    targets += [(f"staging.{quoted(table.name)}", "_file", "_row") for table in scratch.tables]
    for target, file, number in targets:
        connection.execute(
            f"""UPDATE {target} AS t SET {number} = t.{number} + below.missing
                FROM (SELECT numbered.rowid AS id, missing FROM {target} AS numbered
                      ASOF JOIN shift ON numbered.{file} = shift.file AND numbered.{number} >= shift.from_row) AS below
                WHERE t.rowid = below.id"""
        )
