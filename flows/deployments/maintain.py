"""The flow `maintain`: upkeep, as `valuemart maintain` does it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows import settings as configuration
from flows.upkeep import look_after


@flow(name="maintain", persist_result=False, validate_parameters=True)
def maintain(
    keep_archive_days: Annotated[int, Field(ge=1)] | None = None,
    backups: Annotated[int, Field(ge=0)] = 7,
    backup_folder: Path | None = None,
    late_days: Annotated[int, Field(ge=1)] | None = None,
) -> None:
    """Back up, drop raw batches and memories that are older than they need be, and compact the warehouse.

    Args:
        keep_archive_days: Drop raw batches from the archive that were loaded longer ago; empty keeps all of them.
        backups: How many backups to keep, the new one included; 0 makes none and drops none.
        backup_folder: Where backups lie; empty means the folder `backups` in the home.
        late_days: Forget which rows and documents are gone by batches that were extracted longer ago; empty means the setting
            `late_days`.
    """
    look_after(
        configuration.load(),
        datetime.now(UTC),
        keep_archive_days=keep_archive_days,
        backups=backups,
        backup_folder=backup_folder,
        late_days=late_days,
    )
