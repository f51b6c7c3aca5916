"""How an ERP's database is reached: everything but the password, which comes from a variable or a mounted file.

The password of connection `odoo` is in VALUEMART_PASSWORD_ODOO, or in the file that VALUEMART_PASSWORD_ODOO_FILE or the
setting `password_file` names. It is asked for when the database is opened, and kept nowhere.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from flows.errors import UsageError

PASSWORD_PREFIX = "VALUEMART_PASSWORD_"  # noqa: S105 - the name of a variable
NAME = re.compile(r"[a-z][a-z0-9_]*")
_SECRET = re.compile(r"pass(word|wd)?|pwd|secret|token", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

Kind = Literal["postgresql", "mariadb", "odbc"]


def _printable(text: str) -> str:
    if not text or _CONTROL.search(text):
        raise ValueError("is empty, or holds a control character")
    return text


Text = Annotated[str, AfterValidator(_printable)]


class Connection(BaseModel):
    """One ERP database: where it is, who asks, and how far back an overlap reaches."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    source: Text | None = None
    companies: Mapping[Text, Text] = Field(default_factory=dict)
    host: Text | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    database: Text | None = None
    dsn: Text | None = None
    driver: Text | None = None
    user: Text | None = None
    password_file: Path | None = None
    options: Mapping[Text, Text] = Field(default_factory=dict)
    snapshot: tuple[Text, ...] = ()
    lag_minutes: Annotated[int, Field(ge=0, le=31 * 24 * 60)] = 60

    @model_validator(mode="before")
    @classmethod
    def _no_password(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            options = data.get("options")
            given = [*data, *(options if isinstance(options, Mapping) else ())]
            for name in given:
                if name != "password_file" and _SECRET.search(str(name)):
                    raise ValueError(
                        f"{name!r} does not belong into settings: put the password into a variable "
                        f"{PASSWORD_PREFIX}…, or into a file that password_file names"
                    )
        return data

    @model_validator(mode="after")
    def _complete(self) -> Connection:
        if self.kind == "odbc":
            if (self.dsn is None) == (self.driver is None):
                raise ValueError("an ODBC connection names a dsn or a driver, one of them")
            if not self.snapshot:
                raise ValueError(
                    "an ODBC connection says in snapshot how its database opens a transaction that sees one moment "
                    "(docs/pulling.md lists some)"
                )
        elif self.dsn or (self.driver and self.kind == "postgresql"):
            raise ValueError(f"dsn and driver are of ODBC; {self.kind} takes host and database")
        elif not (self.host and self.database):
            raise ValueError(f"{self.kind} needs host and database")
        if self.snapshot and self.kind != "odbc":
            raise ValueError(f"{self.kind} knows how to open its snapshot; snapshot is for odbc")
        return self

    @property
    def lag(self) -> timedelta:
        """How far before the watermark the next pull begins: longer than any transaction of the ERP."""
        return timedelta(minutes=self.lag_minutes)

    @property
    def address(self) -> str:
        """Where it is, as messages say it; never the user's password."""
        where = self.dsn or self.host or self.driver or ""
        port = f":{self.port}" if self.port else ""
        return f"{where}{port}/{self.database}" if self.database else f"{where}{port}"


def connection_of(
    connections: Mapping[str, Connection], source: str, company: str
) -> tuple[str, Connection, str]:
    """Name, connection, and what the ERP calls the company; UsageError where none is meant, or several are.

    A connection serves the source of its own name, unless it names another, and all companies, unless it lists some.
    """
    fitting = {
        name: each
        for name, each in connections.items()
        if (each.source or name) == source and (not each.companies or company in each.companies)
    }
    if len(fitting) == 1:
        [(name, found)] = fitting.items()
        return name, found, found.companies.get(company, company)
    if fitting:
        raise UsageError(
            f"the connections {' and '.join(sorted(fitting))} both serve {source}, company {company}; "
            "list companies, so that one does"
        )
    known = ", ".join(sorted(connections)) or "none"
    raise UsageError(
        f"no connection serves source {source}, company {company} (there are: {known}); "
        f"add [connections.{source}] to the settings (docs/pulling.md)"
    )


def password_of(name: str, connection: Connection) -> SecretStr | None:
    """The connection's password, None where nobody gave one; UsageError where its file cannot be read."""
    return password_called(name, connection.password_file)


def password_called(name: str, password_file: Path | None = None) -> SecretStr | None:
    """The password of that name, from its variable or a file, None where nobody gave one; UsageError where a file cannot be read."""
    variable = PASSWORD_PREFIX + name.upper()
    if variable in os.environ:
        return SecretStr(os.environ[variable])
    named = os.environ.get(f"{variable}_FILE")
    file = Path(named) if named else password_file
    if file is None:
        return None
    try:
        return SecretStr(file.read_text(encoding="utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise UsageError(f"the password of connection {name} cannot be read from {file}: {reason}") from None
