"""A batch as it lands: files, the manifest that vouches for them, and the mark that it is whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.batch import MANIFEST, READY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"


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
    stated = extracted_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    content = hashlib.sha256("".join(extract.sha256 for extract in extracts).encode()).hexdigest()
    batch_id = f"{extracted_at:%Y%m%dT%H%M%SZ}-{content[:12]}"
    folder = inbox / source / company / batch_id
    folder.mkdir(parents=True, exist_ok=True)
    manifest = {
        "$schema": PROFILE,
        "name": batch_id.lower(),
        "created": stated,
        "valuemart": {
            "source": source,
            "company": company,
            "batchId": batch_id,
            "sequence": sequence,
            "extractedAt": stated,
            "supersedes": None,
        },
        "resources": [_described(extract) for extract in extracts],
    }
    for extract in extracts:
        (folder / extract.file).write_bytes(extract.content)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    (folder / READY).write_bytes(b"")
    return folder


def _described(extract: Extract) -> dict[str, object]:
    about: dict[str, object] = {"mode": "delta_upsert", "rows": extract.rows}
    if extract.control_totals:
        about["controlTotals"] = dict(extract.control_totals)
    return {
        "name": extract.resource,
        "path": extract.file,
        "format": "csv",
        "mediatype": "text/csv",
        "bytes": len(extract.content),
        "hash": f"sha256:{extract.sha256}",
        "valuemart": about,
    }
