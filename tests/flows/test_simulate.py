"""Replaying a home's own facts: the policy in force finds its own history again, and nothing in the home changes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import duckdb
import polars as pl
import pytest

from expectations.gate import Gate
from flows.cli import main
from flows.pipeline import stages
from flows.pipeline.rate import SHIPPED_POLICIES, read_policy
from flows.policy.simulate import Simulation, simulate
from flows.settings import Settings
from tests.flows.small_company import Extract, land, load, merged, settings_of
from tests.flows.small_history import FIRST_RATED, extract, months, rated_months, taken_on
from transforms.frames.plan import month_end

pytestmark = pytest.mark.slow

RATINGS_PER_PERIOD = 6


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The small company: its first year landed at once, then month by month, rated at the end of each."""
    settings = settings_of(tmp_path_factory.mktemp("simulate") / "home")
    gate = Gate()
    first_year = [month for month in months() if month < FIRST_RATED]
    land(settings, as_it_ended(map(extract, first_year)), taken=taken_on(first_year[-1]), sequence=1)
    for number, month in enumerate(rated_months(), start=2):
        land(settings, extract(month), taken=taken_on(month), sequence=number)
        load(settings, gate)
        stages.rate_stage(settings, month_end(month))
    return settings


def as_it_ended(extracts: Iterable[Extract]) -> Extract:
    """Several extracts as one, each record as it was delivered last."""
    key = {"customers": "customer_id", "receivables": "item_id", "invoice_lines": "document_id"}
    return {
        table: list({record[key[table]]: record for record in records}.values())
        for table, records in merged(extracts).items()
    }


@pytest.fixture(scope="module")
def again(lived: Settings) -> Simulation:
    """The policy in force as its own candidate, with hindsight."""
    return simulate(lived, read_policy(lived.policy_file), first=None, last=None, hindsight=True)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_the_policy_in_force_finds_the_stored_tiers_again(again: Simulation) -> None:
    ratings = RATINGS_PER_PERIOD * len(rated_months())
    assert again.reproduced["ratings"] == ratings
    # But for one: November of the customer whose September was changed in November. The stored revision of September has
    # the change, and its memory has counted a month more; by what was known month by month it had not.
    assert again.reproduced["same_tier"] == ratings - 1
    assert again.comparison.movers == []


def test_a_policy_that_waits_for_its_day_is_not_taken_for_the_one_in_force(
    lived: Settings, tmp_path: Path
) -> None:
    text = (SHIPPED_POLICIES / "growth.toml").read_text(encoding="utf-8")
    waiting = tmp_path / "waiting.toml"
    waiting.write_text(text.replace("effective_from = 2020-01-01", "effective_from = 2099-01-01"), "utf-8")
    put_early = lived.model_copy(update={"policy": waiting})
    found = simulate(put_early, read_policy(lived.policy_file), first=None, last=None, hindsight=False)
    assert found.comparison.ruling.policy_id == "default"
    assert found.comparison.movers == []


def test_with_hindsight_every_column_of_the_stored_history_is_found_again(lived: Settings) -> None:
    from flows.policy.simulate import _companies
    from flows.wording.reasons import with_text
    from transforms.rating.period import RATED
    from warehouse.connection import open_database

    ruling = read_policy(lived.policy_file)
    with open_database(lived.warehouse_file, read_only=True) as connection:
        [company] = _companies(connection, ruling, None)
        found = with_text(company.replay(ruling, hindsight=True).values)
    stored = company.stored.select(RATED.names())
    key = ["period", "customer_id"]
    # A class relative to the others is as it was told: a closed period is revised for those whose facts changed, GROWS.
    others = pl.col("customer_id") != "GROWS"
    assert stored.sort(key).drop("abc_class").equals(found.sort(key).drop("abc_class"))
    assert stored.sort(key).remove(others)["abc_class"].equals(found.sort(key).remove(others)["abc_class"])


def test_facts_that_came_later_are_not_seen_and_the_difference_can_be_asked_for(again: Simulation) -> None:
    # an invoice of September was changed on the 12th of November: before that day nobody knew the amount it has now
    assert again.hindsight is not None
    assert again.hindsight["ratings"] == again.reproduced["ratings"]
    assert again.hindsight["same_score"] < again.hindsight["ratings"]
    [other] = again.hindsight["other_tiers"]
    assert (other["customer_id"], other["period"]) == ("GROWS", date(2024, 11, 1))


def test_a_simulation_leaves_every_file_of_the_home_as_it_was(
    lived: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = hashes(lived.home)
    monkeypatch.setenv("VALUEMART_HOME", str(lived.home))
    monkeypatch.setenv("VALUEMART_POLICY", str(lived.policy_file))
    monkeypatch.chdir(tmp_path)
    candidate = str(SHIPPED_POLICIES / "growth.toml")
    page, data = tmp_path / "growth.html", tmp_path / "growth.json"
    assert main.run(["simulate", candidate, "--from", "2024-09", "--to", "2024-09", "--out", str(page)]) == 0
    assert "growth 1.0.0 instead of default 1.0.0, 2024-09 to 2024-09" in capsys.readouterr().out
    assert main.run(["simulate", candidate, "--json", "--to", "2024-08", "--out", str(data)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert hashes(lived.home) == before
    assert said == json.loads(data.read_text("utf-8"))
    assert (said["comparison"]["first"], said["comparison"]["last"]) == ("2024-08-01", "2024-08-01")
    html = page.read_text("utf-8")
    assert html.startswith("<!doctype html>")
    wanted = re.findall(
        r"""(?:src|href|action)=["']?(?!data:|#)([^"' >]+)|url\(["']?(?!data:)([^"')]+)""", html
    )
    assert not wanted, "the page must need no network"
    assert "default-src 'none'" in html
    assert re.search(r"prefers-color-scheme:\s*dark", html)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["missing.toml"], "missing.toml cannot be read: No such file or directory"),
        (["default", "--from", "2024-13"], "'2024-13' is no month; write it as 2024-01"),
        (["default", "--from", "2024-05", "--to", "2024-04"], "--from 2024-05 lies after --to 2024-04"),
        (["default", "--from", "2031-01"], "no period from 2031-01 is rated"),
        (["default", "--to", "2019-01"], "no period to 2019-01 is rated"),
        (["default", "--out", "nowhere/page.html"], "nowhere/page.html cannot be written"),
    ],
)
def test_a_mistake_is_told_in_one_line(
    lived: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    monkeypatch.setenv("VALUEMART_HOME", str(lived.home))
    monkeypatch.setenv("VALUEMART_POLICY", str(lived.policy_file))
    monkeypatch.chdir(tmp_path)
    named = [str(lived.policy_file) if each == "default" else each for each in arguments]
    assert main.run(["simulate", *named]) == 2
    [line] = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("replaying")]
    assert told in line


def test_a_home_without_data_is_told_to_refresh(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["simulate", str(SHIPPED_POLICIES / "default.toml")]) == 2
    assert "nothing is loaded in" in capsys.readouterr().err


def test_the_flow_replays_and_leaves_a_summary(lived: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.deployments import simulate

    left: list[str] = []
    monkeypatch.setattr(simulate, "create_markdown_artifact", lambda **said: left.append(said["markdown"]))
    monkeypatch.setattr(simulate.configuration, "load", lambda: lived)
    found = simulate.simulate.fn(str(lived.policy_file), last=date(2024, 8, 31))
    assert (found.comparison.last, found.comparison.movers, found.hindsight) == (FIRST_RATED, [], None)
    assert left[0].startswith("### default 1.0.0 instead of default 1.0.0, 2024-08 to 2024-08")


def test_a_candidate_that_kept_the_name_of_the_policy_in_force_is_told_apart_by_its_hash(
    lived: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = lived.policy_file.read_text("utf-8")
    changed = tmp_path / "changed.toml"
    changed.write_text(re.sub(r"(?m)^loyalty_from = .*$", "loyalty_from = 0.65", text), "utf-8")
    hashes_of = [read_policy(file).content_hash[:12] for file in (changed, lived.policy_file)]
    monkeypatch.setenv("VALUEMART_HOME", str(lived.home))
    monkeypatch.setenv("VALUEMART_POLICY", str(lived.policy_file))
    assert main.run(["simulate", str(changed), "--from", "2024-09", "--to", "2024-09"]) == 0
    theirs, ours = (f"default 1.0.0 ({each})" for each in hashes_of)
    assert f"{theirs} instead of {ours}, 2024-09 to 2024-09" in capsys.readouterr().out


def test_late_cells_are_those_a_line_known_later_counts_in(lived: Settings) -> None:
    from warehouse.rating.cells import late_arriving

    columns = ["company_code", "customer_id", "document_id", "invoice_date", "net_amount_company"]
    with duckdb.connect(str(lived.warehouse_file), read_only=True) as connection:
        cells, lines = late_arriving(connection, "1000", columns, month_end(months()[-1]))
    assert [
        (row["customer_id"], f"{row['month']:%Y-%m}") for row in cells.collect().sort(pl.all()).to_dicts()
    ] == [
        ("GIANT", "2024-05"),  # credited in September
        ("GIANT", "2024-09"),  # where the credit note itself would count if it named no invoice
        ("GROWS", "2024-09"),  # changed in November
    ]
    assert lines.collect().filter(pl.col("customer_id") == "GIANT").height == 3
