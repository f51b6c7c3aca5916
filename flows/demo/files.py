"""A batch as it lands: files, the manifest that vouches for them, and the mark that it is whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.delivery.manifest import READY, About, BatchResource, Manifest, Taking

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path


@dataclass(frozen=True)
class Extract:
    """One resource of a batch: its file, how many records it holds, and what its sender summed."""

    resource: str
    file: str
    content: bytes
    rows: int
    control_totals: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Of the file's bytes."""
        return hashlib.sha256(self.content).hexdigest()


def land(
    inbox: Path, source: str, company: str, sequence: int, extracted_at: datetime, extracts: Sequence[Extract]
) -> Path:
    """Write a batch into the inbox, `_SUCCESS` last; the batch folder, named by instant and content."""
    content = hashlib.sha256("".join(extract.sha256 for extract in extracts).encode()).hexdigest()
    about = About(
        source=source,
        company=company,
        batch_id=f"{extracted_at:%Y%m%dT%H%M%SZ}-{content[:12]}",
        sequence=sequence,
        extracted_at=extracted_at,
    )
    folder = inbox / source / company / about.batch_id
    folder.mkdir(parents=True, exist_ok=True)
    for extract in extracts:
        (folder / extract.file).write_bytes(extract.content)
    Manifest(about=about, resources=tuple(map(_entry, extracts))).write(folder)
    (folder / READY).write_bytes(b"")
    return folder


def _entry(extract: Extract) -> BatchResource:
    totals = {"control_totals": extract.control_totals} if extract.control_totals else {}
    return BatchResource(
        name=extract.resource,
        paths=(extract.file,),
        format="csv",
        mediatype="text/csv",
        bytes=len(extract.content),
        hashes=(extract.sha256,),
        taking=Taking.model_validate({"mode": "delta_upsert", "rows": extract.rows, **totals}),
    )
