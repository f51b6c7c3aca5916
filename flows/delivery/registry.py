"""The kinds of sinks, one entry each: its settings, how it is built, the client it needs, and its channel as published.

A kind that is new needs a class of settings in flows/settings/sinks.py, a file in flows/delivery/sinks, and an entry here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from flows.delivery.sinks.file import FileSink
from flows.settings import Settings, SettingsError
from flows.settings import sinks as kinds
from flows.settings.secrets import secret_of_sink

if TYPE_CHECKING:
    from flows.delivery.sinks import Sink


@dataclass(frozen=True, slots=True)
class Channel:
    """What a sink does unless the settings say otherwise, as the AsyncAPI document has it."""

    address: str | None
    description: str
    bindings: Mapping[str, Any] = field(default_factory=dict)
    sending: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SinkKind:
    """One kind of sink. `client`: the package of the extra `sinks` that it needs; `channel`: None where it is no channel."""

    settings: type[kinds.SinkSettings]
    build: Callable[[Settings, str, Any], Sink]
    client: str | None = None
    channel: Channel | None = None


def build_sink(settings: Settings, name: str, sink: kinds.SinkSettings) -> Sink:
    """One sink, ready to send; SettingsError where its secret is missing or its client is not installed."""
    kind = next(each for each in SINKS.values() if isinstance(sink, each.settings))
    if kind.client is not None and find_spec(kind.client) is None:
        raise SettingsError(
            f"sink {name}: its client, the package {kind.client}, is not installed; "
            "install the extra: pip install 'valuemart[sinks]'"
        )
    return kind.build(settings, name, sink)


def _file(settings: Settings, name: str, sink: kinds.FileSettings) -> Sink:
    # A folder of its own is there to be read by others; that in the home is not.
    return (
        FileSink(sink.folder, name, settings.readers)
        if sink.folder
        else FileSink(settings.events_folder, name)
    )


def _webhook(_: Settings, name: str, sink: kinds.WebhookSettings) -> Sink:
    from flows.delivery.sinks.webhook import WebhookSink, signing_keys

    secret = secret_of_sink(name, "secret", variable=sink.secret_env, file=sink.secret_file)
    try:
        keys = signing_keys(secret)
    except ValueError as error:
        raise SettingsError(f"sink {name}: {error}") from error
    return WebhookSink(
        name,
        _url(name, sink),
        keys,
        timeout=sink.timeout_seconds,
        concurrency=sink.concurrency,
        mode=sink.mode,
    )


def _nats(_: Settings, name: str, sink: kinds.NatsSettings) -> Sink:
    from flows.delivery.sinks.nats import NatsSink

    return NatsSink(
        name, _url(name, sink), prefix=sink.subject_prefix, timeout=sink.timeout_seconds, mode=sink.mode
    )


def _kafka(_: Settings, name: str, sink: kinds.KafkaSettings) -> Sink:
    from flows.delivery.sinks.kafka import KafkaSink

    options = {"bootstrap.servers": sink.bootstrap_servers, **sink.options}
    if sink.username is not None:
        options["sasl.username"] = sink.username
        options["sasl.password"] = secret_of_sink(
            name, "password", variable=sink.password_env, file=sink.password_file
        )
    return KafkaSink(name, options, topic=sink.topic, timeout=sink.timeout_seconds, mode=sink.mode)


def _redis(_: Settings, name: str, sink: kinds.RedisSettings) -> Sink:
    from flows.delivery.sinks.redis import RedisSink

    return RedisSink(
        name, _url(name, sink), stream=sink.stream, longest=sink.longest, timeout=sink.timeout_seconds
    )


def _amqp(_: Settings, name: str, sink: kinds.AmqpSettings) -> Sink:
    from flows.delivery.sinks.amqp import AmqpSink

    return AmqpSink(
        name, _url(name, sink), exchange=sink.exchange, timeout=sink.timeout_seconds, mode=sink.mode
    )


def _mqtt(_: Settings, name: str, sink: kinds.MqttSettings) -> Sink:
    from flows.delivery.sinks.mqtt import MqttSink

    return MqttSink(
        name,
        _url(name, sink),
        topic=sink.topic,
        client_id=sink.client_id,
        timeout=sink.timeout_seconds,
        mode=sink.mode,
    )


def _prefect(_: Settings, name: str, sink: kinds.PrefectSettings) -> Sink:
    from flows.delivery.sinks.prefect import PrefectSink

    if not os.environ.get("PREFECT_API_URL"):
        raise SettingsError(f"sink {name}: PREFECT_API_URL is not set; it says which server gets the events")
    return PrefectSink(name, timeout=sink.timeout_seconds)


def _url(name: str, sink: kinds.AddressedSettings) -> str:
    """Where the receiver is; the address may hold credentials, and then is a secret itself."""
    if sink.url is not None:
        return sink.url
    return secret_of_sink(name, "url", variable=sink.url_env, file=sink.url_file)


SINKS: Mapping[str, SinkKind] = {
    "file": SinkKind(kinds.FileSettings, _file),
    "webhook": SinkKind(
        kinds.WebhookSettings,
        _webhook,
        channel=Channel(
            None,
            "HTTP POST to the address in the settings, one event a request.",
            sending={"http": {"method": "POST"}},
        ),
    ),
    "nats": SinkKind(
        kinds.NatsSettings,
        _nats,
        client="nats",
        channel=Channel(
            "valuemart.>", "NATS JetStream: the subject is the event's type, `Nats-Msg-Id` its id."
        ),
    ),
    "kafka": SinkKind(
        kinds.KafkaSettings,
        _kafka,
        client="confluent_kafka",
        channel=Channel(
            "valuemart.events",
            "Apache Kafka: the key is `partitionkey`, so a customer's events lie in one partition.",
        ),
    ),
    "redis": SinkKind(
        kinds.RedisSettings,
        _redis,
        client="redis",
        channel=Channel(
            "valuemart.events",
            "Redis Streams: the entry's field `event` is the event, its attributes are fields beside it.",
        ),
    ),
    "amqp": SinkKind(
        kinds.AmqpSettings,
        _amqp,
        client="aio_pika",
        channel=Channel(
            "valuemart.events",
            "RabbitMQ: a durable topic exchange; the routing key is the event's type.",
            bindings={
                "amqp": {
                    "is": "routingKey",
                    "exchange": {
                        "name": "valuemart.events",
                        "type": "topic",
                        "durable": True,
                        "autoDelete": False,
                    },
                }
            },
            sending={"amqp": {"deliveryMode": 2, "mandatory": True, "ack": True}},
        ),
    ),
    "mqtt": SinkKind(
        kinds.MqttSettings,
        _mqtt,
        client="paho",
        channel=Channel(
            "valuemart/events",
            "MQTT 5, quality of service 1; the attributes are user properties, too.",
            sending={"mqtt": {"qos": 1, "retain": False}},
        ),
    ),
    "prefect": SinkKind(kinds.PrefectSettings, _prefect),
}
