"""Send events, and look after what did not go through: relay, events list, tail, replay, resync, announce, enable, dead-letter."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from flows.cli.commands.common import Company, Json, app, send, settings_of_this_process
from flows.errors import OTHER, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from flows.settings import Settings
    from warehouse.relay.records import Selection

events = App(name="events", help="Look at the events, and send them again.", group=send)
dead_letter = App(name="dead-letter", help="Look after the events that a sink would not take.")
app.command(events)
events.command(dead_letter)

Customer = Annotated[str | None, Parameter(help="Only this customer's.")]
Type = Annotated[
    str | None, Parameter(name="--type", help="Only this type; * stands for any part, as in '*.tier.*'.")
]
Since = Annotated[datetime | None, Parameter(help="Only what was written at this time or later.")]
Sink = Annotated[str, Parameter(help="The sink's name in the settings.")]


@app.command(group=send)
def relay(
    *,
    once: Annotated[
        bool, Parameter(negative=(), show_default=False, help="Serve every sink once and end; the default.")
    ] = False,
    every: Annotated[
        float | None, Parameter(help="Go on, serving each sink again after this many seconds.")
    ] = None,
    sink: Annotated[list[str] | None, Parameter(help="Serve only this sink; may be given again.")] = None,
    as_json: Json = False,
) -> int:
    """Offer the sinks the events they have not got yet; needs neither Prefect nor the warehouse."""
    from flows.cli.views import events as event_views
    from flows.console.stopping import until_told_to_stop
    from flows.delivery.relay import relay as serve_once
    from flows.delivery.relay import serve_for_ever
    from flows.delivery.routes import sink_routes

    if once and every is not None:
        raise UsageError("--once and --every exclude each other; leave one out")
    if every is not None and every <= 0:
        raise UsageError(f"--every {every:g} is no pause; name a number of seconds above 0")
    settings = settings_of_this_process()
    served = sink_routes(settings, sink or ())
    settings.home.mkdir(parents=True, exist_ok=True)
    if every is not None:
        with until_told_to_stop():
            serve_for_ever(settings.relay_file, served, timedelta(seconds=every), event_views.show_served)
        return 0
    report = serve_once(settings.relay_file, served)
    event_views.show_relayed(report, as_json=as_json)
    return OTHER if any(each.down for each in report.sinks) else 0


@events.command(name="list")
def events_list(
    *,
    company: Company = None,
    customer: Customer = None,
    type_: Type = None,
    since: Since = None,
    limit: Annotated[int, Parameter(help="How many, the latest.")] = 20,
    as_json: Json = False,
) -> None:
    """List the latest events; with --json, the CloudEvents themselves."""
    from flows.cli.views import events as event_views
    from warehouse.relay.store import read_store

    settings = settings_of_this_process()
    selection = _selection(settings, company, customer, type_, since)
    with read_store(_relay_file(settings)) as store:
        event_views.show_events(store.latest(selection, limit), as_json=as_json)


@events.command(name="tail")
def events_tail(
    *,
    company: Company = None,
    customer: Customer = None,
    type_: Type = None,
    limit: Annotated[int, Parameter(help="How many to begin with, the latest.")] = 10,
    follow: Annotated[
        bool, Parameter(name=["--follow", "-f"], negative=(), show_default=False, help="Wait for more.")
    ] = False,
) -> None:
    """Print the latest events as they leave, one CloudEvent a line."""
    import time

    from flows.cli.views import events as event_views
    from warehouse.relay.store import open_store, read_store

    settings = settings_of_this_process()
    selection = _selection(settings, company, customer, type_, None)
    with (open_store if follow else read_store)(_relay_file(settings)) as store:
        position, _ = store.after(0, selection)
        event_views.print_bodies(store.latest(selection, limit))
        while follow:
            position, fresh = store.after(position, selection)
            event_views.print_bodies(fresh)
            time.sleep(1)


@events.command(name="replay")
def events_replay(
    *,
    sink: Sink,
    company: Company = None,
    customer: Customer = None,
    type_: Type = None,
    since: Since = None,
    event: Annotated[
        list[str] | None, Parameter(help="Only the event of this id; may be given again.")
    ] = None,
    all_: Annotated[
        bool, Parameter(name="--all", negative=(), show_default=False, help="Everything the sink has had.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Send a sink events again that it has had, with the bytes and ids they had; the next relay does it."""
    from flows.cli.views import events as event_views
    from flows.delivery.routes import settings_of
    from warehouse.relay.store import open_store

    settings = settings_of_this_process()
    if all_ == any(each is not None for each in (company, customer, type_, since, event)):
        raise UsageError(
            "say which events: --all, or some of --company, --customer, --type, --since, --event"
        )
    taken = settings_of(settings, sink).wanted
    selection = _selection(settings, company, customer, type_, since, event)
    with open_store(_relay_file(settings)) as store:
        event_views.show_replayed(sink, store.replay(sink, selection, taken), as_json=as_json)


@events.command(name="resync")
def events_resync(
    *,
    sink: Annotated[str | None, Parameter(help="Only to this sink; else to every one.")] = None,
    company: Company = None,
    customer: Customer = None,
    as_json: Json = False,
) -> None:
    """Send what holds now, as told by nobody before: to a receiver that lost what it had, or after a restore."""
    from datetime import UTC

    from flows.cli.views import events as event_views
    from flows.delivery.routes import settings_of
    from flows.pipeline.resync import resync

    settings = settings_of_this_process()
    if sink is not None:
        settings_of(settings, sink)
    now = datetime.now(UTC).replace(tzinfo=None)
    written = resync(settings, now, sink=sink, company=company, customer=customer)
    event_views.show_written(written, as_json=as_json)


@events.command(name="announce")
def events_announce(
    *,
    standing: Annotated[
        bool,
        Parameter(
            negative=(), show_default=False, help="What stands, and was taken for known at a first rating."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell what consumers were never told since it was taken for known; once."""
    from datetime import UTC

    from flows.cli.views import events as event_views
    from flows.pipeline.resync import announce

    if not standing:
        raise UsageError("say what to announce: --standing")
    event_views.show_written(
        announce(settings_of_this_process(), datetime.now(UTC).replace(tzinfo=None)), as_json=as_json
    )


@events.command(name="enable")
def events_enable(sink: Sink, /) -> None:
    """Serve a sink again whose receiver had asked (410 Gone) never to be called again."""
    from flows.console.output import echo
    from warehouse.relay.store import open_store

    with open_store(_relay_file(settings_of_this_process())) as store:
        store.enable(sink)
    echo(f"the sink {sink} is served again from the next relay on")


@dead_letter.command(name="list")
def dead_letter_list(*, as_json: Json = False) -> None:
    """List the events that a sink would not take, with its reason; their customers' later ones wait behind them."""
    from flows.cli.views import events as event_views
    from warehouse.relay.store import read_store

    with read_store(_relay_file(settings_of_this_process())) as store:
        event_views.show_dead_letters(store.dead_letters(), as_json=as_json)


LetterSink = Annotated[str | None, Parameter(help="Only what this sink would not take.")]
Letters = Annotated[str, Parameter(help="Ids of events; see `valuemart events dead-letter list`.")]
All = Annotated[bool, Parameter(name="--all", negative=(), show_default=False, help="All of them.")]


@dead_letter.command(name="retry")
def dead_letter_retry(*event_ids: Letters, sink: LetterSink = None, all_: All = False) -> None:
    """Let dead letters be tried again, with all their attempts; what waited behind them follows."""
    from flows.console.output import echo

    changed = _settle_letters(event_ids, sink, all_=all_, drop=False)
    echo(f"{changed:,} will be tried again by the next relay")


@dead_letter.command(name="drop")
def dead_letter_drop(*event_ids: Letters, sink: LetterSink = None, all_: All = False) -> None:
    """Give dead letters up, so that their customers' later events go on; `events list` still shows them."""
    from flows.console.output import echo

    changed = _settle_letters(event_ids, sink, all_=all_, drop=True)
    echo(f"{changed:,} given up; what waited behind them goes out with the next relay")


def _settle_letters(event_ids: tuple[str, ...], sink: str | None, *, all_: bool, drop: bool) -> int:
    from warehouse.relay.store import RelayStoreError, open_store

    if all_ == bool(event_ids):
        raise UsageError(
            "name the ids of the events, or --all; `valuemart events dead-letter list` shows them"
        )
    with open_store(_relay_file(settings_of_this_process())) as store:
        letters = [
            letter
            for letter in store.dead_letters()
            if (sink is None or letter.sink == sink) and (all_ or letter.event.event_id in event_ids)
        ]
        for missing in set(event_ids) - {letter.event.event_id for letter in letters}:
            raise RelayStoreError(f"{missing} is no dead letter{f' of the sink {sink}' if sink else ''}")
        for letter in letters:
            (store.discard if drop else store.reopen)(letter.sink, letter.event.event_id)
    return len(letters)


def _relay_file(settings: Settings) -> Path:
    """The relay's store; UsageError where no event was ever written."""
    if not settings.relay_file.exists():
        raise UsageError(f"there are no events in {settings.home} yet; `valuemart refresh` writes them")
    return settings.relay_file


def _selection(
    settings: Settings,
    company: str | None,
    customer: str | None,
    pattern: str | None,
    since: datetime | None,
    event_ids: list[str] | None = None,
) -> Selection:
    from flows.settings import aware
    from flows.settings.sinks import fitting_types
    from warehouse.relay.records import Selection

    types = None
    if pattern is not None:
        try:
            types = fitting_types(pattern)
        except ValueError as error:
            raise UsageError(str(error)) from error
    return Selection(company, customer, types, aware(since, settings.timezone) if since else None, event_ids)
