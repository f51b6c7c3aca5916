"""What holds is sent again to whoever lost what he had; what was taken for known is told when a person asks."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from expectations.gate import Gate
from flows import backup
from flows.cli import main
from flows.pipeline import resync, stages
from flows.settings import Settings
from tests.flows.small_company import customer, item, land, line, load, settings_of
from tests.sinks.newcomer import settled
from warehouse.connection import open_database
from warehouse.relay.store import open_store

pytestmark = pytest.mark.slow

MAY, JUNE = date(2025, 5, 31), date(2025, 6, 30)
LATER = datetime(2030, 7, 2)


@pytest.fixture
def settings(home: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Two customers, one of whom does not pay, rated and sent."""
    settings = settings_of(home)
    monkeypatch.setenv("VALUEMART_POLICY", str(settings.policy))
    sold = [
        line(f"I{month}-{who}", who, date(2025, month, 3), 20_000)
        for month in range(1, 7)
        for who in ("C1", "C2")
    ]
    owed = [item("R1", "C2", date(2025, 1, 3), date(2025, 2, 2), 20_000)]
    land(
        settings,
        {"customers": [customer("C1"), customer("C2")], "invoice_lines": sold, "receivables": owed},
        taken=JUNE,
        sequence=1,
    )
    load(settings, gate)
    update(settings)
    return settings


def update(settings: Settings) -> None:
    stages.rate_stage(settings, JUNE)
    stages.publish_stage(settings)
    stages.relay_stage(settings)


def sent(settings: Settings) -> list[dict[str, Any]]:
    """The events of the files, in their order."""
    files = sorted(settings.events_folder.glob("*.jsonl"))
    return [json.loads(row) for file in files for row in file.read_text(encoding="utf-8").splitlines()]


def known(events: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """What somebody knows who drops what is not above a customer's last number: the tiers and warnings that stand."""
    last: dict[str, str] = {}
    found: dict[tuple[str, str], str] = {}
    for event in events:
        who, data = event["subject"], event["data"]
        if event["sequence"] <= last.get(who, ""):
            continue
        last[who] = event["sequence"]
        if ".tier.changed." in event["type"]:
            found[who, "tier"] = data["to_tier"]
        elif ".credit.warning." in event["type"]:
            found.pop((who, "warning"), None)
            if ".raised." in event["type"]:
                found[who, "warning"] = data["credit_action"]
    return found


def holds(settings: Settings) -> dict[tuple[str, str], str]:
    with open_database(settings.warehouse_file, read_only=True) as connection:
        rows = connection.execute(
            """SELECT company_code || '/' || customer_id, 'tier', effective_tier FROM rated.customer_value_history
               QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY period DESC, revision DESC) = 1
               UNION ALL SELECT company_code || '/' || customer_id, 'warning', credit_action FROM rated.credit_watch
               WHERE warning_since IS NOT NULL"""
        ).fetchall()
    return {(who, kind): value for who, kind, value in rows}


def test_a_first_rating_tells_the_warning_that_stands_and_the_tiers_when_a_person_asks(
    settings: Settings, capsys: pytest.CaptureFixture[str]
):
    assert list(known(sent(settings))) == [("1000/C2", "warning")]
    assert main.run(["events", "announce"]) == 2
    assert main.run(["events", "announce", "--standing"]) == 0
    assert main.run(["relay"]) == 0
    assert known(sent(settings)) == holds(settings)
    assert resync.announce(settings, LATER) == 0
    capsys.readouterr()


def test_who_lost_all_he_had_knows_after_a_resync_what_holds_and_nobody_else_is_told(settings: Settings):
    before = len(sent(settings))
    two = settings.model_copy(update={"sinks": {**settings.sinks, "other": settings.sinks["file"]}})
    assert resync.resync(two, LATER, sink="other", company=None, customer=None) > 0
    stages.relay_stage(settings)
    assert len(sent(settings)) == before
    written = resync.resync(settings, LATER, sink="file", company=None, customer=None)
    stages.relay_stage(settings)
    fresh = sent(settings)[before:]
    assert len(fresh) == written
    assert {event["cause"] for event in fresh} == {"resync"}
    assert known(fresh) == holds(settings)
    assert known(sent(settings)) == holds(settings)
    assert stages.rate_stage(settings, JUNE) is None, "a resync changes nothing of what was told"


def test_one_customer_is_sent_alone_and_an_unknown_one_is_named(
    settings: Settings, capsys: pytest.CaptureFixture[str]
):
    before = len(sent(settings))
    assert main.run(["events", "resync", "--customer", "C1"]) == 0
    assert main.run(["relay"]) == 0
    assert {event["subject"] for event in sent(settings)[before:]} == {"1000/C1"}
    capsys.readouterr()
    assert main.run(["events", "resync", "--customer", "NOBODY"]) == 2
    assert "no customer NOBODY is rated" in capsys.readouterr().err
    assert main.run(["events", "resync", "--sink", "nowhere"]) == 2


def test_a_sink_that_is_new_begins_with_what_holds(settings: Settings, tmp_path: Path):
    new = settings.sinks["file"].model_copy(update={"folder": tmp_path / "new"})
    grown = settings.model_copy(update={"sinks": {**settings.sinks, "new": new}})
    update(grown)
    lines = [
        json.loads(row)
        for file in (tmp_path / "new").glob("*.jsonl")
        for row in file.read_text().splitlines()
    ]
    assert {event.get("cause") for event in lines} == {"resync"}
    assert known(lines) == holds(settings)
    update(grown)
    assert len(lines) == sum(
        len(file.read_text().splitlines()) for file in (tmp_path / "new").glob("*.jsonl")
    )


def test_behind_a_dead_letter_that_was_given_up_the_customer_is_sent_as_it_holds(settings: Settings):
    with open_store(settings.relay_file) as store:
        (event, *_) = store._connection.execute(
            "SELECT event_id FROM delivery WHERE customer_id = 'C2'"
        ).fetchone()
        store._connection.execute("UPDATE delivery SET state = 'dead' WHERE event_id = ?", (event,))
        store.discard("file", event)
    before = len(sent(settings))
    update(settings)
    fresh = sent(settings)[before:]
    assert {each["subject"] for each in fresh} == {"1000/C2"}
    assert known(fresh) == {key: value for key, value in holds(settings).items() if key[0] == "1000/C2"}


def test_after_a_restore_and_a_resync_a_consumer_who_heard_what_was_lost_knows_what_holds(
    settings: Settings, gate: Gate, tmp_path: Path
):
    made = backup.back_up(settings, tmp_path / "backups", datetime(2030, 7, 1, tzinfo=UTC))
    resync.announce(settings, LATER)
    resync.resync(settings, LATER + timedelta(hours=1), sink=None, company=None, customer=None)
    stages.publish_stage(settings)
    stages.relay_stage(settings)
    heard = sent(settings)
    backup.restore(settings, made.folder, datetime(2030, 7, 3, tzinfo=UTC))
    remained = len(sent(settings))
    resync.resync(settings, LATER + timedelta(days=2), sink=None, company=None, customer=None)
    stages.relay_stage(settings)
    fresh = sent(settings)[remained:]
    highest = {event["subject"]: event["sequence"] for event in heard}
    assert all(event["sequence"] > highest[event["subject"]] for event in fresh)
    assert known([*heard, *fresh]) == holds(settings)


def printed(event: dict[str, Any]) -> str:
    """What the page's consumers print of an event."""
    return f"{event['sequence'].lstrip('0')} {event['subject']} {event['type']}"


def test_a_consumer_that_follows_the_files_through_a_restore_ends_with_what_holds(
    settings: Settings, gate: Gate, tmp_path: Path
):
    made = backup.back_up(settings, tmp_path / "backups", datetime(2030, 7, 1, tzinfo=UTC))
    consumer = settled(tmp_path)
    with consumer.consuming("file_consumer.py", str(settings.events_folder)):
        for hours in range(3):
            resync.resync(settings, LATER + timedelta(hours=hours), sink=None, company=None, customer=None)
            stages.relay_stage(settings)
        consumer.hear_until(printed(sent(settings)[-1]))
        long = sum(file.stat().st_size for file in settings.events_folder.glob("*.jsonl"))
        backup.restore(settings, made.folder, datetime(2030, 7, 3, tzinfo=UTC))
        resync.resync(settings, LATER + timedelta(days=2), sink=None, company=None, customer=None)
        stages.relay_stage(settings)
        assert sum(file.stat().st_size for file in settings.events_folder.glob("*.jsonl")) < long, (
            "a file that is no shorter than before tries nothing"
        )
        consumer.hear_until(printed(sent(settings)[-1]))
    with closing(sqlite3.connect(tmp_path / "consumer.db")) as books:
        tiers = dict(books.execute("SELECT subject, tier FROM tier").fetchall())
    assert tiers == {who: value for (who, kind), value in holds(settings).items() if kind == "tier"}
