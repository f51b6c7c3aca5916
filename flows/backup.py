"""Backups: everything that cannot be made again from what the ERP still has, as one folder that says what it holds.

A backup holds the warehouse, the relay's store, the events that were written to files, the policy, and the key that masks
names in shared marts: keep it as safe as the home. The inbox and the archive are plain files that never change: copy
them as such. The mart is published from the warehouse.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from expectations.contract import contracts
from flows.errors import UserError
from flows.pipeline.load import open_warehouse
from flows.settings import Settings
from flows.settings.sinks import FileSettings
from warehouse.connection import open_database, transaction
from warehouse.files import sync, write_text
from warehouse.lake.address import Lake
from warehouse.mart import publish, share
from warehouse.rating import outbox
from warehouse.relay.store import read_store
from warehouse.storage_errors import DamagedFileError
from warehouse.store import backup, ledger, moving
from warehouse.store.migrate import migrate

NOTE = "backup.json"
WAREHOUSE, RELAY, EVENTS, POLICY = "warehouse.duckdb", "relay.db", "events", "policy.toml"
KEY = share.KEY_FILE
PREFIX, STAMP = "valuemart-", "%Y%m%dT%H%M%SZ"


class BackupError(UserError):
    """There is nothing to back up, or a backup is not whole; the message says which file and what to do."""


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup and what it shows: how often something was loaded, and the day of the last rating."""

    folder: Path
    made_at: datetime
    loads: int
    as_of: str | None
    bytes: int


def back_up(settings: Settings, out: Path, now: datetime) -> Backup:
    """Copy what cannot be made again into a new folder below `out`, whole or not at all; `now` is aware.

    BackupError where nothing was loaded yet; WarehouseBusyError where a run holds the warehouse for too long.
    """
    if not settings.warehouse_at.exists():
        raise BackupError(f"there is nothing to back up in {settings.home}: nothing was loaded yet")
    made_at = now.astimezone(UTC)
    folder = out / f"{PREFIX}{made_at:{STAMP}}"
    building = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    with backup.exclusive_snapshot(settings.warehouse_at, settings.memory_limit) as held:
        loaded, rated = (ledger.generation(held.connection, stage) for stage in ("load", "rating"))
        held.copy_to(building / WAREHOUSE)
        if settings.relay_file.exists():
            backup.copy_relay(settings.relay_file, building / RELAY)
    # After the books that say what was delivered: what they call delivered is in these files.
    if settings.events_folder.exists():
        shutil.copytree(settings.events_folder, building / EVENTS)
    if settings.policy_file.exists():
        shutil.copyfile(settings.policy_file, building / POLICY)
    if (settings.home / KEY).exists():
        shutil.copy(settings.home / KEY, building / KEY)  # with its mode: it is a secret
    made = Backup(
        folder, made_at, loaded.generation, str(rated.as_of) if rated.as_of else None, _size(building)
    )
    write_text(building / NOTE, _note(settings, made, building))
    building.rename(folder)
    sync(out)
    return made


def prune(out: Path, keep: int) -> list[Path]:
    """Remove all but the newest backups; those that were removed."""
    made = sorted(each for each in out.glob(f"{PREFIX}*") if (each / NOTE).is_file())
    surplus = made[: max(len(made) - keep, 0)]
    for folder in surplus:
        shutil.rmtree(folder)
    return surplus


def restore(settings: Settings, folder: Path, now: datetime) -> tuple[Backup, Path | None]:
    """Put a backup in the place of what the home holds, and publish it; the backup, and where the former things are.

    Nothing is touched where the backup is not whole. The former files are moved aside, into the home. BackupError names
    what is wrong; WarehouseBusyError where a run holds the warehouse.
    """
    made, names = _checked(folder)
    restoring = settings.home / ".restoring"
    shutil.rmtree(restoring, ignore_errors=True)
    restoring.mkdir(parents=True)
    for name in names:
        (restoring / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / name, restoring / name)
    recorded_at = now.astimezone(UTC).replace(tzinfo=None)
    if isinstance(settings.warehouse_at, Lake):
        _into_lake(settings, restoring / WAREHOUSE, recorded_at)
    aside = _put_aside(settings, now)
    for path in sorted(restoring.iterdir()):
        if path.name != POLICY or settings.policy is None:
            path.rename(settings.home / path.name)
    shutil.rmtree(restoring)
    with open_warehouse(settings, recorded_at) as connection:
        with transaction(connection):
            outbox.raise_sequences(connection, _seen(settings, aside))
        state = ledger.generation(connection, "state").generation
        # What is published may carry the same number, and show what came after the backup.
        publish.publish(
            connection,
            settings.home,
            contracts(),
            state,
            recorded_at,
            folder=settings.published_folder,
            readers=settings.readers,
            force=True,
        )
    for each in settings.shares:
        share.build_if_behind(
            settings.home, each, published=settings.published_folder, readers=settings.readers
        )
    return made, aside


def _into_lake(settings: Settings, file: Path, recorded_at: datetime) -> None:
    """Put a backup's warehouse in the place of what the lake holds."""
    with open_database(file) as connection:
        migrate(connection, recorded_at)
    with open_warehouse(settings, recorded_at) as connection:
        moving.take_from(connection, file)
    file.unlink()


def _seen(settings: Settings, aside: Path | None) -> dict[tuple[str, str], int] | None:
    """The highest number of each customer that the relay's former books or a sink's files know; None where there are none."""
    seen: list[tuple[tuple[str, str], int]] = []
    if aside is not None and (aside / RELAY).exists():
        with suppress(DamagedFileError), read_store(aside / RELAY) as store:
            seen += store.highest().items()
    folders = {
        settings.events_folder,
        *(sink.folder for sink in settings.sinks.values() if isinstance(sink, FileSettings) and sink.folder),
    }
    if aside is not None:
        folders.add(aside / EVENTS)
    for file in (file for folder in sorted(folders) for file in folder.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, KeyError):  # the last line may be torn
                event = json.loads(line)
                company, _, customer = event["subject"].partition("/")
                seen.append(((company, customer), int(event["sequence"])))
    if aside is None or not seen:
        return None
    return {
        customer: max(number for who, number in seen if who == customer)
        for customer in {who for who, _ in seen}
    }


def _put_aside(settings: Settings, now: datetime) -> Path | None:
    """Move what a restore replaces into a folder of its own; None where there is nothing."""
    names = [RELAY, f"{RELAY}-wal", f"{RELAY}-shm", EVENTS, KEY]
    is_file = settings.warehouse_at == settings.warehouse_file
    if is_file:  # what a lake held stays among its former states
        names += [WAREHOUSE, f"{WAREHOUSE}.wal"]
    if settings.policy is None:
        names.append(POLICY)
    there = [settings.home / name for name in names if (settings.home / name).exists()]
    if not there:
        return None
    aside = settings.home / f"replaced-{now.astimezone(UTC):{STAMP}}"
    aside.mkdir()
    if is_file and settings.warehouse_file.exists():
        with suppress(DamagedFileError), backup.exclusive_snapshot(settings.warehouse_file):
            pass  # or a run that works on it would go on in the file that is moved
    for path in there:
        if path.exists():
            path.rename(aside / path.name)
    return aside


def _checked(folder: Path) -> tuple[Backup, list[str]]:
    """What a backup says of itself, and the names of its files, every one of them read and found as it was written."""
    try:
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        files = dict(note["files"])
        shown = note["backup"]
        made = Backup(
            folder,
            datetime.fromisoformat(shown["made_at"]),
            int(shown["loads"]),
            shown["as_of"],
            int(shown["bytes"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupError(
            f"{folder} is no backup: {NOTE} cannot be read ({error}); name a folder that `valuemart backup` made"
        ) from error
    for name, written in files.items():
        if not (folder / name).is_file() or _sha256(folder / name) != written:
            raise BackupError(f"{folder / name} is missing or not as it was written; take another backup")
    return made, sorted(files)


def _note(settings: Settings, made: Backup, building: Path) -> str:
    """What the backup holds and under which settings it was made; secrets are not among them."""
    names = {
        "tenant",
        "warehouse",
        "company_currency",
        "timezone",
        "home",
        "policy",
        "sources_path",
        "owners",
        "shrink_limit",
        "days_ahead",
        "late_days",
        "strict",
    }
    note = {
        "valuemart": version("valuemart"),
        "backup": {**asdict(made), "folder": made.folder.name},
        "settings": settings.model_dump(mode="json", include=names),
        "files": {str(path.relative_to(building)): _sha256(path) for path in _files(building)},
    }
    return json.dumps(note, indent=2, default=str) + "\n"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
