"""Batches staged once and merged in every order they may land in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

from tests.warehouse.making import NOW, Delivery, write_source
from warehouse.delivery.manifest import read_manifest
from warehouse.delivery.profile import Source, read_source
from warehouse.merge import merge
from warehouse.staging import quarantine
from warehouse.staging import scratch as staging
from warehouse.store.ledger import Attempt, BatchOutcome
from warehouse.store.migrate import migrate


class Bench:
    """A warehouse in memory that batches are merged into, and emptied again for the next order."""

    def __init__(self, folder: Path, sql: Mapping[str, str] | None = None, **changes: Any) -> None:
        """`sql` and `changes` replace parts of the sources, which are all alike: see `write_source`."""
        self.folder = folder
        self.numbers = count()
        self.connection = duckdb.connect()
        migrate(self.connection, NOW)
        self.sources = {
            name: read_source(write_source(folder / "sources", sql=sql, **changes, source=name))
            for name in ("shop", "till")
        }

    def judged(self, delivery: Delivery) -> merge.Judged:
        """A batch staged once, for all the orders it lands in."""
        return self.staged(
            delivery.write(self.folder / f"inbox{next(self.numbers)}"), self.sources[delivery.source]
        )

    def staged(self, landed: Path, source: Source) -> merge.Judged:
        """A landed batch staged, with no violation but those of staging itself."""
        batch, path = read_manifest(landed), self.folder / f"{next(self.numbers)}.duckdb"
        with staging.stage(batch, source, path) as scratch:
            for table in scratch.tables:
                quarantine.quarantine_rows(scratch, table, [])
            quarantine.number_rows_as_the_file_does(scratch)
            attempt = Attempt("1", "", scratch.record_counts, scratch.bytes_read)
            return merge.Judged(path, batch, scratch.tables, (), attempt)

    def empty(self) -> None:
        for table in (
            "erp.customers",
            "erp.invoice_lines",
            "ops.batch",
            "ops.batch_table",
            "ops.batch_resource",
            "ops.tombstone",
            "ops.whole_document",
            "ops.forgotten",
        ):
            self.connection.execute(f"DELETE FROM {table}")
        self.connection.execute("DELETE FROM quarantine.row; DELETE FROM quarantine.reason")

    def land(self, batches: Iterable[merge.Judged], owners: Mapping[str, Any]) -> None:
        self.empty()
        for judged in batches:
            self.merge(judged, owners)

    def merge(
        self, judged: merge.Judged, owners: Mapping[str, Any] | None = None, shrink_limit: float = 1
    ) -> BatchOutcome:
        """Land one batch on top of what is here."""
        return merge.merge_batch(
            self.connection, judged, owners=owners or {}, shrink_limit=shrink_limit, recorded_at=NOW
        )

    def loaded(self, delivery: Delivery, shrink_limit: float = 1) -> BatchOutcome:
        """Stage and land one batch on top of what is here."""
        return self.merge(self.judged(delivery), shrink_limit=shrink_limit)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the warehouse."""
        return self.connection.execute(sql).fetchall()
