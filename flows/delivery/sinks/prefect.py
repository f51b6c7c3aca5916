"""A Prefect server's events, for automations ("a credit stop starts this flow").

The server takes events into a queue in memory and may lose them, so an event is delivered only when a query finds it.
It is a signal, not a record: the server drops old events, and a consumer that must not miss one takes another sink.
"""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from flows.delivery.sinks import Sent, SinkDownError
from warehouse.relay.records import StoredEvent

_AT_ONCE = 50
_LOOK_AGAIN_SECONDS = 0.5


class PrefectSink:
    """Posts events to the API that PREFECT_API_URL names, and asks for them until they are there."""

    def __init__(self, name: str, *, timeout: float = 10) -> None:
        self.name = name
        self._timeout = timeout

    def send(self, events: Sequence[StoredEvent]) -> Sent:
        """Post the first of them and look for each; what is not found in time has failed."""
        offered = events[:_AT_ONCE]
        with httpx.Client(
            base_url=os.environ["PREFECT_API_URL"], headers=_credentials(), timeout=self._timeout
        ) as client:
            try:
                _checked(client.post("/events", json=[_event(event) for event in offered]))
                stored = self._stored(client, {event.event_id for event in offered})
            except httpx.HTTPError as error:
                raise SinkDownError(f"{type(error).__name__}: {error}") from error
        missing = [event.event_id for event in offered if event.event_id not in stored]
        return Sent(sorted(stored), failed=dict.fromkeys(missing, f"not stored within {self._timeout:g} s"))

    def close(self) -> None:
        """Connections live as long as a batch."""

    def _stored(self, client: httpx.Client, wanted: set[str]) -> set[str]:
        """Which of the events the server has written down, at the latest when the time is over."""
        found: set[str] = set()
        ends_at = time.monotonic() + self._timeout
        query = {"filter": {"id": {"id": sorted(wanted)}}, "limit": _AT_ONCE}
        while True:
            answer = _checked(client.post("/events/filter", json=query)).json()
            found |= {event["id"] for event in answer["events"]} & wanted
            if found == wanted or time.monotonic() >= ends_at:
                return found
            time.sleep(_LOOK_AGAIN_SECONDS)


def _event(event: StoredEvent) -> dict[str, Any]:
    """The event as Prefect has it. It occurs now, since automations look at what happens; `payload.time` is when it did."""
    customer = f"{event.company_code}.{event.customer_id}"
    return {
        "id": event.event_id,
        "event": event.type,
        "occurred": datetime.now(UTC).isoformat(),
        "resource": {
            "prefect.resource.id": f"valuemart.customer.{customer}",
            "prefect.resource.name": f"{event.company_code}/{event.customer_id}",
        },
        "payload": json.loads(event.body),
    }


def _credentials() -> dict[str, str]:
    """What Prefect's own client would send."""
    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    if auth := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {b64encode(auth.encode()).decode()}"}
    return {}


def _checked(response: httpx.Response) -> httpx.Response:
    return response.raise_for_status()
