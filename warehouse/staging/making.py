"""How a table of the scratch file is made of what a SELECT gives."""

from __future__ import annotations

import duckdb

from warehouse.staging.delivered import Delivery


def make_table(connection: duckdb.DuckDBPyConnection, delivery: Delivery, name: str, select: str) -> None:
    """Create a table, its name quoted, with the rows of a SELECT.

    Of files that are read in pieces by a MERGE: into what CREATE TABLE AS or INSERT fills, DuckDB reads the parts of a UNION one
    after the other, whatever is said of their order, and keeps a thread busy with waiting meanwhile.
    """
    if not delivery.is_cut:
        connection.execute(f"CREATE TABLE {name} AS {select}")
        return
    connection.execute(f"CREATE TABLE {name} AS ({select}\n) WITH NO DATA")
    connection.execute(f"MERGE INTO {name} USING ({select}\n) AS made ON false WHEN NOT MATCHED THEN INSERT")
