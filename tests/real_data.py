"""Where the real data sets lie, which are not of this project: VALUEMART_REAL_DATA, or a folder beside the clone.

`make check-real` sets VALUEMART_REQUIRE_REAL: what needs the sets then fails where they are absent, and does not skip.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Read when the tests are collected: no setting of the person who runs them is seen by a test.
REAL_DATA = Path(
    os.environ.get("VALUEMART_REAL_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
).absolute()
IS_REQUIRED = os.environ.get("VALUEMART_REQUIRE_REAL") == "1"


def absent() -> str:
    """Which folder is missing, and how another is named."""
    return f"the real data sets are not here: {REAL_DATA} (VALUEMART_REAL_DATA names another folder)"


def real_folder() -> Path:
    """The folder with the real sets; where it is absent, the test that asks skips, or fails if they are required."""
    if not REAL_DATA.is_dir():
        (pytest.fail if IS_REQUIRED else pytest.skip)(absent())
    return REAL_DATA
