"""Reading an ERP's database: one read-only snapshot, and Arrow streams out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flows.databases.faults import DatabaseError

if TYPE_CHECKING:
    import pyarrow as pa

    from flows.connections import Connection

CONNECT_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Stream:
    """A result as it comes in: its schema at once, its batches as they are asked for, each once."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


class Snapshot(Protocol):
    """A transaction that sees the database as it was at one moment, whatever is committed meanwhile, and writes nothing."""

    def read(self, sql: str, where: str) -> AbstractContextManager[Stream]:
        """Run a SELECT for the length of a block; `where` names it in messages. DatabaseError where it cannot be."""
        ...


def told(
    batches: Iterator[pa.RecordBatch], said: Callable[[Exception], DatabaseError]
) -> Iterator[pa.RecordBatch]:
    """The batches; what breaks on the way is raised as what the database said."""
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - each driver has errors of its own
            raise said(error) from None
        yield batch


@contextmanager
def open_snapshot(name: str, connection: Connection) -> Iterator[Snapshot]:
    """A snapshot of the connection's database for the length of a block.

    DatabaseUnreachableError where nobody answers, DatabaseRefusedError where the server, or the query, says no; both in
    words that hold no password.
    """
    from flows.connections import password_of

    password = password_of(name, connection)
    if connection.kind == "postgresql":
        from flows.databases import postgresql as database
    else:
        from flows.databases import odbc as database  # type: ignore[no-redef]
    with database.open_snapshot(name, connection, password) as snapshot:
        yield snapshot
