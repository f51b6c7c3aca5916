"""A simulation as one page that needs nothing but a browser: no script, no font, no network; light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from typing import Any

from flows.render import text
from flows.replaying import Simulation

Row = Mapping[str, Any]

MOST_MOVERS, MOST_OTHERS = 500, 200

_STYLE = """
:root{color-scheme:light dark;--ink:#1c2126;--soft:#5b6670;--line:#d7dce0;--ground:#fff;--mark:29,110,140}
@media(prefers-color-scheme:dark){:root{--ink:#e4e8eb;--soft:#97a3ad;--line:#3a434b;--ground:#14181b;--mark:90,180,210}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground);max-width:88rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .4rem}p{color:var(--soft);margin:.3rem 0}
.wide{overflow-x:auto;background:linear-gradient(270deg,var(--ground) 40%,transparent) right/2.4rem 100% local,linear-gradient(270deg,rgba(128,128,128,.4),transparent) right/.6rem 100% scroll;background-repeat:no-repeat}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.25rem .7rem;border-bottom:1px solid var(--line);text-align:left;white-space:nowrap}
th{color:var(--soft);font-weight:600;vertical-align:bottom}td.n,th.n{text-align:right}td.why{white-space:normal;min-width:20rem}
.same{outline:1px solid var(--line);outline-offset:-1px}
"""

_SUMS = {
    "customers": "customers",
    "net_sales_12m": "net sales of 12 months",
    "contribution_12m": "contribution",
    "exposure": "credit exposure",
}
_MONEY = frozenset(_SUMS) - {"customers"}
_SCORES = frozenset({"score_from", "score_to"})
_BEFORE, _AFTER = "in force", "candidate"
_TIERS = ("strategic", "core", "cultivate", "new", "unrated", "marginal", "speculative")


def page(simulation: Simulation) -> str:
    """The whole page as HTML text."""
    found = simulation.comparison
    ruling, candidate = (
        f"{side.policy_id} {side.policy_version}" for side in (found.ruling, found.candidate)
    )
    title = f"{candidate} instead of {ruling}"
    moved = sum(row["customers"] for row in found.moved)
    parts = [
        f"<h1>{escape(title)}</h1>",
        _say(
            f"Replayed from stored facts; shown are {found.periods} periods from {found.first:%Y-%m} to {found.last:%Y-%m}. "
            "Nothing was published. Each period saw only what was known on the day it was looked at."
        ),
        _say(
            f"At the end {moved:,} of {found.customers:,} customers would have another tier. "
            f"The policy in force, replayed the same way, finds {_reproduced(simulation)}."
        ),
        _say(
            f"In force is {ruling} ({found.ruling.policy_hash[:12]}), the candidate {candidate} ({found.candidate.policy_hash[:12]}). "
            "Amounts are in company currency, of the last period."
        ),
        "<h2>Tiers at the end</h2>",
        _say("Customers. Rows: by the policy in force. Columns: by the candidate."),
        _matrix(found.migration),
        "<h2>What moves</h2>",
        _table(found.moved, {"direction": "direction", **_SUMS}),
        "<h2>From tier to tier at the end</h2>",
        _table(found.migration, {"from_tier": _BEFORE, "to_tier": _AFTER, **_SUMS}),
        "<h2>Calm and warning</h2>",
        _table(*_calm(found.ruling, found.candidate)),
        "<h2>Who moves, and why</h2>",
        _more(len(found.movers), MOST_MOVERS),
        _table(
            found.movers[:MOST_MOVERS],
            {
                "customer_id": "customer",
                "from_tier": _BEFORE,
                "to_tier": _AFTER,
                "score_from": "score in force",
                "score_to": "of the candidate",
                "net_sales_12m": "net sales of 12 months",
                "exposure": "exposure",
                "drivers": "what differs",
            },
        ),
        "<h2>Month by month</h2>",
        _say("Customers whose tier differs between the two, by period."),
        _bars(found.by_period),
        "<h2>Moves from one period to the next</h2>",
        _table(
            [
                {**row, "policy": {"ruling": _BEFORE}.get(row["policy"], row["policy"])}
                for row in found.over_time
            ],
            {
                "policy": "policy",
                "from_tier": "from",
                "to_tier": "to",
                "moves": "moves",
                "reversals": "back again",
            },
        ),
        *_hindsight(simulation.hindsight),
    ]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _reproduced(simulation: Simulation) -> str:
    found = simulation.reproduced
    return f"{found['same_tier']:,} of {found['ratings']:,} stored ratings with the same tier"


def _calm(ours: Any, theirs: Any) -> tuple[Sequence[Row], dict[str, str]]:
    labels = {
        "moves": "moves",
        "reversals": "moves there and back within 12 months",
        "reversals_per_100_customer_years": "of these in 100 customer-years",
        "lapses": "lapses into more than 90 days past due",
        "flagged_before": "of these flagged at an earlier look",
        "median_days": "days between flag and lapse, median",
        "shortest_days": "days between flag and lapse, shortest",
    }
    sides = [{**side.restlessness, **side.warnings} for side in (ours, theirs)]
    rows = [
        {"what": label, "ruling": sides[0][key], "candidate": sides[1][key]} for key, label in labels.items()
    ]
    return rows, {"what": "", "ruling": _BEFORE, "candidate": _AFTER}


def _hindsight(found: Row | None) -> Iterable[str]:
    if found is None:
        return ()
    others = found["other_tiers"]
    return (
        "<h2>With hindsight</h2>",
        _say(
            f"Had every fact been known from its own day on, {found['ratings'] - found['same_tier']:,} of "
            f"{found['ratings']:,} ratings under the candidate would have another tier, and "
            f"{found['ratings'] - found['same_score']:,} another score."
        ),
        _more(len(others), MOST_OTHERS),
        _table(
            others[:MOST_OTHERS],
            {
                "period": "period",
                "customer_id": "customer",
                "effective_tier": "by what was known",
                "other_tier": "with hindsight",
            },
        ),
    )


def _matrix(rows: Sequence[Row]) -> str:
    """Customers by pair of tiers; the darker, the more."""
    count = {(row["from_tier"], row["to_tier"]): row["customers"] for row in rows}
    tiers = [tier for tier in _TIERS if any(tier in pair for pair in count)]
    most = max(count.values(), default=1)
    head = "".join(f'<th class="n">{tier}</th>' for tier in tiers)
    body = "".join(
        f"<tr><th>{before}</th>{''.join(_cell(count.get((before, after), 0), most, is_same=before == after) for after in tiers)}</tr>"
        for before in tiers
    )
    return f'<div class="wide"><table><tr><th></th>{head}</tr>{body}</table></div>'


def _cell(customers: int, most: int, *, is_same: bool) -> str:
    shade = f"background:rgba(var(--mark),{0.1 + 0.6 * customers / most:.2f})" if customers else ""
    return f'<td class="n{" same" if is_same else ""}" style="{shade}">{customers or ""}</td>'


def _bars(rows: Sequence[Row]) -> str:
    most = max((row["differ"] for row in rows), default=0) or 1
    body = "".join(
        f'<tr><td>{row["period"]:%Y-%m}</td><td class="n">{row["differ"]:,}</td>'
        f'<td><div style="height:.8rem;width:{18 * row["differ"] / most:.2f}rem;background:rgba(var(--mark),.6)"></div></td></tr>'
        for row in rows
    )
    return f"<table>{body}</table>"


def _table(rows: Sequence[Row], columns: Mapping[str, str]) -> str:
    if not rows:
        return _say("none")
    right = {key for key in columns if all(_is_number(row[key]) for row in rows)}
    head = "".join(f"<th{_class(key, right)}>{escape(heading)}</th>" for key, heading in columns.items())
    body = "".join(
        "<tr>"
        + "".join(f"<td{_class(key, right)}>{escape(_shown(key, row[key]))}</td>" for key in columns)
        + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _shown(key: str, value: object) -> str:
    """A cell's text; amounts in whole units and scores to a tenth, since nobody decides about a policy by cents."""
    if isinstance(value, Decimal) and key in _MONEY:
        return text(round(value))
    if isinstance(value, Decimal) and key in _SCORES:
        return f"{value:.1f}"
    return text(value)


def _class(key: str, right: set[str]) -> str:
    name = "n" if key in right else "why" if key == "drivers" else ""
    return f' class="{name}"' if name else ""


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int | Decimal)


def _more(number: int, shown: int) -> str:
    return _say(f"The first {shown:,} of {number:,}; the JSON file has them all.") if number > shown else ""


def _say(words: str) -> str:
    return f"<p>{escape(words)}</p>"
