"""A batch: a folder with a Data Package v2 manifest, the ERP's files, and `_SUCCESS` written last."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from warehouse.faults import BatchRefusedError, Fault

MANIFEST = "datapackage.json"
READY = "_SUCCESS"
WINDOW = "window_replace"
MODES = ("full_snapshot", WINDOW, "delta_upsert")
# The keys that a canonical table has in the ERP, all of them: what is not among them is gone.
KEY_SET = "key_set"
# A manifest is a page, not a data file; beyond this it is something else.
MANIFEST_BYTES = 4 * 1024 * 1024
LAST_SEQUENCE = 10**18 - 1


@dataclass(frozen=True, slots=True)
class Window:
    """The days, both inclusive, of which a `window_replace` brings every row there is."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


@dataclass(frozen=True, slots=True)
class BatchResource:
    """One resource of a batch: its files, how they were taken, and what the sender says of them.

    `window` is there where the mode is `window_replace`, and only there. A resource that is `look_up_only` is what
    others refer to, loaded before: its rows drive no table of this batch. One that `is_plain` is CSV as every program
    writes it (UTF-8, commas, double quotes), whatever its source's profile says of delimiters and encoding; its cells
    are written as the profile says.
    """

    name: str
    paths: tuple[str, ...]
    hashes: tuple[str, ...]
    mode: str
    window: Window | None
    rows: int | None
    control_totals: Mapping[str, Decimal]
    look_up_only: bool = False
    is_plain: bool = False

    @property
    def sha256(self) -> str:
        """One hash over the files' hashes, in the manifest's order."""
        if len(self.hashes) == 1:
            return self.hashes[0]
        return hashlib.sha256("\n".join(self.hashes).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Watermark:
    """From where to where a resource was read from the ERP's database, on the ERP's clock.

    `since` None: from the beginning; `until` None: nothing there was stamped.
    """

    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Correction:
    """Whose quarantined rows a batch brings again, mended: the batch, and (table, file, row number) of each row."""

    batch_id: str
    rows: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """A landed batch as its manifest describes it."""

    folder: Path
    source: str
    company: str
    batch_id: str
    sequence: int
    extracted_at: datetime
    supersedes: str | None
    resources: tuple[BatchResource, ...]
    manifest_sha256: str
    watermarks: Mapping[str, Watermark] = field(default_factory=dict)
    key_sets: tuple[BatchResource, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    corrects: Correction | None = None

    @property
    def order(self) -> tuple[int, datetime, str]:
        """Batches of one source apply in this order; an older one never overwrites a newer one's rows."""
        return (self.sequence, self.extracted_at, self.batch_id)

    @property
    def place(self) -> str:
        """source/company/batch_id, as a person reads it."""
        return f"{self.source}/{self.company}/{self.batch_id}"

    @property
    def contents(self) -> dict[str, str]:
        """What it delivers, by name, with the hash of its files."""
        delivered = {resource.name: resource.sha256 for resource in self.resources}
        return delivered | {f"keys of {keys.name}": keys.sha256 for keys in self.key_sets}

    def resource(self, name: str) -> BatchResource | None:
        """The resource of that name, if the batch holds it."""
        return next((resource for resource in self.resources if resource.name == name), None)


def _refuse(rule: str, message: str, remedy: str, **place: Any) -> BatchRefusedError:
    return BatchRefusedError(Fault(rule=rule, message=message, remedy=remedy, **place))


def utc(text: str) -> datetime:
    """An ISO 8601 instant as naive UTC, the way the warehouse keeps it."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def read_manifest(folder: Path) -> Batch:
    """Read and check a batch's manifest; BatchRefusedError names the entry that is wrong.

    Source, company and batch id come from the folders the batch lies in; the manifest must say the same.
    """
    path = folder / MANIFEST
    mend = "Have the sender write the manifest again."
    try:
        about_file = path.lstat()
        if not stat.S_ISREG(about_file.st_mode):
            # Reading a pipe or a device would never end, and a link may lead anywhere.
            raise _refuse("manifest_unreadable", "is no plain file", mend, file=MANIFEST)
        if about_file.st_size > MANIFEST_BYTES:
            raise _refuse("manifest_unreadable", "is larger than 4 MiB, no manifest is", mend, file=MANIFEST)
        content = path.read_bytes()
        document = json.loads(content)
        json.dumps(
            document, ensure_ascii=False
        ).encode()  # halves of characters are no text, though JSON has them
    except FileNotFoundError:
        raise _refuse("manifest_missing", "the batch has no manifest", mend, file=MANIFEST) from None
    except (OSError, ValueError, RecursionError) as error:
        message = f"cannot be read as JSON ({' '.join(str(error).split())[:200]})"
        raise _refuse("manifest_unreadable", message, mend, file=MANIFEST) from None
    source, company, batch_id = folder.parts[-3:]
    try:
        about = document["valuemart"]
        entries = [_resource(entry) for entry in document["resources"]]
        stated = (str(about["source"]), str(about["company"]), str(about["batchId"]))
        batch = Batch(
            folder=folder,
            source=source,
            company=company,
            batch_id=batch_id,
            sequence=_sequence(about.get("sequence")),
            extracted_at=utc(about["extractedAt"]),
            supersedes=None if about.get("supersedes") is None else str(about["supersedes"]),
            resources=tuple(entry for entry in entries if entry.mode != KEY_SET),
            key_sets=tuple(entry for entry in entries if entry.mode == KEY_SET),
            manifest_sha256=hashlib.sha256(content).hexdigest(),
            watermarks={
                str(name): Watermark(_moment(read.get("since")), _moment(read.get("until")))
                for name, read in (about.get("watermarks") or {}).items()
            },
            settings={str(name): str(value) for name, value in (about.get("settings") or {}).items()},
            corrects=_correction(about.get("corrects")),
        )
    except KeyError as error:
        raise _refuse(
            "manifest_incomplete", f"lacks the entry {error.args[0]!r}", mend, file=MANIFEST
        ) from None
    except (TypeError, ValueError, AttributeError, InvalidOperation, OverflowError) as error:
        message = f"has an entry of the wrong form ({' '.join(str(error).split())[:200]})"
        raise _refuse("manifest_incomplete", message, mend, file=MANIFEST) from None
    if stated != (source, company, batch_id):
        told = _brief("/".join(stated)).strip("'")
        message = f"speaks of {told}, but lies in {batch.place}"
        raise _refuse("manifest_misplaced", message, "Move the folder or mend the manifest.", file=MANIFEST)
    names = [f"keys of {entry.name}" if entry.mode == KEY_SET else entry.name for entry in entries]
    paths = [path for entry in entries for path in entry.paths]
    if not names:
        raise _refuse("manifest_incomplete", "names no resource", mend, file=MANIFEST)
    for what, named in (("resource", names), ("file", paths)):
        twice = sorted({each for each in named if named.count(each) > 1})
        if twice:
            raise _refuse("manifest_ambiguous", f"names the {what} {twice[0]!r} twice", mend, file=MANIFEST)
    return batch


def _moment(stated: str | None) -> datetime | None:
    return None if stated is None else utc(stated)


def _sequence(stated: object) -> int:
    if stated is None:
        return 0
    if (
        not isinstance(stated, int)
        or isinstance(stated, bool)
        or not -LAST_SEQUENCE <= stated <= LAST_SEQUENCE
    ):
        raise ValueError(f"sequence {stated!r} is not a whole number of at most 18 digits")
    return stated


def _resource(entry: Mapping[str, Any]) -> BatchResource:
    about = entry.get("valuemart") or {}
    paths = (entry["path"],) if isinstance(entry["path"], str) else tuple(entry["path"])
    given = entry["hash"]
    hashes = (given,) if isinstance(given, str) else tuple(given)
    mode = about.get("mode", "delta_upsert")
    if mode not in (*MODES, KEY_SET):
        known = ", ".join((*MODES, KEY_SET))
        raise ValueError(f"the mode of resource {entry['name']!r} is {mode!r}, none of {known}")
    if not paths or len(paths) != len(hashes):
        raise ValueError(f"resource {entry['name']!r} needs one hash a path")
    for text in (entry["name"], *paths):
        if not isinstance(text, str) or any(ord(character) < 32 for character in text):
            raise ValueError(f"{text!r} is no name of a resource or file")
    return BatchResource(
        name=entry["name"],
        paths=paths,
        hashes=tuple(str(value).removeprefix("sha256:").lower() for value in hashes),
        mode=mode,
        window=_window(str(entry["name"]), mode, about.get("window")),
        rows=None if about.get("rows") is None else int(about["rows"]),
        control_totals={
            str(column): _finite(total) for column, total in (about.get("controlTotals") or {}).items()
        },
        look_up_only=about.get("lookUpOnly") is True,
        is_plain=about.get("plain") is True,
    )


def _finite(stated: object) -> Decimal:
    total = Decimal(str(stated))
    if not total.is_finite():
        raise ValueError(f"the control total {stated!r} is no number")
    return total


def _correction(stated: Mapping[str, Any] | None) -> Correction | None:
    if stated is None:
        return None
    rows = tuple((str(table), str(file), int(number)) for table, file, number in stated["rows"])
    return Correction(str(stated["batchId"]), rows)


def _window(resource: str, mode: str, stated: Mapping[str, Any] | None) -> Window | None:
    if (mode == WINDOW) is (stated is None):
        raise ValueError(f"resource {resource!r} of mode {mode} has {'no' if stated is None else 'a'} window")
    if stated is None:
        return None
    window = Window(date.fromisoformat(stated["from"]), date.fromisoformat(stated["to"]))
    if window.last < window.first:
        raise ValueError(f"the window of resource {resource!r} ends before it begins ({window})")
    return window


def locate(batch: Batch, path: str) -> Path:
    """The file of a manifest path, inside the batch folder and nowhere else."""
    file = batch.folder / path
    suspect = path.startswith("/") or ".." in Path(path).parts or "\\" in path or "\0" in path
    try:
        outside = suspect or not file.resolve().is_relative_to(batch.folder.resolve())
        is_there = not outside and file.is_file()
    except (OSError, RuntimeError):  # a name that is too long, a link that leads to itself
        outside, is_there = False, False
    if outside:
        message = f"the path {_brief(path)} leads out of the batch folder"
        raise _refuse("path_outside_batch", message, "Name files inside the batch only.", file=MANIFEST)
    if not is_there:
        raise _refuse(
            "file_missing",
            "is named by the manifest but is not there",
            "Deliver the batch again, whole.",
            file=_brief(path).strip("'"),
        )
    return file


def _brief(text: str) -> str:
    """A name from a manifest as a message can bear it."""
    return repr(text if len(text) <= 100 else text[:100] + "…")
