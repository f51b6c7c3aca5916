"""Reaching a lake's files in an object store, by DuckDB's extensions httpfs and aws."""

from __future__ import annotations

from urllib.parse import urlsplit

import duckdb

from warehouse.connection import literal, quoted
from warehouse.lake.bucket import Bucket

EXTENSIONS = ("httpfs", "aws")


def let_in(connection: duckdb.DuckDBPyConnection, bucket: Bucket, alias: str) -> None:
    """Have a connection with the extensions present its credentials wherever it reads or writes there. duckdb.Error without any."""
    options = {"TYPE": "s3", "PROVIDER": "credential_chain", "SCOPE": literal(bucket.url)}
    if bucket.endpoint is not None:
        parts = urlsplit(bucket.endpoint)
        options |= {
            "ENDPOINT": literal(parts.netloc),
            "USE_SSL": str(parts.scheme == "https").lower(),
            "URL_STYLE": literal("path"),  # other stores have no host name for each bucket
        }
    listed = ", ".join(f"{name} {value}" for name, value in options.items())
    connection.execute(f"CREATE OR REPLACE SECRET {quoted(f'{alias} files')} ({listed})")
