"""How much memory DuckDB may hold where the settings do not say."""

from __future__ import annotations

from pathlib import Path

import psutil

LEAST = 1 << 30
# What a container may hold, which the machine's own figure says nothing of.
_CONTAINER = Path("/sys/fs/cgroup/memory.max")


def default_limit() -> int:
    """A quarter of what the machine or the container has, and a GiB at least: bytes."""
    total = psutil.virtual_memory().total
    if _CONTAINER.is_file():
        said = _CONTAINER.read_text(encoding="ascii").strip()
        total = min(total, int(said)) if said.isdigit() else total
    return max(total // 4, LEAST)
