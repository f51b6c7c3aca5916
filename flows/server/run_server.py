"""How a flow runs here: on a configured Prefect server or that of the home's `serve`, else on a quiet one of its own for its length."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

from flows.errors import ServerError

if TYPE_CHECKING:
    import httpx

# A first start makes the server's database: 10 s on a quiet machine of two cores, and several times that on a busy one.
PATIENCE_SECONDS = 240

LOCAL = "127.0.0.1"

# Below the home: what `serve` keeps of its server, and where that one is to be found while it serves.
FOLDER, AUTH_FILE, URL_FILE = "server", "auth-string", "api-url"
_ANSWERS_WITHIN_SECONDS = 2

# Less than SQLite needs for a transaction of the server's.
_ROOM_BYTES = 1_000_000
_OF_THE_BOOKS = re.compile(r"(?:sqlite3\.\w+Error\)?:? \(?|alembic\.util\.exc\.CommandError: )([^\n)]+)")

_PROGRAM = Path(__file__).with_name("own_server.py")


@dataclass(frozen=True, slots=True)
class OwnServer:
    """The server of this run, which may be starting still: the address of its API, and where it writes what is wrong."""

    url: str
    log: Path

    def wait(self) -> None:
        """Come back when it answers; ServerError where it never will."""
        try:
            with urlopen(f"{self.url}/health", timeout=PATIENCE_SECONDS):  # noqa: S310 - our own address
                return
        except (OSError, HTTPException) as error:
            raise ServerError(f"Prefect's server did not start: {_complaint(self.log)}") from error


def prepare(home: Path) -> OwnServer | None:
    """Set what Prefect reads when it is first imported, and start a server where none is configured.

    What the user has set stays. Prefect's own log is silent but for the worst: what went wrong is said once, by the
    command. Without PREFECT_API_URL it runs on the server of the home's `serve`, if there is one. Otherwise it brings its own
    server, with its books below the home, not in the user's; it starts while the caller imports what it needs.
    """
    defaults = {
        "PREFECT_HOME": str(own_books(home)),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_CLI_PROMPT": "false",
        "DO_NOT_TRACK": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    if "PREFECT_API_URL" in os.environ:
        return None
    pass_by_proxies()
    if serving := _of_serve(home / FOLDER):
        os.environ.update(serving)
        return None
    server = _start_server(Path(os.environ["PREFECT_HOME"]))
    os.environ["PREFECT_API_URL"] = server.url
    return server


def refusal(error: httpx.HTTPError, own: OwnServer | None = None) -> ServerError:
    """The sentence for what a client of Prefect's raised; `own` is the server asked, where it is this run's own."""
    import httpx

    if own:
        return ServerError(
            f"Prefect's server could not keep the books of this run: {_complaint(own.log)}; mend that and run the same command "
            "again, which goes on from what was committed"
        )
    if not isinstance(error, httpx.HTTPStatusError):
        return ServerError(f"the Prefect server does not answer: {error}")
    if error.response.status_code in {401, 403}:
        return ServerError(
            f"{error.request.url.host}:{error.request.url.port} does not let us in: "
            "set PREFECT_API_AUTH_STRING to what the server was started with"
        )
    return ServerError(f"the Prefect server refused: {error}")


def own_books(home: Path) -> Path:
    """The folder in which the server of a single command keeps its books, unless the user has set another one."""
    return home / "prefect"


def _complaint(log: Path) -> str:
    """What is wrong with a server, in a few words: of the disk what can be seen, of its books the last that its log says."""
    if shutil.disk_usage(log.parent).free < _ROOM_BYTES:  # for which its log has no room, either
        return f"the disk with {log.parent} is full"
    said = _OF_THE_BOOKS.findall(log.read_text(encoding="utf-8", errors="replace"))
    if not said:
        return f"{log} says why"
    return f"{log.parent}: {said[-1]} (its books hold nothing but runs, and may be moved away)"


def _of_serve(folder: Path) -> dict[str, str] | None:
    """What a client of the home's `serve` is told; None where none serves. One that was killed may have left its address."""
    try:
        url, auth = ((folder / name).read_text(encoding="utf-8").strip() for name in (URL_FILE, AUTH_FILE))
        with urlopen(f"{url}/health", timeout=_ANSWERS_WITHIN_SECONDS):  # noqa: S310 - our own address
            return {"PREFECT_API_URL": url, "PREFECT_API_AUTH_STRING": auth}
    except (OSError, ValueError, HTTPException):
        return None


def pass_by_proxies() -> None:
    """A proxy that the network asks for does not know this machine's own address."""
    exempt = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if exempt != "*":
        exempt = ",".join(filter(None, [exempt, LOCAL]))
    os.environ.update(no_proxy=exempt, NO_PROXY=exempt)


def _start_server(folder: Path) -> OwnServer:
    """Start a server that ends with this process, on a free port of this machine.

    It has a session of its own: Ctrl-C is for the run, which still has to tell the server how it ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "server.log"
    variables = {
        # It asks for no password, since it is this run's alone: so no page in a browser may use it either.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{LOCAL}",
        "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "1",
        "PREFECT_UI_ENABLED": "0",
        "PREFECT_SERVER_REGISTER_BLOCKS_ON_START": "0",  # nothing here uses one, and a first start takes a second for them
        "PREFECT__SERVER_EPHEMERAL": "1",
        "PREFECT__SERVER_FINAL": "1",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "WARNING",
    }
    # Who connects before the server is ready waits in the socket's queue: no port is guessed, and nothing is polled.
    with closing(socket.create_server((LOCAL, 0), backlog=128)) as listener, log.open("wb") as output:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted connections inherit it
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", str(_PROGRAM), str(listener.fileno())],
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        port = listener.getsockname()[1]
    # Registered before Prefect is imported, so that it comes after everything that Prefect still has to send at exit.
    atexit.register(process.communicate)
    return OwnServer(f"http://{LOCAL}:{port}/api", log)
