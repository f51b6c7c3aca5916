"""Publishing: what the warehouse holds, as files that other people may open while the pipeline runs.

`mart.duckdb` is for BI, `ops.duckdb` for the reading commands, `mart/current/*.parquet` for everything else. The books lie
in the home, for its owner alone; the mart and its Parquet files where they are published to, for their readers. Each is
built beside and swapped in by one rename, so that a reader sees a generation whole or not at all; a process goes on
reading the old file until it has closed all its connections to it. The three are swapped one after another: one file is
one consistent state.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

import duckdb
import polars as pl

from expectations.contract import CONTRACTS_PATH, Contract, as_published
from warehouse.connection import (
    PUBLISHED_STORAGE,
    add_frame,
    in_one_thread,
    is_small,
    literal,
    quoted,
    transaction,
)
from warehouse.files import NOBODY_ELSE, Readers, sync
from warehouse.mart import live as live_mart
from warehouse.store import ddl
from warehouse.store.migrate import FOLDER

MART_FILE = "mart.duckdb"
OPS_FILE = "ops.duckdb"
PARQUET_FOLDER = "mart"
CURRENT = "current"

# In the order in which they are made: the later ones may select from the earlier ones. Beside them, every mart has
# its column_dictionary and one row of publication.
PUBLISHED_TABLES = (
    "customer",
    "customer_month",
    "customer_lifetime",
    "customer_value_history",
    "customer_value_by_month",
    "customer_period",
    "customer_succession",
    "customer_value",
    "tier_change",
    "credit_watch",
    "conduct_finding",
    "customer_structure",
    "value_curve",
    "next_action",
    "partner_card",
    "customer_expectation",
    "expectation_month",
    "expectation_total",
    "forecast_accuracy",
    "explanation",
    "explanation_term",
    "reason",
    "batch_finding",
    "batch_refusal",
    "data_quality",
    "company_period",
    "tier_move",
    "tier_movement",
    "tier_migration",
    "tier_over_time",
    "segment_map",
    "core_at_risk",
    "customer_overdue",
    "customer_year",
    "call_now",
    "cultivate_list",
    "loss_making",
    "over_limit",
    "conduct_list",
    "by_salesperson",
    "what_changed",
    "calendar",
    "credit_exposure",
    "credit_ageing",
    "watched_customer",
    "margin_by_channel_and_stage",
    "sales_by_customer_product",
    "sales_by_salesperson_month",
    "plan_attainment",
    "action_outcome",
    "white_spot",
    "import_substitution",
    "new_product_buyer",
    "new_product_adoption",
    "concentration",
    "batch_quality",
)

# The major version rises where a table or column goes, or means or is something else; the minor one where something comes or
# is renamed.
MART_VERSION = "1.0"

_STATEMENTS = Path(__file__).parent
_MAIN = "publishing.main"
_BUILDING = ".building"
# Up to so many rows in the largest rated table, one thread publishes a mart sooner than two.
_FEW_ROWS = 100_000
_GENERATION_FOLDER = re.compile(r"\d+(-\d+)?")
_PUBLICATION_COLUMNS = (
    "generation, as_of, policy_id, policy_version, policy_hash, published_at, content_version, mart_version"
)
_TABLES = (
    "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = 'main' ORDER BY ALL"
)

Contracts = Mapping[str, Contract]


@dataclass(frozen=True, slots=True)
class Publication:
    """What a published file says of itself: which state of the warehouse it shows, rated by which policy.

    `as_of` and the policy are None where nothing was rated yet. `content_version` changes with the contracts and selections,
    `mart_version` with what a reader must know of.
    """

    generation: int
    as_of: date | None
    policy_id: str | None
    policy_version: str | None
    policy_hash: str | None
    published_at: datetime
    content_version: str
    mart_version: str = MART_VERSION


@dataclass(frozen=True, slots=True)
class Published:
    """What is out after a call; `rebuilt` is false where it was out already."""

    generation: int
    mart: Path
    ops: Path
    parquet: Path
    rebuilt: bool


def publish(
    connection: duckdb.DuckDBPyConnection,
    home: Path,
    contracts: Sequence[Contract],
    generation: int,
    recorded_at: datetime,
    *,
    folder: Path | None = None,
    readers: Readers = NOBODY_ELSE,
    force: bool = False,
    live: bool = False,
) -> Published:
    """Bring the published files up to a generation of the warehouse; does nothing where they are, unless forced.

    `live`: the warehouse is a lake, open for writing, and is to show the mart in a schema of its own, too.

    `folder` is where the mart and its Parquet files go, for `readers`; the home unless another is named. The books stay in the home.
    The connection is open on the warehouse, for reading at least, and in no transaction; two runs at once are kept
    apart by the warehouse's lock only where it is open for writing. Of the contracts, those of the published tables are
    used. A file that is missing, cut short or laid out by another version counts as behind. A run that was killed leaves
    the old files as they were, and its leftovers to the next.
    """
    folder = folder or home
    _clear_leftovers(home, folder)
    behind = (
        force
        or published_generation(home, folder) != generation
        or (live and live_mart.state(connection) != (generation, content_version()))
    )
    if behind:
        publication = _describe(connection, generation, recorded_at)
        by_name = {contract.name: contract for contract in contracts}
        home.mkdir(parents=True, exist_ok=True)
        open_folder(folder, readers)
        with in_one_thread(connection) if is_small(connection, "rated", _FEW_ROWS) else nullcontext():
            with building(connection, folder / MART_FILE) as mart:
                with transaction(connection, is_guarded=False):
                    _fill_mart(connection, by_name, publication)
                    open_folder(folder / PARQUET_FOLDER, readers)
                    _write_parquet(connection, folder / PARQUET_FOLDER / _BUILDING)
                if live:
                    _show_live(connection, by_name)
            with building(connection, home / OPS_FILE) as ops, transaction(connection, is_guarded=False):
                _fill_ops(connection, by_name, publication)
        swap(ops, home / OPS_FILE, NOBODY_ELSE)
        _swap_parquet(folder / PARQUET_FOLDER, generation, readers)
        swap(mart, folder / MART_FILE, readers)
    return Published(
        generation, folder / MART_FILE, home / OPS_FILE, folder / PARQUET_FOLDER / CURRENT, rebuilt=behind
    )


def open_folder(folder: Path, readers: Readers) -> None:
    """The folder that readers reach published files by; where there are none, or it is another user's, it stays as it is."""
    folder.mkdir(mode=readers.folder_mode, parents=True, exist_ok=True)
    if readers.group is not None:
        with suppress(PermissionError):
            readers.admit_one(folder)


def published_generation(home: Path, folder: Path | None = None) -> int | None:
    """The generation that is out, read from the files alone; None where they are not all there, whole and of one.

    Files of another content version count as not there: the same state of the warehouse would look different today.
    `folder`: where the mart lies, if not in the home.
    """
    folder = folder or home
    mart, ops = read_publication(folder / MART_FILE), read_publication(home / OPS_FILE)
    if mart is None or mart != ops or mart.content_version != content_version():
        return None
    return mart.generation if _parquet_is_whole(folder, mart.generation) else None


def read_publication(file: Path) -> Publication | None:
    """What a published file says of itself; None where it is missing, cut short or not one."""
    try:
        with _attached(file) as connection:
            rows = connection.execute(
                f"SELECT {_PUBLICATION_COLUMNS} FROM published.main.publication"
            ).fetchall()
    except (FileNotFoundError, duckdb.Error):
        return None
    return Publication(*rows[0]) if len(rows) == 1 else None


def damaged_files(home: Path, folder: Path | None = None) -> list[Path]:
    """The published files that are there and cannot be read: cut short, or of another program."""
    damaged = []
    for file in ((folder or home) / MART_FILE, home / OPS_FILE):
        try:
            with _attached(file):
                pass
        except FileNotFoundError:
            continue
        except duckdb.Error:
            damaged.append(file)
    return damaged


@contextmanager
def _attached(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A published file as `published`; FileNotFoundError, or duckdb.Error where it is cut short or not one."""
    if not file.is_file():
        raise FileNotFoundError(file)
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {literal(str(file))} AS published (READ_ONLY)")
        [(header_and_blocks,)] = connection.execute(
            "SELECT 3 * 4096 + block_size * total_blocks FROM pragma_database_size() WHERE database_name = 'published'"
        ).fetchall()
        # DuckDB opens a file that was cut off behind the blocks it needs first.
        if file.stat().st_size < header_and_blocks:
            raise duckdb.IOException(f"{file.name} is cut short")
        yield connection


def content_version() -> str:
    """A hash of everything that says how the published files look: the contracts, the selections and the migrations."""
    digest = hashlib.sha256()
    statements = (*sorted(_STATEMENTS.glob("*.sql")), *sorted(FOLDER.glob("*.sql")))
    for path in (*sorted(CONTRACTS_PATH.rglob("*.yaml")), *statements):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _describe(connection: duckdb.DuckDBPyConnection, generation: int, recorded_at: datetime) -> Publication:
    rows = connection.execute(
        """
        -- The policy that rules the latest period: the configured one may not be effective yet.
        WITH rating AS (SELECT as_of, policy_hash FROM ops.generation WHERE stage = 'rating'),
        ruling AS (
            SELECT history.policy_id, history.policy_version, history.policy_hash
            FROM rated.customer_value_history AS history CROSS JOIN rating
            ORDER BY history.policy_hash = rating.policy_hash DESC, period DESC, revision DESC
            LIMIT 1
        )
        -- Where nobody is rated, as in a home of receivables alone, it is the configured one.
        SELECT rating.as_of, coalesce(ruling.policy_id, configured.policy_id),
               coalesce(ruling.policy_version, configured.policy_version),
               coalesce(ruling.policy_hash, rating.policy_hash)
        FROM rating LEFT JOIN ruling ON true LEFT JOIN ops.policy AS configured ON configured.policy_hash = rating.policy_hash
        """
    ).fetchall()
    as_of, policy_id, policy_version, policy_hash = rows[0] if rows else (None, None, None, None)
    published_at = recorded_at.astimezone(UTC).replace(tzinfo=None) if recorded_at.tzinfo else recorded_at
    return Publication(
        generation, as_of, policy_id, policy_version, policy_hash, published_at, content_version()
    )


def _fill_mart(connection: duckdb.DuckDBPyConnection, contracts: Contracts, publication: Publication) -> None:
    """Every published table and view, the tables in the order of their keys, so that equal content makes equal files."""
    for name in PUBLISHED_TABLES:
        fill_table(connection, contracts[name])
    listed = _all_tables(contracts)
    create(connection, contracts["column_dictionary"], ddl.dictionary_rows(listed))
    create(connection, contracts["publication"], [astuple(publication)])


def _all_tables(contracts: Contracts) -> list[Contract]:
    return [as_published(contracts[name]) for name in (*PUBLISHED_TABLES, "column_dictionary", "publication")]


def _show_live(connection: duckdb.DuckDBPyConnection, contracts: Contracts) -> None:
    """The lake's own mart, of what `publishing` holds by now."""
    listed = _all_tables(contracts)
    views = {
        contract.name: _with_old_names(contracts[contract.name])
        for contract in listed
        if contract.physical == "view"
    }
    live_mart.bring_up(connection, listed, views, content_version(), _MAIN)


def fill_table(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Make one table or view of `publishing`, which may select from those that are there."""
    published, name = as_published(contract), f"{_MAIN}.{quoted(contract.name)}"
    if published.physical == "view":
        # Names in it stay unqualified: the file will be opened under another name than `publishing`.
        connection.execute(f"CREATE VIEW {name} AS\n{_with_old_names(contract)}")
        connection.execute(";\n".join(ddl.comments(published, _MAIN)))
    else:
        create(connection, published)
        key = ", ".join(quoted(column) for column in published.key)
        connection.execute(
            f"INSERT INTO {name} BY NAME SELECT * FROM (\n{_with_old_names(contract)}\n) ORDER BY {key}"
        )


def _fill_ops(connection: duckdb.DuckDBPyConnection, contracts: Contracts, publication: Publication) -> None:
    """The books and the quarantine as they are, in schemas of the same names."""
    tables = connection.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() "
        "WHERE database_name = current_database() AND schema_name IN ('ops', 'quarantine') ORDER BY ALL"
    ).fetchall()
    for schema in ("ops", "quarantine"):
        connection.execute(f"CREATE SCHEMA publishing.{schema}")
    for schema, table in tables:
        name = f"{schema}.{quoted(table)}"
        connection.execute(f"CREATE TABLE publishing.{name} AS FROM {name}")
    create(connection, contracts["publication"], [astuple(publication)])


def selection(name: str) -> str:
    """SQL: where a published table's rows come from: a reviewed SELECT, or the rated table of the same name."""
    path = _STATEMENTS / f"{name}.sql"
    return path.read_text(encoding="utf-8") if path.exists() else f"FROM rated.{quoted(name)}"


def _with_old_names(contract: Contract) -> str:
    """A table's rows, what was renamed under its old name, too."""
    old = [f"{quoted(each.name)} AS {quoted(each.formerly)}" for each in contract.columns if each.formerly]
    rows = selection(contract.name)
    return f"SELECT *, {', '.join(old)} FROM (\n{rows}\n)" if old else rows


def create(
    connection: duckdb.DuckDBPyConnection, contract: Contract, rows: Sequence[tuple[object, ...]] = ()
) -> None:
    """The contract's table with its comments, and the rows given."""
    connection.execute(";\n".join(ddl.create_table(contract, _MAIN)))
    if rows:
        # By one statement, not one a row: the dictionary has a thousand.
        listed = pl.DataFrame(
            rows, schema=list(contract.column_names), orient="row", infer_schema_length=None
        )
        add_frame(connection, f"{_MAIN}.{quoted(contract.name)}", listed)


@contextmanager
def building(connection: duckdb.DuckDBPyConnection, file: Path) -> Iterator[Path]:
    """A new file beside the published one, attached as `publishing` for the block; whole and closed after it."""
    unfinished = file.with_name(file.name + _BUILDING)
    # Read-write even where the connection's own file is open for reading only.
    connection.execute(
        f"ATTACH {literal(str(unfinished))} AS publishing (READ_WRITE, STORAGE_VERSION {literal(PUBLISHED_STORAGE)})"
    )
    try:
        yield unfinished
        connection.execute("CHECKPOINT publishing")
    finally:
        connection.execute("DETACH publishing")


def swap(finished: Path, file: Path, readers: Readers) -> None:
    """Put a finished file in the place of the published one, for its readers; there is no moment without either."""
    readers.admit_one(finished)
    sync(finished)
    # A tool that opened the old file for writing and died left this; DuckDB would replay it onto the new file.
    file.with_name(f"{file.name}.wal").unlink(missing_ok=True)
    finished.replace(file)
    sync(file.parent)


def _write_parquet(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """A copy of every table that lies in `publishing`, forced to disk."""
    folder.mkdir()
    for (table,) in connection.execute(_TABLES, ["publishing"]).fetchall():
        file = folder / f"{table}.parquet"
        connection.execute(
            f"COPY publishing.main.{quoted(table)} TO {literal(str(file))} (FORMAT parquet, COMPRESSION zstd)"
        )
        sync(file)
    sync(folder)


def _swap_parquet(folder: Path, generation: int, readers: Readers) -> None:
    """Name the finished folder, point `current` to it, and remove all but it and the one before it."""
    before = _current(folder)
    taken = {path.name for path in folder.iterdir()}
    names = (f"{generation}" if n == 1 else f"{generation}-{n}" for n in count(1))
    target = folder / next(name for name in names if name not in taken)
    readers.admit(folder / _BUILDING)
    (folder / _BUILDING).rename(target)
    link = folder / f".{CURRENT}{_BUILDING}"
    link.symlink_to(target.name)
    link.replace(folder / CURRENT)
    sync(folder)
    for path in folder.iterdir():
        if _GENERATION_FOLDER.fullmatch(path.name) and path.name not in {target.name, before}:
            shutil.rmtree(path)


def _current(folder: Path) -> str | None:
    """The name of the generation that `current` points to."""
    link = folder / CURRENT
    return link.readlink().name if link.is_symlink() else None


def _parquet_is_whole(published: Path, generation: int) -> bool:
    """Whether `current` is of that generation and has a file for every table of the mart."""
    folder = published / PARQUET_FOLDER
    current = _current(folder)
    if current is None or current.partition("-")[0] != str(generation):
        return False
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH {literal(str(published / MART_FILE))} AS published (READ_ONLY)")
        tables = connection.execute(_TABLES, ["published"]).fetchall()
    return all((folder / current / f"{table}.parquet").is_file() for (table,) in tables)


def _clear_leftovers(home: Path, published: Path) -> None:
    """Remove what a killed run had begun to build; nobody reads it."""
    for file in (published / MART_FILE, home / OPS_FILE):
        for suffix in ("", ".wal"):
            file.with_name(f"{file.name}{_BUILDING}{suffix}").unlink(missing_ok=True)
    folder = published / PARQUET_FOLDER
    (folder / f".{CURRENT}{_BUILDING}").unlink(missing_ok=True)
    shutil.rmtree(folder / _BUILDING, ignore_errors=True)
