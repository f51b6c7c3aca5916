"""A customer's rating as it is beside what it would be, to a person or as JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from flows.console.output import MINUS, Row, echo, echo_json, pairs, table, text

if TYPE_CHECKING:
    from flows.policy.what_if import WhatIf

_AMOUNTS = frozenset({"net_sales_12m", "contribution_12m"})


def show_what_if(asked: WhatIf, *, as_json: bool) -> None:
    """The figures of the latest rating as they are, and as they would be."""
    from transforms.measures.descriptor import MEASURES

    if as_json:
        echo_json(asked)
        return
    now, then, supposed = asked.now, asked.then, asked.supposed
    said = {
        "sales": _signed_percent(supposed.sales),
        "price, no quantity lost": _signed_percent(supposed.price),
        "days of payment": supposed.terms,
    }
    echo(f"{now['customer_id']} {asked.name} ({now['company_code']}), amounts in {asked.currency}")
    pairs(
        {
            **{f"supposed: {name}": value for name, value in said.items() if value is not None},
            "rated": f"through {now['closed_through']}",
        }
    )
    figures = {
        "net sales of 12 months": "net_sales_12m",
        "contribution": "contribution_12m",
        "margin": "margin_12m",
        **{each.heading: each.column for each in MEASURES if each.column not in _AMOUNTS},
        "score": "score",
        "segment": "segment",
        "raw tier": "raw_tier",
        "effective tier": "effective_tier",
        "expected": "expected",
    }
    rows = [{"expected": _expected(row), **row} for row in (now, then)]
    table(
        [
            {"figure": name, "now": _figure(rows[0][column]), "then": _figure(rows[1][column])}
            for name, column in figures.items()
        ],
        {"figure": "figure", "now": "as it is", "then": "as supposed"},
        title="What it would be",
    )


def _signed_percent(share: Decimal) -> str | None:
    return f"{(share * 100).normalize():+f} %".replace("-", MINUS) if share else None


def _figure(value: object) -> object:
    return round(value, 2) if isinstance(value, Decimal) and abs(value) >= 1000 else value


def _expected(row: Row) -> str | None:
    """The move that comes if the figures stay, and by when."""
    if row["watch_tier"] is None:
        return None
    return f"{row['watch_direction']} to {row['watch_tier']} by {text(row['watch_deadline'])}"
