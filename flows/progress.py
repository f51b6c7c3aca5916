"""What a run says while it works: one line a step, shown as the caller likes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event

Listener = Callable[[str], None]

_listener: ContextVar[Listener | None] = ContextVar("progress listener", default=None)


_stopping = Event()


def stop() -> None:
    """Let no further step begin: an interrupt can get lost in a library, which takes it for a query that failed."""
    _stopping.set()


def is_stopping() -> bool:
    """Whether somebody asked to stop."""
    return _stopping.is_set()


def say(step: str) -> None:
    """Tell whoever listens which step has begun; KeyboardInterrupt where none is to begin any more."""
    if _stopping.is_set():
        raise KeyboardInterrupt
    listener = _listener.get()
    if listener is not None:
        listener(step)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send the steps of the block to a listener."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
