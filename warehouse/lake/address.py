"""Where a warehouse lies: one DuckDB file, or a DuckLake with its catalog and its folder of Parquet files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from warehouse.errors import UserError
from warehouse.lake.bucket import Bucket

if TYPE_CHECKING:
    from adbc_driver_postgresql.dbapi import Connection

Catalog = Literal["sqlite", "postgres"]
INSTALL = (
    "install valuemart with its extras, `pip install 'valuemart[lake]'` (of an object store 'valuemart[lake,s3]'), or say "
    'warehouse = "duckdb:" in the settings'
)
_TIMEOUT_S = 10
_HAS_TABLES = "SELECT to_regclass('ducklake_metadata') IS NOT NULL"


class LakeError(UserError):
    """The lake's catalog or its files cannot be used as they are; nothing of the step at hand was written."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Lake:
    """A DuckLake: `where` is the catalog's file (sqlite), or how libpq finds its database (postgres), without a password.

    `data` is the folder or the place in an object store that holds its Parquet files and nothing else; `spill` is where queries
    that take more than their memory put the rest.
    """

    catalog: Catalog
    where: str
    data: Path | Bucket
    spill: Path
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """The URL, which holds no secret."""
        return f"ducklake:{self.catalog}:{self.where}"

    def exists(self) -> bool:
        """Whether somebody made it; LakeError where its catalog cannot be asked."""
        if self.catalog == "sqlite":
            return Path(self.where).exists()
        with self.database() as connection, connection.cursor() as cursor:
            cursor.execute(_HAS_TABLES)
            return bool(cursor.fetchall()[0][0])

    @contextmanager
    def database(self) -> Iterator[Connection]:
        """A connection of its own to the catalog's PostgreSQL, each statement committed at once; LakeError."""
        try:
            from adbc_driver_postgresql import dbapi
        except ModuleNotFoundError as error:
            raise LakeError(
                f"a catalog in PostgreSQL needs the driver adbc-driver-postgresql; {INSTALL}"
            ) from error
        # What the person wrote comes last, and wins.
        parameters = f"application_name=valuemart connect_timeout={_TIMEOUT_S} {self.where}"
        if self.password is not None:
            parameters += f" password={_conninfo(self.password)}"
        try:
            connection = dbapi.connect(parameters, autocommit=True)
        except dbapi.Error as error:
            raise self.unreachable(error) from None
        try:
            yield connection
        except dbapi.Error as error:
            raise self.unreachable(error) from None
        finally:
            connection.close()

    def unreachable(self, error: BaseException) -> LakeError:
        """The sentence for a catalog that does not answer."""
        return self._unusable(f"the catalog of the warehouse ({self})", error)

    def out_of_reach(self, error: BaseException) -> LakeError:
        """The sentence for an object store that does not answer, or does not let us in."""
        return self._unusable(f"the files of the warehouse ({self.data})", error)

    def _unusable(self, what: str, error: BaseException) -> LakeError:
        return LakeError(
            f"{what} cannot be used: {self.without_secret(str(error))}; mend that and run the same command again, which goes on "
            "from what was committed"
        )

    def without_credentials(self) -> LakeError:
        """The sentence for an object store for which nothing says who we are."""
        return LakeError(
            f"the files of the warehouse ({self.data}) cannot be used: nothing says who may; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is given, and run the same command again"
        )

    def without_secret(self, text: str) -> str:
        """An error's text as one line that may be shown."""
        one_line = " ".join(_STATEMENT.sub("", text).split())
        return one_line.replace(self.password, "…") if self.password else one_line


# DuckDB shows the statement that failed below what it says of it: it is ours, and nobody can mend it there.
_STATEMENT = re.compile(r"\n+LINE \d+:.*", re.DOTALL)

Warehouse: TypeAlias = Path | Lake


def _conninfo(value: str) -> str:
    """A value as libpq reads it between other parameters."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
