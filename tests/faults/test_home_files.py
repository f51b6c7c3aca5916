"""The home's own files, damaged, of another program, without room or right: one sentence with file and remedy, never a traceback."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from flows.cli import main
from flows.settings import Settings
from tests.upgrades.golden import unpack
from warehouse.connection import open_database, transaction
from warehouse.relay.store import RelayStoreError, open_store, read_store
from warehouse.storage_errors import DamagedFileError, StorageError, described

READING = (
    ["status"],
    ["explain", "C03"],
    ["credit", "C03", "--order", "100"],
    ["quarantine", "list"],
    ["quarantine", "show"],
    ["events", "list"],
    ["events", "dead-letter", "list"],
    ["report"],
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("0.1.0", tmp_path_factory.mktemp("sound"))


@pytest.fixture
def home(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    copy = tmp_path / "home"
    shutil.copytree(sound, copy, symlinks=True)
    monkeypatch.setenv("VALUEMART_HOME", str(copy))
    return copy


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """How a command ended, and what it said of it: one line."""
    capsys.readouterr()
    code = main.run(arguments)
    told = capsys.readouterr().err
    assert told.count("\n") == 1, told
    return code, told


def cut(keep: Callable[[int], int]) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        os.truncate(file, keep(file.stat().st_size))

    return damage


def with_text(file: Path) -> None:
    file.write_text("a shopping list\n" * 1000)


def with_another_kind(file: Path) -> None:
    file.unlink()
    if file.suffix == ".db":
        with duckdb.connect(str(file.with_suffix(".x"))) as connection:
            connection.execute("CREATE TABLE recipes (name VARCHAR)")
        file.with_suffix(".x").rename(file)
        return
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")


DAMAGES = [
    pytest.param(cut(lambda _: 0), id="emptied"),
    pytest.param(cut(lambda _: 100), id="cut in its header"),
    pytest.param(cut(lambda size: size // 2), id="cut in the middle"),
    pytest.param(with_text, id="a text"),
    pytest.param(with_another_kind, id="another database"),
]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("command", [["refresh", "--as-of", "2024-07-31"], ["backup"]], ids=lambda c: c[0])
def test_a_damaged_warehouse_is_named_with_its_remedy(
    home: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], command: list[str]
):
    file = home / "warehouse.duckdb"
    damage(file)
    before = file.read_bytes()
    code, told = complaint(capsys, *command)
    assert code == 1
    assert f"{file} is cut short, damaged, or of another program; " in told
    assert "valuemart restore FOLDER" in told
    assert file.read_bytes() == before


@pytest.mark.parametrize("damage", DAMAGES[1:])
@pytest.mark.parametrize("command", [["events", "list"], ["relay"], ["events", "dead-letter", "list"]])
def test_damaged_books_of_the_relay_are_named_with_their_remedy(
    home: Path, capsys: pytest.CaptureFixture[str], damage: Callable[[Path], None], command: list[str]
):
    file = home / "relay.db"
    damage(file)
    code, told = complaint(capsys, *command)
    assert code == 1
    assert str(file) in told
    assert "it is filled again from the warehouse" in told


def test_what_is_cut_off_at_the_end_is_told_when_it_is_read(home: Path):
    file = home / "warehouse.duckdb"
    cut(lambda size: size - 300_000)(file)

    def read_all() -> None:
        with open_database(file, read_only=True) as connection:
            for schema, table in connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables()"
            ).fetchall():
                connection.execute(f'FROM {schema}."{table}"').fetchall()

    with pytest.raises(DamagedFileError, match=f"{file} is cut short"):
        read_all()


def test_a_sqlite_database_of_another_program_is_left_as_it_is(tmp_path: Path):
    file = tmp_path / "relay.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(DamagedFileError, match="another program"), open_store(file):
        pass
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]


def test_books_of_a_newer_version_are_refused_for_writing_and_for_reading(tmp_path: Path):
    file = tmp_path / "relay.db"
    with open_store(file):
        pass
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    for opening in (open_store, read_store):
        with pytest.raises(RelayStoreError, match="newer version of valuemart"), opening(file):
            pass


def test_a_backup_is_put_in_the_place_of_a_damaged_warehouse(home: Path, capsys: pytest.CaptureFixture[str]):
    (made,) = (home / "backups").iterdir()
    with_text(home / "warehouse.duckdb")
    assert main.run(["restore", str(made)]) == 0
    assert main.run(["status"]) == 0
    assert "restored" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (duckdb.IOException('IO Error: Could not write file "/h/w.duckdb": No space left on device'), "the disk is full"),
        (
            duckdb.OutOfMemoryException("Out of Memory Error: failed to offload data block of size 256.0 KiB (1.0 MiB/1.0 MiB used)."),
            "the disk is full",
        ),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (OSError(errno.ENOSPC, "No space left on device", "/h/w.duckdb"), "the disk is full"),
        (OSError(errno.ENOSPC, "No space left on device", "/exports/from.csv", None, "/h/w.duckdb"), "the disk is full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/h/w.duckdb"), "the disk is full"),
        (duckdb.IOException('IO Error: Cannot open file "/h/w.duckdb": Read-only file system'), "a read-only file system"),
        (OSError(errno.EROFS, "Read-only file system", "/h/w.duckdb"), "a read-only file system"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "may not be read or written by this user"),
        (PermissionError(errno.EACCES, "Permission denied", "/h/w.duckdb"), "may not be read or written by this user"),
        (duckdb.IOException('IO Error: Cannot open file "/h/w.duckdb": Permission denied'), "may not be read or written by this user"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_no_room_and_no_right_are_told_apart_whoever_says_it(error: Exception, told: str):
    sentence = described(error, Path("/h/w.duckdb"))
    assert type(sentence) is StorageError
    assert str(sentence).startswith("/h/w.duckdb ")
    assert told in str(sentence)
    assert "\n" not in str(sentence)


def test_a_folder_in_the_place_of_a_file_and_a_file_in_that_of_a_folder_are_named(tmp_path: Path):
    folder, file = tmp_path / "relay.db", tmp_path / "archive"
    folder.mkdir()
    file.touch()

    def failing(act: Callable[[], object]) -> str:
        with pytest.raises((OSError, sqlite3.Error)) as raised:
            act()
        sentence = described(raised.value, folder)
        assert type(sentence) is StorageError
        return str(sentence)

    taken = f"{folder} is a folder, and a file belongs there; move it away and run the same command again"
    assert failing(lambda: sqlite3.connect(folder)) == taken
    assert failing(folder.read_bytes) == taken
    assert failing(lambda: file.replace(folder)) == taken
    assert failing((file / "shop").mkdir).startswith(f"{file / 'shop'} is a file, or lies below one, ")


@pytest.mark.parametrize(
    "error",
    [
        duckdb.BinderException("Binder Error: no column"),
        duckdb.ConstraintException("Constraint Error: NOT NULL constraint failed"),
        sqlite3.IntegrityError("UNIQUE constraint failed: event.event_id"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "/h/x"),
        ValueError("No space left on device"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fault_of_our_own_is_not_taken_for_one_of_the_disk(error: Exception):
    assert described(error, Path("/h/w.duckdb")) is None


def test_a_full_disk_in_the_middle_of_a_transaction_is_what_is_told(tmp_path: Path):
    file = tmp_path / "w.duckdb"
    full = duckdb.IOException(f'IO Error: Could not write file "{file}": No space left on device')

    def fill() -> None:
        with open_database(file) as connection, transaction(connection):
            connection.execute("ROLLBACK")  # as DuckDB does by itself when it cannot write
            raise full

    with pytest.raises(StorageError, match="the disk is full; make room"):
        fill()


def test_a_refresh_on_a_full_disk_ends_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from flows.pipeline import stages

    def full(*_: object) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device", str(home / "scratch" / "b.duckdb"))

    monkeypatch.setattr(stages, "is_current", full)
    code, told = complaint(capsys, "refresh", "--as-of", "2024-07-31")
    assert (code, "the disk is full" in told, "scratch/b.duckdb" in told) == (1, True, True)


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """In the block this process may read the folder, and write nothing in it: as another user if it is root's."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    is_root = os.geteuid() == 0
    above = [] if not is_root else [each for each in folder.parents if not each.stat().st_mode & 0o001]
    modes = {each: each.stat().st_mode for each in above}
    for each in above:
        each.chmod(modes[each] | 0o011)
    if is_root:
        os.seteuid(65534)
    try:
        if not os.access(duckdb.__file__, os.R_OK, effective_ids=True):
            pytest.skip("another user may not read this installation")
        yield
    finally:
        if is_root:
            os.seteuid(0)
        for each, mode in modes.items():
            each.chmod(mode)
        for path in (folder, *folder.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() else 0o644)


@pytest.fixture(scope="module")
def published(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home, with everything that this version publishes."""
    from flows.pipeline import stages
    from flows.report.build import build_if_behind

    home = tmp_path_factory.mktemp("published") / "home"
    shutil.copytree(sound, home, symlinks=True)
    settings = Settings.model_validate({"home": home})
    stages.rate_stage(settings, datetime(2024, 6, 30, tzinfo=UTC).date())
    stages.publish_stage(settings)
    build_if_behind(settings)
    return home


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_reading_commands_work_on_a_home_that_may_not_be_written(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
):
    monkeypatch.setenv("VALUEMART_HOME", str(published))
    assert main.run(command) == 0  # so that everything is imported
    before = {path: path.stat().st_mtime_ns for path in published.rglob("*")}
    capsys.readouterr()
    with as_nobody(published):
        assert main.run(command) == 0, capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in published.rglob("*")} == before


@pytest.mark.parametrize("command", [["backup"], ["relay"]], ids=" ".join)
def test_writing_commands_say_that_they_may_not(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
):
    monkeypatch.setenv("VALUEMART_HOME", str(published))
    with as_nobody(published):
        code, told = complaint(capsys, *command)
    assert code == 1
    assert str(published) in told
    assert "may not be read or written by this user" in told
