"""How each result is shown, to a person or as JSON. Nothing is worked out here: what is shown was stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from flows.data_docs import INDEX, folder_of
from flows.render import fields_of, pairs, place, say, say_json, table, text

if TYPE_CHECKING:
    from flows.ordering import Ordered
    from flows.pull import Inbox, Landed
    from flows.settings import Settings
    from transforms.policy import Policy
    from warehouse.reading import CustomerFile, Status
    from warehouse.relay_records import Backlog
    from warehouse.source import Source

Row = Mapping[str, Any]

FATES = {
    "rows_in": "in",
    "accepted": "accepted",
    "quarantined": "quarantined",
    "excluded": "excluded",
    "refused": "refused",
}
BATCH_COLUMNS = {
    "source": "source",
    "company_code": "company",
    "batch_id": "batch",
    "status": "status",
    "extracted_at": "extracted",
    **FATES,
    "released": "released",
}

# measure: its value, the heading of that value, and why it is empty
MEASURES = {
    "volume": ("net_sales_12m", "net sales of 12 months", "volume_reason"),
    "steadiness": ("steadiness", "steadiness, 0 to 1", "steadiness_reason"),
    "contribution": ("contribution_12m", "contribution of 12 months", "contribution_reason"),
    "loyalty": ("loyalty", "loyalty, 0 to 1", "loyalty_reason"),
    "feedback": ("feedback_rate", "feedback a month", "feedback_reason"),
    "influence": ("influence", "influence, 0 to 100", "influence_reason"),
    "potential": ("headroom_12m", "headroom of 12 months", "headroom_reason"),
}


def show_landed(landed: Landed, *, untold: str | None, as_json: bool) -> None:
    """Where a batch lies; `untold` is why no Prefect server was told of it, None if one was."""
    if as_json:
        say_json({"landed": landed, "announced": untold is None, "not_announced": untold})
        return
    say(f"landed {place(landed.folder)}")
    say("the Prefect server was told" if untold is None else "load it with `valuemart refresh`")


BRIEF = 160  # characters: two lines of a terminal
OTHER_TERMS = {"coverage": "measures that came or went", "policy": "another policy"}


def show_status(
    settings: Settings, books: Status, inbox: Inbox, backlogs: Mapping[str, Backlog], *, as_json: bool
) -> None:
    """The books in brief, with what has landed and is not loaded yet, and what the sinks have not got yet."""
    if as_json:
        say_json({"home": settings.home, "books": books, "inbox": inbox, "backlogs": backlogs})
        return
    out = books.publication
    counts = {row["status"]: row["batches"] for row in books.batch_counts}
    pairs(
        {
            "home": place(settings.home),
            "published": f"{text(out['published_at'])} UTC, generation {out['generation']}",
            "rated": f"as of {out['as_of']}, policy {out['policy_id']} {out['policy_version']}"
            if out["as_of"]
            else "never",
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
    table(books.batches, BATCH_COLUMNS, title="Latest batches")
    pages = {
        batch["batch_id"]: folder_of(settings, batch["source"], batch["company_code"], batch["batch_id"])
        / INDEX
        for batch in books.batches
    }
    documented = {name: place(page) for name, page in pages.items() if page.is_file()}
    if documented:
        say()
        say("Data Docs")
        pairs(documented)
    if books.refusals:
        say()
        say("Refused")
        for refusal in books.refusals:
            where = ", ".join(str(refusal[key]) for key in ("file", "column_name") if refusal[key])
            say(
                f"  {refusal['batch_id']}: {where + ': ' if where else ''}{refusal['message']}. {refusal['remedy']}"
            )


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
        say_json(
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
        say(f"{source.name}: {source.profile.title}")
        pairs(
            {
                "folder": place(source.folder),
                "takes": ", ".join(each.pattern for each in source.profile.resources.values()),
                "makes": ", ".join(source.profile.tables),
            }
        )


def show_policy(policy: Policy, file: Path, *, as_json: bool) -> None:
    """Which policy a file holds."""
    about = {"file": file, "id": policy.id, "version": policy.version, "content_hash": policy.content_hash}
    if as_json:
        say_json(about)
        return
    say(f"{place(file)} can be used")
    pairs(about)


def show_order(asked: Ordered, *, as_json: bool) -> None:
    """Whether an order may be sold on credit, and why."""
    if as_json:
        about = {name: value for name, value in fields_of(asked).items() if name != "decision"}
        say_json({**fields_of(asked.decision), **about})
        return
    decision, standing = asked.decision, asked.standing
    order = f"{asked.order:,.2f} {asked.currency}"
    say(f"{decision.answer}: {order} for {asked.customer_id} {asked.name} ({asked.company_code})")
    at_most = decision.at_most
    lines = {
        **{f"why {place}": reason for place, reason in enumerate(decision.reasons, start=1)},
        **{f"note {place}": remark for place, remark in enumerate(decision.remarks, start=1)},
        "on credit at most": "no limit" if at_most is None else f"{at_most:,.2f} {asked.currency}",
        "exposure": asked.exposure,
        "credit limit": standing.credit_limit,
        "known as of": asked.as_of,
    }
    pairs(lines)


def show_customer(file: CustomerFile, why: Row, *, as_json: bool) -> None:
    """Why a customer has its tier; `why` is a row of transforms.explain."""
    if as_json:
        say_json({**fields_of(file), "explanation": why})
        return
    now, before = file.current, file.previous or {}
    say(f"{now['customer_id']} {now['name']} ({now['company_code']})")
    pairs({**_standing(now, before, why), **_next_action(file.next_action)})
    measures = [
        {
            "measure": heading,
            "before": before.get(value),
            "now": now[value] if now[value] is not None else now[reason],
            "score": now[f"{name}_score"],
            "points": now[f"{name}_points"],
            "change": why[f"{name}_delta"],
        }
        for name, (value, heading, reason) in MEASURES.items()
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
        [{**each, "why": _in_brief(each["evidence"] or each["reason"])} for each in file.conduct],
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
        say()
        say("Credit")
        pairs({key.replace("_", " "): file.credit[key] for key in keys})
    table(
        file.moves,
        {"as_of": "as of", "from_tier": "from", "to_tier": "to", "cause": "cause", "reasons": "why"},
        title="Moves",
    )


def _next_action(chosen: Row | None) -> dict[str, str]:
    """What to do next with a customer, and why."""
    if chosen is None:
        return {}
    why = _in_brief(chosen["reason"])
    return {"next action": f"{chosen['action']}: {why}" if why else chosen["action"]}


def _in_brief(said: str | None) -> str | None:
    """The beginning of what may list twenty references; JSON has it all."""
    return said and shorten(said, BRIEF, placeholder=" …")


def _standing(now: Row, before: Row, why: Row) -> dict[str, object]:
    """The tier and what holds it there, leaving out what does not apply."""
    watch = f"{now['watch_direction']} to {now['watch_tier']}: {now['watch_gap']}, by {text(now['watch_deadline'])}"
    policy = f"policy {now['policy_id']} {now['policy_version']}"
    lines = {
        "tier": f"{now['effective_tier']} since {text(now['tier_since'])}",
        "held by": why["held_by"],
        "rated": f"through {now['closed_through']}, revision {now['revision']}, {policy}",
        "score": f"{text(now['score'])} (before: {text(before.get('score'))})",
        "changed by": why["drivers"],
        "not assessed": now["unassessed"],
        "segment": now["segment"],
        "raw tier": now["raw_tier"],
        "memory": why["memory"],
        "expected": watch if now["watch_tier"] else None,
        "gates": why["gates"],
        "binding bar": why["binding_bar"],
        "would move it": why["counterfactual"],
    }
    return {name: value for name, value in lines.items() if value is not None}
