"""The workers of a Dask cluster that is there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flows.console.progress import report_step
from flows.runner.hands import Hands, given_up, not_installed
from flows.runner.task import Order, Verdict, made_by, stage_elsewhere
from flows.settings import Settings

if TYPE_CHECKING:
    from distributed import Client

# How long a cluster may take to answer before a run goes on without it.
_ANSWERS_S = 20


@contextmanager
def workers(settings: Settings) -> Iterator[Hands | None]:
    """The workers of the cluster that the settings name; None, and a word about it, where it does not answer.

    UsageError where the extra is not installed.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise not_installed("dask", "distributed") from error
    try:
        client = Client(settings.runner_address, timeout=_ANSWERS_S, set_as_default=False)
    except OSError as error:
        report_step(
            f"no Dask cluster answers at {settings.runner_address} ({error}): batches are staged here"
        )
        yield None
        return
    with client:
        yield _Cluster(client)


class _Cluster:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._executor = client.get_executor(pure=False)

    @property
    def number(self) -> int:
        return max(self._threads(), 1)

    def submit(self, order: Order, known: Path) -> Future[Verdict]:
        if self._is_connected():
            return self._executor.submit(stage_elsewhere, order, made_by(), known)
        return given_up()

    def are_there(self) -> bool:
        return self._threads() > 0

    def _is_connected(self) -> bool:
        return bool(self._client.status == "running")

    def _threads(self) -> int:
        """Those of all workers; none where the scheduler does not answer."""
        if not self._is_connected():
            return 0
        try:
            return sum(self._client.nthreads().values())
        except (OSError, RuntimeError):
            return 0
