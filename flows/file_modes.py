"""Who may read which file of a home: all is its owner's alone, and what is published is its readers' as well.

New files are made so. A home that was made by an earlier version, or by other hands, is looked at by `doctor` and put right by
`valuemart maintain --fix-modes`, and by nothing else.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flows.settings import Settings, SettingsError
from warehouse.files import NOBODY_ELSE, Readers
from warehouse.mart.publish import PARQUET_FOLDER


@dataclass(frozen=True, slots=True)
class FixedModes:
    """How many files and folders were given their modes, and which could not be, since they are another user's."""

    fixed: int
    left: tuple[Path, ...]


def require_membership(settings: Settings) -> None:
    """SettingsError if this user may not give files to the group that is to read them."""
    group = settings.readers.group
    if group is None or os.geteuid() == 0 or group in {os.getegid(), *os.getgroups()}:
        return
    raise SettingsError(
        f"publish_group: this user is no member of the group {settings.publish_group}, and may give it no file; "
        f"run `usermod -aG {settings.publish_group} USER`, and log in again"
    )


def wrong_modes(settings: Settings) -> Iterator[tuple[Path, Readers]]:
    """Each file and folder of the home, and each published one, that others may read or its readers may not; with who should."""
    for path, readers in _all_files(settings):
        try:
            found = path.lstat()
        except FileNotFoundError:  # of a run that is at work
            continue
        mode = found.st_mode & 0o777  # a folder may hand on its group as well
        if readers.group is None:
            if mode & 0o077:
                yield path, readers
        elif found.st_gid != readers.group or mode != (
            readers.folder_mode if stat.S_ISDIR(found.st_mode) else readers.file_mode
        ):
            yield path, readers


def fix_modes(settings: Settings) -> FixedModes:
    """Give every file and folder to its owner, and what is published to its readers as well.

    SettingsError if this user may not give files to the group.
    """
    require_membership(settings)
    fixed, left = 0, []
    for path, readers in list(wrong_modes(settings)):
        try:
            readers.admit_one(path)
        except FileNotFoundError:  # of a run that is at work
            continue
        except PermissionError:
            left.append(path)
        else:
            fixed += 1
    return FixedModes(fixed, tuple(left))


def _all_files(settings: Settings) -> Iterator[tuple[Path, Readers]]:
    """The home, all that is in it, and what is published elsewhere, each with who may read it; links are left out."""
    published, readers = settings.published_folder, settings.readers
    is_read_here = published == settings.home
    if settings.home.is_dir():
        yield settings.home, readers if is_read_here else NOBODY_ELSE
        shown = tuple(_published_names(settings)) if is_read_here else ()
        for path in _below(settings.home):
            first = path.relative_to(settings.home).parts[0]
            yield path, readers if first in shown else NOBODY_ELSE
    if not is_read_here and published.is_dir():
        yield published, readers
        for name in _published_names(settings):
            there = published / name
            if there.exists():
                yield there, readers
                yield from ((path, readers) for path in _below(there))


def _published_names(settings: Settings) -> Iterator[str]:
    """What lies in the folder that is published to, by its first name."""
    yield from (settings.mart_file.name, PARQUET_FOLDER)
    yield from (settings.report_folder.name, settings.metrics_folder.name)
    yield from (share.file_name for share in settings.shares)


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            if not path.is_symlink():
                yield path
