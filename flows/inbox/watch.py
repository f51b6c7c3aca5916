"""Sees a batch land and says so, that a refresh may begin at once. It asks and does nothing else.

The inbox is looked at whenever a file in it changes, and now and then anyway: on a network drive nobody hears of changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from flows.inbox import landing
from flows.inbox.landing import Landed
from flows.settings import Settings
from warehouse.delivery.manifest import READY
from warehouse.mart import queries

# Why nobody was told, None where somebody was.
Tell = Callable[[Landed], str | None]

TICK_MILLISECONDS = 1_000
TICKS_BETWEEN_LOOKS = 30
# The server takes one landing in ten seconds for a reason to refresh (prefect.yaml), and that one at once: what lands meanwhile is
# told of when they are over, if that refresh has not brought it.
PAUSE_SECONDS = 11.0


def awaiting(settings: Settings) -> list[Landed]:
    """The complete batches that a refresh would work on, by what the published books say of earlier ones.

    The warehouse is not opened: whoever writes it must not wait for who only looks.
    """
    return landing.new_batches(
        landing.scan_inbox(settings.inbox), queries.published_batches(settings.ops_file), settings
    )


@dataclass(slots=True)
class Watcher:
    """Tells of each complete batch once; of one that nobody could be told of, again at the next look.

    What lands within the pause after others that were told of waits until it is over.
    """

    settings: Settings
    tell: Tell
    clock: Callable[[], float] = time.monotonic
    told: dict[tuple[str, str, str], datetime] = field(default_factory=dict)
    _pauses_until: float = field(default=0.0, init=False)
    _is_postponed: bool = field(default=False, init=False)

    def is_due(self) -> bool:
        """Whether a look was postponed, and the pause is over."""
        return self._is_postponed and self.clock() >= self._pauses_until

    def look(self) -> Iterator[tuple[Landed, str | None]]:
        """The batches that have landed since the last look, each with why nobody was told of it, None where one was."""
        self._is_postponed = self.clock() < self._pauses_until
        if self._is_postponed:
            return
        for landed in awaiting(self.settings):
            moment = landed_at(landed)
            if moment is None or self.told.get(landed.identity) == moment:
                continue
            untold = self.tell(landed)
            if untold is None:
                self.told[landed.identity] = moment
                self._pauses_until = self.clock() + PAUSE_SECONDS
            yield landed, untold


def landed_at(landed: Landed) -> datetime | None:
    """When `_SUCCESS` was written, in UTC; None where the batch has been taken out of the inbox meanwhile."""
    try:
        return datetime.fromtimestamp((landed.folder / READY).stat().st_mtime, UTC)
    except FileNotFoundError:
        return None


def changes(inbox: Path) -> Iterator[bool]:
    """Whether it is time to look; one answer a second at least, and at once when something changes in the inbox."""
    from watchfiles import watch

    inbox.mkdir(parents=True, exist_ok=True)
    yield True
    quiet = 0
    for changed in watch(
        inbox, rust_timeout=TICK_MILLISECONDS, yield_on_timeout=True, raise_interrupt=True, watch_filter=None
    ):
        quiet = 0 if changed else quiet + 1
        yield bool(changed) or quiet % TICKS_BETWEEN_LOOKS == 0


def report(looked: Iterable[tuple[Landed, str | None]], echo: Callable[[str], None]) -> None:
    """One line for each batch that was seen."""
    for landed, untold in looked:
        name = "/".join(landed.identity)
        echo(
            f"landed {name}: {'a refresh was asked for' if untold is None else f'nobody was told: {untold}'}"
        )
