"""The drill: what a backup brings back, and what comes of it when the company goes on from there."""

from __future__ import annotations

import json
import shutil
import stat
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from expectations.gate import Gate
from flows import backup, upkeep
from flows.pipeline import stages
from flows.settings import Settings
from tests.flows import small_history
from tests.flows.small_company import assert_same, land, mart, merged, refresh, settings_of
from transforms.frames.plan import month_end

pytestmark = pytest.mark.slow

NOW = datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
BEFORE, AFTER = small_history.months()[:13], small_history.months()[13:]


@pytest.fixture(scope="module")
def gate() -> Gate:
    return Gate()


def go_on(settings: Settings, gate: Gate, months: list[date]) -> None:
    """Let months pass: their documents land as one batch and are loaded, the last is rated, its events are sent."""
    extracts = merged(small_history.extract(month) for month in months)
    extracts.pop("receivables")  # an item is open in one month and settled in the next: twice in one batch
    sequence = small_history.months().index(months[-1]) + 1
    land(settings, extracts, taken=small_history.taken_on(months[-1]), sequence=sequence)
    refresh(settings, gate, month_end(months[-1]))
    stages.relay_stage(settings)


def event_ids(settings: Settings) -> Counter[str]:
    return Counter(
        json.loads(line)["id"]
        for file in settings.events_folder.glob("*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
    )


def test_a_home_that_is_restored_and_goes_on_has_the_same_mart_and_no_event_twice(
    tmp_path: Path, gate: Gate
) -> None:
    settings = settings_of(tmp_path / "home")
    go_on(settings, gate, BEFORE[:12])
    go_on(settings, gate, BEFORE[12:])
    made = backup.back_up(settings, tmp_path / "out", NOW)
    at_backup, events_at_backup = mart(settings.home), event_ids(settings)
    go_on(settings, gate, AFTER)
    expected, events_expected = mart(settings.home), event_ids(settings)
    assert events_expected.keys() > events_at_backup.keys(), "an outbox that does not grow tries nothing"

    restored, aside = backup.restore(settings, made.folder, NOW + timedelta(days=1))

    assert restored.loads == made.loads
    assert_same(at_backup, mart(settings.home))
    assert event_ids(settings) == events_at_backup
    assert aside == settings.home / "replaced-20250305T050607Z"
    assert (aside / "warehouse.duckdb").is_file()

    for batch in settings.archive.glob(
        "*/*/*"
    ):  # what came after the backup comes once more; the ledger knows the rest
        target = settings.inbox / batch.relative_to(settings.archive)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(batch, target)
    refresh(settings, gate, month_end(AFTER[-1]))
    stages.relay_stage(settings)

    assert_same(expected, mart(settings.home))
    assert event_ids(settings) == events_expected
    assert set(events_expected.values()) == {1}


@pytest.fixture(scope="module")
def young_company(tmp_path_factory: pytest.TempPathFactory, gate: Gate) -> Path:
    """The home of a company after its first month."""
    home = tmp_path_factory.mktemp("young") / "home"
    go_on(settings_of(home), gate, BEFORE[:1])
    return home


@pytest.fixture
def backed_up(tmp_path: Path, young_company: Path) -> tuple[Settings, Path]:
    """A home and its backup."""
    settings = settings_of(shutil.copytree(young_company, tmp_path / "home", symlinks=True))
    return settings, backup.back_up(settings, tmp_path / "out", NOW).folder


def test_a_backup_can_be_restored_into_an_empty_home(
    backed_up: tuple[Settings, Path], tmp_path: Path
) -> None:
    settings, _ = backed_up
    key = (
        settings.home / "publish.key"
    )  # masks names in shared marts: with another, nobody would know them again
    key.touch(mode=0o600)
    key.write_text("secret")
    folder = backup.back_up(settings, tmp_path / "out", NOW + timedelta(days=1)).folder
    elsewhere = settings_of(tmp_path / "elsewhere")

    _, aside = backup.restore(elsewhere, folder, NOW)

    restored = elsewhere.home / "publish.key"
    assert (restored.read_text(), stat.S_IMODE(restored.stat().st_mode)) == ("secret", 0o600)

    assert aside is None
    assert_same(mart(settings.home), mart(elsewhere.home))


def test_a_backup_that_is_not_whole_is_refused_and_nothing_is_touched(
    backed_up: tuple[Settings, Path],
) -> None:
    settings, folder = backed_up
    before = mart(settings.home)
    with (folder / "relay.db").open("ab") as stream:
        stream.write(b"more")

    with pytest.raises(backup.BackupError, match=r"relay\.db is missing or not as it was written"):
        backup.restore(settings, folder, NOW)

    assert_same(before, mart(settings.home))
    assert not list(settings.home.glob("replaced-*"))


@pytest.mark.parametrize("text", [None, "{", "{}", '{"files": 1, "backup": 2}'])
def test_a_folder_that_is_no_backup_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "backup.json").write_text(text)

    with pytest.raises(backup.BackupError, match="is no backup"):
        backup.restore(settings_of(tmp_path / "home"), tmp_path, NOW)


def test_a_home_without_a_warehouse_has_nothing_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(backup.BackupError, match="nothing was loaded yet"):
        backup.back_up(settings_of(tmp_path / "home"), tmp_path / "out", NOW)


def test_the_note_of_a_backup_keeps_no_secret(young_company: Path, tmp_path: Path) -> None:
    settings = settings_of(young_company, notify_url="https://chat.example/hook/s3cr3t")

    folder = backup.back_up(settings, tmp_path / "out", NOW).folder

    note = (folder / "backup.json").read_text()
    assert json.loads(note)["settings"]["company_currency"] == "EUR"
    assert "s3cr3t" not in note


def test_the_newest_backups_are_kept(backed_up: tuple[Settings, Path]) -> None:
    settings, first = backed_up
    later = [backup.back_up(settings, first.parent, NOW + timedelta(days=day)).folder for day in (1, 2)]

    assert backup.prune(first.parent, keep=2) == [first]
    assert sorted(first.parent.iterdir()) == later


def test_upkeep_backs_up_and_drops_raw_batches_that_were_loaded_long_ago(
    backed_up: tuple[Settings, Path],
) -> None:
    settings, _ = backed_up
    (batch,) = settings.archive.glob("*/*/*")
    loaded_at = datetime.now(UTC)  # when the fixture loaded it
    for now, kept in ((loaded_at + timedelta(days=9), True), (loaded_at + timedelta(days=11), False)):
        upkeep.look_after(settings, now, keep_archive_days=10, backups=1, backup_folder=None)

        assert batch.exists() == kept
        assert [each.name for each in settings.backups_folder.iterdir()] == [
            f"valuemart-{now:%Y%m%dT%H%M%SZ}"
        ]
