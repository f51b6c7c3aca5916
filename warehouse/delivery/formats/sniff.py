"""What a file is, by its first bytes: its name only says what somebody meant it to be."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from warehouse.delivery.encodings import marked_encoding
from warehouse.delivery.formats import xlsx

Kind = Literal[
    "text", "parquet", "gzip", "zstd", "xlsx", "xls", "html", "ods", "zip", "pdf", "xml-spreadsheet", "xml"
]

HEAD = 4096
NAMES: dict[Kind, str] = {
    "parquet": "a Parquet file",
    "gzip": "a gzip archive",
    "zstd": "a Zstandard archive",
    "xlsx": "an Excel workbook",
    "xls": "an old Excel workbook",
    "html": "an HTML page",
    "ods": "an OpenDocument file",
    "zip": "a zip archive, and no whole Excel workbook",
    "pdf": "a PDF document",
    "xml-spreadsheet": "an XML spreadsheet, as Excel 2003 had them",
    "xml": "an XML document",
}
_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"PAR1", "parquet"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
    (b"%PDF-", "pdf"),
)
# The first part of an OpenDocument archive, which is not compressed.
_OPEN_DOCUMENT = b"mimetypeapplication/vnd.oasis.opendocument"
_PAGE = ("<!doctype html", "<html", "<table", "<meta", "<head", "<body", "<style", "<div", "<!--")


def kind_of(start: bytes, file: Path | None = None) -> Kind:
    """The kind of a file that begins with these bytes; with `file`, a workbook is told from another zip archive."""
    kind = next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)
    if kind == "zip" and file is not None and xlsx.is_workbook(file):
        return "xlsx"
    if kind == "zip" and _OPEN_DOCUMENT in start[:HEAD]:
        return "ods"
    return kind or _of_markup(start[:HEAD])


def _of_markup(start: bytes) -> Kind:
    text = start.decode(marked_encoding(start) or "latin-1", "ignore").lstrip("\ufeff \t\r\n").lower()
    if text.startswith(_PAGE):
        return "html"
    if not text.startswith("<?xml"):
        return "text"
    if "schemas-microsoft-com:office:spreadsheet" in text:
        return "xml-spreadsheet"
    return "html" if "<html" in text or "<table" in text else "xml"
