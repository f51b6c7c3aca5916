"""Real sets, rated by a backfill, and by a refresh before it: the same history, the same moves, and the same told."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from expectations.gate import Gate
from tests.bench.real_sets import loaded
from tests.flows.small_company import assert_same
from tests.flows.test_emitted_state import backfill, history, refresh, told
from tests.sample_company import DEFAULT_POLICY

pytestmark = [pytest.mark.long, pytest.mark.real, pytest.mark.timeout(1800)]

DAYS = {
    "adventureworks": [date(2019, 12, 31), date(2020, 1, 31), date(2020, 2, 29), date(2020, 3, 31)],
    "online_retail": [date(2011, 8, 31), date(2011, 9, 30), date(2011, 10, 31), date(2011, 11, 30)],
}


@pytest.mark.parametrize("name", DAYS)
def test_a_real_set_has_the_same_history_and_tells_the_same_whether_or_not_it_was_refreshed_before_its_backfill(
    name: str, real_data: Path, gate: Gate, tmp_path: Path
) -> None:
    days = DAYS[name]
    in_order = loaded(name, tmp_path / "in order", gate).model_copy(update={"policy": DEFAULT_POLICY})
    refreshed = in_order.model_copy(
        update={"home": shutil.copytree(in_order.home, tmp_path / "refreshed", symlinks=True)}
    )
    backfill(in_order, days)
    refresh(refreshed, days[-1])
    backfill(refreshed, days)
    expected = history(in_order)
    assert expected["moves"]
    assert_same(expected, history(refreshed))
    assert told(refreshed, "tier") == told(in_order, "tier")
    assert told(in_order, "tier")
