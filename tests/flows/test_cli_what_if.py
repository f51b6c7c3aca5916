"""`valuemart what-if`: what a customer's rating would be had its year gone otherwise."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from flows.cli import main
from tests.sample_company import DEFAULT_POLICY, SampleCompany

pytestmark = pytest.mark.slow


@pytest.fixture
def company(sample_company: SampleCompany, monkeypatch: pytest.MonkeyPatch) -> SampleCompany:
    monkeypatch.setenv("VALUEMART_HOME", str(sample_company.settings.home))
    monkeypatch.setenv("VALUEMART_POLICY", str(DEFAULT_POLICY))
    return sample_company


def ask(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
    assert main.run(["what-if", *arguments, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    return answer["now"], answer["then"]


def money(row: dict[str, Any], column: str) -> Decimal:
    return Decimal(str(row[column]))


def test_what_is_there_now_is_the_published_rating(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    now, _ = ask(capsys, company.who("strategic_partner"), "--price", "+1%")
    published = company.one(
        "net_sales_12m, contribution_12m, score, effective_tier", "customer_value", "strategic_partner"
    )
    assert (
        *(money(now, column) for column in ("net_sales_12m", "contribution_12m", "score")),
        now["effective_tier"],
    ) == published


def test_a_price_moves_contribution_by_what_is_asked_more_and_nothing_else(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    now, then = ask(capsys, company.who("strategic_partner"), "--price", "-3%")
    asked_less = money(then, "net_sales_12m") - money(now, "net_sales_12m")
    assert abs(asked_less + money(now, "net_sales_12m") * Decimal("0.03")) < Decimal("0.01"), (
        "to the cents of 12 months"
    )
    assert abs(money(then, "contribution_12m") - money(now, "contribution_12m") - asked_less) < Decimal(
        "0.01"
    )
    assert (then["loyalty"], then["steadiness"]) != (None, None)


def test_more_sales_at_the_same_price_leave_the_goods_margin_as_it_is(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    now, then = ask(capsys, company.who("strategic_partner"), "--sales", "+10%")
    assert abs(money(then, "net_sales_12m") - money(now, "net_sales_12m") * Decimal("1.1")) < Decimal("0.01")
    gained = money(then, "contribution_12m") - money(now, "contribution_12m")
    assert gained > money(now, "contribution_12m") / 10, "service and carrying do not grow with it"


def test_longer_terms_cost_what_carrying_the_receivables_costs(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    who = company.who("strategic_partner")
    _, month = ask(capsys, who, "--terms", "30")
    _, quarter = ask(capsys, who, "--terms", "90")
    assert money(month, "net_sales_12m") == money(quarter, "net_sales_12m")
    assert money(quarter, "contribution_12m") < money(month, "contribution_12m")


def test_a_loss_maker_is_no_more_held_down_once_its_price_covers_its_cost(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    now, then = ask(capsys, company.who("loss_making_giant"), "--price", "+60%")
    assert (now["gate"], then["gate"]) == ("loss_making", None)
    assert then["raw_tier"] != now["raw_tier"]


def test_a_person_reads_what_was_supposed_and_both_figures(
    company: SampleCompany, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["what-if", company.who("strategic_partner"), "--sales", "-12.5%", "--terms", "60"]) == 0
    said = capsys.readouterr().out
    assert "supposed: sales            −12.5 %" in said
    assert "supposed: days of payment  60" in said
    assert "as it is" in said
    assert "as supposed" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "suppose something: --sales +10%, --price -3%, --terms 60, or several of them"),
        (["--sales", "10"], "'10' is no change; write it as +10% or -2.5%"),
        (["--price", "-3.125%"], "'-3.125%' is no change"),
        (["--sales", "-100%"], "a fall of 100 % or more leaves nothing to rate"),
        (["--terms", "-1"], "terms of payment are 0 days or more"),
    ],
)
def test_what_cannot_be_supposed_is_said_in_one_line(
    company: SampleCompany, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main.run(["what-if", company.who("strategic_partner"), *arguments]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
