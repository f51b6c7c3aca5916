"""Where everything lies below the home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator
from pydantic_settings import BaseSettings


def _folder(value: Path) -> Path:
    if value.exists() and not value.is_dir():
        raise ValueError(f"{value} is a file; name a folder")
    return value.absolute()


class Places(BaseSettings):
    """The home, and what lies where in it."""

    home: Annotated[Path, AfterValidator(_folder)] = Path("var")
    publish_to: Annotated[Path, AfterValidator(_folder)] | None = None

    @property
    def published_folder(self) -> Path:
        """Where the mart, its Parquet files, shared marts, report and metrics lie: what others may read."""
        return self.publish_to or self.home

    @property
    def inbox(self) -> Path:
        """Where batches land: `<source>/<company>/<batch_id>/`."""
        return self.home / "inbox"

    @property
    def archive(self) -> Path:
        """Where loaded batches are moved to."""
        return self.home / "archive"

    @property
    def data_docs_folder(self) -> Path:
        """Great Expectations' pages on what was judged: `<source>/<company>/<batch_id>/index.html`."""
        return self.home / "data_docs"

    @property
    def scratch(self) -> Path:
        """Short-lived files of a load; leftovers are dropped at the next start."""
        return self.home / "scratch"

    @property
    def warehouse_file(self) -> Path:
        """The pipeline's own database, unless the setting `warehouse` names a lake; nobody else should open it."""
        return self.home / "warehouse.duckdb"

    @property
    def mart_file(self) -> Path:
        """The published mart, for BI."""
        return self.published_folder / "mart.duckdb"

    @property
    def ops_file(self) -> Path:
        """The published books (ledger, quarantine, outbox), for the reading commands."""
        return self.home / "ops.duckdb"

    @property
    def relay_file(self) -> Path:
        """What was delivered to which sink."""
        return self.home / "relay.db"

    @property
    def events_folder(self) -> Path:
        """Where the file sink writes events, one line an event."""
        return self.home / "events"

    @property
    def report_folder(self) -> Path:
        """The report: pages made of the published mart."""
        return self.published_folder / "report"

    @property
    def report_file(self) -> Path:
        """The report's first page."""
        return self.report_folder / "index.html"

    @property
    def workbook_file(self) -> Path:
        """The report's lists as a workbook, beside its first page."""
        return self.report_folder / "mart.xlsx"

    @property
    def confirmation_file(self) -> Path:
        """Who has confirmed the policy that was fitted into the home, and which."""
        return self.home / "policy.confirmed.json"

    @property
    def metrics_folder(self) -> Path:
        """Where each run leaves its numbers, for Prometheus."""
        return self.published_folder / "metrics"

    @property
    def backups_folder(self) -> Path:
        """Where backups go unless somebody names another place."""
        return self.home / "backups"
