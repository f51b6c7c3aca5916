"""docs/consuming-events.md as a new user reads it: its settings and programs, copied out, work at the first try."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from queue import Queue

import duckdb
import pytest

from expectations.contract import contracts
from flows.events.types import DATA_TYPES, Event, RatingCorrected, TierChanged, TierWatch, event_id
from tests.flows.event_examples import EXAMPLES, PAGE, blocks, program
from tests.sinks.brokers import BROKERS, SECRET, require, unique
from warehouse.relay.records import StoredEvent
from warehouse.relay.store import open_store

ROOT = Path(__file__).parents[2]
PATIENCE = 120
GUEST = "amqp://guest:guest@127.0.0.1/"


def settings(sink: str) -> str:
    """A sink's settings on the page: the last block of its name, which is the one beside its consumer."""
    return [block for block in blocks("toml") if block.startswith(f"[sinks.{sink}]")][-1]


def stored(customer: str, sequence: int) -> StoredEvent:
    """The page's tier change, as a customer's, of the month that its number says."""
    example = EXAMPLES[TierChanged.type]
    identity, subject, version = f"{customer}-{sequence}", f"1000/{customer}", f"2026-{sequence:02}.0001"
    data = {**example["data"], "customer_id": customer, "state_version": version}
    envelope = {
        **example, "id": identity, "subject": subject, "partitionkey": subject,
        "sequence": f"{sequence:020}", "data": data,
    }  # fmt: skip
    now = datetime.now(UTC)
    return StoredEvent(
        identity, "1000", customer, sequence, TierChanged.type, now, now, json.dumps(envelope, sort_keys=True)
    )


class Newcomer:
    """A folder of somebody who has read the page, with the names changed that others use as well."""

    def __init__(self, folder: Path, names: dict[str, str], variables: dict[str, str]) -> None:
        self.folder = folder
        self.names = names
        self.environment = {**os.environ, **variables, "PYTHONPATH": f"{ROOT}", "PYTHONUNBUFFERED": "1"}
        self.heard: Queue[str] = Queue()
        self.write("inbox.py", program("inbox.py"))

    def write(self, name: str, text: str) -> None:
        for usual, own in self.names.items():
            text = text.replace(usual, own)
        (self.folder / name).write_text(text)

    def valuemart(self, *arguments: str) -> None:
        run = subprocess.run(
            [sys.executable, "-c", "from flows.cli.main import main; main()", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr

    def add(self, *events: StoredEvent) -> None:
        home = self.folder / "var"
        home.mkdir(exist_ok=True)
        with open_store(home / "relay.db") as store:
            store.add(events)

    @contextmanager
    def consuming(self, name: str, *arguments: str) -> Iterator[None]:
        """The program runs, and what it prints is heard."""
        self.write(name, program(name))
        command = [sys.executable, name, *arguments]
        with subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, text=True
        ) as process:
            listener = threading.Thread(
                target=lambda: [self.heard.put(line.strip()) for line in process.stdout]
            )
            listener.start()
            try:
                if '"ready"' in program(name):
                    assert self.heard.get(timeout=PATIENCE) == "ready"
                yield
            finally:
                process.kill()
                listener.join()

    def hear_until(self, *awaited: str) -> list[str]:
        """What was printed until all that is awaited had been; order holds for a customer, not between customers."""
        lines: list[str] = []
        while not set(awaited) <= set(lines):
            lines.append(self.heard.get(timeout=PATIENCE))
        return lines


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


def wait_for(port: int) -> None:
    """Come back when somebody listens."""
    ends_at = time.monotonic() + PATIENCE
    while time.monotonic() < ends_at:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.05)
    pytest.fail(f"nobody listens at {port}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def nothing_left_behind(_: Newcomer) -> Iterator[None]:
    yield


@contextmanager
def nats(newcomer: Newcomer) -> Iterator[None]:
    import nats as client

    require("NATS", 4222)

    async def remove() -> None:
        connection = await client.connect("nats://127.0.0.1:4222")
        await connection.jetstream().delete_stream(newcomer.names['"VALUEMART"'].strip('"'))
        await connection.close()

    yield
    asyncio.run(remove())


@contextmanager
def kafka(newcomer: Newcomer) -> Iterator[None]:
    with BROKERS["kafka"]() as broker:
        newcomer.names["9092"] = str(broker.port)
        yield


@contextmanager
def redis(newcomer: Newcomer) -> Iterator[None]:
    from redis import Redis

    require("Redis", 6379)
    yield
    with Redis() as client:
        client.delete(newcomer.names["valuemart.events"])


@contextmanager
def rabbitmq(newcomer: Newcomer) -> Iterator[None]:
    import aio_pika

    require("RabbitMQ", 5672)
    exchange = newcomer.names["valuemart.events"]

    async def remove() -> None:
        async with await aio_pika.connect(GUEST) as connection:
            channel = await connection.channel()
            await channel.queue_delete(f"{exchange}.crm")
            await channel.exchange_delete(exchange)

    yield
    asyncio.run(remove())


@contextmanager
def mqtt(newcomer: Newcomer) -> Iterator[None]:
    from paho.mqtt.client import Client, MQTTv5
    from paho.mqtt.enums import CallbackAPIVersion

    require("Mosquitto", 1883)
    yield
    name = newcomer.names['"crm"'].strip('"')
    client, ended = Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTv5), threading.Event()
    client.on_connect = lambda *_: ended.set()
    client.connect("127.0.0.1", 1883, clean_start=True)  # ends the session that the consumer left
    client.loop_start()
    assert ended.wait(PATIENCE)
    client.disconnect()
    client.loop_stop()


CONSUMERS: dict[str, tuple[str, Callable[[Newcomer], object], tuple[str, ...]]] = {
    "archive": ("file_consumer.py", nothing_left_behind, ("var/events",)),
    "hook": ("webhook_consumer.py", nothing_left_behind, ()),
    "nats": ("nats_consumer.py", nats, ()),
    "kafka": ("kafka_consumer.py", kafka, ()),
    "redis": ("redis_consumer.py", redis, ()),
    "rabbitmq": ("rabbitmq_consumer.py", rabbitmq, ()),
    "mqtt": ("mqtt_consumer.py", mqtt, ()),
}


@pytest.fixture
def newcomer(tmp_path: Path) -> Newcomer:
    own = unique("valuemart")
    names = {
        "valuemart.events": f"{own}.events",
        "valuemart/events": f"{own}/events",
        '"VALUEMART"': f'"{own}"',
        '"crm"': f'"{unique("crm")}"',
        'client_id = "valuemart"': f'client_id = "{own}"',
        "8080": str(free_port()),
    }
    return Newcomer(tmp_path, names, {"WEBHOOK_SECRET": SECRET, "RABBITMQ_URL": GUEST})


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
