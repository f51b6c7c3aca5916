"""A simulation as one page that needs nothing but a browser; how it looks stands in templates/simulation.html."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.report import dress, flow_chart
from flows.wording.numbers import trimmed
from flows.wording.words import Localized, label, same
from transforms.policy.model import TIER_RANKS

if TYPE_CHECKING:
    from flows.policy.simulate import Simulation
    from transforms.simulation.compare import Side

Row = Mapping[str, Any]

MOST_MOVERS, MOST_OTHERS = 500, 200

_TEMPLATES = Path(__file__).parent / "templates"
_SECTIONS = ("migration", "money_moves", "outcomes", "movers", "calm", "over_time", "hindsight")
_CALM = (
    "moves",
    "reversals",
    "reversals_per_100_customer_years",
    "lapses",
    "flagged_before",
    "median_days",
    "shortest_days",
)
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


def page(simulation: Simulation) -> str:
    """The whole page as HTML text, in both languages."""
    found = simulation.comparison
    ruling, candidate = (
        f"{side.policy_id} {side.policy_version}" for side in (found.ruling, found.candidate)
    )
    environment = dress.environment(_TEMPLATES, saying={"stamp": found.candidate.policy_hash})
    return environment.get_template("simulation.html").render(
        title=dress.filled("simulation", "title", candidate, ruling),
        shared=False,
        ruling=ruling,
        candidate=candidate,
        found=found,
        reproduced=simulation.reproduced,
        hindsight=simulation.hindsight,
        sections=[name for name in _SECTIONS if _is_shown(name, simulation)],
        tiers=[row["tier"] for row in found.by_tier],
        cells={(row["from_tier"], row["to_tier"]): row for row in found.migration},
        flow=flow_chart.flow([_as_flow(row) for row in found.migration]),
        largest=max(
            (row[f"net_sales_12m_{side}"] for row in found.by_tier for side in ("ruling", "candidate")),
            default=0,
        ),
        moves=sorted(
            (row for row in found.migration if row["direction"] != "stays"),
            key=lambda row: row["net_sales_12m"] or 0,
            reverse=True,
        ),
        calm=_calm(found.ruling, found.candidate),
        most_differ=max((row["differ"] for row in found.by_period), default=0),
        movers=[{**row, "differs": list(_differs(row))} for row in found.movers[:MOST_MOVERS]],
        most_movers=MOST_MOVERS,
        most_others=MOST_OTHERS,
    )


def _is_shown(section: str, simulation: Simulation) -> bool:
    if section == "outcomes":
        return bool(simulation.comparison.outcomes)
    return section != "hindsight" or simulation.hindsight is not None


def _as_flow(row: Row) -> dict[str, Any]:
    """The same money at both sides: the two policies see the same facts."""
    return {
        **row,
        "from_rank": TIER_RANKS.get(row["from_tier"]),
        "to_rank": TIER_RANKS.get(row["to_tier"]),
        "net_sales_before": row["net_sales_12m"] or Decimal(0),
        "net_sales_after": row["net_sales_12m"] or Decimal(0),
    }


def outcome_rows(outcomes: Sequence[Row]) -> list[Row]:
    """The outcomes as a person reads them; where a policy was fitted to what it is judged by, its name says so."""
    names = {"ruling": "in force", "candidate": "candidate"}
    return [
        {**row, "policy": names[row["policy"]] + (" (in-sample)" if row["in_sample"] else "")}
        for row in outcomes
    ]


def _calm(ours: Side, theirs: Side) -> list[tuple[str, Any, Any]]:
    """How restless and how late each policy is: what, in force, candidate."""
    before, after = ({**side.volatility, **side.warnings} for side in (ours, theirs))
    return [(code, before[code], after[code]) for code in _CALM]


def _differs(mover: Row) -> Iterator[tuple[Localized, Localized, Localized]]:
    """What the two policies see differently of a customer: what, in force, candidate."""
    for each in mover["drivers"]:
        yield (
            label("differs", each["what"]),
            _seen(each["what"], each["ruling"]),
            _seen(each["what"], each["candidate"]),
        )
    if None not in (scores := (mover["score_from"], mover["score_to"])) and scores[0] != scores[1]:
        before, after = (same(trimmed(each, 2)) for each in scores)
        yield label("differs", "score"), before, after


def _seen(what: str, value: str | None) -> Localized:
    if value is None or what.endswith("_class"):
        return label("class", value)
    if what == "gate":
        return label("subject", value)
    tier, _, causes = value.partition(" by ")
    named, reasons = label("tier", tier), [label("subject", each) for each in causes.split(", ") if each]
    if not reasons:
        return named
    english, chinese = ", ".join(each.en for each in reasons), "、".join(each.zh for each in reasons)
    return Localized(f"{named.en} ({english})", f"{named.zh}（{chinese}）")


def what_differs(mover: Row) -> str | None:
    """What the two policies see differently of a customer, as "volume high → low; score 40 → 50"."""
    return "; ".join(f"{what.en} {ours.en} → {theirs.en}" for what, ours, theirs in _differs(mover)) or None
