from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deployed.plant import Plant, Receiver, clone, company, plant, receiver


@pytest.fixture(scope="module")
def people() -> Iterator[Receiver]:
    """Where messages to people arrive."""
    with receiver() as there:
        yield there


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, people: Receiver
) -> Iterator[Plant]:
    """One installation for all tests of a module: to start it takes half a minute."""
    folder = tmp_path_factory.mktemp("plant")
    settings = company(folder / "home")
    on_schedule = getattr(request.module, "ON_SCHEDULE", False)
    project = clone(folder / "project", on_schedule=on_schedule)
    with plant(settings, project, people) as there:
        yield there
