"""Apache Kafka: an event is delivered when all in-sync replicas have it.

The key is the customer, so a customer's events lie in one partition, in order. The producer is idempotent: its own
retries store nothing twice; a relay that is killed may still send an event again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from flows.delivery.sinks import Sent
from flows.delivery.sinks.cloud_events import message
from flows.settings.sinks import Mode
from warehouse.relay.records import StoredEvent

_OF_THE_EVENT = {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.INVALID_RECORD,
}


class KafkaSink:
    """Produces to one topic and waits for the reports of a batch; `options` are librdkafka's."""

    def __init__(
        self,
        name: str,
        options: Mapping[str, str | int | float | bool],
        *,
        topic: str,
        timeout: float = 10,
        mode: Mode = "structured",
    ) -> None:
        self.name = name
        milliseconds = int(timeout * 1000)
        self._options = {
            "client.id": "valuemart",
            "log_level": 0,  # what goes wrong is said once, by the report that it concerns
            "message.timeout.ms": milliseconds,
            "socket.timeout.ms": max(milliseconds, 10),
            "socket.connection.setup.timeout.ms": max(milliseconds, 1000),
            **options,
            "enable.idempotence": True,
            "acks": "all",
        }
        self._topic = topic
        self._timeout = timeout
        self._mode: Mode = mode
        self._producer: Producer | None = None

    def send(self, events: Sequence[StoredEvent]) -> Sent:
        """Produce, and wait for what became of each."""
        producer = self._producer = self._producer or Producer(self._options)
        reports: dict[str, KafkaError | None] = {}
        for event in events:
            self._produce(producer, event, reports)
        # A batch is small beside the producer's queue; what has no report after its time counts as not sent.
        ends_at = time.monotonic() + self._timeout + 1
        while len(reports) < len(events) and time.monotonic() < ends_at:
            producer.poll(0.1)
        delivered = [event_id for event_id, error in reports.items() if error is None]
        refused = {
            event_id: error.str()
            for event_id, error in reports.items()
            if error is not None and error.code() in _OF_THE_EVENT
        }
        down = None
        if len(delivered) + len(refused) < len(events):
            others = (
                error.str() for each, error in reports.items() if error is not None and each not in refused
            )
            down = next(others, f"no report within {self._timeout:g} s")
            self.close()
        return Sent(delivered, refused, down=down)

    def close(self) -> None:
        """Forget the producer; what it has not reported counts as not sent, and comes again with the next one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaException):
                producer.purge()
            producer.flush(0)

    def _produce(self, producer: Producer, event: StoredEvent, reports: dict[str, KafkaError | None]) -> None:
        def report(error: KafkaError | None, _: Message) -> None:
            reports[event.event_id] = error

        sent = message(event, self._mode)
        try:
            producer.produce(
                self._topic,
                sent.payload,
                key=f"{event.company_code}/{event.customer_id}",
                headers={**sent.headers("ce_"), "content-type": sent.content_type},
                on_delivery=report,
            )
        except KafkaException as error:
            reports[event.event_id] = error.args[0]
