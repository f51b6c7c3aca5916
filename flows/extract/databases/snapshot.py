"""A snapshot of a database and the streams that are read of it, whatever the driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from flows.extract.databases.errors import DatabaseError

if TYPE_CHECKING:
    import pyarrow as pa

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
