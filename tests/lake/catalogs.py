"""Catalogs of a test's own: a file of SQLite's, or a role and its database on the machine's PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.databases.servers import HOST, POSTGRES_USER, Postgres, own_postgres

KINDS = ("sqlite", "postgres")
PASSWORD = "not to be shown anywhere"


@contextmanager
def own_catalog(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a lake that is not there yet; its password, if it has one, is where the settings look for it."""
    if kind == "sqlite":
        yield f"ducklake:sqlite:{folder}/lake.sqlite"
        return
    with own_postgres() as database:
        role = f"{database.database}_role"
        server = Postgres("postgres")
        server.execute(
            f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'",
            f"ALTER DATABASE {database.database} OWNER TO {role}",
        )
        os.environ["VALUEMART_PASSWORD_WAREHOUSE"] = PASSWORD
        try:
            yield f"ducklake:postgres:host={HOST} dbname={database.database} user={role}"
        finally:
            os.environ.pop("VALUEMART_PASSWORD_WAREHOUSE", None)
            database.execute(f"ALTER DATABASE {database.database} OWNER TO {POSTGRES_USER}")
            database.execute(f"REASSIGN OWNED BY {role} TO {POSTGRES_USER}", f"DROP OWNED BY {role}")
            server.execute(f"DROP ROLE {role}")
            server.close()
