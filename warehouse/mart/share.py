"""A further mart for somebody who may not see everything: rows of some companies, without or with masked columns."""

from __future__ import annotations

import difflib
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import duckdb

from expectations.contract import Column, Contract, as_published, load
from warehouse.connection import literal, quoted, transaction
from warehouse.errors import UserError
from warehouse.files import NOBODY_ELSE, Readers, kept_secret
from warehouse.mart.publish import (
    MART_FILE,
    PUBLISHED_TABLES,
    Publication,
    building,
    content_version,
    create,
    read_publication,
    swap,
)
from warehouse.store import ddl

KEY_FILE = "publish.key"
REASON_TABLE = "reason"


class ShareError(UserError):
    """What is to be kept from a shared mart cannot be; the message names the setting and what it may be."""


@dataclass(frozen=True, slots=True)
class Share:
    """Who sees what: rows of `companies` (None: of all), without the columns of `drop`, those of `mask` as pseudonyms.

    A column is named `column`, in whatever table has it, or `table.column`. What was renamed is meant by either name, under both.
    """

    name: str
    companies: tuple[str, ...] | None
    drop: tuple[str, ...]
    mask: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """The shared mart's file in the home."""
        return f"mart_{self.name}.duckdb"


def check(share: Share) -> None:
    """ShareError where a column is named that the mart has not, or one is to be masked that holds no text."""
    columns = {
        (table, column.name): column
        for table in PUBLISHED_TABLES
        for column in as_published(load(table)).columns
    }
    for setting, names in (("drop", share.drop), ("mask", share.mask)):
        for name in names:
            meant = [column for (table, _), column in columns.items() if _is_among((name,), table, column)]
            if not meant:
                known = sorted({column for _, column in columns} | {".".join(each) for each in columns})
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]}?" if near else "column_dictionary in the mart lists them"
                raise ShareError(f"publish.{share.name}.{setting}: the mart has no column {name!r}; {hint}")
            if setting == "mask" and any(column.type != "VARCHAR" for column in meant):
                raise ShareError(
                    f"publish.{share.name}.mask: {name} holds no text and can have no pseudonym; drop it instead"
                )


def is_current(published: Path, share: Share) -> bool:
    """Whether the shared mart shows what the mart beside it shows, by these rules."""
    mart, shared = read_publication(published / MART_FILE), read_publication(published / share.file_name)
    return mart is not None and shared == _as_shared(mart, share)


def build_if_behind(
    home: Path, share: Share, *, published: Path | None = None, readers: Readers = NOBODY_ELSE
) -> bool:
    """Build the shared mart from the published one and swap it in beside it; False where it is current already.

    The key of its pseudonyms stays in the home. `published`: where the mart lies, if not there too.
    """
    check(share)
    published = published or home
    mart = read_publication(published / MART_FILE)
    if mart is None or is_current(published, share):
        return False
    key = _key(home / KEY_FILE)
    file = published / share.file_name
    for suffix in ("", ".wal"):
        file.with_name(f"{file.name}.building{suffix}").unlink(missing_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {literal(str(published / MART_FILE))} AS mart (READ_ONLY)")
        with building(connection, file) as built, transaction(connection, is_guarded=False):
            shown = [_visible(as_published(load(table)), share) for table in PUBLISHED_TABLES]
            for contract in shown:
                create(connection, contract)
                connection.execute(
                    f"INSERT INTO publishing.main.{quoted(contract.name)} BY NAME {_selection(contract, share, key)}"
                )
            books = [load(name) for name in ("column_dictionary", "publication")]
            create(connection, books[0], ddl.dictionary_rows([*shown, *books]))
            create(connection, books[1], [astuple(_as_shared(mart, share))])
        swap(built, file, readers)
    return True


def _visible(contract: Contract, share: Share) -> Contract:
    """The contract of a table in the shared mart, where a view is a table too."""
    kept = tuple(column for column in contract.columns if not _is_among(share.drop, contract.name, column))
    return replace(contract, columns=kept, physical="table")


def _selection(contract: Contract, share: Share, key: str) -> str:
    columns = ", ".join(
        f"left(sha256({literal(key)} || {quoted(column.name)}), 16) AS {quoted(column.name)}"
        if _is_among(share.mask, contract.name, column)
        else quoted(column.name)
        for column in contract.columns
    )
    rows = f"SELECT {columns} FROM mart.main.{quoted(contract.name)}"
    kept = []
    if share.companies is not None and "company_code" in load(contract.name).column_names:
        kept.append(f"company_code IN ({', '.join(literal(company) for company in share.companies)})")
    if contract.name == REASON_TABLE and (hidden := _hidden_texts(share)):
        kept.append(f"about NOT IN ({', '.join(literal(column) for column in hidden)})")
    if kept:
        rows += f" WHERE {' AND '.join(kept)}"
    return f"{rows} ORDER BY ALL"


def _hidden_texts(share: Share) -> list[str]:
    """The columns that are dropped or masked: the reasons behind such a text are left out with it."""
    return [
        f"{table}.{column.name}"
        for table in PUBLISHED_TABLES
        for column in load(table).columns
        if _is_among((*share.drop, *share.mask), table, column)
    ]


def _is_among(names: Sequence[str], table: str, column: Column) -> bool:
    """Whether a column is named, by the name it has or, while both are in the mart, by the other one."""
    own = (column.name, column.formerly) if column.formerly else (column.name,)
    return any(name in {each, f"{table}.{each}"} for name in names for each in own)


def _as_shared(mart: Publication, share: Share) -> Publication:
    """What the shared mart says of itself; its content version changes with the rules too."""
    rules = hashlib.sha256(repr(astuple(share)).encode()).hexdigest()
    return replace(mart, content_version=f"{content_version()}-{rules[:16]}")


def _key(file: Path) -> str:
    """The secret that pseudonyms are made with; made once, for its owner's eyes only."""
    return kept_secret(file, secrets.token_hex(32))
