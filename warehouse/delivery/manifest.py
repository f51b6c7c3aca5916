"""A batch: a folder with a Data Package v2 manifest, the ERP's files, and `_SUCCESS` written last.

`Manifest` is what `datapackage.json` says, read and written by the same models; `Batch` is a manifest in its folder.
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

from warehouse.errors import BatchRefusedError, Fault

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MANIFEST = "datapackage.json"
READY = "_SUCCESS"
SCHEMA = "https://datapackage.org/profiles/2.0/datapackage.json"
WINDOW = "window_replace"
# The keys that a canonical table has in the ERP, all of them: what is not among them is gone.
KEY_SET = "key_set"
Mode = Literal["full_snapshot", "window_replace", "delta_upsert", "key_set"]
# A manifest is a page, not a data file; beyond this it is something else.
MANIFEST_BYTES = 4 * 1024 * 1024
LARGEST = 10**18 - 1
_CHUNK = 4 * 1024 * 1024
_SHEET = re.compile(r"(.+\.xls[xm]?)#(.+)", re.IGNORECASE)
_TOLD = 50
_MEND = "Have the sender write the manifest again."


def file_sha256(path: Path) -> str:
    """A file's SHA-256, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def named_sheet(path: str) -> tuple[str, str | None]:
    """A file, and the sheet of it that stands behind a workbook's name: `Export.xlsx#Returns`."""
    match = _SHEET.fullmatch(path)
    return (match[1], match[2]) if match else (path, None)


def utc(stated: object) -> datetime:
    """An instant, as ISO 8601 or as a value, in naive UTC, the way the warehouse keeps it; ValueError if it is none."""
    moment = datetime.fromisoformat(stated) if isinstance(stated, str) else stated
    if not isinstance(moment, datetime):
        raise ValueError(f"{stated!r} is no instant")  # noqa: TRY004 - a validator's error
    try:
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except OverflowError:
        raise ValueError(f"{stated!r} is no instant") from None


def _day(stated: object) -> date:
    if not isinstance(stated, str):
        raise ValueError(f"{stated!r} is no day")  # noqa: TRY004 - a validator's error
    return date.fromisoformat(stated)


def _total(stated: object) -> Decimal:
    try:
        total = Decimal(str(stated))
    except ArithmeticError:
        raise ValueError(f"the control total {stated!r} is no number") from None
    if not total.is_finite():
        raise ValueError(f"the control total {stated!r} is no number")
    return total


def _sequence(stated: object) -> int:
    if stated is None:
        return 0
    if not isinstance(stated, int) or isinstance(stated, bool) or not -LARGEST <= stated <= LARGEST:
        raise ValueError(f"sequence {stated!r} is not a whole number of at most 18 digits")
    return stated


def _mode(stated: object) -> object:
    if stated not in get_args(Mode):
        raise ValueError(f"the mode is {stated!r}, none of {', '.join(get_args(Mode))}")
    return stated


def _one_or_several(stated: object) -> object:
    return (stated,) if isinstance(stated, str) else stated


def _one_or_list(values: Sequence[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else list(values)


def _named_hashes(values: Sequence[str]) -> str | list[str]:
    return _one_or_list([f"sha256:{value}" for value in values])


def _name(text: str) -> str:
    if any(ord(character) < 32 for character in text):
        raise ValueError(f"{text!r} is no name of a resource or file")
    return text


def _bare_hash(text: str) -> str:
    return text.removeprefix("sha256:").lower()


def _nothing_as_empty(stated: object) -> object:
    return {} if stated is None else stated


Name = Annotated[str, AfterValidator(_name)]
Hash = Annotated[str, AfterValidator(_bare_hash)]
Text = Annotated[str, BeforeValidator(str)]
# Stored as naive UTC; on the ERP's clock if no offset is stated.
Moment = Annotated[datetime, BeforeValidator(utc), PlainSerializer(datetime.isoformat)]
Instant = Annotated[
    datetime,
    BeforeValidator(utc),
    PlainSerializer(lambda moment: moment.replace(tzinfo=UTC).isoformat()),
]


class _Part(BaseModel):
    """A part of a manifest. Keys that it does not know are Data Package's or the sender's own, and passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Window:
    """The days, both inclusive, of which a `window_replace` brings every row there is."""

    first: date
    last: date

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def _window(stated: object) -> Window | None:
    if stated is None or isinstance(stated, Window):
        return stated
    if not isinstance(stated, Mapping) or not {"from", "to"} <= stated.keys():
        raise ValueError("a window has the days from and to")
    window = Window(_day(stated["from"]), _day(stated["to"]))
    if window.last < window.first:
        raise ValueError(f"the window ends before it begins ({window})")
    return window


def _stated_window(window: Window | None) -> dict[str, str] | None:
    return {"from": window.first.isoformat(), "to": window.last.isoformat()} if window else None


class Taking(_Part):
    """How the sender took a resource, and what it says of it.

    `window` is there if the mode is `window_replace`, and only then. A resource that `is_reference` is what others
    refer to, loaded before (`lookUpOnly` in the file): its rows drive no table of this batch. One that is `plain` is CSV as every program writes it
    (UTF-8, commas, double quotes), whatever its source's profile says of delimiters and encoding; its cells are written
    as the profile says. Of a correction, a resource may be what the batch `before` delivered of it, but for the records
    `replaced` (file and row number), which were mended since: rows that are made of several records are made of these too.
    """

    mode: Annotated[Mode, BeforeValidator(_mode)] = "delta_upsert"
    window: Annotated[Window | None, BeforeValidator(_window), PlainSerializer(_stated_window)] = None
    rows: Annotated[int, Field(ge=-LARGEST, le=LARGEST)] | None = None
    control_totals: Annotated[
        Mapping[Text, Annotated[Decimal, BeforeValidator(_total), PlainSerializer(str)]],
        BeforeValidator(_nothing_as_empty),
    ] = Field(default_factory=dict)
    is_reference: Annotated[bool, BeforeValidator(lambda stated: stated is True)] = Field(
        default=False, alias="lookUpOnly"
    )
    before: Text | None = None
    replaced: tuple[tuple[Text, int], ...] = ()
    plain: Annotated[bool, BeforeValidator(lambda stated: stated is True)] = False

    @model_validator(mode="after")
    def _a_window_goes_with_its_mode(self) -> Taking:
        if (self.mode == WINDOW) is (self.window is None):
            raise ValueError(f"the mode {self.mode} has {'no' if self.window is None else 'a'} window")
        return self


class BatchResource(_Part):
    """One resource of a batch: its files with their hashes, and how they were taken."""

    name: Name
    paths: Annotated[tuple[Name, ...], BeforeValidator(_one_or_several), PlainSerializer(_one_or_list)] = (
        Field(alias="path")
    )
    format: Any = None
    mediatype: Any = None
    bytes: Any = None
    hashes: Annotated[tuple[Hash, ...], BeforeValidator(_one_or_several), PlainSerializer(_named_hashes)] = (
        Field(alias="hash")
    )
    taking: Annotated[Taking, BeforeValidator(_nothing_as_empty)] = Field(
        default_factory=Taking, alias="valuemart"
    )

    @model_validator(mode="after")
    def _one_hash_a_path(self) -> BatchResource:
        if not self.paths or len(self.paths) != len(self.hashes):
            raise ValueError("needs one hash a path")
        return self

    @classmethod
    def of_files(cls, name: str, files: Mapping[str, Path], taking: Taking) -> BatchResource:
        """A resource of files by their paths in the manifest."""
        return cls(
            name=name,
            paths=tuple(files),
            bytes=sum(file.stat().st_size for file in files.values()),
            hashes=tuple(file_sha256(file) for file in files.values()),
            taking=taking,
        )

    @property
    def mode(self) -> Mode:
        """How its rows are to be taken."""
        return self.taking.mode

    @property
    def window(self) -> Window | None:
        """The days that it replaces."""
        return self.taking.window

    @property
    def rows(self) -> int | None:
        """How many records the sender counted."""
        return self.taking.rows

    @property
    def label(self) -> str:
        """Its name in the ledger, where a table's keys may stand beside its rows."""
        if self.taking.before is not None:
            return f"{self.name} of {self.taking.before}"
        return f"keys of {self.name}" if self.mode == KEY_SET else self.name

    @property
    def sha256(self) -> str:
        """One hash over the files' hashes, and the sheets that are meant, in the manifest's order."""
        parts = [
            sha256 if sheet is None else f"{sha256}#{sheet}"
            for sha256, (_, sheet) in zip(self.hashes, map(named_sheet, self.paths), strict=True)
        ]
        if parts == [self.hashes[0]]:
            return self.hashes[0]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Watermark(_Part):
    """From where to where a resource was read from the ERP's database, on the ERP's clock.

    `since` None: from the beginning; `until` None: nothing there was stamped.
    """

    since: Moment | None = None
    until: Moment | None = None


class Correction(_Part):
    """Whose quarantined rows a batch brings again, mended: the batch, and (table, file, row number) of each row."""

    batch_id: Text
    rows: tuple[tuple[Text, Text, int], ...]


class About(_Part):
    """The part `valuemart` of a manifest: whose batch it is, and which place it has among the others of its source."""

    source: Text
    company: Text
    batch_id: Text
    sequence: Annotated[int, BeforeValidator(_sequence)] = 0
    extracted_at: Instant
    supersedes: Text | None = None
    watermarks: Annotated[Mapping[Text, Watermark], BeforeValidator(_nothing_as_empty)] = Field(
        default_factory=dict
    )
    settings: Annotated[Mapping[Text, Text], BeforeValidator(_nothing_as_empty)] = Field(default_factory=dict)
    corrects: Correction | None = None


class Manifest(_Part):
    """What `datapackage.json` says of a batch."""

    about: About = Field(alias="valuemart")
    resources: tuple[BatchResource, ...]

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read a manifest; BatchRefusedError names the entry that is wrong."""
        document = _document(path)
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            faults = [_incomplete(message) for message in _mistakes(error, document)]
            raise BatchRefusedError(*faults) from None

    def write(self, folder: Path) -> None:
        """Write it into a batch's folder."""
        (folder / MANIFEST).write_text(json.dumps(self.document(), indent=2) + "\n", encoding="utf-8")

    def document(self) -> dict[str, Any]:
        """It as JSON holds it: what was stated, and nothing that was left open."""
        return {
            "$schema": SCHEMA,
            "name": self.about.batch_id.lower(),
            "created": self.about.extracted_at.replace(tzinfo=UTC).isoformat(),
            **as_written(self),
        }


def as_written(part: _Part) -> dict[str, Any]:
    """A part of a manifest as JSON holds it, without the defaults of what nobody stated."""
    return part.model_dump(mode="json", by_alias=True, exclude_unset=True)


@dataclass(frozen=True)
class Batch:
    """A landed batch: a folder and its manifest. `source`, `company` and `batch_id` are those of the folder."""

    folder: Path
    manifest: Manifest

    @classmethod
    def unread(cls, folder: Path) -> Batch:
        """A batch whose manifest cannot be read: it comes before all others, and holds nothing."""
        source, company, batch_id = folder.parts[-3:]
        about = About(
            source=source, company=company, batch_id=batch_id, extracted_at=datetime(1970, 1, 1, tzinfo=UTC)
        )
        return cls(folder, Manifest(about=about, resources=()))

    @property
    def about(self) -> About:
        """Whose batch it is."""
        return self.manifest.about

    @property
    def source(self) -> str:
        """The source's name."""
        return self.about.source

    @property
    def company(self) -> str:
        """The company's code."""
        return self.about.company

    @property
    def batch_id(self) -> str:
        """Its name among the batches of its source and company."""
        return self.about.batch_id

    @property
    def sequence(self) -> int:
        """Its number, 0 if the sender counts none."""
        return self.about.sequence

    @property
    def extracted_at(self) -> datetime:
        """When it was taken, naive UTC."""
        return self.about.extracted_at

    @property
    def order(self) -> tuple[int, datetime, str]:
        """Batches of one source apply in this order; an older one never overwrites a newer one's rows."""
        return (self.sequence, self.extracted_at, self.batch_id)

    @property
    def place(self) -> str:
        """source/company/batch_id, as a person reads it."""
        return f"{self.source}/{self.company}/{self.batch_id}"

    @cached_property
    def resources(self) -> tuple[BatchResource, ...]:
        """What it delivers rows of."""
        return tuple(
            each for each in self.manifest.resources if each.mode != KEY_SET and each.taking.before is None
        )

    @cached_property
    def before(self) -> tuple[BatchResource, ...]:
        """Of a correction, what the batches that it mends delivered of resources whose records rows are made of."""
        return tuple(each for each in self.manifest.resources if each.taking.before is not None)

    @cached_property
    def key_sets(self) -> tuple[BatchResource, ...]:
        """The tables of which it delivers the keys alone."""
        return tuple(each for each in self.manifest.resources if each.mode == KEY_SET)

    @property
    def contents(self) -> dict[str, str]:
        """What it delivers, by name, with the hash of its files."""
        return {each.label: each.sha256 for each in self.manifest.resources}

    def in_place_of(self, batch_id: str, extracted_at: datetime) -> Batch:
        """The same files as the batch of that name and time, in the same folder."""
        about = self.about.model_copy(update={"batch_id": batch_id, "extracted_at": extracted_at})
        return Batch(self.folder, self.manifest.model_copy(update={"about": about}))

    def resource(self, name: str) -> BatchResource | None:
        """The resource of that name, if the batch holds it."""
        return next((resource for resource in self.resources if resource.name == name), None)


def _refuse(rule: str, message: str, remedy: str, **place: Any) -> BatchRefusedError:
    return BatchRefusedError(Fault(rule=rule, message=message, remedy=remedy, **place))


def _document(path: Path) -> Any:
    """What a manifest's JSON holds; BatchRefusedError if it is none."""
    try:
        about_file = path.lstat()
        if not stat.S_ISREG(about_file.st_mode):
            # Reading a pipe or a device would never end, and a link may lead anywhere.
            raise _refuse("manifest_unreadable", "is no plain file", _MEND, file=MANIFEST)
        if about_file.st_size > MANIFEST_BYTES:
            raise _refuse("manifest_unreadable", "is larger than 4 MiB, no manifest is", _MEND, file=MANIFEST)
        document = json.loads(path.read_bytes())
        # Halves of characters are no text, though JSON has them.
        json.dumps(document, ensure_ascii=False).encode()
    except FileNotFoundError:
        raise _refuse("manifest_missing", "the batch has no manifest", _MEND, file=MANIFEST) from None
    except (OSError, ValueError, RecursionError) as error:
        message = f"cannot be read as JSON ({' '.join(str(error).split())[:200]})"
        raise _refuse("manifest_unreadable", message, _MEND, file=MANIFEST) from None
    return document


def _incomplete(message: str) -> Fault:
    return Fault("manifest_incomplete", message, _MEND, file=MANIFEST)


def _mistakes(error: ValidationError, document: Any) -> list[str]:
    """The entries that are wrong, by path in the document and by the name of their resource; the first of very many."""
    found = error.errors(include_url=False)
    told = list(dict.fromkeys(_mistake(each, document) for each in found[:_TOLD]))
    if len(found) > _TOLD:
        told.append(f"has {len(found) - _TOLD} more entries that are wrong")
    return told


def _mistake(found: ErrorDetails, document: Any) -> str:
    path = found["loc"]
    owner = _resource_at(path, document)
    if found["type"] == "missing":
        inside = owner or ".".join(map(str, path[:-1]))
        return f"lacks the entry {path[-1]!r}{f' of {inside}' if inside else ''}"
    place = ", ".join(filter(None, (owner, ".".join(map(str, path)))))
    message = " ".join(found["msg"].removeprefix("Value error, ").split())[:200]
    if found["type"] in {"model_type", "dict_type", "mapping_type"}:
        message = "is no object"
    return f"has an entry of the wrong form ({place}{': ' if place else ''}{message})"


def _resource_at(path: Sequence[int | str], document: Any) -> str:
    """The resource that a path in the document leads into, by its name; empty if it leads elsewhere or has none."""
    if len(path) < 2 or path[0] != "resources" or not isinstance(path[1], int):
        return ""
    resource = document["resources"][path[1]]
    name = resource.get("name") if isinstance(resource, dict) else None
    return f"resource {_brief(name)}" if isinstance(name, str) else ""


def read_manifest(folder: Path) -> Batch:
    """Read and check a batch's manifest; BatchRefusedError names the entry that is wrong.

    Source, company and batch id come from the folders the batch lies in; the manifest must say the same.
    """
    manifest = Manifest.read(folder / MANIFEST)
    about, entries = manifest.about, manifest.resources
    lies_in = "/".join(folder.parts[-3:])
    says = f"{about.source}/{about.company}/{about.batch_id}"
    faults = []
    if says != lies_in:
        message = f"speaks of {_brief(says).strip(chr(39))}, but lies in {lies_in}"
        faults.append(
            Fault("manifest_misplaced", message, "Move the folder or mend the manifest.", file=MANIFEST)
        )
    if not entries:
        faults.append(_incomplete("names no resource"))
    paths = [path for entry in entries for path in entry.paths]
    for what, named in (("resource", [entry.label for entry in entries]), ("file", paths)):
        twice = sorted({each for each in named if named.count(each) > 1})
        if twice:
            message = f"names the {what} {twice[0]!r} twice"
            faults.append(Fault("manifest_ambiguous", message, _MEND, file=MANIFEST))
    if faults:
        raise BatchRefusedError(*faults)
    return Batch(folder, manifest)


def locate(batch: Batch, path: str) -> Path:
    """The file of a manifest path, inside the batch folder and nowhere else."""
    file = batch.folder / named_sheet(path)[0]
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
