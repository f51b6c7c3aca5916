"""Where events go: one small file a sink, behind the interface below.

What every sink may rely on, and owes:

- A batch holds at most one event of a customer, and an event is offered only after the customer's earlier ones went
  through. So a sink may send a batch in any order, or at once, and keeps every customer's order all the same.
- `send` says what became of each event (see `Sent`), and names an event as delivered only when it is with the receiver
  for good. It comes back within a bounded time, whatever the receiver does.
- `SinkDownError`, or any OSError, means that the receiver cannot be reached: nothing is held against an event, and the
  backlog stays for the next run. Any other exception is taken to be the fault of an event in the batch, and the
  relay finds out which by offering them one by one.
- The same event may come again, with the same id and the same bytes.
- A sink connects when it first sends, so that one with nothing to send needs no receiver, and is used by one thread.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from warehouse.relay.records import StoredEvent


class SinkDownError(Exception):
    """The receiver cannot be reached, or takes nothing just now."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a batch, by the events' ids; what is named nowhere was not offered, and comes again.

    `refused`: the receiver will not have this event. `failed`: it went wrong, and may be the receiver's fault as well.
    Both hold back the event's own customer until the event is tried again. `down`: why nothing more can be offered just
    now. `disabled`: the receiver asked never to be called again. `pause`: it asked to be left alone so long.
    """

    delivered: Collection[str] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    down: str | None = None
    disabled: str | None = None
    pause: timedelta | None = None


class Sink(Protocol):
    """A receiver of events."""

    @property
    def name(self) -> str:
        """Under this name the relay remembers how far the sink has got; a new name gets every event."""
        ...

    def send(self, events: Sequence[StoredEvent]) -> Sent:
        """Deliver, durably."""
        ...

    def close(self) -> None:
        """Let the connection go, where there is one; the sink may be used again."""
        ...
