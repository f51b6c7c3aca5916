"""Who stages batches besides this process: what is asked of processes of this machine and of clusters alike."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from flows.errors import UsageError
from flows.runner.task import Order, Verdict


class Hands(Protocol):
    """Something that stages batches elsewhere."""

    @property
    def number(self) -> int:
        """How many batches it takes at once."""
        ...

    def submit(self, order: Order, known: Path) -> Future[Verdict]:
        """Begin to stage a batch by what is known in a folder; BrokenExecutor or CancelledError if whoever began it is gone."""
        ...

    def are_there(self) -> bool:
        """Whether anybody is left who could end what was begun."""
        ...


def given_up() -> Future[Verdict]:
    """What comes of an order that nobody could be given."""
    future = Future[Verdict]()
    future.cancel()
    return future


def not_installed(runner: str, package: str) -> UsageError:
    """The sentence for a cluster whose client is not there."""
    return UsageError(
        f'runner = "{runner}" needs the package {package}; install valuemart with its extra, `pip install '
        f"'valuemart[{runner}]'`, or say runner = \"local\" in the settings"
    )
