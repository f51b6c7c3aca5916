"""The files in `deploy/` name commands, files and queues that are there."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from flows.cli import commands
from flows.server.bootstrap import POOL
from flows.server.serve import at_rest
from flows.settings import Settings

PROJECT = Path(__file__).parents[2]
UNITS = sorted((PROJECT / "deploy" / "systemd").glob("*.service"))
COMPOSED = yaml.safe_load((PROJECT / "deploy" / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSED["services"]
CONTAINERFILE = (PROJECT / "deploy" / "Containerfile").read_text(encoding="utf-8")


def unit(file: Path) -> configparser.RawConfigParser:
    """A unit's sections; of a key that comes several times, the last."""
    parser = configparser.RawConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(file, encoding="utf-8")
    return parser


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.name)
def test_a_unit_starts_a_command_that_is_there(file: Path) -> None:
    program, *arguments = unit(file)["Service"]["ExecStart"].split()

    if program.endswith("/valuemart"):
        assert arguments[0] in set(commands.app)
    else:
        assert program.endswith("/prefect")
        assert arguments[:2] in (["server", "start"], ["worker", "start"])
        assert "--pool" not in arguments or arguments[arguments.index("--pool") + 1] == POOL


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.name)
def test_what_a_unit_writes_is_its_users_alone(file: Path) -> None:
    assert unit(file)["Service"]["UMask"] == "0077"


@pytest.mark.parametrize("file", UNITS, ids=lambda file: file.name)
def test_systemd_finds_nothing_wrong_with_a_unit_but_that_it_is_not_installed(file: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    done = subprocess.run(["systemd-analyze", "verify", file], capture_output=True, text=True, check=False)

    said = (done.stdout + done.stderr).splitlines()
    assert [line for line in said if "is not executable: No such file" not in line] == []


def test_the_image_copies_files_that_are_there_and_starts_a_command_that_is_there() -> None:
    copied = [
        name for line in re.findall(r"^COPY (.*)$", CONTAINERFILE, re.MULTILINE) for name in line.split()[:-1]
    ]
    assert copied
    assert [name for name in copied if not (PROJECT / name).exists()] == []
    assert '\nENTRYPOINT ["valuemart"]\n' in CONTAINERFILE
    (command,) = re.findall(r'^CMD \["(\w+)"', CONTAINERFILE, re.MULTILINE)
    assert command in set(commands.app)


def test_the_composition_has_every_part_and_starts_commands_that_are_there() -> None:
    assert set(SERVICES) == {"books", "server", "setup", "worker", "relay", "watcher"}
    for name, service in SERVICES.items():
        if name == "books":
            continue
        assert service["image"] == "valuemart"
        if program := service.get("entrypoint"):
            assert program[:3] in (["prefect", "server", "start"], ["prefect", "worker", "start"])
            assert "--pool" not in program or program[program.index("--pool") + 1] == POOL
        else:  # the image's own entry point
            assert service["command"][0] in set(commands.app)
    assert SERVICES["server"]["build"] == {"context": "..", "dockerfile": "deploy/Containerfile"}


def test_the_composition_is_reached_from_its_own_machine_alone_and_takes_nothing_of_it() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in COMPOSED["volumes"]
        assert not service.get("privileged")
        assert "network_mode" not in service


def test_the_composition_holds_no_secret_and_does_not_start_without_one() -> None:
    secrets = [
        str(value)
        for service in SERVICES.values()
        for name, value in service.get("environment", {}).items()
        if re.search("PASSWORD|AUTH_STRING|CONNECTION_URL", name)
    ]
    assert secrets
    assert all(re.search(r"\$\{[A-Z_]+:\?[^}]+\}", value) for value in secrets)


def test_every_part_waits_for_what_it_needs() -> None:
    waits = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    assert waits == {
        "books": {},
        "server": {"books": "service_healthy"},
        "setup": {"server": "service_healthy"},
        **{each: {"setup": "service_completed_successfully"} for each in ("worker", "relay", "watcher")},
    }
    assert {"books", "server"} == {name for name, service in SERVICES.items() if "healthcheck" in service}


def test_a_server_of_its_own_is_told_what_serve_tells_its_own() -> None:
    told = at_rest("http://127.0.0.1:4200", Settings.model_fields["keep_runs_days"].default)
    of_the_unit = re.findall(
        r"^Environment=(\w+)=(.*)$",
        (PROJECT / "deploy" / "systemd" / "valuemart-server.service").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    assert told.items() <= dict(of_the_unit).items()
    assert told.items() <= SERVICES["server"]["environment"].items()


def test_docker_finds_nothing_wrong_with_the_composition() -> None:
    if shutil.which("docker") is None:
        pytest.skip("docker is not here")
    done = subprocess.run(
        ["docker", "compose", "--file", str(PROJECT / "deploy" / "compose.yaml"), "config", "--quiet"],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "POSTGRES_PASSWORD": "a", "PREFECT_AUTH": "a:b"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "is not a docker command" in done.stderr or "unknown flag" in done.stderr:
        pytest.skip("docker compose is not here")
    assert (done.returncode, done.stderr) == (0, "")
