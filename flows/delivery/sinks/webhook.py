"""HTTP POST to one address, signed as Standard Webhooks say (https://www.standardwebhooks.com).

A receiver may be slow, broken or hostile: every request has one deadline over all its steps, no redirect is followed,
and of an answer no more than a few lines are read.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime

import httpx

from flows.delivery.sinks import Sent
from flows.delivery.sinks.asynchronous import AsyncSink
from flows.delivery.sinks.cloud_events import message, percent_encoded
from flows.settings.sinks import Mode
from warehouse.relay.records import StoredEvent

MOST_OF_AN_ANSWER = 2048
LONGEST_SPEECH_SECONDS = 1.0
SHORTEST_KEY = 24
# Of the seconds of a pause: more than anybody is left alone.
_MOST_DIGITS = 6

_OK = range(200, 300)
_GONE = 410
# Not the event's fault: the whole address is wrong, closed, or asks for a pause.
_OF_THE_ADDRESS = {*range(300, 400), 401, 403, 404, 405, 407, 421, 426, 429}
# May say after how long to ask again, in the header Retry-After.
_ASK_FOR_A_PAUSE = {429, 503}
# May be either's fault: asked again later.
_OF_EITHER = {408, 409, 423, 425, *range(500, 600)}


def signing_keys(secret: str) -> list[bytes]:
    """The keys of `whsec_…` secrets, parted by spaces: several while one takes over from another.

    ValueError where one is no such secret, or shorter than 24 bytes.
    """
    keys = []
    for each in secret.split():
        try:
            key = base64.b64decode(each.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            raise ValueError("the secret must be whsec_ and base64, as Standard Webhooks say") from None
        if len(key) < SHORTEST_KEY:
            raise ValueError(f"the secret must hold at least {SHORTEST_KEY} bytes")
        keys.append(key)
    return keys


def signature(keys: Sequence[bytes], webhook_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`: one signature a key."""
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    return " ".join(
        f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}" for key in keys
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    """How a receiver answered one event: the status, or None where there was none, what went wrong, and the pause it asks for."""

    status: int | None
    reason: str = ""
    unreachable: bool = False
    pause: timedelta | None = None


class WebhookSink(AsyncSink):
    """Posts events, a few at once; what the answer means is in the tables above.

    Where a whole group fails and nothing gets through, the receiver is taken to be down. 410 disables the sink.
    """

    def __init__(
        self,
        name: str,
        url: str,
        keys: Sequence[bytes],
        *,
        timeout: float = 10,
        concurrency: int = 4,
        mode: Mode = "structured",
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(name, timeout)
        self._url = url
        self._keys = keys
        self._concurrency = concurrency
        self._mode: Mode = mode
        self._clock = clock
        self._client: httpx.AsyncClient | None = None

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _send(self, events: Sequence[StoredEvent]) -> Sent:
        """Offer events group by group, as many as fit into a few deadlines; at least one group."""
        delivered: list[str] = []
        refused: dict[str, str] = {}
        failed: dict[str, str] = {}
        ends_at = time.monotonic() + 3 * self._timeout
        client = self._client = self._client or httpx.AsyncClient(
            follow_redirects=False,
            timeout=self._timeout,
            limits=httpx.Limits(max_connections=self._concurrency),
        )
        for start in range(0, len(events), self._concurrency):
            group = events[start : start + self._concurrency]
            answers = await asyncio.gather(*(self._post(client, event) for event in group))
            before = len(delivered)
            down = disabled = pause = None
            for event, answer in zip(group, answers, strict=True):
                if answer.status in _OK:
                    delivered.append(event.event_id)
                elif answer.status == _GONE:
                    disabled = answer.reason
                elif answer.unreachable or answer.pause or answer.status in _OF_THE_ADDRESS:
                    down, pause = answer.reason, max(filter(None, (pause, answer.pause)), default=None)
                elif answer.status is None or answer.status in _OF_EITHER:
                    failed[event.event_id] = answer.reason
                else:
                    refused[event.event_id] = answer.reason
            if down is None and len(delivered) == before and len(group) > 1 and not refused:
                down = next(iter(failed.values()), None)
            if down or disabled or time.monotonic() >= ends_at:
                return Sent(delivered, refused, failed, down, disabled, pause)
        return Sent(delivered, refused, failed)

    async def _post(self, client: httpx.AsyncClient, event: StoredEvent) -> _Answer:
        payload, headers = self._request(event)
        try:
            async with (
                asyncio.timeout(self._timeout),
                client.stream("POST", self._url, content=payload, headers=headers) as response,
            ):
                return _Answer(response.status_code, await _said(response), pause=_pause(response))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            return _Answer(None, _text(error), unreachable=True)
        except (TimeoutError, httpx.TimeoutException):
            return _Answer(None, f"no answer within {self._timeout:g} s")
        except httpx.HTTPError as error:
            return _Answer(None, _text(error))

    def _request(self, event: StoredEvent) -> tuple[bytes, dict[str, str]]:
        sent = message(event, self._mode)
        timestamp = int(self._clock())
        return sent.payload, {
            **sent.headers("ce-", percent_encoded),
            "content-type": sent.content_type,
            "user-agent": "valuemart",
            "webhook-id": event.event_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(self._keys, event.event_id, timestamp, sent.payload),
        }


def _pause(response: httpx.Response) -> timedelta | None:
    """How long the receiver asks to be left alone: seconds, or a date by its own clock; None where it does not say."""
    said = response.headers.get("retry-after", "").strip()
    if response.status_code not in _ASK_FOR_A_PAUSE or not said:
        return None
    if said.isascii() and said.isdigit():
        return timedelta(seconds=int(said[:_MOST_DIGITS]))
    try:
        until = parsedate_to_datetime(said)
        asked_at = parsedate_to_datetime(response.headers["date"])
        return max(until - asked_at, timedelta(0)) or None
    except (KeyError, ValueError, TypeError):  # no such header, no date, or one of them without its zone
        return None


async def _said(response: httpx.Response) -> str:
    """Status and beginning of an answer; the rest of it is never read.

    An answer that is read to its end leaves its connection to the next event.
    """
    heard = b""
    with suppress(TimeoutError, httpx.HTTPError):  # the status counts, whatever becomes of the words
        async with asyncio.timeout(LONGEST_SPEECH_SECONDS):
            async for chunk in response.aiter_raw():
                heard += chunk
                if len(heard) >= MOST_OF_AN_ANSWER:
                    break
    where = f" to {response.headers['location']}, not followed" if response.is_redirect else ""
    body = " ".join(heard[:MOST_OF_AN_ANSWER].decode("utf-8", "replace").split())
    return f"{response.status_code} {response.reason_phrase}{where} {body}".strip()[:300]


def _text(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
