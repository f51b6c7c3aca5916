"""Where the warehouse lies, as settings say it: a URL, and for a lake the folder of its files.

The password of a catalog in PostgreSQL is in VALUEMART_PASSWORD_WAREHOUSE, or in the file that VALUEMART_PASSWORD_WAREHOUSE_FILE
names; the URL holds none, so that it may be shown.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from flows.errors import UsageError
from flows.settings.connections import password_called
from warehouse.lake.address import Lake, Warehouse

IN_A_FILE = "duckdb:"
SQLITE, POSTGRES = "ducklake:sqlite:", "ducklake:postgres:"
# The name under which its password is found.
NAME = "warehouse"
_PASSWORD = re.compile(r"\bpassword\s*=", re.IGNORECASE)


def _warehouse_url(value: str) -> str:
    if value == IN_A_FILE:
        return value
    kind = next((each for each in (SQLITE, POSTGRES) if value.startswith(each)), None)
    where = value.removeprefix(kind or "").strip()
    if kind is None or not where:
        # What somebody wrote may hold a password: it is not repeated.
        raise ValueError(
            f"names no warehouse: write {IN_A_FILE} for the file in the home, {SQLITE}PATH, or {POSTGRES}HOW (such as host=db dbname=valuemart user=etl)"
        )
    if kind == SQLITE:
        return SQLITE + str(Path(where).absolute())
    if _PASSWORD.search(where) or ("://" in where and urlsplit(where).password):
        raise ValueError(
            "holds a password: put it into the variable VALUEMART_PASSWORD_WAREHOUSE, or into a file that "
            "VALUEMART_PASSWORD_WAREHOUSE_FILE names"
        )
    if "://" in where:
        raise ValueError(f"names its database as libpq does: {POSTGRES}host=db dbname=valuemart user=etl")
    return POSTGRES + where


def given_url(value: str) -> str:
    """The URL that a person gave a command, checked; UsageError."""
    try:
        return _warehouse_url(value)
    except ValueError as error:
        raise UsageError(f"--to {error}") from None


WarehouseUrl = Annotated[str, AfterValidator(_warehouse_url)]


def warehouse_of(url: str, home: Path, data: Path | None) -> Warehouse:
    """The warehouse that a checked URL names, for a home; a lake's files lie in the home's folder `lake` unless elsewhere.

    UsageError where the file of a password cannot be read.
    """
    if url == IN_A_FILE:
        return home / "warehouse.duckdb"
    files, spill = (data or home / "lake").absolute(), home / "warehouse.tmp"
    if url.startswith(SQLITE):
        return Lake("sqlite", url.removeprefix(SQLITE), files, spill)
    secret = password_called(NAME)
    password = secret.get_secret_value() if secret else None
    return Lake("postgres", url.removeprefix(POSTGRES), files, spill, password)
