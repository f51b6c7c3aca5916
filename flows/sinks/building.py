"""From settings to sinks: secrets are read here, and a client that is not installed is said here, in one line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from flows import relay
from flows.relay import Outlet
from flows.settings import Settings, SettingsError
from flows.sinks import Sink
from flows.sinks import configuration as known
from flows.sinks.configuration import SinkSettings
from flows.sinks.file import FileSink
from warehouse.relay_records import Backlog

_CLIENTS = {"nats": "nats", "redis": "redis", "amqp": "aio_pika", "mqtt": "paho"}


def outlets(settings: Settings, only: Sequence[str] = ()) -> list[Outlet]:
    """The configured sinks, or those of them that are named, ready to send.

    SettingsError for a name that is not configured, a secret that is not there, or a client that is not installed.
    """
    for name in only:
        settings_of(settings, name)
    return [
        Outlet(_sink(settings, name, sink), sink.wanted, sink.retry)
        for name, sink in settings.sinks.items()
        if not only or name in only
    ]


def backlogs(settings: Settings) -> dict[str, Backlog]:
    """What each configured sink has not got yet, by its name: how many events, and since when. Needs no secret."""
    return relay.backlogs(settings.relay_file, {name: sink.wanted for name, sink in settings.sinks.items()})


def settings_of(settings: Settings, name: str) -> SinkSettings:
    """A sink's settings; SettingsError for a name that is not configured."""
    if name not in settings.sinks:
        raise SettingsError(f"there is no sink {name!r}; the sinks are {', '.join(sorted(settings.sinks))}")
    return settings.sinks[name]


def _sink(settings: Settings, name: str, sink: SinkSettings) -> Sink:
    """One sink; each kind's module is imported only where it is used."""
    match sink:
        case known.FileSettings():
            return FileSink(sink.folder or settings.events_folder, name)
        case known.WebhookSettings():
            return _webhook(name, sink)
        case known.KafkaSettings():
            return _kafka(name, sink)
        case known.PrefectSettings():
            return _prefect(name, sink)
        case known.NatsSettings() | known.RedisSettings() | known.AmqpSettings() | known.MqttSettings():
            return _broker(name, sink)
        case _:
            raise SettingsError(f"sink {name}: no such kind of sink")


def _webhook(name: str, sink: known.WebhookSettings) -> Sink:
    from flows.sinks.webhook import WebhookSink, signing_keys

    try:
        keys = signing_keys(_secret(name, "secret", None, sink.secret_env, sink.secret_file))
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


def _kafka(name: str, sink: known.KafkaSettings) -> Sink:
    _require(name, "confluent_kafka")
    from flows.sinks.kafka import KafkaSink

    options = {"bootstrap.servers": sink.bootstrap_servers, **sink.options}
    if sink.username is not None:
        options["sasl.username"] = sink.username
        options["sasl.password"] = _secret(name, "password", None, sink.password_env, sink.password_file)
    return KafkaSink(name, options, topic=sink.topic, timeout=sink.timeout_seconds, mode=sink.mode)


def _prefect(name: str, sink: known.PrefectSettings) -> Sink:
    from flows.sinks.prefect import PrefectSink

    if not os.environ.get("PREFECT_API_URL"):
        raise SettingsError(f"sink {name}: PREFECT_API_URL is not set; it says which server gets the events")
    return PrefectSink(name, timeout=sink.timeout_seconds)


def _broker(
    name: str, sink: known.NatsSettings | known.RedisSettings | known.AmqpSettings | known.MqttSettings
) -> Sink:
    _require(name, _CLIENTS[sink.kind])
    url, timeout = _url(name, sink), sink.timeout_seconds
    match sink:
        case known.NatsSettings():
            from flows.sinks.nats import NatsSink

            return NatsSink(name, url, prefix=sink.subject_prefix, timeout=timeout, mode=sink.mode)
        case known.RedisSettings():
            from flows.sinks.redis import RedisSink

            return RedisSink(name, url, stream=sink.stream, longest=sink.longest, timeout=timeout)
        case known.AmqpSettings():
            from flows.sinks.amqp import AmqpSink

            return AmqpSink(name, url, exchange=sink.exchange, timeout=timeout, mode=sink.mode)
        case known.MqttSettings():
            from flows.sinks.mqtt import MqttSink

            return MqttSink(
                name, url, topic=sink.topic, client_id=sink.client_id, timeout=timeout, mode=sink.mode
            )


def _require(name: str, client: str) -> None:
    if find_spec(client) is None:
        raise SettingsError(
            f"sink {name}: its client, the package {client}, is not installed; "
            "install the extra: pip install 'valuemart[sinks]'"
        )


def _url(name: str, sink: known._Addressed) -> str:
    return _secret(name, "url", sink.url, sink.url_env, sink.url_file)


def _secret(name: str, key: str, value: str | None, variable: str | None, file: Path | None) -> str:
    """A value that stands in the settings, in a variable, or in a file."""
    if value is not None:
        return value
    if variable is not None:
        found = os.environ.get(variable, "")
        place = f"the variable {variable}"
    else:
        place = f"the file {file}"
        try:
            found = Path(file or "").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"sink {name}: {key}_file: {place} cannot be read ({error})") from error
    if not found:
        raise SettingsError(f"sink {name}: {place} is empty or not set; it must hold the {key}")
    return found
