"""The scratch file of one batch: typed staging tables that a source's SQL gives, and what of the batch it leaves out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from expectations.contract import Contract
from expectations.contract import load as load_contract
from warehouse import cells, intake, key_sets, resources
from warehouse.batch import MANIFEST, WINDOW, Batch, BatchResource, Window
from warehouse.casts import EXTRA, typed_select
from warehouse.connection import count, literal, quoted
from warehouse.faults import BatchRefusedError, Fault, SourceError
from warehouse.files import CheckedFile
from warehouse.key_sets import KeySet
from warehouse.source import Source
from warehouse.totals import check_totals_rows
from warehouse.values import LOST_CODE


@dataclass(frozen=True, slots=True)
class StagedTable:
    """One canonical table of a batch, typed and not yet judged.

    `rows_in` counts the driving resource's records, readable or not; for a derived table, the rows its SQL gave.
    """

    contract: Contract
    driving: str
    derived: bool
    mode: str
    rows_in: int
    excluded: Mapping[str, int]
    row_hash: str
    window: Window | None = None

    @property
    def name(self) -> str:
        """The canonical table's name."""
        return self.contract.name


@dataclass(frozen=True, slots=True)
class LookUp:
    """A resource that drives no table: its rows enter only by what a source's SQL takes from them."""

    name: str
    mode: str
    rows_in: int


@dataclass(frozen=True, slots=True)
class Scratch:
    """An open scratch file with the staged tables of one batch."""

    connection: duckdb.DuckDBPyConnection
    path: Path
    batch: Batch
    source: Source
    tables: tuple[StagedTable, ...]
    look_ups: tuple[LookUp, ...]
    key_sets: tuple[KeySet, ...]
    record_counts: Mapping[str, int]
    bytes_read: Mapping[str, int]


@contextmanager
def stage(batch: Batch, source: Source, path: Path) -> Iterator[Scratch]:
    """Check the batch's files and fill its scratch file; the connection closes with the block.

    BatchRefusedError for a fault of the batch as a whole, SourceError for a mapping that cannot work; raised inside
    the block too, they leave it with the number of records that came in.
    """
    records: dict[str, int] = {}
    try:
        intake.require_resources(batch, source)
        checked = intake.check_files(batch, source, path)
        connection = intake.open_locked(path, checked, source.settings(batch.settings))
        try:
            yield _fill(connection, batch, source, checked, records, path)
        finally:
            connection.close()
    except duckdb.OutOfMemoryException as error:
        raise BatchRefusedError(_too_large(error)) from error
    except (BatchRefusedError, SourceError) as error:
        error.records = records
        raise


def _too_large(error: duckdb.Error) -> Fault:
    message = f"takes more memory to read than a batch may ({_complaint(error)[:200]})"
    remedy = "A cell or a record of it is of megabytes, or far too many are in quarantine: look into its files, or split it."
    return Fault("too_large_to_read", message, remedy, MANIFEST)


def _fill(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    source: Source,
    checked: Mapping[str, CheckedFile],
    records: dict[str, int],
    path: Path,
) -> Scratch:
    """Stage every table; `records` takes the number of records of each resource, readable or not, once they are counted."""
    opened = resources.open_files(connection, batch, source, checked)
    counted = {
        resource.name: intake.count_records(connection, batch, resource.name) for resource in batch.resources
    }
    counts = {name: count.own for name, count in counted.items()}
    left_out = {name: count.left_out for name, count in counted.items()}
    unreadable = intake.keep_unreadable_records(connection, batch, source, checked, opened, counted)
    records.update(
        {name: number + unreadable[name] + sum(left_out[name].values()) for name, number in counts.items()}
    )
    intake.keep_blank_records(connection, checked)
    size = sum(file.size for file in checked.values())
    resources.create_typed(connection, source, opened, stored=size < intake.SMALL_BATCH_BYTES)
    intake.check_totals(connection, batch, source, records, unreadable)
    faults = check_totals_rows(connection, batch, source, opened, unreadable, left_out)
    if faults:
        raise BatchRefusedError(*faults)
    driving = {mapping.driving for mapping in source.profile.tables.values()}
    known = {resource.name for resource in batch.resources if resource.look_up_only}
    return Scratch(
        connection,
        path,
        batch,
        source,
        tuple(
            _stage_table(connection, batch, source, name, counts, records, left_out[mapping.driving])
            for name, mapping in source.profile.tables.items()
            if mapping.driving in counts and mapping.driving not in known
        ),
        tuple(
            LookUp(resource.name, resource.mode, records[resource.name])
            for resource in batch.resources
            if resource.name not in driving and resource.name not in known
        ),
        key_sets.stage(connection, batch),
        counts,
        {resource.name: sum(checked[file].size for file in resource.paths) for resource in batch.resources},
    )


def remove_scratch(folder: Path) -> None:
    """Drop all scratch files, be it after a batch or those of runs that did not end."""
    shutil.rmtree(folder, ignore_errors=True)


def _stage_table(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    source: Source,
    name: str,
    counts: Mapping[str, int],
    records: Mapping[str, int],
    left_out: Mapping[str, int],
) -> StagedTable:
    contract = load_contract(name)
    mapping = source.profile.tables[name]
    delivered = batch.resource(mapping.driving)
    if delivered is None:
        raise KeyError(mapping.driving)
    # Rows that a source makes up out of several records are not what the sender declared a window of.
    window = None if mapping.derived else delivered.window
    if window and cells.is_undated(contract):
        raise BatchRefusedError(_undated(contract, delivered))
    table = f"staging.{quoted(name)}"
    where = f"source {source.name}, {mapping.sql or name + '.sql'}"
    try:
        sql = _one_select(connection, source.sql(name), where)
        given = {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE ({sql}\n)").fetchall()}
        connection.execute(f"CREATE TABLE {table} AS {typed_select(contract, given, sql, where)}")
    except duckdb.OutOfMemoryException:
        raise  # no fault of what was read: see staging.stage
    except duckdb.Error as error:
        raise SourceError(f"{where}: {_complaint(error)}") from error
    staged = count(connection, f"SELECT count(*) FROM {table}")
    paths = [path for resource in batch.resources for path in resource.paths]
    _require_records(connection, name, paths if mapping.derived else delivered.paths, mapping.driving, where)
    if not mapping.derived:
        _account_for_every_record(connection, name, mapping.driving, counts[mapping.driving], staged, where)
    excluded = _leave_out(connection, table)
    for rule, rows in () if mapping.derived else left_out.items():
        excluded[rule] = excluded.get(rule, 0) + rows
    identical = _list_duplicates(connection, contract, take_identical=mapping.identical_rows == "one")
    if identical:
        excluded["identical_row"] = identical
    if window:
        _put_aside_outside(connection, contract, window)
    return StagedTable(
        contract=contract,
        driving=mapping.driving,
        derived=mapping.derived,
        mode="delta_upsert" if delivered.mode == WINDOW and not window else delivered.mode,
        window=window,
        rows_in=staged if mapping.derived else records[mapping.driving],
        excluded=excluded,
        row_hash=_row_hash(connection, contract, mapping.driving),
    )


def _undated(contract: Contract, delivered: BatchResource) -> Fault:
    return Fault(
        "window_without_date",
        f"the mode of {delivered.name} is {WINDOW}, but rows of {contract.name} bear no date of their own",
        "Deliver it as full_snapshot or delta_upsert.",
        delivered.paths[0],
    )


def _put_aside_outside(connection: duckdb.DuckDBPyConnection, contract: Contract, window: Window) -> None:
    """Rows that lie outside the declared window: either the window or the date is wrong, and nobody here knows which."""
    day = f"CAST({quoted(str(contract.own_date))} AS DATE)"
    message = f"the day lies outside the window that the batch declares, {window}: one of them is wrong"
    connection.execute(
        f"""INSERT INTO rejected.reason
            SELECT {literal(contract.name)}, _file, _row, 'outside_window', {literal(str(contract.own_date))},
                   CAST({day} AS VARCHAR), {literal(message)}
            FROM staging.{quoted(contract.name)}
            WHERE NOT is_deleted AND {day} NOT BETWEEN ? AND ?""",
        [window.first, window.last],
    )


def _one_select(connection: duckdb.DuckDBPyConnection, sql: str, where: str) -> str:
    """The statement of a source's SQL file; SourceError where it holds anything but one SELECT."""
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
        raise SourceError(
            f"{where}: holds {kinds}, and may hold one SELECT only: it reads, and changes nothing"
        )
    return str(statements[0].query).strip().rstrip(";")


def _complaint(error: duckdb.Error) -> str:
    """What DuckDB says of a statement, in one line, without the text that the loader has put around it."""
    return " ".join(str(error).split("\nLINE ")[0].split())[:500]


def _require_records(
    connection: duckdb.DuckDBPyConnection, name: str, paths: Sequence[str], driving: str, where: str
) -> None:
    """Every row says which record it is of; SourceError otherwise."""
    known = ", ".join(literal(path) for path in paths)
    strange = count(
        connection,
        f"""SELECT count(*) FROM staging.{quoted(name)}
            WHERE _row IS NULL OR _file IS NULL OR _file NOT IN ({known})""",
    )
    if strange:
        raise SourceError(
            f"{where}: gives {strange} rows that are of no record of {driving}: "
            f"select _file and _row of {driving}, and let no join add rows that it does not have"
        )


def _account_for_every_record(
    connection: duckdb.DuckDBPyConnection, name: str, driving: str, records: int, staged: int, where: str
) -> None:
    """Every record of the driving resource came out once, or is put aside by name; SourceError where one came out twice."""
    table = f"staging.{quoted(name)}"
    distinct = count(connection, f"SELECT count(*) FROM (SELECT DISTINCT _file, _row FROM {table})")
    if distinct < staged:
        raise SourceError(
            f"{where}: gives {staged - distinct} rows more than one a record of {driving}: "
            "a join matches several rows; make it match one, or declare the table derived"
        )
    if distinct < records:
        connection.execute(
            f"""INSERT INTO rejected.reason
                SELECT {literal(name)}, _file, _row, 'unmatched_by_source_sql', NULL, NULL,
                       'the source''s SQL gives no row for this record'
                FROM resource.{quoted(driving + resources.RAW)} AS record
                WHERE NOT EXISTS (SELECT 1 FROM {table} AS staged
                                  WHERE staged._file = record._file AND staged._row = record._row)"""
        )


def _leave_out(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, int]:
    """Remove the rows that the source's SQL excludes by a named rule; rule to number of rows.

    One whose code was lost in its file stays, to be put aside: without it the SQL cannot know what the row is.
    """
    lost = ", ".join(literal(rule) for rule in LOST_CODE)
    excluded = (
        f"_excluded IS NOT NULL AND (_problems IS NULL OR len(list_filter("
        f"_problems, lambda problem: split_part(problem, ':', 2) IN ({lost}))) = 0)"
    )
    counted = connection.execute(
        f"SELECT _excluded, count(*) FROM {table} WHERE {excluded} GROUP BY 1 ORDER BY 1"
    ).fetchall()
    if counted:
        connection.execute(f"DELETE FROM {table} WHERE {excluded}")
    connection.execute(f"ALTER TABLE {table} DROP COLUMN _excluded")
    return {str(rule): int(rows) for rule, rows in counted}


def _list_duplicates(
    connection: duckdb.DuckDBPyConnection, contract: Contract, *, take_identical: bool
) -> int:
    """Fill staging.<table>__duplicates with all copies of a duplicated key; the number of identical rows taken as one.

    Keys are compared by hash first: grouping millions of rows by their text is what costs.
    """
    table, listing = f"staging.{quoted(contract.name)}", f"staging.{quoted(contract.name + '__duplicates')}"
    key = ", ".join(quoted(name) for name in contract.key)
    content = ", ".join(quoted(column.name) for column in (*contract.columns, *EXTRA))
    complete = " AND ".join(
        f"{quoted(c.name)} IS NOT NULL" for c in contract.columns if c.key_position and not c.nullable
    )
    connection.execute(
        f"""CREATE TABLE {listing} AS
            WITH suspect AS (SELECT hash({key}) AS key_hash FROM {table} WHERE {complete} GROUP BY 1 HAVING count(*) > 1)
            SELECT _file, _row, rowid AS id,
                   count(DISTINCT hash({content})) OVER same_key = 1 AS identical,
                   row_number() OVER (PARTITION BY {key} ORDER BY _file, _row) AS place
            FROM {table} WHERE {complete} AND hash({key}) IN (FROM suspect)
            WINDOW same_key AS (PARTITION BY {key})
            QUALIFY count(*) OVER same_key > 1"""
    )
    taken = 0
    if take_identical:
        surplus = f"FROM {listing} WHERE identical AND place > 1"
        taken = count(connection, f"SELECT count(*) {surplus}")
        connection.execute(f"DELETE FROM {table} WHERE rowid IN (SELECT id {surplus})")
        connection.execute(f"DELETE FROM {listing} WHERE identical")
    return taken


def _row_hash(connection: duckdb.DuckDBPyConnection, contract: Contract, driving: str) -> str:
    """The multiset of a table's rows, read or unreadable, as a number and a sum of hashes: no order in it."""
    content = ", ".join(quoted(column.name) for column in (*contract.columns, *EXTRA))
    rows = connection.execute(
        f"""SELECT count(*), coalesce(sum(hash({content}, _problems)), 0) FROM staging.{quoted(contract.name)}
            UNION ALL
            SELECT count(*), coalesce(sum(hash(text)), 0) FROM rejected.record WHERE resource = {literal(driving)}"""
    ).fetchall()
    return "/".join(f"{count}:{total}" for count, total in rows)
