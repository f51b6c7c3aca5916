"""A comparison of keys that has none to compare is refused before any database is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.errors import UsageError
from flows.extract.batch import pull_batch
from flows.settings import Settings
from tests.warehouse.test_pull_plan import shop


def test_keys_are_not_compared_where_a_source_has_no_query_of_them(tmp_path: Path) -> None:
    shop(tmp_path / "sources", keys=[])
    settings = Settings(home=tmp_path / "home", sources_path=[tmp_path / "sources"])
    with pytest.raises(UsageError, match=r"source shop has no query of all keys.*pull\.keys"):
        pull_batch(settings, "shop", "DE01", taken_at=datetime(2026, 1, 1, tzinfo=UTC), compare_keys=True)
