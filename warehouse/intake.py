"""What a batch's files hold, before any SQL of its source runs: whole, countable, and as much as the sender says.

The files are read in a DuckDB instance of the batch's own, which sees them and nothing else: external access is off and
the configuration locked for the whole instance, which is why it cannot be the warehouse's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import duckdb
import polars as pl

from warehouse import files, key_sets, resources
from warehouse.batch import KEY_SET, MANIFEST, Batch, locate
from warehouse.connection import CONFIG, literal, quoted
from warehouse.dialect import Dialect, ResourceColumn
from warehouse.faults import BatchRefusedError, Fault
from warehouse.files import CheckedFile
from warehouse.source import Resource, Source
from warehouse.source_files import SourceFile, described, readable_path

# Below this, waking a second thread costs more than it gives.
SMALL_BATCH_BYTES = 8 * 1024 * 1024
# What DuckDB may hold while it reads a batch; what is more waits on the disk.
_MEMORY = "1GiB"
# Keys come as Parquet, by the names of their table.
_KEYS = Resource(pattern="*", columns={"key": ResourceColumn()})
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
    faults += [
        Fault(
            "unknown_setting",
            f"the setting {name} = {value!r} is not one of source {source.name}",
            _known(source),
            MANIFEST,
        )
        for name, value in batch.settings.items()
        if name not in source.profile.settings or value not in source.profile.settings[name].values
    ]
    if faults:
        raise BatchRefusedError(*faults)


def _known(source: Source) -> str:
    known = [f"{name}: {' or '.join(setting.values)}" for name, setting in source.profile.settings.items()]
    return f"It has {', '.join(known)}." if known else "It has none."


def check_files(batch: Batch, source: Source, scratch: Path) -> dict[str, CheckedFile]:
    """Every file of the batch by its manifest path; BatchRefusedError with what is wrong in all of them.

    What DuckDB cannot read is made into files beside `scratch` that it can.
    """
    scratch.parent.mkdir(parents=True, exist_ok=True)
    checked: dict[str, CheckedFile] = {}
    faults: list[Fault] = []
    for resource in (*batch.resources, *batch.key_sets):
        dialect = (
            Dialect() if resource.mode == KEY_SET else resources.dialect_of(source, batch, resource.name)
        )
        for path, sha256 in zip(resource.paths, resource.hashes, strict=True):
            try:
                checked[path] = files.check(
                    locate(batch, path),
                    path,
                    sha256,
                    dialect,
                    _KEYS if resource.mode == KEY_SET else source.profile.resources[resource.name],
                    scratch.with_name(f"{scratch.stem}-{len(checked) + len(faults)}"),
                )
            except BatchRefusedError as error:
                faults.extend(error.faults)
    if faults:
        raise BatchRefusedError(*faults)
    return checked


def open_locked(
    path: Path, checked: Mapping[str, CheckedFile], settings: Mapping[str, str]
) -> duckdb.DuckDBPyConnection:
    """A new scratch file in an instance that can read the batch's checked files and nothing else; its SQL can ask for `settings`."""
    located = [file.readable for file in checked.values()]
    names = sorted({name for file in located for name in (str(file), readable_path(file))})
    small = sum(file.stat().st_size for file in located) < SMALL_BATCH_BYTES
    config = {**CONFIG, "memory_limit": _MEMORY, **({"threads": "1"} if small else {})}
    connection = duckdb.connect(str(path), config=config)  # type: ignore[arg-type]
    connection.execute(MACROS.read_text(encoding="utf-8"))
    for schema in ("resource", "staging", "rejected", "key_set"):
        connection.execute(f"CREATE SCHEMA {schema}")
    connection.execute(_REJECTED_TABLES)
    connection.execute("SET search_path='resource,main'")
    connection.execute("SET TimeZone='UTC'")
    for setting, value in settings.items():
        connection.execute(f"SET VARIABLE {quoted(setting)} = {literal(value)}")
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
    resource VARCHAR, file VARCHAR, row_number BIGINT, rule VARCHAR, message VARCHAR, text VARCHAR, is_exact BOOLEAN);
CREATE TABLE rejected.blank (file VARCHAR, row_number BIGINT);
"""


@dataclass(frozen=True, slots=True)
class RecordCount:
    """Records of one resource that can be split: its table's `own`, those `left_out` by rule, and all of them by file."""

    own: int
    left_out: Mapping[str, int]
    by_file: Mapping[str, int]


def count_records(connection: duckdb.DuckDBPyConnection, batch: Batch, resource: str) -> RecordCount:
    """The records of a resource that can be split into columns, in one reading."""
    view = f"resource.{quoted(resource + resources.RULES)}"
    delivered = batch.resource(resource)
    named = delivered.paths[0] if delivered else resource
    by_rule: Counter[str | None] = Counter()
    by_file: Counter[str] = Counter()
    sql = f"SELECT _file, rule, count(*) FROM {view} GROUP BY ALL ORDER BY ALL"
    for path, rule, number in described(connection, sql, named):
        by_rule[rule] += number
        by_file[path] += number
    own = by_rule.pop(None, 0)
    return RecordCount(own, {str(rule): number for rule, number in by_rule.items()}, by_file)


def keep_unreadable_records(
    connection: duckdb.DuckDBPyConnection,
    batch: Batch,
    source: Source,
    checked: Mapping[str, CheckedFile],
    opened: Mapping[str, Sequence[SourceFile]],
    counted: Mapping[str, RecordCount],
) -> dict[str, int]:
    """Keep the records that could not be split, since every later scan reports them again; their number by resource."""
    owner = {path: resource.name for resource in batch.resources for path in resource.paths}
    rejected = list(resources.rejected_records(connection, checked))
    known = Counter(path for path, *_ in rejected)
    for count in counted.values():
        known.update(count.by_file)
    told = {(path, number) for path, number, *_ in rejected}
    unclosed = resources.unclosed_records(connection, chain.from_iterable(opened.values()), known)
    # Blank lines push up the numbers of records, so that one from above the end may look like one below it.
    rejected += [reject for reject in unclosed if reject[:2] not in told]
    found = [(owner[record[0]], *record) for record in rejected]
    quotes = {each.name: resources.dialect_of(source, batch, each.name).quote for each in batch.resources}
    for resource, path, number, rule, _, text in found:
        quote = quotes[resource]
        if rule == "broken_quoting" and "\n" in text and text.count(quote) % 2:
            lines = text.count("\n")
            message = f"a quote is opened and not closed: the {lines} lines after it cannot be told apart"
            remedy = "Correct the row, or set quote in the profile to what the file uses."
            raise BatchRefusedError(Fault("unclosed_quote", message, remedy, path, number))
    if found:
        exact = [(*record, checked[record[1]].table is not None) for record in found]
        columns = ("resource", "file", "row_number", "rule", "message", "text", "is_exact")
        # Inserted one by one, half a million of them would take minutes.
        connection.register("unreadable", pl.DataFrame(exact, schema=columns, orient="row"))
        connection.execute("INSERT INTO rejected.record BY NAME FROM unreadable")
        connection.unregister("unreadable")
    numbers = Counter(record[0] for record in found)
    return {resource.name: numbers[resource.name] for resource in batch.resources}


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
