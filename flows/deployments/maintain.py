"""Upkeep: back up, drop raw batches nobody needs any more, forget what no batch may ask, compact the warehouse."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from prefect import flow
from pydantic import Field

from flows import backup
from flows import settings as configuration
from flows.console.progress import report_step
from flows.pipeline.load import open_warehouse
from flows.settings import Settings
from warehouse.merge import remembered
from warehouse.store.backup import compact, loaded_before


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


def look_after(
    settings: Settings,
    now: datetime,
    *,
    keep_archive_days: int | None,
    backups: int,
    backup_folder: Path | None,
    late_days: int | None = None,
) -> None:
    """What `maintain` does, at an instant that is aware; nothing where nothing was loaded yet."""
    if not settings.warehouse_file.exists():
        return
    if backups:
        out = backup_folder or settings.backups_folder
        report_step(f"backing up into {out}")
        backup.back_up(settings, out, now)
        backup.prune(out, backups)
    if keep_archive_days is not None:
        report_step(f"dropping raw batches of more than {keep_archive_days} days ago")
        prune_archive(settings, now - timedelta(days=keep_archive_days), now)
    late = timedelta(days=settings.late_days if late_days is None else late_days)
    with open_warehouse(settings, _naive(now)) as connection:
        forgotten = remembered.forget_before(connection, _naive(now - late))
        if forgotten:
            report_step(f"forgot {forgotten:,} keys and documents that were gone {late.days} days ago")
        compact(connection)


def prune_archive(settings: Settings, before: datetime, now: datetime) -> list[Path]:
    """Remove the raw files of batches that the ledger says were loaded before that instant; those that were removed."""
    with open_warehouse(settings, _naive(now)) as connection:
        loaded = loaded_before(connection, _naive(before))
    folders = [settings.archive.joinpath(*identity) for identity in loaded]
    dropped = [folder for folder in folders if folder.is_dir()]
    for folder in dropped:
        shutil.rmtree(folder)
    return dropped


def _naive(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(tzinfo=None)
