"""The embedded default: one file a month of writing, one CloudEvent a line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from flows.delivery.sinks import Sent
from warehouse.files import NOBODY_ELSE, Readers, sync
from warehouse.relay.records import StoredEvent

_CHUNK = 64 * 1024


class FileSink:
    """Appends to `<folder>/<YYYY-MM>.jsonl`, by the day on which the event was recorded (UTC), whatever day it speaks of.

    So a customer's lines, from the first file to the last, stand in the order of `sequence`, an old month rated today
    included. A line is there only with its newline: what a killed run left of a line is cut off before the next is
    written, and its event comes again.
    """

    def __init__(self, folder: Path, name: str = "file", readers: Readers = NOBODY_ELSE) -> None:
        self.folder = folder
        self.name = name
        self.readers = readers

    def send(self, events: Sequence[StoredEvent]) -> Sent:
        """Append and force to disk, month by month; a file refuses nothing. OSError where the disk does."""
        for month, of_month in groupby(sorted(events, key=_month), key=_month):
            self._append(self.folder / f"{month}.jsonl", [event.body.encode() + b"\n" for event in of_month])
        return Sent(delivered=[event.event_id for event in events])

    def close(self) -> None:
        """Nothing is kept open between two batches."""

    def _append(self, path: Path, lines: Sequence[bytes]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = not path.exists()
        with path.open("ab+") as file:
            _cut_torn_line(file)
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            self.readers.admit_one(path)
            sync(self.folder)


def _month(event: StoredEvent) -> str:
    return f"{event.recorded_at.astimezone(UTC):%Y-%m}"


def _cut_torn_line(file: BinaryIO) -> None:
    """Truncate behind the last newline."""
    end = keep = file.seek(0, os.SEEK_END)
    while keep:
        start = max(keep - _CHUNK, 0)
        file.seek(start)
        newline = file.read(keep - start).rfind(b"\n")
        if newline >= 0:
            keep = start + newline + 1
            break
        keep = start
    if keep < end:
        file.truncate(keep)
    file.seek(keep)
