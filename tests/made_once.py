"""What takes long to make and is only looked at: made once for all processes that share the tests of a run."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The home that `make` makes at a path that is not there yet; not to be changed. Who comes while it is made waits."""
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    home, done = shared / name / "home", shared / f"{name}.done"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(home.parent, ignore_errors=True)  # what one left that failed
            home.parent.mkdir()
            make(home)
            done.touch()
    return home
