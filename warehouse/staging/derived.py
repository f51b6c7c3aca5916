"""Rows that are made of several records, one of which is in quarantine: they wait there too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from warehouse.connection import count, literal, quoted
from warehouse.delivery.grouping import Grouping
from warehouse.staging import quarantine
from warehouse.staging.scratch import Scratch
from warehouse.staging.source_sql import has_problem
from warehouse.staging.tables import StagedTable

WAITS = "made_of_quarantined"


@dataclass(frozen=True, slots=True)
class KeptOut:
    """Why a record of an earlier batch is still in quarantine: one of its reasons, by its place in its own file."""

    batch_id: str
    table: str
    file: str
    row: int
    rule: str
    column: str | None


def wait_for_records(
    scratch: Scratch, kept_out: Iterable[KeptOut]
) -> tuple[tuple[StagedTable, ...], tuple[str, ...]]:
    """Quarantine the rows one of whose records is in quarantine; the staged tables with their rows counted anew, and warnings.

    `kept_out` are the records in quarantine of the batches that a correction mends. Comes after all tables are judged, and
    before their rows bear the numbers of their files.
    """
    _keep_known(scratch, kept_out)
    tables, warnings = [], []
    for table in scratch.tables:
        waiting = _Waiting(scratch, table, scratch.groupings[table.name])
        tables.append(waiting.quarantine_waiting())
        warnings += waiting.warnings
    return tuple(tables), tuple(warnings)


def _keep_known(scratch: Scratch, kept_out: Iterable[KeptOut]) -> None:
    """Into rejected.before, by the paths and places that the records have in this batch."""
    connection = scratch.connection
    paths = {
        (each.stated.taking.before, path.removeprefix(f"{each.stated.taking.before}/")): path
        for each in scratch.delivery.before
        if each.stated
        for path in each.checked
    }
    for each in kept_out:
        path = paths.get((each.batch_id, each.file))
        if path:
            gaps = count(
                connection,
                """SELECT count(*) FROM (SELECT row_number FROM rejected.record WHERE file = $file AND NOT is_exact
                   UNION SELECT row_number FROM rejected.blank WHERE file = $file) WHERE row_number < $row""",
                {"file": path, "row": each.row},
            )
            connection.execute(
                "INSERT INTO rejected.before VALUES (?, ?, ?, ?, ?)",
                [each.table, path, each.row - gaps, each.rule, each.column],
            )


class _Waiting:
    """The rows of one table that wait for records of theirs."""

    def __init__(self, scratch: Scratch, table: StagedTable, grouped: Grouping) -> None:
        self.connection = scratch.connection
        self.scratch = scratch
        self.table = table
        self.grouped = grouped
        self.warnings: list[str] = []

    def quarantine_waiting(self) -> StagedTable:
        """Give the waiting rows their reason; the table with the records counted that only it can tell of."""
        told = self._tell_of_records()
        waiting = 0
        for resource, columns in self.grouped.groups.items():
            if self._find_groups(resource, self.grouped, columns):
                waiting += self._let_wait(resource, columns)
            self._warn_of_lost_groups(resource, columns)
        if told or waiting:
            quarantine.keep_rows(self.scratch, self.table)
        if waiting:
            self.warnings.append(
                f"{self.table.name}: {waiting:,} rows wait in quarantine, since a record that they are made of is there "
                f"[{WAITS}]; when it is mended and released, they are made again"
            )
        if self.grouped.is_unknown:
            self.warnings.append(
                f"{self.table.name}: derived, and neither its profile nor its SELECT says of which records a row is made: name "
                "their columns in grouped_by, or a row is taken although a record of it is in quarantine"
            )
        return replace(self.table, rows_in=self.table.rows_in + told)

    def _own_tables(self, resource: str) -> list[str]:
        """The other tables that tell of each record of a resource by itself."""
        return [
            name
            for name, mapping in self.scratch.source.profile.tables.items()
            if resource in mapping.drivers and not mapping.derived and name != self.table.name
        ]

    def _find_groups(self, resource: str, grouped: Grouping, columns: tuple[str, ...]) -> bool:
        """Fill temp.waited_for with the groups of a resource's records in quarantine; whether there are any."""
        own = ", ".join(map(literal, self._own_tables(resource)))
        unread = has_problem(grouped.read, self.scratch.delivery.resources[resource])
        if own:
            told = """(SELECT table_name, file, row_number, rule, column_name FROM rejected.reason
                        UNION ALL FROM rejected.before)"""
            reasons = f"{told} AS t WHERE t.table_name IN ({own})"
            if not count(self.connection, f"SELECT count(*) FROM {reasons}"):
                return False
            of_record = f"{reasons} AND t.file = record._file AND t.row_number = record._row.number"
            typed = (
                "list_contains(list_transform(coalesce(record._row.problems, []), lambda p: "
                "split_part(p, ':', 1) || ':' || split_part(p, ':', 2)), coalesce(t.column_name, '') || ':' || t.rule)"
            )
            more = grouped.reads_more_than_groups(resource)
            judged = f"EXISTS (SELECT 1 FROM {of_record} AND NOT {typed})" if more else "false"
            unread = f"(EXISTS (SELECT 1 FROM {of_record}) AND {unread}) OR {judged}"
        names = ", ".join(map(quoted, columns))
        self.connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE waited_for AS
                SELECT DISTINCT {names} FROM resource.{quoted(resource)} AS record WHERE {unread}"""
        )
        return count(self.connection, "SELECT count(*) FROM temp.waited_for") > 0

    def _let_wait(self, resource: str, columns: tuple[str, ...]) -> int:
        """The reason of each row whose group is among those found."""
        name = literal(self.table.name)
        shown = " || ', ' || ".join(
            f"{literal(column + ' ')} || coalesce(CAST(record.{quoted(column)} AS VARCHAR), 'without a value')"
            for column in columns
        )
        message = (
            f"'a record that it is made of (' || {shown} || ') is in quarantine: mend and release that one, and this row is made "
            "again from all its records'"
        )
        same = " AND ".join(
            f"waited_for.{quoted(each)} IS NOT DISTINCT FROM record.{quoted(each)}" for each in columns
        )
        # A row that is in quarantine for reasons of its own needs none more.
        told = f"SELECT file, row_number FROM rejected.reason WHERE table_name = {name}"
        own = f"WHERE (staged._file, staged._row) NOT IN ({told})"
        before = count(self.connection, "SELECT count(*) FROM rejected.reason")
        self.connection.execute(
            f"""INSERT INTO rejected.reason
                SELECT {name}, staged._file, staged._row, {literal(WAITS)}, NULL, NULL, {message}
                FROM staging.{quoted(self.table.name)} AS staged
                JOIN resource.{quoted(resource)} AS record
                  ON record._file = staged._file AND record._row.number = staged._row
                JOIN temp.waited_for AS waited_for ON {same} {own}"""
        )
        return count(self.connection, "SELECT count(*) FROM rejected.reason") - before

    def _warn_of_lost_groups(self, resource: str, columns: tuple[str, ...]) -> None:
        lost = has_problem(columns, self.scratch.delivery.resources[resource])
        records = count(
            self.connection,
            f"""SELECT (SELECT count(*) FROM rejected.record WHERE resource = {literal(resource)})
                       + (SELECT count(*) FROM resource.{quoted(resource)} WHERE {lost})""",
        )
        if records:
            self.warnings.append(
                f"{self.table.name}: of {records:,} records of {resource} it could not be read which row they belong to, so that "
                "a row may lack them; when they are mended and released, it is made again"
            )

    def _tell_of_records(self) -> int:
        """Put aside the unreadable records of a resource of which only derived tables tell; how many there were."""
        grouped, connection = self.grouped, self.connection
        if not grouped.groups or not self.table.derived or self._own_tables(self.table.drivers[0]):
            return 0
        resource, name = self.table.drivers[0], literal(self.table.name)
        derived = ", ".join(
            literal(table)
            for table, mapping in self.scratch.source.profile.tables.items()
            if resource in mapping.drivers
        )
        unread = has_problem(grouped.read, self.scratch.delivery.resources[resource])
        before = [path for each in self.scratch.delivery.before for path in each.checked]
        own = f"record._file NOT IN ({', '.join(map(literal, before)) or 'NULL'})" if before else "true"
        connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE told_of AS
                SELECT _file AS file, _row.number AS row_number, _row.problems AS problems
                FROM resource.{quoted(resource)} AS record
                WHERE {unread} AND {own} AND NOT EXISTS (
                    SELECT 1 FROM rejected.reason AS r
                    WHERE r.table_name IN ({derived}) AND r.file = record._file AND r.row_number = record._row.number)"""
        )
        connection.execute(
            f"""INSERT INTO rejected.reason
                SELECT {name}, file, row_number, {quarantine.told("problem")}
                FROM (SELECT file, row_number, unnest(problems) AS problem FROM temp.told_of)"""
        )
        unsplit = f"SELECT count(*) FROM rejected.record WHERE resource = {literal(resource)}"
        first = next(
            table
            for table, mapping in self.scratch.source.profile.tables.items()
            if resource in mapping.drivers
        )
        number = count(connection, "SELECT count(*) FROM temp.told_of")
        if first == self.table.name:
            quarantine.tell_of_unsplit(self.scratch, self.table.name, resource)
            number += count(connection, unsplit)
        return number
