"""On whose Prefect server a command's flow runs: the configured one, that of the home's `serve`, or one of its own."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from flows.cli import run_flow
from flows.errors import ServerError
from flows.server import run_server
from flows.server.run_server import LOCAL, OwnServer

OWN = OwnServer("http://127.0.0.1:1/api", Path("server.log"))
Variables = dict[str, str]


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> Variables:
    """What the process has in its environment, without Prefect's; a server of its own would not be started in earnest."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    monkeypatch.setattr(os, "environ", found)
    monkeypatch.setattr(run_server, "_start_server", lambda _: OWN)
    return found


class Healthy(BaseHTTPRequestHandler):
    """Says that it is well."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: a test's output is the test's."""


@contextmanager
def serving(home: Path) -> Iterator[str]:
    """A home whose `serve` is at work, and its address, which a kill would leave behind."""
    with HTTPServer((LOCAL, 0), Healthy) as server:
        url = f"http://{LOCAL}:{server.server_port}/api"
        folder = home / run_server.FOLDER
        folder.mkdir(parents=True)
        (folder / run_server.URL_FILE).write_text(url)
        (folder / run_server.AUTH_FILE).write_text("valuemart:s3cret\n")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield url
        server.shutdown()
        thread.join()


def test_a_command_runs_on_the_server_of_the_home_s_serve(tmp_path: Path, variables: Variables) -> None:
    with serving(tmp_path) as url:
        assert run_server.prepare(tmp_path) is None
    assert (variables["PREFECT_API_URL"], variables["PREFECT_API_AUTH_STRING"]) == (url, "valuemart:s3cret")


def test_a_serve_that_was_killed_is_taken_for_none(tmp_path: Path, variables: Variables) -> None:
    with serving(tmp_path):
        pass
    assert run_server.prepare(tmp_path) == OWN
    assert variables["PREFECT_API_URL"] == OWN.url
    assert "PREFECT_API_AUTH_STRING" not in variables


@pytest.mark.parametrize("kept", ["", "no address", "http://127.0.0.1:99999/api"])
def test_an_address_that_is_none_is_taken_for_none(tmp_path: Path, variables: Variables, kept: str) -> None:
    folder = tmp_path / run_server.FOLDER
    folder.mkdir()
    for name in (run_server.URL_FILE, run_server.AUTH_FILE):
        (folder / name).write_text(kept)
    assert run_server.prepare(tmp_path) == OWN
    assert variables["PREFECT_API_URL"] == OWN.url


def test_a_configured_server_goes_before_that_of_serve(tmp_path: Path, variables: Variables) -> None:
    variables["PREFECT_API_URL"] = "https://prefect.example/api"
    with serving(tmp_path):
        assert run_server.prepare(tmp_path) is None
    assert variables["PREFECT_API_URL"] == "https://prefect.example/api"
    assert "PREFECT_API_AUTH_STRING" not in variables


def own_server(folder: Path, logged: str) -> OwnServer:
    log = folder / "server.log"
    log.write_text(logged, encoding="utf-8")
    return OwnServer("http://127.0.0.1:1/api", log)


def answer(status: int) -> httpx.HTTPStatusError:
    request = httpx.Request("POST", "http://127.0.0.1:4200/api/flow_runs/")
    return httpx.HTTPStatusError("no", request=request, response=httpx.Response(status, request=request))


def test_books_that_a_server_of_ones_own_cannot_write_are_named_with_what_is_wrong(tmp_path: Path) -> None:
    logged = (
        "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) attempt to write a readonly database\n"
    )
    said = str(run_server.refusal(answer(500), own_server(tmp_path, logged)))
    assert f"could not keep the books of this run: {tmp_path}: attempt to write a readonly database (" in said
    said = str(run_server.refusal(httpx.ConnectError("refused"), own_server(tmp_path, "Killed\n")))
    assert f"could not keep the books of this run: {tmp_path / 'server.log'} says why; " in said


@pytest.mark.parametrize(
    ("logged", "told"),
    [
        (
            "sqlalchemy.exc.DatabaseError: (sqlite3.DatabaseError) file is not a database\n",
            "file is not a database (",
        ),
        (
            "alembic.util.exc.CommandError: Can't locate revision identified by 'f0'\n\n",
            "Can't locate revision identified by 'f0' (",
        ),
    ],
)
def test_books_that_are_alien_or_of_a_newer_prefect_are_named_and_may_be_moved_away(
    tmp_path: Path, logged: str, told: str
) -> None:
    with pytest.raises(ServerError) as raised:
        own_server(tmp_path, logged).wait()
    assert f"did not start: {tmp_path}: {told}" in str(raised.value)
    assert "may be moved away" in str(raised.value)


def test_a_full_disk_is_told_where_a_server_of_ones_own_has_no_room_to_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_server, "_ROOM_BYTES", 1 << 62)
    said = str(run_server.refusal(answer(500), own_server(tmp_path, "")))
    assert f"the disk with {tmp_path} is full; " in said


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (answer(401), "127.0.0.1:4200 does not let us in: set PREFECT_API_AUTH_STRING"),
        (answer(500), "the Prefect server refused: no"),
        (httpx.ConnectError("refused"), "the Prefect server does not answer: refused"),
    ],
)
def test_what_a_configured_server_says_to_a_run_is_one_sentence(error: httpx.HTTPError, told: str) -> None:
    with pytest.raises(ServerError, match=re.escape(told)), run_flow._told_of(None):
        raise error


def test_a_configured_server_that_is_not_there_is_one_sentence_and_a_fault_of_our_own_is_none() -> None:
    with pytest.raises(ServerError, match="does not answer: refused"), run_flow._told_of(None):
        raise RuntimeError("Failed to reach API") from httpx.ConnectError("refused")
    with pytest.raises(RuntimeError, match="of our own"), run_flow._told_of(None):
        raise RuntimeError("of our own")
