"""How settings say where the warehouse lies, and what is said where they are wrong."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from flows.errors import UsageError
from flows.move import move
from flows.pipeline import stages
from flows.pipeline.load import open_warehouse
from flows.settings import Settings, SettingsError, load
from flows.settings.warehouse import given_url
from warehouse.lake import claim, extensions
from warehouse.lake.address import Lake, LakeError
from warehouse.lake.extensions import ExtensionError
from warehouse.lake.opening import open_at


def test_a_home_has_its_warehouse_in_a_file_unless_its_settings_say_otherwise(home: Path) -> None:
    assert load().warehouse_at == home / "warehouse.duckdb"


def test_the_paths_of_a_lake_are_relative_to_the_settings_file(home: Path, tmp_path: Path) -> None:
    (tmp_path / "valuemart.toml").write_text(
        "warehouse = 'ducklake:sqlite:here/lake.sqlite'\nwarehouse_data = 'files'\n", encoding="utf-8"
    )
    assert load().warehouse_at == Lake(
        "sqlite", str(tmp_path / "here" / "lake.sqlite"), tmp_path / "files", home / "warehouse.tmp"
    )


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres:host=db", "write duckdb: for the file in the home"),
        ("ducklake:sqlite:", "write duckdb: for the file in the home"),
        ("duckdb:elsewhere.duckdb", "write duckdb: for the file in the home"),
        ("ducklake:postgres:host=db password=geheim", "VALUEMART_PASSWORD_WAREHOUSE"),
        ("ducklake:postgres:postgresql://etl:geheim@db/valuemart", "VALUEMART_PASSWORD_WAREHOUSE"),
        ("ducklake:postgres:postgresql://db/valuemart", "names its database as libpq does"),
    ],
)
def test_a_wrong_place_is_one_sentence_that_repeats_no_password(
    home: Path, monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("VALUEMART_WAREHOUSE", url)
    with pytest.raises(SettingsError) as raised:
        load()
    with pytest.raises(UsageError) as refused:
        given_url(url)
    for message in (str(raised.value), str(refused.value)):
        assert said in message
        assert "geheim" not in message


def test_the_password_is_read_from_a_file_and_shown_nowhere(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text("geheim\n", encoding="utf-8")
    monkeypatch.setenv("VALUEMART_WAREHOUSE", "ducklake:postgres:host=127.0.0.1 port=9 dbname=x")
    monkeypatch.setenv("VALUEMART_PASSWORD_WAREHOUSE_FILE", str(tmp_path / "secret"))
    lake = load().warehouse_at
    assert isinstance(lake, Lake)
    assert lake.password == "geheim"
    with pytest.raises(LakeError, match="cannot be used") as unreachable:
        lake.exists()
    for told in (repr(lake), str(lake), repr(load()), str(unreachable.value)):
        assert "geheim" not in told


def test_a_missing_extension_is_one_sentence_that_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(extensions, "find_spec", lambda _: None)
    lake = Lake("sqlite", str(tmp_path / "lake.sqlite"), tmp_path / "files", tmp_path / "spill")
    with (
        pytest.raises(ExtensionError, match=r"duckdb-extension-ducklake.*pip install 'valuemart\[lake\]'"),
        open_at(lake),
    ):
        pass


def test_an_extension_that_nobody_signed_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lake = Lake("sqlite", str(tmp_path / "lake.sqlite"), tmp_path / "files", tmp_path / "spill")
    real = extensions._file("ducklake")
    forged = tmp_path / real.name
    forged.write_bytes(real.read_bytes()[:-1] + b"\0")
    monkeypatch.setattr(extensions, "_file", lambda _: forged)
    with duckdb.connect() as connection, pytest.raises(ExtensionError, match="does not take"):
        extensions.load(connection, lake)


def test_a_new_lake_is_not_made_in_a_folder_of_others(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "theirs.parquet").write_text("", encoding="utf-8")
    lake = Lake("sqlite", str(tmp_path / "lake.sqlite"), tmp_path / "files", tmp_path / "spill")
    with pytest.raises(LakeError, match="name an empty folder"), open_at(lake):
        pass


@pytest.mark.parametrize("folder", ["files", "files [1]?*"])
def test_a_new_lake_is_not_made_around_the_folder_of_another(tmp_path: Path, folder: str) -> None:
    inner, outer = (
        Lake("sqlite", str(tmp_path / name), tmp_path / data, tmp_path / "spill")
        for name, data in (("a", f"{folder}/inner"), ("b", folder))
    )
    with open_at(inner):
        pass
    with pytest.raises(LakeError, match=r"holds files, and .* name an empty folder"), open_at(outer):
        pass


def test_a_small_lake_that_has_no_files_yet_keeps_its_folder_all_the_same(tmp_path: Path) -> None:
    first, second = (
        Lake("sqlite", str(tmp_path / name), tmp_path / "files", tmp_path / "spill") for name in ("a", "b")
    )
    with open_at(first) as connection:
        connection.execute("CREATE TABLE small AS SELECT 1 AS number")
    assert list((tmp_path / "files").rglob("*.parquet")) == []
    with pytest.raises(LakeError, match=f"belongs to the lake {first}; name an empty"), open_at(second):
        pass
    with open_at(first) as connection:
        assert connection.execute("FROM small").fetchall() == [(1,)]


def test_a_lake_whose_maker_was_killed_after_its_claim_is_made_by_the_next_run(tmp_path: Path) -> None:
    lake = Lake("sqlite", str(tmp_path / "lake, my.sqlite"), tmp_path / "files", tmp_path / "spill")
    lake.data.mkdir()
    with duckdb.connect() as connection:
        claim.take(connection, lake)
    with open_at(lake) as connection:
        connection.execute("CREATE TABLE made AS SELECT 1 AS number")
    assert lake.exists()


def test_what_a_lakes_queries_may_hold_is_limited(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {
            "home": tmp_path / "home",
            "warehouse": f"ducklake:sqlite:{tmp_path}/lake.sqlite",
            "memory_limit": "256MiB",
        }
    )
    with open_warehouse(settings, stages.now()) as connection:
        assert connection.execute("SELECT current_setting('memory_limit')").fetchall() == [("256.0 MiB",)]


def test_a_warehouse_is_moved_only_where_there_is_one_and_to_another_place(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    with pytest.raises(UsageError, match="already"):
        move(settings, "duckdb:", None, stages.now())
    with pytest.raises(UsageError, match="nothing was loaded"):
        move(settings, f"ducklake:sqlite:{tmp_path}/lake.sqlite", None, stages.now())
