"""What has landed: batches in the inbox, and batches made of files a person exported by hand."""

from __future__ import annotations

import glob
import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from expectations.contract import load as load_contract
from flows.errors import UserError
from flows.settings import Settings
from warehouse.delivery.manifest import (
    READY,
    WINDOW,
    About,
    Batch,
    BatchResource,
    Manifest,
    Taking,
    Window,
    as_written,
    named_sheet,
)
from warehouse.delivery.profile import Source, get_source, mapping_hash
from warehouse.errors import BatchRefusedError, Fault
from warehouse.store.ledger import KnownBatch

# Clocks differ, and a zone may have been left out; a batch further ahead of this machine's clock is a mistake.
FURTHEST_AHEAD = timedelta(days=1)
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class LandingError(UserError):
    """The files cannot be made into a batch; the message says which one and what to do."""


@dataclass(frozen=True, slots=True)
class Landed:
    """A batch folder that is complete."""

    folder: Path
    source: str
    company: str
    batch_id: str

    @property
    def identity(self) -> tuple[str, str, str]:
        """Source, company, batch id."""
        return (self.source, self.company, self.batch_id)


@dataclass(frozen=True, slots=True)
class Inbox:
    """What lies in the inbox: complete batches, and folders still without `_SUCCESS`."""

    ready: tuple[Landed, ...]
    waiting: tuple[Landed, ...]


def scan_inbox(inbox: Path) -> Inbox:
    """Every batch folder of the inbox; one without `_SUCCESS` is not there yet."""
    ready: list[Landed] = []
    waiting: list[Landed] = []
    for folder in sorted(inbox.glob("*/*/*")):
        if not folder.is_dir():
            continue
        landed = Landed(folder, *folder.parts[-3:])
        (ready if (folder / READY).exists() else waiting).append(landed)
    return Inbox(tuple(ready), tuple(waiting))


def fingerprint(landed: Landed, settings: Settings) -> str:
    """Changes when the manifest, a file, the mapping, or a setting that refuses does.

    It is cheap, so that a refused batch is not judged each time.
    """
    digest = hashlib.sha256()
    digest.update(mapping_hash(landed.source, settings.sources_path).encode())
    digest.update(f"\0{settings.shrink_limit}\0".encode())
    if not _lies_in(settings.inbox, landed.folder):
        return digest.hexdigest()  # a link may lead to a whole disk
    for path in sorted(landed.folder.rglob("*")):
        if path.is_file():
            state = path.stat()
            digest.update(
                f"{path.relative_to(landed.folder)}\0{state.st_size}\0{state.st_mtime_ns}\0".encode()
            )
    return digest.hexdigest()


def _lies_in(inbox: Path, folder: Path) -> bool:
    """Whether a batch folder is one of the inbox's own, and no link on its way leads elsewhere."""
    return folder.resolve() == inbox.resolve().joinpath(*folder.parts[-3:])


def require_own_folder(landed: Landed, inbox: Path) -> None:
    """BatchRefusedError where a link leads out of the inbox on the way to a batch's folder."""
    if not _lies_in(inbox, landed.folder):
        message = f"{'/'.join(landed.identity)} is reached by a link that leads out of the inbox"
        remedy = "Deliver the batch's folder itself; links are not followed."
        raise BatchRefusedError(Fault("path_outside_batch", message, remedy))


def new_batches(
    inbox: Inbox, known: Mapping[tuple[str, str, str], KnownBatch], settings: Settings
) -> list[Landed]:
    """The complete batches that need work: all but those that were refused and would be refused again."""
    todo = []
    for landed in inbox.ready:
        before = known.get(landed.identity)
        if before is None or before.refused is None or before.refused != fingerprint(landed, settings):
            todo.append(landed)
    return todo


def land(
    settings: Settings,
    files: Sequence[str],
    *,
    source: str,
    company: str,
    extracted_at: datetime,
    sequence: int = 0,
    mode: str | None = None,
    stated: Mapping[str, str] | None = None,
    window: Window | None = None,
) -> Landed:
    """Make a batch of files exported by hand; the same files with the same `extracted_at` are the same batch.

    A file becomes the resource whose pattern matches its name; `RESOURCE=PATH` says so where none or several do. Behind a
    workbook's name may stand which of its sheets is meant, `PATH#SHEET`.
    `extracted_at` is an aware instant, `stated` what the source's settings are for these files. `window` goes with the mode
    `window_replace`, be it named or the profile's. LandingError where a file cannot be placed, or a setting is none of
    the source's.
    """
    mapping = get_source(source, settings.sources_path)
    if not SAFE_NAME.fullmatch(company):
        raise LandingError(
            f"{company!r} is no company code: use letters, digits, dots, dashes and underscores"
        )
    for name, value in (stated or {}).items():
        setting = mapping.profile.settings.get(name)
        if setting is None or value not in setting.values:
            known = [f"{each}={'|'.join(its.values)}" for each, its in mapping.profile.settings.items()]
            raise LandingError(
                f"{name}={value}: {source} has no such setting; it has {', '.join(known) or 'none'}"
            )
    placed = _place(files, mapping)
    try:
        resources = tuple(
            BatchResource.of_files(resource, found, _taking(mapping, resource, mode, window))
            for resource, found in sorted(placed.items())
        )
        moment = extracted_at.astimezone(UTC)
        entries = [as_written(resource) for resource in resources]
        content = hashlib.sha256(
            json.dumps([entries, sequence, *([stated] if stated else [])], sort_keys=True).encode()
        ).hexdigest()
        about = About(
            source=source,
            company=company,
            batch_id=f"{moment:%Y%m%dT%H%M%SZ}-{content[:12]}",
            sequence=sequence,
            extracted_at=moment,
            settings=stated or {},
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise LandingError(
            f"{first['input']!r} cannot stand in a manifest: {first['msg'].removeprefix('Value error, ')}"
        ) from error
    copies = {path.name: path for files in placed.values() for path in files.values()}
    return write_batch(settings.inbox, Manifest(about=about, resources=resources), copies)


def _place(files: Sequence[str], source: Source) -> dict[str, dict[str, Path]]:
    """By resource, its paths in the manifest and the files that they name; LandingError where that cannot be told."""
    placed: dict[str, dict[str, Path]] = {}
    names: dict[str, Path] = {}
    for given in files:
        path, found = _resources_of(given, source)
        if names.setdefault(path.name, path) != path:
            raise LandingError(f"{path} and {names[path.name]} have the same name; rename one")
        for resource, name in found.items():
            if any(name in each for each in placed.values()):
                raise LandingError(f"{given}: {name} is named twice; name it once")
            placed.setdefault(resource, {})[name] = path
    if not placed:
        raise LandingError("no file was named")
    return placed


def _resources_of(given: str, source: Source) -> tuple[Path, dict[str, str]]:
    """The file that an argument names, and the resources that it brings, each with its path in the manifest."""
    named, _, rest = given.partition("=")
    explicit = bool(rest) and not Path(given).exists()
    stated = rest if explicit else given
    file, sheet = named_sheet(stated)
    if sheet is not None and Path(stated).exists():
        raise LandingError(f"{stated}: what stands behind # in a workbook's name is a sheet of it; rename it")
    path = Path(file)
    if not path.is_file():
        raise LandingError(_no_file(path) + _no_sheets(stated))
    name = path.name if sheet is None else f"{path.name}#{sheet}"
    resources = source.profile.resources
    if not explicit:
        found = source.resources_of(name)
    elif named in resources:
        own = f"{name}#{resources[named].sheet}"
        found = {named: own if resources[named].sheet and named_sheet(own)[0] == name else name}
    else:
        found = {}
    if not found:
        patterns = ", ".join(f"{each} ({its.pattern})" for each, its in resources.items())
        raise LandingError(
            f"{given}: {source.name} has no resource {named!r}; it has {patterns}"
            if explicit
            else f"{given}: which resource of {source.name} is it? It has {patterns}; say RESOURCE={given}"
        )
    return path, found


def _no_sheets(stated: str) -> str:
    file, sign, _ = stated.rpartition("#")
    return (
        f"; only a workbook (.xlsx, .xlsm, .xls) has sheets to name behind #, and {file} is none"
        if sign
        else ""
    )


def _taking(source: Source, resource: str, mode: str | None, window: Window | None) -> Taking:
    """How a resource was taken; LandingError if mode and window do not go together."""
    taken = mode or source.profile.resources[resource].mode
    if taken != WINDOW:
        return Taking.model_validate({"mode": taken})
    if window is None:
        raise LandingError(
            f"{resource} replaces a window of days; name it with --window-from and --window-to"
        )
    for table, mapping in source.profile.tables.items():
        if resource in mapping.drivers and not mapping.derived and load_contract(table).is_undated:
            raise LandingError(
                f"{resource} makes {table}, whose rows bear no date, so no window of them can be replaced; land it apart"
            )
    return Taking(mode=WINDOW, window=window)


def write_batch(
    inbox: Path,
    manifest: Manifest,
    copies: Mapping[str, Path],
    files: Mapping[str, bytes] | None = None,
) -> Landed:
    """Write a batch of files to copy and files by content into the inbox, once.

    It appears with its `_SUCCESS`, or not at all: a half-made one is made again from the start, a whole one stays.
    """
    about = manifest.about
    folder = inbox / about.source / about.company / about.batch_id
    if not (folder / READY).exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, path in copies.items():
            target = folder / named_sheet(name)[0]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        for name, content in (files or {}).items():
            (folder / name).write_bytes(content)
        manifest.write(folder)
        (folder / READY).touch()
    return Landed(folder, about.source, about.company, about.batch_id)


def archive(landed: Landed, archive_folder: Path, *, delivered_again: bool = False) -> None:
    """Move a loaded batch out of the inbox.

    What was delivered again, the same, is dropped where the archive holds it; other content of the same batch id takes
    the place of the earlier one.
    """
    target = archive_folder / landed.source / landed.company / landed.batch_id
    if not landed.folder.exists():
        return
    if delivered_again and target.exists():
        shutil.rmtree(landed.folder)
        return
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(landed.folder, target)


def archive_in_place_of(landed: Landed, batch: Batch, archive_folder: Path) -> None:
    """Move a loaded batch into the archive under the name of the batch whose place it took, with that one's manifest."""
    target = archive_folder / batch.source / batch.company / batch.batch_id
    beside = target.with_name(f".{batch.batch_id}.replacing")
    shutil.rmtree(beside, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(landed.folder, beside)
    batch.manifest.write(beside)
    shutil.rmtree(target, ignore_errors=True)
    beside.rename(target)


def land_corrections_again(settings: Settings, batch: Batch) -> list[Landed]:
    """Move the corrections of a batch from the archive back into the inbox, those of corrections too."""
    found = []
    archived = settings.archive / batch.source / batch.company
    for folder in sorted(archived.glob(f"{glob.escape(batch.batch_id)}-mended-*")):
        target = settings.inbox / batch.source / batch.company / folder.name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(folder, target)
            found.append(Landed(target, batch.source, batch.company, folder.name))
    return found


def _no_file(path: Path) -> str:
    return f"{path}: is a folder; name its files" if path.is_dir() else f"{path}: there is no such file"


def extraction_time(files: Sequence[str]) -> datetime:
    """When hand exports were taken: the youngest file's modification time, the best guess where nobody says."""
    times = [
        path.stat().st_mtime
        for given in files
        for stated in (given, given.partition("=")[2] or given)
        for path in (Path(named_sheet(stated)[0]),)
        if path.is_file()
    ]
    if not times:
        raise LandingError(_no_file(Path(files[0])) if files else "no file was named")
    return datetime.fromtimestamp(int(max(times)), UTC)
