"""What a run did, shown to a person or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from flows.cli.views.events import sink_text
from flows.cli.views.moves import as_published, why_moved
from flows.cli.views.policy import outdated
from flows.cli.views.status import FATES
from flows.console.output import Row, echo, echo_err, echo_json, fields_of, pairs, place, table
from flows.wording.words import label
from transforms.policy.model import is_outdated

if TYPE_CHECKING:
    from flows.extract.batch import Pulled
    from flows.pipeline.rate_company import RatingReport
    from flows.pipeline.reload import ReloadReport
    from flows.pipeline.stages import RefreshResult
    from transforms.policy.model import Policy
    from warehouse.delivery.manifest import Batch
    from warehouse.store.ledger import BatchOutcome


def show_pulled(pulled: Pulled, *, untold: str | None, as_json: bool) -> None:
    """What a pull read and where it lies; `untold` is why no Prefect server was told of it, None if one was."""
    if as_json:
        echo_json({**fields_of(pulled), "announced": untold is None, "not_announced": untold})
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
    echo(f"landed {place(pulled.landed.folder)}")
    echo("the Prefect server was told" if untold is None else "load it with `valuemart refresh`")


def show_refresh(result: RefreshResult, *, as_json: bool) -> None:
    """What a run did; what a person should look into goes to standard error, a line each."""
    for line in _attention(result):
        echo_err(f"valuemart: {line}")
    if as_json:
        echo_json(_document(result))
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
        lines["rated"] = (
            f"periods {periods}, {rating.new_rows:,} rows new or revised, policy {rating.policy_named}"
        )
        lines["moves"] = f"{len(rating.moves):,}, {rating.events:,} events"
    elif result.not_rated:
        lines["rated"] = "nothing yet"
    if result.published:
        lines["mart"] = place(result.published.mart)
    if result.report:
        lines["report"] = place(result.report)
    for sink in result.relayed.sinks if result.relayed else ():
        lines[f"sink {sink.sink}"] = sink_text(sink)
    pairs(lines)
    if rating and rating.moves:
        show_moves(rating.moves)
    if not (statuses or rating or result.published or result.not_rated):
        echo("everything was up to date")


def show_backfill(results: Sequence[RefreshResult], *, as_json: bool) -> None:
    """What rating past months did, a line a day."""
    # What holds for all of them, as that nobody has confirmed the policy, is said once.
    for line in dict.fromkeys(line for result in results for line in _attention(result)):
        echo_err(f"valuemart: {line}")
    if as_json:
        echo_json([_document(result) for result in results])
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
        rating = result.rating
        policies = {"policy": _stamp(rating.policy), "ruling": _stamp(rating.ruling)}
        document["rating"] = fields_of(rating) | policies | {"moves": as_published(rating.moves)}
    outcomes = [fields_of(each) | {"batch": _batch(each.batch)} for each in result.load.outcomes]
    document["load"] = fields_of(result.load) | {"outcomes": outcomes}
    return document


def _batch(batch: Batch) -> dict[str, object]:
    """A batch by what its manifest says of it, whatever the manifest is made of."""
    about = {name: getattr(batch.about, name) for name in type(batch.about).model_fields}
    resources = [
        {name: getattr(each, name) for name in ("name", "paths", "hashes", "mode", "window", "rows")}
        for each in batch.resources
    ]
    return {"folder": batch.folder, **about, "resources": resources}


def _stamp(policy: Policy) -> dict[str, str]:
    return {"id": policy.id, "version": policy.version, "content_hash": policy.content_hash}


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
    if result.not_rated:
        yield f"nothing is rated: {result.not_rated}"
    if result.rating:
        yield from (f"warning: {told}" for told in result.rating.other_currencies)
        yield from _of_the_policy(result.rating)
        if result.rating.looked_back_from:
            yield (
                f"warning: everything was rated as of {result.rating.looked_back_from} before: the mart now shows credit, conduct "
                f"and what to do as of {result.rating.as_of}, beside tiers and sales of a later period; "
                f"`valuemart refresh --as-of {result.rating.looked_back_from}` brings it back"
            )


def _of_the_policy(rating: RatingReport) -> Iterator[str]:
    if rating.calibrated:
        yield (
            f"no policy was configured: one was fitted to the data, {place(rating.calibrated)}; "
            "read it, it rules from now on"
        )
    if rating.unconfirmed:
        yield (
            f"nobody has confirmed the policy that was fitted to the data, {place(rating.policy_file)}: read it, "
            "then `valuemart policy confirm`"
        )
    if is_outdated(rating.policy):
        yield outdated(rating.policy, rating.policy_file)


def _page(outcome: BatchOutcome) -> str:
    return f", or {place(outcome.data_docs)}" if outcome.data_docs else ""


def show_moves(moves: Sequence[Row], *, most: int = 20) -> None:
    """Whose tier changed, and why; the largest moves first."""
    ranked = sorted(moves, key=lambda move: -abs((move["to_rank"] or 0) - (move["from_rank"] or 0)))
    table(
        [
            {
                **move,
                "cause": label("cause", move["cause"]).en,
                "why": why_moved(move),
            }
            for move in ranked[:most]
        ],
        {"customer_id": "customer", "from_tier": "from", "to_tier": "to", "cause": "cause", "why": "why"},
        title=f"Moves ({min(most, len(moves))} of {len(moves):,})",
    )


def show_reload(report: ReloadReport, *, as_json: bool) -> None:
    """What a reload changed, or would: rows by table, and of a dry run the company's figures before and after."""
    if as_json:
        echo_json(asdict(report))
        return
    done = "would be" if report.dry_run else "were"
    echo(f"{report.source}: {report.batches:,} batches {done} loaded again by today's mapping")
    for name, rows in report.rows.items():
        echo(f"  {name}: {rows:,} rows {'would change' if report.dry_run else 'changed'}")
    if not report.rows:
        echo("  no row of any table is another one")
    if report.quarantined:
        echo(f"  {report.quarantined:,} rows in quarantine")
    if report.before and report.after:
        before, after = report.before, report.after
        echo(f"  net sales {before.net_sales:,.2f} -> {after.net_sales:,.2f}")
        echo(f"  open balance {before.open_balance:,.2f} -> {after.open_balance:,.2f}")
        echo(
            f"  {after.ratings - before.ratings:,} ratings of {report.customers:,} customers would be written, "
            f"and {after.events - before.events:,} events sent"
        )
    for kept in report.kept:
        echo_err(f"kept: {kept} does not lie in the archive, and its rows stay as they are")
    for correction in report.left_out:
        echo_err(f"left out: of {correction} no row is in quarantine any more")
    for warning in report.warnings:
        echo_err(f"warning: {warning}")
