"""Tells a Prefect server that a batch has landed, so that `refresh` starts at once instead of at night.

Best effort on purpose: an event that is lost costs time, never data, since every refresh looks into the inbox itself.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flows.inbox.landing import Landed

if TYPE_CHECKING:
    from prefect.events import Event

LANDED = "erp.extract.landed"


def announce(landed: Landed) -> str | None:
    """Why nobody was told; None when the server has the event.

    Without PREFECT_API_URL there is nobody to tell, and Prefect is not even imported.
    """
    if not os.environ.get("PREFECT_API_URL"):
        return "PREFECT_API_URL is not set"
    import asyncio

    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")  # what went wrong is said once, by the caller

    from prefect.events import Event, Resource

    event = Event(
        event=LANDED,
        resource=Resource({"prefect.resource.id": "erp.extract." + ".".join(landed.identity)}),
        payload={"source": landed.source, "company": landed.company, "batch_id": landed.batch_id},
    )
    try:
        asyncio.run(_send(event))
    except Exception as error:  # noqa: BLE001 - no network, no server, no right to: the batch has landed all the same
        return f"{os.environ['PREFECT_API_URL']} did not take it ({' '.join(str(error).split())})"
    return None


async def _send(event: Event) -> None:
    """Leaves without an error only once the server has confirmed the event."""
    from prefect.events.clients import get_events_client

    async with get_events_client(reconnection_attempts=0, checkpoint_every=1) as client:
        await client.emit(event)
