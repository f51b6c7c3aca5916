"""What the warehouse holds and nobody sees yet: a run was ended between its commit and its publishing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from flows.inbox import watch
from flows.settings import Settings
from warehouse.errors import WarehouseBusyError
from warehouse.lake.opening import open_at
from warehouse.mart import publish
from warehouse.rating import outbox
from warehouse.store import ledger, migrate


@dataclass(frozen=True, slots=True)
class Unpublished:
    """What was committed since the last publishing: batches that came, periods that were rated, the day of the last rating.

    `events`: whether there are some that were not handed to the relay.
    """

    batches: int
    periods: tuple[date, ...]
    rated: date | None
    events: bool

    def __str__(self) -> str:
        rated = ""
        if self.periods:
            months = f"{self.periods[0]:%Y-%m} to {self.periods[-1]:%Y-%m}"
            rated = f"periods {months} rated, the last as of {self.rated}"
        parts = [f"{self.batches:,} batches" if self.batches else "", rated, "events" if self.events else ""]
        return ", ".join(each for each in parts if each) or "a state of the books"


def behind_since(settings: Settings, *, is_unpublished: bool) -> datetime | None:
    """Since when something waits to be published, in UTC; None where nothing does. The warehouse is not opened.

    The landing of the oldest complete batch that the published books do not know; where something is committed and not published
    (`is_unpublished`), the last publishing, before which it was not there.
    """
    waiting = [moment for each in watch.awaiting(settings) if (moment := watch.landed_at(each)) is not None]
    if is_unpublished:
        out = publish.read_publication(settings.ops_file)
        if out is not None:
            waiting.append(out.published_at.replace(tzinfo=UTC))
    return min(waiting, default=None)


def unpublished(settings: Settings) -> Unpublished | None:
    """What is committed and not published; None where all is, or where a run holds the warehouse and will publish it.

    Waits for nobody, and changes nothing.
    """
    if not settings.warehouse_at.exists():
        return None
    try:
        with open_at(settings.warehouse_at, read_only=True, patience=0) as connection:
            if migrate.due(connection):
                return None
            state = ledger.generation(connection, "state").generation
            waits = not outbox.is_copied(connection, settings.relay_file)
            shown = publish.published_generation(settings.home, settings.published_folder)
            if state == shown and not waits:
                return None
            out = publish.read_publication(settings.ops_file)
            batches, periods = ledger.since(connection, out.published_at if out else None)
            rated = ledger.generation(connection, "rating").as_of
    except WarehouseBusyError:
        return None
    return Unpublished(batches, periods, rated, waits)
