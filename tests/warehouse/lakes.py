"""A DuckLake for a test: the other kind of catalog that the warehouse's SQL must do for."""

from __future__ import annotations

from pathlib import Path

import duckdb
import duckdb_extension_ducklake


def a_lake(folder: Path) -> duckdb.DuckDBPyConnection:
    """An empty DuckLake, opened as the current catalog."""
    (extension,) = Path(duckdb_extension_ducklake.__file__).parent.rglob("*.duckdb_extension")
    connection = duckdb.connect()
    connection.execute(f"LOAD '{extension}'")
    connection.execute(
        f"ATTACH 'ducklake:{folder}/lake.ducklake' AS lake (DATA_PATH '{folder}/files'); USE lake"
    )
    return connection
