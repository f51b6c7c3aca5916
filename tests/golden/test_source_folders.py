"""What the built-in source folders owe the contracts, each other, and their reader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.contract import Contract, contracts
from warehouse.delivery.profile import BUILT_IN, read_source

GOLDEN = Path(__file__).parent
PACKS = ["erpnext", "generic_csv", "kingdee", "odoo", "sap_ecc", "sap_s4", "yonyou_u8"]
# Columns the loader or the source's SQL can fill where the file leaves them out.
FILLED = {"net_amount_company", "original_amount_company"}
BESIDE = {"source_changed_at": "timestamp", "is_deleted": "boolean"}


def profile_type(duckdb_type: str) -> str:
    return {"VARCHAR": "text", "INTEGER": "integer", "BIGINT": "integer"}.get(
        duckdb_type, duckdb_type.lower()
    )


@pytest.mark.parametrize("contract", contracts("extract"), ids=lambda contract: contract.name)
def test_generic_csv_is_the_contract_itself(contract: Contract) -> None:
    profile = read_source(BUILT_IN / "generic_csv").profile
    columns = profile.resources[contract.name].columns
    assert {name: column.type for name, column in columns.items()} == {
        **{column.name: profile_type(column.type) for column in contract.columns},
        **BESIDE,
    }
    required = {column.name for column in contract.columns if not column.nullable} - FILLED
    assert {name for name, column in columns.items() if not column.optional} == required
    assert profile.tables[contract.name].driving == contract.name


def test_s4_has_no_sql_of_its_own_but_where_credit_limits_lie() -> None:
    profile = read_source(BUILT_IN / "sap_s4").profile
    own = [name for name, each in {**profile.tables, **profile.views}.items() if each.sql_from is None]
    assert own == ["credit_account"]
    assert profile.tables.keys() == read_source(BUILT_IN / "sap_ecc").profile.tables.keys()


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_explains_itself_and_is_held_to_a_golden_extract(pack: str) -> None:
    readme = (BUILT_IN / pack / "README.md").read_text("utf-8")
    assert readme.startswith(f"# {pack}\n")
    source = read_source(BUILT_IN / pack)
    for table in source.profile.tables:
        assert any(GOLDEN.glob(f"{pack}/**/expected/{table}.csv")), f"no golden row of {table}"


@pytest.mark.parametrize("pack", PACKS)
def test_no_sql_file_of_a_pack_is_left_over(pack: str) -> None:
    profile = read_source(BUILT_IN / pack).profile
    own = {name for name, each in {**profile.tables, **profile.views}.items() if each.sql_from is None}
    assert {path.stem for path in (BUILT_IN / pack).glob("*.sql")} == own


# Where a SELECT leaves rows out by WHERE though no subquery looks something up, and why none of them is lost unseen.
FILTERS = {
    ("erpnext", "ledger_entry"): (3, "summed beside the entries, which all come out"),
    ("erpnext", "payment_allocations"): (7, "looked up, or other branches give the rest, with _excluded"),
    ("erpnext", "receivables"): (1, "looked up by the items, which all come out"),
    ("erpnext", "term"): (3, "looked up by the items: one without terms is owed as a whole"),
    ("odoo", "invoice_lines"): (3, "looked up by the lines, which all come out"),
    ("odoo", "own_company"): (1, "the one company of the batch; none, or several, end the load"),
    ("odoo", "receivables"): (1, "looked up by the lines, which all come out"),
    ("sap_ecc", "amount_factor"): (1, "a factor that nobody looks up is 1"),
    ("sap_ecc", "invoice_lines"): (2, "ratios and marks looked up by the documents, which all come out"),
    ("sap_ecc", "ledger_item"): (10, "looked up by the records, which all come out"),
    ("sap_ecc", "payment_allocations"): (1, "a second row of an item that comes out anyway"),
    ("yonyou_u8", "ledger_entry"): (2, "looked up by the entries, which all come out"),
    ("yonyou_u8", "receivables"): (1, "looked up by the items, which all come out"),
}


def filters(node: Any) -> Iterator[str]:
    """The conditions by which a parsed statement leaves rows out; not those of its subqueries, which look things up."""
    if isinstance(node, list):
        for part in node:
            yield from filters(part)
    elif isinstance(node, dict) and node.get("class") != "SUBQUERY":
        if node.get("where_clause"):
            yield json.dumps(node["where_clause"])
        for part in node.values():
            yield from filters(part)


def number_of_filters(sql: str) -> int:
    """How many SELECTs of a statement leave rows out by WHERE."""
    ((text,),) = duckdb.execute("SELECT json_serialize_sql(CAST(? AS VARCHAR))", [sql]).fetchall()
    return len(list(filters(json.loads(text)["statements"])))


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("SELECT a FROM t", 0),
        ("SELECT a FROM t WHERE b", 1),
        ("SELECT a FROM t JOIN u ON t.a = u.a", 0),
        ("SELECT (SELECT a FROM u WHERE b) FROM t", 0),
        ("WITH u AS (SELECT a FROM t WHERE b) SELECT a FROM u UNION ALL SELECT a FROM t WHERE c", 2),
        ("SELECT a FROM (SELECT a FROM t WHERE b)", 1),
    ],
)
def test_a_filter_is_a_where_that_is_no_look_up(sql: str, number: int) -> None:
    assert number_of_filters(sql) == number


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_leaves_no_rows_out_by_where_but_those_that_are_accounted_for(pack: str) -> None:
    source = read_source(BUILT_IN / pack)
    statements = {name: source.sql(name) for name in source.profile.tables} | source.views
    found = {name: number for name, sql in statements.items() if (number := number_of_filters(sql))}
    of = "sap_ecc" if pack == "sap_s4" else pack  # which shares these SELECTs
    assert found == {name: number for (named, name), (number, _) in FILTERS.items() if named == of}
