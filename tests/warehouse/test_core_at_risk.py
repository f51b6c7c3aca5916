"""Whom the list of core customers at risk holds."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

import warehouse.mart

VIEW = (Path(warehouse.mart.__file__).parent / "core_at_risk.sql").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("customer", "signs"),
    [
        ({}, None),
        ({"cap_tier": "marginal", "cap_reason": "credit_stop", "effective_tier": "marginal"}, "capped: credit_stop"),
        ({"cap_tier": "speculative", "cap_reason": "confirmed_conduct", "memory_tier": "strategic"}, "capped: confirmed_conduct"),
        ({"cap_tier": "marginal", "cap_reason": "credit_stop", "memory_tier": "cultivate"}, None),
        ({"is_value_customer": True, "watch_direction": "down"}, "expected to fall"),
        ({"is_value_customer": True, "decline_state": "declining"}, "declining"),
        ({"decline_state": "lapsed"}, None),
        ({"is_value_customer": True, "credit_action": "watch"}, "credit: watch"),
    ],
)  # fmt: skip
def test_a_customer_whom_a_cap_took_out_of_the_highest_tiers_is_listed(
    customer: dict[str, object], signs: str | None
) -> None:
    row = {
        "company_code": "1000", "customer_id": "C1", "name": "a name", "effective_tier": "core", "net_sales_12m": 1,
        "contribution_12m": 1, "sales_trend": 1, "score": 50, "watch_tier": None, "watch_gap": None, "watch_deadline": None,
        "cap_reason": None, "overdue_share": 0, "credit_grade": "A", "credit_action": "open", "watch_direction": None,
        "cap_tier": None, "decline_state": "none", "memory_tier": "core", "is_value_customer": False,
    } | customer  # fmt: skip
    with duckdb.connect() as connection:
        texts = {name for name, value in row.items() if value is None or isinstance(value, str)}
        columns = ", ".join(f"${name}{'::VARCHAR' if name in texts else ''} AS {name}" for name in row)
        connection.execute(f"CREATE TABLE customer_value AS SELECT {columns}", row)
        assert connection.execute(f"SELECT signs FROM ({VIEW})").fetchall() == ([(signs,)] if signs else [])
