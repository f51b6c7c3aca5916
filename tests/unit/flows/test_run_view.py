"""What a run says of the policy that ruled."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from flows.cli.views.run import show_refresh
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
