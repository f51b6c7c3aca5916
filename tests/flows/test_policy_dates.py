"""A policy file rules from its effective date on, however early it is put into place."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

from flows.settings import Settings
from tests.sample_company import DEFAULT_POLICY, SampleCompany, update


def test_a_policy_put_into_place_early_waits_for_its_day(
    sample_company: SampleCompany, tmp_path: Path
) -> None:
    home = shutil.copytree(sample_company.settings.home, tmp_path / "home", symlinks=True)
    strict = (DEFAULT_POLICY.parent / "credit_strict.toml").read_text("utf-8")
    file = tmp_path / "next.toml"
    file.write_text(strict.replace("effective_from = 2020-01-01", "effective_from = 2025-08-01"), "utf-8")
    company = SampleCompany(sample_company.world, Settings(home=home, policy=file))

    update(company.settings, date(2025, 7, 31))
    assert company.rows("SELECT DISTINCT policy_id FROM customer_value") == [("default",)]
    assert company.rows("SELECT policy_id FROM publication") == [("default",)]

    update(company.settings, date(2025, 8, 31))
    assert company.rows("SELECT DISTINCT policy_id FROM customer_value") == [("credit_strict",)]
    assert company.rows("SELECT policy_id FROM publication") == [("credit_strict",)]
    ruled = company.rows(
        "SELECT DISTINCT period, policy_id FROM customer_value_history WHERE period >= DATE '2025-06-01' ORDER BY 1"
    )
    assert ruled == [
        (date(2025, 6, 1), "default"),
        (date(2025, 7, 1), "default"),
        (date(2025, 8, 1), "credit_strict"),
    ]
