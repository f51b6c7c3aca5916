"""How a source says that its database is read: one SELECT a resource, two parameters, and a section of the profile."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.warehouse.making import write_source
from warehouse.delivery import pull_queries
from warehouse.delivery.profile import BUILT_IN, Source, read_source
from warehouse.errors import SourceError

SINCE = datetime(2026, 2, 1, 10, 30, 59)
PULL: dict[str, Any] = {
    "clock": "SELECT now();",
    "resources": {"LINES": {"watermark": "changed"}, "CUSTOMERS": {}},
    "keys": ["invoice_lines"],
}
PULLABLE = sorted(folder.parent.name for folder in BUILT_IN.glob("*/pull"))


def shop(root: Path, lines: str = "SELECT 1 WHERE x >= :since", **changes: Any) -> Source:
    folder = write_source(root, pull={**PULL, **changes})
    (folder / "pull").mkdir(exist_ok=True)
    (folder / "pull" / "LINES.sql").write_text(lines, encoding="utf-8")
    return read_source(folder)


def filled(root: Path, sql: str, company: str = "1") -> str:
    return pull_queries.query(shop(root, sql), "LINES", company=company, since=SINCE)


@pytest.mark.parametrize("name", PULLABLE)
def test_every_query_of_a_built_in_source_is_there_and_takes_its_parameters(name: str) -> None:
    source = read_source(BUILT_IN / name)
    plan = pull_queries.pull_of(source)
    for resource in plan.resources:
        sql = pull_queries.query(source, resource, company="x", since=SINCE)
        assert ":since" not in sql
        assert ("2026-02-01T10:30:59" in sql) == (plan.clocked_by(resource) is not None)
    for table in plan.keys:
        pull_queries.key_query(source, table, company="x")
    written = {file.stem for file in (source.folder / "pull").glob("*.sql")}
    assert written == set(plan.resources), "a query that no resource uses"


def test_built_in_sources_of_four_erps_can_be_pulled() -> None:
    assert PULLABLE == ["erpnext", "kingdee", "odoo", "yonyou_u8"]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            "SELECT a WHERE c = :company AND x >= :since;\n",
            "SELECT a WHERE c = '1' AND x >= '2026-02-01T10:30:59'",
        ),
        ("SELECT x::since, ':since', \":since\", `:since` WHERE x > :since", None),
        (
            "SELECT a -- as :unknown says\nWHERE x > :since /* :other */ -- end",
            "SELECT a  \nWHERE x > '2026-02-01T10:30:59'",
        ),
    ],
)
def test_parameters_are_put_in_where_they_are_meant_and_nowhere_else(
    sql: str, expected: str | None, tmp_path: Path
) -> None:
    wanted = expected or sql.replace("> :since", "> '2026-02-01T10:30:59'")
    assert filled(tmp_path, sql) == wanted


def test_a_company_is_a_text_whatever_stands_in_it(tmp_path: Path) -> None:
    assert (
        filled(tmp_path, "SELECT :company, :since", "a' OR ''='")
        == "SELECT 'a'' OR ''''=''', '2026-02-01T10:30:59'"
    )


@pytest.mark.parametrize(
    ("sql", "said"),
    [("SELECT 1", "reads everything each time"), ("SELECT :since, :until", "no parameter :until here")],
)
def test_a_query_that_cannot_be_meant_is_named(sql: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=said):
        filled(tmp_path, sql)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"resources": {"OTHER": {}}}, "there is no such resource"),
        ({"resources": {"CUSTOMERS": {"watermark": "changed"}}}, "a part of it would delete the rest"),
        (
            {"resources": {"LINES": {"since": "CUSTOMERS"}, "CUSTOMERS": {}}},
            "is no pulled resource with a watermark",
        ),
        ({"resources": {"LINES": {"watermark": "a", "since": "LINES"}}}, "not both"),
        ({"keys": ["payments"]}, "not one of the tables"),
    ],
)
def test_a_section_that_does_not_fit_its_profile_is_refused(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=said):
        shop(tmp_path, **changes)


def test_a_source_must_pull_what_a_batch_must_hold(tmp_path: Path) -> None:
    folder = write_source(
        tmp_path, pull={**PULL, "resources": {"CUSTOMERS": {}}}, resources__LINES__required=True
    )
    with pytest.raises(SourceError, match="lacks LINES"):
        read_source(folder)
