"""What a run says while it works: one line a step, shown as the caller likes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str], None]
Counter = Callable[[int, int], None]

_listener: ContextVar[Listener | None] = ContextVar("progress listener", default=None)
_counter: ContextVar[Counter | None] = ContextVar("progress counter", default=None)


_stopped_by: list[int] = []


def stop(told_by: int) -> None:
    """Let no further step begin, by that signal: an interrupt can get lost in a library, which takes it for a query that failed."""
    _stopped_by.append(told_by)


def stopped_by() -> int | None:
    """The signal by which somebody first asked to stop; None if nobody did."""
    return _stopped_by[0] if _stopped_by else None


def report_step(step: str) -> None:
    """Tell whoever listens which step has begun; KeyboardInterrupt where none is to begin any more."""
    if _stopped_by:
        raise KeyboardInterrupt
    listener = _listener.get()
    if listener is not None:
        listener(step)


@contextmanager
def saying_first(beginning: Callable[[], str]) -> Iterator[None]:
    """Begin each step of the block, as it is told, with what `beginning` says by then."""
    outer = _listener.get()
    if outer is None:
        yield
        return
    with listening(lambda step: outer(f"{beginning()}{step}")):
        yield


def reached(done: int, of: int) -> None:
    """Tell whoever counts how much of a long step is done."""
    counter = _counter.get()
    if counter is not None:
        counter(done, of)


@contextmanager
def counting(counter: Counter) -> Iterator[None]:
    """Send how far the steps of the block have got to a counter."""
    token = _counter.set(counter)
    try:
        yield
    finally:
        _counter.reset(token)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send the steps of the block to a listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
