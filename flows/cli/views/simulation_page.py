"""A simulation as one page that needs nothing but a browser; how it looks stands in templates/simulation.html."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flows.console.output import text
from flows.policy.simulate import Simulation
from flows.wording.numbers import plain

Row = Mapping[str, Any]

MOST_MOVERS, MOST_OTHERS = 500, 200

_TEMPLATES = Path(__file__).parent / "templates"
_SUMS = {
    "customers": "customers",
    "net_sales_12m": "net sales of 12 months",
    "contribution_12m": "contribution",
    "exposure": "credit exposure",
}
_SCORES = frozenset({"score_from", "score_to"})
_DIFFERS = {
    "volume_class": "volume",
    "loyalty_class": "loyalty",
    "gate": "gate",
    "cap": "cap",
    "override_tier": "override",
    "raw_tier": "the period alone",
    "memory_tier": "memory",
}
_TIERS = ("strategic", "core", "cultivate", "new", "unrated", "marginal", "speculative")
_CALM = {
    "moves": "moves",
    "reversals": "moves there and back within 12 months",
    "reversals_per_100_customer_years": "of these in 100 customer-years",
    "lapses": "lapses into more than 90 days past due",
    "flagged_before": "of these flagged at an earlier look",
    "median_days": "days between flag and lapse, median",
    "shortest_days": "days between flag and lapse, shortest",
}


OUTCOMES = {
    "policy": "policy",
    "tier": "tier",
    "customers": "customers",
    "net_sales": "net sales then",
    "net_sales_after": "of the year after",
    "contribution": "contribution then",
    "contribution_after": "of the year after",
    "lost": "bought nothing",
    "overdue_over_90_after": "over 90 days overdue",
}
_MONEY = (frozenset(_SUMS) | frozenset(OUTCOMES)) - {"policy", "tier", "customers", "lost"}


def page(simulation: Simulation) -> str:
    """The whole page as HTML text."""
    found = simulation.comparison
    ruling, candidate = (
        f"{side.policy_id} {side.policy_version}" for side in (found.ruling, found.candidate)
    )
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.globals.update(count=_count, month=_month, shown=_shown, number_columns=_number_columns)
    return environment.get_template("simulation.html").render(
        title=f"{candidate} instead of {ruling}",
        ruling=ruling,
        candidate=candidate,
        found=found,
        reproduced=simulation.reproduced,
        hindsight=simulation.hindsight,
        matrix=_matrix(found.migration),
        outcomes=outcome_rows(found.outcomes),
        outcome_columns=OUTCOMES,
        calm=_calm(found.ruling, found.candidate),
        over_time=[
            {**row, "policy": {"ruling": "in force"}.get(row["policy"], row["policy"])}
            for row in found.over_time
        ],
        movers=[{**row, "drivers": what_differs(row)} for row in found.movers[:MOST_MOVERS]],
        sums=_SUMS,
        most_movers=MOST_MOVERS,
        most_others=MOST_OTHERS,
    )


def outcome_rows(outcomes: Sequence[Row]) -> list[Row]:
    """The outcomes as a person reads them; where a policy was fitted to what it is judged by, its name says so."""
    names = {"ruling": "in force", "candidate": "candidate"}
    return [
        {**row, "policy": names[row["policy"]] + (" (in-sample)" if row["in_sample"] else "")}
        for row in outcomes
    ]


def _calm(ours: Any, theirs: Any) -> list[Row]:
    sides = [{**side.volatility, **side.warnings} for side in (ours, theirs)]
    return [
        {"what": label, "ruling": sides[0][key], "candidate": sides[1][key]} for key, label in _CALM.items()
    ]


def _matrix(rows: Sequence[Row]) -> Row:
    """Customers by pair of tiers, the tiers that occur, and the largest count, by which cells are shaded."""
    count = {(row["from_tier"], row["to_tier"]): row["customers"] for row in rows}
    return {
        "count": count,
        "tiers": [tier for tier in _TIERS if any(tier in pair for pair in count)],
        "most": max(count.values(), default=1),
    }


def _count(number: int) -> str:
    return f"{number:,}"


def _month(day: date) -> str:
    return f"{day:%Y-%m}"


def what_differs(mover: Row) -> str | None:
    """What the two policies see differently of a customer, as "volume high → low; score 40 → 50"."""
    changes = [
        (_DIFFERS[each["what"]], each["ruling"] or "none", each["candidate"] or "none")
        for each in mover["drivers"]
    ]
    if None not in (scores := (mover["score_from"], mover["score_to"])) and scores[0] != scores[1]:
        changes.append(("score", plain(scores[0]), plain(scores[1])))
    return "; ".join(f"{what} {ruling} → {candidate}" for what, ruling, candidate in changes) or None


def _shown(key: str, value: object) -> str:
    """A cell's text; amounts in whole units and scores to a tenth, since nobody decides about a policy by cents."""
    if isinstance(value, Decimal) and key in _MONEY:
        return text(round(value))
    if isinstance(value, Decimal) and key in _SCORES:
        return f"{value:.1f}"
    return text(value)


def _number_columns(rows: Sequence[Row], columns: Mapping[str, str]) -> set[str]:
    """The columns that are set to the right."""
    return {key for key in columns if all(_is_number(row[key]) for row in rows)}


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int | Decimal)
