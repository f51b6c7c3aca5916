"""Sees a batch land and says so, that a refresh may begin at once. It asks and does nothing else.

The inbox is looked at whenever a file in it changes, and now and then anyway: on a network drive nobody hears of changes.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flows.console.output import place
from flows.inbox import landing
from flows.inbox.announce import announce
from flows.inbox.landing import Landed
from flows.settings import Settings
from warehouse.delivery.manifest import READY
from warehouse.mart import queries

if TYPE_CHECKING:
    from types import FrameType

# Why nobody was told, None where somebody was.
Tell = Callable[[Landed], str | None]

TICK_MILLISECONDS = 1_000
TICKS_BETWEEN_LOOKS = 30


def awaiting(settings: Settings) -> list[Landed]:
    """The complete batches that a refresh would work on, by what the published books say of earlier ones.

    The warehouse is not opened: whoever writes it must not wait for who only looks.
    """
    return landing.new_batches(
        landing.scan_inbox(settings.inbox), queries.published_batches(settings.ops_file), settings
    )


@dataclass(slots=True)
class Watcher:
    """Tells of each complete batch once; of one that nobody could be told of, again at the next look."""

    settings: Settings
    tell: Tell
    told: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def look(self) -> Iterator[tuple[Landed, str | None]]:
        """The batches that have landed since the last look, each with why nobody was told of it, None where one was."""
        for landed in awaiting(self.settings):
            landed_at = _landed_at(landed)
            if landed_at is None or self.told.get(landed.identity) == landed_at:
                continue
            untold = self.tell(landed)
            if untold is None:
                self.told[landed.identity] = landed_at
            yield landed, untold


def _landed_at(landed: Landed) -> int | None:
    """When `_SUCCESS` was written; None where the batch has been taken out of the inbox meanwhile."""
    try:
        return (landed.folder / READY).stat().st_mtime_ns
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


@contextmanager
def until_told_to_stop() -> Iterator[None]:
    """Ctrl-C and SIGTERM end the block, which is how such a command ends."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def report(looked: Iterable[tuple[Landed, str | None]], echo: Callable[[str], None]) -> None:
    """One line for each batch that was seen."""
    for landed, untold in looked:
        name = "/".join(landed.identity)
        echo(
            f"landed {name}: {'a refresh was asked for' if untold is None else f'nobody was told: {untold}'}"
        )


def watch(settings: Settings, *, echo: Callable[[str], None]) -> None:
    """Watch until Ctrl-C or SIGTERM."""
    watcher = Watcher(settings, announce)
    with until_told_to_stop():
        echo(f"watching {place(settings.inbox)}")
        for due in changes(settings.inbox):
            if due:
                report(watcher.look(), echo)
    echo("stopped")
