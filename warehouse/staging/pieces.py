"""A large text file cut into pieces between its records, so that each is read by a thread of its own.

A record's number is its place in its file, which takes one thread to count. Cut where one record ends and the next begins, a
file is counted piece by piece, and all pieces are read at once. A cut inside a quoted cell would tear a record apart,
so a file is cut only if each of its quotes stands where one opens, closes or is doubled: then it is known of every line
end whether it ends a record.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from warehouse.delivery.dialect import Dialect
from warehouse.delivery.inspect import CheckedFile, compression
from warehouse.staging.delivered import Delivery
from warehouse.staging.source_file import Cut

# Below this, planning one more reader costs more than it gives.
LEAST_PIECE_BYTES = 8 * 1024 * 1024
# So that no thread waits long for the last piece.
_PIECES_PER_THREAD = 2
_WINDOW = 4 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANK_ENDS = (b"\n\n", b"\n\r\n")


class UncutError(Exception):
    """Why a file is read in one piece."""


def cut_files(delivery: Delivery, scratch: Path) -> None:
    """Cut the checked text files that are large enough into pieces beside `scratch`, and enter how each is read."""
    number = 0
    for delivered in delivery.every:
        for path, checked in delivered.checked.items():
            delivered.cuts[path] = cut(checked, scratch.with_name(f"{scratch.stem}-piece-{number}"))
            number += 1


def cut(checked: CheckedFile, beside: Path) -> Cut:
    """Cut one file into pieces whose names begin as `beside`, or say why it stays whole."""
    if checked.kind != "text" or checked.table is not None:
        return Cut(reason="it is not read as text")
    try:
        number = _wanted(checked.readable)
        _require_plain_marks(checked)
        borders = _borders(checked.readable, checked.dialect, number)
        return Cut(tuple(_copied(checked.readable, borders, beside)))
    except UncutError as reason:
        return Cut(reason=str(reason))


def _wanted(file: Path) -> int:
    """Into how many pieces a file is cut."""
    if compression(file) != "none":
        raise UncutError("it is compressed")
    number = min(file.stat().st_size // LEAST_PIECE_BYTES, _PIECES_PER_THREAD * (os.cpu_count() or 1))
    if number < 2:
        raise UncutError("it is small")
    return number


def _require_plain_marks(checked: CheckedFile) -> None:
    dialect = checked.dialect
    if not (len(dialect.delimiter) == 1 and dialect.delimiter.isascii()):
        raise UncutError("its delimiter is more than one byte")
    if dialect.quote and not (len(dialect.quote) == 1 and dialect.quote.isascii()):
        raise UncutError("its quote is more than one byte")
    if dialect.quote and dialect.escape != dialect.quote:
        raise UncutError("a quote is escaped in it by another mark")
    if checked.blank_records:
        raise UncutError("it has blank lines, which count in some record numbers and not in others")


def _borders(file: Path, dialect: Dialect, number: int) -> list[int]:
    """Where the pieces begin, and the file's end; UncutError if it is not known of every line end whether it ends a record."""
    size = file.stat().st_size
    targets = [size * place // number for place in range(1, number)]
    quote = dialect.quote.encode()
    borders, inside = [0], False
    with file.open("rb") as stream:
        last = os.pread(stream.fileno(), 3, max(size - 3, 0))
        if last.endswith(_BLANK_ENDS):
            raise UncutError("it ends with blank lines")
        for start in range(0, size, _WINDOW):
            window = _Window.read(stream.fileno(), start, size)
            quotes = window.places(quote) if quote else _NOWHERE
            window.require_well_placed(quotes, dialect, inside=inside)
            while targets and targets[0] < window.end:
                border = window.record_end(quotes, targets[0], inside=inside)
                if border is None:
                    # The next window has one, if not this.
                    targets[0] = window.end
                    break
                targets = [target for target in targets[1:] if target > border]
                borders.append(border)
            inside ^= len(quotes) % 2 == 1
    if inside:
        raise UncutError("a quote is opened in it and not closed")
    borders = [border for border in borders if border < size]
    if len(borders) == 1:
        raise UncutError("no line end in it is known to end a record")
    return [*borders, size]


_NOWHERE = np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Window:
    """Bytes `start` to `end` of a file, with the one before and the one behind them; `lead` bytes of `content` lie before."""

    content: bytes
    lead: int
    start: int
    end: int

    @classmethod
    def read(cls, descriptor: int, start: int, size: int) -> _Window:
        first, end = max(start - 1, 0), min(start + _WINDOW, size)
        return cls(os.pread(descriptor, end + 1 - first, first), start - first, start, end)

    @property
    def _own(self) -> int:
        return self.end - self.start

    def places(self, mark: bytes) -> np.ndarray:
        """Where a byte stands in the window, counted from its start."""
        if self.content.find(mark, self.lead, self.lead + self._own) < 0:
            return _NOWHERE
        return np.flatnonzero(self._bytes == mark[0])

    @property
    def _bytes(self) -> np.ndarray:
        return np.frombuffer(self.content, dtype=np.uint8, count=self._own, offset=self.lead)

    def record_end(self, quotes: np.ndarray, target: int, *, inside: bool) -> int | None:
        """The place behind the first line end at or behind `target` that stands outside quotes; None if there is none here."""
        first = max(target, self.start) - self.start
        if not len(quotes):
            found = self.content.find(b"\n", self.lead + first, self.lead + self._own)
            return None if found < 0 or inside else self.start + found - self.lead + 1
        ends = np.flatnonzero(self._bytes[first:] == ord("\n")) + first
        outside = (np.searchsorted(quotes, ends) + inside) % 2 == 0
        return self.start + int(ends[outside][0]) + 1 if outside.any() else None

    def require_well_placed(self, quotes: np.ndarray, dialect: Dialect, *, inside: bool) -> None:
        """UncutError unless each quote opens a cell, closes one, or is half of a doubled one."""
        if not len(quotes):
            return
        around = np.frombuffer(self.content, dtype=np.uint8)
        opening, closing = quotes[int(inside) :: 2] + self.lead, quotes[1 - int(inside) :: 2] + self.lead
        mark, end = ord(dialect.quote), ord("\n")
        before = [ord(dialect.delimiter), end, mark]
        behind = [*before, ord("\r")]
        if self.start == 0:
            first = len(_BYTE_ORDER_MARK) if self.content.startswith(_BYTE_ORDER_MARK) else 0
            opening = opening[opening > first]
        closing = closing[closing + 1 < len(around)]  # the last one of the file has nothing behind it
        if not (np.isin(around[opening - 1], before).all() and np.isin(around[closing + 1], behind).all()):
            raise UncutError("a quote stands in the middle of a cell")


def _copied(file: Path, borders: Sequence[int], beside: Path) -> Iterator[Path]:
    with file.open("rb") as stream:
        for place, (first, end) in enumerate(itertools.pairwise(borders)):
            piece = beside.with_name(f"{beside.name}-{place:03d}.csv")
            stream.seek(first)
            with piece.open("wb") as copy:
                while rest := end - stream.tell():
                    copy.write(stream.read(min(rest, _WINDOW)))
            yield piece
