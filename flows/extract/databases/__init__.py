"""Reading an ERP's database: one read-only snapshot, and Arrow streams out of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.extract.databases.snapshot import Snapshot
    from flows.settings.connections import Connection


@contextmanager
def open_snapshot(name: str, connection: Connection) -> Iterator[Snapshot]:
    """A snapshot of the connection's database for the length of a block.

    DatabaseUnreachableError where nobody answers, DatabaseRefusedError where the server, or the query, says no; both in
    words that hold no password.
    """
    from flows.settings.connections import password_of

    password = password_of(name, connection)
    if connection.kind == "postgresql":
        from flows.extract.databases import postgresql as database
    else:
        from flows.extract.databases import odbc as database  # type: ignore[no-redef]
    with database.open_snapshot(name, connection, password) as snapshot:
        yield snapshot
