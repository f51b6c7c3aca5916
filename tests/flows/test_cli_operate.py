from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.cli import main
from flows.server import run_server, serve
from flows.server.supervised import is_running
from flows.settings import environment, load


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bootstrap"], "set PREFECT_API_URL to the Prefect server that is to be set up"),
        (["watch"], "set PREFECT_API_URL to the Prefect server that is to be asked for refreshes"),
        (["backup"], "nothing was loaded yet"),
        (["restore", "."], "is no backup"),
        (["restore"], "FOLDER"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main.run(arguments) == 2

    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not home.exists()


def test_a_home_that_is_served_is_not_served_twice(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / run_server.FOLDER).mkdir(parents=True)
    with serve._alone(home / run_server.FOLDER), socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        other.close()
        assert main.run(["serve", "--port", str(port)]) == 2
    error = capsys.readouterr().err
    assert f"{home} is served already; stop that `valuemart serve` first" in error
    assert error.count("\n") == 1


def test_a_port_that_is_taken_is_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main.run(["serve", "--port", str(port)]) == 2

    assert f"127.0.0.1:{port} cannot be served" in capsys.readouterr().err
    assert not home.exists()


def test_a_server_that_does_not_answer_is_a_fault_of_the_surroundings(home: Path) -> None:
    # In a process of its own: this one's Prefect has read its settings already.
    done = subprocess.run(
        [sys.executable, "-c", "from flows.cli.main import main; main()", "bootstrap"],
        env={**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api", "PREFECT_CLIENT_MAX_RETRIES": "0"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith("valuemart: error: the Prefect server does not answer")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_the_watcher_ends_when_it_is_told_to(home: Path, told: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from flows.cli.main import main; main()", "watch"],
        env={**os.environ, "PREFECT_API_URL": "http://127.0.0.1:9/api"}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline().startswith("watching ")
    process.send_signal(told)

    assert process.stderr.read() == "stopped\n"
    process.stderr.close()
    assert process.wait(timeout=30) == 0


def test_the_servers_password_is_made_once_and_only_its_owner_can_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = serve.auth_string(tmp_path)

    file = tmp_path / "server" / "auth-string"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert serve.auth_string(tmp_path) == made
    user, _, password = made.partition(":")
    assert user == "valuemart"
    assert len(password) >= 32

    monkeypatch.setenv("PREFECT_SERVER_API_AUTH_STRING", "admin:own")
    assert serve.auth_string(tmp_path) == "admin:own"


def test_a_worker_finds_the_same_settings_wherever_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "rules.toml").touch()
    (tmp_path / "valuemart.toml").write_text(
        'home = "data"\nsources_path = ["ours"]\ncompany_currency = "CHF"\n'
    )
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VALUEMART_POLICY", "rules.toml")
    here = load()
    variables = environment(here)

    monkeypatch.chdir(tmp_path / "elsewhere")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    there = load()
    assert there.home == here.home == tmp_path / "data"
    assert there.sources_path == [tmp_path / "ours"]
    assert there.policy == tmp_path / "rules.toml"
    assert there.company_currency == "CHF"


CHILD = """
import json, os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(json.dumps([os.getpid(), child.pid]), flush=True)
time.sleep(600)
"""


def test_a_supervised_program_and_its_children_end_with_whoever_started_it(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(CHILD)
    process = subprocess.Popen(
        [sys.executable, "-P", Path(serve.__file__).with_name("supervised.py"), "busy"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    pids = json.loads(process.stdout.readline())

    process.stdin.close()  # what the operating system does to the pipe of a process that is killed

    assert process.wait(timeout=30) == -signal.SIGKILL
    process.stdout.close()
    give_up = time.monotonic() + 30
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < give_up, "the child outlived its parent"
        time.sleep(0.05)
