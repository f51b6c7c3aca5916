"""Batches staged once and merged in every order they may land in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

from tests.warehouse.making import NOW, Delivery, write_source
from warehouse import merge, quarantine, staging
from warehouse.batch import read_manifest
from warehouse.migrate import migrate
from warehouse.source import read_source


class Bench:
    """A warehouse in memory that batches are merged into, and emptied again for the next order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = count()
        self.connection = duckdb.connect()
        migrate(self.connection, NOW)
        self.sources = {
            name: read_source(write_source(folder / "sources", source=name)) for name in ("shop", "till")
        }

    def judged(self, delivery: Delivery) -> merge.Judged:
        """A batch staged once, for all the orders it lands in."""
        number = next(self.numbers)
        batch = read_manifest(delivery.write(self.folder / f"inbox{number}"))
        path = self.folder / f"{number}.duckdb"
        with staging.stage(batch, self.sources[delivery.source], path) as scratch:
            for table in scratch.tables:
                quarantine.put_aside(scratch, table, [])
            return merge.Judged(
                path, batch, scratch.tables, (), "1", "", scratch.record_counts, scratch.bytes_read
            )

    def empty(self) -> None:
        for table in (
            "erp.customers",
            "erp.invoice_lines",
            "ops.batch",
            "ops.batch_table",
            "ops.batch_resource",
            "ops.tombstone",
        ):
            self.connection.execute(f"DELETE FROM {table}")
        self.connection.execute("DELETE FROM quarantine.row; DELETE FROM quarantine.reason")

    def land(self, batches: Iterable[merge.Judged], owners: Mapping[str, Any]) -> None:
        self.empty()
        for judged in batches:
            merge.merge_batch(self.connection, judged, owners=owners, shrink_limit=1, recorded_at=NOW)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        return self.connection.execute(sql).fetchall()
