"""What takes minutes: the whole sample company on each kind of lake, and nights of a small one that are killed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from expectations.gate import Gate
from flows.demo import hanse_erp
from flows.demo.world import build_world
from flows.pipeline import stages
from flows.pipeline.load import warehouse_held_open
from flows.pipeline.reload import reload
from flows.settings import Settings
from tests.faults.test_killed_refresh import days, events, run, started
from tests.faults.test_killed_refresh import mart as mart_of_nights
from tests.flows.small_company import assert_same, mart
from tests.lake.catalogs import KINDS, own_catalog
from tests.sample_company import (
    BASELINE,
    CUSTOMERS,
    DEFAULT_POLICY,
    LAST_DAY,
    LAST_MONTH,
    MONTHS,
    SampleCompany,
    land_history,
    update,
)

KILLS_A_NIGHT = 2

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with own_catalog(request.param, tmp_path) as url:
        yield url


def test_the_whole_sample_company_has_the_same_mart_and_events_on_a_lake_and_after_its_reload(
    sample_company: SampleCompany, url: str, gate: Gate, tmp_path: Path
) -> None:
    settings = Settings.model_validate(
        {"home": tmp_path / "home", "policy": DEFAULT_POLICY, "warehouse": url}
    )
    world = build_world(customers=CUSTOMERS, months=MONTHS, last_month=LAST_MONTH)
    land_history(world, settings.inbox)
    with warehouse_held_open(settings, stages.now()):
        stages.load_stage(settings, gate)
        update(settings, BASELINE)
        update(settings, LAST_DAY)
    expected = mart(sample_company.settings.home)
    assert_same(expected, mart(settings.home))
    ids = [
        sorted(each["id"] for each in company.told())
        for company in (sample_company, SampleCompany(world, settings))
    ]
    assert ids[0] == ids[1]

    now = datetime.now(UTC).replace(tzinfo=None)
    report = reload(settings, gate, hanse_erp.NAME, None, keep_missing=False, dry_run=False, recorded_at=now)
    with warehouse_held_open(settings, stages.now()):
        update(settings, LAST_DAY)

    assert report.batches == 1
    assert_same(expected, mart(settings.home))


def test_a_company_whose_nights_on_a_lake_are_killed_has_the_same_mart_and_events(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_file, on_a_lake = tmp_path / "file" / "home", tmp_path / "lake" / "home"
    for home in (in_a_file, on_a_lake):
        home.parent.mkdir()
    monkeypatch.delenv("VALUEMART_WAREHOUSE", raising=False)
    run(in_a_file, *days())
    monkeypatch.setenv("VALUEMART_WAREHOUSE", url)
    chance = random.Random(20250602)
    seconds, killed = 30.0, 0
    for day in days():
        for _ in range(KILLS_A_NIGHT):
            with started(on_a_lake, day) as process:
                time.sleep(chance.uniform(0, seconds))
                process.kill()
                process.join()
                killed += process.exitcode != 0
        seconds = run(on_a_lake, day)
    assert killed >= len(days()), "the runs ended before they were killed; nothing was tried"
    assert not (on_a_lake / "warehouse.duckdb").exists(), "the nights passed in a file"
    assert mart_of_nights(on_a_lake) == mart_of_nights(in_a_file)
    assert events(on_a_lake) == events(in_a_file)
