"""MariaDB and whatever else has an ODBC driver, through arrow-odbc: buffers of columns, decimals as decimals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.extract.databases.errors import DatabaseError, masked, missing_driver, not_connected, not_read
from flows.extract.databases.snapshot import CONNECT_SECONDS, Stream, told

if TYPE_CHECKING:
    from pydantic import SecretStr

    from flows.settings.connections import Connection

_MARIADB_DRIVER = "MariaDB Unicode"
# A backslash in a literal is a backslash; a TIMESTAMP is shown and compared in UTC, a DATETIME as it is.
_MARIADB_BEGIN = (
    "SET SESSION sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES'), time_zone = '+00:00'",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
)
# SQLSTATEs: names, rights and syntax; user or password; data that cannot be converted; read-only; no such DSN or driver.
_MENDABLE = ("42", "28", "22", "25", "IM", "01000")
ROWS_A_BATCH = 50_000
BYTES_A_BATCH = 64 * 1024 * 1024
# What a column of unlimited text may hold; a longer value is an error, never cut.
TEXT_BYTES = 64 * 1024


@contextmanager
def open_snapshot(name: str, connection: Connection, password: SecretStr | None) -> Iterator[OdbcSnapshot]:
    """See `flows.extract.databases.open_snapshot`."""
    try:
        import arrow_odbc
    except (ImportError, OSError) as error:
        raise missing_driver("MariaDB" if connection.kind == "mariadb" else "ODBC", error) from None
    where = f"connection {name} ({connection.address})"
    # MariaDB begins its transaction by a statement; of others it is not known that they do.
    autocommit = connection.kind == "mariadb"
    try:
        opened = arrow_odbc.connect(
            _connection_string(connection),
            user=connection.user,
            password=password.get_secret_value() if password else None,
            login_timeout_sec=CONNECT_SECONDS,
            autocommit=autocommit,
        )
    except arrow_odbc.Error as error:
        state, said = _read(error, password)
        raise not_connected(where, said, mendable=state.startswith(_MENDABLE)) from None
    snapshot = OdbcSnapshot(opened, arrow_odbc.Error, where, password)
    try:
        for statement in _MARIADB_BEGIN if connection.kind == "mariadb" else connection.snapshot:
            snapshot.execute(statement)
        yield snapshot
    finally:
        if not autocommit:
            with suppress(arrow_odbc.Error):  # where the connection is gone, so is the transaction
                opened.rollback()


def _connection_string(connection: Connection) -> str:
    values: dict[str, Any] = {"DSN": connection.dsn, "Driver": connection.driver}
    if connection.kind == "mariadb":
        values = {"Driver": connection.driver or _MARIADB_DRIVER, "Charset": "utf8mb4"}
    values |= {"Server": connection.host, "Port": connection.port, "Database": connection.database}
    values |= connection.options
    return "".join(f"{key}={_braced(str(value))};" for key, value in values.items() if value is not None)


def _braced(value: str) -> str:
    return value if re.fullmatch(r"[\w./:+-]+", value) else "{" + value.replace("}", "}}") + "}"


def _read(error: Exception, password: SecretStr | None) -> tuple[str, str]:
    """SQLSTATE, and the driver's words without the names of the layers they came through."""
    text = str(error)
    state = re.search(r"State: (\w{5})", text)
    said = re.sub(r"^(\[[^\]]*\])+", "", re.split(r"Message: ", text, maxsplit=1)[-1])
    return state[1] if state else "", masked(said, password)


@dataclass(frozen=True, slots=True)
class OdbcSnapshot:
    """One connection inside its transaction; `where` names it, and `error` is what its driver raises."""

    connection: Any
    error: type[Exception]
    where: str
    password: SecretStr | None

    def execute(self, statement: str) -> None:
        """A statement without a result."""
        try:
            self.connection.execute(statement)
        except self.error as error:
            raise self.fault_of(error, statement) from None

    @contextmanager
    def read(self, sql: str, where: str) -> Iterator[Stream]:
        """See `flows.extract.databases.snapshot.Snapshot`."""
        try:
            reader = self.connection.read_arrow_batches(
                sql, batch_size=ROWS_A_BATCH, max_bytes_per_batch=BYTES_A_BATCH, max_text_size=TEXT_BYTES
            )
        except self.error as error:
            raise self.fault_of(error, where) from None
        yield Stream(reader.schema, told(iter(reader), lambda error: self.fault_of(error, where)))

    def fault_of(self, error: Exception, where: str) -> DatabaseError:
        """What a driver's error means for whoever started the pull."""
        state, said = _read(error, self.password)
        return not_read(where, said, self.where, mendable=state.startswith(_MENDABLE) or not state)
