"""From settings to the routes on which events go: each configured sink with the types it is offered and its retries."""

from __future__ import annotations

from collections.abc import Sequence

from flows.delivery import relay
from flows.delivery.registry import build_sink
from flows.delivery.relay import SinkRoute
from flows.settings import Settings, SettingsError
from flows.settings.sinks import SinkSettings
from warehouse.relay.records import Backlog


def sink_routes(settings: Settings, only: Sequence[str] = ()) -> list[SinkRoute]:
    """The configured sinks, or those of them that are named, ready to send.

    SettingsError for a name that is not configured, a secret that is not there, or a client that is not installed.
    """
    for name in only:
        settings_of(settings, name)
    return [
        SinkRoute(build_sink(settings, name, sink), sink.wanted, sink.retry)
        for name, sink in settings.sinks.items()
        if not only or name in only
    ]


def backlogs(settings: Settings) -> dict[str, Backlog]:
    """What each configured sink has not got yet, by its name: how many events, and since when. Needs no secret."""
    return relay.backlogs(settings.relay_file, {name: sink.wanted for name, sink in settings.sinks.items()})


def settings_of(settings: Settings, name: str) -> SinkSettings:
    """A sink's settings; SettingsError for a name that is not configured."""
    if name not in settings.sinks:
        raise SettingsError(f"there is no sink {name!r}; the sinks are {', '.join(sorted(settings.sinks))}")
    return settings.sinks[name]
