"""Tries a mapping on files in a home of its own, which is thrown away: what would be accepted, kept out, refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from expectations.gate import PredicateGate
from flows.inbox import landing
from flows.pipeline import load
from flows.settings import Settings
from warehouse.delivery.manifest import Window
from warehouse.mart import queries
from warehouse.mart.queries import QuarantineFilter
from warehouse.store.ledger import BatchOutcome


@dataclass(frozen=True, slots=True)
class DryRun:
    """What became of the files, and of each rule that rows broke how many did, with the first of them."""

    outcome: BatchOutcome
    rules: list[dict[str, Any]]

    @property
    def rows(self) -> int:
        """The rows of all tables, whatever became of them."""
        return sum(table.rows_in for table in self.outcome.tables)

    @property
    def quarantined(self) -> int:
        """Those of them that would be put into quarantine, for a fault of their own or to wait for a record."""
        return sum(table.quarantined + table.waiting for table in self.outcome.tables)


def dry_run(
    settings: Settings,
    files: Sequence[str],
    *,
    source: str,
    company: str,
    mode: str | None,
    window: Window | None,
    examples: int,
) -> DryRun:
    """Load files as `land` and `refresh` would into an empty warehouse; the home that the settings name is not touched.

    LandingError and SourceError where the files cannot be placed, or the mapping cannot be read.
    """
    now = datetime.now(UTC)
    with TemporaryDirectory(prefix="valuemart-check-") as folder:
        apart = settings.apart(Path(folder))
        landing.land(apart, files, source=source, company=company, extracted_at=now, mode=mode, window=window)
        (outcome,) = load.load_inbox(apart, PredicateGate(), recorded_at=now.replace(tzinfo=None)).outcomes
        return DryRun(
            outcome, queries.quarantine_rules(apart.warehouse_file, QuarantineFilter(), examples=examples)
        )
