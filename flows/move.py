"""Moving a home's warehouse: from its file into a lake, back, or from one lake into another; compared table for table."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from flows.console.progress import report_step
from flows.errors import UsageError
from flows.pipeline.load import open_warehouse
from flows.settings import Settings
from warehouse.lake.address import Lake, Warehouse
from warehouse.lake.opening import open_at, size
from warehouse.store import backup, moving
from warehouse.store.migrate import migrate
from warehouse.store.moving import Moved


@dataclass(frozen=True, slots=True)
class Move:
    """What was copied, from where and to where, with the bytes of both; `url` and `data` are what the settings are to say now."""

    url: str
    data: Path | str | None
    before: str
    after: str
    tables: tuple[Moved, ...]
    bytes_before: int
    bytes_after: int


def move(settings: Settings, url: str, data: Path | str | None, recorded_at: datetime) -> Move:
    """Copy the warehouse to where `url` says, its files into `data` if that is a lake; what is there now stays as it is.

    UsageError where nothing is to be moved, or something is there already; MovingError where a table came out differently, of
    which nothing stays; LakeError; WarehouseBusyError where a run holds either of them.
    """
    here, there = settings.warehouse_at, settings.moved(url, data).warehouse_at
    if str(here) == str(there):
        raise UsageError(f"the warehouse is in {here} already")
    if not here.exists():
        raise UsageError(
            f"nothing was loaded in {settings.home} yet: name the warehouse in the settings, and begin there"
        )
    with open_warehouse(settings, recorded_at):
        pass  # both sides are to be of this version
    report_step(f"copying {here} into {there}")
    if isinstance(there, Lake):
        tables = _into_lake(settings, here, there, recorded_at)
    else:
        tables = _into_file(settings, here, there)
    return Move(url, data, str(here), str(there), tuple(tables), size(here), size(there))


def _into_lake(settings: Settings, here: Warehouse, there: Lake, recorded_at: datetime) -> list[Moved]:
    with open_at(there, memory=settings.memory_limit) as connection:
        migrate(connection, recorded_at)
        if not moving.is_empty(connection):
            raise UsageError(f"{there} holds a warehouse already; name another, or drop what is there")
        if not isinstance(here, Lake):
            return moving.take_from(connection, here)  # attached, the file is locked
        with backup.exclusive_snapshot(here, settings.memory_limit):
            return moving.take_from(connection, here)


def _into_file(settings: Settings, here: Warehouse, there: Path) -> list[Moved]:
    if there.exists():
        raise UsageError(f"{there} is there already; move it away first")
    if not isinstance(here, Lake):
        raise UsageError(f"the warehouse is the file {here} already")
    building = there.with_name(f"{there.name}.building")
    building.unlink(missing_ok=True)
    with backup.exclusive_snapshot(here, settings.memory_limit):
        moved = moving.into_file(here, building, settings.memory_limit)
        building.rename(there)
    return moved
