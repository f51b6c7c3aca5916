"""What is said where a lake's files lie in an object store that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.errors import UsageError
from flows.settings import SettingsError, load
from flows.settings.warehouse import given_data
from tests.lake.stores import SECRET, Store, own_store
from warehouse.connection import scalar, transaction
from warehouse.lake.address import Lake, LakeError
from warehouse.lake.bucket import Bucket
from warehouse.lake.opening import open_at, size
from warehouse.lake.upkeep import tidy


@pytest.fixture
def store() -> Iterator[Store]:
    with own_store() as store:
        yield store


def lake_at(store: Store, folder: Path) -> Lake:
    return Lake("sqlite", str(folder / "lake.sqlite"), Bucket(store.url, store.endpoint), folder / "spill")


def test_settings_name_a_place_in_a_store_and_the_environment_the_store(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "valuemart.toml").write_text(
        "warehouse = 'ducklake:sqlite:lake.sqlite'\nwarehouse_data = 's3://lakes/home/'\n", encoding="utf-8"
    )
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert load().warehouse_at.data == Bucket("s3://lakes/home")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://store.example:9000")
    assert load().warehouse_at.data == Bucket("s3://lakes/home", "https://store.example:9000")


@pytest.mark.parametrize("data", ["s3://", "s3:///home", "s3://key:secret@lakes/home", "s3://lakes/*"])
def test_what_is_no_place_in_a_store_is_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    monkeypatch.setenv("VALUEMART_WAREHOUSE_DATA", data)
    with pytest.raises(SettingsError, match=r"write s3://BUCKET/PREFIX") as wrong:
        load()
    assert "secret" not in str(wrong.value)
    with pytest.raises(UsageError, match=r"write s3://BUCKET/PREFIX"):
        given_data(data)


@pytest.mark.parametrize(
    "endpoint",
    ["store.example:9000", "foo bar", "https://who:secret@store.example", "https://store.example/s3"],
)
def test_what_is_no_address_of_a_store_is_one_sentence_and_not_taken_for_that_of_aws(
    home: Path, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("VALUEMART_WAREHOUSE", "ducklake:sqlite:lake.sqlite")
    monkeypatch.setenv("VALUEMART_WAREHOUSE_DATA", "s3://lakes/home")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(
        UsageError, match=r"^AWS_ENDPOINT_URL names no object store: write https://HOST:PORT, "
    ) as wrong:
        _ = load().warehouse_at
    assert endpoint not in str(wrong.value)


def test_a_bucket_that_is_missing_is_one_sentence_without_our_statement(store: Store, tmp_path: Path) -> None:
    lake = Lake(
        "sqlite", str(tmp_path / "lake.sqlite"), Bucket("s3://no-such-bucket/home", store.endpoint), tmp_path
    )
    with pytest.raises(LakeError, match="NoSuchBucket") as said, open_at(lake):
        pass
    assert "SELECT" not in str(said.value)
    assert "\n" not in str(said.value)


def test_a_new_lake_is_not_made_among_the_files_of_others(store: Store, tmp_path: Path) -> None:
    store.put("home/theirs.parquet", b"")
    with pytest.raises(LakeError, match="name an empty folder"), open_at(lake_at(store, tmp_path)):
        pass


def test_a_small_lake_keeps_its_place_in_a_store_before_it_has_files(store: Store, tmp_path: Path) -> None:
    first = lake_at(store, tmp_path)
    with open_at(first) as connection:
        connection.execute("CREATE TABLE small AS SELECT 1 AS number")
    second = replace(first, where=str(tmp_path / "other.sqlite"))
    with pytest.raises(LakeError, match=f"belongs to the lake {first}; name an empty"), open_at(second):
        pass


def test_what_is_written_into_a_store_is_there_and_upkeep_removes_what_no_state_refers_to(
    store: Store, tmp_path: Path
) -> None:
    lake, orphan = lake_at(store, tmp_path), "home/main/kept/ducklake-of-a-killed-commit.parquet"
    with open_at(lake) as connection, transaction(connection):
        connection.execute("CREATE TABLE kept AS SELECT range AS number FROM range(2000)")
    with open_at(lake) as connection, transaction(connection):
        connection.execute("UPDATE kept SET number = -number WHERE number < 1000")
    store.put(orphan, b"cut off")
    late = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)

    with open_at(lake) as connection:
        assert tidy(connection, states_before=late, files_before=late)

    assert store.held()
    assert orphan not in store.held()
    with open_at(lake, read_only=True) as connection:
        assert scalar(connection, "SELECT sum(number) FROM kept") == sum(range(1000, 2000)) - sum(range(1000))


def test_a_store_that_does_not_answer_is_one_sentence_that_names_it_and_no_secret(
    store: Store, tmp_path: Path
) -> None:
    lake = lake_at(store, tmp_path)
    with open_at(lake) as connection:
        connection.execute("CREATE TABLE kept AS SELECT range AS number FROM range(1000)")
    assert size(lake) > 1_000
    store.server.kill()
    store.server.wait()
    with (
        pytest.raises(LakeError, match=r"s3://lakes/home\) cannot be used") as said,
        open_at(lake, read_only=True) as connection,
    ):
        connection.execute("SELECT sum(number) FROM kept").fetchall()
    assert SECRET not in str(said.value)
    assert "\n" not in str(said.value)


def test_nobody_without_credentials_gets_in_and_is_told_so(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    with (
        pytest.raises(LakeError, match=r"s3://lakes/home\) cannot be used: nothing says who may"),
        open_at(lake_at(store, tmp_path)),
    ):
        pass
