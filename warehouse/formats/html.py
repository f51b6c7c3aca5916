"""Tables of HTML pages: what many ERPs write into a file that they call .xls."""

from __future__ import annotations

import html
import re
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path

from warehouse.dialect import Dialect
from warehouse.encodings import encoding_of, name_of
from warehouse.faults import BatchRefusedError, SourceError
from warehouse.formats.grid import LAST_COLUMN, LAST_ROW, LONGEST_CELL, Row, number, refused

# A page is read whole.
_LARGEST = 64 * 1024 * 1024
_HEAD = 4096
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_\-]+)", re.IGNORECASE)
_TAG = re.compile(r"<(/?)(table|tr|td|th)\b([^<>]*)>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/div)\b[^<>]*>", re.IGNORECASE)
_ANY_TAG = re.compile(r"<[^<>]*>")
_ATTRIBUTE = re.compile(r"([A-Za-z:\-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_MAY_CONTAIN = ("script", "style")


def rows(file: Path, path: str, dialect: Dialect) -> Generator[Row]:
    """The rows of all tables of a page, one after another, those that hold anything; numbered as they stand.

    The dialect's encoding is taken where the page itself names none. BatchRefusedError where the page cannot be read.
    """
    if file.stat().st_size > _LARGEST:
        message = f"is a page of more than {_LARGEST // (1024 * 1024)} MiB"
        raise refused("unreadable_file", message, "Export it as CSV.", path)
    text = _without_comments(_decoded(file.read_bytes(), path, dialect))
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


def _without_comments(text: str) -> str:
    """The page without comments, scripts and styles, whose content is no table whatever it looks like."""
    for start, end in (("<!--", "-->"), *((f"<{name}", f"</{name}>") for name in _MAY_CONTAIN)):
        kept, place, low = [], 0, text.lower()
        while (found := low.find(start, place)) >= 0:
            kept.append(text[place:found])
            closed = low.find(end, found)
            place = closed + len(end) if closed >= 0 else len(text)
        kept.append(text[place:])
        text = "".join(kept)
    return text


Cell = tuple[str, int, int]


def _table_rows(text: str, path: str) -> Iterator[list[Cell]]:
    """The cells of each row with how many columns and rows they span."""
    row: list[Cell] | None = None
    opened: tuple[int, dict[str, str]] | None = None
    seen = False
    for tag in _TAG.finditer(text):
        closes, name = bool(tag[1]), tag[2].lower()
        if opened is not None:
            if row is not None:
                row.append(_cell(text[opened[0] : tag.start()], opened[1], path))
            opened = None
        if name == "tr" or (name == "table" and closes):
            if row is not None:
                yield row
            row = [] if name == "tr" and not closes else None
            seen = True
        elif name in {"td", "th"} and not closes:
            row = [] if row is None else row
            opened = (tag.end(), _attributes(tag[3]))
    if opened is not None and row is not None:
        row.append(_cell(text[opened[0] :], opened[1], path))
    if row:
        yield row
    if not seen:
        raise refused(
            "unreadable_file", "is an HTML page without a table", "Export the list, not the page.", path
        )


def _attributes(text: str) -> dict[str, str]:
    return {match[1].lower(): match[2] or match[3] or match[4] or "" for match in _ATTRIBUTE.finditer(text)}


def _cell(content: str, given: dict[str, str], path: str) -> Cell:
    plain = (
        html.unescape(_ANY_TAG.sub("", _BREAK.sub(" ", content)))
        if "<" in content or "&" in content
        else content
    )
    text = " ".join(plain.split())
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
