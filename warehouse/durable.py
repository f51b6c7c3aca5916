"""What a file system needs to be told so that a file survives a power cut."""

from __future__ import annotations

import os
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
