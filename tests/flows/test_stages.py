"""A stage is behind if what lies before it went on, and not once it was brought up; a refresh folds over the stages."""

from __future__ import annotations

import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from expectations.gate import Gate
from flows.pipeline import rate, stages
from flows.pipeline.stages import STAGES, Position, RefreshResult, Run
from flows.settings import Settings
from tests.flows.small_company import customer, land, line, settings_of
from warehouse.connection import open_database

DAY = date(2025, 6, 30)


def update(settings: Settings, day: date) -> RefreshResult:
    run = Run(settings, Gate(), RefreshResult(day))
    for stage in STAGES:
        stage.update(run)
    return run.result


def behind(settings: Settings, day: date) -> set[str]:
    with open_database(settings.warehouse_file, read_only=True) as connection:
        position = Position(settings, connection, day, rate.read_policy(settings.policy_file))
        return {stage.name for stage in STAGES if stage.is_behind(position)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = settings_of(tmp_path_factory.mktemp("stages") / "home")
    sold = line("I1", "C1", date(2025, 6, 3), 100)
    land(settings, {"customers": [customer("C1")], "invoice_lines": [sold]}, taken=DAY, sequence=1)
    update(settings, DAY)
    return settings.home


@pytest.fixture
def settings(home: Path, tmp_path: Path) -> Settings:
    return settings_of(shutil.copytree(home, tmp_path / "home", symlinks=True))


def test_no_stage_is_behind_once_all_were_brought_up(settings: Settings) -> None:
    assert behind(settings, DAY) == set()
    assert stages.is_current(settings, DAY)


def test_what_has_landed_leaves_the_load_behind(settings: Settings) -> None:
    land(settings, {"customers": [customer("C2")]}, taken=DAY + timedelta(days=1), sequence=2)
    assert behind(settings, DAY) == {"load"}


def test_another_day_leaves_the_rating_behind(settings: Settings) -> None:
    assert behind(settings, DAY + timedelta(days=1)) == {"rate"}


def test_another_policy_leaves_the_rating_behind(settings: Settings) -> None:
    other = settings.home / "other.toml"
    other.write_text(
        re.sub(r"(?m)^grace_days = \d+", "grace_days = 15", settings.policy_file.read_text(encoding="utf-8")),
        encoding="utf-8",
    )
    assert behind(settings.model_copy(update={"policy": other}), DAY) == {"rate"}


def test_a_mart_that_is_gone_leaves_publishing_and_the_report_behind(settings: Settings) -> None:
    settings.mart_file.unlink()
    assert behind(settings, DAY) == {"publish", "report"}


def test_a_report_that_is_gone_leaves_the_report_behind(settings: Settings) -> None:
    settings.report_file.unlink()
    assert behind(settings, DAY) == {"report"}


@pytest.mark.parametrize("lost", ["mart", "report", "batch"])
def test_bringing_all_stages_up_again_makes_up_for_whatever_was_behind(settings: Settings, lost: str) -> None:
    if lost == "batch":
        land(settings, {"customers": [customer("C2")]}, taken=DAY + timedelta(days=1), sequence=2)
    else:
        (settings.mart_file if lost == "mart" else settings.report_file).unlink()
    update(settings, DAY)
    assert stages.is_current(settings, DAY)
