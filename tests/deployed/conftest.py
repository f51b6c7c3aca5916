from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deployed.plant import Plant, Receiver, clone, company, plant, receiver


@pytest.fixture(scope="session")
def people() -> Iterator[Receiver]:
    """Where messages to people arrive."""
    with receiver() as there:
        yield there


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory, people: Receiver) -> Iterator[Plant]:
    """One installation for all tests of the deployments: to start it takes half a minute."""
    folder = tmp_path_factory.mktemp("plant")
    settings = company(folder / "home")
    with plant(
        settings, clone(folder / "project", quiet_seconds=10), VALUEMART_NOTIFY_URL=people.url
    ) as there:
        yield there
