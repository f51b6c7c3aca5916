"""Tries a mapping on files in a home of its own, which is thrown away: what would be accepted, kept out, refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from expectations.gate import Gate
from flows import load, pull
from flows.settings import Settings
from warehouse import reading
from warehouse.batch import Window
from warehouse.ledger import BatchOutcome
from warehouse.reading import QuarantineFilter


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the files, and of each rule that rows broke how many did, with the first of them."""

    outcome: BatchOutcome
    rules: list[dict[str, Any]]


def try_out(
    settings: Settings,
    files: Sequence[str],
    *,
    source: str,
    company: str,
    mode: str | None,
    window: Window | None,
    examples: int,
) -> Trial:
    """Load files as `land` and `refresh` would into an empty warehouse; the home that the settings name is not touched.

    LandingError and SourceError where the files cannot be placed, or the mapping cannot be read.
    """
    now = datetime.now(UTC)
    with TemporaryDirectory(prefix="valuemart-check-") as folder:
        apart = settings.model_copy(update={"home": Path(folder), "data_docs": "never"})
        pull.land(apart, files, source=source, company=company, extracted_at=now, mode=mode, window=window)
        (outcome,) = load.load_inbox(apart, Gate(), recorded_at=now.replace(tzinfo=None)).outcomes
        return Trial(
            outcome, reading.quarantine_rules(apart.warehouse_file, QuarantineFilter(), examples=examples)
        )
