"""Tables of HTML pages: what many ERPs write into a file that they call .xls."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path

from warehouse.delivery.dialect import Dialect
from warehouse.delivery.encodings import encoding_of, name_of
from warehouse.delivery.formats.cells import LAST_COLUMN, LAST_ROW, LONGEST_CELL, Row, number, refused
from warehouse.errors import BatchRefusedError, SourceError

# A page is read whole.
_LARGEST = 64 * 1024 * 1024
_HEAD = 4096
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_\-]+)", re.IGNORECASE)
# What the parser is given at once.
_PART = 64 * 1024
# Text behind the last tag, or a tag that is not closed. More than this is neither.
_LONGEST_REST = 4096
_HIDDEN = {"script", "style"}
_BREAKS = {"p", "div"}


def rows(file: Path, path: str, dialect: Dialect) -> Generator[Row]:
    """The rows of all tables of a page, one after another, those that hold anything; numbered as they stand.

    The dialect's encoding is taken if the page itself names none. BatchRefusedError if the page cannot be read.
    """
    if file.stat().st_size > _LARGEST:
        message = f"is a page of more than {_LARGEST // (1024 * 1024)} MiB"
        raise refused("unreadable_file", message, "Export it as CSV.", path)
    text = _decoded(file.read_bytes(), path, dialect)
    spans: dict[int, int] = {}
    for place, row in enumerate(_table_rows(text, path), start=1):
        cells = _spread(row, spans, path)
        if any(cells):
            yield place, cells


def _decoded(data: bytes, path: str, dialect: Dialect) -> str:
    stated = _CHARSET.search(data[:_HEAD])
    encodings = [dialect.encoding, *filter(None, [dialect.fallback_encoding])]
    if stated is not None:
        with suppress(SourceError):
            encoding_of(stated[1].decode())
            encodings = [stated[1].decode()]
    fault: BatchRefusedError | None = None
    for name in encodings:
        codec = encoding_of(name_of(data, name)).codec
        try:
            return data.decode(codec).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            message = f"byte {data[error.start]:#04x} is not {codec}"
            remedy = "Export it again, or state its encoding in the source's profile."
            fault = fault or refused("wrong_encoding", message, remedy, path, line)
    raise fault or refused("wrong_encoding", "is in no encoding of the profile's", "Export it again.", path)


Cell = tuple[str, int, int]


class _Tables(HTMLParser):
    """The rows of a page's tables, as far as they are complete: the cells of each, with how many columns and rows they span."""

    def __init__(self, path: str) -> None:
        super().__init__(convert_charrefs=True)
        self.path = path
        self.complete: deque[list[Cell]] = deque()
        self.has_a_table = False
        self._row: list[Cell] | None = None
        # The attributes and the text of the cell that is open.
        self._given: dict[str, str | None] | None = None
        self._text: list[str] = []
        self._hidden: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"table", "tr", "td", "th"}:
            self._end_cell()
        if tag == "tr":
            self._end_row()
            self._row = []
            self.has_a_table = True
        elif tag in {"td", "th"}:
            self._row = [] if self._row is None else self._row
            self._given, self._text = dict(attrs), []
        elif tag == "br":
            self._text.append(" ")
        elif tag in _HIDDEN:
            self._hidden = tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # HTML passes over the slash of <td/>: the cell is open.
        self.handle_starttag(tag, attrs)
        self._hidden = None

    def handle_endtag(self, tag: str) -> None:
        if tag in {"table", "tr", "td", "th"}:
            self._end_cell()
        if tag in {"tr", "table"}:
            self._end_row()
            self.has_a_table = True
        elif tag in _BREAKS:
            self._text.append(" ")
        elif tag == self._hidden:
            self._hidden = None

    def handle_data(self, data: str) -> None:
        if self._given is not None and self._hidden is None:
            self._text.append(data)

    def parse_marked_section(self, i: int, report: int = 1) -> int:  # noqa: ARG002 - the base class names it
        """`<![if …]>`, as Excel writes it, is a comment to HTML; the base class raises for words that it does not know."""
        return self.parse_bogus_comment(i)

    def finish(self) -> None:
        """End the page, and with it the row and the cell that are open."""
        if len(self.rawdata) > _LONGEST_REST:
            message = "is cut or damaged: a tag or a comment in it is never closed"
            raise refused("unreadable_file", message, "Export it again, whole.", self.path)
        self.close()
        self._end_cell()
        if self._row:
            self._end_row()
        if not self.has_a_table:
            message = "is an HTML page without a table"
            raise refused("unreadable_file", message, "Export the list, not the page.", self.path)

    def _end_row(self) -> None:
        if self._row is not None:
            self.complete.append(self._row)
        self._row = None

    def _end_cell(self) -> None:
        if self._given is not None and self._row is not None:
            self._row.append(_cell(" ".join("".join(self._text).split()), self._given, self.path))
        self._given, self._text = None, []


def _table_rows(text: str, path: str) -> Iterator[list[Cell]]:
    """The rows of all tables. The parser is given the page in parts, so that no more rows wait than a part holds."""
    tables = _Tables(path)
    start = 0
    while start < len(text):
        # What the parser could not end it reads again from its start: given as much again each time, it reads it twice at most.
        end = start + max(_PART, len(tables.rawdata))
        tables.feed(text[start:end])
        start = end
        while tables.complete:
            yield tables.complete.popleft()
    tables.finish()
    yield from tables.complete


def _cell(text: str, given: dict[str, str | None], path: str) -> Cell:
    if len(text) > LONGEST_CELL:
        raise refused(
            "unreadable_file", f"has a cell of {len(text)} characters", "Export the list as CSV.", path
        )
    # Excel writes the number itself beside the text that it shows of it.
    exact = given.get("x:num")
    return (
        (number(exact) if exact else text),
        _span(given.get("colspan"), LAST_COLUMN),
        _span(given.get("rowspan"), LAST_ROW),
    )


def _span(stated: str | None, most: int) -> int:
    return max(1, min(int(stated), most)) if stated and re.fullmatch("[0-9]{1,7}", stated) else 1


def _spread(row: list[Cell], spans: dict[int, int], path: str) -> list[str]:
    """The cells at their columns: what spans several leaves the others empty, in its own row and in those below."""
    cells: list[str] = []

    def skip() -> None:
        while (column := len(cells)) in spans:
            left = spans.pop(column)
            if left > 1:
                spans[column] = left - 1
            cells.append("")

    for text, wide, high in row:
        skip()
        for offset in range(wide):
            if high > 1:
                spans[len(cells)] = high - 1
            cells.append(text if offset == 0 else "")
        if len(cells) > LAST_COLUMN:
            message = f"has a table of more than {LAST_COLUMN} columns"
            raise refused("unreadable_file", message, "Export the list as CSV.", path)
    skip()
    return cells
