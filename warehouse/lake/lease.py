"""One committer: who writes a lake holds a lock, and every commit checks that nobody took its place.

The lock (of the operating system beside a catalog in SQLite, of the server in one in PostgreSQL) is gone the moment its
process or its connection is. It keeps others out, and proves nothing: a process that was cut off does not know it. So the lake
holds a token. The first commit puts the committer's own in the place of the one that was there when it opened the lake, each
later one looks whether it still is there, in the same transaction as what is committed; where it is not, nothing is.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from warehouse.connection import literal, scalar
from warehouse.errors import WarehouseBusyError
from warehouse.lake.address import Lake, LakeError

# A schema of the lake's own: no migration makes it, and a warehouse in a file has none.
SCHEMA = "lake"
_TABLE = f"{SCHEMA}.lease"
# The number that says which of a database's advisory locks is meant; any would do, but not two.
_LOCK = 4_711_006
_TRY = f"SELECT pg_try_advisory_lock({_LOCK})"
_HOLDER = f"""
SELECT coalesce(max(host(client_addr) || ', its process ' || pid), 'another client') FROM pg_stat_activity JOIN pg_locks USING (pid)
WHERE locktype = 'advisory' AND objid = {_LOCK} AND pg_locks.granted"""


class Lease:
    """The right to commit, as one connection has it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, alias: str) -> None:
        self._connection = connection
        self._table = f"{alias}.{_TABLE}"
        self._token = f"{uuid.uuid4().hex} of {os.getpid()} on {socket.gethostname()}"
        self._before = self._found()

    def check(self) -> None:
        """In the transaction that is about to be committed: LakeError where another process committed meanwhile."""
        ((changed,),) = self._connection.execute(
            f"UPDATE {self._table} SET token = {literal(self._token)} WHERE token = {literal(self._before)}"
        ).fetchall()
        if changed != 1:
            raise lost()
        self._before = self._token

    def look(self) -> None:
        """In a transaction that may not write the token: LakeError where another process committed before it began."""
        if self._found() != self._before:
            raise lost()

    def _found(self) -> str:
        return str(scalar(self._connection, f"SELECT token FROM {self._table}"))


def lost() -> LakeError:
    """The sentence for a committer whose place was taken."""
    return LakeError(
        "another process took the warehouse's lake over, so this one wrote nothing more: it was cut off, or started twice; see that "
        "one runs, and run this again, which goes on from what was committed"
    )


def create(connection: duckdb.DuckDBPyConnection, alias: str) -> None:
    """Make the place of the token, in a lake that has none yet; whoever calls holds the lock."""
    there = scalar(
        connection,
        "SELECT count(*) FROM duckdb_columns() WHERE database_name = ? AND schema_name = ?",
        [alias, SCHEMA],
    )
    if not there:
        connection.execute(
            f"BEGIN; CREATE SCHEMA IF NOT EXISTS {alias}.{SCHEMA}; CREATE TABLE {alias}.{_TABLE} (token VARCHAR NOT NULL); "
            f"INSERT INTO {alias}.{_TABLE} VALUES ('nobody'); COMMIT"
        )


@contextmanager
def locked(lake: Lake, patience: float) -> Iterator[None]:
    """Keep other committers out for the length of the block; WarehouseBusyError where one does not end within `patience` seconds."""
    with _of_file(lake, patience) if lake.catalog == "sqlite" else _of_server(lake, patience):
        yield


@contextmanager
def _of_file(lake: Lake, patience: float) -> Iterator[None]:
    path = Path(f"{lake.where}.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        give_up = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    holder = (
                        os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
                    )
                    raise _busy(lake, holder, patience) from None
            _wait()
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} of {socket.gethostname()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _of_server(lake: Lake, patience: float) -> Iterator[None]:
    with lake.database() as connection, connection.cursor() as cursor:
        give_up = time.monotonic() + patience
        while True:
            cursor.execute(_TRY)
            if cursor.fetchall()[0][0]:
                break
            if time.monotonic() > give_up:
                cursor.execute(_HOLDER)
                raise _busy(lake, f"a process at {cursor.fetchall()[0][0]} of the server", patience)
            _wait()
        yield


def _wait() -> None:
    time.sleep(random.uniform(0.05, 0.25))  # noqa: S311 - spreads the retries, protects nothing


def _busy(lake: Lake, holder: str, patience: float) -> WarehouseBusyError:
    return WarehouseBusyError(
        f"the warehouse {lake} is held by {holder} after {patience:.0f} s of waiting; let the other run end, or stop it, and run "
        "this again"
    )
