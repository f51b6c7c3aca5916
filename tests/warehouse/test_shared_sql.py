"""SQL that a source shares: with its own tables by a view, and with another source by `sql_from`."""

from __future__ import annotations

from pathlib import Path

import pytest

from warehouse.delivery.profile import get_source, mapping_hash, read_source
from warehouse.errors import SourceError

PROFILE = """
source: {name}
title: A source
version: "1"
resources:
  LINES: {{pattern: "lines*", columns: {{number: {{}}}}}}
views: {views}
tables:
  products: {{driving: LINES{more}}}
"""
SELECT = "SELECT number AS product_id, number AS name, 'EA' AS base_uom, _file, _row FROM LINES"


def folder(root: Path, name: str, *, views: str = "{}", more: str = "", **sql: str) -> Path:
    made = root / name
    made.mkdir(parents=True, exist_ok=True)
    made.joinpath("profile.yaml").write_text(PROFILE.format(name=name, views=views, more=more), "utf-8")
    for table, text in sql.items():
        made.joinpath(f"{table}.sql").write_text(text, "utf-8")
    return made


def test_a_table_reads_the_file_of_the_source_it_shares_it_with(tmp_path: Path) -> None:
    folder(tmp_path, "older", products=SELECT)
    newer = folder(tmp_path, "newer", more=", sql_from: older")
    assert read_source(newer).sql("products") == SELECT


def test_a_copy_of_a_built_in_source_shares_the_built_in_file(tmp_path: Path) -> None:
    copy = folder(tmp_path, "copied", more=", sql_from: sap_ecc")
    assert "MARA" in read_source(copy).sql("products")


def test_a_change_of_the_shared_file_changes_the_mapping(tmp_path: Path) -> None:
    older = folder(tmp_path, "older", products=SELECT)
    folder(tmp_path, "newer", more=", sql_from: older")
    before, hashed = get_source("newer", [tmp_path]).mapping_version, mapping_hash("newer", [tmp_path])
    (older / "products.sql").write_text(SELECT + " WHERE true", "utf-8")
    assert get_source("newer", [tmp_path]).mapping_version != before
    assert mapping_hash("newer", [tmp_path]) != hashed


@pytest.mark.parametrize(
    ("views", "more", "complaint"),
    [
        ("{}", ", sql_from: nobody", r"tables\.products: its SQL file cannot be read"),
        ("{item: {}}", "", r"views\.item: its SQL file cannot be read"),
        ("{LINES: {}}", "", r"views\.LINES: is the name of a resource too"),
        ("{item: {sql_from: ../older}}", "", r"views\.item\.sql_from"),
    ],
)
def test_sql_that_is_not_there_is_named(tmp_path: Path, views: str, more: str, complaint: str) -> None:
    with pytest.raises(SourceError, match=complaint):
        read_source(folder(tmp_path, "newer", views=views, more=more, products=SELECT))
