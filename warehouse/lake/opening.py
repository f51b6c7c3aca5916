"""Opening a warehouse wherever it lies: a DuckDB file as ever, a lake by attaching its catalog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

import duckdb

from warehouse.connection import (
    CONFIG,
    guard_commits,
    limited_to,
    literal,
    open_database,
    quoted,
    scalar,
)
from warehouse.files import file_size
from warehouse.lake import claim, extensions, lease, object_store
from warehouse.lake.address import Lake, Warehouse
from warehouse.lake.bucket import SCHEME, Bucket
from warehouse.lake.lease import Lease
from warehouse.storage_errors import described

ALIAS = "warehouse"
# The lake's Parquet files must not be many and small: what a small batch changes lies in the catalog until `maintain` writes it out.
INLINED_ROWS = 500
RETRIES = 100
_NO_FILE = ("storage_compatibility_version",)  # of a database that lies in memory
_BUSY_MS = 20_000
# It has the catalog asked several times a statement for the statistics of an empty table, which it never gets: half of a small
# batch's time.
_ASKS_TOO_OFTEN = "statistics_propagation"
_STATES = f"SELECT snapshot_id, make_timestamp(epoch_us(snapshot_time)) FROM {ALIAS}.snapshots() ORDER BY snapshot_id"
_LOST = ("transaction conflict", "database is locked")
_STORE = ("http", SCHEME)
_BYTES = (
    f"SELECT coalesce(sum(file_size_bytes + delete_file_size_bytes), 0) FROM ducklake_table_info('{ALIAS}')"
)


class NoStateError(Exception):
    """A lake holds no state of an instant; `oldest` is when the first that it holds was committed."""

    def __init__(self, oldest: datetime) -> None:
        super().__init__(oldest)
        self.oldest = oldest


@contextmanager
def open_at(
    warehouse: Warehouse, *, read_only: bool = False, patience: float = 60.0, memory: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose own catalog is the warehouse, for the length of a block.

    Of a file: see `connect`. Of a lake: who reads sees each transaction's snapshot and waits for nobody; who writes is the one
    committer (WarehouseBusyError after `patience` seconds) and makes the lake where there is none. LakeError.
    """
    if not isinstance(warehouse, Lake):
        with open_database(warehouse, read_only=read_only, patience=patience, memory=memory) as connection:
            yield connection
        return
    with ExitStack() as stack:
        if not read_only:
            _make_room(warehouse)
            stack.enter_context(lease.locked(warehouse, patience))
        connection = stack.enter_context(memory_database(warehouse, memory))
        stack.enter_context(told_of(warehouse))
        attach(connection, warehouse, ALIAS, read_only=read_only)
        connection.execute(f"USE {ALIAS}")
        yield connection


@contextmanager
def open_as_recorded(
    lake: Lake, moment: datetime, *, memory: int | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, datetime]]:
    """A lake as it was at an instant, to read for the length of a block, and when that state was committed; both in UTC, naive.

    NoStateError where none of then is kept, LakeError.
    """
    with told_of(lake), memory_database(lake, memory) as connection:
        attach(connection, lake, ALIAS, read_only=True)
        states = connection.execute(_STATES).fetchall()
        held = [(number, committed) for number, committed in states if committed <= moment]
        if not held:
            raise NoStateError(min(committed for _, committed in states))
        number, committed = held[-1]
        connection.execute(f"DETACH {ALIAS}")
        attach(connection, lake, ALIAS, read_only=True, state=number)
        connection.execute(f"USE {ALIAS}")
        yield connection, committed


@contextmanager
def memory_database(lake: Lake, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory to attach a lake to; what its queries spill lies in the lake's own folder for that."""
    config = {key: value for key, value in CONFIG.items() if key not in _NO_FILE}
    config |= {"autoload_known_extensions": "false", "temp_directory": str(lake.spill), **limited_to(memory)}
    connection = duckdb.connect(config=config)  # type: ignore[arg-type]
    try:
        yield connection
    finally:
        connection.close()


def attach_to_read(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, alias: str) -> None:
    """Attach a warehouse that is only to be read, beside others. duckdb.Error of a file, LakeError of a lake."""
    if isinstance(warehouse, Lake):
        with told_of(warehouse):
            attach(connection, warehouse, alias, read_only=True)
    else:
        connection.execute(f"ATTACH {literal(str(warehouse))} AS {quoted(alias)} (READ_ONLY)")


def attach(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    alias: str,
    *,
    read_only: bool,
    state: int | None = None,
) -> None:
    """Attach a lake; one that is to be written (by who holds its lock) checks the committer's token at each commit. LakeError.

    `state`: the snapshot that is read; else the latest.
    """
    _let_in(connection, lake, alias)
    connection.execute(f"SET disabled_optimizers = {literal(_ASKS_TOO_OFTEN)}")
    options = {"DATA_PATH": literal(f"{lake.data}/"), "DATA_INLINING_ROW_LIMIT": str(INLINED_ROWS)}
    if lake.catalog == "sqlite":
        options |= {"META_JOURNAL_MODE": literal("WAL"), "META_BUSY_TIMEOUT": str(_BUSY_MS)}
    elif lake.password is not None:
        # DuckDB shows a secret's password to nobody, and a connection string to everybody.
        connection.execute(
            f"CREATE OR REPLACE SECRET {quoted(alias)} (TYPE postgres, PASSWORD {literal(lake.password)})"
        )
        options["META_SECRET"] = literal(alias)
    if state is not None:
        options["SNAPSHOT_VERSION"] = str(state)
    listed = [f"{name} {value}" for name, value in options.items()]
    if read_only:
        listed.append("READ_ONLY")
    connection.execute(
        "SET autoinstall_known_extensions = false; SET autoload_known_extensions = false; "
        f"SET ducklake_max_retry_count = {RETRIES}"
    )
    connection.execute(f"ATTACH {literal(str(lake))} AS {quoted(alias)} ({', '.join(listed)})")
    if not read_only:
        lease.create(connection, alias)
        guard_commits(connection, Lease(connection, alias))


def size(warehouse: Warehouse) -> int:
    """How many bytes of files a warehouse takes, what a catalog in PostgreSQL takes not counted; 0 where there is none.

    Of files in an object store: those of the latest state, as the catalog says. LakeError where that cannot be asked.
    """
    if isinstance(warehouse, Path):
        return file_size(warehouse)
    catalog = file_size(Path(warehouse.where)) if warehouse.catalog == "sqlite" else 0
    if isinstance(warehouse.data, Path):
        return catalog + sum(file_size(path) for path in warehouse.data.rglob("*.parquet"))
    if not warehouse.exists():
        return catalog
    with open_at(warehouse, read_only=True) as connection:
        return catalog + int(str(scalar(connection, _BYTES)))


@contextmanager
def told_of(lake: Lake) -> Iterator[None]:
    """What DuckDB says of the lake while the block runs, as a LakeError or StorageError of one sentence."""
    try:
        yield
    except duckdb.Error as error:
        said = str(error).lower()
        if isinstance(error, duckdb.TransactionException) and any(each in said for each in _LOST):
            raise lease.lost() from error
        if isinstance(lake.data, Bucket) and (isinstance(error, duckdb.HTTPException) or _of_store(said)):
            raise lake.out_of_reach(error) from error
        if isinstance(error, duckdb.IOException | duckdb.TransactionException):
            raise described(error, lake.data if isinstance(lake.data, Path) else None) or lake.unreachable(
                error
            ) from error
        raise


def _make_room(lake: Lake) -> None:
    """The folders of a lake that is to be written, and the claim of a new one; LakeError where its files would lie among others."""
    folders = [lake.data] if isinstance(lake.data, Path) else []
    if lake.catalog == "sqlite":
        folders.append(Path(lake.where).parent)
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not lake.exists():
        with told_of(lake), memory_database(lake) as connection:
            _let_in(connection, lake, ALIAS)
            claim.take(connection, lake)


def _let_in(connection: duckdb.DuckDBPyConnection, lake: Lake, alias: str) -> None:
    """Give a connection the extensions of a lake, and the credentials by which its files are reached."""
    extensions.load(connection, lake)
    if isinstance(lake.data, Bucket):
        # The error is of no kind of its own: whatever else is wrong shows when the lake is attached.
        try:
            object_store.let_in(connection, lake.data, alias)
        except duckdb.Error as error:
            raise lake.without_credentials() from error


def _of_store(said: str) -> bool:
    """Whether an error's text, in small letters, is about an object store: DuckDB has no kind of its own for them."""
    return any(each in said for each in _STORE)
