"""What a run did, shown to a person or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from flows.event_views import sink_text
from flows.render import Row, complain, fields_of, pairs, place, say, say_json, table
from flows.views import FATES

if TYPE_CHECKING:
    from flows.database_pull import Pulled
    from flows.stages import RefreshResult
    from warehouse.ledger import BatchOutcome


def show_pulled(pulled: Pulled, *, untold: str | None, as_json: bool) -> None:
    """What a pull read and where it lies; `untold` is why no Prefect server was told of it, None if one was."""
    if as_json:
        say_json({**fields_of(pulled), "announced": untold is None, "not_announced": untold})
        return
    rows: list[Row] = [
        {
            "resource": name,
            "rows": rows,
            "since": (pulled.since[name] or "the beginning") if name in pulled.since else "all",
        }
        for name, rows in pulled.rows.items()
    ]
    rows += [
        {"resource": f"keys of {name}", "rows": keys, "since": "all"} for name, keys in pulled.keys.items()
    ]
    table(rows, {"resource": "resource", "rows": "rows", "since": "read from"})
    say(f"landed {place(pulled.landed.folder)}")
    say("the Prefect server was told" if untold is None else "load it with `valuemart refresh`")


def show_refresh(result: RefreshResult, *, as_json: bool) -> None:
    """What a run did; what a person should look into goes to standard error, a line each."""
    for line in _attention(result):
        complain(f"valuemart: {line}")
    if as_json:
        say_json(_document(result))
        return
    loaded, rating = result.load, result.rating
    fates = {
        heading: sum(
            getattr(each, fate) for outcome in loaded.outcomes for each in outcome.tables if not each.derived
        )
        for fate, heading in FATES.items()
    }
    statuses = Counter(outcome.status for outcome in loaded.outcomes)
    lines: dict[str, object] = {
        "as of": result.as_of,
        "batches": ", ".join(f"{number:,} {status}" for status, number in statuses.items()) or "nothing new",
        "rows": ", ".join(f"{number:,} {heading}" for heading, number in fates.items())
        if statuses
        else "none",
    }
    if rating:
        periods = f"{min(rating.periods):%Y-%m} to {max(rating.periods):%Y-%m}" if rating.periods else "none"
        policy = f"{rating.policy.id} {rating.policy.version}"
        lines["rated"] = f"periods {periods}, {rating.new_rows:,} rows new or revised, policy {policy}"
        lines["moves"] = f"{len(rating.moves):,}, {rating.events:,} events"
    if result.published:
        lines["mart"] = place(result.published.mart)
    if result.report:
        lines["report"] = place(result.report)
    for sink in result.relayed.sinks if result.relayed else ():
        lines[f"sink {sink.sink}"] = sink_text(sink)
    pairs(lines)
    if rating and rating.moves:
        show_moves(rating.moves)
    if not (statuses or rating or result.published):
        say("everything was up to date")


def show_backfill(results: Sequence[RefreshResult], *, as_json: bool) -> None:
    """What rating past months did, a line a day."""
    for result in results:
        for line in _attention(result):
            complain(f"valuemart: {line}")
    if as_json:
        say_json([_document(result) for result in results])
        return
    table(
        [
            {
                "as_of": result.as_of,
                "batches": len(result.load.outcomes),
                "new_rows": result.rating.new_rows if result.rating else 0,
                "moves": len(result.rating.moves) if result.rating else 0,
                "events": result.rating.events if result.rating else 0,
            }
            for result in results
        ],
        {
            "as_of": "as of",
            "batches": "batches loaded",
            "new_rows": "rows new or revised",
            "moves": "moves",
            "events": "events",
        },
    )


def _document(result: RefreshResult) -> dict[str, object]:
    """A result for a script: the policy by its name, since its content is a file of its own."""
    document: dict[str, object] = fields_of(result)
    if result.rating:
        policy = result.rating.policy
        named = {"id": policy.id, "version": policy.version, "content_hash": policy.content_hash}
        document["rating"] = fields_of(result.rating) | {"policy": named}
    return document


def _attention(result: RefreshResult) -> Iterator[str]:
    for outcome in result.load.outcomes:
        for fault in outcome.faults:
            yield f"refused {outcome.batch.place}: {fault}"
        for warning in outcome.warnings:
            yield f"warning: {outcome.batch.place}: {warning}"
        for each in outcome.tables:
            if each.quarantined:
                yield (
                    f"warning: {outcome.batch.place}: {each.name}: {each.quarantined:,} of {each.rows_in:,} rows "
                    "are in quarantine; "
                    f"see `valuemart quarantine show --batch {outcome.batch.batch_id}`{_page(outcome)}"
                )
    for waiting in result.load.waiting:
        yield f"waiting: {waiting} has no _SUCCESS yet"
    for sink in result.relayed.sinks if result.relayed else ():
        if sink.down:
            yield f"warning: sink {sink.sink} is down: {sink.down}; {sink.backlog.waiting:,} events wait for the relay"
    if result.rating and result.rating.calibrated:
        yield (
            f"no policy was configured: one was fitted to the data, {place(result.rating.calibrated)}; "
            "read it, it rules from now on"
        )


def _page(outcome: BatchOutcome) -> str:
    return f", or {place(outcome.data_docs)}" if outcome.data_docs else ""


def show_moves(moves: Sequence[Row], *, most: int = 20) -> None:
    """Whose tier changed, and why; the largest moves first."""
    ranked = sorted(moves, key=lambda move: -abs((move["to_rank"] or 0) - (move["from_rank"] or 0)))
    table(
        ranked[:most],
        {"customer_id": "customer", "from_tier": "from", "to_tier": "to", "cause": "cause", "reasons": "why"},
        title=f"Moves ({min(most, len(moves))} of {len(moves):,})",
    )
