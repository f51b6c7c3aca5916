"""A delivered file as it lies there: whole, what its name says, in its declared encoding, and where its lines are blank.

DuckDB reads a compressed file that was cut as if it ended there, and counts a blank line in some record numbers but not
in others; so both are looked at here, before it reads anything.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from warehouse.encodings import encoding_of
from warehouse.faults import BatchRefusedError, Fault
from warehouse.source import Dialect

CHUNK = 4 * 1024 * 1024
# By suffix, as DuckDB calls them.
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
PARQUET = ".parquet"
_MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd", PARQUET: b"PAR1"}
_FOREIGN = {
    "a Parquet file": b"PAR1",
    "an Excel workbook or zip archive": b"PK\x03\x04",
    "an old Excel workbook": b"\xd0\xcf\x11\xe0",
    "a gzip archive": b"\x1f\x8b",
    "a Zstandard archive": b"\x28\xb5\x2f\xfd",
    "a PDF document": b"%PDF-",
}
# The longest line that DuckDB reads; in some encodings it never comes back from a longer one.
_LONGEST_LINE = 2_000_000
# Of a record that Python's own reader looks at; quoted, it may have several lines.
_LONGEST_FIELD = 4 * 1024 * 1024
# Text packs five to thirty times smaller. What unpacks to far more is a mistake or a trap, and would take all memory.
_MOST_UNPACKED, _HARMLESS_BYTES = 200, 64 * 1024 * 1024
_BLANK = (b"\n\n", b"\n\r\n", b"\r\r")


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What was found in a file that is fit to be read.

    `blank_records` are the record numbers (the header is 1) of blank lines that stand before other records.
    """

    size: int
    blank_records: tuple[int, ...] = ()


def compression(file: Path) -> str:
    """How a file is compressed, by its name, as DuckDB calls it."""
    return COMPRESSIONS.get(file.suffix.lower(), "none")


def is_parquet(file: Path) -> bool:
    """Whether a file is Parquet, by its name."""
    return file.suffix.lower() == PARQUET


def check(file: Path, path: str, sha256: str, dialect: Dialect) -> CheckedFile:
    """Check hash, kind, wholeness and encoding; BatchRefusedError names the first of them that is wrong.

    `path` is the file's name in messages, `dialect` says how its text is written.
    """
    digest = hashlib.sha256()
    size, start, text_fault, blank = 0, b"", None, False
    plain = file.suffix.lower() not in _MAGIC
    text = _Text(dialect, path)
    with file.open("rb") as stream:
        for chunk in _chunks(stream):
            start = start or chunk[:8]
            size += len(chunk)
            digest.update(chunk)
            if plain:
                text.feed(chunk)
    if digest.hexdigest() != sha256:
        message = f"its SHA-256 is {digest.hexdigest()[:12]}…, the manifest says {sha256[:12]}…"
        remedy = "The file was changed or cut on its way: deliver it again."
        raise BatchRefusedError(Fault("hash_mismatch", message, remedy, path))
    if size == 0:
        message = "has no content, not even a header"
        raise BatchRefusedError(Fault("empty_file", message, "Export the file again.", path))
    _check_kind(file, path, start)
    if is_parquet(file):
        return CheckedFile(size)
    if not plain:
        _feed_decompressed(file, path, text)
    text_fault, blank = text.finish()
    if text_fault:
        raise BatchRefusedError(text_fault)
    try:
        return CheckedFile(size, _blank_records(file, dialect) if blank else ())
    except csv.Error as error:
        raise BatchRefusedError(_no_records(path, error)) from None


def header(file: Path, path: str, dialect: Dialect) -> list[str]:
    """The cells of a text file's first record; none where the file is empty or begins with a blank line.

    BatchRefusedError where it is none that can be read.
    """
    try:
        with _records(file, dialect) as records:
            return next(records, [])
    except csv.Error as error:
        raise BatchRefusedError(_no_records(path, error)) from None


def _no_records(path: str, error: csv.Error) -> Fault:
    message = f"cannot be split into records ({error})"
    remedy = "A quote may be opened and not closed, or it is no text. Export it again."
    return Fault("unreadable_file", message, remedy, path)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _check_kind(file: Path, path: str, start: bytes) -> None:
    suffix = file.suffix.lower()
    if suffix in _MAGIC:
        if not start.startswith(_MAGIC[suffix]):
            message = f"is not what its name says: it does not begin as a {suffix} file does"
            remedy = "Export it in the format its name says, or rename it."
            raise BatchRefusedError(Fault("wrong_file_type", message, remedy, path))
        return
    _refuse_foreign(start, path)


def _refuse_foreign(start: bytes, path: str) -> None:
    kind = next((name for name, magic in _FOREIGN.items() if start.startswith(magic)), None)
    if kind:
        message = f"is not what its name says: it is {kind}, not text"
        remedy = "Export it as text, or rename it by its real format."
        raise BatchRefusedError(Fault("wrong_file_type", message, remedy, path))


def _feed_decompressed(file: Path, path: str, text: _Text) -> None:
    start, size = b"", 0
    most = max(_HARMLESS_BYTES, _MOST_UNPACKED * file.stat().st_size)
    try:
        with _decompressed(file) as stream:
            for chunk in _chunks(stream):
                start = start or chunk[:8]
                size += len(chunk)
                if size > most:
                    message = f"unpacks to more than {_MOST_UNPACKED} times its size, as no text does"
                    remedy = "Deliver it unpacked if it is meant."
                    raise BatchRefusedError(Fault("unpacks_too_large", message, remedy, path))
                text.feed(chunk)
    except (EOFError, OSError, zlib.error) as error:
        message = f"is cut or damaged ({' '.join(str(error).split())[:200]})"
        remedy = "Deliver it again, whole."
        raise BatchRefusedError(Fault("unreadable_file", message, remedy, path)) from None
    _refuse_foreign(start, path)


@contextmanager
def _decompressed(file: Path) -> Iterator[BinaryIO]:
    kind = compression(file)
    if kind == "gzip":
        with gzip.open(file, "rb") as stream:
            yield cast("BinaryIO", stream)
    elif kind == "zstd":
        import pyarrow as pa

        with pa.input_stream(str(file), compression="zstd") as stream:
            yield stream
    else:
        with file.open("rb") as stream:
            yield stream


class _Text:
    """Text fed chunk by chunk: the first place where it is not in its encoding, and whether it has blank lines inside."""

    def __init__(self, dialect: Dialect, path: str) -> None:
        self.encoding = encoding_of(dialect.encoding)
        # Every byte is a character of Latin-1.
        decodes = self.encoding.codec != "iso8859-1"
        self.decoder = codecs.getincrementaldecoder(self.encoding.codec)() if decodes else None
        self.path = path
        self.lines = 0
        self.fault: Fault | None = None
        self.tail = b"\n"  # so that a blank first line is found as any other
        self.blank_seen = self.blank_inside = False
        self.open_line = 0  # bytes of the line that the last part ended in

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        """Take the next part."""
        if self.fault:
            return
        text: str | None = None
        if self.decoder is not None:
            try:
                text = self.decoder.decode(chunk, final)
            except UnicodeDecodeError as error:
                self.fault = self._undecodable(error)
                return
            except UnicodeError:
                self.fault = Fault(
                    "wrong_encoding",
                    f"does not begin with the mark by which {self.encoding.name} is read",
                    f"Export the file as {self.encoding.name}, or state its encoding in the source's profile.",
                    self.path,
                    1,
                )
                return
            self.lines += text.count("\n")
        if self._has_too_long_a_line(chunk):
            self.fault = Fault(
                "line_too_long",
                f"has a line of more than {_LONGEST_LINE:,} bytes",
                "No record is that long: line ends were lost, or it is no text. Export it again.",
                self.path,
            )
            return
        # A line's end is one byte in every encoding but UTF-16.
        self._look_for_blank_lines(text.encode() if text and self.encoding.codec == "utf-16" else chunk)

    def _has_too_long_a_line(self, chunk: bytes) -> bool:
        place, allowed = 0, _LONGEST_LINE - self.open_line
        while len(chunk) - place > allowed:
            end = max(chunk.rfind(mark, place, place + max(allowed, 0)) for mark in (b"\n", b"\r"))
            if end < 0:
                return True
            place, allowed = end + 1, _LONGEST_LINE
        last = max(chunk.rfind(mark) for mark in (b"\n", b"\r"))
        self.open_line = len(chunk) - last - 1 if last >= 0 else self.open_line + len(chunk)
        return False

    def finish(self) -> tuple[Fault | None, bool]:
        """What was found in the whole text."""
        self.feed(b"", final=True)
        return self.fault, self.blank_inside

    def _undecodable(self, error: UnicodeDecodeError) -> Fault:
        before = error.object[: error.start].decode(error.encoding, "ignore")
        return Fault(
            "wrong_encoding",
            f"byte {error.object[error.start]:#04x} is not {self.encoding.name}",
            f"Export the file as {self.encoding.name}, or state its encoding in the source's profile.",
            self.path,
            self.lines + before.count("\n") + 1,
        )

    def _look_for_blank_lines(self, chunk: bytes) -> None:
        if self.blank_inside or not chunk:
            return
        data = self.tail + chunk
        if self.blank_seen:
            self.blank_inside = bool(chunk.strip(b"\r\n"))
        else:
            found = [place for pattern in _BLANK if (place := data.find(pattern)) >= 0]
            self.blank_seen = bool(found)
            self.blank_inside = bool(found) and bool(data[min(found) :].strip(b"\r\n"))
        self.tail = data[-2:]


def _blank_records(file: Path, dialect: Dialect) -> tuple[int, ...]:
    """The record numbers of blank lines: slow, and needed for few files."""
    with _records(file, dialect) as records:
        return tuple(number for number, record in enumerate(records, start=1) if not record)


@contextmanager
def _records(file: Path, dialect: Dialect) -> Iterator[Iterator[list[str]]]:
    """A text file's records as lists of cells; a blank line is an empty list."""
    codec = encoding_of(dialect.encoding).codec
    # The mark of byte order that some programs write first is no part of the first header.
    encoding = "utf-8-sig" if codec == "utf-8" else codec
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        with (
            _decompressed(file) as stream,
            io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="") as lines,
        ):
            yield _split(lines, dialect)
    finally:
        csv.field_size_limit(before)


def _split(lines: Iterator[str], dialect: Dialect) -> Iterator[list[str]]:
    delimiter = dialect.delimiter
    if len(delimiter) > 1:
        lines = (line.replace(delimiter, "\x1f") for line in lines)
        delimiter = "\x1f"
    if not dialect.quote:
        return csv.reader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)
    doubled = dialect.escape == dialect.quote
    return csv.reader(
        lines,
        delimiter=delimiter,
        quotechar=dialect.quote,
        doublequote=doubled,
        escapechar=None if doubled else dialect.escape or None,
    )
