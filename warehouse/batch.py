"""A batch: a folder with a Data Package v2 manifest, the ERP's files, and `_SUCCESS` written last."""

from __future__ import annotations

import codecs
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from warehouse.faults import BatchRefusedError, Fault

MANIFEST = "datapackage.json"
READY = "_SUCCESS"
MODES = ("full_snapshot", "delta_upsert")
# A manifest is a page, not a data file; beyond this it is something else.
MANIFEST_BYTES = 4 * 1024 * 1024
CHUNK = 4 * 1024 * 1024
MAGIC = {
    ".gz": b"\x1f\x8b",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".parquet": b"PAR1",
}


@dataclass(frozen=True, slots=True)
class BatchResource:
    """One resource of a batch: its files, how they were taken, and what the sender says of them."""

    name: str
    paths: tuple[str, ...]
    hashes: tuple[str, ...]
    mode: str
    rows: int | None
    control_totals: Mapping[str, Decimal]

    @property
    def sha256(self) -> str:
        """One hash over the files' hashes, in the manifest's order."""
        if len(self.hashes) == 1:
            return self.hashes[0]
        return hashlib.sha256("\n".join(self.hashes).encode()).hexdigest()


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

    @property
    def order(self) -> tuple[int, datetime, str]:
        """Batches of one source apply in this order; an older one never overwrites a newer one's rows."""
        return (self.sequence, self.extracted_at, self.batch_id)

    @property
    def place(self) -> str:
        """source/company/batch_id, as a person reads it."""
        return f"{self.source}/{self.company}/{self.batch_id}"

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
        if path.stat().st_size > MANIFEST_BYTES:
            raise _refuse("manifest_unreadable", "is larger than 4 MiB, no manifest is", mend, file=MANIFEST)
        content = path.read_bytes()
        document = json.loads(content)
    except FileNotFoundError:
        raise _refuse("manifest_missing", "the batch has no manifest", mend, file=MANIFEST) from None
    except (OSError, ValueError, RecursionError) as error:
        message = f"cannot be read as JSON ({' '.join(str(error).split())[:200]})"
        raise _refuse("manifest_unreadable", message, mend, file=MANIFEST) from None
    source, company, batch_id = folder.parts[-3:]
    try:
        about = document["valuemart"]
        stated = (str(about["source"]), str(about["company"]), str(about["batchId"]))
        batch = Batch(
            folder=folder,
            source=source,
            company=company,
            batch_id=batch_id,
            sequence=int(about.get("sequence") or 0),
            extracted_at=utc(about["extractedAt"]),
            supersedes=about.get("supersedes"),
            resources=tuple(_resource(entry) for entry in document["resources"]),
            manifest_sha256=hashlib.sha256(content).hexdigest(),
        )
    except KeyError as error:
        raise _refuse(
            "manifest_incomplete", f"lacks the entry {error.args[0]!r}", mend, file=MANIFEST
        ) from None
    except (TypeError, ValueError, AttributeError, InvalidOperation, OverflowError) as error:
        message = f"has an entry of the wrong form ({' '.join(str(error).split())[:200]})"
        raise _refuse("manifest_incomplete", message, mend, file=MANIFEST) from None
    if stated != (source, company, batch_id):
        message = f"speaks of {'/'.join(stated)}, but lies in {batch.place}"
        raise _refuse("manifest_misplaced", message, "Move the folder or mend the manifest.", file=MANIFEST)
    names = [resource.name for resource in batch.resources]
    if not names or len(set(names)) != len(names):
        message = "names no resource" if not names else "names a resource twice"
        raise _refuse("manifest_incomplete", message, mend, file=MANIFEST)
    return batch


def _resource(entry: Mapping[str, Any]) -> BatchResource:
    about = entry.get("valuemart") or {}
    paths = (entry["path"],) if isinstance(entry["path"], str) else tuple(entry["path"])
    given = entry["hash"]
    hashes = (given,) if isinstance(given, str) else tuple(given)
    mode = about.get("mode", "delta_upsert")
    if mode not in MODES:
        raise ValueError(f"mode {mode!r} is not one of {', '.join(MODES)}")
    if not paths or len(paths) != len(hashes) or not all(isinstance(path, str) for path in paths):
        raise ValueError(f"resource {entry['name']!r} needs one hash a path")
    return BatchResource(
        name=str(entry["name"]),
        paths=paths,
        hashes=tuple(str(value).removeprefix("sha256:").lower() for value in hashes),
        mode=mode,
        rows=None if about.get("rows") is None else int(about["rows"]),
        control_totals={
            str(column): Decimal(str(total)) for column, total in (about.get("controlTotals") or {}).items()
        },
    )


def locate(batch: Batch, path: str) -> Path:
    """The file of a manifest path, inside the batch folder and nowhere else."""
    file = batch.folder / path
    inside = file.resolve().is_relative_to(batch.folder.resolve())
    if path.startswith(("/", "\\")) or ".." in Path(path).parts or "\\" in path or "\0" in path or not inside:
        message = f"the path {path!r} leads out of the batch folder"
        raise _refuse("path_outside_batch", message, "Name files inside the batch only.", file=MANIFEST)
    if not file.is_file():
        raise _refuse(
            "file_missing",
            "is named by the manifest but is not there",
            "Deliver the batch again, whole.",
            file=path,
        )
    return file


def verify_files(batch: Batch, encodings: Mapping[str, str]) -> dict[str, int]:
    """Check every file's hash, kind and, for plain text, encoding; resource to bytes read.

    `encodings` names each resource's declared encoding.
    """
    sizes: dict[str, int] = {}
    faults: list[Fault] = []
    for resource in batch.resources:
        for path, expected in zip(resource.paths, resource.hashes, strict=True):
            file = locate(batch, path)
            sizes[resource.name] = sizes.get(resource.name, 0) + file.stat().st_size
            faults.extend(_verify(file, path, expected, encodings.get(resource.name, "utf-8")))
    if faults:
        raise BatchRefusedError(*faults)
    return sizes


def _verify(file: Path, path: str, expected: str, encoding: str) -> Sequence[Fault]:
    suffix = file.suffix.lower()
    text = suffix not in MAGIC
    decoder = codecs.getincrementaldecoder("utf-8")() if text and encoding == "utf-8" else None
    digest = hashlib.sha256()
    position = rows = 0
    undecodable: Fault | None = None
    start = b""
    with file.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            start = start or chunk[:8]
            digest.update(chunk)
            if decoder is not None:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError as error:
                    row = rows + chunk.count(b"\n", 0, error.start) + 1
                    undecodable = Fault(
                        "wrong_encoding",
                        f"byte {error.object[error.start]:#04x} is not UTF-8",
                        "Export the file as UTF-8, or state its encoding in the source's profile.",
                        path,
                        row,
                    )
                    decoder = None
                else:
                    rows += chunk.count(b"\n")
            position += len(chunk)
    if digest.hexdigest() != expected:
        message = f"its SHA-256 is {digest.hexdigest()[:12]}…, the manifest says {expected[:12]}…"
        return [
            Fault("hash_mismatch", message, "The file was changed or cut on its way: deliver it again.", path)
        ]
    if position == 0:
        return [Fault("empty_file", "has no content, not even a header", "Export the file again.", path)]
    if not text and not start.startswith(MAGIC[suffix]):
        message = f"is not what its name says: it does not begin as a {suffix} file does"
        return [
            Fault("wrong_file_type", message, "Export it in the format its name says, or rename it.", path)
        ]
    kind = next((name for name, magic in _FOREIGN.items() if start.startswith(magic)), None) if text else None
    if kind:
        message = f"is not what its name says: it is {kind}, not text"
        return [
            Fault("wrong_file_type", message, "Export it as text, or rename it by its real format.", path)
        ]
    return [undecodable] if undecodable else []


_FOREIGN = {
    "a Parquet file": b"PAR1",
    "an Excel workbook or zip archive": b"PK\x03\x04",
    "an old Excel workbook": b"\xd0\xcf\x11\xe0",
    "a gzip archive": b"\x1f\x8b",
    "a Zstandard archive": b"\x28\xb5\x2f\xfd",
    "a PDF document": b"%PDF-",
}
