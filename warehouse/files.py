"""What a file system needs to be told so that a file survives a power cut."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def sync(path: Path) -> None:
    """Force a file's content, or a folder's names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Put a text file in its place whole, or leave what was there; UTF-8."""
    building = path.with_name(f"{path.name}.building")
    building.write_text(text, encoding="utf-8")
    sync(building)
    building.replace(path)
    sync(path.parent)


def kept_secret(path: Path, text: str) -> str:
    """The secret that a file holds, or `text`, which it holds from then on, for its owner's eyes only.

    The file is there whole or not at all, and of two that make it at once one wins. An empty one, which a kill may have
    left, counts as none.
    """
    kept = path.read_text(encoding="utf-8").strip() if path.exists() else None
    if kept:
        return kept
    descriptor, building = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # exclusive, and 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if kept is None:
            try:
                path.hardlink_to(building)
            except FileExistsError:  # somebody else made it meanwhile
                return kept_secret(path, text)
            except OSError:  # a file system without hard links
                Path(building).replace(path)
        else:
            Path(building).replace(path)
    finally:
        Path(building).unlink(missing_ok=True)
    sync(path.parent)
    return text
