"""The encodings a source's files may be in, as a profile and Python call them."""

from __future__ import annotations

from dataclasses import dataclass

from warehouse.errors import SourceError


@dataclass(frozen=True, slots=True)
class Encoding:
    """One encoding: its name in messages, Python's codec, and what DuckDB calls it where it reads it right.

    Files in others are decoded here. DuckDB has an extension for them, but its GB18030 lacks the characters of four bytes,
    rare surnames among them, and refuses their records.
    """

    name: str
    codec: str
    duckdb: str | None = None


_UTF_8 = Encoding("UTF-8", "utf-8", "utf-8")
_UTF_16 = Encoding("UTF-16", "utf-16")
_LATIN_1 = Encoding("Latin-1", "iso8859-1", "latin-1")
# GBK and GB2312 are parts of it.
_CHINESE = Encoding("GB18030", "gb18030")
_NAMES = {
    "utf-8": _UTF_8,
    "utf8": _UTF_8,
    "utf-16": _UTF_16,
    "utf-16le": Encoding("UTF-16", "utf-16-le"),
    "utf-16be": Encoding("UTF-16", "utf-16-be"),
    "latin-1": _LATIN_1,
    "iso-8859-1": _LATIN_1,
    "iso-8859-15": Encoding("Latin-9", "iso8859-15"),
    "windows-1250": Encoding("Windows-1250", "cp1250"),
    "windows-1252": Encoding("Windows-1252", "cp1252"),
    "cp1252": Encoding("Windows-1252", "cp1252"),
    "gb18030": _CHINESE,
    "gbk": _CHINESE,
    "gb2312": _CHINESE,
    "cp936": _CHINESE,
    "big5": Encoding("Big5", "cp950"),
    "shift_jis": Encoding("Shift JIS", "cp932"),
    "euc-kr": Encoding("EUC-KR", "cp949"),
}
# The mark of byte order that a text may begin with, and the encoding that it gives away.
MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def encoding_of(name: str) -> Encoding:
    """The encoding a profile names, in any case; SourceError lists those that can be read."""
    try:
        return _NAMES[name.casefold()]
    except KeyError:
        raise SourceError(f"encoding {name!r} cannot be read here: use one of {', '.join(_NAMES)}") from None


def marked_encoding(start: bytes) -> str | None:
    """The encoding that a mark of byte order gives away; None where there is no mark."""
    return next((encoding for mark, encoding in MARKS if start.startswith(mark)), None)


def name_of(start: bytes, stated: str) -> str:
    """The encoding of a text that begins so: its mark says more of it than a profile can."""
    marked = marked_encoding(start)
    if marked is None and encoding_of(stated).codec == "utf-16":
        return "utf-16be" if start[:1] == b"\0" else "utf-16le"
    return marked or stated
