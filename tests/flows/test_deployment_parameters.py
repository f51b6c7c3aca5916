"""What a deployment is asked for, as a person writes it, and what is said where that cannot be."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import TypeAdapter, ValidationError

from flows.deployments.backfill import backfill
from flows.deployments.parameters import Code
from flows.errors import UsageError


def test_a_company_of_digits_may_be_asked_for_as_prefect_sends_it() -> None:
    code = TypeAdapter[str](Code)
    assert [code.validate_python(each) for each in (1000, "1000", "0010", "DE01")] == [
        "1000", "1000", "0010", "DE01",
    ]  # fmt: skip
    for wrong in ("", True, 1.5, None):
        with pytest.raises(ValidationError):
            code.validate_python(wrong)


def test_months_in_the_wrong_order_are_said_to_be() -> None:
    with pytest.raises(
        UsageError, match="first 2025-06 lies after last 2025-04; name the earlier month first"
    ):
        backfill.fn(date(2025, 6, 1), date(2025, 4, 1))
