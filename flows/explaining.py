"""Explains one customer's published rating: hands its rows and the policy that ruled them to the transforms."""

from __future__ import annotations

from typing import Any

import polars as pl

from transforms.explain import explain
from transforms.policy import parse_policy
from transforms.schemas import CUSTOMER_VALUE_HISTORY
from warehouse.published_files import Row
from warehouse.reading import CustomerFile


def explain_customer(file: CustomerFile, policy_text: str) -> dict[str, Any]:
    """One row of `transforms.explain.EXPLAINED`; the policy is the one the current rating was made by."""
    before = _frame(file.previous) if file.previous else None
    return explain(_frame(file.current), before, parse_policy(policy_text)).collect().row(0, named=True)


def _frame(row: Row) -> pl.LazyFrame:
    return pl.LazyFrame(
        [{name: row[name] for name in CUSTOMER_VALUE_HISTORY.names()}], schema=CUSTOMER_VALUE_HISTORY
    )
