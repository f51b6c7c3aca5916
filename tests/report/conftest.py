"""One small company's report for all tests here, and one browser to look at it with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from flows.settings import Settings
from tests.flows.small_company import settings_of
from tests.made_once import made_once
from tests.report.reported_company import publish

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Headless, and alone: nothing it does by itself may look like a request of the page.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a home with a report; not to be changed."""
    return settings_of(made_once(tmp_path_factory, "reported", publish))


@pytest.fixture(scope="module")  # its driver's event loop must be over when the next module begins
def browser() -> Iterator[Browser]:
    """Debian's Chromium. Skips where there is none, and fails where services must be there."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        missing = "there is no chromium here (Debian: apt-get install chromium)"
        if os.environ.get("VALUEMART_REQUIRE_SERVICES") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield launched
        launched.close()
