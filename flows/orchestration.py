"""How a flow runs here: on a configured Prefect server, else on a quiet one of its own for the length of the run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

_SERVER_PID = "server.pid"


def prepare(home: Path) -> None:
    """Set what Prefect reads when it is first imported; what the user has set stays.

    Prefect's own log is silent but for the worst: what went wrong is said once, by the command. Without PREFECT_API_URL
    the run brings its own server, with its books below the home, not in the user's.
    """
    defaults = {
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_CLI_PROMPT": "false",
        "DO_NOT_TRACK": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    if "PREFECT_API_URL" not in os.environ:
        _stop_orphan(home)


def remember_own_server(home: Path) -> None:
    """Note the process id of the server that this run started, so that the next can stop it if this one is killed."""
    from prefect.server.api.server import SubprocessASGIServer

    for server in SubprocessASGIServer._instances.values():  # noqa: SLF001 - Prefect offers no way to ask
        process = server.server_process
        if process is not None and process.poll() is None:
            (home / "prefect").mkdir(parents=True, exist_ok=True)
            (home / "prefect" / _SERVER_PID).write_text(str(process.pid))


def _stop_orphan(home: Path) -> None:
    """Stop the server of a run that was killed: its parent could not."""
    note = home / "prefect" / _SERVER_PID
    try:
        pid = int(note.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        parent = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]
    except (OSError, ValueError, IndexError):
        return
    if b"prefect.server.api.server" in command and parent == "1":
        os.kill(pid, signal.SIGTERM)
        note.unlink(missing_ok=True)
