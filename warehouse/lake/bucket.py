"""A lake's files in an object store that speaks S3, by DuckDB's extensions httpfs and aws."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import duckdb

from warehouse.connection import literal, quoted

SCHEME = "s3://"
EXTENSIONS = ("httpfs", "aws")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A place in a store: `url` is s3://bucket/prefix; `endpoint` the store's own address (https://host:port), None for AWS's.

    Who may read and write there is found as every client of AWS finds it: variables, profiles, the machine's or container's role.
    """

    url: str
    endpoint: str | None = None

    def __str__(self) -> str:
        """The URL, which holds no secret."""
        return self.url

    def let_in(self, connection: duckdb.DuckDBPyConnection, alias: str) -> None:
        """Have a connection with the extensions present its credentials wherever it reads or writes here. duckdb.Error without any."""
        options = {"TYPE": "s3", "PROVIDER": "credential_chain", "SCOPE": literal(self.url)}
        if self.endpoint is not None:
            parts = urlsplit(self.endpoint)
            options |= {
                "ENDPOINT": literal(parts.netloc),
                "USE_SSL": str(parts.scheme == "https").lower(),
                "URL_STYLE": literal("path"),  # other stores have no host name for each bucket
            }
        listed = ", ".join(f"{name} {value}" for name, value in options.items())
        connection.execute(f"CREATE OR REPLACE SECRET {quoted(f'{alias} files')} ({listed})")

    def has_files(self, connection: duckdb.DuckDBPyConnection) -> bool:
        """Whether anything lies here, asked by a connection that was let in."""
        pattern = literal(f"{self.url}/**")
        return bool(connection.execute(f"SELECT 1 FROM glob({pattern}) LIMIT 1").fetchall())
