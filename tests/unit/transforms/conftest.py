"""What rates is tried here by itself."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def _collected_as_rated(collected_as_rated: None) -> None:
    """Of every test here."""
