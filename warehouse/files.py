"""What a file system needs to be told: so that a file survives a power cut, and who may read it."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Whoever makes files in a home makes them for its owner alone; what is published is then opened to its readers.
OWNER_ALONE_UMASK = 0o077


def sync(path: Path) -> None:
    """Force a file's content, or a folder's names, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def held_alone(lock: Path) -> Iterator[bool]:
    """Whether nobody else holds what a lock file stands for, for the length of a block.

    The operating system frees the lock when the process ends, however it ends.
    """
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_alone = True
        except BlockingIOError:
            is_alone = False
        yield is_alone


def file_size(path: Path) -> int:
    """A file's bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


@dataclass(frozen=True, slots=True)
class Readers:
    """Who may read a published file besides its owner: the members of a group, by its number; None for nobody."""

    group: int | None = None

    @property
    def file_mode(self) -> int:
        """The permissions of a published file."""
        return 0o600 if self.group is None else 0o640

    @property
    def folder_mode(self) -> int:
        """The permissions of a folder with published files."""
        return 0o700 if self.group is None else 0o750

    def admit(self, path: Path) -> None:
        """Give a file, or a folder with all that is in it, to its owner and the readers; links stay as they are."""
        for each in (*path.rglob("*"), path) if path.is_dir() else (path,):
            if not each.is_symlink():
                self.admit_one(each)

    def admit_one(self, path: Path) -> None:
        """Give a file or a folder, without what is in it, to its owner and the readers."""
        if self.group is not None:
            os.chown(path, -1, self.group)
        path.chmod(self.folder_mode if path.is_dir() else self.file_mode)


NOBODY_ELSE = Readers()


def private_by_default() -> None:
    """From here on, what this process and its children write is for their owner alone."""
    os.umask(OWNER_ALONE_UMASK)


def write_text(path: Path, text: str, readers: Readers | None = None) -> None:
    """Put a text file in its place whole, or leave what was there; UTF-8. A published one is opened to its readers first."""
    building = path.with_name(f"{path.name}.building")
    building.write_text(text, encoding="utf-8")
    if readers is not None:
        readers.admit_one(building)
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
