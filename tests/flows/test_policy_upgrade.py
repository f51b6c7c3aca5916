"""A home whose policy is of an earlier schema version: it rates on, and every rating leads to the text that ruled it."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import duckdb
import pytest

from expectations.gate import Gate
from flows.cli import main
from flows.settings import Settings
from tests.flows.small_company import (
    customer,
    land,
    line,
    mart,
    refresh,
    settings_of,
)
from transforms.policy.model import parse_policy

pytestmark = pytest.mark.slow

OF_1 = Path(__file__).parents[1] / "unit" / "transforms" / "policies_of_1" / "default.toml"
LAST_DAY, NEXT_DAY = date(2025, 5, 31), date(2025, 6, 30)


def days(months: int) -> list[date]:
    return [date(2024 + month // 12, month % 12 + 1, 10) for month in range(months)]


def sold(months: int) -> list[dict[str, object]]:
    return [
        dict(line(f"{who}-{day}", who, day, 100 * number))
        for number, who in enumerate(("C1", "C2"), start=1)
        for day in days(months)
    ]


@pytest.fixture
def old(gate: Gate, tmp_path: Path) -> Settings:
    """A company rated under a policy of version 1 for two months."""
    file = Path(shutil.copy(OF_1, tmp_path / "policy.toml"))
    settings = settings_of(tmp_path / "home", policy=file)
    land(
        settings,
        {"customers": [customer("C1"), customer("C2")], "invoice_lines": sold(17)},
        taken=LAST_DAY,
        sequence=1,
    )
    refresh(settings, gate, date(2025, 4, 30))
    refresh(settings, gate, LAST_DAY)
    return settings


def ruling(settings: Settings) -> list[tuple[object, ...]]:
    """The policy, cause and revision of the latest rating of C2 in each period."""
    with duckdb.connect(str(settings.mart_file), read_only=True) as published:
        return published.execute(
            """SELECT period, policy_hash, cause, revision FROM customer_value_history WHERE customer_id = 'C2'
               QUALIFY revision = max(revision) OVER (PARTITION BY customer_id, period) ORDER BY period"""
        ).fetchall()


def test_a_refresh_takes_an_older_policy_and_says_how_to_write_it_anew(
    old: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VALUEMART_HOME", str(old.home))
    monkeypatch.setenv("VALUEMART_POLICY", str(old.policy))

    assert main.run(["policy", "check", str(old.policy)]) == 0
    told = capsys.readouterr().err
    assert "is written in schema_version 1" in told
    assert f"`valuemart policy upgrade {old.policy}` writes it anew" in told

    assert main.run(["policy", "upgrade", str(old.policy)]) == 0
    assert main.run(["policy", "check", str(old.policy)]) == 0
    assert "is written in schema_version" not in capsys.readouterr().err


def test_an_upgraded_policy_rates_the_current_period_anew_and_finds_the_same(
    gate: Gate, old: Settings
) -> None:
    before, text = mart(old.home)["customer_value"], OF_1.read_text("utf-8")
    assert main.run(["policy", "upgrade", str(old.policy)]) == 0
    assert old.policy
    new = parse_policy(old.policy.read_text("utf-8")).content_hash

    rating = refresh(old, gate, LAST_DAY)
    assert rating is not None
    assert rating.periods == [date(2025, 5, 1)]
    assert ruling(old) == [
        (date(2025, 4, 1), parse_policy(text).content_hash, "baseline", 1),
        (date(2025, 5, 1), new, "policy_change", 2),
    ]
    assert len(mart(old.home)["customer_value"]) == len(before)
    assert rating.events == 0
    assert rating.moves == []


def test_late_facts_are_rated_under_the_stored_text_of_an_earlier_version(gate: Gate, old: Settings) -> None:
    assert main.run(["policy", "upgrade", str(old.policy)]) == 0
    refresh(old, gate, LAST_DAY)
    land(old, {"invoice_lines": [line("late", "C2", date(2025, 4, 20), 900)]}, taken=NEXT_DAY, sequence=2)

    rating = refresh(old, gate, NEXT_DAY)
    assert rating is not None
    assert rating.periods == [date(2025, 4, 1), date(2025, 5, 1), date(2025, 6, 1)]
    april = ruling(old)[0]
    assert april[1:3] == (parse_policy(OF_1.read_text("utf-8")).content_hash, "correction")


def test_a_policy_with_faults_is_not_written_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faulty = tmp_path / "policy.toml"
    faulty.write_text("[memory]\nup_after = 2\n")
    assert main.run(["policy", "upgrade", str(faulty)]) == 2
    assert faulty.read_text() == "[memory]\nup_after = 2\n"
    assert "is missing" in capsys.readouterr().err
