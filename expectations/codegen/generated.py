"""Files that are made from the contracts: written on demand, and checked for drift."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PROJECT: Path = Path(__file__).parents[2]


def write_or_check(path: Path, text: str, arguments: Sequence[str]) -> int:
    """Write `text` to `path`; with `--check`, only say whether it already reads so. Returns the exit code: 1 on drift."""
    name = path.relative_to(PROJECT).as_posix()
    if "--check" not in arguments:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{name} is not what the contracts say: run `make docs`\n")
    return 1
