"""What every test shares: no setting, variable or home of the person who runs them leaks in."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings as hypothesis_settings

from tests.made_once import made_once
from tests.real_data import real_folder

if TYPE_CHECKING:
    from expectations.gate import Gate
    from tests.sample_company import SampleCompany

# Derandomised, so that a red build is red again when it is looked at; no deadline on machines that share their cores.
hypothesis_settings.register_profile("valuemart", deadline=None, derandomize=True, print_blob=True)
hypothesis_settings.load_profile("valuemart")

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
}


def pytest_configure() -> None:
    """Prefect keeps its database in its home and reads it at import; the tests get one of their own before that."""
    folder = tempfile.mkdtemp(prefix="valuemart-prefect-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ.update(QUIET, PREFECT_HOME=folder)
    os.environ.pop("PREFECT_API_URL", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that what is begun last, when the other workers run dry, is short.

    `make test` keeps to it; xdist of itself begins with the files that have most tests, and ends with a few long ones.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module")
def collected_as_rated() -> Iterator[None]:
    """Frames that a test rates by itself are collected as a rating collects them, in memory: polars' own choice, its streaming engine,
    takes longer to set up than a small frame takes."""
    from polars import Config

    with Config() as config:
        config.set_engine_affinity("in-memory")
        yield


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """One Prefect server for all tests that run a flow in this process; its start takes ten seconds."""
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=90):
        yield


@pytest.fixture(scope="session", autouse=True)
def _nothing_waits_for_the_disk() -> Iterator[None]:
    """Who kills a process loses nothing that it has written; a power cut would, and no test makes one. A wait takes milliseconds, and
    publishing has forty."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.fsync", lambda descriptor: None)
        yield


@pytest.fixture(autouse=True)
def _nothing_leaks_through_variables() -> Iterator[None]:
    """No setting of the person who runs the tests gets in, and none that a command sets in its process gets out."""
    before, umask = dict(os.environ), os.umask(0o022)
    os.umask(umask)
    for name in before:
        if name.startswith("VALUEMART_") and name != "VALUEMART_REQUIRE_SERVICES":
            del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)
    os.umask(umask)  # whoever reads the settings writes for its owner alone from then on


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh home that the settings point to, in a working folder without a settings file."""
    folder = tmp_path / "home"
    monkeypatch.setenv("VALUEMART_HOME", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real sets, which lie outside the project; skips where they are absent, unless required."""
    return real_folder()


@pytest.fixture(scope="session")
def loaded_online_retail(real_data: Path, gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a wholesaler's half million lines loaded and nothing rated, for all to copy and none to change."""
    from tests.bench.real_sets import loaded

    return made_once(tmp_path_factory, "online_retail", lambda folder: loaded("online_retail", folder, gate))


@pytest.fixture(scope="session")
def gate() -> Gate:
    """One judge for all loads; importing it takes seconds."""
    from expectations.gate import Gate

    return Gate()


@pytest.fixture(scope="session")
def sample_company(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> SampleCompany:
    """The sample company, rated and published once for all tests that only look at it; who changes it takes a copy."""
    from tests.sample_company import found_company, founded_at

    home = made_once(tmp_path_factory, "sample", lambda folder: found_company(folder, gate))
    return founded_at(home)
