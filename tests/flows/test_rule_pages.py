"""The pages on the rules say what the rules say."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.codegen.rule_pages import PLAYBOOK_PATH, pages
from transforms.rating.playbook import plays


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_the_committed_page_is_that_of_the_rules(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == pages()[path], "run `make docs`"


def test_every_action_is_on_the_page_in_the_order_of_its_priority() -> None:
    cells = [line.split(" | ") for line in PLAYBOOK_PATH.read_text(encoding="utf-8").splitlines()]
    listed = [action for number, action, *_ in (row for row in cells if len(row) > 2) if number != "| #"]
    assert listed == [play.action for play in plays()]
