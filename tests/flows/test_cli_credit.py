"""`valuemart credit`: what order entry is told before the sale."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from flows.cli import main
from tests.sample_company import DEFAULT_POLICY, LAST_DAY, SampleCompany


@pytest.fixture
def company(sample_company: SampleCompany, monkeypatch: pytest.MonkeyPatch) -> SampleCompany:
    monkeypatch.setenv("VALUEMART_HOME", str(sample_company.settings.home))
    monkeypatch.setenv("VALUEMART_POLICY", str(DEFAULT_POLICY))
    return sample_company


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main.run(["credit", *arguments, "--json"]) == 0
    answer: dict[str, Any] = json.loads(capsys.readouterr().out)
    return answer


def test_who_is_stopped_is_sold_nothing_on_credit(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = ask(capsys, company.who("arrears"), "--order", "100")
    assert (answer["answer"], answer["at_most"], answer["as_of"]) == ("stop", "0", LAST_DAY.isoformat())
    assert answer["reasons"][0].startswith("credit action stop: ")


def test_an_order_up_to_what_the_group_leaves_is_allowed_and_a_cent_more_is_prepaid(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    who = company.who("group_parent")
    own, group = company.one("next_order_headroom, group_headroom", "credit_watch", "group_parent")
    most = min(own, group)
    assert ask(capsys, who, "--order", f"{most:.2f}")["answer"] == "allowed"
    refused = ask(capsys, who, "--order", f"{most + Decimal('0.01'):.2f}")
    assert (refused["answer"], Decimal(refused["at_most"])) == ("prepay", most)


def test_a_person_reads_the_answer_first_and_then_why(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["credit", company.who("late_payer_small"), "--order", "10"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("allowed: 10.00 EUR for ")
    assert any("to be watched: grade C" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["0000100002", "--order", "much"], "'much' is no amount of an order; write it as 12500 or 12500.50"),
        (["0000100002", "--order", "0"], "'0' is no amount of an order"),
        (["0000100002", "--order", "NaN"], "'NaN' is no amount of an order"),
        (["0000100002", "--order", "1e400"], "'1e400' is no amount of an order"),
        (["nobody", "--order", "10"], "no customer nobody is known; the nearest are"),
        (["0000100002"], "--order"),
    ],
)
@pytest.mark.usefixtures("company")
def test_what_cannot_be_answered_is_one_line_and_exit_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["credit", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
