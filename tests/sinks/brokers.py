"""The brokers that tests send to: how a sink is set up for each, and what has arrived there, duplicates included.

Each makes names of its own, so that tests and other users of a server do not meet, and cleans up.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.delivery.routes import sink_routes
from flows.delivery.sinks import Sink
from flows.settings import Settings

HERE = Path(__file__).parent
SECRET = "whsec_" + "c2VjcmV0" * 4
REQUIRED = "VALUEMART_REQUIRE_SERVICES"


@dataclass(frozen=True, slots=True)
class Broker:
    """A receiver: the port to reach it at, the sink's settings behind a port, and what it has got, in order."""

    port: int
    settings: Callable[[int], dict[str, Any]]
    received: Callable[[], list[bytes]]
    rewrite: Callable[[bytes, int], bytes] | None = None
    address: str = ""

    def sink(self, port: int, **more: object) -> Sink:
        """The sink, as the settings make it."""
        table = {**self.settings(port), **more}
        (route,) = sink_routes(Settings.model_validate({"sinks": {"tested": table}}))
        return route.sink


def require(service: str, port: int) -> None:
    """Skip where a server is absent; fail where all must be there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        if os.environ.get(REQUIRED):
            pytest.fail(f"{service} must run at 127.0.0.1:{port}")
        pytest.skip(f"no {service} at 127.0.0.1:{port}")


def unique(name: str) -> str:
    """A name nobody else has."""
    return f"{name}-{uuid.uuid4().hex[:12]}"


@contextmanager
def nats() -> Iterator[Broker]:
    import nats as client

    require("NATS", 4222)
    stream, prefix = unique("valuemart"), f"{unique('test')}."

    async def with_jetstream(work):
        connection = await client.connect("nats://127.0.0.1:4222")
        try:
            return await work(connection.jetstream())
        finally:
            await connection.close()

    async def read(jetstream):
        messages: list[bytes] = []
        subscription = await jetstream.pull_subscribe("", stream=stream, config=None)
        info = await jetstream.stream_info(stream)
        while len(messages) < info.state.messages:
            for each in await subscription.fetch(500, timeout=10):
                messages.append(each.data)
                await each.ack()
        return messages

    asyncio.run(with_jetstream(lambda each: each.add_stream(name=stream, subjects=[f"{prefix}>"])))
    try:
        yield Broker(
            4222,
            lambda port: {"kind": "nats", "url": f"nats://127.0.0.1:{port}", "subject_prefix": prefix},
            lambda: asyncio.run(with_jetstream(read)),
        )
    finally:
        asyncio.run(with_jetstream(lambda each: each.delete_stream(stream)))


@contextmanager
def redis() -> Iterator[Broker]:
    from redis import Redis

    require("Redis", 6379)
    stream = unique("valuemart.test")
    with Redis() as client:
        try:
            yield Broker(
                6379,
                lambda port: {"kind": "redis", "url": f"redis://127.0.0.1:{port}", "stream": stream},
                lambda: [fields[b"event"] for _, fields in client.xrange(stream)],
            )
        finally:
            client.delete(stream)


@contextmanager
def amqp() -> Iterator[Broker]:
    import aio_pika

    require("RabbitMQ", 5672)
    exchange = queue = unique("valuemart.test")

    async def with_channel(work):
        async with await aio_pika.connect("amqp://guest:guest@127.0.0.1/") as connection:
            return await work(await connection.channel())

    async def make(channel):
        made = await channel.declare_exchange(exchange, aio_pika.ExchangeType.TOPIC, durable=True)
        await (await channel.declare_queue(queue, durable=True)).bind(made, "#")

    async def read(channel):
        found = await channel.declare_queue(queue, passive=True)
        expected, messages = found.declaration_result.message_count, []
        if expected:
            async with found.iterator(no_ack=True) as arriving:
                async for each in arriving:
                    messages.append(each.body)
                    if len(messages) == expected:
                        break
        return messages

    async def remove(channel):
        await channel.queue_delete(queue)
        await channel.exchange_delete(exchange)

    asyncio.run(with_channel(make))
    try:
        yield Broker(
            5672,
            lambda port: {"kind": "amqp", "url": f"amqp://127.0.0.1:{port}", "exchange": exchange},
            lambda: asyncio.run(with_channel(read)),
            address=queue,
        )
    finally:
        asyncio.run(with_channel(remove))


@contextmanager
def mqtt() -> Iterator[Broker]:
    from paho.mqtt.client import Client, MQTTMessage, MQTTv5
    from paho.mqtt.enums import CallbackAPIVersion

    require("Mosquitto", 1883)
    topic, ready, arrived, messages = unique("valuemart/test"), threading.Event(), threading.Condition(), []
    subscriber = Client(CallbackAPIVersion.VERSION2, unique("test"), protocol=MQTTv5)
    subscriber.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
    subscriber.on_subscribe = lambda *_: ready.set()

    def on_message(_: Client, __: object, message: MQTTMessage) -> None:
        with arrived:
            messages.append(message.payload)
            arrived.notify_all()

    def received() -> list[bytes]:
        """All that the broker took: it keeps a topic's order, so nothing comes after a mark that was sent now."""
        mark = unique("mark").encode()
        subscriber.publish(topic, mark, qos=1)
        with arrived:
            assert arrived.wait_for(lambda: mark in messages, 60), "the broker does not answer"
        return [each for each in messages if not each.startswith(b"mark-")]

    subscriber.on_message = on_message
    subscriber.connect("127.0.0.1", 1883)
    subscriber.loop_start()
    assert ready.wait(30)
    try:
        yield Broker(
            1883,
            lambda port: {
                "kind": "mqtt",
                "url": f"mqtt://127.0.0.1:{port}",
                "topic": topic,
                "client_id": unique("relay"),
            },
            received,
            address=topic,
        )
    finally:
        subscriber.disconnect()
        subscriber.loop_stop()


@contextmanager
def kafka() -> Iterator[Broker]:
    from confluent_kafka import Consumer

    topic = "valuemart.events"
    with subprocess.Popen(
        [sys.executable, str(HERE / "kafka_broker.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        port = int(process.stdout.readline())

        def read() -> list[bytes]:
            reader = Consumer(
                {
                    "bootstrap.servers": f"127.0.0.1:{port}",
                    "group.id": unique("test"),
                    "auto.offset.reset": "earliest",
                    "enable.partition.eof": True,
                    "log_level": 0,
                }
            )
            try:
                partitions = len(reader.list_topics(topic, timeout=30).topics[topic].partitions)
                reader.subscribe([topic])
                messages, ended = [], 0
                while ended < partitions:
                    message = reader.poll(30)
                    assert message is not None, "the broker does not answer"
                    if message.error():
                        ended += 1
                    else:
                        messages.append(message.value())
                return messages
            finally:
                reader.close()

        def rewrite(chunk: bytes, proxy: int) -> bytes:
            """A broker tells its clients where it is; behind a proxy, that is the proxy."""
            host = b"127.0.0.1"
            return chunk.replace(host + port.to_bytes(4, "big"), host + proxy.to_bytes(4, "big"))

        yield Broker(
            port,
            lambda port: {
                "kind": "kafka",
                "bootstrap_servers": f"127.0.0.1:{port}",
                "topic": topic,
                "options": {"reconnect.backoff.max.ms": 200},
            },
            read,
            rewrite,
        )
        process.stdin.close()


@contextmanager
def webhook() -> Iterator[Broker]:
    messages: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:
                self.close_connection = True  # cut in the middle of a request, which then is none
                return
            messages.append(body)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A connection that is cut is what the test wants."""

    with Server(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        os.environ["WEBHOOK_SECRET"] = SECRET
        try:
            yield Broker(
                server.server_port,
                lambda port: {
                    "kind": "webhook",
                    "url": f"http://127.0.0.1:{port}/events",
                    "secret_env": "WEBHOOK_SECRET",
                },
                lambda: list(messages),
            )
        finally:
            del os.environ["WEBHOOK_SECRET"]
            server.shutdown()


BROKERS: dict[str, Callable[[], AbstractContextManager[Broker]]] = {
    "nats": nats,
    "redis": redis,
    "amqp": amqp,
    "mqtt": mqtt,
    "kafka": kafka,
    "webhook": webhook,
}
