"""What has landed: batches in the inbox, and batches made of files a person exported by hand."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from expectations.contract import load as load_contract
from flows.settings import Settings
from warehouse.batch import MANIFEST, READY, WINDOW, Window
from warehouse.cells import is_undated
from warehouse.faults import BatchRefusedError, Fault
from warehouse.ledger import KnownBatch
from warehouse.source import Source, get_source, mapping_hash

CHUNK = 4 * 1024 * 1024
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class LandingError(Exception):
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

    A file becomes the resource whose pattern matches its name; `RESOURCE=PATH` says so where none or several do.
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
    entries = [_entry(mapping, resource, paths, mode, window) for resource, paths in sorted(placed.items())]
    moment = extracted_at.astimezone(UTC)
    content = hashlib.sha256(
        json.dumps([entries, sequence, *([stated] if stated else [])], sort_keys=True).encode()
    ).hexdigest()
    batch_id = f"{moment:%Y%m%dT%H%M%SZ}-{content[:12]}"
    folder = settings.inbox / source / company / batch_id
    if not (folder / READY).exists():
        manifest = {
            "name": batch_id.lower(),
            "created": moment.isoformat(),
            "valuemart": {
                "source": source,
                "company": company,
                "batchId": batch_id,
                "sequence": sequence,
                "extractedAt": moment.isoformat(),
                "supersedes": None,
                **({"settings": dict(stated)} if stated else {}),
            },
            "resources": entries,
        }
        copies = {path.name: path for paths in placed.values() for path in paths}
        write_batch(folder, copies, manifest)
    return Landed(folder, source, company, batch_id)


def _place(files: Sequence[str], source: Source) -> dict[str, list[Path]]:
    placed: dict[str, list[Path]] = {}
    names: dict[str, Path] = {}
    for given in files:
        named, _, rest = given.partition("=")
        explicit = bool(rest) and not Path(given).exists()
        path = Path(rest if explicit else given)
        if not path.is_file():
            raise LandingError(f"{path}: there is no such file")
        resource = named if explicit else source.resource_of(path.name)
        if resource not in source.profile.resources:
            patterns = ", ".join(
                f"{name} ({each.pattern})" for name, each in source.profile.resources.items()
            )
            raise LandingError(
                f"{path}: which resource of {source.name} is it? It has {patterns}; say RESOURCE={path}"
                if not explicit
                else f"{given}: {source.name} has no resource {named!r}; it has {patterns}"
            )
        if path.name in names:
            raise LandingError(f"{path} and {names[path.name]} have the same name; rename one")
        names[path.name] = path
        placed.setdefault(str(resource), []).append(path)
    if not placed:
        raise LandingError("no file was named")
    return placed


def _entry(
    source: Source, resource: str, paths: Sequence[Path], mode: str | None, window: Window | None
) -> dict[str, object]:
    hashes = ["sha256:" + file_sha256(path) for path in paths]
    names = [path.name for path in paths]
    return {
        "name": resource,
        "path": names[0] if len(names) == 1 else names,
        "bytes": sum(path.stat().st_size for path in paths),
        "hash": hashes[0] if len(hashes) == 1 else hashes,
        "valuemart": _taken(source, resource, mode or source.profile.resources[resource].mode, window),
    }


def _taken(source: Source, resource: str, mode: str, window: Window | None) -> dict[str, object]:
    """How a resource was taken, as its manifest says it; LandingError where mode and window do not go together."""
    if mode != WINDOW:
        return {"mode": mode}
    if window is None:
        raise LandingError(
            f"{resource} replaces a window of days; name it with --window-from and --window-to"
        )
    for table, mapping in source.profile.tables.items():
        if mapping.driving == resource and not mapping.derived and is_undated(load_contract(table)):
            raise LandingError(
                f"{resource} makes {table}, whose rows bear no date, so no window of them can be replaced; land it apart"
            )
    return {"mode": mode, "window": {"from": window.first.isoformat(), "to": window.last.isoformat()}}


def file_sha256(path: Path) -> str:
    """A file's SHA-256, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def write_batch(
    folder: Path,
    copies: Mapping[str, Path],
    manifest: Mapping[str, object],
    files: Mapping[str, bytes] | None = None,
) -> None:
    """Write a batch of files to copy and files by content, once.

    It appears with its `_SUCCESS`, or not at all: a half-made one is made again from the start, a whole one stays.
    """
    if (folder / READY).exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, path in copies.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    for name, content in (files or {}).items():
        (folder / name).write_bytes(content)
    document = {"$schema": "https://datapackage.org/profiles/2.0/datapackage.json", **manifest}
    (folder / MANIFEST).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (folder / READY).touch()


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


def extraction_time(files: Sequence[str]) -> datetime:
    """When hand exports were taken: the youngest file's modification time, the best guess where nobody says."""
    times = [
        path.stat().st_mtime
        for given in files
        for path in (Path(given), Path(given.partition("=")[2] or given))
        if path.is_file()
    ]
    if not times:
        raise LandingError(f"{files[0] if files else 'nothing'}: there is no such file")
    return datetime.fromtimestamp(int(max(times)), UTC)
