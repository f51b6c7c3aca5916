"""What a batch's files hold, before any SQL of its source runs: whole, countable, and as much as the sender says.

The files are read in a DuckDB instance of the batch's own, which sees them and nothing else: external access is off and
the configuration locked for the whole instance, which is why it cannot be the warehouse's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import polars as pl

from warehouse import encodings, files, key_sets, resources
from warehouse.batch import KEY_SET, Batch, locate
from warehouse.connection import CONFIG, count, literal, quoted
from warehouse.faults import BatchRefusedError, Fault
from warehouse.files import CheckedFile
from warehouse.source import Dialect, Source

# Below this, waking a second thread costs more than it gives.
SMALL_BATCH_BYTES = 8 * 1024 * 1024
MACROS = Path(__file__).with_name("macros.sql")


def require_resources(batch: Batch, source: Source) -> None:
    """The batch holds what its source requires, and nothing that it does not know; BatchRefusedError otherwise."""
    faults = [
        Fault(
            "missing_resource",
            f"the resource {name!r} is required by source {source.name}, and the batch does not hold it",
            f"Deliver a file like {resource.pattern} with it.",
            "datapackage.json",
        )
        for name, resource in source.profile.resources.items()
        if resource.required and batch.resource(name) is None and batch.resources
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
    faults += key_sets.check(batch, source)
    if faults:
        raise BatchRefusedError(*faults)


def check_files(batch: Batch, source: Source) -> dict[str, CheckedFile]:
    """Every file of the batch by its manifest path; BatchRefusedError with what is wrong in all of them."""
    checked: dict[str, CheckedFile] = {}
    faults: list[Fault] = []
    for resource in (*batch.resources, *batch.key_sets):
        dialect = (
            Dialect() if resource.mode == KEY_SET else resources.dialect_of(source, batch, resource.name)
        )
        for path, sha256 in zip(resource.paths, resource.hashes, strict=True):
            try:
                checked[path] = files.check(locate(batch, path), path, sha256, dialect)
            except BatchRefusedError as error:
                faults.extend(error.faults)
    if faults:
        raise BatchRefusedError(*faults)
    return checked


def open_locked(path: Path, batch: Batch, source: Source) -> duckdb.DuckDBPyConnection:
    """A new scratch file in an instance that can read the batch's files and nothing else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    used = [
        encodings.encoding_of(resources.dialect_of(source, batch, resource.name).encoding)
        for resource in batch.resources
    ]
    delivered = (*batch.resources, *batch.key_sets)
    located = [locate(batch, file) for resource in delivered for file in resource.paths]
    names = sorted({name for file in located for name in (str(file), resources.readable_path(file))})
    small = sum(file.stat().st_size for file in located) < SMALL_BATCH_BYTES
    config = {**CONFIG, "threads": "1"} if small else CONFIG
    connection = duckdb.connect(str(path), config=config)  # type: ignore[arg-type]
    encodings.enable(connection, used)
    connection.execute(MACROS.read_text(encoding="utf-8"))
    for schema in ("resource", "staging", "rejected", "key_set"):
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute(_REJECTED_TABLES)
    connection.execute("SET search_path='resource,main'")
    connection.execute("SET TimeZone='UTC'")
    connection.execute(f"SET allowed_paths=[{', '.join(literal(name) for name in names)}]")
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
CREATE TABLE rejected.blank (file VARCHAR, row_number BIGINT);
"""


def count_records(connection: duckdb.DuckDBPyConnection, batch: Batch, resource: str) -> int:
    """The records of a resource that can be split into columns."""
    try:
        return count(connection, f"SELECT count(*) FROM resource.{quoted(resource + resources.RAW)}")
    except duckdb.Error as error:
        delivered = batch.resource(resource)
        path = delivered.paths[0] if delivered else resource
        raise BatchRefusedError(resources.unreadable(path, error)) from error


def keep_unreadable_records(
    connection: duckdb.DuckDBPyConnection, batch: Batch, source: Source
) -> dict[str, int]:
    """Keep the records that could not be split, since every later scan reports them again; their number by resource."""
    owner = {path: resource.name for resource in batch.resources for path in resource.paths}
    found = [(owner[record[0]], *record) for record in resources.rejected_records(connection, batch)]
    for resource, path, number, rule, _, text in found:
        quote = resources.dialect_of(source, batch, resource).quote
        if rule == "broken_quoting" and "\n" in text and text.count(quote) % 2:
            lines = text.count("\n")
            message = f"a quote is opened and not closed: the {lines} lines after it cannot be told apart"
            remedy = "Correct the row, or set quote in the profile to what the file uses."
            raise BatchRefusedError(Fault("unclosed_quote", message, remedy, path, number))
    if found:
        connection.executemany("INSERT INTO rejected.record VALUES (?, ?, ?, ?, ?, ?)", found)
    return {
        resource.name: sum(record[0] == resource.name for record in found) for resource in batch.resources
    }


def keep_blank_records(connection: duckdb.DuckDBPyConnection, checked: Mapping[str, CheckedFile]) -> None:
    """Keep where blank lines stand: they are no records, but they count in the numbers of those below them."""
    for path, file in checked.items():
        if file.blank_records:
            connection.register("blank", pl.DataFrame({"row_number": file.blank_records}))
            connection.execute("INSERT INTO rejected.blank SELECT ?, row_number FROM blank", [path])
            connection.unregister("blank")


def check_totals(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    source: Source,
    records: Mapping[str, int],
    unreadable: Mapping[str, int],
) -> None:
    """What the sender counted and summed must be what arrived.

    A total that a row in quarantine is part of cannot be checked: the row is told of by itself.
    """
    faults: list[Fault] = []
    again = "Rows were lost on the way: extract and deliver the batch again."
    for resource in batch.resources:
        name, path = resource.name, resource.paths[0]
        if resource.rows is not None and resource.rows != records[name]:
            message = f"the manifest counts {resource.rows} records, {records[name]} arrived"
            faults.append(Fault("row_count_mismatch", message, again, path))
        for column, stated in resource.control_totals.items():
            mapped = source.profile.resources[name].columns.get(column)
            if mapped is None or not mapped.type.startswith(("decimal", "integer")):
                message = f"the manifest gives a control total of {column!r}, which is no number column of the profile"
                faults.append(Fault("unknown_control_total", message, "Name a number column.", path))
                continue
            total, unread = resources.total(connection, name, column, mapped)
            if not unread and not unreadable[name] and total != stated:
                message = f"the control total of {column!r} is {stated}, the rows sum to {total}"
                faults.append(Fault("control_total_mismatch", message, again, path, None, column))
    if faults:
        raise BatchRefusedError(*faults)
