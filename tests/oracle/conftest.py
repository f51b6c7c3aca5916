"""Companies to hold the oracle against: loaded and rated stage by stage, as a refresh does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest

from tests.oracle import oracle
from tests.oracle.comparing import EVERYTHING, differences
from tests.oracle.worlds import POLICIES, shipped_policy

if TYPE_CHECKING:
    from expectations.gate import Gate
    from flows.settings import Settings

REAL_SOURCES = Path(__file__).resolve().parents[1] / "real" / "sources"


@dataclass(frozen=True)
class Company:
    """A home whose batches lie in its inbox, rated under shipped policies."""

    home: Path
    gate: Gate
    currency: str = "EUR"

    def settings(self, policy: str = "default") -> Settings:
        from flows.settings import Settings

        return Settings(
            home=self.home,
            policy=POLICIES / f"{policy}.toml",
            sources_path=[REAL_SOURCES],
            company_currency=self.currency,
        )

    def load(self) -> None:
        """Load what lies in the inbox; every batch must go in."""
        from flows.pipeline.stages import load_stage

        report = load_stage(self.settings(), self.gate)
        assert {outcome.status for outcome in report.outcomes} == {"loaded"}

    def land(self, files: list[Path], source: str, extracted_at: str) -> None:
        """Make a batch of the files, and load it."""
        from datetime import datetime

        from flows.inbox.landing import land

        land(
            self.settings(),
            [str(file) for file in files],
            source=source,
            company="real",
            extracted_at=datetime.fromisoformat(extracted_at),
        )
        self.load()

    def _watched_before(self, as_of: date) -> pl.DataFrame:
        """The warnings that stood on the latest day watched up to `as_of`; no rows where there is none."""
        with duckdb.connect(str(self.settings().warehouse_file), read_only=True) as warehouse:
            return pl.DataFrame(
                warehouse.execute(
                    """FROM rated.credit_warning_day
                       SEMI JOIN (SELECT company_code, max(as_of) AS as_of FROM rated.credit_watch_day
                                  WHERE as_of <= ? GROUP BY ALL) USING (company_code, as_of)""",
                    [as_of],
                ).to_arrow_reader()
            )

    def agrees(self, as_of: date, policy: str = "default") -> None:
        """Rate at a day, and ask the oracle the same: it must find the same."""
        from flows.pipeline.stages import rate_stage
        from transforms.frames.plan import closed_through

        before = self._watched_before(as_of)
        rate_stage(self.settings(policy), as_of)
        with oracle.over_warehouse(self.settings().warehouse_file, before) as connection:
            oracle.consult(
                connection, shipped_policy(policy), closed_through=closed_through(as_of), as_of=as_of
            )
            found = differences(connection, EVERYTHING)
        assert not found, "\n".join(found)


@pytest.fixture(scope="session")
def found(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Company]:
    """Makes a company in a home of its own."""

    def company(currency: str = "EUR") -> Company:
        home = tmp_path_factory.mktemp("oracle") / "home"
        home.mkdir()
        return Company(home, gate, currency)

    return company
