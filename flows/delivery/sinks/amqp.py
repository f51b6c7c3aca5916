"""RabbitMQ (AMQP 0-9-1): an event is delivered when the broker has confirmed it for the queues it belongs to.

Messages are persistent and mandatory: one that no queue takes comes back instead of vanishing. The relay declares the
durable topic exchange, and no queue: those are the consumers'. Headers are named as in CloudEvents' AMQP binding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import aio_pika
from aio_pika.abc import AbstractConnection, AbstractExchange
from aio_pika.exceptions import AMQPError, DeliveryError, PublishError

from flows.delivery.sinks import Sent, SinkDownError
from flows.delivery.sinks.asynchronous import AsyncSink
from flows.delivery.sinks.cloud_events import message
from flows.settings.sinks import Mode
from warehouse.relay.records import StoredEvent


class AmqpSink(AsyncSink):
    """Publishes to one exchange with the event's type as routing key, and waits for the confirms of a batch."""

    def __init__(
        self, name: str, url: str, *, exchange: str, timeout: float = 10, mode: Mode = "structured"
    ) -> None:
        super().__init__(name, timeout)
        self._url = url
        self._exchange_name = exchange
        self._mode: Mode = mode
        self._connection: AbstractConnection | None = None
        self._exchange: AbstractExchange | None = None

    async def _disconnect(self) -> None:
        connection, self._connection, self._exchange = self._connection, None, None
        if connection is not None:
            await connection.close()

    async def _send(self, events: Sequence[StoredEvent]) -> Sent:
        exchange = self._exchange = self._exchange or await self._connect()
        answers = await asyncio.gather(
            *(self._publish(exchange, event) for event in events), return_exceptions=True
        )
        delivered: list[str] = []
        failed: dict[str, str] = {}
        down = None
        for event, answer in zip(events, answers, strict=True):
            if answer is None:
                delivered.append(event.event_id)
            elif isinstance(answer, PublishError):
                failed[event.event_id] = (
                    f"no queue is bound to {self._exchange_name} for {event.type}; "
                    "bind one, or leave the type out of the sink's types"
                )
            elif isinstance(answer, DeliveryError):
                failed[event.event_id] = "the broker did not confirm it (nack)"
            elif isinstance(
                answer, AMQPError | OSError | TimeoutError | RuntimeError | asyncio.CancelledError
            ):
                down = down or f"{type(answer).__name__}: {answer}"
            else:
                raise answer
        return Sent(delivered, failed=failed, down=down)

    async def _publish(self, exchange: AbstractExchange, event: StoredEvent) -> None:
        sent = message(event, self._mode)
        await exchange.publish(
            aio_pika.Message(
                sent.payload,
                content_type=sent.content_type,
                content_encoding="utf-8",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                message_id=event.event_id,
                type=event.type,
                timestamp=event.time,
                app_id="valuemart",
                headers={**sent.headers("cloudEvents_")},
            ),
            routing_key=event.type,
            mandatory=True,
            timeout=self._timeout,
        )

    async def _connect(self) -> AbstractExchange:
        try:
            async with asyncio.timeout(self._timeout):
                self._connection = await aio_pika.connect(self._url)
                channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                return await channel.declare_exchange(
                    self._exchange_name, aio_pika.ExchangeType.TOPIC, durable=True
                )
        except (AMQPError, OSError, TimeoutError) as error:
            raise SinkDownError(f"{type(error).__name__}: {error}") from error
