"""What the built-in source folders owe the contracts, each other, and their reader."""

from __future__ import annotations

from pathlib import Path

import pytest

from expectations.contract import Contract, contracts
from warehouse.source import BUILT_IN, read_source

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


@pytest.mark.parametrize("file", ["invoice_lines.sql", "receivables.sql", "products.sql"])
def test_both_sap_packs_read_billing_ledger_and_materials_alike(file: str) -> None:
    assert (BUILT_IN / "sap_s4" / file).read_text("utf-8") == (BUILT_IN / "sap_ecc" / file).read_text("utf-8")


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_explains_itself_and_is_held_to_a_golden_extract(pack: str) -> None:
    readme = (BUILT_IN / pack / "README.md").read_text("utf-8")
    assert readme.startswith(f"# {pack}\n")
    source = read_source(BUILT_IN / pack)
    for table in source.profile.tables:
        assert any(GOLDEN.glob(f"{pack}/**/expected/{table}.csv")), f"no golden row of {table}"


@pytest.mark.parametrize("pack", PACKS)
def test_no_sql_file_of_a_pack_is_left_over(pack: str) -> None:
    tables = read_source(BUILT_IN / pack).profile.tables
    assert {path.stem for path in (BUILT_IN / pack).glob("*.sql")} == set(tables)
