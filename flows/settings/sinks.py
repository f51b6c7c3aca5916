"""The section `sinks` of the settings: a table a sink, checked before anything is sent.

Secrets never stand in the settings: a key that ends in `_env` names a variable, one in `_file` a file that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Mode = Literal["structured", "binary"]


def _sink_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", value):
        raise ValueError(f"{value!r} is no sink name; use small letters, digits, dashes and underscores")
    return value


def _types(patterns: list[str]) -> list[str]:
    for pattern in patterns:
        fitting_types(pattern)
    return patterns


def fitting_types(pattern: str) -> frozenset[str]:
    """The event types that fit a pattern, in which * stands for any part; ValueError where none does."""
    from flows.events.types import DATA_TYPES

    known = [data.type for data in DATA_TYPES]
    fitting = frozenset(type_ for type_ in known if fnmatchcase(type_, pattern))
    if not fitting:
        raise ValueError(
            f"no event type fits {pattern!r}; the types are {', '.join(known)}, and * stands for any part"
        )
    return fitting


SinkName = Annotated[str, AfterValidator(_sink_name)]


@dataclass(frozen=True, slots=True)
class Retry:
    """How a failing event is tried again: after `first_pause`, doubling up to `longest_pause`, `attempts` times in all.

    The defaults give a receiver about two and a half hours before a person is asked.
    """

    attempts: int = 10
    first_pause: timedelta = timedelta(seconds=30)
    longest_pause: timedelta = timedelta(minutes=30)

    def next_attempt(self, failed: int, now: datetime, *, spread: float = 0.0) -> datetime | None:
        """When to try again after the `failed`th failure, or None to give up.

        `spread` from 0 to 1 makes the pause up to a quarter longer, so that what failed together does not come back
        together.
        """
        if failed >= self.attempts:
            return None
        return now + min(self.first_pause * 2 ** min(failed - 1, 30), self.longest_pause) * (1 + spread / 4)


DEFAULT_RETRY = Retry()


class SinkSettings(BaseModel):
    """What all kinds share: the types that are sent, and how a failing event is tried again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    types: Annotated[list[str], AfterValidator(_types)] = ["*"]
    attempts: int = Field(default=10, ge=1)
    first_pause_seconds: float = Field(default=30, gt=0)
    longest_pause_seconds: float = Field(default=1800, gt=0)
    timeout_seconds: float = Field(default=10, gt=0, le=300)

    @property
    def wanted(self) -> frozenset[str] | None:
        """The types by their full names; None for all, also those of later versions."""
        return None if "*" in self.types else frozenset().union(*map(fitting_types, self.types))

    @property
    def retry(self) -> Retry:
        """How the relay tries a failing event again."""
        return Retry(
            self.attempts,
            timedelta(seconds=self.first_pause_seconds),
            timedelta(seconds=self.longest_pause_seconds),
        )


class AddressedSettings(SinkSettings):
    """A receiver at one URL, which may hold credentials and then is a secret itself."""

    url: str | None = None
    url_env: str | None = None
    url_file: Path | None = None

    @model_validator(mode="after")
    def _one_url(self) -> AddressedSettings:
        if sum(each is not None for each in (self.url, self.url_env, self.url_file)) != 1:
            raise ValueError("name the receiver by one of url, url_env (a variable) and url_file")
        if self.url is not None and urlsplit(self.url).password:
            raise ValueError("url holds a password; name a variable by url_env or a file by url_file instead")
        return self


class FileSettings(SinkSettings):
    """Files of one CloudEvent a line."""

    kind: Literal["file"]
    folder: Path | None = None


class WebhookSettings(AddressedSettings):
    """HTTP POST, signed as Standard Webhooks say."""

    kind: Literal["webhook"]
    secret_env: str | None = None
    secret_file: Path | None = None
    mode: Mode = "structured"
    concurrency: int = Field(default=4, ge=1, le=64)

    @model_validator(mode="after")
    def _one_secret(self) -> WebhookSettings:
        if (self.secret_env is None) == (self.secret_file is None):
            raise ValueError("name the signing secret by one of secret_env (a variable) and secret_file")
        return self


class NatsSettings(AddressedSettings):
    """NATS JetStream; the subject is the event's type behind the prefix."""

    kind: Literal["nats"]
    subject_prefix: str = Field(default="", pattern=r"^([A-Za-z0-9_-]+\.)*$")
    mode: Mode = "structured"


class KafkaSettings(SinkSettings):
    """Apache Kafka; `options` are librdkafka's own."""

    kind: Literal["kafka"]
    bootstrap_servers: str
    topic: str = "valuemart.events"
    username: str | None = None
    password_env: str | None = None
    password_file: Path | None = None
    options: dict[str, str | int | float | bool] = Field(default_factory=dict)
    mode: Mode = "structured"

    @model_validator(mode="after")
    def _no_open_secrets(self) -> KafkaSettings:
        for key in self.options:
            if re.search(r"password|secret|\.pem$", key):
                raise ValueError(
                    f"options.{key} is a secret; use username with password_env or password_file"
                )
        named = sum(each is not None for each in (self.password_env, self.password_file))
        if named != (self.username is not None):
            raise ValueError("username goes with one of password_env and password_file")
        return self


class RedisSettings(AddressedSettings):
    """A Redis stream."""

    kind: Literal["redis"]
    stream: str = "valuemart.events"
    longest: int | None = Field(default=None, ge=1)


class AmqpSettings(AddressedSettings):
    """RabbitMQ: a durable topic exchange; the routing key is the event's type."""

    kind: Literal["amqp"]
    exchange: str = "valuemart.events"
    mode: Mode = "structured"


class MqttSettings(AddressedSettings):
    """MQTT 5, quality of service 1."""

    kind: Literal["mqtt"]
    topic: str = Field(default="valuemart/events", pattern=r"^[^#+]+$")
    client_id: str = "valuemart"
    mode: Mode = "structured"


class PrefectSettings(SinkSettings):
    """A Prefect server's events, for automations; the server is that of PREFECT_API_URL."""

    kind: Literal["prefect"]


AnySink = Annotated[
    FileSettings
    | WebhookSettings
    | NatsSettings
    | KafkaSettings
    | RedisSettings
    | AmqpSettings
    | MqttSettings
    | PrefectSettings,
    Field(discriminator="kind"),
]


def _settings_by_kind() -> dict[str, type[SinkSettings]]:
    """The classes of the union by the one value that each allows for `kind`."""
    union, _ = get_args(AnySink)
    return {get_args(each.model_fields["kind"].annotation)[0]: each for each in get_args(union)}


_BY_KIND = _settings_by_kind()
KINDS = tuple(_BY_KIND)


def keys_of(kind: str) -> list[str]:
    """The settings that a kind of sink has."""
    return sorted(_BY_KIND[kind].model_fields)


def named_variables(sinks: object) -> set[str]:
    """The variables that the section names for its secrets, checked or not."""
    tables = sinks.values() if isinstance(sinks, Mapping) else ()
    return {
        value
        for table in tables
        if isinstance(table, Mapping)
        for key, value in table.items()
        if str(key).endswith("_env") and isinstance(value, str)
    }


def absolute(sinks: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The section with its relative paths taken from a folder."""
    return {
        name: {
            key: folder / value
            if key in {"folder", "url_file", "secret_file", "password_file"} and isinstance(value, str)
            else value
            for key, value in table.items()
        }
        if isinstance(table, dict)
        else table
        for name, table in sinks.items()
    }
