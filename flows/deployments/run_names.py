"""What a run is called on the Prefect server: as of which day, and for which batches."""

from __future__ import annotations

from prefect.runtime import flow_run

from flows import settings as configuration
from flows.inbox import watch

MONTH = len("2025-06")


def of_refresh() -> str:
    """As `2025-06-30 sap_ecc/1000/20250701T0200Z-4f2a and 2 more`."""
    settings = configuration.load()
    as_of = flow_run.parameters.get("as_of") or configuration.yesterday(settings.timezone)
    landed = ["/".join(batch.identity) for batch in watch.awaiting(settings)]
    if not landed:
        return f"{as_of} nothing new"
    more = f" and {len(landed) - 1} more" if len(landed) > 1 else ""
    return f"{as_of} {landed[0]}{more}"


def of_backfill() -> str:
    """As `2024-01 to 2024-06`."""
    first, last = (str(flow_run.parameters[end])[:MONTH] for end in ("first", "last"))
    return f"{first} to {last}"


def of_restate() -> str:
    """As `from 2024-01`."""
    return f"from {str(flow_run.parameters['first'])[:MONTH]}"
