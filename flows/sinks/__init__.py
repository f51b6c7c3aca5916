"""Where events go: one small file a sink, behind the interface below.

What every sink may rely on, and owes:

- A batch holds at most one event of a customer, and an event is offered only after the customer's earlier ones went
  through. So a sink may send a batch in any order, or at once, and keeps every customer's order all the same.
- `send` returns when everything that it does not name as refused is with the receiver for good. What it names is
  tried again later, with growing pauses, and holds back its own customer only.
- `SinkDownError`, or any OSError, means that the receiver cannot be reached: nothing is held against an event, and the
  backlog stays for the next run. Any other exception is taken to be the fault of an event in the batch, and the
  relay finds out which by offering them one by one.
- The same event may come again, with the same id and the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from warehouse.relay_store import StoredEvent


class SinkDownError(Exception):
    """The receiver cannot be reached, or takes nothing just now."""


class Sink(Protocol):
    """A receiver of events."""

    @property
    def name(self) -> str:
        """Under this name the relay remembers how far the sink has got; a new name gets every event."""
        ...

    def send(self, events: Sequence[StoredEvent]) -> Mapping[str, str]:
        """Deliver, durably; the ids of events that were refused, with the receiver's reason."""
        ...
