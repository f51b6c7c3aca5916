"""NATS JetStream: an event is delivered when a stream has stored it.

The relay makes no stream: which subjects are kept, where and how long is for whoever runs the server to say. The event's
id goes along as `Nats-Msg-Id`, so that the stream drops a repetition within its deduplication window.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from nats.aio.client import Client
from nats.errors import Error, MaxPayloadError
from nats.js.errors import NoStreamResponseError

from flows.delivery.sinks import Sent, SinkDownError
from flows.delivery.sinks.asynchronous import AsyncSink
from flows.delivery.sinks.cloud_events import message, percent_encoded
from flows.settings.sinks import Mode
from warehouse.relay.records import StoredEvent

_EXCEEDS_STREAM_LIMIT = 10054


class NatsSink(AsyncSink):
    """Publishes to the subject `<prefix><type>` and waits for the stream's acknowledgements, all of a batch at once."""

    def __init__(
        self, name: str, url: str, *, prefix: str = "", timeout: float = 10, mode: Mode = "structured"
    ) -> None:
        super().__init__(name, timeout)
        self._url = url
        self._prefix = prefix
        self._mode: Mode = mode
        self._client: Client | None = None

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _send(self, events: Sequence[StoredEvent]) -> Sent:
        client = self._client = self._client or await self._connect()
        answers = await asyncio.gather(
            *(self._publish(client, event) for event in events), return_exceptions=True
        )
        delivered: list[str] = []
        refused: dict[str, str] = {}
        down = None
        for event, answer in zip(events, answers, strict=True):
            if answer is None:
                delivered.append(event.event_id)
            elif (
                isinstance(answer, MaxPayloadError) or getattr(answer, "err_code", 0) == _EXCEEDS_STREAM_LIMIT
            ):
                refused[event.event_id] = f"larger than the server or the stream takes ({answer})"
            elif isinstance(answer, NoStreamResponseError):
                down = down or f"no stream keeps the subject {self._prefix}{event.type}; make one"
            elif isinstance(answer, Error | OSError | TimeoutError):
                down = down or f"{type(answer).__name__}: {answer}"
            else:
                raise answer
        return Sent(delivered, refused, down=down)

    async def _publish(self, client: Client, event: StoredEvent) -> None:
        sent = message(event, self._mode)
        headers = sent.headers("ce-", percent_encoded) | {
            "content-type": sent.content_type,
            "Nats-Msg-Id": event.event_id,
        }
        await client.jetstream(timeout=self._timeout).publish(
            f"{self._prefix}{event.type}", sent.payload, headers=headers
        )

    async def _connect(self) -> Client:
        client = Client()
        try:
            async with asyncio.timeout(self._timeout):
                await client.connect(
                    self._url,
                    name="valuemart",
                    allow_reconnect=False,
                    max_reconnect_attempts=0,
                    connect_timeout=max(int(self._timeout), 1),
                    error_cb=_ignore,
                )
        except (Error, OSError, TimeoutError) as error:
            await client.close()
            raise SinkDownError(f"{type(error).__name__}: {error}") from error
        return client


async def _ignore(_: Exception) -> None:
    """What goes wrong is said once, by the publication that it concerns; the client would log it, too."""
