"""Who may read a home: its owner, and of what is published the group that is named."""

from __future__ import annotations

import grp
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from expectations.gate import Gate
from flows import doctor
from flows.cli import main
from flows.file_modes import fix_modes, wrong_modes
from flows.observe import metrics
from flows.pipeline import stages
from flows.pipeline.stages import RefreshResult
from flows.settings import Settings
from tests.flows.small_company import customer, land, line, refresh, settings_of

pytestmark = pytest.mark.slow

DAY = date(2025, 6, 30)
OURS = grp.getgrgid(os.getegid()).gr_name
PUBLISHED = ("mart.duckdb", "mart_partners.duckdb", "mart", "report", "metrics")


@pytest.fixture(autouse=True)
def _a_liberal_umask() -> Iterator[None]:
    """What most systems give a user: files that everybody may read."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def everything(folder: Path) -> list[Path]:
    return [folder, *(path for path in folder.rglob("*") if not path.is_symlink())]


def modes(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
        for path in everything(folder)
        if path.exists()
    }


def is_published(name: str) -> bool:
    return name.split("/", maxsplit=1)[0] in PUBLISHED


SHARES = {"partners": {"drop": ["salesperson_id"]}}


@pytest.fixture(scope="module")
def published_alone(gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that publishes to its owner alone; not to be changed."""
    return published(tmp_path_factory.mktemp("published") / "home", gate).home


@pytest.fixture
def own(published_alone: Path, tmp_path: Path) -> Settings:
    """A copy of it, modes and all."""
    return settings_of(shutil.copytree(published_alone, tmp_path / "home", symlinks=True), publish=SHARES)


def published(home: Path, gate: Gate, **more: object) -> Settings:
    """A home with one rating and everything that is published from it."""
    settings = settings_of(home, publish=SHARES, **more)
    land(
        settings,
        {"customers": [customer("C1")], "invoice_lines": [line("R1", "C1", date(2025, 5, 2), 1000)]},
        taken=DAY,
        sequence=1,
    )
    refresh(settings, gate, DAY)
    stages.report_stage(settings)
    metrics.write_refresh(settings, [RefreshResult(DAY)], datetime(2025, 7, 1, 12, tzinfo=UTC))
    return settings


@pytest.mark.timeout(300)
def test_after_a_run_nobody_but_its_owner_may_read_anything_in_the_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    export = tmp_path / "customers.csv"
    export.write_text("customer_id,name,status\nC1,Customer 1,active\n", encoding="utf-8")
    own = {name: value for name, value in os.environ.items() if name != "PREFECT_HOME"}
    home.mkdir()  # by an administrator, for everybody to look into
    for arguments in (
        ["land", str(export), "--source", "generic_csv", "--company", "1000"],
        ["refresh", "--as-of", str(DAY)],
        ["backup"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", "from flows.cli.main import main; main()", *arguments],
            env={**own, "VALUEMART_HOME": str(home)}, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    found = modes(home)
    assert {
        "warehouse.duckdb",
        "mart.duckdb",
        "ops.duckdb",
        "relay.db",
        "report",
        "prefect",
        "backups",
    } <= set(found)
    assert {name: oct(mode) for name, mode in found.items() if mode & 0o077} == {}


def test_what_is_published_is_read_by_the_group_and_nothing_else_is(tmp_path: Path, gate: Gate) -> None:
    settings = published(tmp_path / "home", gate, publish_group=OURS)
    fix_modes(settings)  # the test's own exports

    for name, mode in modes(settings.home).items():
        path = settings.home / name
        open_to_group = name == "." or is_published(name)
        wanted = (0o750 if path.is_dir() else 0o640) if open_to_group else (0o700 if path.is_dir() else 0o600)
        assert (name, oct(mode)) == (name, oct(wanted))
    assert (settings.home / "ops.duckdb").stat().st_mode & 0o077 == 0


def test_what_is_published_to_a_folder_of_its_own_leaves_the_home_closed(tmp_path: Path, gate: Gate) -> None:
    shown = tmp_path / "shown"
    settings = published(tmp_path / "home", gate, publish_group=OURS, publish_to=shown)

    assert {path.name for path in shown.iterdir()} == set(PUBLISHED)
    assert {oct(mode) for name, mode in modes(shown).items() if (shown / name).is_dir()} == {"0o750"}
    assert {oct(mode) for name, mode in modes(shown).items() if (shown / name).is_file()} == {"0o640"}
    assert not [name for name in PUBLISHED if (settings.home / name).exists()]
    assert {"ops.duckdb", "publish.key"} <= {path.name for path in settings.home.iterdir()}
    assert stat.S_IMODE(settings.home.stat().st_mode) == 0o700


def test_a_home_that_is_in_use_changes_only_when_a_person_asks(
    own: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in everything(own.home):
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = modes(own.home)

    (told,) = [each for each in doctor.examine(own).findings if each.what == "modes"]
    assert (told.state, "maintain --fix-modes" in told.message) == ("note", True)
    assert modes(own.home) == before

    monkeypatch.setenv("VALUEMART_HOME", str(own.home))
    assert main.run(["maintain", "--fix-modes"]) == 0
    assert f"{len(before):,} files and folders" in capsys.readouterr().out
    assert set(modes(own.home).values()) == {0o700, 0o600}
    assert [each.state for each in doctor.examine(own).findings if each.what == "modes"] == ["sound"]


def test_another_group_is_given_what_is_published_by_fixing_the_modes(own: Settings) -> None:
    fix_modes(own)
    grouped = own.model_copy(update={"publish_group": OURS})
    names = {str(path.relative_to(own.home)) for path, _ in wrong_modes(grouped)}
    assert names
    assert all(name == "." or is_published(name) for name in names)

    fix_modes(grouped)
    assert list(wrong_modes(grouped)) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("VALUEMART_PUBLISH_GROUP", "nobodys-group", "this machine has no group 'nobodys-group'"),
        ("VALUEMART_PUBLISH_TO", "home/shown", "lies in the home, which nobody else may enter"),
    ],
)
def test_readers_that_cannot_be_are_refused_before_anything_is_touched(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    value: str,
    said: str,
) -> None:
    monkeypatch.setenv(name, value)
    assert main.run(["refresh"]) == 2
    told = capsys.readouterr().err
    assert (said in told, told.count("\n")) == (True, 1)
    assert not home.exists()


def test_the_status_says_who_may_read_what_is_published(
    own: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VALUEMART_HOME", str(own.home))
    assert main.run(["status"]) == 0
    assert "this user alone; set publish_group" in capsys.readouterr().out

    monkeypatch.setenv("VALUEMART_PUBLISH_GROUP", OURS)
    assert main.run(["status"]) == 0
    assert f"this user and the group {OURS}, in " in capsys.readouterr().out


def test_a_damaged_published_file_is_told_once(own: Settings) -> None:
    os.truncate(own.mart_file, 5_000)
    told = [each for each in doctor.examine(own).findings if each.what == "published"]
    assert [(each.state, str(own.mart_file) in each.message) for each in told] == [("fault", True)]
