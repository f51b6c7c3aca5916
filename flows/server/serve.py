"""Everything on one machine: a Prefect server, the deployments, a worker, and the watcher of the inbox, until told to stop.

The server listens on this machine alone, unless told otherwise, and asks for a password, which is kept in the home.
Server and worker are processes of their own that end with this one, however it ends (flows/server/supervised.py). A worker that
dies is started anew.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

from flows.console.output import place
from flows.errors import ServerError, UsageError
from flows.inbox import watch
from flows.inbox.announce import announce
from flows.server.bootstrap import POOL, Bootstrapped, bootstrap
from flows.server.run_server import LOCAL, PATIENCE_SECONDS, pass_by_proxies
from flows.server.supervised import descendants, end
from flows.settings import Settings, environment
from warehouse.files import kept_secret

USER = "valuemart"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
FOLDER, AUTH_FILE = "server", "auth-string"
OWN_AUTH = "PREFECT_SERVER_API_AUTH_STRING"

# How long a stop waits for the run in progress; after that the run is told to end, and reports itself as crashed.
PATIENT_STOP_SECONDS = 20
PROMPT_STOP_SECONDS = 10
REVIVAL_PAUSE_SECONDS = 10

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

_PROGRAM = Path(__file__).with_name("supervised.py")


@dataclass(slots=True)
class Program:
    """A Python module that runs as a process of its own, with a log, supervised: it ends with this one."""

    name: str
    arguments: Sequence[str]
    variables: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started_at: float = field(default=0.0, init=False)

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C on a terminal is for us, who stop things in their order."""
        self.started_at = time.monotonic()
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-P", str(_PROGRAM), *self.arguments],
                env={**os.environ, **self.variables},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def revive(self) -> bool:
        """Start it anew where it has ended, but not again and again without a pause; whether that was done.

        A run that outlived its worker works on, and reports by itself how it ends.
        """
        if self.running or time.monotonic() < self.started_at + REVIVAL_PAUSE_SECONDS:
            return False
        self.start()
        return True

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def stop(self, patience: float) -> None:
        """Ask it to end what it does; it, and all that came of it, to end at once where that takes too long."""
        if self.process is None or self.process.stdin is None:
            return
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        if self.running:
            end([*descendants(self.process.pid), self.process.pid])
        self.process.wait()
        self.process.stdin.close()


@dataclass(frozen=True, slots=True)
class Server:
    """Where the Prefect server of a home answers, and what it asks for."""

    url: str
    auth: str
    folder: Path

    @property
    def ui(self) -> str:
        """Where a person looks at it."""
        return self.url.removesuffix("/api")

    def variables(self) -> dict[str, str]:
        """What a client of this server needs in its environment."""
        return {"PREFECT_API_URL": self.url, "PREFECT_API_AUTH_STRING": self.auth}


@dataclass(frozen=True, slots=True)
class Serving:
    """What is up and running."""

    server: Server
    there: Bootstrapped
    api: Program
    worker: Program


def auth_string(home: Path) -> str:
    """User and password of the home's own server: the one configured, else the one kept there, made where there is none."""
    if own := os.environ.get(OWN_AUTH):
        return own
    file = home / FOLDER / AUTH_FILE
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return kept_secret(file, f"{USER}:{secrets.token_urlsafe(24)}")


@contextmanager
def served(settings: Settings, *, host: str, port: int) -> Iterator[Serving]:
    """A server with the deployments on it and a worker, for the length of the block; the three stop with it.

    UsageError where the port is taken, ServerError where the server does not come up.
    """
    _free(host, port)
    address = LOCAL if host in EVERYWHERE else host
    server = Server(f"http://{address}:{port}/api", auth_string(settings.home), settings.home / FOLDER)
    # Before Prefect is imported, which reads them once.
    os.environ.update(server.variables(), PREFECT_HOME=str(server.folder), DO_NOT_TRACK="1")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "WARNING")
    pass_by_proxies()
    _adopt_orphans()
    with ExitStack() as stack:
        stack.callback(_end_all)
        api = Program(
            "server",
            ["prefect", "server", "start"],
            _server_variables(server, host, port),
            server.folder / "server.log",
        )
        stack.callback(api.stop, PROMPT_STOP_SECONDS)
        api.start()
        _wait_until_healthy(api, server)
        there = bootstrap(settings.notify_url)
        name = socket.gethostname()
        crash_leftovers(name)
        worker = Program(
            "worker",
            ["prefect", "worker", "start", "--pool", POOL, "--name", name],
            {"PREFECT_WORKER_QUERY_SECONDS": "2", "PREFECT_LOGGING_LEVEL": "INFO", **environment(settings)},
            server.folder / "worker.log",
        )
        stack.callback(worker.stop, PATIENT_STOP_SECONDS)
        worker.start()
        yield Serving(server, there, api, worker)


def serve(settings: Settings, *, host: str, port: int, echo: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; ServerError where the server ends by itself."""
    with watch.until_told_to_stop(), served(settings, host=host, port=port) as serving:
        _tell(serving, settings, echo)
        watcher = watch.Watcher(settings, announce)
        for due in watch.changes(settings.inbox):
            if not serving.api.running:
                raise ServerError(f"the Prefect server ended; {serving.api.log} says why")
            if serving.worker.revive():
                echo(f"the worker ended, and was started anew; {place(serving.worker.log)} says why")
            if due:
                watch.report(watcher.look(), echo)
    echo("stopped")


def _tell(serving: Serving, settings: Settings, echo: Callable[[str], None]) -> None:
    kept = OWN_AUTH if os.environ.get(OWN_AUTH) else place(serving.server.folder / AUTH_FILE)
    echo(f"Prefect     {serving.server.ui}, password in {kept}")
    echo(f"inbox       {place(settings.inbox)}: a batch is loaded half a minute after its _SUCCESS")
    echo(f"deployments {', '.join(serving.there.deployments)}")
    echo("stop with Ctrl-C")


def _adopt_orphans() -> None:
    """Let a run that outlives its worker become a child of this process, and not of the system's: we end what we began.

    Linux can do that; elsewhere such a run works on until it is through.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_all() -> None:
    end(descendants(os.getpid()))


def _free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"{host}:{port} cannot be served ({error.strerror}); name another with --host and --port"
            ) from error


def _server_variables(server: Server, host: str, port: int) -> dict[str, str]:
    return {
        "PREFECT_SERVER_API_HOST": host,
        "PREFECT_SERVER_API_PORT": str(port),
        OWN_AUTH: server.auth,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }


def _wait_until_healthy(api: Program, server: Server) -> None:
    """Come back when the server answers; ServerError where it ended, or does not within the patience."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while api.running and time.monotonic() < give_up:
        with suppress(OSError), urlopen(f"{server.url}/health", timeout=5):  # noqa: S310 - our own address
            return
        time.sleep(0.25)
    raise ServerError(f"Prefect's server did not start; {api.log} says why")


def crash_leftovers(worker: str) -> int:
    """Declare dead the runs that an earlier life of this server left as running; how many.

    Its worker ended with it, and this one's has not begun: nobody works on them, unless there are other workers, too.
    Without this they would keep the queue waiting until they are missed.
    """
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import (
        FlowRunFilter,
        FlowRunFilterState,
        FlowRunFilterStateType,
        WorkPoolFilter,
        WorkPoolFilterName,
    )
    from prefect.client.schemas.objects import WorkerStatus
    from prefect.states import Crashed, StateType

    under_way = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING, StateType.CANCELLING])
    with get_client(sync_client=True) as client:
        workers = client.read_workers_for_work_pool(POOL)
        if any(each.status == WorkerStatus.ONLINE for each in workers if each.name != worker):
            return 0
        runs = client.read_flow_runs(
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=under_way)),
        )
        for run in runs:
            client.set_flow_run_state(run.id, Crashed(message="Its worker ended before it did."), force=True)
    return len(runs)
