"""A database's result as a Parquet file that loses nothing: codes stay text, amounts decimals, times what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from warehouse.errors import SourceError

if TYPE_CHECKING:
    from flows.extract.databases.snapshot import Snapshot, Stream
    from warehouse.delivery.dialect import ResourceColumn


_NUMBERS = ("decimal", "integer")


@dataclass(frozen=True, slots=True)
class Written:
    """A file's rows, and the latest stamp in its watermark column; None where there is none."""

    rows: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A column of the file; `digits` where a driver gives a number as text, which is then written as the source's files do."""

    name: str
    kind: pa.DataType
    digits: bool


def exact(
    schema: pa.Schema, columns: Mapping[str, ResourceColumn | None], watermark: str | None, where: str
) -> tuple[Kept, ...]:
    """The file's columns and types; SourceError where a type has lost something already, or is none that can be kept.

    `columns` are those of the result that are wanted, with what the profile says of them (None: text).
    """
    wanted = dict(columns)
    if watermark is not None:
        if watermark not in schema.names:
            raise SourceError(f"{where}: does not give the watermark column {watermark}")
        if not pa.types.is_timestamp(schema.field(watermark).type) and not pa.types.is_date(
            schema.field(watermark).type
        ):
            raise SourceError(
                f"{where}: the watermark column {watermark} is {schema.field(watermark).type}, no time"
            )
    twice = sorted({name for name in wanted if schema.names.count(name) > 1})
    if twice:
        raise SourceError(f"{where}: gives the column {twice[0]} twice")
    kept = []
    for name, column in wanted.items():
        declared = "text" if column is None else column.type
        kind = _kept(schema.field(name).type, declared)
        if kind is None:
            given = _storage(schema.field(name).type)
            why = (
                "holds binary fractions, which lose digits"
                if pa.types.is_floating(given)
                else "cannot be kept"
            )
            raise SourceError(
                f"{where}: the column {name} is {given} and {why}: cast it to a decimal or a text there"
            )
        is_number = isinstance(schema.field(name).type, pa.BaseExtensionType) and declared.startswith(
            _NUMBERS
        )
        kept.append(Kept(name, kind, digits=is_number))
    return tuple(kept)


def _storage(kind: pa.DataType) -> pa.DataType:
    """Of a type that only a driver knows (a numeric as its digits, JSON as its text): what it is kept as."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _kept(kind: pa.DataType, declared: str) -> pa.DataType | None:
    """The type a column has in the file, None where nothing true to it can be written.

    What the profile reads as text is text before anything counts its digits: a Parquet integer has no leading zeros to
    lose, but its reader cannot know.
    """
    kind = _storage(kind)
    t = pa.types
    if t.is_string(kind) or t.is_large_string(kind):
        return pa.string()
    if not (
        t.is_integer(kind)
        or t.is_decimal(kind)
        or t.is_boolean(kind)
        or t.is_date(kind)
        or t.is_timestamp(kind)
    ):
        return None
    if declared == "text" or t.is_decimal256(kind):
        return pa.string()
    if declared == "boolean" and t.is_integer(kind):
        return pa.bool_()
    if t.is_timestamp(kind):
        return pa.timestamp(kind.unit)
    return pa.date32() if t.is_date(kind) else kind


def write(
    stream: Stream,
    kept: Sequence[Kept],
    file: Path,
    *,
    decimal_mark: str = ".",
    watermark: str | None = None,
    clock: datetime | None = None,
) -> Written:
    """Write a stream batch by batch; the latest stamp is the latest that is not beyond the ERP's clock.

    A row stamped in the future, by a wrong clock or by hand, would else hide what is stamped before it.
    """
    rows, until = 0, None
    schema = pa.schema([(column.name, column.kind) for column in kept])
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in stream.batches:
            rows += batch.num_rows
            writer.write_batch(_cast(batch, kept, schema, decimal_mark))
            if watermark is not None:
                latest = _latest(batch.column(batch.schema.names.index(watermark)), clock)
                until = max(filter(None, (until, latest)), default=None)
    return Written(rows, until)


def _cast(
    batch: pa.RecordBatch, kept: Sequence[Kept], schema: pa.Schema, decimal_mark: str
) -> pa.RecordBatch:
    columns = []
    for wanted in kept:
        column = batch.column(batch.schema.names.index(wanted.name))
        if isinstance(column, pa.ExtensionArray):
            column = column.storage
        column = column.cast(wanted.kind)
        if wanted.digits and decimal_mark != ".":
            column = pc.replace_substring(column, ".", decimal_mark)
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _latest(stamps: pa.Array, clock: datetime | None) -> datetime | None:
    stamps = stamps.cast(pa.timestamp("us"), safe=False)
    if clock is not None:
        stamps = stamps.filter(pc.less_equal(stamps, pa.scalar(clock, pa.timestamp("us"))))
    latest: datetime | None = pc.max(stamps).as_py()
    return latest


def read_scalar(snapshot: Snapshot, sql: str, where: str) -> Any:
    """The one value of a query; a time with a zone as the naive UTC it is."""
    with snapshot.read(sql, where) as stream:
        table = pa.Table.from_batches(list(stream.batches), stream.schema)
    if table.num_rows != 1 or table.num_columns < 1:
        raise SourceError(f"{where}: gives {table.num_rows} rows, and may give one")
    value = table.column(0)[0].as_py()
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.replace(tzinfo=None)
    return value
