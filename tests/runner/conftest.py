"""An inbox of several months, and what it comes to where this process alone stages it."""

from __future__ import annotations

from pathlib import Path

import pytest

from expectations.gate import Gate
from flows.settings import Settings
from tests.runner.companies import land, loaded


@pytest.fixture(scope="package")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return land(tmp_path_factory.mktemp("landed") / "inbox")


@pytest.fixture(scope="package")
def alone(inbox: Path, gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return loaded(tmp_path_factory.mktemp("alone") / "home", inbox, gate)
