"""The workers of a Ray cluster that is there.

By Ray's client, a connection to the cluster's head: a driver that is a part of the cluster is ended with it by Ray itself, and this
process has a warehouse open.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flows.console.progress import report_step
from flows.runner.hands import Hands, given_up, not_installed
from flows.runner.task import Order, Verdict, made_by, stage_elsewhere
from flows.settings import Settings

if TYPE_CHECKING:
    from ray import ObjectRef

# Read when Ray and gRPC are imported. Without the first, a call after the connection is lost would start a cluster on this machine.
_AT_IMPORT = {"RAY_ENABLE_AUTO_CONNECT": "0", "GRPC_VERBOSITY": "NONE"}


@contextmanager
def workers(settings: Settings) -> Iterator[Hands | None]:
    """The workers of the cluster that the settings name; None, and a word about it, where it does not answer.

    UsageError where the extra is not installed.
    """
    for name, value in _AT_IMPORT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ModuleNotFoundError as error:
        raise not_installed("ray", "ray[client]") from error
    logging.getLogger("ray").setLevel(logging.CRITICAL)  # what matters of it is said here
    try:
        with _signals_kept(), warnings.catch_warnings(action="ignore"):
            ray.init(settings.runner_address, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError) as error:
        report_step(
            f"no Ray cluster serves us at {settings.runner_address} ({' '.join(str(error).split())}; one that asks for a token does "
            "where RAY_AUTH_MODE=token is set): batches are staged here"
        )
        yield None
        return
    try:
        # A worker that a batch takes with it is this program's to count, not Ray's.
        yield _Cluster(ray.remote(max_retries=0)(stage_elsewhere).remote)
    finally:
        ray.shutdown()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray puts a handler of its own in the place of the one by which a command ends."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


class _Cluster:
    def __init__(self, begin: Callable[[Order, tuple[str, str], Path], ObjectRef[Verdict]]) -> None:
        self._begin = begin

    @property
    def number(self) -> int:
        return max(self._cores(), 1)

    def submit(self, order: Order, known: Path) -> Future[Verdict]:
        try:
            staged = self._begin(order, made_by(), known).future()
        except Exception:  # noqa: BLE001 - the client raises what it likes where its connection is lost
            return given_up()
        return _told(staged)

    def are_there(self) -> bool:
        return self._cores() > 0

    def _cores(self) -> int:
        """Those of all nodes; none where the head does not answer."""
        import ray

        try:
            return int(ray.cluster_resources().get("CPU", 0))
        except Exception:  # noqa: BLE001 - as above
            return 0


def _told(staged: Future[Verdict]) -> Future[Verdict]:
    """The same future in the standard library's words: what ended without the task's own saying so is a broken executor."""
    from ray.exceptions import RayTaskError

    told = Future[Verdict]()

    def tell(staged: Future[Verdict]) -> None:
        if not told.set_running_or_notify_cancel():
            return
        error = staged.exception()
        if error is None:
            told.set_result(staged.result())
        elif isinstance(error, RayTaskError):
            told.set_exception(error)
        else:
            told.set_exception(BrokenExecutor(str(error)))

    staged.add_done_callback(tell)
    return told
