"""The sample company on a lake: the same mart and the same events as in a file, and again where it is moved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from expectations.gate import Gate
from flows import backup, upkeep
from flows.demo.world import build_world
from flows.doctor import examine
from flows.errors import UsageError
from flows.move import move
from flows.pipeline import stages
from flows.pipeline.load import open_warehouse, warehouse_held_open
from flows.settings import Settings
from tests.flows.small_company import assert_same, mart
from tests.lake.catalogs import KINDS, PASSWORD, own_catalog
from tests.lake.cutting import Cut
from tests.lake.stores import SECRET, Store, own_store
from tests.runner.clusters import own_cluster
from tests.runner.threads import counted_verdicts
from tests.sample_company import DEFAULT_POLICY, LAST_DAY, LAST_MONTH, SampleCompany, land_history
from transforms.frames.periods import months_before
from transforms.frames.plan import month_end
from warehouse.connection import transaction
from warehouse.lake.address import Lake, LakeError
from warehouse.lake.opening import ALIAS, open_at

pytestmark = pytest.mark.slow

CUSTOMERS, MONTHS = 46, 12
EARLIER = month_end(months_before(LAST_MONTH, 2))
NOW = datetime(2025, 7, 4, 5, 6, 7, tzinfo=UTC)

IN_A_STORE = pytest.param("files in an object store", marks=pytest.mark.long)
ONE_KIND = pytest.mark.parametrize(
    "in_a_lake", ["sqlite"], indirect=True
)  # what goes by rows alone, whatever the catalog is


def founded(home: Path, gate: Gate, **more: object) -> SampleCompany:
    settings = Settings.model_validate({"home": home, "policy": DEFAULT_POLICY, **more})
    world = build_world(customers=CUSTOMERS, months=MONTHS, last_month=LAST_MONTH)
    land_history(world, settings.inbox)
    with warehouse_held_open(settings, stages.now()):
        report = stages.load_stage(settings, gate)
        assert {outcome.status for outcome in report.outcomes} == {"loaded"}
        for day in (EARLIER, LAST_DAY):
            stages.rate_stage(settings, day)
        stages.publish_stage(settings)
    stages.relay_stage(settings)
    return SampleCompany(world, settings)


def event_ids(company: SampleCompany) -> list[str]:
    return sorted(event["id"] for event in company.told())


@pytest.fixture(scope="module")
def in_a_file(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> SampleCompany:
    return founded(tmp_path_factory.mktemp("file") / "home", gate)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with own_store() as store:
        yield store


@pytest.fixture(scope="module", params=[*KINDS, IN_A_STORE])
def in_a_lake(
    request: pytest.FixtureRequest, gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SampleCompany]:
    folder = tmp_path_factory.mktemp(request.param)
    is_stored = request.param not in KINDS
    files = {"warehouse_data": request.getfixturevalue("store").url} if is_stored else {}
    with own_catalog("sqlite" if is_stored else request.param, folder) as url:
        yield founded(folder / "home", gate, warehouse=url, **files)


def test_a_company_has_the_same_mart_and_events_on_a_lake(
    in_a_file: SampleCompany, in_a_lake: SampleCompany
) -> None:
    assert_same(mart(in_a_file.settings.home), mart(in_a_lake.settings.home))
    assert event_ids(in_a_lake) == event_ids(in_a_file)
    assert event_ids(in_a_file), "a company in which nobody moves tries nothing"


def test_a_company_on_a_lake_whose_batches_two_dask_workers_stage_has_the_same_mart_and_events(
    in_a_file: SampleCompany, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = counted_verdicts(monkeypatch)
    with own_catalog("postgres", tmp_path) as url, own_cluster(tmp_path / "cluster") as cluster:
        company = founded(
            tmp_path / "home", gate, warehouse=url, runner="dask", runner_address=cluster.address
        )
    assert set(counted.values()) == {True}
    assert_same(mart(in_a_file.settings.home), mart(company.settings.home))
    assert event_ids(company) == event_ids(in_a_file)


def test_a_company_whose_catalog_is_cut_off_while_each_stage_commits_has_the_same_mart_and_events(
    in_a_file: SampleCompany, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_catalog("postgres", tmp_path) as url:
        settings = Settings.model_validate(
            {"home": tmp_path / "home", "policy": DEFAULT_POLICY, "warehouse": url}
        )
        land_history(in_a_file.world, settings.inbox)
        with open_warehouse(settings, stages.now()):
            pass
        cut = Cut(url, monkeypatch)
        for commits, stage in (
            (1, lambda: stages.load_stage(settings, gate)),  # of two batches the second
            (0, lambda: stages.rate_stage(settings, EARLIER)),
            (0, lambda: stages.rate_stage(settings, LAST_DAY)),
        ):
            cut.after(commits)
            with pytest.raises(LakeError, match="cannot be used"):
                stage()
            assert cut.happened()
            stage()
        stages.publish_stage(settings)
        stages.relay_stage(settings)
    company = SampleCompany(in_a_file.world, settings)
    assert_same(mart(in_a_file.settings.home), mart(settings.home))
    assert event_ids(company) == event_ids(in_a_file)


def test_every_commit_but_the_first_checked_the_token(in_a_lake: SampleCompany) -> None:
    with open_at(in_a_lake.settings.warehouse_at, read_only=True) as lake:
        unchecked = lake.execute(
            f"""WITH lease AS (SELECT table_id::VARCHAR AS id FROM ducklake_table_info('{ALIAS}') WHERE table_name = 'lease')
                SELECT snapshot_id, changes FROM {ALIAS}.snapshots(), lease
                WHERE snapshot_id > 1 AND NOT list_contains(coalesce(changes['inlined_insert'], []), lease.id)"""
        ).fetchall()
    assert not unchecked


def test_a_sound_lake_is_called_sound_and_its_password_is_told_to_nobody(in_a_lake: SampleCompany) -> None:
    findings = [str(each) for each in examine(in_a_lake.settings).findings]
    assert not [each for each in findings if "state='fault'" in each]
    assert not stages.check(in_a_lake.settings)
    told = " ".join([*findings, repr(in_a_lake.settings), repr(in_a_lake.settings.warehouse_at)])
    assert PASSWORD not in told
    assert SECRET not in told


@ONE_KIND
def test_a_backup_of_a_lake_brings_back_what_it_held(in_a_lake: SampleCompany, tmp_path: Path) -> None:
    settings = in_a_lake.settings
    before = mart(settings.home)
    made = backup.back_up(settings, tmp_path / "out", NOW)
    with open_at(settings.warehouse_at) as lake, transaction(lake):
        lake.execute("DELETE FROM rated.customer_value_history; UPDATE erp.customers SET name = 'gone'")

    backup.restore(settings, made.folder, NOW + timedelta(days=1))

    assert_same(before, mart(settings.home))


@ONE_KIND
def test_upkeep_merges_files_and_removes_orphans_and_changes_no_row(in_a_lake: SampleCompany) -> None:
    lake = in_a_lake.settings.warehouse_at
    assert isinstance(lake, Lake)
    before = held(lake)
    orphan = lake.data / "erp" / "customers" / "ducklake-of-a-killed-commit.parquet"
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(next(lake.data.rglob("*.parquet")).read_bytes())

    late = datetime.now(UTC) + timedelta(days=40)
    upkeep.look_after(in_a_lake.settings, late, keep_archive_days=None, backups=0, late_days=40_000)

    assert not orphan.exists()
    assert held(lake) == before
    with open_at(lake, read_only=True) as connection:
        ((states,),) = connection.execute(f"SELECT count(*) FROM {ALIAS}.snapshots()").fetchall()
    assert states == 1


@pytest.mark.long
def test_a_home_that_is_moved_to_an_object_store_and_back_is_equal_row_by_row(
    in_a_file: SampleCompany, store: Store, tmp_path: Path
) -> None:
    here, files = in_a_file.settings, store.url.replace("home", "moved")
    with own_catalog("sqlite", tmp_path) as url:
        there = move(here, url, files, stages.now())
        back = here.model_copy(update={"home": tmp_path / "back"}).moved(url, files)
        returned = move(back, "duckdb:", None, stages.now())
    assert returned.tables == there.tables
    assert there.bytes_after > 100_000
    assert any(key.startswith("moved/rated/") for key in store.held())


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def test_a_home_that_is_moved_to_a_lake_and_back_is_equal_row_by_row(
    in_a_file: SampleCompany, tmp_path: Path, kind: str
) -> None:
    here = in_a_file.settings
    with own_catalog(kind, tmp_path) as url:
        there = move(here, url, tmp_path / "files", stages.now())
        assert sum(table.rows for table in there.tables) > 10_000
        with pytest.raises(UsageError, match="holds a warehouse already"):
            move(here, url, tmp_path / "files", stages.now())
        back = here.model_copy(update={"home": tmp_path / "back"}).moved(url, tmp_path / "files")

        returned = move(back, "duckdb:", None, stages.now())

    assert returned.tables == there.tables
    with duckdb.connect(str(here.warehouse_file), read_only=True) as file:
        file.execute(f"ATTACH '{back.home}/warehouse.duckdb' AS back (READ_ONLY)")
        for table in (each.table for each in there.tables):
            assert not file.execute(f"FROM {table} EXCEPT ALL FROM back.{table}").fetchall(), table


def held(lake: Lake) -> dict[str, list[tuple[object, ...]]]:
    """The rows of a lake's canonical and rated tables."""
    with open_at(lake, read_only=True) as connection:
        tables = connection.execute(
            "SELECT DISTINCT schema_name || '.' || table_name FROM duckdb_columns() WHERE schema_name IN ('erp', 'rated')"
        ).fetchall()
        return {name: connection.execute(f"FROM {name} ORDER BY ALL").fetchall() for (name,) in tables}
