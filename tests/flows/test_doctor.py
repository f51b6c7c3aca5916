"""`valuemart doctor`: what is sound, what is due and what is wrong with a home; it changes nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from flows import doctor
from flows.cli import main
from flows.settings import Settings
from tests.upgrades.golden import refresh, unpack
from warehouse.connection import connect, insert


@pytest.fixture(scope="module")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = unpack("0.1.0", tmp_path_factory.mktemp("doctor"))
    refresh(home)
    return home


@pytest.fixture
def home(upgraded: Path, tmp_path: Path) -> Path:
    shutil.copytree(upgraded, tmp_path / "home", symlinks=True)
    return tmp_path / "home"


def found(home: Path) -> dict[str, list[str]]:
    """What the doctor says, by state."""
    told: dict[str, list[str]] = {"sound": [], "note": [], "fault": []}
    for each in doctor.examine(Settings.model_validate({"home": home})).findings:
        told[each.state].append(f"{each.what}: {each.message}")
    return told


def change(sql: str) -> Callable[[Path], None]:
    def apply(home: Path) -> None:
        with connect(home / "warehouse.duckdb") as connection:
            connection.execute(sql)

    return apply


def test_an_upgraded_home_is_sound(home: Path):
    told = found(home)
    assert told["fault"] == []
    assert any(
        each.startswith("conservation: every row that came in is accounted for: of") for each in told["sound"]
    )
    assert any(each.startswith("migrations: all ") for each in told["sound"])
    assert "relay: every sink has every event" in told["sound"]


def test_a_home_of_an_older_version_says_which_version_made_it_and_what_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    home = unpack("0.1.0", tmp_path)
    monkeypatch.setenv("VALUEMART_HOME", str(home))
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in home.rglob("*")}
    assert main.run(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    messages = {each["what"]: each["message"] for each in told["findings"]}
    assert told["sound"]
    assert "written by 0.1.0 since" in messages["version"]
    assert messages["migrations"].startswith("due: 0005_version")
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in home.rglob("*")} == before


def test_where_nothing_was_ever_done_nothing_is_wrong_and_nothing_is_made(tmp_path: Path):
    assert found(tmp_path / "home")["fault"] == []
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (
            change("UPDATE ops.batch_table SET accepted = accepted + 1 WHERE table_name = 'payments' AND accepted > 0"),
            "rows of payments",
        ),
        (change('DELETE FROM quarantine."row" WHERE released_by IS NULL'), "0 rows of invoice_lines lie in quarantine, and the ledger says 1"),
        (change("DELETE FROM erp.customers WHERE customer_id = 'C01'"), "customers has 19 rows, and the ledger says that 20 were inserted"),
        (change("UPDATE erp.customers SET batch_id = 'nobody''s'"), "20 rows of customers are of batch nobody's"),
        (change("UPDATE ops.outbox SET sequence = 1"), "customers have events of one number"),
        (change("ALTER TABLE rated.next_action DROP COLUMN reason"), "rated.next_action lacks the column reason"),
        (lambda home: os.truncate(home / "warehouse.duckdb", 100_000), "warehouse.duckdb is cut short"),
        (lambda home: os.truncate(home / "relay.db", 10_000), "relay.db"),
        (lambda home: os.truncate(home / "mart.duckdb", 5_000), "mart.duckdb is cut short"),
        (lambda home: (home / "ops.duckdb").write_text("no database"), "ops.duckdb is cut short or of another program"),
        (lambda home: (home / "policy.toml").write_text("[policy"), "policy"),
        (lambda home: (home / "publish.key").touch(), "publish.key is empty"),
        (lambda home: (home / ".restoring").mkdir(), "a restore was cut short"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_is_a_fault_with_its_place(home: Path, harm: Callable[[Path], object], told: str):
    harm(home)
    faults = found(home)["fault"]
    assert [each for each in faults if told in each], faults
    assert doctor.examine(Settings.model_validate({"home": home})).exit_code == 1


def test_a_warehouse_of_a_newer_version_is_a_fault(home: Path):
    with connect(home / "warehouse.duckdb") as connection:
        row = {"number": 9001, "name": "9001_later", "applied_at": "2026-01-01"}
        insert(connection, "ops.migration", row)
    assert "made by a newer version of valuemart" in found(home)["fault"][0]


def test_too_little_room_is_a_fault(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9 - 1000, 1000))
    assert [each for each in found(home)["fault"] if "make room in" in each]
