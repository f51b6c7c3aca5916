"""A mart for others shows the rows and columns they may see, and pseudonyms where they may not."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from expectations.contract import contracts
from tests.warehouse.publishing import RECORDED_AT, bring_to, insert, open_warehouse
from warehouse.mart.publish import publish
from warehouse.mart.share import KEY_FILE, Share, ShareError, build_if_behind, check, is_current

pytestmark = pytest.mark.slow

PARTNERS = Share(
    "partners", ("1000",), drop=("customer.credit_limit", "override_owner"), mask=("customer_id", "name")
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A published mart of two companies with two customers each."""
    home = tmp_path / "home"
    connection = open_warehouse(home)
    bring_to(connection, 3, customers=2)
    insert(
        connection,
        "customers",
        company_code="1000",
        customer_id="C0001",
        name="Jade Armaturen KG",
        credit_limit="5",
    )
    insert(connection, "customers", company_code="2000", customer_id="C0009", name="Elbe Ventile AG")
    for about in ("credit_watch.action_reason", "conduct_finding.evidence"):
        insert(connection, "reason", company_code="1000", customer_id="C0001", about=about)
    publish(connection, home, contracts(), 1, RECORDED_AT)
    connection.close()
    return home


def read(home: Path, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home / "mart_partners.duckdb"), read_only=True) as mart:
        return mart.execute(sql).fetchall()


def test_only_the_rows_of_the_companies_named_are_shared(home: Path) -> None:
    build_if_behind(home, PARTNERS)
    assert read(home, "SELECT DISTINCT company_code FROM customer") == [("1000",)]
    assert read(home, "SELECT count(*) FROM customer_month") == [(4,)]


def test_without_companies_everything_is_shared(home: Path) -> None:
    build_if_behind(home, Share("partners", None, (), ()))
    assert read(home, "SELECT DISTINCT company_code FROM customer ORDER BY 1") == [("1000",), ("2000",)]


def test_a_dropped_column_is_nowhere_in_the_tables_it_was_dropped_from(home: Path) -> None:
    build_if_behind(home, PARTNERS)
    columns = "SELECT table_name FROM duckdb_columns() WHERE NOT internal AND column_name = '{}' ORDER BY 1"
    assert read(home, columns.format("credit_limit")) == [
        ("credit_exposure",),
        ("credit_watch",),
        ("over_limit",),
    ]
    assert read(home, columns.format("override_owner")) == []
    assert read(home, "SELECT count(*) FROM column_dictionary WHERE column_name = 'override_owner'") == [(0,)]


@pytest.mark.parametrize("named", ["contribution_12m", "gross_contribution_12m"])
def test_what_was_renamed_is_dropped_under_both_names(home: Path, named: str) -> None:
    build_if_behind(home, Share("partners", None, drop=(named,), mask=()))
    columns = "SELECT column_name FROM duckdb_columns() WHERE NOT internal AND table_name = 'concentration'"
    assert not {("contribution_12m",), ("gross_contribution_12m",)} & set(read(home, columns))
    kept = "SELECT count(*) FROM duckdb_columns() WHERE table_name = 'customer_value' AND column_name = 'contribution_12m'"
    assert read(home, kept) == [(0 if named == "contribution_12m" else 1,)]


def test_a_masked_value_is_nowhere_in_the_file(home: Path) -> None:
    build_if_behind(home, PARTNERS)
    written = (home / "mart_partners.duckdb").read_bytes()
    assert b"Jade Armaturen" not in written
    assert b"C0001" not in written
    assert b"C0001" in (home / "mart.duckdb").read_bytes()


def test_a_pseudonym_joins_as_the_value_did(home: Path) -> None:
    build_if_behind(home, PARTNERS)
    joined = """SELECT count(*), count(DISTINCT customer_id) FROM customer_value JOIN customer_month
                USING (company_code, customer_id)"""
    with duckdb.connect(str(home / "mart.duckdb"), read_only=True) as mart:
        assert read(home, joined) == mart.execute(joined).fetchall() == [(4, 2)]


def test_a_pseudonym_stays_the_same_from_refresh_to_refresh(home: Path) -> None:
    build_if_behind(home, PARTNERS)
    before = read(home, "SELECT customer_id FROM customer ORDER BY 1")
    (home / "mart_partners.duckdb").unlink()
    build_if_behind(home, PARTNERS)
    assert read(home, "SELECT customer_id FROM customer ORDER BY 1") == before


def test_the_key_of_pseudonyms_is_for_its_owner_only(home: Path) -> None:
    build_if_behind(home, PARTNERS)
    assert stat.S_IMODE((home / KEY_FILE).stat().st_mode) == 0o600


def test_a_shared_mart_is_built_once_a_state_and_again_when_its_rules_change(home: Path) -> None:
    assert build_if_behind(home, PARTNERS)
    assert is_current(home, PARTNERS)
    assert not build_if_behind(home, PARTNERS)
    stricter = Share("partners", ("1000",), (*PARTNERS.drop, "name"), ("customer_id",))
    assert not is_current(home, stricter)
    assert build_if_behind(home, stricter)
    assert read(
        home, "SELECT count(*) FROM duckdb_columns() WHERE NOT internal AND column_name = 'name'"
    ) == [(0,)]


@pytest.mark.parametrize(
    ("drop", "mask", "message"),
    [
        (("nmae",), (), r"publish\.x\.drop: the mart has no column 'nmae'; did you mean name\?"),
        (("customer.nmae",), (), r"the mart has no column 'customer\.nmae'; did you mean customer\.name\?"),
        ((), ("score",), r"publish\.x\.mask: score holds no text"),
    ],
)
def test_what_cannot_be_hidden_is_said_before_anything_is_built(
    drop: tuple[str, ...], mask: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ShareError, match=message):
        check(Share("x", None, drop, mask))


def test_a_column_may_be_named_by_its_old_name() -> None:
    check(Share("x", None, drop=("explanation.held_by",), mask=("held_by",)))


def test_a_text_that_is_left_out_takes_its_reasons_with_it(home: Path) -> None:
    build_if_behind(home, Share("partners", None, drop=("action_reason",), mask=()))
    assert read(home, "SELECT about FROM reason") == [("conduct_finding.evidence",)]
