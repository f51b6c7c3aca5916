"""What goes wrong with the home's own files, in one sentence: which file, what is the matter, and what to do.

Databases and operating system each say it in their own words; here they are told apart by these words and numbers.
"""

from __future__ import annotations

import errno
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.errors import UserError

_FULL = re.compile(
    r"no space left|disk is full|quota exceeded|failed to offload|max_temp_directory_size", re.IGNORECASE
)
_READ_ONLY = re.compile(r"read-only file system", re.IGNORECASE)
_FORBIDDEN = re.compile(
    r"permission denied|readonly database|operation not permitted|unable to open database file|"
    r"cannot open database .* in read-only mode|access is denied",
    re.IGNORECASE,
)
_DAMAGED = re.compile(
    r"not a valid DuckDB database file|not enough bytes|could not read enough bytes|corrupt|does not match stored checksum|"
    r"serialization error|failed to deserialize|is a directory|sqlite_scanner|file is not a database|malformed|"
    r"trying to read a database file with version|disk I/O error",
    re.IGNORECASE,
)
_NUMBERS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
}
_MISPLACED = {
    errno.EISDIR: "is a folder, and a file belongs there",
    errno.ENOTDIR: "is a file, or lies below one, and a folder belongs there",
}
_QUOTED = re.compile(r"file \"([^\"]+)\"", re.IGNORECASE)
_REPAIR = (
    "stop every run, then put a backup in its place with `valuemart restore FOLDER`, or move the file away; "
    "what is in the archive can be landed again"
)


class StorageError(UserError):
    """A file of the home cannot be used as it is: the disk is full, or the file may not be written or read."""

    exit_code = 1


class DamagedFileError(StorageError):
    """A file of the home is cut short, damaged, or of another program."""


def described(error: BaseException, file: Path | None = None, repair: str = _REPAIR) -> StorageError | None:
    """The sentence for an error of a database or of the operating system; None if it is about no file's state.

    `file`: the database at hand, if the error does not name its file itself.
    """
    if not (isinstance(error, OSError | sqlite3.Error) or _is_of_duckdb(error)):
        return None
    text = str(error)
    name = _name(error, text, file)
    kind = _NUMBERS.get(error.errno or 0) if isinstance(error, OSError) else None
    if kind is _FULL or (not kind and _FULL.search(text)):
        return StorageError(
            f"{name} cannot be written: the disk is full; make room and run the same command again, "
            "which goes on from what was committed"
        )
    if kind is _READ_ONLY or (not kind and _READ_ONLY.search(text)):
        return StorageError(
            f"{name} cannot be written: it lies on a read-only file system; mount it for writing, or name another home"
        )
    if (
        isinstance(error, sqlite3.Error) and file is not None and file.is_dir()
    ):  # which SQLite takes for a missing right
        return _misplaced(name, errno.EISDIR)
    if kind is _FORBIDDEN or (not kind and _FORBIDDEN.search(text)):
        return StorageError(
            f"{name} may not be read or written by this user; run the command as the user who owns the home, "
            "or give this one the right"
        )
    if isinstance(error, OSError) and error.errno in _MISPLACED:
        return _misplaced(name, error.errno)
    if not isinstance(error, OSError) and _DAMAGED.search(text):
        return DamagedFileError(f"{name} is cut short, damaged, or of another program; {repair}")
    return None


@contextmanager
def told_of(file: Path, repair: str = _REPAIR) -> Iterator[None]:
    """What a database says of the state of its file while the block runs, raised as a StorageError that names the file."""
    try:
        yield
    except Exception as error:
        told = None if isinstance(error, OSError) else described(error, file, repair)
        if told is None:
            raise
        raise told from error


def _is_of_duckdb(error: BaseException) -> bool:
    """By name: whoever only relays events does not load DuckDB for this."""
    return any(kind.__name__ == "Error" and "duckdb" in kind.__module__ for kind in type(error).__mro__)


def _misplaced(name: str, number: int) -> StorageError:
    return StorageError(f"{name} {_MISPLACED[number]}; move it away and run the same command again")


def _name(error: BaseException, text: str, file: Path | None) -> str:
    if isinstance(error, OSError) and error.filename2 is not None:
        return str(error.filename2)  # of a copy or a rename: where it goes is what is full, or in the way
    if isinstance(error, OSError) and error.filename is not None:
        return str(error.filename)
    quoted = _QUOTED.search(text)
    if quoted:
        return quoted[1]
    return str(file) if file is not None else "a file of the home"
