"""What a database says when it says no, in one line without the password."""

from __future__ import annotations

from pydantic import SecretStr

MASK = "•••"


class DatabaseError(Exception):
    """A database could not be read; the message says which, and what to do."""


class DatabaseUnreachableError(DatabaseError):
    """Nobody answers, or the connection broke: the same command may succeed later."""


class DatabaseRefusedError(DatabaseError):
    """The server or a query says no: a setting, a right or a source's SQL must be mended first."""


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
