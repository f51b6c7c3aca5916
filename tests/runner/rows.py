"""What a load wrote, to compare it with what another one wrote."""

from __future__ import annotations

import duckdb

from flows.settings import Settings


def held(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that a load writes, but for the fingerprints, in which the files' own times are."""
    with duckdb.connect(str(settings.warehouse_file), read_only=True) as connection:
        tables = connection.execute(
            """SELECT format('{}."{}"', schema_name, table_name), string_agg('"' || column_name || '"', ', ')
               FROM duckdb_columns() WHERE schema_name IN ('erp', 'ops', 'quarantine') AND column_name <> 'fingerprint'
               GROUP BY ALL"""
        ).fetchall()
        return {
            name: connection.execute(f"SELECT {columns} FROM {name} ORDER BY ALL").fetchall()
            for name, columns in tables
        }
