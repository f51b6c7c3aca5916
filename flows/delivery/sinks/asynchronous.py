"""What sinks on asyncio clients share: an event loop of their own, kept with its connection from batch to batch."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress

from flows.delivery.sinks import Sent
from warehouse.relay.records import StoredEvent


class AsyncSink(ABC):
    """A sink whose work is a coroutine; no step of it may take longer than the timeout."""

    def __init__(self, name: str, timeout: float) -> None:
        self.name = name
        self._timeout = timeout
        self._runner: asyncio.Runner | None = None

    def send(self, events: Sequence[StoredEvent]) -> Sent:
        """Deliver; where the receiver is down, with the connection given up."""
        self._runner = self._runner or asyncio.Runner()
        sent = self._runner.run(self._send(events))
        if sent.down:
            self.close()
        return sent

    def close(self) -> None:
        """Disconnect; what was not acknowledged counts as not sent."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        with suppress(Exception):  # a connection that is lost cannot be ended in good order, and need not be
            runner.run(asyncio.wait_for(self._disconnect(), self._timeout))
        runner.close()

    @abstractmethod
    async def _send(self, events: Sequence[StoredEvent]) -> Sent:
        """Connect where that is not done yet, offer the events, and wait for what becomes of them."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Let the connection go, where there is one."""
