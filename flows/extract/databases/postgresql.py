"""PostgreSQL through ADBC: COPY in binary, straight into Arrow; numerics arrive as their digits, not as floats."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flows.extract.databases.errors import DatabaseError, masked, missing_driver, not_connected, not_read
from flows.extract.databases.snapshot import CONNECT_SECONDS, Stream, told

if TYPE_CHECKING:
    from pydantic import SecretStr

    from flows.settings.connections import Connection

# A time without a zone is compared and shown as it is, one with a zone in UTC.
_BEGIN = ("SET TIME ZONE 'UTC'", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
# What the server says once it was reached, and will say again: the rest may be better later.
_REFUSED = re.compile(
    r"authentication|does not exist|pg_hba\.conf|permission denied|no password supplied|invalid connection option",
    re.IGNORECASE,
)
# SQLSTATE classes: syntax, names and rights; feature not supported; data that the query cannot convert; read-only.
_MENDABLE = ("42", "0A", "22", "25006")


@contextmanager
def open_snapshot(
    name: str, connection: Connection, password: SecretStr | None
) -> Iterator[PostgresSnapshot]:
    """See `flows.extract.databases.open_snapshot`."""
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise missing_driver("PostgreSQL", error) from None
    where = f"connection {name} ({connection.address})"
    try:
        opened = dbapi.connect(_conninfo(connection, password), autocommit=True)
    except dbapi.Error as error:
        said = masked(str(error).split("failed: ")[-1].split("Failed to connect: ")[-1], password)
        raise not_connected(where, said, mendable=_REFUSED.search(said) is not None) from None
    with closing(opened):
        snapshot = PostgresSnapshot(opened, dbapi.Error, where, password)
        for statement in _BEGIN:
            snapshot.execute(statement)
        yield snapshot


def _conninfo(connection: Connection, password: SecretStr | None) -> str:
    values: dict[str, Any] = {
        "host": connection.host,
        "port": connection.port,
        "dbname": connection.database,
        "user": connection.user,
        "password": password.get_secret_value() if password else None,
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "valuemart",
        "client_encoding": "UTF8",
        **connection.options,
    }
    quoted = {
        key: str(value).replace("\\", "\\\\").replace("'", "\\'")
        for key, value in values.items()
        if value is not None
    }
    return " ".join(f"{key}='{value}'" for key, value in quoted.items())


@dataclass(frozen=True, slots=True)
class PostgresSnapshot:
    """One connection inside its transaction; `where` names it, and `error` is what its driver raises."""

    connection: Any
    error: type[Exception]
    where: str
    password: SecretStr | None

    def execute(self, statement: str) -> None:
        """A statement without a result."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(statement)
        except self.error as error:
            raise self.fault_of(error, statement) from None
        finally:
            cursor.close()

    @contextmanager
    def read(self, sql: str, where: str) -> Iterator[Stream]:
        """See `flows.extract.databases.snapshot.Snapshot`."""
        cursor = self.connection.cursor()
        try:
            try:
                cursor.execute(sql)
                reader = cursor.fetch_record_batch()
            except self.error as error:
                raise self.fault_of(error, where) from None
            yield Stream(reader.schema, told(iter(reader), lambda error: self.fault_of(error, where)))
        finally:
            cursor.close()

    def fault_of(self, error: Exception, where: str) -> DatabaseError:
        """What a driver's error means for whoever started the pull."""
        state = str(getattr(error, "sqlstate", None) or "")
        text = re.split(r"ERROR:\s+", str(error), maxsplit=1)[-1]
        text = re.split(r"\n(?:LINE \d+:|Query was:|CONTEXT:)", text, maxsplit=1)[0]
        said = masked(re.sub(r"\s*Query was:.*", "", text, flags=re.DOTALL), self.password)
        return not_read(where, said, self.where, mendable=state.startswith(_MENDABLE))
