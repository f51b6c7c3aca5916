"""How events, and what became of them, are shown to a person or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.console.output import echo, echo_err, echo_json, fields_of, pairs, table, text

if TYPE_CHECKING:
    from flows.delivery.relay import RelayReport, SinkReport
    from warehouse.relay.records import Backlog, DeadLetter, StoredEvent


def show_relayed(report: RelayReport, *, as_json: bool) -> None:
    """What a relay did, a line a sink; sinks that are down also on standard error."""
    for sink in report.sinks:
        if sink.down:
            echo_err(f"valuemart: sink {sink.sink} is down: {sink.down}")
    if as_json:
        echo_json(report)
        return
    pairs({f"sink {sink.sink}": sink_text(sink) for sink in report.sinks})


def show_served(sink: SinkReport) -> None:
    """One line on what was done for a sink; none where nothing was."""
    if sink.down:
        echo_err(f"valuemart: sink {sink.sink} is down: {sink.down}")
    elif sink.delivered or sink.refused:
        echo(f"sink {sink.sink}: {sink_text(sink)}")
        sys.stdout.flush()


def sink_text(sink: SinkReport) -> str:
    """What was done for a sink, and what is left."""
    if sink.busy:
        return f"another relay is serving it, {backlog_text(sink.backlog)}"
    refused = f"{sink.refused:,} refused, " if sink.refused else ""
    return f"{sink.delivered:,} delivered, {refused}{backlog_text(sink.backlog)}"


def backlog_text(backlog: Backlog) -> str:
    """What a sink has not got yet, in a few words."""
    if backlog.disabled:
        return f"disabled ({backlog.disabled}), {backlog.waiting:,} waiting"
    if not backlog.waiting and not backlog.dead:
        return "has everything"
    oldest = f" since {text(backlog.oldest)}" if backlog.oldest else ""
    return f"{backlog.waiting:,} waiting{oldest}, {backlog.dead:,} given up, {backlog.blocked:,} customers held back"


def show_events(events: Sequence[StoredEvent], *, as_json: bool) -> None:
    """Events, oldest first."""
    if as_json:
        echo_json([json.loads(event.body) for event in events])
        return
    table(
        [fields_of(event) for event in events],
        {
            "recorded_at": "written",
            "company_code": "company",
            "customer_id": "customer",
            "sequence": "sequence",
            "type": "type",
            "event_id": "id",
        },
    )


def print_bodies(events: Sequence[StoredEvent]) -> None:
    """The CloudEvents, one a line, at once."""
    for event in events:
        echo(event.body)
    sys.stdout.flush()


def show_replayed(sink: str, events: int, *, as_json: bool) -> None:
    """How many events will leave again."""
    if as_json:
        echo_json({"sink": sink, "events": events})
        return
    echo(f"{events:,} events go to the sink {sink} again with the next relay")


def show_written(events: int, *, as_json: bool) -> None:
    """How many events were written, to leave with the next relay."""
    if as_json:
        echo_json({"events": events})
        return
    echo(f"{events:,} events go out with the next relay")


def show_dead_letters(letters: Sequence[DeadLetter], *, as_json: bool) -> None:
    """What sinks would not take, and why."""
    rows = [
        {
            "sink": letter.sink,
            "company_code": letter.event.company_code,
            "customer_id": letter.event.customer_id,
            "sequence": letter.event.sequence,
            "type": letter.event.type,
            "id": letter.event.event_id,
            "attempts": letter.attempts,
            "given_up_at": letter.settled_at,
            "error": letter.error,
        }
        for letter in letters
    ]
    if as_json:
        echo_json(rows)
        return
    headings = {
        "company_code": "company",
        "customer_id": "customer",
        "given_up_at": "given up",
        "error": "why",
    }
    shown = ("sink", "company_code", "customer_id", "sequence", "id", "attempts", "given_up_at", "error")
    table(rows, {key: headings.get(key, key) for key in shown})
