"""The wholesaler's real invoice lines as one loaded batch: what takes longest of all that is done with them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expectations.gate import Gate
    from flows.settings import Settings

SOURCES = Path(__file__).parent / "real" / "sources"
EXTRACTED_AT = datetime(2011, 12, 10, 6, tzinfo=UTC)
CURRENCY, COMPANY = "GBP", "real"


def settings_at(home: Path) -> Settings:
    from flows.settings import Settings

    return Settings(home=home, sources_path=[SOURCES], company_currency=CURRENCY)


def load_whole_file(home: Path, real_data: Path, gate: Gate) -> None:
    """Land the whole file as one batch, and load it."""
    from flows.inbox.landing import land
    from flows.pipeline.stages import load_stage

    settings = settings_at(home)
    file = real_data / "online_retail" / "online_retail_all.csv.zst"
    land(settings, [str(file)], source="online_retail", company=COMPANY, extracted_at=EXTRACTED_AT)
    assert [outcome.status for outcome in load_stage(settings, gate).outcomes] == ["loaded"]
