"""MQTT 5, quality of service 1: an event is delivered when the broker has acknowledged it.

The attributes go along as user properties. One topic for all events, since a broker keeps order within a topic. A
subscriber gets what was published while it was away only with a session that outlives its connection.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from threading import Condition
from typing import Any
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from flows.delivery.sinks import Sent, SinkDownError
from flows.delivery.sinks.cloud_events import message
from flows.settings.sinks import Mode
from warehouse.relay.records import StoredEvent

_TLS_SCHEMES = {"mqtts", "ssl", "tls"}
# Of the event: the payload is not what the broker takes, or is too large.
_OF_THE_EVENT = {149, 153}


class MqttSink:
    """Publishes to one topic, as many at once as the broker takes, and waits for the acknowledgements of a batch."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        topic: str,
        client_id: str = "valuemart",
        timeout: float = 10,
        mode: Mode = "structured",
    ) -> None:
        self.name = name
        self._url = url
        self._topic = topic
        self._client_id = client_id
        self._timeout = timeout
        self._mode: Mode = mode
        self._client: Client | None = None
        self._changed = Condition()
        self._connected: ReasonCode | None = None
        self._lost: ReasonCode | None = None
        self._acknowledged: dict[int, ReasonCode] = {}

    def send(self, events: Sequence[StoredEvent]) -> Sent:
        """Publish, and wait; SinkDownError where the broker cannot be reached."""
        client = self._client = self._client or self._connect()
        self._acknowledged.clear()
        numbers = {event.event_id: self._publish(client, event) for event in events}
        with self._changed:
            self._changed.wait_for(
                lambda: self._lost is not None or self._acknowledged.keys() >= set(numbers.values()),
                self._timeout,
            )
            answers = {event_id: self._acknowledged.get(number) for event_id, number in numbers.items()}
            lost = self._lost
        delivered = [each for each, code in answers.items() if code is not None and not code.is_failure]
        refused = {
            each: str(code)
            for each, code in answers.items()
            if code is not None and code.value in _OF_THE_EVENT
        }
        failed = {
            each: str(code)
            for each, code in answers.items()
            if code is not None and code.is_failure and each not in refused
        }
        down = None
        if None in answers.values():
            down = f"connection lost ({lost})" if lost else f"no acknowledgement within {self._timeout:g} s"
            self.close()
        return Sent(delivered, refused, failed, down)

    def close(self) -> None:
        """Disconnect; what was not acknowledged counts as not sent, and this client will not send it again."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _publish(self, client: Client, event: StoredEvent) -> int:
        sent = message(event, self._mode)
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = sent.content_type
        properties.UserProperty = list(sent.attributes.items())
        return client.publish(self._topic, sent.payload, qos=1, properties=properties).mid

    def _connect(self) -> Client:
        address = urlsplit(self._url)
        secure = address.scheme in _TLS_SCHEMES
        client = Client(CallbackAPIVersion.VERSION2, self._client_id, protocol=MQTTv5)
        client.on_connect, client.on_disconnect, client.on_publish = (
            self._on_connect,
            self._on_disconnect,
            self._on_publish,
        )
        if address.username is not None:
            client.username_pw_set(unquote(address.username), unquote(address.password or "") or None)
        if secure:
            client.tls_set_context(ssl.create_default_context())
        client.connect_timeout = self._timeout
        self._connected = self._lost = None
        client.connect(
            address.hostname or "localhost", address.port or (8883 if secure else 1883), keepalive=30
        )
        client.loop_start()
        with self._changed:
            self._changed.wait_for(
                lambda: self._connected is not None or self._lost is not None, self._timeout
            )
            answer = self._connected
        if answer is None or answer.is_failure:
            client.disconnect()
            client.loop_stop()
            raise SinkDownError(f"the broker did not let us in ({answer or self._lost or 'no answer'})")
        return client

    def _on_connect(self, _: Client, __: Any, ___: Any, reason: ReasonCode, ____: Properties | None) -> None:
        with self._changed:
            self._connected = reason
            self._changed.notify_all()

    def _on_disconnect(
        self, _: Client, __: Any, ___: Any, reason: ReasonCode, ____: Properties | None
    ) -> None:
        with self._changed:
            self._lost = reason
            self._changed.notify_all()

    def _on_publish(
        self, _: Client, __: Any, number: int, reason: ReasonCode, ___: Properties | None
    ) -> None:
        with self._changed:
            self._acknowledged[number] = reason
            self._changed.notify_all()
