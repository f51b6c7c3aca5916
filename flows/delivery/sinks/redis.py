"""Redis Streams: an event is delivered when the server has added its entry.

How well it is kept then is the server's `appendonly` setting. CloudEvents has no binding for Redis: the entry's field
`event` is the stored event, and the attributes are fields beside it, to choose by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from flows.delivery.sinks import Sent, SinkDownError
from flows.delivery.sinks.cloud_events import message
from warehouse.relay.records import StoredEvent


class RedisSink:
    """Adds to one stream, a batch in one round trip; `longest` trims the stream to about so many entries."""

    def __init__(
        self, name: str, url: str, *, stream: str, longest: int | None = None, timeout: float = 10
    ) -> None:
        self.name = name
        self._url = url
        self._stream = stream
        self._longest = longest
        self._timeout = timeout
        self._client: Redis | None = None

    def send(self, events: Sequence[StoredEvent]) -> Sent:
        """Add; SinkDownError where the server cannot be reached, or says no to everything."""
        if self._client is None:
            self._client = Redis.from_url(
                self._url, socket_timeout=self._timeout, socket_connect_timeout=self._timeout
            )
        pipeline = self._client.pipeline(transaction=False)
        for event in events:
            sent = message(event, "structured")
            fields: dict[Any, Any] = {"event": sent.payload, **sent.attributes}
            pipeline.xadd(self._stream, fields, maxlen=self._longest, approximate=True)
        try:
            answers = pipeline.execute(raise_on_error=False)
        except (RedisConnectionError, RedisTimeoutError) as error:
            self.close()
            raise SinkDownError(f"{type(error).__name__}: {error}") from error
        # What Redis says no to it says to any event: no memory, read-only, no right, another type under the key.
        errors = [answer for answer in answers if isinstance(answer, RedisError)]
        return Sent(
            [
                event.event_id
                for event, answer in zip(events, answers, strict=True)
                if not isinstance(answer, RedisError)
            ],
            down=str(errors[0]) if errors else None,
        )

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.close()
            self._client = None
