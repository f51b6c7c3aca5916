"""Former states: a lake keeps them, explains customers by them, and shows the mart in each of them; a file does not."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from expectations.gate import Gate
from flows import upkeep
from flows.cli.commands.look import explain
from flows.errors import UserError
from flows.pipeline import stages
from flows.pipeline.load import open_warehouse
from flows.policy.explain import recorded
from flows.settings import Settings
from tests.flows.small_company import Record, customer, land, line, load, settings_of
from warehouse.connection import transaction
from warehouse.lake.address import Lake
from warehouse.lake.opening import ALIAS, attach_to_read
from warehouse.mart import queries

DAY = date(2025, 6, 30)
BEFORE, AFTER = (
    [line(f"D{number}", "C1", date(2025, number, 5), net) for number in range(1, 7)] for net in (1_000, 9_000)
)


def loaded_and_rated(settings: Settings, gate: Gate, lines: list[Record], *, sequence: int) -> None:
    land(settings, {"customers": [customer("C1")], "invoice_lines": lines}, taken=DAY, sequence=sequence)
    load(settings, gate)
    stages.rate_stage(settings, DAY)
    stages.publish_stage(settings)


@dataclass(frozen=True)
class Corrected:
    """A company on a lake that shows the mart, whose lines were corrected; `before` is its mart file at a moment before that."""

    settings: Settings
    before: Path
    moment: datetime


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Corrected:
    folder = tmp_path_factory.mktemp("corrected")
    settings = settings_of(
        folder / "home", warehouse=f"ducklake:sqlite:{folder}/lake.sqlite", publish_lake_mart=True
    )
    loaded_and_rated(settings, gate, BEFORE, sequence=1)
    before = shutil.copy(settings.mart_file, folder / "before.duckdb")
    moment = datetime.now(UTC)
    loaded_and_rated(settings, gate, AFTER, sequence=2)
    return Corrected(settings, before, moment)


def test_a_customer_is_explained_by_what_the_lake_held_before_its_lines_were_corrected(
    corrected: Corrected, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, moment = corrected.settings, corrected.moment
    then = recorded(settings, moment, "C1", None)
    now = recorded(settings, moment + timedelta(days=1), "C1", None)

    assert then.file == queries.customer_file(corrected.before, "C1", None)
    assert now.file == queries.customer_file(settings.mart_file, "C1", None)
    assert now.file.current["net_sales_12m"] == 9 * then.file.current["net_sales_12m"] > 0
    assert then.committed < moment.replace(tzinfo=None) < now.committed

    monkeypatch.setenv("VALUEMART_HOME", str(settings.home))
    monkeypatch.setenv("VALUEMART_WAREHOUSE", settings.warehouse)
    explain("C1", as_recorded=moment)
    assert "as the warehouse had it since 20" in capsys.readouterr().out
    explain("C1", as_recorded=moment, as_json=True)
    assert '"recorded": "20' in capsys.readouterr().out


def test_a_lake_shows_the_mart_that_was_published_live_and_as_it_was_then(corrected: Corrected) -> None:
    settings = corrected.settings
    assert isinstance(settings.warehouse_at, Lake)
    with duckdb.connect() as reader:
        attach_to_read(reader, settings.warehouse_at, "lake")
        at = f" AT (TIMESTAMP => TIMESTAMPTZ '{corrected.moment.isoformat()}')"
        for file, state in ((settings.mart_file, ""), (corrected.before, at)):
            reader.execute(f"ATTACH '{file}' AS mart (READ_ONLY)")
            for kind in ("tables", "views") if not state else ("tables",):
                names = reader.execute(
                    f"SELECT {kind[:-1]}_name FROM duckdb_{kind}() WHERE database_name = 'mart' AND NOT internal"
                ).fetchall()
                assert len(names) > 5
                for (name,) in names:
                    assert (
                        reader.execute(f"FROM lake.mart.{name}{state} ORDER BY ALL").fetchall()
                        == reader.execute(f"FROM mart.{name} ORDER BY ALL").fetchall()
                    ), name
            reader.execute("DETACH mart")


def test_a_state_that_is_not_kept_is_told_with_the_oldest_that_is(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home", warehouse=f"ducklake:sqlite:{tmp_path}/lake.sqlite")
    with open_warehouse(settings, stages.now()) as lake:
        ((first,),) = lake.execute(f"SELECT min(snapshot_time)::VARCHAR FROM {ALIAS}.snapshots()").fetchall()
        then = datetime.now(UTC)
        with transaction(lake):
            lake.execute(
                "INSERT INTO ops.policy BY NAME SELECT 'x' AS policy_hash, 'x' AS policy_id, '1' AS policy_version, '' AS content, now()::TIMESTAMP AS recorded_at"
            )

    with pytest.raises(UserError, match=r"no state of 2024-01-01 00:00 UTC is kept: the oldest is of 20"):
        recorded(settings, datetime(2024, 1, 1, tzinfo=UTC), "C1", None)
    with pytest.raises(UserError, match=r"is of an earlier version of valuemart"):
        recorded(settings, datetime.fromisoformat(f"{first}:00"), "C1", None)
    with pytest.raises(queries.UnknownCustomerError, match=r"no customer C1 is rated"):
        recorded(settings, then, "C1", None)

    late = then + timedelta(days=40)
    upkeep.look_after(settings, late, keep_archive_days=None, backups=0, late_days=40_000)
    with pytest.raises(UserError, match=r"warehouse_keep_days \(7\) says how long"):
        recorded(settings, then, "C1", None)


def test_a_warehouse_in_a_file_keeps_no_former_states_and_says_where_they_are_kept(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path / "home")
    with pytest.raises(UserError, match="kept on a lake only"):
        recorded(settings, datetime.now(UTC), "C1", None)
