"""The version of the rules goes with a line for whoever reads the figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from transforms.rating.rules_version import FIRST, RULES_VERSION

CHANGELOG = Path(__file__).resolve().parents[3] / "CHANGELOG.md"


@pytest.mark.parametrize("version", range(FIRST + 1, RULES_VERSION + 1))
def test_every_version_of_the_rules_says_in_the_changelog_what_a_figure_means_since(version: int) -> None:
    assert f"rules_version {version}:" in CHANGELOG.read_text(encoding="utf-8")
