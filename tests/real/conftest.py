"""The real sets, which lie outside the project, and the way they go: landed and refreshed like everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

if TYPE_CHECKING:
    from flows.pipeline.stages import RefreshResult
    from flows.settings import Settings

SOURCES = Path(__file__).parent / "sources"
COMPANY = "real"


@dataclass(frozen=True)
class Installation:
    """One home with its settings, driven as the command line drives it."""

    settings: Settings

    def land(self, files: Sequence[Path], source: str, extracted_at: datetime) -> str:
        """Make a batch of the files; its id."""
        from flows.inbox.landing import land

        return land(
            self.settings,
            [str(path) for path in files],
            source=source,
            company=COMPANY,
            extracted_at=extracted_at.replace(tzinfo=UTC),
        ).batch_id

    def refresh(self, as_of: date) -> RefreshResult:
        """Run the flow on a day."""
        from flows.deployments.refresh import refresh

        with _environment(self.settings):
            return refresh(as_of)

    def backfill(self, first: date, last: date) -> list[RefreshResult]:
        """Run the flow over the months of two days."""
        from flows.deployments.backfill import backfill

        with _environment(self.settings):
            return backfill(first, last)

    @contextmanager
    def warehouse(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect(str(self.settings.warehouse_file), read_only=True) as connection:
            yield connection

    @contextmanager
    def mart(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with duckdb.connect(str(self.settings.mart_file), read_only=True) as connection:
            yield connection

    def one(self, query: str) -> tuple[object, ...]:
        """The only row of a query on the warehouse."""
        with self.warehouse() as connection:
            (row,) = connection.sql(query).fetchall()
        return tuple(row)


@contextmanager
def _environment(settings: Settings) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VALUEMART_HOME", str(settings.home))
        patch.setenv("VALUEMART_SOURCES_PATH", str(SOURCES))
        patch.setenv("VALUEMART_COMPANY_CURRENCY", settings.company_currency)
        patch.chdir(settings.home.parent)
        yield


@pytest.fixture(scope="session")
def install(
    real_data: Path, prefect_server: None, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Installation]:
    """Makes a fresh installation that keeps its books in a currency."""

    def fresh(company_currency: str) -> Installation:
        from flows.settings import Settings

        home = tmp_path_factory.mktemp("real") / "home"
        return Installation(Settings(home=home, sources_path=[SOURCES], company_currency=company_currency))

    return fresh
