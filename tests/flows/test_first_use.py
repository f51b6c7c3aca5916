"""The first refresh of somebody who has landed nothing yet, or nothing that is any good; and a home whose policy is gone."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from expectations.gate import Gate
from flows.cli import main
from flows.pipeline import rate, stages
from flows.pipeline.rate import PolicyMissingError
from flows.pipeline.stages import STAGES, RefreshResult, Run
from flows.settings import Settings
from tests.flows.small_company import customer, item, land, line, settings_of, table
from transforms.policy.model import parse_policy

pytestmark = pytest.mark.slow

DAY = date(2025, 6, 30)
PRODUCT = {"product_id": "P1", "name": "Product 1", "base_uom": "EA"}


def update(settings: Settings, gate: Gate, day: date = DAY) -> RefreshResult:
    stages.check(settings)
    run = Run(settings, gate, RefreshResult(day))
    for stage in STAGES:
        stage.update(run)
    return run.result


@pytest.fixture(params=["no policy", "a policy"])
def settings(request: pytest.FixtureRequest, home: Path) -> Settings:
    return Settings(home=home) if request.param == "no policy" else settings_of(home)


def assert_books_without_ratings(settings: Settings, result: RefreshResult) -> None:
    assert result.rating is None
    assert settings.mart_file.exists()
    assert settings.ops_file.exists()
    assert settings.report_file.exists()
    assert not (settings.home / "policy.toml").exists()
    assert table(settings.home, "SELECT count(*) FROM customer_value") == [(0,)]
    assert stages.is_current(settings, DAY)


def test_a_home_into_which_nothing_has_landed_publishes_its_books_and_says_what_to_do(
    settings: Settings, gate: Gate
):
    result = update(settings, gate)
    assert_books_without_ratings(settings, result)
    assert result.exit_code(strict=True) == 0
    assert "no customer, invoice line or receivable was accepted yet" in str(result.not_rated)


def test_where_all_was_refused_the_books_say_why_and_the_end_is_3(settings: Settings, gate: Gate):
    landed = land(settings, {"customers": [customer("C1")]}, taken=DAY, sequence=1)
    next(landed.folder.glob("*.csv")).write_text("another file than was landed", encoding="utf-8")
    result = update(settings, gate)
    assert_books_without_ratings(settings, result)
    assert result.exit_code(strict=False) == 3
    assert "every batch so far was refused (1)" in str(result.not_rated)
    assert table(settings.home, "SELECT status FROM batch_quality") == [("refused",)]


def test_where_every_row_went_into_quarantine_nothing_is_rated(settings: Settings, gate: Gate):
    nameless = {**customer("C1"), "name": ""}
    land(settings, {"customers": [nameless]}, taken=DAY, sequence=1)
    result = update(settings, gate)
    assert_books_without_ratings(settings, result)
    assert (result.exit_code(strict=False), result.exit_code(strict=True)) == (0, 4)


def test_receivables_alone_are_watched_and_warned_of_and_nobody_is_rated_by_them(
    settings: Settings, gate: Gate, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    owed = item("R1", "C1", date(2025, 1, 3), date(2025, 2, 2), 50_000)
    land(settings, {"receivables": [owed]}, taken=DAY, sequence=1)
    result = update(settings, gate)
    assert result.not_rated is None
    assert table(settings.home, "SELECT customer_id, credit_action FROM credit_watch") == [("C1", "stop")]
    assert table(settings.home, "SELECT count(*) FROM customer_value") == [(0,)]
    assert result.rating is not None
    assert result.rating.events == 2, "the warning, and arrears as conduct"
    assert "50,000 more than 90 days past due" in settings.report_file.read_text(encoding="utf-8")
    monkeypatch.setenv("VALUEMART_POLICY", str(settings.policy_file))
    assert main.run(["status"]) == 0
    ruling = parse_policy(settings.policy_file.read_text(encoding="utf-8"))
    assert f"policy {ruling.id} {ruling.version}" in capsys.readouterr().out
    assert main.run(["explain", "C1"]) == 2
    assert "what it owes says `valuemart credit C1`" in capsys.readouterr().err


def test_products_alone_are_nothing_to_rate_and_what_follows_is_rated(settings: Settings, gate: Gate):
    land(settings, {"products": [PRODUCT]}, taken=DAY, sequence=1)
    assert_books_without_ratings(settings, update(settings, gate))
    sold = [line(f"I{month}", "C1", date(2025, month, 3), 100) for month in range(1, 7)]
    land(settings, {"customers": [customer("C1")], "invoice_lines": sold}, taken=DAY, sequence=2)
    result = update(settings, gate)
    assert result.not_rated is None
    assert table(settings.home, "SELECT customer_id FROM customer_value") == [("C1",)]


@pytest.mark.parametrize(
    "extract",
    [
        {"customers": [customer("C1")]},
        {"customers": [customer("C1")], "invoice_lines": [line("I1", "C1", date(2026, 1, 3), 100)]},
    ],
)
def test_customers_who_never_bought_or_will_buy_later_are_rated_as_what_they_are(
    settings: Settings, gate: Gate, extract: dict
):
    land(settings, extract, taken=DAY, sequence=1)
    result = update(settings, gate)
    assert result.not_rated is None
    assert table(settings.home, "SELECT customer_id, effective_tier FROM customer_value") == [
        ("C1", "prospect")
    ]


def test_who_owes_is_no_prospect_where_no_sales_are_delivered(
    settings: Settings, gate: Gate, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    owed = item("R1", "C1", date(2025, 1, 3), date(2025, 7, 31), 50_000)
    asked = item("R2", "C3", date(2025, 1, 3), date(2025, 7, 31), 50_000, item_type="deposit")
    masters = [customer(number) for number in ("C1", "C2", "C3")]
    land(settings, {"customers": masters, "receivables": [owed, asked]}, taken=DAY, sequence=1)
    assert update(settings, gate).not_rated is None
    assert table(settings.home, "SELECT customer_id, effective_tier FROM customer_value ORDER BY ALL") == [
        ("C1", "unrated"),
        ("C2", "prospect"),
        ("C3", "prospect"),
    ]
    monkeypatch.setenv("VALUEMART_HOME", str(settings.home))
    monkeypatch.setenv("VALUEMART_POLICY", str(settings.policy_file))
    assert main.run(["explain", "C1"]) == 0
    said = capsys.readouterr().out
    assert "prospect" not in said.lower()
    assert "unrated" in said.lower()


def test_who_was_known_by_its_receivables_is_rated_as_soon_as_its_sales_are_delivered(
    settings: Settings, gate: Gate
):
    owed = item("R1", "C1", date(2025, 5, 3), date(2025, 6, 2), 50_000)
    land(settings, {"customers": [customer("C1")], "receivables": [owed]}, taken=DAY, sequence=1)
    update(settings, gate)
    later = date(2025, 7, 31)
    sold = [line("I5", "C1", date(2025, 5, 3), 50_000)]
    land(settings, {"invoice_lines": sold}, taken=later, sequence=2)
    update(settings, gate, later)
    assert table(settings.home, "SELECT customer_id, effective_tier FROM customer_value") == [("C1", "new")]


@pytest.fixture
def rated(home: Path, gate: Gate) -> Settings:
    settings = Settings(home=home)
    sold = [line(f"I{month}", "C1", date(2025, month, 3), 100) for month in range(1, 7)]
    land(settings, {"customers": [customer("C1")], "invoice_lines": sold}, taken=DAY, sequence=1)
    update(settings, gate)
    return settings


def test_a_rated_home_whose_policy_is_gone_refuses_and_offers_the_text_that_ruled(
    rated: Settings, capsys: pytest.CaptureFixture[str]
):
    text = rated.policy_file.read_text(encoding="utf-8")
    before = rated.warehouse_file.read_bytes()
    rated.policy_file.unlink()
    later = ["--as-of", "2025-07-31"]
    for arguments in (
        ["refresh", *later],
        ["backfill", "--from", "2025-01", "--to", "2025-02"],
        ["restate", "--from", "2025-06"],
    ):
        assert main.run(arguments) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"valuemart policy ruled --out {rated.policy_file}" in said
    assert rated.warehouse_file.read_bytes() == before
    assert not rated.policy_file.exists()
    assert main.run(["policy", "ruled", "--out", str(rated.policy_file)]) == 0
    assert rated.policy_file.read_text(encoding="utf-8") == text
    assert stages.is_current(rated, DAY)


def test_no_rating_fits_a_second_policy_behind_the_back_of_the_first(rated: Settings):
    rated.policy_file.unlink()
    for day in (DAY, date(2025, 7, 31)):
        with pytest.raises(PolicyMissingError):
            rate.update(rated, day, recorded_at=stages.now(), calibrate_to=date(2025, 8, 31))
    assert not rated.policy_file.exists()


def test_a_policy_that_never_ruled_is_not_offered(home: Path, capsys: pytest.CaptureFixture[str]):
    assert main.run(["policy", "ruled"]) == 2
    assert f"nothing is rated in {home} yet" in capsys.readouterr().err


def test_a_policy_is_not_written_over_another(rated: Settings, capsys: pytest.CaptureFixture[str]):
    assert main.run(["policy", "ruled", "--out", str(rated.policy_file)]) == 2
    assert "exists" in capsys.readouterr().err
