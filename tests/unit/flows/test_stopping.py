"""A signal that stops a command, wherever the command stands."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from types import FrameType, SimpleNamespace
from typing import Any, cast

import pytest

from flows.console.stopping import never_within_an_import, terminated_outside_of_imports


def frame(file: str, called_by: object = None) -> FrameType:
    return cast("FrameType", SimpleNamespace(f_code=SimpleNamespace(co_filename=file), f_back=called_by))


AN_IMPORT = frame("<frozen importlib._bootstrap>", frame("main.py"))


class StoppedError(Exception):
    pass


def stop(_: int, __: FrameType | None) -> None:
    raise StoppedError


@pytest.fixture(autouse=True)
def taken_by_a_library() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, stop)
    yield
    signal.signal(signal.SIGTERM, before)


def wait() -> None:
    time.sleep(5)


@pytest.mark.parametrize("where", [AN_IMPORT, frame("a_module.py", AN_IMPORT)])
def test_a_signal_in_the_middle_of_an_import_stops_a_moment_later(where: FrameType) -> None:
    handler: Any = never_within_an_import(stop)
    signal.signal(signal.SIGTERM, handler)
    handler(signal.SIGTERM, where)
    with pytest.raises(StoppedError):
        wait()


def test_a_signal_elsewhere_stops_at_once() -> None:
    with pytest.raises(StoppedError), terminated_outside_of_imports():
        signal.raise_signal(signal.SIGTERM)


def test_who_takes_the_signal_takes_it_as_before_once_the_block_is_left() -> None:
    with terminated_outside_of_imports():
        assert signal.getsignal(signal.SIGTERM) is not stop
    assert signal.getsignal(signal.SIGTERM) is stop


def test_a_signal_that_nobody_takes_stays_so() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with terminated_outside_of_imports():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
