"""Tables of HTML pages, as ERPs write them under a workbook's name: what a browser shows in a cell is what is read."""

from __future__ import annotations

import html
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warehouse.delivery.dialect import Dialect
from warehouse.delivery.formats import html as pages
from warehouse.delivery.formats.cells import Number
from warehouse.errors import BatchRefusedError


def rows_of(folder: Path, page: str) -> list[list[str]]:
    file = folder / "page.xls"
    file.write_text(page, encoding="utf-8")
    return [cells for _, cells in pages.rows(file, "page.xls", Dialect())]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('<td title="size>50">Acme GmbH</td>', "Acme GmbH"),
        ("<td title='a > b' class=x>Acme GmbH</td>", "Acme GmbH"),
        ('<td x:fmla="=IF(A1>0,1,0)" x:num="5">5,00</td>', Number("5")),
        ("<td x:num>5,00</td>", "5,00"),
        ('<td><a href="?a>1">Acme</a> GmbH</td>', "Acme GmbH"),
        ("<td>3 < 4 &lt; 5 &amp;amp; 6</td>", "3 < 4 < 5 &amp; 6"),
        ("<td/>Acme", "Acme"),
        ("<td>Acme<br>GmbH<p>Bremen</p>&nbsp;</td>", "Acme GmbHBremen"),
        ("<td>Acme<script>if (a < b) document.write('<td>x</td>')</script> GmbH</td>", "Acme GmbH"),
        ("<td>Acme<!-- <td>no</td> --> GmbH</td>", "Acme GmbH"),
        ("<td><![if !supportMisalignedColumns]>Acme<![endif]> GmbH</td>", "Acme GmbH"),
    ],
)
def test_a_cell_holds_what_a_browser_shows(tmp_path: Path, cell: str, expected: str) -> None:
    [[found]] = rows_of(tmp_path, f"<table><tr>{cell}</tr></table>")
    assert (found, type(found)) == (expected, type(expected))


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4), min_size=1, max_size=6), st.booleans()
)
def test_no_text_or_attribute_changes_where_a_cell_ends(
    tmp_path_factory: pytest.TempPathFactory, table: list[list[tuple[str, str]]], closed: bool
) -> None:
    end = "</td>" if closed else ""
    page = "".join(
        "<tr>"
        + "".join(f'<td title="{title.replace(chr(34), "")}">{html.escape(text)}{end}' for text, title in row)
        for row in table
    )
    expected = [[" ".join(text.split()) for text, _ in row] for row in table]
    found = rows_of(tmp_path_factory.mktemp("page"), f"<table>{page}</table>")
    assert found == [row for row in expected if any(row)]


@pytest.mark.parametrize("piece", ["<!-- ", "<td title='", "<![CDATA[ ", "<? ", "<td "])
def test_a_page_that_ends_inside_a_tag_or_comment_is_refused_however_long_it_is(
    tmp_path: Path, piece: str
) -> None:
    page = "<table><tr><td>Acme</td></tr>" + piece * 100_000
    with pytest.raises(BatchRefusedError, match="never closed"):
        rows_of(tmp_path, page)


def test_an_image_of_megabytes_inside_a_page_is_passed_over(tmp_path: Path) -> None:
    page = f'<table><tr><td><img src="data:{"x" * 3_000_000}>">Acme</td></tr></table>'
    assert rows_of(tmp_path, page) == [["Acme"]]
