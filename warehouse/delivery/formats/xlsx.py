"""Workbooks of Excel 2007 and later, read as a stream: a sheet's rows one by one, in bounded memory.

A reader that takes a sheet as one block allocates what the sheet claims to span; two cells in opposite corners are a
file of 2 KB that fills any memory. This one holds the shared texts and one row.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from warehouse.delivery.formats import excel_dates
from warehouse.delivery.formats.cells import (
    LAST_COLUMN,
    LAST_ROW,
    LONGEST_CELL,
    BoolCell,
    DateCell,
    ErrorCell,
    FormulaCell,
    Number,
    Row,
    decompression_bomb,
    max_unpacked,
    number,
    refused,
)

_CHUNK = 256 * 1024
# Texts are held in memory while a sheet is read.
_SHARED_TEXTS_BYTES = 256 * 1024 * 1024
_PARTS = 10_000
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_DAMAGED = "cannot be read as an Excel workbook"
_AGAIN = "Save it again as .xlsx, or export it as CSV."


@dataclass(slots=True)
class _Book:
    """An open workbook: its archive, what messages call it, and what all sheets share."""

    archive: zipfile.ZipFile
    path: str
    packed: int
    texts: list[str] = field(default_factory=list)
    dates: frozenset[int] = frozenset()
    from_1904: bool = False


def rows(file: Path, path: str, sheet: int | str | None) -> Generator[Row]:
    """The rows of one sheet that hold anything, by its name or its number from 1; BatchRefusedError where it cannot be read.

    None is the first sheet of cells that is not hidden.

    Numbers, dates and truth values come as `Number`, `DateCell` and `BoolCell`, so that they can be told from typed text.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if len(archive.infolist()) > _PARTS:
                raise refused("unreadable_file", f"has more than {_PARTS} parts", _AGAIN, path)
            book = _Book(archive, path, file.stat().st_size)
            part = _open_sheet(book, sheet)
            _read_texts(book)
            _read_styles(book)
            yield from _sheet_rows(book, part)
    except (
        zipfile.BadZipFile, zlib.error, expat.ExpatError, LookupError, ValueError, EOFError, OSError, NotImplementedError,
        RuntimeError, OverflowError,
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:150]
        raise refused("unreadable_file", f"{_DAMAGED} ({reason})", _AGAIN, path) from None


def is_workbook(file: Path) -> bool:
    """Whether a zip archive holds a workbook."""
    try:
        with zipfile.ZipFile(file) as archive:
            return any(_name(info.filename).startswith("xl/workbook") for info in archive.infolist()[:_PARTS])
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _name(part: str) -> str:
    return part.replace("\\", "/").lstrip("/").casefold()


def _find(book: _Book, part: str) -> zipfile.ZipInfo | None:
    wanted = _name(part)
    return next((info for info in book.archive.infolist() if _name(info.filename) == wanted), None)


Start = Callable[[str, dict[str, str]], object]


def _parse(
    book: _Book,
    info: zipfile.ZipInfo,
    start: Start,
    end: Callable[[str], object],
    text: Callable[[str], object],
    limit: int,
) -> Iterator[None]:
    """Feed a part to the handlers, chunk by chunk; names come without their name space."""
    parser: Any = expat.ParserCreate(namespace_separator="|")
    parser.buffer_text = True

    def no_document_type(*_: object) -> None:
        raise refused("unreadable_file", f"{_DAMAGED}: it declares a document type", _AGAIN, book.path)

    parser.StartDoctypeDeclHandler = no_document_type
    parser.StartElementHandler = lambda name, given: start(name.rpartition("|")[2], given)
    parser.EndElementHandler = lambda name: end(name.rpartition("|")[2])
    parser.CharacterDataHandler = text
    read = 0
    with closing(_open(book, info)) as stream:
        while chunk := stream.read(_CHUNK):
            read += len(chunk)
            if read > limit:
                raise decompression_bomb(book.path, limit)
            parser.Parse(chunk, False)  # noqa: FBT003 - not the last chunk
            yield
    parser.Parse(b"", True)  # noqa: FBT003 - the last chunk
    yield


def _open(book: _Book, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.flag_bits & 0x1:
        raise refused("unreadable_file", "is protected by a password", "Save it without one.", book.path)
    return book.archive.open(info)


def _read_all(book: _Book, part: str, start: Start) -> bool:
    """Read a small part by its elements alone; False where there is no such part."""
    info = _find(book, part)
    if info is None:
        return False
    for _ in _parse(
        book, info, start, lambda _: None, lambda _: None, min(max_unpacked(book.packed), _SHARED_TEXTS_BYTES)
    ):
        pass
    return True


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A sheet as the workbook names it; one that is `shown` holds cells and is not hidden."""

    name: str
    target: str
    shown: bool


def shown_sheets(file: Path) -> list[str]:
    """The names of the sheets of cells that are not hidden, in their order; of a workbook that `rows` can read."""
    with zipfile.ZipFile(file) as archive:
        return [
            sheet.name for sheet in _sheets(_Book(archive, file.name, file.stat().st_size)) if sheet.shown
        ]


def _sheets(book: _Book) -> list[_Sheet]:
    named: list[dict[str, str]] = []
    targets: dict[str, str] = {}

    def workbook(name: str, given: dict[str, str]) -> None:
        if name == "sheet":
            named.append(given)
        elif name == "workbookPr":
            book.from_1904 = given.get("date1904") in {"1", "true"}

    def relation(name: str, given: dict[str, str]) -> None:
        if name == "Relationship":
            targets[given.get("Id", "")] = given.get("Target", "")

    if not _read_all(book, "xl/workbook.xml", workbook) or not named:
        raise refused("unreadable_file", f"{_DAMAGED}: it names no sheet", _AGAIN, book.path)
    _read_all(book, "xl/_rels/workbook.xml.rels", relation)
    sheets = []
    for place, given in enumerate(named, start=1):
        relation_id = next((value for key, value in given.items() if key.endswith("|id")), "")
        target = targets.get(relation_id, "")
        shown = given.get("state", "visible") == "visible" and "chartsheets/" not in target
        sheets.append(_Sheet(given.get("name", ""), target or f"worksheets/sheet{place}.xml", shown))
    return sheets


def _open_sheet(book: _Book, wanted: int | str | None) -> zipfile.ZipInfo:
    """The part that holds a sheet."""
    sheets = _sheets(book)
    names = [sheet.name for sheet in sheets]
    if wanted is None:
        place = next((place for place, sheet in enumerate(sheets) if sheet.shown), 0)
    else:
        place = wanted - 1 if isinstance(wanted, int) else names.index(wanted) if wanted in names else -1
    if not 0 <= place < len(sheets):
        message = f"has no sheet {wanted!r}; it has {', '.join(names)}"
        raise refused("missing_sheet", message, "Name one of them in the profile: sheet.", book.path)
    target = sheets[place].target.replace("\\", "/")
    part = target if target.startswith("/") else posixpath.normpath(f"xl/{target}")
    info = _find(book, part)
    if info is None:
        raise refused(
            "unreadable_file", f"{_DAMAGED}: its sheet {names[place]!r} is not in it", _AGAIN, book.path
        )
    return info


def _read_texts(book: _Book) -> None:
    """The texts that cells share; the readings beside Chinese and Japanese ones are left out."""
    info = _find(book, "xl/sharedStrings.xml")
    if info is None:
        return
    parts: list[str] = []
    inside = {"t": False, "rPh": False}

    def start(name: str, _: dict[str, str]) -> None:
        if name == "si":
            parts.clear()
        elif name in inside:
            inside[name] = True

    def end(name: str) -> None:
        if name == "si":
            book.texts.append(_text("".join(parts)))
        elif name in inside:
            inside[name] = False

    def text(data: str) -> None:
        if inside["t"] and not inside["rPh"]:
            parts.append(data)

    for _ in _parse(book, info, start, end, text, min(max_unpacked(book.packed), _SHARED_TEXTS_BYTES)):
        pass


def _text(text: str) -> str:
    if len(text) > LONGEST_CELL:
        raise ValueError(f"a cell has {len(text)} characters, and may have {LONGEST_CELL}")
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _read_styles(book: _Book) -> None:
    """Which of the cells' styles show a number as a date."""
    codes: dict[int, str] = {}
    styles: list[int] = []
    state = {"cells": False}

    def start(name: str, given: dict[str, str]) -> None:
        if name == "numFmt":
            codes[int(given.get("numFmtId", 0))] = given.get("formatCode", "")
        elif name in {"cellXfs", "cellStyleXfs"}:
            state["cells"] = name == "cellXfs"
        elif name == "xf" and state["cells"]:
            styles.append(int(given.get("numFmtId", 0)))

    _read_all(book, "xl/styles.xml", start)
    book.dates = frozenset(
        place for place, style in enumerate(styles) if excel_dates.shows_a_date(style, codes.get(style))
    )


def _sheet_rows(book: _Book, info: zipfile.ZipInfo) -> Generator[Row]:
    reader = _SheetReader(book)
    for _ in _parse(book, info, reader.start, reader.end, reader.text, max_unpacked(book.packed)):
        yield from reader.rows
        reader.rows.clear()


class _SheetReader:
    """Collects a sheet's rows from its elements."""

    def __init__(self, book: _Book) -> None:
        self.book = book
        self.rows: list[Row] = []
        self.number = 0
        self.cells: list[str] = []
        self.column = 0
        self.kind = "n"
        self.style = 0
        self.parts: list[str] | None = None
        self.taken = ""
        self.formula: str | None = None
        self.reading = False

    def start(self, name: str, given: dict[str, str]) -> None:
        if name == "c":
            place = given.get("r")
            self.column = _column(place) if place else self.column + 1
            self.kind, self.style, self.taken = given.get("t", "n"), int(given.get("s", 0)), ""
            self.formula = None
        elif name in {"v", "t", "f"}:
            self.parts = None if self.reading else []
        elif name == "row":
            number = int(given.get("r", self.number + 1))
            if not self.number < number <= LAST_ROW:
                raise ValueError(f"row {number} follows row {self.number}")
            self.number, self.column, self.cells = number, 0, []
        elif name == "rPh":
            self.reading = True

    def text(self, data: str) -> None:
        if self.parts is not None:
            self.parts.append(data)

    def end(self, name: str) -> None:
        if name in {"v", "t"} and self.parts is not None:
            self.taken += "".join(self.parts)
            self.parts = None
        elif name == "f" and self.parts is not None:
            self.formula, self.parts = "".join(self.parts), None
        elif name == "c":
            if self.taken:
                self._place(self._value())
            elif self.formula is not None and self.kind != "str":
                # A formula whose result is an empty text says so by its type.
                self._place(FormulaCell(_text(f"={self.formula}"[:LONGEST_CELL])))
        elif name == "row":
            if self.cells:
                self.rows.append((self.number, self.cells))
        elif name == "rPh":
            self.reading = False

    def _place(self, value: str) -> None:
        if not 1 <= self.column <= LAST_COLUMN:
            raise ValueError(
                f"row {self.number} has a cell in column {self.column}, of {LAST_COLUMN} at most"
            )
        cells, missing = self.cells, self.column - len(self.cells) - 1
        if missing < 0:
            raise ValueError(f"row {self.number} has its cells in disorder")
        if missing:
            cells.extend([""] * missing)
        cells.append(value)

    def _value(self) -> str:
        kind, text = self.kind, self.taken
        if kind == "s":
            return self.book.texts[int(text)]
        if kind == "n":
            value = number(text)
            if self.style in self.book.dates and isinstance(value, Number):
                return excel_dates.moment(value, from_1904=self.book.from_1904)
            return value
        if kind == "b":
            return BoolCell("true" if text == "1" else "false")
        if kind == "e":
            return ErrorCell(text)
        if kind == "d":
            return _iso_date(text)
        return _text(text)


def _iso_date(text: str) -> str:
    """A date that a cell holds as text; one of another time zone stays the text that it is."""
    moment = datetime.fromisoformat(text)
    return DateCell(moment.isoformat(sep=" ")) if moment.tzinfo is None else moment.isoformat()


def _column(reference: str) -> int:
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ValueError(f"{reference[:20]!r} is no cell")
    column = 0
    for letter in match[1]:
        column = column * 26 + ord(letter) - 64
    return column
