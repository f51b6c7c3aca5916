"""Drills that an operator rehearses, each with the one line it says, or with what holds afterwards.

Damaged and alien files, a full disk and a home that may not be written: test_home_files.py. A policy that is gone:
tests/flows/test_first_use.py. A wrong password: tests/deployed. A port in use: tests/flows/test_cli_operate.py.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from expectations.gate import Gate
from flows import backup, doctor
from flows.cli import main
from flows.delivery.relay import relay
from flows.delivery.routes import sink_routes
from flows.pipeline import stages
from flows.settings import Settings
from tests.flows.small_company import customer, land, line, mart, refresh, settings_of
from warehouse.connection import connect, insert

BEFORE, NOW = date(2025, 5, 31), date(2025, 6, 30)
Event = Mapping[str, object]


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Path:
    """A home with a rated company, whose one customer a person has moved, which was told."""
    settings = settings_of(tmp_path_factory.mktemp("drills") / "home")
    lines = [line(f"R{n}", "C1", date(2024, 6, 5) + timedelta(days=30 * n), 1000) for n in range(12)]
    land(settings, {"customers": [customer("C1")], "invoice_lines": lines}, taken=BEFORE, sequence=1)
    refresh(settings, gate, BEFORE)
    move(settings, gate, "core", NOW, 2)
    assert told(settings)
    return settings.home


@pytest.fixture
def settings(rated: Path, tmp_path: Path) -> Settings:
    return settings_of(shutil.copytree(rated, tmp_path / "home", symlinks=True))


def move(settings: Settings, gate: Gate, tier: str, day: date, sequence: int) -> None:
    """Let a person decide on the customer's tier, rate it on that day, and send what follows."""
    decided = {
        "customer_id": "C1",
        "valid_from": day - timedelta(days=20),
        "tier": tier,
        "owner": "A. Manager",
        "reason": "a joint project",
        "valid_to": day + timedelta(days=300),
    }
    land(settings, {"tier_overrides": [decided]}, taken=day, sequence=sequence)
    refresh(settings, gate, day)
    stages.relay_stage(settings)


def told(settings: Settings) -> list[Event]:
    """The events in the file sink's files, in their order."""
    return [
        json.loads(each)
        for file in sorted(settings.events_folder.glob("*.jsonl"))
        for each in file.read_text(encoding="utf-8").splitlines()
    ]


def sequences(events: list[Event]) -> list[int]:
    return [int(str(each["sequence"])) for each in events]


class Consumer:
    """Who reads the files as the page on consuming events says: each id once, and of a customer nothing older than it has."""

    def __init__(self) -> None:
        self.ids: set[object] = set()
        self.last = 0
        self.holds: object = None

    def read(self, settings: Settings) -> None:
        for event in told(settings):
            sequence = int(str(event["sequence"]))
            if event["id"] in self.ids or sequence <= self.last:
                continue
            self.ids.add(event["id"])
            self.last = sequence
            if str(event["type"]).startswith("valuemart.customer.tier.changed"):
                self.holds = event["data"]["to_tier"]  # type: ignore[index]


def holding(settings: Settings) -> object:
    """The customer's tier in the mart."""
    rows = mart(settings.home)["customer_value"]
    assert len(rows) == 1
    return next(value for value in rows[0] if value in {"strategic", "core", "cultivate", "marginal"})


def test_a_home_restored_from_an_hour_ago_goes_on_above_what_a_running_consumer_has_heard(
    settings: Settings, gate: Gate, tmp_path: Path
) -> None:
    consumer = Consumer()
    consumer.read(settings)
    made = backup.back_up(settings, tmp_path / "out", datetime(2025, 7, 1, 2, tzinfo=UTC))
    move(settings, gate, "strategic", date(2025, 7, 31), 3)  # in the hour that the backup does not know
    consumer.read(settings)
    heard = consumer.last
    assert consumer.holds == "strategic"

    backup.restore(settings, made.folder, datetime(2025, 8, 1, 3, tzinfo=UTC))
    # The person decides otherwise: what the lost hour brought does not come again.
    move(settings, gate, "marginal", date(2025, 8, 31), 4)
    consumer.read(settings)

    assert consumer.last > heard
    assert consumer.holds == "marginal"
    after = [each for each in told(settings) if each["subject"] == "1000/C1"]
    assert len(set(sequences(after))) == len({str(each["id"]) for each in after})


def test_a_lost_relay_db_is_filled_from_the_warehouse_and_sends_the_same_ids_again(
    settings: Settings,
) -> None:
    before = told(settings)
    for file in settings.home.glob("relay.db*"):
        file.unlink()
    assert [each.state for each in doctor.examine(settings).findings if each.what == "relay"] == ["note"]

    stages.publish_stage(settings)
    relay(settings.relay_file, sink_routes(settings))

    after = told(settings)
    assert {str(each["id"]) for each in after} == {str(each["id"]) for each in before}
    assert [each.state for each in doctor.examine(settings).findings if each.what == "relay"] == ["sound"]


def test_a_clock_set_back_a_day_neither_loses_nor_reorders_what_is_told(
    settings: Settings, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sequences(told(settings))
    now = stages.now()
    monkeypatch.setattr(stages, "now", lambda: now - timedelta(days=1))
    move(settings, gate, "strategic", date(2025, 7, 31), 3)

    after = sequences(told(settings))
    assert after[: len(before)] == before
    assert after == sorted(after)
    assert len(after) > len(before)
    assert not [each for each in doctor.examine(settings).findings if each.state == "fault"]


@pytest.mark.parametrize(
    "command",
    [["refresh", "--as-of", "2025-07-31"], ["status"]],
    ids=lambda command: command[0],
)
def test_a_warehouse_of_a_newer_version_is_left_as_it_is_and_named_in_one_line(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
) -> None:
    with connect(settings.warehouse_file) as connection:
        insert(
            connection, "ops.migration", {"number": 9001, "name": "9001_later", "applied_at": "2026-01-01"}
        )
    before = settings.warehouse_file.read_bytes()
    monkeypatch.setenv("VALUEMART_HOME", str(settings.home))
    monkeypatch.setenv("VALUEMART_POLICY", str(settings.policy_file))
    assert main.run(command) == 1
    said = capsys.readouterr().err
    assert "was made by a newer version of valuemart" in said
    assert said.splitlines()[-1].startswith("valuemart: error: ")
    assert "Traceback" not in said
    assert settings.warehouse_file.read_bytes() == before
