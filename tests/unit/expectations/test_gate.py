"""The gate names every broken rule with exactly the rows that break it, and never calls passed what it could not judge.

Staged tables here are made of the contracts' own examples, one row different from the next only in its key.
"""

from __future__ import annotations

import dataclasses
import gc
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from expectations import gate as gate_module
from expectations.contract import Column, Contract, RowRule, contracts, load
from expectations.gate import Gate, GateError, Judgement, PredicateGate
from expectations.rules import Rule, rules_of, staging_rules

EXTRACTS = contracts("extract")
LINES = load("invoice_lines")

# What to write into an example row so that it breaks that row rule, and no other one.
BREAKING: Mapping[str, str] = {
    "company_amount_sign_differs": "currency = 'USD', {amount} = 5, {amount_company} = -5",
    "company_amount_differs_in_same_currency": "{amount} = 5, {amount_company} = 5.0001",
    "base_quantity_sign_differs": "quantity = -1, base_quantity = 1",
    "amount_negative": "amount = -0.0001",
    "estimate_without_figure": "amount = NULL, quantity = NULL",
    "quantity_without_unit": "unit = NULL",
    "plan_not_of_whole_months": "period_end = period_end - 1",
    "plan_without_member": "member = NULL",
    "share_not_a_part": "share = 0",
    "succeeds_itself": "new_customer_id = old_customer_id",
    "dispute_ends_before_it_begins": "disputed_to = disputed_from - 1",
    "expires_before_assessed": "expires_on = assessed_on - 1",
    "valid_to_before_valid_from": "valid_to = valid_from - 1",
    "owner_blank": "owner = '  '",
    "reason_blank": "reason = ''",
    "rate_not_positive": "rate = 0",
    "same_currency_rate_not_one": "from_currency = to_currency, rate = 1.000000001",
    "factor_not_positive": "factor = 0",
    "same_unit_factor_not_one": "from_uom = to_uom, factor = 2",
}

Broken = dict[str, set[tuple[str, int]]]


@pytest.fixture(scope="module")
def gate() -> Gate:
    """One gate for the module, as one serves a whole run."""
    return Gate()


@pytest.fixture(params=["rules together first", "rules one by one", "predicates alone"])
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All ways to a judgement: that of small tables, that of large ones, and that of a try."""
    if request.param == "rules one by one":
        monkeypatch.setattr(gate_module, "_SMALL", -1)
    if request.param == "predicates alone":
        monkeypatch.setattr(Gate, "judge_all", PredicateGate.judge_all)
    return request.param


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        yield opened


def _stage(
    connection: duckdb.DuckDBPyConnection, contract: Contract, rows: int, schema: str = "staging"
) -> None:
    """That many clean rows, numbered from 2 as in a file under its header, and no duplicates."""
    values = ", ".join(
        f"'{column.example}'::{column.type} AS \"{column.name}\"" for column in contract.columns
    )
    connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    connection.execute(
        f'CREATE TABLE "{schema}"."{contract.name}" AS SELECT {values}, NULL::TIMESTAMP AS source_changed_at, '
        "false AS is_deleted, 'a.csv' AS _file, number + 2 AS _row, NULL::VARCHAR[] AS _problems "
        f"FROM range({rows}) AS numbers(number)"
    )
    connection.execute(f'CREATE TABLE "{schema}"."{contract.name}__duplicates" (_file VARCHAR, _row BIGINT)')


def _change(connection: duckdb.DuckDBPyConnection, contract: Contract, row: int, assignments: str) -> None:
    connection.execute(f"UPDATE staging.{contract.name} SET {assignments} WHERE _row = {row}")


def _broken(connection: duckdb.DuckDBPyConnection, judgement: Judgement) -> Broken:
    """The offending rows by rule, from the violations' own queries; their counts must agree."""
    found: Broken = {}
    for violation in judgement.violations:
        rows = connection.execute(violation.query).fetchall()
        assert len(rows) == violation.rows
        found[violation.rule] = set(rows)
        assert len(found[violation.rule]) == len(rows)
    return found


def _breaking(rule: Rule, contract: Contract) -> str:
    """The assignments with which a clean row breaks that rule and no other."""
    if rule.kind == "missing":
        return f"{rule.column} = NULL"
    if rule.kind == "not_allowed":
        return f"{rule.column} = 'something else'"
    if rule.kind == "out_of_range":
        return f"{rule.column} = {_outside(contract.column(str(rule.column)))}"
    if rule.name.endswith("_blank_or_padded"):
        return f"{rule.column} = {rule.column} || ' '"
    if rule.name.endswith("_not_iso"):
        return f"{rule.column} = 'Eur'"
    amount = "original_amount" if contract.name == "receivables" else "net_amount"
    return BREAKING[rule.name].format(amount=amount, amount_company=f"{amount}_company")


def _outside(column: Column) -> str:
    if column.type not in {"DATE", "TIMESTAMP"}:
        return f"{column.minimum} - 1"
    if column.name == "period_start":  # of a whole month
        return f"DATE '{column.minimum}' - INTERVAL 1 MONTH"
    if column.name == "period_end":
        return f"last_day(DATE '{column.maximum}')"
    if column.name in {
        "valid_to",
        "expires_on",
        "disputed_to",
    }:  # before its range it would lie before its beginning as well
        return f"{column.type} '{column.maximum}' + INTERVAL 1 DAY"
    return f"{column.type} '{column.minimum}' - INTERVAL 1 DAY"


@pytest.mark.parametrize("contract", EXTRACTS, ids=lambda contract: contract.name)
def test_the_rows_a_contract_gives_as_examples_pass(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection, contract: Contract
) -> None:
    _stage(connection, contract, rows=3)
    assert gate.judge(connection, contract) == Judgement(contract.name, True, 3, ())


@pytest.mark.parametrize("contract", EXTRACTS, ids=lambda contract: contract.name)
def test_every_rule_names_exactly_the_row_that_breaks_it(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection, contract: Contract
) -> None:
    rules = rules_of(contract)
    _stage(connection, contract, rows=len(rules) + 2)
    for row, rule in enumerate(rules, start=3):
        _change(connection, contract, row, _breaking(rule, contract))
    judgement = gate.judge(connection, contract)
    expected: Broken = {rule.name: {("a.csv", row)} for row, rule in enumerate(rules, start=3)}
    assert _broken(connection, judgement) == expected
    assert judgement.rows == len(rules) + 2
    assert not judgement.passed
    named = {rule.name: (rule.column, rule.message) for rule in rules}
    assert {v.rule: (v.column, v.message) for v in judgement.violations} == named


@pytest.mark.parametrize("contract", EXTRACTS, ids=lambda contract: contract.name)
def test_a_table_without_rows_breaks_no_rule(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection, contract: Contract
) -> None:
    _stage(connection, contract, rows=0)
    assert gate.judge(connection, contract) == Judgement(contract.name, True, 0, ())


@pytest.mark.parametrize(
    ("assignments", "why"),
    [
        (
            "document_type = 'credit_note', net_amount = 12.5, net_amount_company = 12.5",
            "price correction upwards",
        ),
        (
            "document_type = 'invoice', net_amount = -3, net_amount_company = -3",
            "a discount line of an invoice",
        ),
        ("quantity = 0, base_quantity = 0, product_id = NULL", "a freight line has no goods"),
        ("quantity = -4, base_quantity = -4, net_amount = 0, net_amount_company = 0", "a stock write-off"),
        ("net_amount = 0.0001, net_amount_company = 0, currency = 'USD'", "an amount that rounds to nothing"),
        ("cost_amount_company = NULL, cost_basis = NULL", "cost is not known, which is not 0"),
        ("quantity = 5, net_amount = -2, net_amount_company = -2", "a deposit given back"),
    ],
)
def test_legitimate_business_is_not_quarantined(
    gate: Gate, connection: duckdb.DuckDBPyConnection, assignments: str, why: str
) -> None:
    _stage(connection, LINES, rows=2)
    _change(connection, LINES, 2, assignments)
    assert gate.judge(connection, LINES).passed, why


@pytest.mark.parametrize(
    ("date", "passes"),
    [
        ("1969-12-31", False),
        ("1970-01-01", True),
        ("2200-01-01", True),
        ("2200-01-02", False),
        ("9999-12-31", False),
    ],
)
def test_the_range_of_sane_dates_is_inclusive(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection, date: str, *, passes: bool
) -> None:
    _stage(connection, LINES, rows=1)
    _change(connection, LINES, 2, f"invoice_date = '{date}'")
    assert gate.judge(connection, LINES).passed is passes


@pytest.mark.parametrize("number", ["", " C1", "C1 ", "\tC1", " "])
def test_a_customer_number_that_is_blank_or_padded_is_found(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection, number: str
) -> None:
    _stage(connection, LINES, rows=3)
    _change(connection, LINES, 3, f"customer_id = '{number}'")
    found = _broken(connection, gate.judge(connection, LINES))
    assert found == {"customer_id_blank_or_padded": {("a.csv", 3)}}


def test_all_copies_of_a_duplicated_key_break_the_rule(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection
) -> None:
    _stage(connection, LINES, rows=6)
    connection.execute("INSERT INTO staging.invoice_lines__duplicates VALUES ('a.csv', 3), ('a.csv', 5)")
    found = _broken(connection, gate.judge(connection, LINES))
    assert found == {"duplicate_key": {("a.csv", 3), ("a.csv", 5)}}


def test_rows_of_the_same_number_in_two_files_are_told_apart(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection
) -> None:
    _stage(connection, LINES, rows=2)
    connection.execute(
        "INSERT INTO staging.invoice_lines SELECT * REPLACE ('b.csv' AS _file) FROM staging.invoice_lines"
    )
    connection.execute("INSERT INTO staging.invoice_lines__duplicates VALUES ('b.csv', 3)")
    connection.execute("UPDATE staging.invoice_lines SET uom = NULL WHERE _file = 'a.csv' AND _row = 3")
    found = _broken(connection, gate.judge(connection, LINES))
    assert found == {"duplicate_key": {("b.csv", 3)}, "uom_missing": {("a.csv", 3)}}


def test_a_value_that_could_not_be_read_is_not_a_missing_one(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection
) -> None:
    _stage(connection, LINES, rows=5)
    unreadable = "invoice_date = NULL, _problems = ['invoice_date:not_a_date:31.02.2024', 'freight_amount:not_a_number:x']"
    _change(connection, LINES, 3, unreadable)
    _change(connection, LINES, 4, "invoice_date = NULL")
    _change(connection, LINES, 5, "uom = NULL, _problems = ['freight_amount:not_a_number:uom:x']")
    found = _broken(connection, gate.judge(connection, LINES))
    assert found == {
        "unreadable_value": {("a.csv", 3), ("a.csv", 5)},
        "invoice_date_missing": {("a.csv", 4)},
        "uom_missing": {("a.csv", 5)},
    }


def test_a_missing_value_beside_a_broken_rule_hides_neither(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection
) -> None:
    """`currency = company_currency AND …` is null without a currency; the sign is still wrong, and the currency missing."""
    _stage(connection, LINES, rows=3)
    _change(
        connection, LINES, 3, "currency = NULL, net_amount = 5, net_amount_company = -5, base_quantity = NULL"
    )
    found = _broken(connection, gate.judge(connection, LINES))
    assert found == {"currency_missing": {("a.csv", 3)}, "company_amount_sign_differs": {("a.csv", 3)}}


def test_a_rule_over_an_empty_nullable_column_is_not_broken(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection
) -> None:
    _stage(connection, LINES, rows=1)
    nullable = ", ".join(f"{column.name} = NULL" for column in LINES.columns if column.nullable)
    _change(connection, LINES, 2, nullable)
    assert gate.judge(connection, LINES).passed


def test_a_tombstone_needs_its_key_and_nothing_else(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection
) -> None:
    _stage(connection, LINES, rows=5)
    content = ", ".join(f"{c.name} = NULL" for c in LINES.columns if c.key_position is None)
    _change(connection, LINES, 3, f"is_deleted = true, {content}")
    assert gate.judge(connection, LINES).passed
    _change(connection, LINES, 4, "is_deleted = true, line_id = NULL, document_type = 'nonsense'")
    _change(connection, LINES, 5, "document_type = 'nonsense'")
    _change(connection, LINES, 6, "is_deleted = NULL, customer_id = NULL")
    judgement = gate.judge(connection, LINES)
    assert judgement.rows == 5
    assert _broken(connection, judgement) == {
        "line_id_missing": {("a.csv", 4)},
        "document_type_not_allowed": {("a.csv", 5)},
        "customer_id_missing": {("a.csv", 6)},
    }


def test_thousands_of_offending_rows_are_all_named(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection
) -> None:
    _stage(connection, LINES, rows=5000)
    connection.execute(
        "UPDATE staging.invoice_lines SET customer_id = NULL, currency = '???' WHERE _row % 2 = 0"
    )
    found = _broken(connection, gate.judge(connection, LINES))
    assert {rule: len(rows) for rule, rows in found.items()} == {
        "customer_id_missing": 2500,
        "currency_not_iso": 2500,
    }


LINE_VALUES = {
    "document_type": ["'invoice'", "'x'", "NULL"],
    "invoice_date": ["DATE '2024-01-01'", "DATE '1900-01-01'", "NULL"],
    "customer_id": ["'C1'", "' C1'", "''", "NULL"],
    "product_id": ["'P1'", "'P1 '", "NULL"],
    "currency": ["'EUR'", "'eur'", "NULL"],
    "net_amount": ["5", "-5", "0", "NULL"],
    "net_amount_company": ["5", "6", "-5", "NULL"],
    "base_quantity": ["12", "-12", "NULL"],
    "channel": ["'direct'", "'shop'", "NULL"],
    "is_deleted": ["false", "true", "NULL"],
    "_problems": ["NULL", "['net_amount:not_a_number:x']"],
}


@settings(max_examples=20)
@given(
    rows=st.lists(st.fixed_dictionaries({k: st.sampled_from(v) for k, v in LINE_VALUES.items()}), max_size=6)
)
def test_expectations_and_predicates_find_the_same_rows(rows: list[dict[str, str]]) -> None:
    """A small table is first judged by the rules' predicates, a large one by the expectations alone."""
    with duckdb.connect() as connection, pytest.MonkeyPatch.context() as monkeypatch:
        _stage(connection, LINES, rows=len(rows))
        for number, values in enumerate(rows, start=2):
            _change(
                connection, LINES, number, ", ".join(f"{name} = {value}" for name, value in values.items())
            )
        small = _broken(connection, SHARED.judge(connection, LINES))
        monkeypatch.setattr(gate_module, "_SMALL", -1)
        large = _broken(connection, SHARED.judge(connection, LINES))
    assert small == large


SHARED = Gate()


def _with_rule(predicate: str) -> Contract:
    return dataclasses.replace(LINES, rules=(RowRule("own_rule", predicate, "Because.", None),))


@pytest.mark.parametrize(
    "predicate",
    [
        "regexp_full_match(document_id, '[0-9]{10}') AND _row = 3",
        "document_id LIKE '%90%' AND _row = 3",
        "uom || ':pce' = 'PCE:pce' AND _row::VARCHAR = '3'",
        "salesperson_id LIKE 'S-___' AND line_id = '000010' AND _row = 3",
        "regexp_matches(uom, '\\w{3}') AND _row = 3",
    ],
)
def test_a_predicate_may_hold_braces_colons_and_percent_signs(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection, predicate: str
) -> None:
    _stage(connection, LINES, rows=3)
    judgement = gate.judge(connection, _with_rule(predicate))
    assert _broken(connection, judgement) == {"own_rule": {("a.csv", 3)}}


@pytest.mark.parametrize("predicate", ["no_such_column = 1", "CAST(uom AS DATE) > DATE '2024-01-01'"])
def test_a_rule_that_cannot_be_evaluated_stops_the_judge(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection, predicate: str
) -> None:
    _stage(connection, LINES, rows=3)
    with pytest.raises(GateError, match=r"invoice_lines: the rule \w+ could not be evaluated: .*Error"):
        gate.judge(connection, _with_rule(predicate))
    assert gate.judge(connection, LINES).passed


def test_a_column_that_staging_forgot_stops_the_judge(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection
) -> None:
    _stage(connection, LINES, rows=3)
    connection.execute("ALTER TABLE staging.invoice_lines DROP COLUMN uom")
    with pytest.raises(GateError, match="could not be evaluated"):
        gate.judge(connection, LINES)


def test_a_list_of_duplicates_that_staging_forgot_stops_the_judge(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection
) -> None:
    _stage(connection, LINES, rows=3)
    connection.execute("DROP TABLE staging.invoice_lines__duplicates")
    with pytest.raises(GateError, match="could not be evaluated"):
        gate.judge(connection, LINES)


def test_rules_that_disagree_with_their_expectations_stop_the_judge(
    gate: Gate, connection: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stage(connection, LINES, rows=2)
    _change(connection, LINES, 2, "uom = NULL")
    original = Gate._broken

    def blind_to_single_rules(self: Gate, *arguments: object) -> dict[str, str | None]:
        found = original(self, *arguments)
        return {rule: query for rule, query in found.items() if rule == LINES.name}

    monkeypatch.setattr(Gate, "_broken", blind_to_single_rules)
    with pytest.raises(
        GateError, match=r"rows break \['uom_missing'\] by predicate, and none does by expectation"
    ):
        gate.judge(connection, LINES)


def test_a_locked_instance_on_a_file_is_judged(gate: Gate, path: str, tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "scratch.duckdb")) as connection:
        _stage(connection, LINES, rows=4)
        _change(connection, LINES, 4, "customer_id = NULL, is_deleted = false")
        _change(connection, LINES, 5, "is_deleted = true, uom = NULL")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        judgement = gate.judge(connection, LINES)
        assert _broken(connection, judgement) == {"customer_id_missing": {("a.csv", 4)}}


def test_a_table_may_be_staged_in_another_schema(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection
) -> None:
    _stage(connection, LINES, rows=2, schema="second try")
    connection.execute('UPDATE "second try".invoice_lines SET uom = NULL WHERE _row = 3')
    judgement = gate.judge(connection, LINES, schema="second try")
    assert _broken(connection, judgement) == {"uom_missing": {("a.csv", 3)}}


def test_a_batch_of_tables_is_judged_table_by_table(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection
) -> None:
    payments, customers = load("payments"), load("customers")
    for contract in (payments, LINES, customers):
        _stage(connection, contract, rows=3)
    _change(connection, LINES, 3, "uom = NULL")
    judged = gate.judge_all(connection, [payments, LINES, customers])
    assert [(each.table, each.passed, each.rows) for each in judged] == [
        ("payments", True, 3),
        ("invoice_lines", False, 3),
        ("customers", True, 3),
    ]
    assert _broken(connection, judged[1]) == {"uom_missing": {("a.csv", 3)}}


def test_the_judge_says_nothing(
    gate: Gate, path: str, connection: duckdb.DuckDBPyConnection, capfd: pytest.CaptureFixture[str]
) -> None:
    _stage(connection, LINES, rows=3)
    _change(connection, LINES, 3, "uom = NULL")
    gate.judge(connection, LINES)
    assert capfd.readouterr() == ("", "")


def test_fifty_judgements_leave_nothing_behind(gate: Gate) -> None:
    """One process judges a whole backfill: a data source that stays behind would make each judgement dearer."""
    payments, engines = load("payments"), []
    for number in range(50):
        with duckdb.connect() as connection:
            _stage(connection, payments, rows=20)
            if number % 5 == 0:
                _change(connection, payments, 3, "customer_id = NULL")
            assert gate.judge(connection, payments).passed is (number % 5 != 0)
        if number % 10 == 9:
            gc.collect()
            engines.append(sum(_is_of_duckdb(each) for each in gc.get_objects()))
    assert gate._context is not None
    assert len(gate._context.data_sources.all()) == 0
    # Caches of the libraries hold a few of the first ones; a leak would go on, by ten a look.
    assert engines[-1] <= max(engines[:2])


def _is_of_duckdb(each: object) -> bool:
    """An engine of the gate's; a Prefect server of another test in this process has engines of its own."""
    return isinstance(each, Engine) and each.dialect.name == "duckdb"


def test_the_loader_and_the_judge_mean_the_same_by_unreadable() -> None:
    from warehouse.staging.quarantine import UNREADABLE

    assert UNREADABLE in {rule.name for rule in staging_rules(LINES, "staging")}


def test_the_judge_is_imported_without_what_no_rule_asks_for() -> None:
    script = """
import sys
from expectations.gate import _quiet_context
_quiet_context()
print([name for name in ("scipy.stats._stats_py", "altair.vegalite") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, check=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
