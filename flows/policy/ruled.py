"""The policy that ruled last, as the warehouse keeps it: what to put back where the file is gone."""

from __future__ import annotations

from flows.errors import UsageError
from flows.settings import Settings
from warehouse.lake.opening import open_at
from warehouse.store import ledger


def ruling_text(settings: Settings) -> str:
    """The text of the policy that was configured at the last rating, byte for byte. UsageError where nothing was rated."""
    text = None
    if settings.warehouse_at.exists():
        with open_at(settings.warehouse_at, read_only=True) as connection:
            text = ledger.ruling_policy(connection)
    if text is None:
        raise UsageError(
            f"nothing is rated in {settings.home} yet; the first `valuemart refresh` fits a policy to the data"
        )
    return text
