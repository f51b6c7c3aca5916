"""What a run says of the policy that ruled."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

from flows.cli.views.run import show_backfill, show_refresh
from flows.observe import artifacts
from flows.pipeline.rate_company import RatingReport
from flows.pipeline.stages import RefreshResult
from tests.unit.transforms.small_worlds import policy
from transforms.policy.model import Policy

DAY = date(2026, 10, 31)
NOW = policy(policy__id="default")
NEXT = policy(policy__id="calibrated", policy__version="2.0.0", policy__effective_from=date(2026, 12, 1))


def result(configured: Policy, ruling: Policy) -> RefreshResult:
    rating = RatingReport(DAY, configured, ruling, Path("policy.toml"), periods=[date(2026, 10, 1)])
    return RefreshResult(DAY, rating=rating)


def test_a_policy_that_is_not_effective_yet_is_said_to_wait(capsys: pytest.CaptureFixture[str]) -> None:
    show_refresh(result(NEXT, NOW), as_json=False)
    assert "policy default 1.0.0; calibrated 2.0.0 waits until 2026-12-01" in capsys.readouterr().out
    show_refresh(result(NEXT, NOW), as_json=True)
    told = json.loads(capsys.readouterr().out)["rating"]
    assert (told["ruling"]["id"], told["policy"]["id"]) == ("default", "calibrated")


def test_the_artifact_of_a_run_names_the_policy_that_ruled_and_the_one_that_waits() -> None:
    assert "Policy default 1.0.0; calibrated 2.0.0 waits until 2026-12-01." in artifacts.summary(
        result(NEXT, NOW)
    )


def test_a_policy_that_rules_waits_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    show_refresh(result(NOW, NOW), as_json=False)
    assert "waits" not in capsys.readouterr().out


def test_a_run_of_an_earlier_day_warns_of_the_mart_that_it_leaves_and_says_how_to_bring_it_back(
    capsys: pytest.CaptureFixture[str],
) -> None:
    looked_back = result(NOW, NOW)
    assert looked_back.rating is not None
    looked_back.rating.looked_back_from = date(2026, 12, 31)
    show_refresh(looked_back, as_json=False)
    [told] = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert "as of 2026-10-31, beside tiers and sales of a later period" in told
    assert "`valuemart refresh --as-of 2026-12-31` brings it back" in told


def test_what_holds_for_every_month_of_a_backfill_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    months = [result(NOW, NOW) for _ in range(3)]
    for each in months:
        assert each.rating is not None
        each.rating.unconfirmed = True
    show_backfill(months, as_json=False)
    assert capsys.readouterr().err.count("nobody has confirmed the policy") == 1


def test_why_a_customer_moved_is_shown_in_words_and_kept_exact_for_a_script(
    capsys: pytest.CaptureFixture[str],
) -> None:
    moved = result(NOW, NOW)
    assert moved.rating is not None
    moved.rating.moves.append(
        {"customer_id": "C1", "from_tier": "core", "to_tier": "marginal", "from_rank": 5, "to_rank": 2,
         "cause": "policy_change", "reasons": "cap: credit_stop",
         "reasons_reasons": [{"code": "cap"}, {"code": "cap_cause", "subject": "credit_stop"}]}
    )  # fmt: skip
    show_refresh(moved, as_json=False)
    assert re.search("core +marginal +policy +cap: credit stop", capsys.readouterr().out)
    show_refresh(moved, as_json=True)
    [told] = json.loads(capsys.readouterr().out)["rating"]["moves"]
    assert (told["cause"], told["reasons"], "reasons_reasons" in told) == (
        "policy_change",
        "cap: credit_stop",
        False,
    )
