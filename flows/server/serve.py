"""Everything on one machine: a Prefect server, the deployments, a worker, a relay, and who attends to them, until told to stop.

The server listens on this machine alone, unless told otherwise, and asks for a password, which is kept in the home.
Server, worker and relay are processes of their own that end with this one, however it ends (flows/server/supervised.py). One that
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
from flows.console.stopping import until_told_to_stop
from flows.errors import ServerError, UsageError
from flows.inbox import watch
from flows.server.bootstrap import POOL, Bootstrapped, bootstrap
from flows.server.logs import Log
from flows.server.run_server import (
    AUTH_FILE,
    FOLDER,
    LOCAL,
    PATIENCE_SECONDS,
    URL_FILE,
    pass_by_proxies,
)
from flows.server.supervised import descendants, end
from flows.settings import Settings, environment
from warehouse.files import held_alone, kept_secret, write_text

USER = "valuemart"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not listened on
OWN_AUTH = "PREFECT_SERVER_API_AUTH_STRING"

RELAY_EACH_SECONDS = 10
TICKS_BETWEEN_LOGS = 30
# A server that ends again so soon after its start would do so for ever.
STEADY_SECONDS = 60

# How long a stop waits for the run in progress; after that the run is told to end, and reports itself as crashed.
PATIENT_STOP_SECONDS = 20
PROMPT_STOP_SECONDS = 10
REVIVAL_PAUSE_SECONDS = 10

# What the programs write into their logs, unless the environment says otherwise.
LOG_LEVELS = {"PREFECT_LOGGING_LEVEL": "WARNING", "PREFECT_LOGGING_INTERNAL_LEVEL": "ERROR"}

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
        if self.running or self.age < REVIVAL_PAUSE_SECONDS:
            return False
        self.start()
        return True

    @property
    def age(self) -> float:
        """Seconds since it was started last."""
        return time.monotonic() - self.started_at

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.process is not None and self.process.poll() is None

    def wait_for_its_runs(self, patience: float) -> None:
        """Come back when nothing that it started is at work any more, after the patience at the latest."""
        give_up = time.monotonic() + patience
        while self.has_runs() and time.monotonic() < give_up:
            time.sleep(0.2)

    def has_runs(self) -> bool:
        """Whether something that it started is at work."""
        return self.process is not None and self.running and bool(descendants(self.process.pid))

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
    relay: Program

    @property
    def programs(self) -> tuple[Program, ...]:
        """The processes beside this one."""
        return self.api, self.worker, self.relay


def auth_string(home: Path) -> str:
    """User and password of the home's own server: the one configured, else the one kept there, made where there is none."""
    if own := os.environ.get(OWN_AUTH):
        return own
    file = home / FOLDER / AUTH_FILE
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return kept_secret(file, f"{USER}:{secrets.token_urlsafe(24)}")


@contextmanager
def served(settings: Settings, *, host: str, port: int, echo: Callable[[str], None]) -> Iterator[Serving]:
    """A server with the deployments on it, a worker and a relay, for the length of the block; all of them stop with it.

    A stop lets the run in progress end, for PATIENT_STOP_SECONDS at most. `echo` is told what is waited for.
    UsageError where the port is taken, or the home is served already; ServerError where the server does not come up.
    """
    _free(host, port)
    address = LOCAL if host in EVERYWHERE else host
    server = Server(f"http://{address}:{port}/api", auth_string(settings.home), settings.home / FOLDER)
    # Before Prefect is imported, which reads them once.
    os.environ.update(server.variables(), PREFECT_HOME=str(server.folder), DO_NOT_TRACK="1")
    levels = {name: os.environ.get(name, level) for name, level in LOG_LEVELS.items()}
    os.environ.update(dict.fromkeys(LOG_LEVELS, "CRITICAL"))  # here, what is wrong is said once, a line each
    pass_by_proxies()
    _adopt_orphans()
    with _alone(server.folder), ExitStack() as stack:
        stack.callback(_end_all)
        api = Program(
            "server",
            ["prefect", "server", "start"],
            {**levels, **_server_variables(server, host, port, settings.keep_runs_days)},
            server.folder / "server.log",
        )
        stack.callback(api.stop, PROMPT_STOP_SECONDS)
        echo(
            f"waiting for Prefect's server; a first start makes its books, which takes up to a minute ({place(api.log)})"
        )
        api.start()
        _wait_until_healthy(api, server)
        echo("setting up its queues, automations and deployments")
        there = bootstrap()
        name = socket.gethostname()
        crash_leftovers(name)
        worker = Program(
            "worker",
            ["prefect", "worker", "start", "--pool", POOL, "--name", name],
            {
                **levels,
                "PREFECT_WORKER_QUERY_SECONDS": "2",
                "PREFECT_LOGGING_LEVEL": "INFO",
                **environment(settings),
            },
            server.folder / "worker.log",
        )
        relay = Program(
            "relay",
            ["flows.cli", "relay", "--every", str(RELAY_EACH_SECONDS)],
            {**levels, **environment(settings)},
            server.folder / "relay.log",
        )
        for program in (relay, worker):
            stack.callback(program.stop, PROMPT_STOP_SECONDS)
            program.start()
        stack.callback(_let_runs_end, worker, echo)
        # From here on the home's commands run on this server, and bring none of their own.
        address_file = server.folder / URL_FILE
        stack.callback(address_file.unlink, missing_ok=True)
        write_text(address_file, server.url)
        yield Serving(server, there, api, worker, relay)


def serve(settings: Settings, *, host: str, port: int, echo: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or SIGTERM; ServerError where the server does not come up, or ends again and again."""
    with (
        until_told_to_stop(),
        served(settings, host=host, port=port, echo=echo) as serving,
    ):
        # It imports Prefect, which must find its server's address in the environment.
        from flows.server.attendant import Attendant

        _tell(serving, settings, echo)
        attendant = Attendant(settings, echo)
        logs = [Log(each.log) for each in serving.programs]
        for tick, due in enumerate(watch.changes(settings.inbox)):
            if not serving.api.running and serving.api.age < STEADY_SECONDS:
                raise ServerError(f"the Prefect server does not go on; {serving.api.log} says why")
            for program in serving.programs:
                if program.revive():
                    echo(f"the {program.name} ended, and was started anew; {place(program.log)} says why")
            attendant.attend(look=due)
            if tick % TICKS_BETWEEN_LOGS == 0:
                for log in logs:
                    log.look(echo)
    echo("stopped")


def _tell(serving: Serving, settings: Settings, echo: Callable[[str], None]) -> None:
    kept = OWN_AUTH if os.environ.get(OWN_AUTH) else place(serving.server.folder / AUTH_FILE)
    echo(f"Prefect     {serving.server.ui}, password in {kept}")
    echo(f"inbox       {place(settings.inbox)}: a batch is loaded as soon as its _SUCCESS is there")
    echo(f"deployments {', '.join(serving.there.deployments)}")
    echo("stop with Ctrl-C")


def _let_runs_end(worker: Program, echo: Callable[[str], None]) -> None:
    if worker.has_runs():
        echo(f"stopping: waiting for the run in progress, {PATIENT_STOP_SECONDS} s at most")
        worker.wait_for_its_runs(PATIENT_STOP_SECONDS)


def _adopt_orphans() -> None:
    """Let a run that outlives its worker become a child of this process, and not of the system's: we end what we began.

    Linux can do that; elsewhere such a run works on until it is through.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_all() -> None:
    end(descendants(os.getpid()))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Serve a home alone: a second server on its books would take the runs of the first for left over. UsageError."""
    with held_alone(folder / "lock") as alone:
        if not alone:
            raise UsageError(
                f"{folder.parent} is served already; stop that `valuemart serve` first, or name another home"
            )
        yield


def _free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"{host}:{port} cannot be served ({error.strerror}); name another with --host and --port"
            ) from error


def _server_variables(server: Server, host: str, port: int, keep_runs_days: int) -> dict[str, str]:
    """What the server is told; of what a person may want otherwise, what is in the environment wins."""
    return {
        **{
            name: value
            for name, value in at_rest(server.ui, keep_runs_days).items()
            if name not in os.environ
        },
        "PREFECT_SERVER_API_HOST": host,
        "PREFECT_SERVER_API_PORT": str(port),
        OWN_AUTH: server.auth,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }


def at_rest(ui: str, keep_runs_days: int) -> dict[str, str]:
    """How a server is told to refuse other origins and forged requests, and for how long to remember runs."""
    return {
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ui,
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
        # Runs with their logs and artifacts, and what is left of either.
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(keep_runs_days * 86_400),
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
