"""Text files as rows of cells: delimited ones, and lists as SAP prints them."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO, cast

from warehouse.delivery.dialect import Dialect
from warehouse.delivery.encodings import encoding_of
from warehouse.delivery.formats.cells import Row

# By suffix, as DuckDB calls them.
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
# Of a record that is looked at here; quoted, it may have several lines.
_LONGEST_FIELD = 4 * 1024 * 1024
_RULE = frozenset("-|+=_*·. \t─│┼━┃├┤┌┐└┘")
_STROKES = frozenset("-=_─━")
# How far down the header of a printed list may stand.
_SEARCHED_LINES = 200


class Heading(str):
    """A line of a printed list that stands between its pages, and is no line of the table."""

    __slots__ = ()


class Misquoted(str):
    """A line that cannot be parted into cells, since its quotes do not fit together."""

    __slots__ = ()


class UnclosedQuoteError(Exception):
    """A quote is opened and not closed before the file ends."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


def compression(file: Path) -> str:
    """How a file is compressed, by its name, as DuckDB calls it."""
    return COMPRESSIONS.get(file.suffix.lower(), "none")


@contextmanager
def unpacked(file: Path) -> Iterator[BinaryIO]:
    """A file's bytes, unpacked."""
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


@contextmanager
def lines_of(file: Path, dialect: Dialect) -> Iterator[io.TextIOWrapper]:
    """A file's text, with its line ends as they are."""
    codec = encoding_of(dialect.encoding).codec
    # The mark of byte order that some programs write first is no part of the first header.
    encoding = "utf-8-sig" if codec == "utf-8" else codec
    with (
        unpacked(file) as stream,
        io.TextIOWrapper(stream, encoding=encoding, errors="replace", newline="") as lines,
    ):
        yield lines


@contextmanager
def records_of(file: Path, dialect: Dialect) -> Iterator[Iterator[list[str]]]:
    """A text file's records as lists of cells; a blank line is an empty list."""
    with _longest_field(_LONGEST_FIELD), lines_of(file, dialect) as lines:
        yield _split(lines, dialect)


@contextmanager
def _longest_field(length: int) -> Iterator[None]:
    before = csv.field_size_limit(length)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _split(lines: Iterator[str], dialect: Dialect, *, strict: bool = False) -> Iterator[list[str]]:
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
        strict=strict,
    )


def rows(file: Path, dialect: Dialect) -> Generator[Row]:
    """The records of a delimited file that hold anything but a line drawn; numbered as they stand.

    One whose quotes do not fit together comes as one `Misquoted`; UnclosedQuoteError where a quote is never closed.
    """
    if dialect.is_columned:
        yield from _columned_rows(file, dialect)
        return
    last = [""]

    def remembered(lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            last[0] = line
            yield line

    with _longest_field(_LONGEST_FIELD), lines_of(file, dialect) as lines:
        records, number, begun = _split(remembered(lines), dialect, strict=True), 0, 1
        while True:
            number += 1
            try:
                cells = next(records, None)
            except csv.Error as error:
                if "unexpected end of data" in str(error):
                    raise UnclosedQuoteError(begun) from None
                cells = [Misquoted(last[0].strip("\r\n"))]
            if cells is None:
                return
            begun = number + 1
            if any(cell.strip() for cell in cells) and not (len(cells) == 1 and is_rule(cells[0])):
                yield number, cells


def _columned_rows(file: Path, dialect: Dialect) -> Generator[Row]:
    """The lines of a file without a delimiter, each cut at its widths or parted at its blanks; numbered as they stand."""
    part = _by_blanks(dialect)
    with lines_of(file, dialect) as lines:
        for number, line in enumerate(lines, start=1):
            text = line.rstrip("\r\n")
            if text.strip() and not is_rule(text):
                yield number, _cut(text, dialect.widths) if dialect.widths else _parted(text, part, dialect)


def _cut(line: str, widths: Sequence[int]) -> list[str]:
    """The cells of a line by their widths, without padding; what stands beyond the last one is a cell too many."""
    ends = list(accumulate(widths))
    cells = [line[end - width : end].strip() for end, width in zip(ends, widths, strict=True)]
    beyond = line[ends[-1] :].strip()
    return [*cells, beyond] if beyond else cells


def _by_blanks(dialect: Dialect) -> re.Pattern[str]:
    """Finds the cells of a line, quoted ones with their quotes."""
    quote = re.escape(dialect.quote)
    return re.compile(rf"{quote}(?:[^{quote}]|{quote * 2})*{quote}(?!\S)|\S+" if quote else r"\S+")


def _parted(line: str, part: re.Pattern[str], dialect: Dialect) -> list[str]:
    quote, cells = dialect.quote, part.findall(line)
    if quote and any(cell.count(quote) % 2 for cell in cells):
        return [Misquoted(line)]
    is_quoted = [bool(quote) and len(cell) > 1 and cell[0] == cell[-1] == quote for cell in cells]
    return [
        cell[1:-1].replace(quote * 2, quote) if quoted else cell
        for cell, quoted in zip(cells, is_quoted, strict=True)
    ]


def list_rows(file: Path, dialect: Dialect) -> Generator[Row]:
    """The lines of a printed list: cells between upright strokes, without their padding; other lines as one `Heading`."""
    with lines_of(file, dialect) as lines:
        for number, line in enumerate(lines, start=1):
            text = line.strip()
            if not text or is_rule(text):
                continue
            if text.startswith("|"):
                yield number, [cell.strip() for cell in text.removesuffix("|")[1:].split("|")]
            else:
                yield number, [Heading(text)]


def is_list(file: Path, dialect: Dialect) -> bool:
    """Whether a text file is a printed list: lines between upright strokes under a line drawn."""
    with lines_of(file, dialect) as lines:
        ruled = False
        for _, line in zip(range(_SEARCHED_LINES), lines, strict=False):
            text = line.strip()
            if (
                ruled
                and text.startswith("|")
                and text.endswith("|")
                and text.count("|") > 2
                and not is_rule(text)
            ):
                return True
            ruled = ruled or (len(text) > 2 and is_rule(text))
    return False


def ends_differ(file: Path, dialect: Dialect) -> bool:
    """Whether records end in several ways, as in files that were put together; what ends a line inside quotes does not count."""
    ends: set[str] = set()
    quoted = False
    with lines_of(file, dialect) as lines:
        for line in lines:
            quoted ^= bool(dialect.quote) and line.count(dialect.quote) % 2 == 1
            if not quoted:
                ends.add(line[len(line.rstrip("\r\n")) :])
            if len(ends - {""}) > 1:
                return True
    return False


def is_rule(text: str) -> bool:
    """Whether a line is drawn, not written."""
    letters = set(text)
    return letters <= _RULE and len(text.strip()) > 2 and bool(letters & _STROKES)
