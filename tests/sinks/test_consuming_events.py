"""docs/consuming-events.md as a new user reads it: its settings and programs, copied out, work at the first try."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from expectations.contract import contracts
from flows.events.types import DATA_TYPES, Event, RatingCorrected, TierChanged, TierWatch, event_id
from tests.flows.event_examples import EXAMPLES, PAGE, program
from tests.sinks.newcomer import (
    CONSUMERS,
    PATIENCE,
    Newcomer,
    free_port,
    settings,
    settled,
    stored,
    wait_for,
)
from warehouse.relay.records import StoredEvent


def lines_of(heard: list[str], customer: str) -> list[str]:
    return [line for line in heard if line.split()[1] == f"1000/{customer}"]


def follow_the_page(newcomer: Newcomer, sink: str, consumer: str, *arguments: str) -> list[str]:
    """Send, send all of it again, send one more; what the consumer printed."""
    (newcomer.folder / "valuemart.toml").unlink(missing_ok=True)
    newcomer.write("valuemart.toml", settings(sink))
    newcomer.add(*(stored(customer, sequence) for sequence in (1, 2, 3) for customer in ("A", "B")))
    with newcomer.consuming(consumer, *arguments):
        wait = newcomer.names.get("8080")
        if wait:
            wait_for(int(wait))
        newcomer.valuemart("relay", "--once")
        newcomer.valuemart("events", "replay", "--sink", sink, "--all")
        newcomer.add(stored("A", 4))
        newcomer.valuemart("relay", "--once")
        return newcomer.hear_until(f"4 1000/A {TierChanged.type}", f"3 1000/B {TierChanged.type}")


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    return settled(tmp_path)


@pytest.mark.parametrize("sink", CONSUMERS)
def test_a_consumer_taken_from_the_page_takes_each_event_once_and_in_order(newcomer: Newcomer, sink: str):
    consumer, cared_for, arguments = CONSUMERS[sink]
    if sink != "hook":
        del newcomer.names["8080"]
    with cared_for(newcomer):
        heard = follow_the_page(newcomer, sink, consumer, *arguments)
    for customer, last in (("A", 4), ("B", 3)):
        assert lines_of(heard, customer) == [
            f"{sequence} 1000/{customer} {TierChanged.type}" for sequence in range(1, last + 1)
        ]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_flow_of_the_page_runs_for_each_credit_warning(newcomer: Newcomer):
    warning, subject, port = "valuemart.customer.credit.warning.raised.v1", "1000/W", free_port()
    newcomer.environment |= {
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_HOME": str(newcomer.folder / "prefect"),
        "PREFECT_UI_ENABLED": "0",
    }
    newcomer.write("valuemart.toml", settings("prefect"))
    envelope = {**EXAMPLES[warning], "id": str(uuid.uuid4()), "subject": subject}
    now = datetime.now(UTC)
    raised = StoredEvent(envelope["id"], "1000", "W", 12, warning, now, now, json.dumps(envelope))
    newcomer.add(raised, stored("A", 1))
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (newcomer.folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, env=newcomer.environment, cwd=newcomer.folder, stdout=log, stderr=log
        )
    try:
        wait_for(port)
        with newcomer.consuming("prefect_consumer.py"):
            while "is being served" not in newcomer.heard.get(timeout=PATIENCE):
                pass
            newcomer.valuemart("relay", "--once")
            assert newcomer.hear_until(f"{int(envelope['sequence'])} {subject} {warning}")
    finally:
        server.terminate()
        server.wait()


def test_a_consumer_that_begins_with_the_mart_does_not_hear_again_what_the_mart_knew(newcomer: Newcomer):
    del newcomer.names["8080"]
    with duckdb.connect(str(newcomer.folder / "mart.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE customer_value AS SELECT '1000' AS company_code, 'A' AS customer_id, "
            "'core' AS effective_tier, DATE '2026-02-01' AS period, 1 AS revision"
        )
    heard = follow_the_page(newcomer, "archive", "file_consumer.py", "var/events")
    assert [line[0] for line in lines_of(heard, "A")] == ["3", "4"]
    assert [line[0] for line in lines_of(heard, "B")] == ["1", "2", "3"]


def test_the_mart_has_the_columns_that_a_consumer_begins_with():
    (value,) = (each for each in contracts() if each.name == "customer_value")
    begins_with = set(
        re.findall(r"[a-z_]+", program("inbox.py").split("FROM customer_value")[0].split("SELECT")[-1])
    )
    assert {"company_code", "customer_id", "effective_tier", "period", "revision"} <= begins_with
    assert {"company_code", "customer_id", "effective_tier", "period", "revision"} <= {
        column.name for column in value.columns
    }


def test_a_webhook_consumer_turns_away_what_is_not_signed_with_its_secret(newcomer: Newcomer):
    import urllib.error
    import urllib.request

    port = int(newcomer.names["8080"])
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/events",
        data=stored("A", 1).body.encode(),
        headers={
            "webhook-id": "A-1",
            "webhook-timestamp": str(int(time.time())),
            "webhook-signature": "v1,AAAA",
        },
    )
    with newcomer.consuming("webhook_consumer.py"):
        wait_for(port)
        with pytest.raises(urllib.error.HTTPError, match="401") as answer:
            urllib.request.urlopen(request)
        answer.value.close()


@pytest.mark.parametrize("data", DATA_TYPES, ids=lambda data: data.type)
def test_the_event_that_the_page_shows_is_what_is_sent_to_the_byte(data: type):
    example = EXAMPLES[data.type]
    event = Event(
        example["id"],
        example["source"].removeprefix("/valuemart/"),
        datetime.fromisoformat(example["time"]),
        datetime.fromisoformat(example["recordedtime"]),
        data.model_validate(example["data"]),
    )
    canonical = json.dumps(example, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert event.body(int(example["sequence"])) == canonical


def test_the_ids_on_the_page_are_made_of_the_facts_beside_them():
    def identity(type_: str, *facts: object) -> str:
        data = EXAMPLES[type_]["data"]
        return event_id("default", data["company_code"], data["customer_id"], type_, *facts)

    changed, watch, corrected = (
        EXAMPLES[each.type]["data"] for each in (TierChanged, TierWatch, RatingCorrected)
    )
    assert EXAMPLES[TierChanged.type]["id"] == identity(
        TierChanged.type, "tier", "none", changed["to_tier"], changed["as_of"]
    )
    move = f"{watch['expected']['tier']} {watch['expected']['direction']}"
    assert EXAMPLES[TierWatch.type]["id"] == identity(TierWatch.type, "watch", "none", move, watch["as_of"])
    assert EXAMPLES[RatingCorrected.type]["id"] == identity(
        RatingCorrected.type, "corrected",
        *(f"{each['period']}.{each['revision']}:{each['from_tier']}>{each['to_tier']}" for each in corrected["periods"]),
        corrected["policy"]["hash"],
    )  # fmt: skip


def test_the_drivers_on_the_page_sum_to_the_change_of_the_score():
    data = EXAMPLES[TierChanged.type]["data"]
    points = sum(Decimal(driver["points"]) for driver in data["drivers"])
    assert points == Decimal(data["score_to"]) - Decimal(data["score_from"])
    assert date.fromisoformat(data["period"]).day == 1


def test_every_sink_on_the_page_has_a_consumer_beside_it():
    named = set(re.findall(r'^kind = "(\w+)"', PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    from flows.settings.sinks import KINDS

    assert named == set(KINDS)
