"""Where the warehouse lies, as settings say it: a URL, and for a lake the folder of its files.

The password of a catalog in PostgreSQL is in VALUEMART_PASSWORD_WAREHOUSE, or in the file that VALUEMART_PASSWORD_WAREHOUSE_FILE
names; the URL holds none, so that it may be shown. Who may use an object store is said as every client of AWS is told it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from flows.errors import UsageError
from flows.settings.connections import password_called
from warehouse.lake.address import Lake, Warehouse
from warehouse.lake.bucket import SCHEME, Bucket

IN_A_FILE = "duckdb:"
SQLITE, POSTGRES = "ducklake:sqlite:", "ducklake:postgres:"
# The name under which its password is found.
NAME = "warehouse"
# The address of a store that is not AWS's own; the first is for S3 alone.
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_ENDPOINT = re.compile(r"https?://[^\s/@?#]+/?", re.IGNORECASE)
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


def _warehouse_data(value: str | Path) -> str | Path:
    """A folder, or a place in an object store without a slash at its end."""
    if not str(value).startswith(SCHEME):
        return Path(value)
    url = str(value).rstrip("/")
    parts = urlsplit(url)
    if not parts.netloc or "@" in parts.netloc or parts.query or any(each in url for each in "*?[]"):
        raise ValueError("names no place in an object store: write s3://BUCKET/PREFIX")
    return url


def given_data(value: str | None) -> str | Path | None:
    """The place of a lake's files that a person gave a command, checked; UsageError."""
    if value is None:
        return None
    try:
        return absolute_data(_warehouse_data(value))
    except ValueError as error:
        raise UsageError(f"--data {error}") from None


def absolute_data(data: str | Path, folder: Path | None = None) -> str | Path:
    """A place of a lake's files, in full where it is a folder: relative to another one, the current one if none is given."""
    return data if str(data).startswith(SCHEME) else ((folder or Path()) / data).absolute()


WarehouseUrl = Annotated[str, AfterValidator(_warehouse_url)]
WarehouseData = Annotated[str | Path, BeforeValidator(_warehouse_data)]


def warehouse_of(url: str, home: Path, data: str | Path | None) -> Warehouse:
    """The warehouse that a checked URL names, for a home; a lake's files lie in the home's folder `lake` unless elsewhere.

    UsageError where the file of a password cannot be read, or the environment names an object store by no address.
    """
    if url == IN_A_FILE:
        return home / "warehouse.duckdb"
    files, spill = _files(data or home / "lake"), home / "warehouse.tmp"
    if url.startswith(SQLITE):
        return Lake("sqlite", url.removeprefix(SQLITE), files, spill)
    secret = password_called(NAME)
    password = secret.get_secret_value() if secret else None
    return Lake("postgres", url.removeprefix(POSTGRES), files, spill, password)


def _files(data: str | Path) -> Path | Bucket:
    if isinstance(data, Path):
        return data.absolute()
    return Bucket(data, next((_endpoint(name) for name in _ENDPOINTS if os.environ.get(name)), None))


def _endpoint(name: str) -> str:
    """The address that a variable holds; one without its parts would be taken for AWS's own, and one with a secret be shown."""
    if _ENDPOINT.fullmatch(os.environ[name]):
        return os.environ[name]
    # What somebody wrote may hold a secret: it is not repeated.
    raise UsageError(
        f"{name} names no object store: write https://HOST:PORT, without path, user or secret, which belong into "
        "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )
