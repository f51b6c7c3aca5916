"""Rows that may not enter, each with its text and every rule it broke; first in the batch's scratch file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from warehouse.connection import literal, quoted, scalar
from warehouse.staging import records
from warehouse.staging.casts import TOO_FAR_AHEAD
from warehouse.staging.scratch import Scratch
from warehouse.staging.tables import StagedTable
from warehouse.staging.values import LOST_CODE

# The judge's name for "something in _problems"; told here value by value instead.
UNREADABLE = "unreadable_value"
# What a value of a type is missing for, if a cell could not be read.
_NUMBER = ("not_a_number", "not_an_integer", "too_many_digits", "out_of_range", "fx_rate_missing")
_DAY = ("not_a_date", "not_a_timestamp", "instant_without_zone")
_UNREAD = {
    "DECIMAL": _NUMBER,
    "INTEGER": _NUMBER,
    "BIGINT": _NUMBER,
    "DATE": _DAY,
    "TIMESTAMP": _DAY,
    "BOOLEAN": ("not_a_boolean",),
}
_NO_RATE = (
    "no exchange rate holds on that day: land fx_rates with one, then release the row as it is "
    "(valuemart quarantine export, then valuemart quarantine release FILE --untouched)"
)

_AHEAD = (
    "the day lies further behind the extraction than days_ahead of the settings allows: mend it, or, if it is right, raise "
    "days_ahead and release the row as it is (valuemart quarantine release FILE --untouched)"
)


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


def quarantine_rows(scratch: Scratch, table: StagedTable, violations: Iterable[Violation]) -> None:
    """Write the reasons of one judged table into the scratch file.

    Values that could not be read are told one by one, with the file's text, from `_problems`; what is missing since
    they could not be read is no reason of its own.
    """
    connection = scratch.connection
    staged, name = f"staging.{quoted(table.name)}", literal(table.name)
    connection.execute(
        f"""INSERT INTO rejected.reason
            SELECT {name}, _file, _row, {told("problem")}
            FROM (SELECT _file, _row, unnest(_problems) AS problem FROM {staged} WHERE _problems IS NOT NULL)"""
    )
    for violation in violations:
        if violation.rule == UNREADABLE:
            continue
        raw = f"CAST(staged.{quoted(violation.column)} AS VARCHAR)" if violation.column else "NULL"
        column = literal(violation.column) if violation.column else "NULL"
        of = _not_for_another_reason(table, violation)
        connection.execute(
            f"""INSERT INTO rejected.reason
                SELECT DISTINCT {name}, staged._file, staged._row, {literal(violation.rule)}, {column}, {raw},
                       {literal(violation.message)}
                FROM {staged} AS staged
                JOIN (SELECT _file, _row FROM ({violation.query.rstrip().rstrip(";")})) AS broken USING (_file, _row) {of}"""
        )
    keep_rows(scratch, table)
    if not table.derived:
        for resource in table.drivers:
            tell_of_unsplit(scratch, table.name, resource)


def _not_for_another_reason(table: StagedTable, violation: Violation) -> str:
    """Leaves out rows in which a value is missing since a cell of its kind could not be read: one bad cell, one reason."""
    if violation.rule != f"{violation.column}_missing":
        return ""
    kind = next(column.type for column in table.contract.columns if column.name == violation.column)
    rules = [*LOST_CODE, *_UNREAD.get(kind.split("(")[0], ())]
    told = ", ".join(literal(rule) for rule in rules)
    unread = f"len(list_filter(staged._problems, lambda problem: split_part(problem, ':', 2) IN ({told})))"
    return f"WHERE coalesce({unread}, 0) = 0"


def keep_rows(scratch: Scratch, table: StagedTable) -> None:
    """One row with its text for all its reasons; those that are kept already stay."""
    connection, name = scratch.connection, literal(table.name)
    if not scalar(connection, f"SELECT count(*) FROM rejected.reason WHERE table_name = {name}"):
        return
    texts = " UNION ALL ".join(
        f"SELECT _file AS file, _row AS row_number, raw FROM ({records.quarantined(scratch.delivery.resources[each])})"
        for each in table.drivers
    )
    connection.execute(
        f"""INSERT INTO rejected.row
            WITH aside AS MATERIALIZED (
                SELECT DISTINCT file, row_number FROM rejected.reason WHERE table_name = {name}
                EXCEPT SELECT file, row_number FROM rejected.row WHERE table_name = {name}),
            staged AS MATERIALIZED (
                SELECT file, row_number, to_json(struct_pack({_packed(table)})) AS content
                FROM staging.{quoted(table.name)} JOIN aside ON _file = file AND _row = row_number),
            record AS MATERIALIZED ({texts})
            SELECT {name}, file, row_number, content, raw
            FROM aside LEFT JOIN staged USING (file, row_number) LEFT JOIN record USING (file, row_number)"""
    )


def _packed(table: StagedTable) -> str:
    return ", ".join(f"{quoted(column)} := {quoted(column)}" for column in table.contract.column_names)


def quarantine_reference_resources(scratch: Scratch) -> None:
    """Write into the scratch file what of the look-ups could not be read: no canonical row would tell of it."""
    connection = scratch.connection
    for resource in scratch.reference_resources:
        name, view = literal(resource.name), f"resource.{quoted(resource.name)}"
        connection.execute(
            f"""INSERT INTO rejected.reason
                SELECT {name}, _file, number, {told("problem")}
                FROM (SELECT _file, _row.number AS number, unnest(_row.problems) AS problem
                      FROM {view} WHERE _row.problems IS NOT NULL)"""
        )
        if scalar(connection, f"SELECT count(*) FROM rejected.reason WHERE table_name = {name}"):
            connection.execute(
                f"""INSERT INTO rejected.row
                    SELECT {name}, _file, _row, NULL, raw
                    FROM ({records.quarantined(scratch.delivery.resources[resource.name])})
                    WHERE (_file, _row) IN (SELECT (file, row_number) FROM rejected.reason WHERE table_name = {name})"""
            )
        tell_of_unsplit(scratch, resource.name, resource.name)


def told(problem: str) -> str:
    """Rule, column, raw value and message of an entry `column:rule:raw text`."""
    column, rule = (f"split_part({problem}, ':', {place})" for place in (1, 2))
    return (
        f"{rule}, {column}, substr({problem}, length({column}) + length({rule}) + 3), "
        f"CASE {rule} WHEN 'fx_rate_missing' THEN {literal(_NO_RATE)} "
        f"WHEN {literal(TOO_FAR_AHEAD)} THEN {literal(_AHEAD)} "
        "ELSE 'the value cannot be taken as it stands' END"
    )


def tell_of_unsplit(scratch: Scratch, table: str, resource: str) -> None:
    """Let a table tell of the records of a resource that could not be split into columns, if there are any."""
    if scratch.delivery.resources[resource].unreadable:
        scratch.connection.execute("INSERT INTO rejected.told_by VALUES (?, ?)", [resource, table])


def number_rows_as_the_file_does(scratch: Scratch) -> None:
    """Count the records that could not be split, and blank lines, into the row numbers, everywhere in the scratch file.

    Until here a row's number is its place among the readable records, and those that could not be split are not there:
    they bear their own numbers, and come in last.
    """
    connection = scratch.connection
    if not any(each.unreadable for each in scratch.delivery.every) and not any(
        file.blank_records for _, file in scratch.delivery.checked
    ):
        return
    gaps = "SELECT file, row_number FROM rejected.record WHERE NOT is_exact UNION SELECT file, row_number FROM rejected.blank"
    if scalar(connection, f"SELECT count(*) FROM ({gaps})"):
        _shift_below(scratch, gaps)
    connection.execute(
        """INSERT INTO rejected.row
           SELECT table_name, file, row_number, NULL, json_object('record', text)
           FROM rejected.record JOIN rejected.told_by USING (resource)"""
    )
    connection.execute(
        """INSERT INTO rejected.reason
           SELECT table_name, file, row_number, rule, NULL, NULL, message
           FROM rejected.record JOIN rejected.told_by USING (resource)"""
    )


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
