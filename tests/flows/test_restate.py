"""Closed periods keep what was said of them: what rates them anew, for whom, and who hears of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.gate import Gate
from flows.cli import main
from flows.pipeline import rate, stages
from flows.settings import Settings
from tests.flows.small_company import customer, item, land, line, refresh, settings_of
from transforms.rating import period
from transforms.rating.rules_version import FIRST, RULES_VERSION

pytestmark = pytest.mark.slow

MARCH, APRIL, MAY = date(2025, 3, 1), date(2025, 4, 1), date(2025, 5, 1)
ENDS = (date(2025, 3, 31), date(2025, 4, 30), date(2025, 5, 31))
LATER = date(2025, 6, 10)
# A and B share a territory, C and D a group; E stands alone.
MASTERS = [
    customer("A", territory_id="north"),
    customer("B", territory_id="north"),
    customer("C", group_id="G", territory_id="south"),
    customer("D", group_id="G"),
    customer("E"),
]
NEW = RULES_VERSION + 1
EVERYBODY = {"A", "B", "C", "D", "E"}


def sold() -> Iterable[dict[str, object]]:
    for month in range(17):
        day = date(2024 + month // 12, month % 12 + 1, 10)
        for number, who in enumerate(sorted(EVERYBODY), start=1):
            yield dict(line(f"{who}-{day}", who, day, 100 * number))


@pytest.fixture(scope="module")
def rated_home(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five customers, rated for March, April and May."""
    settings = settings_of(tmp_path_factory.mktemp("rated") / "home")
    land(settings, {"customers": MASTERS, "invoice_lines": list(sold())}, taken=ENDS[-1], sequence=1)
    for day in ENDS:
        refresh(settings, gate, day)
    return settings.home


@pytest.fixture
def home(rated_home: Path, tmp_path: Path) -> Settings:
    return settings_of(shutil.copytree(rated_home, tmp_path / "home", symlinks=True))


def rows(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(settings.mart_file), read_only=True) as mart:
        return mart.execute(sql).fetchall()


def revised(settings: Settings, month: date) -> set[str]:
    """Who has a second rating of the period, or a later one."""
    return {
        who
        for (who,) in rows(
            settings,
            f"SELECT customer_id FROM customer_value_history WHERE period = DATE '{month}' AND revision > 1",
        )
    }


def told(settings: Settings) -> list[str]:
    """The types of all events, in order."""
    return [
        json.loads(text)["type"]
        for file in sorted(settings.events_folder.glob("*.jsonl"))
        for text in file.read_text(encoding="utf-8").splitlines()
    ]


@pytest.fixture
def other_rules(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release later, when the home is there: the version of the rules is raised, so every row is another one."""
    for module in (rate, period):
        monkeypatch.setattr(module, "RULES_VERSION", NEW)


@pytest.mark.usefixtures("other_rules")
def test_the_first_run_under_new_rules_rates_the_latest_period_anew_and_no_closed_one(
    gate: Gate, home: Settings
) -> None:
    assert not stages.is_current(home, ENDS[-1])
    rating = refresh(home, gate, ENDS[-1])
    assert rating is not None
    assert rating.periods == [MAY]
    assert revised(home, MAY) == EVERYBODY
    assert revised(home, MARCH) == revised(home, APRIL) == set()
    assert rows(
        home,
        "SELECT DISTINCT cause, cause_reason, rules_version FROM customer_value_history WHERE revision > 1",
    ) == [("policy_change", "rules", NEW)]
    assert refresh(home, gate, ENDS[-1]) is None


def test_a_home_that_does_not_say_by_which_rules_it_was_rated_is_of_the_first_version(
    gate: Gate, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (rate, period):
        monkeypatch.setattr(module, "RULES_VERSION", FIRST)
    with duckdb.connect(str(home.warehouse_file)) as warehouse:
        warehouse.execute("UPDATE rated.customer_value_history SET rules_version = NULL")
        warehouse.execute("UPDATE ops.generation SET rules_version = NULL")
    assert refresh(home, gate, ENDS[-1]) is None
    later = refresh(home, gate, LATER)
    assert later is not None
    assert later.new_rows == 0


@pytest.mark.parametrize(
    ("late", "affected"),
    [
        ({"invoice_lines": [line("late", "E", date(2025, 4, 20), 5000)]}, {"E"}),
        ({"invoice_lines": [line("late", "A", date(2025, 4, 20), 5000)]}, {"A", "B"}),
        ({"invoice_lines": [line("late", "D", date(2025, 4, 20), 5000)]}, {"C", "D"}),
        ({"receivables": [item("R", "E", date(2025, 4, 2), date(2025, 4, 20), 9000)]}, {"E"}),
    ],
    ids=["alone", "territory", "group", "another_table"],
)
@pytest.mark.usefixtures("other_rules")
def test_late_facts_revise_a_closed_period_only_for_those_they_are_about_their_group_and_territory(
    gate: Gate, home: Settings, late: dict[str, Any], affected: set[str]
) -> None:
    """Under new rules every row would differ: whose rows are written is a matter of whose facts changed."""
    land(home, late, taken=LATER, sequence=2)
    rating = refresh(home, gate, LATER)
    assert rating is not None
    assert rating.periods == [APRIL, MAY]
    assert revised(home, MARCH) == set()
    assert revised(home, APRIL) == affected
    assert revised(home, MAY) == EVERYBODY  # the period that the run is about


@pytest.mark.usefixtures("other_rules")
def test_restating_rates_closed_periods_anew_and_tells_nothing_but_what_differs_at_the_end(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = told(home)
    monkeypatch.setenv("VALUEMART_HOME", str(home.home))
    monkeypatch.setenv("VALUEMART_POLICY", str(home.policy))
    rating = stages.rate_stage(home, ENDS[-1], restate_from=APRIL)
    stages.publish_stage(home)
    stages.relay_stage(home)
    assert rating is not None
    assert rating.periods == [APRIL, MAY]
    assert revised(home, MARCH) == set()
    assert revised(home, APRIL) == EVERYBODY
    assert set(
        rows(
            home,
            "SELECT period, cause, cause_reason, rules_version FROM customer_value_history WHERE revision > 1",
        )
    ) == {(APRIL, "correction", "restated", NEW), (MAY, "correction", "restated", NEW)}
    assert told(home) == before
    again = stages.rate_stage(home, ENDS[-1], restate_from=APRIL)
    assert again is not None
    assert again.new_rows == 0


def test_a_tier_that_a_restatement_changes_is_told_once_at_the_end_and_no_correction(home: Settings) -> None:
    """The stored ratings said more of A than is so; the last one is what the business sees."""
    with duckdb.connect(str(home.warehouse_file)) as warehouse:
        warehouse.execute(
            """UPDATE rated.customer_value_history SET effective_tier = 'strategic', effective_rank = 6,
                   segment = 'core' WHERE customer_id = 'A'"""
        )
        warehouse.execute(
            "UPDATE ops.emitted_state SET emitted = 'strategic' WHERE customer_id = 'A' AND kind = 'tier'"
        )
    rating = stages.rate_stage(home, ENDS[-1], restate_from=MARCH)
    assert rating is not None
    assert rating.periods == [MARCH, APRIL, MAY]
    with duckdb.connect(str(home.warehouse_file), read_only=True) as warehouse:
        emitted = warehouse.execute("SELECT customer_id, type FROM ops.outbox").fetchall()
    assert [(who, kind.rpartition("customer.")[2]) for who, kind in emitted] == [
        ("A", "tier.changed.v2"),
        ("A", "tier.changed.v1"),
    ]


def test_what_was_never_rated_cannot_be_restated(
    home: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VALUEMART_HOME", str(home.home))
    monkeypatch.setenv("VALUEMART_POLICY", str(home.policy))
    assert main.run(["restate", "--from", "2025-07"]) == 2
    assert "no month from 2025-07 on is rated" in capsys.readouterr().err
