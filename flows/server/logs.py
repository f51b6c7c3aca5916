"""The log of a program that runs on: kept from growing for ever, and looked at for what needs a person."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# Each log has one former file; together they hold weeks of a server at rest.
LARGEST = 10_000_000  # bytes

# SQLite's, where more ask for the server's books than it can serve.
LOCKED = b"database is locked"
ADVICE = (
    "Prefect's server waits for its own books (SQLite says 'database is locked'): keep them in PostgreSQL, "
    "by PREFECT_API_DATABASE_CONNECTION_URL=postgresql+asyncpg://… (docs/deploying.md)"
)


@dataclass(slots=True)
class Log:
    """A file that a process appends to; what was there before is not looked at."""

    file: Path
    largest: int = LARGEST
    _seen: int = field(init=False)
    _advised: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._seen = self._size()

    def look(self, echo: Callable[[str], None]) -> None:
        """Say once that the server's books are too slow, if the log does, and begin it anew where it is too large."""
        size = self._size()
        if not self._advised and size > self._seen:
            with self.file.open("rb") as stream:
                stream.seek(self._seen)
                if LOCKED in stream.read(size - self._seen):
                    self._advised = True
                    echo(ADVICE)
        self._seen = size
        if size > self.largest:
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Copy it beside and empty it: its program goes on writing at the end of the same file."""
        former = self.file.with_name(f"{self.file.name}.1")
        building = self.file.with_name(f".{former.name}.building")
        shutil.copyfile(self.file, building)
        building.replace(former)
        os.truncate(self.file, 0)
        self._seen = 0

    def _size(self) -> int:
        with suppress(FileNotFoundError):
            return self.file.stat().st_size
        return 0
