from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from flows.console.progress import reached
from flows.observe import artifacts
from tests.flows.small_company import settings_of

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


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is left on the server, by its key: a link, or a text."""
    left: dict[str, str] = {}
    monkeypatch.setattr(artifacts, "create_link_artifact", lambda key, link, **_: left.update({key: link}))
    monkeypatch.setattr(
        artifacts, "create_markdown_artifact", lambda key, markdown, **_: left.update({key: markdown})
    )
    return left


@pytest.mark.parametrize("address", ["https://bi.example/value", "https://bi.example/value/"])
def test_a_run_links_to_what_a_browser_opens(tmp_path: Path, made: dict[str, str], address: str) -> None:
    settings = settings_of(tmp_path / "home", publish_url=address)
    settings.report_folder.mkdir(parents=True)
    settings.report_file.touch()
    artifacts.publish_artifacts(settings, [])
    assert made == {"report": "https://bi.example/value/report/index.html"}


def test_a_run_names_the_paths_where_no_web_server_shows_them(tmp_path: Path, made: dict[str, str]) -> None:
    settings = settings_of(tmp_path / "home")
    artifacts.publish_artifacts(settings, [])
    assert made == {}
    settings.home.mkdir()
    settings.mart_file.touch()
    artifacts.publish_artifacts(settings, [])
    assert set(made) == {"published"}
    assert f"`{settings.mart_file}`" in made["published"]
    assert "file:" not in made["published"]


def test_an_address_that_no_browser_opens_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no address that a browser opens"):
        settings_of(tmp_path / "home", publish_url="/srv/valuemart")
