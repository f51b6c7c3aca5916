"""What a value of a setting may be, checked as it is read."""

from __future__ import annotations

import difflib
import grp
import os
import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator, ByteSize, TypeAdapter, ValidationError
from pydantic_settings import NoDecode

from flows.settings.connections import NAME

LEAST_MEMORY = 64 << 20


def _currency(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError(f"{value!r} is no currency code; use three capital letters such as EUR")
    return value


def _timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError):
        near = difflib.get_close_matches(value, available_timezones(), 1)
        named = near[0] if near else "Europe/Berlin"
        raise ValueError(f"{value!r} is no time zone; use a name such as {named}") from None
    return value


def _tenant(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", value):
        raise ValueError(f"{value!r} is no tenant name; use letters, digits, dots, dashes and underscores")
    return value


def _existing_folders(value: list[Path]) -> list[Path]:
    for folder in value:
        if not folder.is_dir():
            raise ValueError(f"{folder} is not a folder; name folders that hold one folder a source")
    return value


def _split_path(value: object) -> object:
    """A variable holds folders as PATH does, parted by `:`."""
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _connection_name(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} is no name of a connection; use small letters, digits and underscores, beginning with a letter"
        )
    return value


def _memory(value: object) -> int:
    try:
        memory = TypeAdapter(ByteSize).validate_python(value)
    except ValidationError:
        raise ValueError(f"{value!r} is no amount of memory; write it as 1.5GB") from None
    if memory < LEAST_MEMORY:
        raise ValueError(f"{value!r} is too little; give DuckDB {LEAST_MEMORY >> 20}MiB or more")
    return memory


def _policy(value: Path) -> Path:
    if not value.is_file():
        raise ValueError(f"there is no policy file {value}; `valuemart calibrate --out {value}` proposes one")
    return value


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise ValueError(
            f"{value!r} is no address that a browser opens; write it as https://bi.example/valuemart"
        )
    return value


def _cluster_address(value: str) -> str:
    parts = urlsplit(value)
    if not parts.netloc or parts.scheme not in {scheme for of in CLUSTER_SCHEMES.values() for scheme in of}:
        raise ValueError(
            f"{value!r} is no address of a cluster; write that of Dask's scheduler as tcp://scheduler:8786, of Ray's head as "
            "ray://head:10001"
        )
    return value


def _group(value: str) -> str:
    try:
        grp.getgrnam(value)
    except KeyError:
        raise ValueError(f"this machine has no group {value!r}; make it with `groupadd {value}`") from None
    return value


def _mart_name(value: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", value):
        raise ValueError(f"{value!r} is no name of a mart; use small letters, digits and underscores")
    return value


# How the address of a cluster begins, by who runs there.
CLUSTER_SCHEMES = {"dask": ("tcp", "tls"), "ray": ("ray",)}

Currency = Annotated[str, AfterValidator(_currency)]
Timezone = Annotated[str, AfterValidator(_timezone)]
Tenant = Annotated[str, AfterValidator(_tenant)]
ConnectionName = Annotated[str, AfterValidator(_connection_name)]
WebAddress = Annotated[str, AfterValidator(_web_address)]
ClusterAddress = Annotated[str, AfterValidator(_cluster_address)]
GroupName = Annotated[str, AfterValidator(_group)]
MartName = Annotated[str, AfterValidator(_mart_name)]
MemoryLimit = Annotated[int, BeforeValidator(_memory)]
PolicyFile = Annotated[Path, AfterValidator(_policy)]
SourceFolders = Annotated[
    list[Path], NoDecode, BeforeValidator(_split_path), AfterValidator(_existing_folders)
]
