"""Somebody who has read docs/consuming-events.md: a folder with its programs copied out, and each sink's consumer."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue

import pytest

from flows.events.types import TierChanged
from tests.flows.event_examples import EXAMPLES, blocks, program
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

    def in_own_names(self, text: str) -> str:
        """A text of the page, with the names changed."""
        for usual, own in self.names.items():
            text = text.replace(usual, own)
        return text

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(self.in_own_names(text))

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


def settled(folder: Path) -> Newcomer:
    """A newcomer with names that nobody else uses, and a free port for a webhook."""
    own = unique("valuemart")
    names = {
        "valuemart.events": f"{own}.events",
        "valuemart/events": f"{own}/events",
        '"VALUEMART"': f'"{own}"',
        '"crm"': f'"{unique("crm")}"',
        'client_id = "valuemart"': f'client_id = "{own}"',
        "8080": str(free_port()),
    }
    return Newcomer(folder, names, {"WEBHOOK_SECRET": SECRET, "RABBITMQ_URL": GUEST})
