"""How a CloudEvent goes over a protocol, as the CloudEvents protocol bindings say.

In structured mode the payload is the stored event, byte for byte; in binary mode it is the event's `data` alone, and the
other attributes are headers. The headers are sent in both modes, so that a receiver may route without parsing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from flows.settings.sinks import Mode
from warehouse.relay.records import StoredEvent

STRUCTURED = "application/cloudevents+json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Message:
    """An event as a protocol carries it. `attributes` are the event's own, by their CloudEvents names, as text."""

    content_type: str
    payload: bytes
    attributes: dict[str, str]

    def headers(self, prefix: str, encode: Callable[[str], str] = str) -> dict[str, str]:
        """The attributes as headers, each with the binding's prefix."""
        return {f"{prefix}{name}": encode(value) for name, value in self.attributes.items()}


def message(event: StoredEvent, mode: Mode) -> Message:
    """A stored event in structured or binary mode."""
    envelope = json.loads(event.body)
    data = envelope.pop("data", None)
    content_type = str(envelope.pop("datacontenttype", "application/json"))
    attributes = {name: str(value) for name, value in envelope.items() if value is not None}
    if mode == "structured":
        return Message(STRUCTURED, event.body.encode(), attributes)
    payload = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    return Message(content_type, payload, attributes)


def percent_encoded(value: str) -> str:
    """A header's value where the protocol carries printable ASCII only: HTTP and NATS."""
    return quote(value, safe="!#$&'()*+,-./:;<=>?@[]^_`{|}~")
