"""`make install`: uv is told what pip is told, and pip stands in for it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def install() -> ModuleType:
    spec = importlib.util.spec_from_file_location("install", ROOT / "deploy" / "install.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_uv_is_told_the_indexes_certificates_and_time_outs_of_pip(install: ModuleType):
    says = r"""global.index-url='https://packages.example/simple'
global.extra-index-url='https://one.example/simple\nfile:///srv/simple'
global.timeout='30'
install.find-links='/srv/wheels'
global.require-virtualenv='true'
:env:.cert='/etc/ssl/own.pem'
"""
    assert install.uv_settings(says) == {
        "UV_DEFAULT_INDEX": "https://packages.example/simple",
        "UV_EXTRA_INDEX_URL": "https://one.example/simple file:///srv/simple",
        "UV_HTTP_TIMEOUT": "30",
        "UV_FIND_LINKS": "/srv/wheels",
        "SSL_CERT_FILE": "/etc/ssl/own.pem",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_a_variable_of_pips_wins_over_its_files(install: ModuleType):
    says = ":env:.index-url='https://mine.example'\nglobal.index-url='https://all.example'\ninstall.index-url='https://in.example'\n"
    assert install.uv_settings(says)["UV_DEFAULT_INDEX"] == "https://mine.example"


def test_pip_stands_in_where_uv_cannot_be_had(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    asked: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(tuple(command[len(install.PIP) :]))
        refused = str(install.UV_LOCK) in command
        return subprocess.CompletedProcess(
            command, int(refused), "", "ERROR: no matching distribution\n" if refused else ""
        )

    monkeypatch.setattr(subprocess, "run", run)
    lock = str(ROOT / "requirements-dev.lock")
    monkeypatch.setattr(sys, "argv", ["install.py", lock])
    assert install.main() == 0
    assert ("install", "-qq", "--require-hashes", "--no-deps", "-r", lock) in asked
    assert asked[-1] == ("check",)
    assert "uv cannot be had: ERROR: no matching distribution" in capsys.readouterr().err


def asked_for(install: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[tuple[str, ...]]:
    """The commands that it would run with these arguments."""
    asked: list[tuple[str, ...]] = []

    def run(command: tuple[str, ...], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(tuple(command))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "argv", ["install.py", *arguments])
    assert install.main() == 0
    return asked


def test_an_image_takes_the_lock_in_a_layer_of_its_own(install: ModuleType, monkeypatch: pytest.MonkeyPatch):
    lock = str(ROOT / "requirements.lock")
    asked = asked_for(install, monkeypatch, "--lock-only", lock)
    installed = [command for command in asked if "install" in command]
    assert [command[-1] for command in installed] == [str(install.UV_LOCK), lock]
    assert all("--require-hashes" in command for command in installed)
    assert not any("--compile-bytecode" in command for command in installed)


def test_what_is_installed_is_compiled_where_it_is_asked_for(
    install: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    lock = str(ROOT / "requirements.lock")
    asked = asked_for(install, monkeypatch, "--compile-bytecode", lock)
    by_uv = [command for command in asked if "uv" in command]
    assert [command[-1] for command in by_uv] == [lock, str(ROOT)]
    assert all("--compile-bytecode" in command for command in by_uv)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock", "requirements-install.lock"])
def test_every_locked_version_has_hashes_and_no_lock_names_a_registry(lock: str):
    text = (ROOT / lock).read_text()
    pinned = re.findall(r"^[a-z0-9][^\s=]*==.*$", text, re.MULTILINE)
    assert pinned
    assert all(line.endswith("\\") for line in pinned)
    assert "://" not in text
