"""Explains one customer's published rating: hands its rows and the policy that ruled them to the transforms."""

from __future__ import annotations

from typing import Any

import polars as pl

from flows.wording.reasons import with_text
from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY
from transforms.policy.model import parse_policy
from transforms.rating.explain_score import explain
from warehouse.mart.files import Row
from warehouse.mart.queries import CustomerFile


def explain_customer(file: CustomerFile, policy_text: str) -> dict[str, Any]:
    """One row of `transforms.rating.explain_score.explained_columns` in words; the policy is the one of the current rating."""
    before = _frame(file.previous) if file.previous else None
    explained = explain(_frame(file.current), before, parse_policy(policy_text)).collect()
    return with_text(explained).row(0, named=True)


def _frame(row: Row) -> pl.LazyFrame:
    return pl.LazyFrame(
        [{name: row[name] for name in CUSTOMER_VALUE_HISTORY.names()}], schema=CUSTOMER_VALUE_HISTORY
    )
