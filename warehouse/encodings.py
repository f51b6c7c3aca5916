"""The encodings a source's files may be in, as a profile, Python and DuckDB call them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import duckdb

from warehouse.connection import literal
from warehouse.faults import SourceError


@dataclass(frozen=True, slots=True)
class Encoding:
    """One encoding: its name in messages, Python's codec, DuckDB's name, and whether DuckDB needs its extension."""

    name: str
    codec: str
    duckdb: str
    extension: bool = False


_UTF_8 = Encoding("UTF-8", "utf-8", "utf-8")
_UTF_16 = Encoding("UTF-16", "utf-16", "utf-16")
_LATIN_1 = Encoding("Latin-1", "iso8859-1", "latin-1")
_WINDOWS = Encoding("Windows-1252", "cp1252", "CP1252", extension=True)
# GBK and GB2312 are parts of it.
_CHINESE = Encoding("GB18030", "gb18030", "GB18030", extension=True)
_NAMES = {
    "utf-8": _UTF_8,
    "utf8": _UTF_8,
    "utf-16": _UTF_16,
    "latin-1": _LATIN_1,
    "iso-8859-1": _LATIN_1,
    "windows-1252": _WINDOWS,
    "cp1252": _WINDOWS,
    "gb18030": _CHINESE,
    "gbk": _CHINESE,
    "gb2312": _CHINESE,
    "cp936": _CHINESE,
}


def encoding_of(name: str) -> Encoding:
    """The encoding a profile names, in any case; SourceError lists those that can be read."""
    try:
        return _NAMES[name.casefold()]
    except KeyError:
        raise SourceError(f"encoding {name!r} cannot be read here: use one of {', '.join(_NAMES)}") from None


def enable(connection: duckdb.DuckDBPyConnection, encodings: Iterable[Encoding]) -> None:
    """Load DuckDB's extension where one of the encodings needs it, from its package: nothing is downloaded.

    SourceError where there is none for this DuckDB.
    """
    wanted = [encoding for encoding in encodings if encoding.extension]
    if not wanted:
        return
    package = find_spec("duckdb_extension_encodings")
    folder = Path(package.origin).parent if package and package.origin else Path()
    binary = folder / "extensions" / f"v{duckdb.__version__}" / "encodings.duckdb_extension"
    if not binary.is_file():
        raise SourceError(
            f"encoding {wanted[0].name} cannot be read with DuckDB {duckdb.__version__}, which has no extension for it "
            "here: export the files as UTF-8, or install a duckdb-extension-encodings of that version"
        )
    connection.execute(f"LOAD {literal(str(binary))}")
