"""Why a customer has its tier, to a person or as JSON. Nothing is worked out here: what is shown was stored."""

from __future__ import annotations

from datetime import UTC
from textwrap import shorten
from typing import TYPE_CHECKING

from flows.cli.views.moves import why_moved
from flows.console.output import Row, echo, echo_json, fields_of, pairs, table, text
from flows.wording.numbers import signed_share
from flows.wording.words import label

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from warehouse.mart.queries import CustomerFile

BRIEF = 160  # characters: two lines of a terminal
OTHER_TERMS = {"coverage": "measures that came or went", "policy": "another policy"}


def show_customer(file: CustomerFile, why: Row, *, as_json: bool, recorded: datetime | None = None) -> None:
    """Why a customer has its tier; `why` is a row of transforms.rating.explain_score.

    `recorded`: when the state was written that it is told by, in UTC; None for what is published.
    """
    from transforms.measures.descriptor import MEASURES
    from warehouse.mart.reasons import beside

    if as_json:
        then = {"recorded": recorded.replace(tzinfo=UTC)} if recorded else {}
        shown = {name: value for name, value in fields_of(file).items() if name != "reasons"}
        echo_json({**shown, "explanation": why, **then})
        return
    now, before = file.current, file.previous or {}
    echo(f"{now['customer_id']} {now['name']} ({now['company_code']})")
    if recorded:
        echo(f"as the warehouse had it since {recorded:%Y-%m-%d %H:%M:%S} UTC")
    pairs(
        {
            **_standing(file, why),
            **_expected_business(file.expectation, now["decline_state"]),
            **_next_action(file),
        }
    )
    measures = [
        {
            "measure": each.heading,
            "before": before.get(each.column),
            "now": now[each.column]
            if now[each.column] is not None
            else label("reason", now[each.reason_column]).en,
            "score": now[each.score_column],
            "points": now[each.points_column],
            "change": why[each.delta_column],
        }
        for each in MEASURES
    ]
    measures += [
        {
            "measure": heading,
            "before": None,
            "now": None,
            "score": None,
            "points": None,
            "change": why[f"{term}_delta"],
        }
        for term, heading in OTHER_TERMS.items()
        if why[f"{term}_delta"]
    ]
    headings = ("measure", "before", "now", "score", "points", "change")
    table(measures, {key: key for key in headings}, title="Measures, and what each changed in the score")
    table(
        [
            {
                "kind": label("kind", each["kind"]).en.lower(),
                "confidence": label("confidence", each["confidence"]).en.lower(),
                "why": _in_brief(_said(file, each, "conduct_finding.evidence"))
                or (label("reason", each["reason"]).en if each["reason"] else None),
            }
            for each in file.conduct
        ],
        {"kind": "kind", "confidence": "confidence", "why": "why"},
        title="Conduct",
    )
    if file.credit:
        keys = (
            "credit_grade",
            "credit_action",
            "action_reason",
            "open_balance",
            "overdue_share",
            "next_order_headroom",
        )
        echo()
        echo("Credit")
        credit = {**file.credit, "action_reason": _said(file, file.credit, "credit_watch.action_reason")}
        pairs({key.replace("_", " "): credit[key] for key in keys})
    table(
        [
            {
                **each,
                "cause": label("cause", each["cause"]).en,
                "reasons": why_moved(beside(dict(each), file.reasons, "tier_change.reasons")),
            }
            for each in file.moves
        ],
        {"as_of": "as of", "from_tier": "from", "to_tier": "to", "cause": "cause", "reasons": "why"},
        title="Moves",
    )


def _said(file: CustomerFile, row: Row, column: str) -> str | None:
    """A text of the mart as a person reads it: words in place of codes, and figures rounded for the eye.

    `column`: its table and column; a rating row is one of customer_value.
    """
    from flows.wording.reasons import localized
    from warehouse.mart.reasons import beside

    name = column.split(".")[1]
    said = localized(beside(dict(row), file.reasons, column)[f"{name}_reasons"], row[name])
    return said.en if said else None


def _net_sales(file: CustomerFile) -> str | None:
    """The twelve months beside the twelve before, where the data reach back over those; nothing where it never ordered."""
    bought, before = file.current["net_sales_12m"], file.net_sales_year_before
    if bought is None:
        return None
    said = f"{text(bought)} in 12 months"
    if before is None:
        return said
    share = f" ({signed_share((bought - before) / before)})" if before > 0 and bought != before else ""
    return f"{said}, {text(before)} in the 12 before{share}"


def _change_of_sales(now: Row) -> str | None:
    """What quantity and price did to net sales of 12 months; nothing where that is not known, or nothing changed."""
    cause, by_quantity, by_price = (
        now[name] for name in ("sales_change_cause", "quantity_effect_12m", "price_effect_12m")
    )
    if cause is None:
        return None
    effects = f"quantity {_signed(by_quantity)}, price {_signed(by_price)} on the 12 months before"
    # It is called one of price where the quantity is nearly the same, which is not to say that prices changed.
    is_other_way = (by_price > 0) != (by_quantity > 0) and abs(by_price) < abs(by_quantity)
    if cause == "price" and (not by_price or is_other_way):
        return effects
    return f"{effects}: a change of {cause}"


def _signed(amount: Decimal) -> str:
    return f"+{text(amount)}" if amount > 0 else text(amount)


def _decline(file: CustomerFile) -> dict[str, str]:
    """That a customer buys less, or more, than a year before, and why that is said."""
    now = file.current
    why = _said(file, now, "customer_value.decline_reason")
    if now["is_growing"]:
        return {"growth": why or "-"}
    if now["decline_state"] in {None, "none"}:
        return {}
    stake = f", {now['decline_stake']:,.2f} at stake" if now["decline_stake"] is not None else ""
    return {"decline": f"{now['decline_state']} since {now['decline_since']:%Y-%m}{stake}: {why or '-'}"}


def _returns(now: Row) -> str | None:
    """How much comes back, where that is warned of."""
    return f"{now['return_rate_12m']:.1%} of what is invoiced comes back" if now["returns_warned"] else None


def _expected_business(expected: Row | None, decline: str | None) -> dict[str, str]:
    """What the next twelve months bring, its bounds, what that rests on, and that a lapsed customer would have to come back."""
    if expected is None:
        return {}
    basis = label("expected_basis", expected["expected_basis"]).en
    if expected["expected_net_sales_12m"] is None:
        return {"next 12 months": f"nothing is expected: {basis}"}
    said = f"net sales {text(expected['expected_net_sales_12m'])}"
    if expected["expected_net_sales_low"] is not None:
        low, high = (text(expected[f"expected_net_sales_{side}"]) for side in ("low", "high"))
        said += f" (four in five: {low} to {high})"
    if expected["expected_contribution_12m"] is not None:
        said += f", contribution {text(expected['expected_contribution_12m'])}"
    returns = decline == "lapsed" and expected["expected_net_sales_12m"]
    also = f"; {label('label', 'if_it_returns').en}" if returns else ""
    return {"next 12 months": f"{said}; {basis}{also}"}


def _next_action(file: CustomerFile) -> dict[str, str]:
    """What to do next with a customer, and why."""
    chosen = file.next_action
    if chosen is None:
        return {}
    why = _in_brief(_said(file, chosen, "next_action.reason"))
    do, *also = (
        label("next_action", code).en.lower()
        for code in (chosen["action"], *(chosen["also"].split(", ") if chosen["also"] else ()))
    )
    said = {"next action": f"{do}: {why}" if why else do}
    return said | {"also": ", ".join(also)} if also else said


def _in_brief(said: str | None) -> str | None:
    """The beginning of what may list twenty references; JSON has it all."""
    return said and shorten(said, BRIEF, placeholder=" …")


def _tier_since(now: Row) -> str:
    """The tier and since when: of a cap since that set in, and not since when memory has the tier that it lowers."""
    tier = now["effective_tier"]
    since = {now["cap_tier"]: now["cap_since"], now["memory_tier"]: now["tier_since"]}.get(tier)
    return f"{tier} since {text(since)}" if since else tier


def _standing(file: CustomerFile, why: Row) -> dict[str, object]:
    """The tier and what holds it there, leaving out what does not apply."""
    now, before = file.current, file.previous or {}
    gap = _said(file, now, "customer_value.watch_gap")
    watch = f"{now['watch_direction']} to {now['watch_tier']}: {gap}, by {text(now['watch_deadline'])}"
    policy = f"policy {now['policy_id']} {now['policy_version']}"
    lines = {
        "tier": _tier_since(now),
        "tier basis": why["tier_basis"],
        "rated": f"through {now['closed_through']}, revision {now['revision']}, {policy}",
        "score": f"{text(now['score'])} (before: {text(before.get('score'))})",
        "changed by": why["drivers"],
        "net sales": _net_sales(file),
        "change of sales": _change_of_sales(now),
        "last order": now["last_order_on"],
        **_decline(file),
        "returns": _returns(now),
        "not assessed": _said(file, now, "customer_value.unassessed"),
        "segment": now["segment"],
        "raw tier": now["raw_tier"],
        "memory": why["memory"],
        "it takes": why["what_it_takes"],
        "expected": watch if now["watch_tier"] else None,
        "gates": why["gates"],
        "binding bar": why["binding_bar"],
        "would move it": why["counterfactual"],
    }
    return {name: value for name, value in lines.items() if value is not None}
