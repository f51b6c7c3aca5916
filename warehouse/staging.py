"""The scratch file of one batch: typed staging tables a source's SQL gives, made in a DuckDB that sees nothing else.

External access is off and the configuration locked for the whole instance, which is why it cannot be the warehouse's
own: a source's SQL reads the batch's files and writes nothing but the scratch file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import duckdb

from expectations.contract import Column, Contract, provenance
from expectations.contract import load as load_contract
from warehouse import resources
from warehouse.batch import Batch, verify_files
from warehouse.connection import CONFIG, literal, quoted, scalar
from warehouse.faults import BatchRefusedError, Fault, SourceError
from warehouse.source import Source

# Below this, waking a second thread costs more than it gives.
SMALL_BATCH_BYTES = 8 * 1024 * 1024
MACROS = Path(__file__).with_name("macros.sql")
# What a source's SQL may give beside a table's own columns.
EXTRA = tuple(
    replace(column, nullable=True)
    for column in provenance()
    if column.name in {"source_changed_at", "is_deleted"}
)
_HANDLES = {"_file", "_row", "_excluded"}
_LOSSY = {"DOUBLE", "FLOAT", "REAL"}
_WRONG_TYPE = {
    "DATE": "not_a_date",
    "TIMESTAMP": "not_a_timestamp",
    "BOOLEAN": "not_a_boolean",
    "INTEGER": "not_an_integer",
    "BIGINT": "not_an_integer",
}


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

    @property
    def name(self) -> str:
        """The canonical table's name."""
        return self.contract.name


@dataclass(frozen=True, slots=True)
class Scratch:
    """An open scratch file with the staged tables of one batch."""

    connection: duckdb.DuckDBPyConnection
    path: Path
    batch: Batch
    source: Source
    tables: tuple[StagedTable, ...]
    record_counts: Mapping[str, int]
    bytes_read: Mapping[str, int]


@contextmanager
def stage(batch: Batch, source: Source, path: Path) -> Iterator[Scratch]:
    """Check the batch's files and fill its scratch file; the connection closes with the block.

    BatchRefusedError for a fault of the batch as a whole, SourceError for a mapping that cannot work.
    """
    _require_resources(batch, source)
    bytes_read = verify_files(
        batch, {name: resources.encoding_of(source.dialect(name)) for name in source.profile.resources}
    )
    connection = _open_locked(path, batch.folder)
    try:
        resources.create_views(connection, batch, source)
        counts = {
            resource.name: _count_records(connection, batch, resource.name) for resource in batch.resources
        }
        _keep_unreadable_records(connection, batch)
        _check_totals(connection, batch, source, counts)
        tables = tuple(
            _stage_table(connection, batch, source, name, counts)
            for name, mapping in source.profile.tables.items()
            if mapping.driving in counts
        )
        yield Scratch(connection, path, batch, source, tables, counts, bytes_read)
    finally:
        connection.close()


def remove_scratch(folder: Path) -> None:
    """Drop all scratch files, be it after a batch or those of runs that did not end."""
    shutil.rmtree(folder, ignore_errors=True)


def _require_resources(batch: Batch, source: Source) -> None:
    faults = [
        Fault(
            "missing_resource",
            f"the resource {name!r} is required by source {source.name}, and the batch does not hold it",
            f"Deliver a file like {resource.pattern} with it.",
            "datapackage.json",
        )
        for name, resource in source.profile.resources.items()
        if resource.required and batch.resource(name) is None
    ]
    faults += [
        Fault(
            "unknown_resource",
            f"the resource {resource.name!r} is not one of source {source.name}",
            f"It has {', '.join(source.profile.resources)}.",
            "datapackage.json",
        )
        for resource in batch.resources
        if resource.name not in source.profile.resources
    ]
    if faults:
        raise BatchRefusedError(*faults)


def _open_locked(path: Path, batch_folder: Path) -> duckdb.DuckDBPyConnection:
    path.parent.mkdir(parents=True, exist_ok=True)
    small = sum(file.stat().st_size for file in batch_folder.iterdir() if file.is_file()) < SMALL_BATCH_BYTES
    config = {**CONFIG, "threads": "1"} if small else CONFIG
    connection = duckdb.connect(str(path), config=config)  # type: ignore[arg-type]
    connection.execute(MACROS.read_text(encoding="utf-8"))
    for schema in ("resource", "staging", "rejected"):
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute(_REJECTED_TABLES)
    connection.execute("SET search_path='resource,main'")
    folders = ", ".join(literal(str(folder.resolve())) for folder in (batch_folder, path.parent))
    connection.execute(f"SET allowed_directories=[{folders}]")
    connection.execute(f"SET temp_directory={literal(str(path) + '.tmp')}")
    connection.execute("SET enable_external_access=false")
    connection.execute("SET lock_configuration=true")
    return connection


_REJECTED_TABLES = """
CREATE TABLE rejected.row (
    table_name VARCHAR, file VARCHAR, row_number BIGINT, staged JSON, raw JSON);
CREATE TABLE rejected.reason (
    table_name VARCHAR, file VARCHAR, row_number BIGINT, rule VARCHAR, column_name VARCHAR, raw_value VARCHAR,
    message VARCHAR);
CREATE TABLE rejected.record (
    resource VARCHAR, file VARCHAR, row_number BIGINT, rule VARCHAR, message VARCHAR, text VARCHAR);
"""


def _count_records(connection: duckdb.DuckDBPyConnection, batch: Batch, resource: str) -> int:
    """The records of a resource that can be split into columns."""
    try:
        return int(str(scalar(connection, f"SELECT count(*) FROM resource.{quoted(resource)}")))
    except duckdb.Error as error:
        delivered = batch.resource(resource)
        path = delivered.paths[0] if delivered else resource
        raise BatchRefusedError(resources.unreadable(path, error)) from error


def _keep_unreadable_records(connection: duckdb.DuckDBPyConnection, batch: Batch) -> None:
    """Keep the records that could not be split, by resource: every later scan reports them again."""
    if not scalar(connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'"):
        return
    owner = {path: resource.name for resource in batch.resources for path in resource.paths}
    found = [(owner[record[0]], *record) for record in resources.rejected_records(connection, batch)]
    if found:
        connection.executemany("INSERT INTO rejected.record VALUES (?, ?, ?, ?, ?, ?)", found)


def _check_totals(
    connection: duckdb.DuckDBPyConnection, batch: Batch, source: Source, counts: Mapping[str, int]
) -> None:
    """What the sender counted and summed must be what arrived."""
    faults: list[Fault] = []
    again = "Rows were lost on the way: extract and deliver the batch again."
    for resource in batch.resources:
        name = resource.name
        unreadable = _count(
            connection, f"SELECT count(*) FROM rejected.record WHERE resource = {literal(name)}"
        )
        arrived = counts[name] + unreadable
        if resource.rows is not None and resource.rows != arrived:
            message = f"the manifest counts {resource.rows} records, {arrived} arrived"
            faults.append(Fault("row_count_mismatch", message, again, resource.paths[0]))
        for column, stated in resource.control_totals.items():
            mapped = source.profile.resources[name].columns.get(column)
            if mapped is None or not mapped.type.startswith(("decimal", "integer")):
                message = f"the manifest gives a control total of {column!r}, which is no number column of the profile"
                faults.append(
                    Fault("unknown_control_total", message, "Name a number column.", resource.paths[0])
                )
                continue
            total = scalar(connection, f"SELECT sum({quoted(column)}) FROM resource.{quoted(name)}")
            if unreadable == 0 and Decimal(str(total or 0)) != stated:
                message = f"the control total of {column!r} is {stated}, the rows sum to {total or 0}"
                faults.append(
                    Fault("control_total_mismatch", message, again, resource.paths[0], None, column)
                )
    if faults:
        raise BatchRefusedError(*faults)


def _stage_table(
    connection: duckdb.DuckDBPyConnection, batch: Batch, source: Source, name: str, counts: Mapping[str, int]
) -> StagedTable:
    contract = load_contract(name)
    mapping = source.profile.tables[name]
    delivered = batch.resource(mapping.driving)
    if delivered is None:
        raise KeyError(mapping.driving)
    table = f"staging.{quoted(name)}"
    where = f"source {source.name}, {mapping.sql or name + '.sql'}"
    sql = source.sql(name).strip().rstrip(";")
    try:
        given = {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE ({sql})").fetchall()}
        connection.execute(f"CREATE TABLE {table} AS {_typed_select(contract, given, sql, where)}")
    except duckdb.Error as error:
        raise SourceError(f"{where}: {' '.join(str(error).split())[:500]}") from error
    staged = _count(connection, f"SELECT count(*) FROM {table}")
    unreadable = _count(
        connection, f"SELECT count(*) FROM rejected.record WHERE resource = {literal(mapping.driving)}"
    )
    if not mapping.derived:
        _account_for_every_record(connection, name, mapping.driving, counts[mapping.driving], staged, where)
    excluded = _leave_out(connection, table)
    identical = _list_duplicates(connection, contract, take_identical=mapping.identical_rows == "one")
    if identical:
        excluded["identical_row"] = identical
    return StagedTable(
        contract=contract,
        driving=mapping.driving,
        derived=mapping.derived,
        mode=delivered.mode,
        rows_in=staged if mapping.derived else counts[mapping.driving] + unreadable,
        excluded=excluded,
        row_hash=_row_hash(connection, contract, mapping.driving),
    )


def _count(connection: duckdb.DuckDBPyConnection, sql: str) -> int:
    return int(str(scalar(connection, sql)))


def _typed_select(contract: Contract, given: Mapping[str, str], sql: str, where: str) -> str:
    """A source's SELECT with every column cast to the contract's type and every misfit noted in `_problems`."""
    columns = (*contract.columns, *EXTRA)
    surplus = set(given) - {column.name for column in columns} - _HANDLES
    if surplus:
        raise SourceError(f"{where}: {contract.name} has no column {', '.join(sorted(surplus))}")
    missing = {"_file", "_row"} - set(given)
    if missing:
        raise SourceError(f"{where}: select {' and '.join(sorted(missing))} of the driving resource as well")
    values, misfits = [], []
    for column in columns:
        if column.name not in given:
            if not column.nullable:
                raise SourceError(f"{where}: does not give {column.name}, which {contract.name} requires")
            absent = "false" if column.name == "is_deleted" else f"NULL::{column.type}"
            values.append(f"{absent} AS {quoted(column.name)}")
            continue
        value, misfit = _cast(column, given[column.name], where)
        values.append(f"{value} AS {quoted(column.name)}")
        misfits += [misfit] if misfit else []
    noted = "_row.problems"
    if misfits:
        condition = " OR ".join(f"({test})" for test, _ in misfits)
        entries = ", ".join(f"CASE WHEN {test} THEN {entry} END" for test, entry in misfits)
        noted = (
            f"CASE WHEN {condition} THEN list_concat(coalesce(_row.problems, []::VARCHAR[]), "
            f"list_filter([{entries}], lambda entry: entry IS NOT NULL)) ELSE _row.problems END"
        )
    excluded = "CAST(_excluded AS VARCHAR)" if "_excluded" in given else "NULL::VARCHAR"
    return (
        f"SELECT {', '.join(values)}, _file, _row.number AS _row, {noted} AS _problems, {excluded} AS _excluded "
        f"FROM ({sql}) AS given"
    )


def _cast(column: Column, given: str, where: str) -> tuple[str, tuple[str, str] | None]:
    """The value as the contract types it, and, where it may not fit, the test for a misfit and its note."""
    name = f"given.{quoted(column.name)}"
    if column.name == "is_deleted":
        return f"coalesce(CAST({name} AS BOOLEAN), false)", None
    if given == column.type:
        return name, None
    if column.type == "VARCHAR":
        return f"CAST({name} AS VARCHAR)", None
    if given in _LOSSY and column.type.startswith("DECIMAL"):
        raise SourceError(f"{where}: {column.name} is {given}, which loses digits: keep amounts DECIMAL")
    cast = f"TRY_CAST({name} AS {column.type})"
    prefix = f"{column.name}:"
    if given == "VARCHAR":
        rule = _WRONG_TYPE.get(column.type, "not_a_number")
        return cast, (
            f"{name} IS NOT NULL AND {cast} IS NULL",
            f"{literal(prefix + rule + ':')} || left({name}, 200)",
        )
    if column.type.startswith("DECIMAL"):
        note = f"{literal(prefix + 'too_many_digits:')} || CAST({name} AS VARCHAR)"
        return cast, (f"{name} IS NOT NULL AND ({cast} IS NULL OR {cast} <> {name})", note)
    note = f"{literal(prefix + 'out_of_range:')} || CAST({name} AS VARCHAR)"
    return cast, (f"{name} IS NOT NULL AND {cast} IS NULL", note)


def _account_for_every_record(
    connection: duckdb.DuckDBPyConnection, name: str, driving: str, records: int, staged: int, where: str
) -> None:
    """Every record of the driving resource came out once, or is put aside by name; SourceError where one came out twice."""
    table = f"staging.{quoted(name)}"
    distinct = _count(connection, f"SELECT count(*) FROM (SELECT DISTINCT _file, _row FROM {table})")
    if distinct < staged:
        raise SourceError(
            f"{where}: gives {staged - distinct} rows more than one a record of {driving}: "
            "a join matches several rows; make it match one, or declare the table derived"
        )
    if distinct < records:
        connection.execute(
            f"""INSERT INTO rejected.reason
                SELECT {literal(name)}, _file, _row.number, 'unmatched_by_source_sql', NULL, NULL,
                       'the source''s SQL gives no row for this record'
                FROM resource.{quoted(driving)} AS record
                WHERE NOT EXISTS (SELECT 1 FROM {table} AS staged
                                  WHERE staged._file = record._file AND staged._row = record._row.number)"""
        )


def _leave_out(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, int]:
    """Remove the rows that the source's SQL excludes by a named rule; rule to number of rows."""
    counted = connection.execute(
        f"SELECT _excluded, count(*) FROM {table} WHERE _excluded IS NOT NULL GROUP BY 1 ORDER BY 1"
    ).fetchall()
    if counted:
        connection.execute(f"DELETE FROM {table} WHERE _excluded IS NOT NULL")
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
            SELECT _file, _row,
                   count(DISTINCT hash({content})) OVER same_key = 1 AS identical,
                   row_number() OVER (PARTITION BY {key} ORDER BY _file, _row) AS place
            FROM {table} WHERE {complete} AND hash({key}) IN (FROM suspect)
            WINDOW same_key AS (PARTITION BY {key})
            QUALIFY count(*) OVER same_key > 1"""
    )
    taken = 0
    if take_identical:
        taken = _count(connection, f"SELECT count(*) FROM {listing} WHERE identical AND place > 1")
        connection.execute(
            f"""DELETE FROM {table} WHERE EXISTS (SELECT 1 FROM {listing} AS copy
                WHERE copy._file = {table}._file AND copy._row = {table}._row AND copy.identical AND copy.place > 1)"""
        )
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
