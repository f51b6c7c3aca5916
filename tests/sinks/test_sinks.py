"""Each sink on its own: what a receiver gets, and what becomes of an event that it will not have."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.delivery.routes import sink_routes
from flows.delivery.sinks import SinkDownError
from flows.delivery.sinks.cloud_events import STRUCTURED, message, percent_encoded
from flows.settings import Settings, SettingsError
from tests.sinks.brokers import BROKERS, require, unique
from tests.sinks.proxy import proxy_to
from warehouse.relay.records import StoredEvent

NOON = datetime(2026, 6, 3, 12, tzinfo=UTC)
TYPE = "valuemart.customer.tier.changed.v1"


def event(event_id: str, customer: str = "客户 1", *, filler: int = 0) -> StoredEvent:
    body = {
        "data": {"customer_id": customer, "filler": "x" * filler},
        "datacontenttype": "application/json",
        "id": event_id,
        "source": "/valuemart/default",
        "specversion": "1.0",
        "subject": f"1000/{customer}",
        "type": TYPE,
    }
    text = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return StoredEvent(event_id, "1000", customer, 1, TYPE, NOON, NOON, text)


def sink_of(kind: str, **settings: object):
    configured = Settings.model_validate({"sinks": {"tested": {"kind": kind, **settings}}})
    (route,) = sink_routes(configured)
    return route.sink


def test_in_structured_mode_a_message_is_the_stored_event_byte_for_byte():
    sent = message(event("1"), "structured")
    assert (sent.payload, sent.content_type) == (event("1").body.encode(), STRUCTURED)


def test_in_binary_mode_a_message_is_the_data_as_it_was_written_and_the_rest_are_attributes():
    sent = message(event("1"), "binary")
    assert sent.payload.decode() in event("1").body
    assert json.loads(sent.payload) == {"customer_id": "客户 1", "filler": ""}
    assert sent.content_type == "application/json"
    assert sent.headers("ce_") == {
        "ce_id": "1",
        "ce_source": "/valuemart/default",
        "ce_specversion": "1.0",
        "ce_subject": "1000/客户 1",
        "ce_type": TYPE,
    }


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("1000/C1", "1000/C1"),
        ("客", "%E5%AE%A2"),
        ('a "b" 100%', "a%20%22b%22%20100%25"),
        ("é€", "%C3%A9%E2%82%AC"),
    ],
)
def test_header_values_are_percent_encoded_as_the_http_binding_says(value: str, encoded: str):
    assert percent_encoded(value) == encoded


@pytest.mark.parametrize("name", BROKERS)
def test_a_receiver_gets_the_stored_bytes(name: str):
    events = [event(str(number), f"C{number}") for number in range(5)]
    with BROKERS[name]() as broker, proxy_to(broker.port, broker.rewrite) as proxy:
        sink = broker.sink(proxy.port)
        sent = sink.send(events)
        sink.close()
        assert sorted(sent.delivered) == [each.event_id for each in events]
        assert (dict(sent.refused), dict(sent.failed), sent.down) == ({}, {}, None)
        assert sorted(broker.received()) == [each.body.encode() for each in events]


@pytest.mark.parametrize("name", [each for each in BROKERS if each != "webhook"])
def test_a_receiver_that_cannot_be_reached_is_down_and_takes_what_comes_once_it_is_back(name: str):
    with BROKERS[name]() as broker, proxy_to(broker.port, broker.rewrite) as proxy:
        sink = broker.sink(proxy.port, timeout_seconds=2)
        proxy.cut()
        with suppress(SinkDownError, OSError):
            assert sink.send([event("1")]).down
        sink.close()
        proxy.restore()
        assert list(sink.send([event("1")]).delivered) == ["1"]
        sink.close()


def test_an_event_that_nats_finds_too_large_is_refused_and_the_others_go_through():
    with BROKERS["nats"]() as broker:
        sink = broker.sink(broker.port)
        sent = sink.send([event("large", filler=2_000_000), event("small")])
        sink.close()
    assert (list(sent.delivered), list(sent.refused), sent.down) == (["small"], ["large"], None)


def test_nats_without_a_stream_for_the_subject_is_down_and_the_reason_says_what_to_do():
    require("NATS", 4222)
    sink = sink_of("nats", url="nats://127.0.0.1:4222", subject_prefix=f"{unique('nobody')}.")
    sent = sink.send([event("1")])
    sink.close()
    assert sent.down is not None
    assert sent.down.startswith("no stream keeps the subject")


def test_a_stream_of_nats_drops_what_is_sent_twice():
    with BROKERS["nats"]() as broker:
        for _ in range(2):
            sink = broker.sink(broker.port)
            assert list(sink.send([event("1")]).delivered) == ["1"]
            sink.close()
        assert broker.received() == [event("1").body.encode()]


def test_an_event_that_kafka_finds_too_large_is_refused_and_the_others_go_through():
    with BROKERS["kafka"]() as broker:
        sink = broker.sink(broker.port)
        sent = sink.send([event("large", filler=2_000_000), event("small")])
        sink.close()
    assert (list(sent.delivered), list(sent.refused), sent.down) == (["small"], ["large"], None)


def test_kafka_keeps_a_customer_in_one_partition_by_its_key():
    from confluent_kafka import Consumer

    events = [
        event(f"{customer}-{number}", customer) for number in range(3) for customer in ("A", "B", "C", "D")
    ]
    with BROKERS["kafka"]() as broker:
        sink = broker.sink(broker.port, mode="binary")
        for start in range(0, 12, 4):
            sink.send(events[start : start + 4])
        sink.close()
        reader = Consumer(
            {
                "bootstrap.servers": f"127.0.0.1:{broker.port}",
                "group.id": "test",
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )
        reader.subscribe(["valuemart.events"])
        messages = [reader.poll(30) for _ in events]
        reader.close()
    partitions = {(each.key().decode(), each.partition()) for each in messages}
    assert sorted(key for key, _ in partitions) == ["1000/A", "1000/B", "1000/C", "1000/D"]
    headers = dict(messages[0].headers())
    assert headers["content-type"] == b"application/json"
    assert headers["ce_type"] == TYPE.encode()


def test_redis_that_says_no_is_down():
    from redis import Redis

    require("Redis", 6379)
    key = unique("valuemart.test")
    with Redis() as client:
        client.set(key, "not a stream")
        sink = sink_of("redis", url="redis://127.0.0.1:6379", stream=key)
        sent = sink.send([event("1")])
        sink.close()
        client.delete(key)
    assert (list(sent.delivered), sent.down) == (
        [],
        "WRONGTYPE Operation against a key holding the wrong kind of value",
    )


def test_an_event_that_no_queue_of_rabbitmq_takes_comes_back():
    import aio_pika

    require("RabbitMQ", 5672)
    exchange = unique("valuemart.test")
    sink = sink_of("amqp", url="amqp://127.0.0.1", exchange=exchange)
    sent = sink.send([event("1")])
    sink.close()

    async def remove() -> None:
        async with await aio_pika.connect("amqp://127.0.0.1/") as connection:
            await (await connection.channel()).exchange_delete(exchange)

    asyncio.run(remove())
    assert list(sent.delivered) == []
    assert sent.failed["1"].startswith(f"no queue is bound to {exchange} for {TYPE}")


def test_a_message_of_rabbitmq_outlives_a_restart_and_carries_the_attributes():
    async def first(queue: str):
        import aio_pika

        async with await aio_pika.connect("amqp://127.0.0.1/") as connection:
            found = await (await connection.channel()).get_queue(queue)
            return await found.get(no_ack=True)

    with BROKERS["amqp"]() as broker:
        sink = broker.sink(broker.port, mode="binary")
        sink.send([event("1")])
        sink.close()
        got = asyncio.run(first(broker.address))
    assert got.delivery_mode == 2
    assert (got.message_id, got.type, got.content_type) == ("1", TYPE, "application/json")
    assert got.headers["cloudEvents_subject"] == "1000/客户 1"


def test_a_message_of_mqtt_carries_the_attributes_as_user_properties():
    import threading

    from paho.mqtt.client import Client, MQTTv5
    from paho.mqtt.enums import CallbackAPIVersion

    got, ready, arrived = [], threading.Event(), threading.Event()
    with BROKERS["mqtt"]() as broker:
        subscriber = Client(CallbackAPIVersion.VERSION2, unique("test"), protocol=MQTTv5)
        subscriber.on_subscribe = lambda *_: ready.set()
        subscriber.on_message = lambda _, __, each: (got.append(each), arrived.set())
        subscriber.connect("127.0.0.1", 1883)
        subscriber.subscribe(broker.address, qos=1)
        subscriber.loop_start()
        assert ready.wait(30)
        sink = broker.sink(broker.port, mode="binary")
        sink.send([event("1")])
        sink.close()
        assert arrived.wait(30)
        subscriber.disconnect()
        subscriber.loop_stop()
    assert got[0].properties.ContentType == "application/json"
    assert ("subject", "1000/客户 1") in got[0].properties.UserProperty
    assert json.loads(got[0].payload) == {"customer_id": "客户 1", "filler": ""}


@pytest.mark.parametrize(
    ("sink", "reason"),
    [
        (
            {"kind": "webhook", "url": "https://x", "secret_env": "NO_SUCH"},
            "the variable NO_SUCH is empty or not set",
        ),
        (
            {"kind": "webhook", "url": "https://x", "secret_file": "/no/such"},
            "the file /no/such cannot be read",
        ),
        ({"kind": "redis", "url_env": "NO_SUCH"}, "it must hold the url"),
        ({"kind": "prefect"}, "PREFECT_API_URL is not set"),
    ],
)
def test_a_secret_that_is_not_there_is_said_before_anything_is_sent(
    sink: dict[str, str], reason: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(SettingsError, match=f"sink tested: .*{reason}"):
        sink_of(**sink)


def test_a_secret_comes_from_a_file(tmp_path: Path):
    (tmp_path / "secret").write_text("whsec_" + "a2V5a2V5" * 4 + "\n")
    assert sink_of("webhook", url="https://x", secret_file=tmp_path / "secret").name == "tested"


@pytest.mark.parametrize("kind", ["nats", "redis", "amqp", "mqtt", "kafka"])
def test_a_client_that_is_not_installed_is_said_with_the_extra_that_brings_it(
    kind: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("flows.delivery.registry.find_spec", lambda _: None)
    where = {"bootstrap_servers": "x"} if kind == "kafka" else {"url": "x://y"}
    with pytest.raises(SettingsError, match=r"sink tested: its client, .* pip install 'valuemart\[sinks\]'"):
        sink_of(kind, **where)


def test_only_the_sinks_that_are_named_are_built():
    configured = Settings.model_validate({"sinks": {"a": {"kind": "file"}, "b": {"kind": "file"}}})
    assert [route.name for route in sink_routes(configured, ["b"])] == ["b"]
    with pytest.raises(SettingsError, match="there is no sink 'c'; the sinks are a, b"):
        sink_routes(configured, ["c"])
