"""A delivered file as it lies there: whole, what it really is, in its encoding, and where its lines are blank.

DuckDB reads a compressed file that was cut as if it ended there, and counts a blank line in some record numbers but not
in others; so both are looked at here, before it reads anything.
"""

from __future__ import annotations

import csv
import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from warehouse.delivery.dialect import Dialect
from warehouse.delivery.formats import convert, text
from warehouse.delivery.formats.cells import decompression_bomb, max_unpacked
from warehouse.delivery.formats.scan import TextScan
from warehouse.delivery.formats.sniff import HEAD, NAMES, Kind, kind_of
from warehouse.delivery.formats.text import compression, unpacked
from warehouse.delivery.headers import bind, header_names
from warehouse.delivery.profile import Resource
from warehouse.errors import BatchRefusedError, Fault

CHUNK = 4 * 1024 * 1024
# Files that must be what their name says, since DuckDB goes by it.
_NAMED: dict[str, Kind] = {".gz": "gzip", ".zst": "zstd", ".parquet": "parquet"}
_CONVERTED = tuple(kind for kind in convert.FORMATS if kind != "text")
_SHEETS = {".xls", ".xlsx", ".xlsm"}
# A letter of Western Europe in UTF-8, as it looks in the encodings of a byte a letter: ü is Ã¼ there, which no word has.
_UTF8_LOOK = re.compile("\u00c3[\u00a1-\u00ba\u00bc-\u00bf]")
_WESTERN = ("latin-1", "iso-8859-15", "windows-1252")
_SEPARATOR = re.compile(r'"?sep=(.)"?[\s;,]*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What was found in a file that is fit to be read: the file that DuckDB reads for it, and how.

    `headers` are its columns, each by a name of its own; of Parquet, which says so itself, None.
    `blank_records` are the record numbers (the header is 1) of blank lines that stand before other records. `table` is
    what a file was made into that is not read as it lies there. `is_mixed`: it is partly UTF-8, and read as what it is else.
    """

    size: int
    readable: Path
    dialect: Dialect
    kind: Kind = "text"
    headers: tuple[str, ...] | None = None
    blank_records: tuple[int, ...] = ()
    table: convert.Table | None = None
    is_mixed: bool = False


def check(
    file: Path, path: str, sha256: str, dialect: Dialect, resource: Resource, scratch: Path
) -> CheckedFile:
    """Check hash, kind, wholeness and encoding, and make what DuckDB cannot read into a file in `scratch` that it can.

    `path` is the file's name in messages, `dialect` says how its text is written, `scratch` is a name to write to.
    BatchRefusedError names the first thing that is wrong.
    """
    size, start, reader = _read(file, path, sha256, dialect)
    kind = _kind(file, path, start)
    if kind == "parquet":
        return CheckedFile(size, file, dialect, kind)
    if kind in _CONVERTED:
        return _converted(file, kind, path, size, dialect, resource, scratch)
    if kind != "text":
        reader = TextScan(dialect, path)
        _feed_unpacked(file, path, reader, size)
    text_fault, blank = reader.finish()
    if text_fault and dialect.fallback_encoding:
        other = {"encoding": dialect.fallback_encoding, "fallback_encoding": None}
        fallen_back = dialect.model_copy(update=other)
        checked = check(file, path, sha256, fallen_back, resource, scratch)
        return replace(checked, is_mixed=_is_mixed(file, dialect, fallen_back))
    if text_fault:
        raise BatchRefusedError(text_fault)
    dialect = dialect.model_copy(update={"encoding": reader.encoding_name})
    if not dialect.is_columned:
        dialect = _separated(file, _tabbed(file, dialect) if file.suffix.lower() in _SHEETS else dialect)
    if (
        not _is_plain(file, path, dialect, resource)
        or reader.has_empty_records
        or (len(reader.ends) > 1 and text.ends_differ(file, dialect))
    ):
        return _converted(file, "text", path, size, dialect, resource, scratch)
    try:
        blank_records = _blank_records(file, dialect) if blank else ()
    except csv.Error as error:
        raise BatchRefusedError(_no_records(path, error)) from None
    headers = _headers(file, path, dialect)
    if not reader.encoding.duckdb:
        target = scratch.with_name(scratch.name + ".csv")
        convert.transcode(file, dialect, target)
        file, dialect = target, dialect.model_copy(update={"encoding": "utf-8"})
    return CheckedFile(size, file, dialect, headers=headers, blank_records=blank_records)


def _is_mixed(file: Path, dialect: Dialect, fallen_back: Dialect) -> bool:
    """Whether a file that is not UTF-8 throughout has letters of it all the same, as two exports put into one file have."""
    if dialect.encoding != "utf-8" or fallen_back.encoding not in _WESTERN:
        return False
    with text.lines_of(file, fallen_back) as lines:
        return any(_UTF8_LOOK.search(line) for line in lines)


def is_parquet(file: Path) -> bool:
    """Whether a file is Parquet, by its name; what is not so by its content is refused."""
    return _NAMED.get(file.suffix.lower()) == "parquet"


def _headers(file: Path, path: str, dialect: Dialect) -> tuple[str, ...]:
    """The names in a text file's first record; BatchRefusedError if it has none."""
    cells = _first_record(file, path, dialect)
    if not any(cell.strip() for cell in cells):
        message = "begins with a blank line, not with its header"
        remedy = "Export it again, with the header in the first line."
        raise BatchRefusedError(Fault("missing_header", message, remedy, path, 1))
    return tuple(header_names(cells, path))


def _first_record(file: Path, path: str, dialect: Dialect) -> list[str]:
    """The cells of a text file's first record; none where the file is empty or begins with a blank line.

    BatchRefusedError where it is none that can be read.
    """
    try:
        with text.records_of(file, dialect) as records:
            return next(records, [])
    except csv.Error as error:
        raise BatchRefusedError(_no_records(path, error)) from None


def _no_records(path: str, error: csv.Error) -> Fault:
    message = f"cannot be split into records ({error})"
    remedy = "A quote may be opened and not closed, or it is no text. Export it again."
    return Fault("unreadable_file", message, remedy, path)


def _read(file: Path, path: str, sha256: str, dialect: Dialect) -> tuple[int, bytes, TextScan]:
    """Size, first bytes, and what was found in the text, if it is one: all in one reading."""
    digest = hashlib.sha256()
    size, start = 0, b""
    plain = file.suffix.lower() not in _NAMED
    reader = TextScan(dialect, path)
    with file.open("rb") as stream:
        for chunk in _chunks(stream):
            if not start:
                start = chunk[:HEAD]
                plain = plain and kind_of(start) == "text"
            size += len(chunk)
            digest.update(chunk)
            if plain:
                reader.feed(chunk)
    if digest.hexdigest() != sha256:
        message = f"its SHA-256 is {digest.hexdigest()[:12]}…, the manifest says {sha256[:12]}…"
        remedy = "The file was changed or cut on its way: deliver it again."
        raise BatchRefusedError(Fault("hash_mismatch", message, remedy, path))
    if size == 0:
        message = "has no content, not even a header"
        raise BatchRefusedError(Fault("empty_file", message, "Export the file again.", path))
    return size, start, reader


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK):
        yield chunk


def _kind(file: Path, path: str, start: bytes) -> Kind:
    """What the file is; BatchRefusedError where nothing here reads it, or its name would mislead DuckDB."""
    kind, suffix = kind_of(start, file), file.suffix.lower()
    named = _NAMED.get(suffix)
    if named is not None and kind != named:
        message = f"is not what its name says: it does not begin as a {suffix} file does"
        remedy = "Export it in the format its name says, or rename it."
        raise BatchRefusedError(Fault("wrong_file_type", message, remedy, path))
    if kind != "text" and kind not in _CONVERTED and kind != named:
        raise BatchRefusedError(_foreign(kind, path))
    return kind


def _foreign(kind: Kind, path: str) -> Fault:
    message = f"is not what its name says: it is {NAMES[kind]}, not text"
    return Fault("wrong_file_type", message, "Export it as text, or rename it by its real format.", path)


def _converted(
    file: Path, kind: Kind, path: str, size: int, dialect: Dialect, resource: Resource, scratch: Path
) -> CheckedFile:
    target = scratch.with_name(scratch.name + ".parquet")
    table = convert.convert(file, kind, path, dialect, resource, target)
    return CheckedFile(size, target, dialect, kind, table.headers, table=table)


def _tabbed(file: Path, dialect: Dialect) -> Dialect:
    """Text under a workbook's name is parted by tabs, whatever parts the profile's other files."""
    with text.lines_of(file, dialect) as lines:
        tabs = "\t" in next((line for line in lines if line.strip()), "")
    return dialect.model_copy(update={"delimiter": "\t"}) if tabs else dialect


def _separated(file: Path, dialect: Dialect) -> Dialect:
    """A first line `sep=;`, written for Excel, is no header, and says what parts the cells."""
    with text.lines_of(file, dialect) as lines:
        match = _SEPARATOR.fullmatch(next(lines, ""))
    if match is None:
        return dialect
    below = (
        dialect.header_rows if dialect.header_rows[0] > 1 else tuple(row + 1 for row in dialect.header_rows)
    )
    return dialect.model_copy(update={"delimiter": match[1], "header_rows": below})


def _is_plain(file: Path, path: str, dialect: Dialect, resource: Resource) -> bool:
    """Whether the first line is the header and every line below it a record, so that DuckDB can read it as it lies there."""
    if (
        dialect.is_columned
        or dialect.layout == "list"
        or (dialect.layout == "either" and text.is_list(file, dialect))
    ):
        return False
    if dialect.preamble:
        return not bind(_first_record(file, path, dialect), resource, dialect).missing
    return dialect.header_rows == (1,)


def _feed_unpacked(file: Path, path: str, reader: TextScan, packed: int) -> None:
    start, size, limit = b"", 0, max_unpacked(packed)
    try:
        with unpacked(file) as stream:
            for chunk in _chunks(stream):
                start = start or chunk[:HEAD]
                size += len(chunk)
                if size > limit:
                    raise decompression_bomb(path, limit)
                reader.feed(chunk)
    except (EOFError, OSError, zlib.error) as error:
        message = f"is cut or damaged ({' '.join(str(error).split())[:200]})"
        remedy = "Deliver it again, whole."
        raise BatchRefusedError(Fault("unreadable_file", message, remedy, path)) from None
    kind = kind_of(start)
    if kind != "text":
        raise BatchRefusedError(_foreign(kind, path))


def _blank_records(file: Path, dialect: Dialect) -> tuple[int, ...]:
    """The record numbers of blank lines: slow, and needed for few files."""
    with text.records_of(file, dialect) as records:
        return tuple(number for number, record in enumerate(records, start=1) if not record)


__all__ = ["CheckedFile", "check", "compression", "is_parquet"]
