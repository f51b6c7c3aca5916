"""Reading the published files: each attached, read-only, to a throw-away instance for the length of one call.

A connection that stayed open would go on seeing the generation it began with. The files are attached under names of
their own, since a schema `ops` in a database that DuckDB calls `ops` after its file would be ambiguous.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from warehouse.connection import NO_DOWNLOAD, frame, literal
from warehouse.errors import UserError
from warehouse.storage_errors import told_of

Row = dict[str, Any]

_HUGEINT = pl.Decimal(38, 0)  # as which DuckDB hands over a sum of whole numbers

REPUBLISH = "remove it and run `valuemart refresh`, which publishes it anew"
HOW_TO_PUBLISH = "land a batch with `valuemart land` and run `valuemart refresh`, or try `valuemart demo`"


class NothingPublishedError(UserError):
    """No run has published anything in this home yet."""


@contextmanager
def attached(**files: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees each file, read-only, under the name of its argument."""
    for file in files.values():
        if not file.is_file():
            raise NothingPublishedError(f"nothing is published in {file.parent} yet; {HOW_TO_PUBLISH}")
    connection = duckdb.connect(config=NO_DOWNLOAD)  # type: ignore[arg-type]
    try:
        for name, file in files.items():
            with told_of(file, REPUBLISH):
                connection.execute(f"ATTACH {literal(str(file))} AS {name} (READ_ONLY)")
        with told_of(next(iter(files.values())), REPUBLISH):
            yield connection
    except (duckdb.BinderException, duckdb.CatalogException) as error:
        for name, file in files.items():
            if not _is_of_this_version(connection, name):
                raise NothingPublishedError(
                    f"{file} was published by another version of valuemart; run `valuemart refresh`, which publishes anew"
                ) from error
        raise
    finally:
        connection.close()


def _is_of_this_version(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    from warehouse.mart.publish import content_version

    try:
        found = connection.execute(f"SELECT content_version FROM {name}.main.publication").fetchall()
    except duckdb.Error:
        return False
    return found == [(content_version(),)]


def rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    """Rows by column name, ratios and shares as exact as the warehouse has them.

    No parameters: DuckDB imports pandas to bind one, which takes longer than all the rest.
    """
    read = frame(connection, sql)
    names, columns = read.columns, map(_values, read.get_columns())
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _values(column: pl.Series) -> list[Any]:
    """Column by column, for DuckDB makes a Decimal of Python in three times the time."""
    values = column.to_list()
    if column.dtype == pl.Float64:
        return [_exact(value) for value in values]
    if column.dtype == _HUGEINT:
        return [None if value is None else int(value) for value in values]
    return values


def _exact(value: float | None) -> Decimal | None:
    """A DOUBLE of the mart is the nearest to six digits, which name it."""
    return None if value is None else Decimal(f"{value:.6f}")
