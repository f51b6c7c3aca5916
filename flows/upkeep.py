"""Upkeep: back up, drop raw batches nobody needs any more, forget what no batch may ask, compact the warehouse."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from flows import backup
from flows.console.progress import report_step
from flows.pipeline.load import open_warehouse
from flows.settings import Settings
from warehouse.lake.address import Lake
from warehouse.lake.upkeep import tidy
from warehouse.merge import remembered
from warehouse.store.backup import compact, loaded_before

# No query on the lake takes longer: what it reads is not removed under it.
_READERS_TAKE = timedelta(days=1)


def look_after(
    settings: Settings,
    now: datetime,
    *,
    keep_archive_days: int | None,
    backups: int,
    backup_folder: Path | None = None,
    late_days: int | None = None,
) -> None:
    """What `maintain` does, at an instant that is aware; nothing where nothing was loaded yet."""
    if not settings.warehouse_at.exists():
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
        if isinstance(settings.warehouse_at, Lake):
            report_step("merging the lake's files, and dropping its former states")
            kept = timedelta(days=settings.warehouse_keep_days)
            tidy(connection, states_before=_naive(now - kept), files_before=_naive(now - _READERS_TAKE))
        else:
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
