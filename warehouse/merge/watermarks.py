"""How far a source has been read from its ERP's database; written only where the rows themselves are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import duckdb

from warehouse.connection import count, insert
from warehouse.delivery.manifest import Batch
from warehouse.lake.address import Warehouse
from warehouse.lake.opening import attach_to_read


def watermarks(books: Iterable[Warehouse], source: str, company: str) -> dict[str, datetime]:
    """Resource to watermark of one source and company, as the first of these books that can be read now has it.

    Nothing where none was loaded yet, or a file is older than watermarks are. A warehouse that a run holds cannot be read;
    its published books can, and may lag behind, which costs reading more again.
    """
    for each in books:
        if not each.exists():
            continue
        with duckdb.connect() as connection:
            try:
                attach_to_read(connection, each, "books")
            except duckdb.IOException:
                continue
            there = """SELECT count(*) FROM duckdb_tables()
                       WHERE database_name = 'books' AND schema_name = 'ops' AND table_name = 'watermark'"""
            if not count(connection, there):
                continue
            rows = connection.execute(
                "SELECT resource, watermark FROM books.ops.watermark WHERE source = ? AND company_code = ?",
                [source, company],
            ).fetchall()
            return dict(rows)
    return {}


def advance(connection: duckdb.DuckDBPyConnection, batch: Batch) -> tuple[str, ...]:
    """Move the watermarks to where a batch has read, inside the transaction that loads its rows; warnings.

    A batch that was read from a point which this warehouse has not reached leaves a gap, and the watermark where it is:
    the next pull reads the gap. One that read everything sets it, back too, since the ERP itself may have been restored.
    A batch older than the one that set it says nothing new.
    """
    warnings = []
    for resource, read in sorted(batch.about.watermarks.items()):
        place = [batch.source, batch.company, resource]
        rows = connection.execute(
            """SELECT watermark, batch_sequence, recorded_at, batch_id FROM ops.watermark
               WHERE source = ? AND company_code = ? AND resource = ?""",
            place,
        ).fetchall()
        reached, *order = rows[0] if rows else (None,)
        if order and tuple(order) > batch.order:
            continue
        until = read.until
        if read.since is not None:
            if reached is None or reached < read.since:
                warnings.append(
                    f"{resource} was read from {read.since:%Y-%m-%d %H:%M:%S} on, and what lies before is "
                    f"{'not here' if reached is None else f'here up to {reached:%Y-%m-%d %H:%M:%S}'}: "
                    "the next pull reads it again"
                )
                continue
            until = max(reached, until or reached)
        connection.execute(
            "DELETE FROM ops.watermark WHERE source = ? AND company_code = ? AND resource = ?", place
        )
        if until is not None:
            sequence, extracted_at, batch_id = batch.order
            insert(
                connection,
                "ops.watermark",
                {
                    "source": batch.source,
                    "company_code": batch.company,
                    "resource": resource,
                    "watermark": until,
                    "batch_sequence": sequence,
                    "recorded_at": extracted_at,
                    "batch_id": batch_id,
                },
            )
    return tuple(warnings)
