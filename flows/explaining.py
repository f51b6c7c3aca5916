"""Explains one customer's published rating: hands its rows and the policy that ruled them to the transforms."""

from __future__ import annotations

from typing import Any

import polars as pl

from flows.settings import Settings
from transforms.explain import explain
from transforms.policy import Policy, parse_policy
from transforms.schemas import CUSTOMER_VALUE_HISTORY
from warehouse.reading import CustomerFile, Row


class PolicyChangedError(Exception):
    """The policy file is not the one the published rating was made by."""


def explain_customer(settings: Settings, file: CustomerFile) -> dict[str, Any]:
    """One row of `transforms.explain.EXPLANATION`. PolicyChangedError where the ruling policy is not at hand."""
    policy = _ruling_policy(settings, file.current["policy_hash"])
    before = _frame(file.previous) if file.previous else None
    return explain(_frame(file.current), before, policy).collect().row(0, named=True)


def _ruling_policy(settings: Settings, policy_hash: str) -> Policy:
    path = settings.policy_file
    policy = parse_policy(path.read_text(encoding="utf-8")) if path.is_file() else None
    if policy is None or policy.content_hash != policy_hash:
        raise PolicyChangedError(
            f"{path} is not the policy this rating was made by; run `valuemart refresh` first"
        )
    return policy


def _frame(row: Row) -> pl.LazyFrame:
    return pl.LazyFrame(
        [{name: row[name] for name in CUSTOMER_VALUE_HISTORY.names()}], schema=CUSTOMER_VALUE_HISTORY
    )
