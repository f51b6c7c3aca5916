from __future__ import annotations

import threading
from datetime import date
from pathlib import Path

import pytest
from prefect.states import Cancelled, Completed, Crashed, Failed, Pending, Running, Scheduled, State

from expectations.gate import Gate
from flows.inbox import watch
from flows.inbox.landing import Landed
from flows.pipeline import stages
from flows.server import sweep
from flows.settings import Settings
from tests.flows.small_company import customer, land, settings_of

DAY = date(2025, 6, 30)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_of(tmp_path / "home")


def drop(settings: Settings, sequence: int, *, complete: bool = True) -> Landed:
    landed = land(settings, {"customers": [customer(f"C{sequence}")]}, taken=DAY, sequence=sequence)
    if not complete:
        (landed.folder / "_SUCCESS").unlink()
    return landed


def names(looked: list[tuple[Landed, str | None]]) -> list[str]:
    return [landed.batch_id for landed, _ in looked]


class Clock:
    """A clock that a test puts forward."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def wait(self, seconds: float = watch.PAUSE_SECONDS) -> None:
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_landing_is_told_once_and_a_folder_without_success_not_at_all(
    settings: Settings, clock: Clock
) -> None:
    watcher = watch.Watcher(settings, lambda _: None, clock)
    first = drop(settings, 1)
    unfinished = drop(settings, 2, complete=False)

    assert names(list(watcher.look())) == [first.batch_id]
    clock.wait()
    assert names(list(watcher.look())) == []
    (unfinished.folder / "_SUCCESS").touch()
    assert names(list(watcher.look())) == [unfinished.batch_id]


def test_a_landing_nobody_could_be_told_of_is_told_at_the_next_look(settings: Settings, clock: Clock) -> None:
    answers = iter(["the server is down", None])
    watcher = watch.Watcher(settings, lambda _: next(answers), clock)
    drop(settings, 1)

    assert [untold for _, untold in watcher.look()] == ["the server is down"]
    assert [untold for _, untold in watcher.look()] == [None]
    clock.wait()
    assert list(watcher.look()) == []


def test_what_lands_within_the_pause_is_told_when_it_is_over_and_not_if_a_refresh_has_brought_it(
    settings: Settings, clock: Clock
) -> None:
    watcher = watch.Watcher(settings, lambda _: None, clock)
    drop(settings, 1)
    assert len(list(watcher.look())) == 1
    second = drop(settings, 2)
    clock.wait(watch.PAUSE_SECONDS - 1)
    assert list(watcher.look()) == []
    assert not watcher.is_due()
    clock.wait(1)
    assert watcher.is_due()
    assert names(list(watcher.look())) == [second.batch_id]
    assert not watcher.is_due()

    drop(settings, 3)
    assert list(watcher.look()) == []
    stages.load_stage(settings, Gate())
    stages.publish_stage(settings)
    clock.wait()
    assert watcher.is_due()
    assert list(watcher.look()) == []
    assert not watcher.is_due()


def test_what_the_published_books_know_is_awaited_no_more_unless_it_was_mended(settings: Settings) -> None:
    drop(settings, 1)
    refused = drop(settings, 2)
    manifest = refused.folder / "datapackage.json"
    whole = manifest.read_text()
    manifest.write_text(whole.replace("sha256:", "sha256:0"))
    assert len(watch.awaiting(settings)) == 2

    report = stages.load_stage(settings, Gate())
    stages.publish_stage(settings)
    assert [outcome.status for outcome in report.outcomes] == ["loaded", "refused"]
    assert watch.awaiting(settings) == []

    manifest.write_text(whole)
    assert [each.batch_id for each in watch.awaiting(settings)] == [refused.batch_id]


@pytest.mark.timeout(60)
def test_a_batch_that_lands_while_the_inbox_is_watched_is_seen_at_once(settings: Settings) -> None:
    looks = watch.changes(settings.inbox)
    assert next(looks)
    landing = threading.Timer(0.2, drop, [settings, 1])
    landing.start()

    watcher = watch.Watcher(settings, lambda _: None)
    seen = next(looked for due in looks if due and (looked := list(watcher.look())))
    landing.join()
    looks.close()

    assert len(seen) == 1


LANDED = ["erp/1000/one"]
NOTHING: list[str] = []


@pytest.mark.parametrize(
    ("landed", "latest", "reason"),
    [
        (NOTHING, [], None),
        (NOTHING, [Completed()], None),
        (LANDED, [], "1 landed: erp/1000/one"),
        (LANDED, [Completed(), Crashed()], "1 landed: erp/1000/one"),
        (["a", "b", "c", "d"], [Failed()], "4 landed: a, b, c, …"),
        # one is on its way
        (LANDED, [Scheduled()], None),
        (LANDED, [Pending(), Completed()], None),
        (LANDED, [Running(), Crashed()], None),
        # what a crash left undone is made up for, what failed would fail again
        (NOTHING, [Crashed(), Completed()], "the last refresh crashed"),
        (NOTHING, [Failed(), Completed()], None),
        (NOTHING, [Completed(), Crashed()], None),
        # three bad ends in a row are a person's business
        (LANDED, [Crashed(), Failed(), Crashed(), Completed()], None),
        (NOTHING, [Crashed(), Crashed(), Crashed()], None),
        (LANDED, [Crashed(), Failed(), Completed()], "1 landed: erp/1000/one"),
    ],
)
def test_the_sweep_asks_where_a_refresh_is_due_and_none_is_on_its_way(
    landed: list[str], latest: list[State], reason: str | None
) -> None:
    assert sweep.due(landed, latest) == reason


@pytest.mark.parametrize("ended", [Crashed(), Cancelled(), Failed()], ids=lambda state: state.name)
def test_the_sweep_brings_on_what_a_backfill_had_committed_before_it_ended(ended: State) -> None:
    left = "periods 2025-04 to 2025-05 rated, the last as of 2025-05-31"
    assert sweep.due(NOTHING, [Completed()], [ended], lambda: left) == f"committed and not published: {left}"
    assert sweep.due(NOTHING, [Completed()], [ended]) is None


def test_the_sweep_waits_for_a_backfill_that_is_at_work_and_for_a_person_after_three_bad_ends() -> None:
    assert sweep.due(LANDED, [Completed()], [Running()], lambda: "something") is None
    assert sweep.due(NOTHING, [Crashed(), Failed(), Crashed()], [Crashed()], lambda: "something") is None
