"""Whose a place of files is: a lake claims its folder, or its place in an object store, before it is made there.

What nobody refers to is removed by upkeep; where two lakes had one place, each would remove the other's files. A small lake has no
files yet, so that an empty place need not be free.
"""

from __future__ import annotations

from glob import escape

import duckdb

from warehouse.connection import literal
from warehouse.lake.address import Lake, LakeError

# Upkeep looks at Parquet files alone.
FILE = "belongs-to.csv"


def take(connection: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Claim the place of a lake that is to be made, by a connection that may write there. LakeError where it is not free."""
    claim, place = f"{lake.data}/{FILE}", escape(str(lake.data))
    files = connection.execute(f"SELECT file FROM glob({literal(f'{place}/**')})").fetchall()
    if (claim,) in files:
        owner = _owner(connection, f"{place}/{FILE}")
        if owner == str(lake) and len(files) == 1:
            return  # whoever began to make it was killed
        raise LakeError(f"{lake.data} belongs to the lake {owner}; name an empty folder as warehouse_data")
    if files:
        raise LakeError(
            f"{lake.data} holds files, and {lake} is not there yet; name an empty folder as warehouse_data"
        )
    connection.execute(f"COPY (SELECT {literal(str(lake))} AS lake) TO {literal(claim)} (FORMAT csv)")


def _owner(connection: duckdb.DuckDBPyConnection, claim: str) -> str:
    rows = connection.execute(
        f"SELECT lake FROM read_csv({literal(claim)}, header = true, delim = ',', quote = '\"', columns = {{'lake': 'VARCHAR'}})"
    ).fetchall()
    return str(rows[0][0]) if rows else "that left its claim empty"
