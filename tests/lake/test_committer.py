"""One committer: others wait or are told, one whose place was taken writes nothing, one that is killed loses nothing else."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.lake import committing
from tests.lake.catalogs import KINDS, own_catalog
from tests.lake.committing import ROWS, lake_of
from warehouse.connection import transaction
from warehouse.errors import WarehouseBusyError
from warehouse.lake import lease
from warehouse.lake.address import Lake, LakeError
from warehouse.lake.opening import ALIAS, open_at
from warehouse.lake.upkeep import tidy

ROOT = Path(__file__).parents[2]
KILLS = 2


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with own_catalog(request.param, tmp_path) as url:
        yield url


@pytest.fixture
def lake(url: str, tmp_path: Path) -> Lake:
    made = lake_of(url, tmp_path / "files")
    with open_at(made) as connection, transaction(connection):
        connection.execute(
            "CREATE TABLE left_side (number INTEGER, i INTEGER); CREATE TABLE right_side AS FROM left_side"
        )
    return made


def sides(lake: Lake) -> list[tuple[int, int]]:
    """How often each number stands on the left and on the right."""
    with open_at(lake, read_only=True) as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM left_side), (SELECT count(*) FROM right_side)"
        ).fetchall()


def test_a_second_committer_is_told_who_is_at_work_and_a_reader_is_not_kept(lake: Lake) -> None:
    with open_at(lake):
        assert sides(lake) == [(0, 0)]
        with (
            pytest.raises(WarehouseBusyError, match=r"is held by .*process \d+.* after 0 s of waiting"),
            open_at(lake, patience=0),
        ):
            pass
    with open_at(lake, patience=0):
        pass  # the first is gone


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a network is cut: the server has dropped the lock of a committer that does not know it."""
    monkeypatch.setattr(lease, "_of_file", lambda *_: nullcontext())
    monkeypatch.setattr(lease, "_of_server", lambda *_: nullcontext())


def taken_while_it_worked(lake: Lake) -> None:
    with open_at(lake) as late, transaction(late):
        late.execute("INSERT INTO left_side VALUES (1, 1)")
        commit_of_another(lake)


def taken_before_it_committed_first(lake: Lake) -> None:
    with open_at(lake) as late:
        commit_of_another(lake)
        with transaction(late):
            late.execute("INSERT INTO left_side VALUES (1, 1)")


def taken_between_two_commits(lake: Lake) -> None:
    with open_at(lake) as late:
        with transaction(late):
            late.execute("INSERT INTO right_side VALUES (1, 1)")
        commit_of_another(lake)
        with transaction(late):
            late.execute("INSERT INTO left_side VALUES (3, 3)")


def taken_before_it_tidied(lake: Lake) -> None:
    soon = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2)
    with open_at(lake) as late:
        commit_of_another(lake)
        tidy(late, states_before=soon, files_before=soon)


def commit_of_another(lake: Lake) -> None:
    with open_at(lake) as other, transaction(other):
        other.execute("INSERT INTO right_side VALUES (2, 2)")


@pytest.mark.usefixtures("unlocked")
@pytest.mark.parametrize(
    "goes_on",
    [
        taken_while_it_worked,
        taken_before_it_committed_first,
        taken_between_two_commits,
        taken_before_it_tidied,
    ],
)
def test_a_committer_whose_place_was_taken_commits_nothing_more(
    lake: Lake, goes_on: Callable[[Lake], None]
) -> None:
    with pytest.raises(LakeError, match="took the warehouse's lake over"):
        goes_on(lake)
    ((left, right),) = sides(lake)
    assert (left, right) == (0, 2 if goes_on is taken_between_two_commits else 1)


@pytest.mark.usefixtures("unlocked")
def test_files_that_are_merged_while_another_commits_lose_nothing_of_what_it_did(lake: Lake) -> None:
    for number in range(3):
        with open_at(lake) as connection, transaction(connection):
            connection.execute(f"INSERT INTO left_side SELECT {number}, i FROM range({ROWS}) AS r(i)")
    with (
        suppress(LakeError),
        open_at(lake) as late,
        transaction(late, is_guarded=False),
    ):
        assert late.execute(f"CALL ducklake_merge_adjacent_files('{ALIAS}')").fetchall()
        with open_at(lake) as other, transaction(other):
            other.execute(
                f"DELETE FROM left_side WHERE number = 0; INSERT INTO left_side SELECT 3, i FROM range({ROWS}) AS r(i)"
            )
    with open_at(lake, read_only=True) as connection:
        numbers = connection.execute(
            "SELECT number, count(*) FROM left_side GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert numbers == [(1, ROWS), (2, ROWS), (3, ROWS)]


def test_a_committer_killed_in_its_commits_leaves_whole_ones_and_no_file_that_upkeep_does_not_remove(
    url: str, lake: Lake
) -> None:
    chance = random.Random(20250601)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(KILLS):
        command = [sys.executable, committing.__file__, url, str(lake.data)]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0.2, 1.5))
            process.kill()
        ((left, right),) = sides(lake)
        assert left == right
        assert left % ROWS == 0
    assert sides(lake) != [(0, 0)], "nothing was committed, and nothing tried"

    soon = datetime.now(UTC).replace(tzinfo=None) + timedelta(days=2)
    with open_at(lake) as connection:
        tidy(connection, states_before=soon, files_before=soon)
        known = {
            Path(name).name
            for table in ("left_side", "right_side")
            for (name,) in connection.execute(
                f"SELECT data_file FROM ducklake_list_files('{ALIAS}', '{table}')"
            ).fetchall()
        }
    assert {path.name for path in lake.data.rglob("*.parquet")} == known
    assert sides(lake) == [(left, right)]
