"""The scratch file of one batch: its records as they were delivered, and the typed staging tables that a source's SQL gives.

The files are read in a DuckDB instance of the batch's own, which sees them and nothing else: external access is off and
the configuration locked for the whole instance, which is why it cannot be the warehouse's.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from warehouse.connection import CONFIG, limited_to, literal, quoted
from warehouse.delivery.grouping import Grouping
from warehouse.delivery.manifest import MANIFEST, Batch
from warehouse.delivery.profile import Source
from warehouse.errors import BatchRefusedError, Fault, Mistakes, SourceError
from warehouse.staging import checks, key_sets, records, views
from warehouse.staging.delivered import Delivery
from warehouse.staging.key_sets import KeySet
from warehouse.staging.pieces import cut_files
from warehouse.staging.source_file import readable_path
from warehouse.staging.source_sql import Made, complaint, make_tables
from warehouse.staging.tables import StagedTable, account
from warehouse.staging.totals import check_totals

# Below this, waking a second thread costs more than it gives.
SMALL_BATCH_BYTES = 8 * 1024 * 1024
# What DuckDB holds while it reads a batch, in bytes, where nobody says; what is more waits on the disk.
_MEMORY = 1 << 30
MACROS = Path(__file__).with_name("macros.sql")


@dataclass(frozen=True, slots=True)
class ReferenceResource:
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
    reference_resources: tuple[ReferenceResource, ...]
    key_sets: tuple[KeySet, ...]
    record_counts: Mapping[str, int]
    bytes_read: Mapping[str, int]
    delivery: Delivery
    groupings: Mapping[str, Grouping]
    warnings: tuple[str, ...] = ()


@contextmanager
def stage(
    batch: Batch, source: Source, path: Path, *, days_ahead: int | None = None, memory: int = _MEMORY
) -> Iterator[Scratch]:
    """Check the batch's files and fill its scratch file; the connection closes with the block.

    A row whose own date lies more than `days_ahead` after the batch was extracted is put into quarantine, if that is given.
    DuckDB holds at most `memory` bytes; what cannot be read within them is refused.
    BatchRefusedError for a fault of the batch as a whole, SourceError for a mapping that cannot work; raised inside
    the block too, they leave it with the number of records that came in.
    """
    delivery = Delivery.of(batch, source, days_ahead)
    mistakes = Mistakes()
    try:
        with mistakes.noted():
            checks.require_resources(delivery)
        with mistakes.noted():
            checks.check_files(delivery, path)
        if not mistakes:
            cut_files(delivery, path)
        connection = open_locked(path, delivery, memory)
        try:
            _open_files(connection, delivery, mistakes)
            yield _fill(connection, delivery, path)
        finally:
            connection.close()
    except duckdb.OutOfMemoryException as error:
        raise BatchRefusedError(_too_large(error)) from error
    except (BatchRefusedError, SourceError) as error:
        error.records = delivery.records
        raise


def _open_files(connection: duckdb.DuckDBPyConnection, delivery: Delivery, mistakes: Mistakes) -> None:
    """Open each file that is fit to be read; if anything is wrong, raises it with what is wrong in the headers of these."""
    with mistakes.noted():
        records.open_files(connection, delivery)
    if mistakes:
        with mistakes.noted():
            views.require_columns(delivery)
        mistakes.require_none()


def _too_large(error: duckdb.Error) -> Fault:
    message = f"takes more memory to read than a batch may ({complaint(error)[:200]})"
    remedy = "A cell or a record of it is of megabytes, or far too many are in quarantine: look into its files, or split it."
    return Fault("too_large_to_read", message, remedy, MANIFEST)


def open_locked(path: Path, delivery: Delivery, memory: int = _MEMORY) -> duckdb.DuckDBPyConnection:
    """A new scratch file in an instance that can read the batch's checked files and nothing else.

    The source's SQL can ask it for the settings that the batch states.
    """
    located = [file.readable for _, file in delivery.checked]
    pieces = [piece for each in delivery.every for cut in each.cuts.values() for piece in cut.pieces]
    names = sorted({name for file in (*located, *pieces) for name in (str(file), readable_path(file))})
    small = sum(file.stat().st_size for file in located) < SMALL_BATCH_BYTES
    config = {**CONFIG, **limited_to(memory), **({"threads": "1"} if small else {})}
    connection = duckdb.connect(str(path), config=config)  # type: ignore[arg-type]
    # Keeping the order in which rows come, DuckDB would read one piece after the other; each row bears its number.
    connection.execute(f"SET preserve_insertion_order={not delivery.is_cut}")
    # In one transaction: each by itself, what it creates would be written out forty times.
    connection.execute(f"BEGIN; {MACROS.read_text(encoding='utf-8')}; {_SCHEMAS}; COMMIT")
    variables = "".join(
        f"SET VARIABLE {quoted(setting)} = {literal(value)};" for setting, value in delivery.settings.items()
    )
    connection.execute(
        f"""SET search_path='resource,main'; SET TimeZone='UTC'; {variables}
            SET allowed_paths=[{", ".join(literal(name) for name in names)}];
            SET temp_directory={literal(str(path) + ".tmp")};
            SET enable_external_access=false; SET lock_configuration=true"""
    )
    return connection


_SCHEMAS = """
CREATE SCHEMA resource; CREATE SCHEMA staging; CREATE SCHEMA rejected; CREATE SCHEMA key_set; CREATE SCHEMA gone;
CREATE SCHEMA whole;
CREATE TABLE rejected.row (
    table_name VARCHAR, file VARCHAR, row_number BIGINT, staged JSON, raw JSON);
CREATE TABLE rejected.reason (
    table_name VARCHAR, file VARCHAR, row_number BIGINT, rule VARCHAR, column_name VARCHAR, raw_value VARCHAR,
    message VARCHAR);
CREATE TABLE rejected.record (
    resource VARCHAR, file VARCHAR, row_number BIGINT, rule VARCHAR, message VARCHAR, text VARCHAR, is_exact BOOLEAN);
CREATE TABLE rejected.before (
    table_name VARCHAR, file VARCHAR, row_number BIGINT, rule VARCHAR, column_name VARCHAR);
CREATE TABLE rejected.told_by (resource VARCHAR, table_name VARCHAR);
CREATE TABLE rejected.blank (file VARCHAR, row_number BIGINT)
"""


def _fill(connection: duckdb.DuckDBPyConnection, delivery: Delivery, path: Path) -> Scratch:
    """Stage every table whose driving resource the batch holds."""
    mistakes = Mistakes()
    warnings = _read_files(connection, delivery, mistakes)
    made, staged = list[Made](), list[StagedTable]()
    with mistakes.noted():
        made = make_tables(connection, delivery)
    for each in made:
        with mistakes.noted():
            staged.append(account(connection, delivery, each))
    mistakes.require_none()
    drives = {each for mapping in delivery.source.profile.tables.values() for each in mapping.drivers}
    return Scratch(
        connection,
        path,
        delivery.batch,
        delivery.source,
        tuple(staged),
        tuple(
            ReferenceResource(each.name, each.mode, each.records)
            for each in delivery.held
            if each.is_brought and each.name not in drives
        ),
        key_sets.stage(connection, delivery.batch),
        {each.name: each.own for each in delivery.held},
        {each.name: each.bytes_read for each in delivery.held},
        delivery,
        {each.name: each.grouping for each in made},
        warnings,
    )


def _read_files(
    connection: duckdb.DuckDBPyConnection, delivery: Delivery, mistakes: Mistakes
) -> tuple[str, ...]:
    """Count and type the records of each resource, and hold them against what their sender says of them.

    What was rounded on the way, and what was not read, is given back as warnings.
    """
    for each in delivery.every:
        records.count_records(connection, each)
    records.keep_unreadable_records(connection, delivery)
    records.keep_blank_records(connection, delivery)
    views.require_columns(delivery)
    warnings = (
        *records.unread_sheets(delivery),
        *records.mixed_encodings(delivery),
        *records.rounded(connection, delivery),
    )
    views.create_typed(connection, delivery, small=delivery.size < SMALL_BATCH_BYTES)
    with mistakes.noted():
        check_totals(connection, delivery)
    return warnings


def remove_scratch(folder: Path) -> None:
    """Drop all scratch files, be it after a batch or those of runs that did not end."""
    shutil.rmtree(folder, ignore_errors=True)
