"""`valuemart explain` and `credit` as a person reads them: words, and figures for the eye."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import duckdb
import pytest

from expectations.gate import Gate
from flows.cli import main
from tests.flows.small_company import customer, land, line, refresh, settings_of
from tests.sample_company import DEFAULT_POLICY, SampleCompany
from transforms.frames.periods import months_before
from transforms.frames.plan import month_end

A_CODE = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b")
MANY_PLACES = re.compile(r"\d\.\d{5,}")
LAST = date(2024, 12, 1)


@pytest.fixture
def company(sample_company: SampleCompany, monkeypatch: pytest.MonkeyPatch) -> SampleCompany:
    monkeypatch.setenv("VALUEMART_HOME", str(sample_company.settings.home))
    monkeypatch.setenv("VALUEMART_POLICY", str(DEFAULT_POLICY))
    return sample_company


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main.run([*arguments]) == 0
    return capsys.readouterr().out


def test_a_person_reads_words_and_no_codes_of_any_customer_with_a_story(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    for role in company.world.planted:
        told = said(capsys, "explain", company.who(role))
        if not company.one("succeeded_by", "customer_value", role):
            told += said(capsys, "credit", company.who(role), "--order", "10")
        assert not A_CODE.findall(told), role
        assert not MANY_PLACES.findall(told), role


def test_a_script_reads_the_marts_own_text(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    who = company.who("arrears")
    told = json.loads(said(capsys, "explain", who, "--json"))
    assert told["credit"]["action_reason"] == company.one("action_reason", "credit_watch", "arrears")
    assert "graded_overdue_share" in told["credit"]["action_reason"]
    assert "reasons" not in told


def test_a_tier_that_a_cap_gives_is_said_to_hold_since_the_cap(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    tier, cap, cap_since, tier_since = company.one(
        "effective_tier, cap_tier, cap_since, tier_since", "customer_value", "arrears"
    )
    assert (tier, cap_since > tier_since) == (cap, True)
    first = said(capsys, "explain", company.who("arrears")).splitlines()[1]
    assert first.split() == ["tier", tier, "since", f"{cap_since}"]


def test_a_fall_that_prices_did_not_make_is_not_said_to_be_one_of_price(
    tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(tmp_path / "home")
    months = [months_before(LAST, back) for back in range(26, -1, -1)]
    falls = {"CLOSED": (100, 92, 10, 10), "CHEAPER": (100, 100, 10, 9)}
    sold = [
        line(f"{who}-{month:%Y%m}", who, month.replace(day=10), quantity * price, quantity=quantity)
        for who, (before, now, price_before, price_now) in falls.items()
        for month in months
        for quantity, price in [
            (before, price_before) if month < months_before(LAST, 11) else (now, price_now)
        ]
    ]
    land(
        settings,
        {"customers": [customer(who) for who in falls], "invoice_lines": sold},
        taken=date(2025, 1, 1),
        sequence=1,
    )
    refresh(settings, gate, month_end(LAST))
    monkeypatch.setenv("VALUEMART_HOME", str(settings.home))
    closed, cheaper = (said(capsys, "explain", who) for who in falls)
    assert re.search(r"change of sales +quantity −960, price 0 on the 12 months before\n", closed)
    assert re.search(r"change of sales +quantity 0, price −1,200 on .* before: a change of price\n", cheaper)
    assert re.search(r"net sales +11,040 in 12 months, 12,000 in the 12 before \(−8.0%\)\n", closed)
    assert re.search(r"last order +2024-12-10\n", closed)


def test_the_year_before_is_not_said_to_be_nothing_where_the_data_do_not_reach_back_over_it(
    tmp_path: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(tmp_path / "home")
    months = [months_before(LAST, back) for back in range(22, -1, -1)]
    sold = [line(f"A-{month:%Y%m}", "A", month.replace(day=10), 100) for month in months]
    land(settings, {"customers": [customer("A")], "invoice_lines": sold}, taken=date(2025, 1, 1), sequence=1)
    refresh(settings, gate, month_end(LAST))
    monkeypatch.setenv("VALUEMART_HOME", str(settings.home))
    assert re.search(r"net sales +1,200 in 12 months\n", said(capsys, "explain", "A"))


def test_what_a_lapsed_customer_is_expected_to_bring_is_not_said_without_a_word(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = """SELECT customer_id, decline_state = 'lapsed' AND expected_net_sales_12m > 0 AS lapsed
               FROM customer_value JOIN customer_expectation USING (company_code, customer_id)
               WHERE expected_net_sales_12m > 0 AND decline_state IS NOT NULL
               QUALIFY row_number() OVER (PARTITION BY decline_state = 'lapsed' ORDER BY customer_id) <= 2"""
    with duckdb.connect(str(company.settings.mart_file), read_only=True) as connection:
        told = dict(connection.execute(asked).fetchall())
    assert set(told.values()) == {True, False}
    for customer_id, lapsed in told.items():
        assert ("lapsed: only if it buys again" in said(capsys, "explain", customer_id)) == lapsed
