"""Reading the published files: each attached, read-only, to a throw-away instance for the length of one call.

A connection that stayed open would go on seeing the generation it began with. The files are attached under names of
their own, since a schema `ops` in a database that DuckDB calls `ops` after its file would be ambiguous.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from warehouse.connection import literal

Row = dict[str, Any]

HOW_TO_PUBLISH = "land a batch with `valuemart land` and run `valuemart refresh`, or try `valuemart demo`"


class NothingPublishedError(Exception):
    """No run has published anything in this home yet."""


@contextmanager
def attached(**files: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees each file, read-only, under the name of its argument."""
    for file in files.values():
        if not file.is_file():
            raise NothingPublishedError(f"nothing is published in {file.parent} yet; {HOW_TO_PUBLISH}")
    connection = duckdb.connect()
    try:
        for name, file in files.items():
            connection.execute(f"ATTACH {literal(str(file))} AS {name} (READ_ONLY)")
        yield connection
    finally:
        connection.close()


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    """Rows by column name. No parameters: DuckDB imports pandas to bind one, which takes longer than all the rest."""
    found = connection.execute(sql)
    names = [column[0] for column in found.description]
    return [dict(zip(names, values, strict=True)) for values in found.fetchall()]
