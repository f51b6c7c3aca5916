from __future__ import annotations

import uuid

import pytest

from flows.console.progress import reached
from flows.observe import artifacts

BAR = uuid.UUID(int=1)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the progress bar on the server shows, one after the other."""
    percents: list[float] = []

    def create(percent: float, **_: object) -> uuid.UUID:
        percents.append(percent)
        return BAR

    def update(bar: uuid.UUID, percent: float) -> None:
        assert bar == BAR
        percents.append(percent)

    monkeypatch.setattr(artifacts, "create_progress_artifact", create)
    monkeypatch.setattr(artifacts, "update_progress_artifact", update)
    return percents


def test_a_long_load_moves_a_progress_bar_to_its_end(
    shown: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "PROGRESS_EACH_SECONDS", 0)
    with artifacts.progress():
        for batch in (1, 2, 3):
            reached(batch, 4)

    assert shown == [25.0, 50.0, 75.0, 100.0]


def test_a_short_load_shows_none(shown: list[float]) -> None:
    with artifacts.progress():
        reached(1, 2)
        reached(2, 2)

    assert shown == []
