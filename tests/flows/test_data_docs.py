"""Great Expectations' own pages on a batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.warehouse.making import Loader, line, of_lines


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source()
    return made


def test_a_batch_with_quarantined_rows_has_a_page_that_says_how_many_broke_each_rule(loader: Loader) -> None:
    loader.with_settings(data_docs="violations")
    outcome = loader.loaded(of_lines(line(1), line(2, customer=" <script>x</script>"), line(3), line(3)))
    assert outcome.data_docs == loader.settings.home / "data_docs" / "shop" / "DE01" / "b1" / "index.html"
    assert 'href="invoice_lines.html"' in outcome.data_docs.read_text(encoding="utf-8")
    page = outcome.data_docs.with_name("invoice_lines.html").read_text(encoding="utf-8")
    assert "Great Expectations" in page
    assert "<script>x</script>" not in page


def test_a_clean_batch_has_none_and_one_that_came_again_clean_has_none_any_more(loader: Loader) -> None:
    loader.with_settings(data_docs="violations")
    first = of_lines(line(1, net="x"))
    assert loader.loaded(first).data_docs is not None
    assert loader.loaded(of_lines(line(1), supersedes="b1")).data_docs is None
    assert list((loader.settings.home / "data_docs").rglob("*.html")) == []


def test_pages_may_be_wanted_always_or_never(loader: Loader) -> None:
    assert loader.loaded(of_lines(line(1, net="x"))).data_docs is None
    loader.with_settings(data_docs="always")
    assert loader.loaded(of_lines(line(2), number=2)).data_docs is not None
