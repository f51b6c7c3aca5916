"""DuckDB's extensions for a lake: from packages of the registry, checked by their signature, never downloaded at run time."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import duckdb

from warehouse.connection import literal
from warehouse.errors import UserError
from warehouse.lake.address import INSTALL, Lake
from warehouse.lake.bucket import Bucket
from warehouse.lake.object_store import EXTENSIONS

_OF_CATALOG = {"sqlite": "sqlite_scanner", "postgres": "postgres_scanner"}


class ExtensionError(UserError):
    """An extension that a lake needs is not installed, or is not of this DuckDB."""


def load(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Load what a lake with such a catalog and such a place for its files needs; ExtensionError."""
    of_files = EXTENSIONS if isinstance(lake.data, Bucket) else ()
    for name in ("ducklake", _OF_CATALOG[lake.catalog], *of_files):
        file = _file(name)
        try:
            connection.execute(f"LOAD {literal(str(file))}")
        except duckdb.Error as error:
            said = " ".join(str(error).split())
            raise ExtensionError(
                f"DuckDB {duckdb.__version__} does not take {file}: {said[:300]}; {INSTALL}"
            ) from error


def _file(name: str) -> Path:
    package = f"duckdb_extension_{name}"
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ExtensionError(
            f"a DuckLake needs the package {package.replace('_', '-')}, which is not there; {INSTALL}"
        )
    file = Path(spec.origin).parent / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    if not file.is_file():
        raise ExtensionError(
            f"the package {package.replace('_', '-')} holds no extension for DuckDB {duckdb.__version__}; {INSTALL}"
        )
    return file
