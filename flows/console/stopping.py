"""How a command is told to stop: one that goes on for ever, and one in the middle of an import."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer, current_thread, main_thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    Handler = Callable[[int, FrameType | None], None]


@contextmanager
def until_told_to_stop() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the block, which is how such a command ends."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


# After how many seconds it is looked again whether an import is over; the longest take two or three.
_A_MOMENT = 0.05


def never_within_an_import(handle: Callable[[int, FrameType | None], object]) -> Handler:
    """The handler of a signal that raises, called as soon as the main thread imports nothing.

    An import that is cut short, above all one that a library in another language began, can leave the lock of all imports taken:
    threads that import something, Prefect's among them, would wait for it for ever, and the end of the run for them.
    """

    def put_off(told_by: int, frame: FrameType | None) -> None:
        if _is_importing(frame):
            again = Timer(_A_MOMENT, os.kill, [os.getpid(), told_by])
            again.daemon = True
            again.start()
        else:
            handle(told_by, frame)

    return put_off


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


@contextmanager
def terminated_outside_of_imports() -> Iterator[None]:
    """Within the block, let whatever takes SIGTERM, as Prefect does in a flow run, take it outside of imports alone."""
    taken_by = signal.getsignal(signal.SIGTERM)
    if current_thread() is not main_thread() or not callable(taken_by):
        yield
        return
    signal.signal(signal.SIGTERM, never_within_an_import(taken_by))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, taken_by)
