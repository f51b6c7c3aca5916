"""How each result is shown, to a person or as JSON. Nothing is worked out here: what is shown was stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from decimal import Decimal
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from flows.console.output import MINUS, echo, echo_json, fields_of, pairs, place, table, text
from flows.runner.data_docs import INDEX, folder_of
from flows.wording.rules import finding_said
from flows.wording.words import label

if TYPE_CHECKING:
    from datetime import datetime

    from flows.inbox.landing import Inbox, Landed
    from flows.pipeline.committed import Unpublished
    from flows.policy.credit_order import Ordered
    from flows.policy.what_if import WhatIf
    from flows.settings import Settings
    from flows.wording.reasons import Form
    from warehouse.delivery.profile import Source
    from warehouse.mart.queries import CustomerFile, Status
    from warehouse.relay.records import Backlog

Row = Mapping[str, Any]

FATES = {
    "rows_in": "in",
    "accepted": "accepted",
    "quarantined": "quarantined",
    "waiting": "waiting",
    "excluded": "excluded",
    "refused": "refused",
}
# Of what counts for nothing, status shows the latest batches and tables.
MOST_FINDINGS = 10
# What became of the rows of a batch, beside being accepted, as a narrow column says it.
KEPT_OUT = {"quarantined": "quar.", "excluded": "excl.", "refused": "ref.", "released": "rel."}
TERMINAL = 80


def show_landed(landed: Landed, *, untold: str | None, as_json: bool) -> None:
    """Where a batch lies; `untold` is why no Prefect server was told of it, None if one was."""
    if as_json:
        echo_json({"landed": landed, "announced": untold is None, "not_announced": untold})
        return
    echo(f"landed {place(landed.folder)}")
    echo("the Prefect server was told" if untold is None else "load it with `valuemart refresh`")


BRIEF = 160  # characters: two lines of a terminal
OTHER_TERMS = {"coverage": "measures that came or went", "policy": "another policy"}


def _finding(row: Row) -> str:
    """`3 rows [allocation_without_item]`, and what that is."""
    rows = "1 row" if row["row_count"] == 1 else f"{row['row_count']:,} rows"
    said = finding_said(row["finding"], row["dated_after"], row["net_sales"]).en
    return f"{rows} [{row['finding']}], {said[0].lower()}{said[1:]}"


def _readers(settings: Settings) -> str:
    """Who may read what is published, as a line of the status."""
    if settings.publish_group is None:
        return "this user alone; set publish_group to let others read the mart and the report"
    return f"this user and the group {settings.publish_group}, in {place(settings.published_folder)}"


def show_status(
    settings: Settings,
    books: Status,
    inbox: Inbox,
    backlogs: Mapping[str, Backlog],
    asked: str | None,
    findings: Sequence[Row],
    left: Unpublished | None,
    *,
    as_json: bool,
) -> None:
    """The books in brief, what is committed and not published yet, what has landed and is not loaded yet, what the sinks lack, and what the policy asks.

    `findings` is what was accepted and counts for nothing yet, or was deleted; as JSON all of it, else of the latest batches.
    """
    if as_json:
        echo_json(
            {
                "home": settings.home,
                "published_folder": settings.published_folder,
                "publish_group": settings.publish_group,
                "books": books,
                "inbox": inbox,
                "backlogs": backlogs,
                "policy": asked,
                "findings": findings,
                "unpublished": left,
            }
        )
        return
    out = books.publication
    counts = {row["status"]: row["batches"] for row in books.batch_counts}
    pairs(
        {
            "home": place(settings.home),
            "published": f"{text(out['published_at'])} UTC, generation {out['generation']}",
            "readers": _readers(settings),
            **({"committed": f"and not published: {left}; `valuemart refresh` publishes it"} if left else {}),
            "rated": f"as of {out['as_of']}, policy {out['policy_id']} {out['policy_version']}"
            if out["as_of"]
            else "never",
            **({"policy": asked} if asked else {}),
            "batches": ", ".join(f"{batches:,} {status}" for status, batches in counts.items()) or "none",
            "inbox": f"{len(inbox.ready):,} to load, {len(inbox.waiting):,} waiting for _SUCCESS",
            "rows": ", ".join(f"{books.row_counts[key]:,} {heading}" for key, heading in FATES.items()),
            "released": f"{books.row_counts['released']:,} of the quarantined, by corrections"
            if books.row_counts["released"]
            else "none of the quarantined",
            "events": f"{books.events:,} written",
            **{f"sink {sink}": backlog_text(backlog) for sink, backlog in backlogs.items()},
        }
    )
    table(books.batches, _batch_columns(books.batches), title="Latest batches")
    pages = {
        batch["batch_id"]: folder_of(settings, batch["source"], batch["company_code"], batch["batch_id"])
        / INDEX
        for batch in books.batches
    }
    documented = {name: place(page) for name, page in pages.items() if page.is_file()}
    if documented:
        echo()
        echo("Data Docs")
        pairs(documented)
    if findings:
        echo()
        echo("Accepted, and counted for nothing yet, or deleted")
        for row in findings[:MOST_FINDINGS]:
            echo(f"  {row['batch_id']} {row['table_name']}: {_finding(row)}")
        if len(findings) > MOST_FINDINGS:
            echo(f"  and {len(findings) - MOST_FINDINGS:,} more: batch_finding of the mart has them all")
    if books.waiting:
        echo()
        echo("Waiting for a record that they are made of, which is in quarantine: mend and release that one")
        for row in books.waiting[:MOST_FINDINGS]:
            echo(f"  {row['batch_id']} {row['table_name']}: {row['rows']:,} rows")
        if len(books.waiting) > MOST_FINDINGS:
            echo(f"  and {len(books.waiting) - MOST_FINDINGS:,} more: `valuemart status --json` has them all")
    if books.refusals:
        echo()
        echo("Refused")
        for refusal in books.refusals:
            where = ", ".join(str(refusal[key]) for key in ("file", "column_name") if refusal[key])
            echo(
                f"  {refusal['batch_id']}: {where + ': ' if where else ''}{refusal['message']}. {refusal['remedy']}"
            )


def _batch_columns(batches: Sequence[Row]) -> dict[str, str]:
    """The columns in which batches fit a terminal, one a line: none that says nothing, nor what their number says (the day).

    Headings are cut short where they must be. JSON has every column.
    """
    several = len({batch["company_code"] for batch in batches}) > 1
    fates = [fate for fate in KEPT_OUT if any(batch[fate] for batch in batches)]
    columns = {
        "source": "source",
        **({"company_code": "company"} if several else {}),
        "batch_id": "batch",
        "status": "status",
        "rows_in": "in",
        **{fate: fate for fate in fates},
    }
    width = sum(
        2 + max(len(heading), *(len(text(batch[key])) for batch in batches))
        for key, heading in columns.items()
        if batches
    )
    return columns if width <= TERMINAL else columns | {fate: KEPT_OUT[fate] for fate in fates}


def backlog_text(backlog: Backlog) -> str:
    """What a sink has not got yet, in a few words."""
    if backlog.disabled:
        return f"disabled ({backlog.disabled}), {backlog.waiting:,} waiting"
    if not backlog.waiting and not backlog.dead:
        return "has everything"
    oldest = f" since {text(backlog.oldest)}" if backlog.oldest else ""
    return f"{backlog.waiting:,} waiting{oldest}, {backlog.dead:,} given up, {backlog.blocked:,} customers held back"


def show_sources(known: Sequence[Source], *, as_json: bool) -> None:
    """The sources that can be landed: what files each takes and what tables it makes of them."""
    if as_json:
        echo_json(
            [
                {
                    "source": source.name,
                    "title": source.profile.title,
                    "folder": source.folder,
                    "resources": {name: each.pattern for name, each in source.profile.resources.items()},
                    "tables": list(source.profile.tables),
                }
                for source in known
            ]
        )
        return
    for source in known:
        echo(f"{source.name}: {source.profile.title}")
        pairs(
            {
                "folder": place(source.folder),
                "takes": ", ".join(each.pattern for each in source.profile.resources.values()),
                "makes": ", ".join(source.profile.tables),
            }
        )


def show_order(asked: Ordered, *, as_json: bool) -> None:
    """Whether an order may be sold on credit, and why."""
    from flows.wording.reasons import render

    decision, standing = asked.decision, asked.standing
    form: Form = "exact" if as_json else "en"
    reasons, remarks = (
        [render([each], form) for each in said] for said in (decision.reasons, decision.remarks)
    )
    if as_json:
        about = {name: value for name, value in fields_of(asked).items() if name != "decision"}
        echo_json({**fields_of(decision), "reasons": reasons, "remarks": remarks, **about})
        return
    order = f"{asked.order:,.2f} {asked.currency}"
    echo(f"{decision.answer}: {order} for {asked.customer_id} {asked.name} ({asked.company_code})")
    at_most = decision.at_most
    lines = {
        **{f"why {place}": reason for place, reason in enumerate(reasons, start=1)},
        **{f"note {place}": remark for place, remark in enumerate(remarks, start=1)},
        "on credit at most": "no limit" if at_most is None else f"{at_most:,.2f} {asked.currency}",
        "exposure": asked.exposure,
        "credit limit": standing.credit_limit,
        "known as of": asked.as_of,
    }
    pairs(lines)


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


_AMOUNTS = frozenset({"net_sales_12m", "contribution_12m"})


def _signed_percent(share: Decimal) -> str | None:
    return f"{(share * 100).normalize():+f} %".replace("-", MINUS) if share else None


def _figure(value: object) -> object:
    return round(value, 2) if isinstance(value, Decimal) and abs(value) >= 1000 else value


def _expected(row: Row) -> str | None:
    """The move that comes if the figures stay, and by when."""
    if row["watch_tier"] is None:
        return None
    return f"{row['watch_direction']} to {row['watch_tier']} by {text(row['watch_deadline'])}"


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


def why_moved(move: Row) -> str | None:
    """Why a tier changed as a person reads it, of a row of tier_change with the reasons that stand behind its own."""
    from flows.wording.reasons import moved_by

    said = moved_by(move["from_tier"], move.get("reasons_reasons"), move["reasons"])
    return said.en if said else None


def as_published(moves: Sequence[Row]) -> list[dict[str, Any]]:
    """Moves as the mart has them: without what the text of their reasons was made of."""
    return [{key: value for key, value in move.items() if key != "reasons_reasons"} for move in moves]


def _said(file: CustomerFile, row: Row, column: str) -> str | None:
    """A text of the mart as a person reads it: words in place of codes, and figures rounded for the eye.

    `column`: its table and column; a rating row is one of customer_value.
    """
    from flows.wording.reasons import localized
    from warehouse.mart.reasons import beside

    name = column.split(".")[1]
    said = localized(beside(dict(row), file.reasons, column)[f"{name}_reasons"], row[name])
    return said.en if said else None


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
        "change of sales": _change_of_sales(now),
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
