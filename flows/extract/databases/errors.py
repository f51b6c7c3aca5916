"""What a database says when it says no, in one line without the password."""

from __future__ import annotations

from pydantic import SecretStr

from flows.errors import OTHER, UserError

MASK = "•••"


class DatabaseError(UserError):
    """A database could not be read; the message says which, and what to do."""


class DatabaseUnreachableError(DatabaseError):
    """Nobody answers, or the connection broke: the same command may succeed later."""

    exit_code = OTHER


class DatabaseRefusedError(DatabaseError):
    """The server or a query says no: a setting, a right or a source's SQL must be mended first."""


def not_connected(where: str, said: str, *, mendable: bool) -> DatabaseError:
    """Why there is no connection, `said` being what the server or the driver says of it."""
    if mendable:
        return DatabaseRefusedError(f"{where}: {said}; mend the connection's settings or password")
    return DatabaseUnreachableError(f"{where}: the database cannot be reached: {said}")


def not_read(where: str, said: str, connection: str, *, mendable: bool) -> DatabaseError:
    """Why a query of that connection gives nothing; `where` names the query."""
    if mendable:
        return DatabaseRefusedError(f"{where}: {said} [{connection}]; mend the query, or the user's rights")
    return DatabaseUnreachableError(f"{where}: {said} [{connection}]")


def masked(text: str, password: SecretStr | None) -> str:
    """A text in one line, with the password made unreadable wherever it stands."""
    line = " ".join(text.split())
    secret = password.get_secret_value() if password else ""
    return line.replace(secret, MASK) if secret.strip() else line


def missing_driver(kind: str, error: Exception) -> DatabaseRefusedError:
    """A package, or a library of the system, that pulling from this kind of database needs."""
    if isinstance(error, ModuleNotFoundError):
        return DatabaseRefusedError(
            f"pulling from {kind} needs the extra `databases`: pip install 'valuemart[databases]'"
        )
    return DatabaseRefusedError(
        f"pulling from {kind} needs unixODBC on this machine ({' '.join(str(error).split())[:160]}): "
        "install the package unixodbc, and the database's driver"
    )
