"""Secrets that a home keeps: made once, whole, for their owner's eyes only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from warehouse.files import kept_secret


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path):
    file = tmp_path / "publish.key"
    assert kept_secret(file, "first") == "first"
    assert kept_secret(file, "second") == "first"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("left", ["", "\n"])
def test_an_empty_file_that_a_kill_left_is_no_secret(tmp_path: Path, left: str):
    file = tmp_path / "publish.key"
    file.write_text(left)
    assert kept_secret(file, "made") == "made"
    assert file.read_text() == "made"
    assert file.stat().st_mode & 0o777 == 0o600


def test_of_many_that_make_it_at_once_one_wins(tmp_path: Path):
    file = tmp_path / "publish.key"
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda number: kept_secret(file, f"made by {number}"), range(64)))
    assert found == {file.read_text()}


def test_a_kill_before_it_is_whole_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "publish.key"

    def killed(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        kept_secret(file, "made")
    assert list(tmp_path.iterdir()) == []
