"""Golden runs of the built-in sources: a small extract in the ERP's own shape in, every canonical row out, to the digit.

A case is a folder with `extract/` (the files as the ERP writes them) and `expected/`: one CSV a canonical table with all
its rows and every column that is not null throughout, `quarantine.csv`, `left_out.csv` and `gone.csv`. Landed and loaded like any batch;
`case.yaml` has what the source is told of the files, where it is told anything.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from expectations.contract import load as load_contract
from flows.inbox import landing
from flows.pipeline import load
from flows.settings import Settings
from warehouse.delivery.profile import BUILT_IN, read_source

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
CASES = sorted(folder.parent.relative_to(HERE).as_posix() for folder in HERE.glob("**/extract"))
EXTRACTED_AT = datetime(2026, 2, 1, 6, tzinfo=UTC)
COMPANY = "1000"

Rows = list[dict[str, str]]


def pack_of(case: str) -> str:
    return case.split("/", maxsplit=1)[0]


def tables_of(case: str) -> list[str]:
    return list(read_source(BUILT_IN / pack_of(case)).profile.tables)


def told_of(case: str) -> dict[str, Any]:
    path = HERE / case / "case.yaml"
    return yaml.safe_load(path.read_text("utf-8")) if path.exists() else {}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], duckdb.DuckDBPyConnection]:
    """Loads a case once and opens its warehouse; Great Expectations is set up once for all of them."""
    from expectations.gate import Gate

    gate = Gate()
    warehouses: dict[str, Path] = {}

    def of(case: str) -> duckdb.DuckDBPyConnection:
        if case not in warehouses:
            settings = Settings(home=tmp_path_factory.mktemp("home"))
            files = [str(path) for path in sorted((HERE / case / "extract").iterdir())]
            landing.land(
                settings,
                files,
                source=pack_of(case),
                company=COMPANY,
                extracted_at=EXTRACTED_AT,
                stated=told_of(case).get("settings"),
            )
            (outcome,) = load.load_inbox(
                settings, gate, recorded_at=EXTRACTED_AT.replace(tzinfo=None)
            ).outcomes
            assert outcome.status == "loaded", outcome.faults
            assert [told for told in outcome.warnings if "do not say what that means" in told] == []
            warehouses[case] = settings.warehouse_file
        return duckdb.connect(str(warehouses[case]), read_only=True)

    return of


def expected(case: str, name: str) -> Rows:
    path = HERE / case / "expected" / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def found(warehouse: duckdb.DuckDBPyConnection, query: str) -> Rows:
    """The rows as text, a null as an empty string."""
    relation = warehouse.sql(query)
    names = relation.columns
    texts = relation.select(*[duckdb.SQLExpression(f"""coalesce("{name}"::VARCHAR, '')""") for name in names])
    return [dict(zip(names, row, strict=True)) for row in texts.fetchall()]


def without_empty_columns(rows: Rows) -> Rows:
    filled = [name for name in (rows[0] if rows else ()) if any(row[name] for row in rows)]
    return [{name: row[name] for name in filled} for row in rows]


@pytest.mark.parametrize(("case", "table"), [(case, table) for case in CASES for table in tables_of(case)])
def test_an_extract_becomes_exactly_these_rows(
    case: str, table: str, loaded: Callable[[str], duckdb.DuckDBPyConnection]
) -> None:
    contract = load_contract(table)
    columns = ", ".join(
        [*contract.column_names, "source_changed_at", "nullif(is_deleted, false) AS is_deleted"]
    )
    with loaded(case) as warehouse:
        rows = found(warehouse, f"SELECT {columns} FROM erp.{table} ORDER BY {', '.join(contract.key)}")
    assert without_empty_columns(rows) == expected(case, table)


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_used_is_quarantined_with_its_reason(
    case: str, loaded: Callable[[str], duckdb.DuckDBPyConnection]
) -> None:
    with loaded(case) as warehouse:
        rows = found(
            warehouse,
            "SELECT table_name, file, row_number, rule, column_name, raw_value FROM quarantine.reason ORDER BY ALL",
        )
    assert rows == expected(case, "quarantine")


@pytest.mark.parametrize("case", CASES)
def test_what_is_left_out_is_counted_under_its_name(
    case: str, loaded: Callable[[str], duckdb.DuckDBPyConnection]
) -> None:
    with loaded(case) as warehouse:
        rows = found(
            warehouse,
            "SELECT table_name, excluded_by FROM ops.batch_table WHERE excluded_by IS NOT NULL ORDER BY ALL",
        )
    assert rows == expected(case, "left_out")


@pytest.mark.parametrize("case", CASES)
def test_what_an_extract_says_is_gone_is_remembered_by_its_key(
    case: str, loaded: Callable[[str], duckdb.DuckDBPyConnection]
) -> None:
    with loaded(case) as warehouse:
        rows = found(warehouse, "SELECT table_name, key FROM ops.tombstone ORDER BY ALL")
    assert rows == expected(case, "gone")


@pytest.mark.parametrize("case", CASES)
def test_every_record_of_an_extract_is_accounted_for(
    case: str, loaded: Callable[[str], duckdb.DuckDBPyConnection]
) -> None:
    with loaded(case) as warehouse:
        rows = warehouse.sql(
            "SELECT table_name, rows_in, accepted + quarantined + waiting + excluded + refused FROM ops.batch_table"
        ).fetchall()
    assert rows
    assert [(name, rows_in) for name, rows_in, _ in rows] == [(name, total) for name, _, total in rows]


@pytest.mark.parametrize(
    ("case", "file", "column"),
    [
        ("kingdee", "应收单_2026-01.csv", "不含税金额"),
        ("kingdee", "收款单_2026-01.csv", "收款金额"),
        ("kingdee", "应收收款核销记录.csv", "本次核销金额"),
        ("yonyou_u8", "销售发票列表_202601.csv", "无税金额"),
    ],
)
def test_a_list_that_lost_a_row_on_its_way_is_refused_by_its_own_total(
    case: str, file: str, column: str, tmp_path: Path
) -> None:
    from expectations.gate import Gate

    header, first, *rest = (HERE / case / "extract" / file).read_bytes().splitlines(keepends=True)
    (tmp_path / file).write_bytes(b"".join([header, *rest]))
    settings = Settings(home=tmp_path / "home")
    landing.land(settings, [str(tmp_path / file)], source=case, company=COMPANY, extracted_at=EXTRACTED_AT)
    (outcome,) = load.load_inbox(settings, Gate(), recorded_at=EXTRACTED_AT.replace(tzinfo=None)).outcomes
    assert first.count(b",") > 2
    assert (outcome.status, {fault.rule for fault in outcome.faults}) == ("refused", {"totals_row_mismatch"})
    assert outcome.faults[0].column == column
    assert outcome.faults[0].message.startswith("the row 合计 states ")


def test_internal_amounts_without_the_decimals_of_currencies_are_refused(tmp_path: Path) -> None:
    from expectations.gate import Gate

    settings = Settings(home=tmp_path)
    extract = HERE / "sap_ecc" / "internal_amounts" / "extract"
    files = [str(path) for path in sorted(extract.iterdir()) if path.stem != "TCURX"]
    stated = {"amountBasis": "internal"}
    landing.land(settings, files, source="sap_ecc", company=COMPANY, extracted_at=EXTRACTED_AT, stated=stated)
    (outcome,) = load.load_inbox(settings, Gate(), recorded_at=EXTRACTED_AT.replace(tzinfo=None)).outcomes
    assert outcome.status == "refused"
    assert "amountBasis is internal, and the batch has no TCURX" in outcome.faults[0].message


@pytest.mark.parametrize("stated", [{"amountBasis": "Internal"}, {"amount_basis": "internal"}])
def test_a_setting_that_the_source_does_not_know_is_told_when_the_files_are_landed(
    tmp_path: Path, stated: dict[str, str]
) -> None:
    file = HERE / "sap_ecc" / "extract" / "T001.csv"
    with pytest.raises(landing.LandingError, match=r"it has amountBasis=display\|internal"):
        landing.land(
            Settings(home=tmp_path),
            [str(file)],
            source="sap_ecc",
            company=COMPANY,
            extracted_at=EXTRACTED_AT,
            stated=stated,
        )
