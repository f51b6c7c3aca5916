"""The files in `deploy/` name commands, files and queues that are there."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flows.cli import commands
from flows.server.bootstrap import POOL

PROJECT = Path(__file__).parents[2]
UNITS = sorted((PROJECT / "deploy" / "systemd").glob("*.service"))
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
