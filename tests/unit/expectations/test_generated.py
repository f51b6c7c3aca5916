"""What is made from the contracts says what they say: frame schemas, the data dictionary, the suites."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import duckdb
import polars as pl
import pytest

from expectations import rules
from expectations.codegen import dictionary, frame_schemas, generated
from expectations.contract import Contract, contracts, frame_columns
from expectations.gate import _import_quietly
from expectations.rules import Rule, rules_of
from transforms.frames import schemas

EXPECTATION_OF_KIND = {
    "missing": "expect_column_values_to_not_be_null",
    "not_allowed": "expect_column_values_to_be_in_set",
    "out_of_range": "expect_column_values_to_be_between",
    "row": "unexpected_rows_expectation",
}


@pytest.fixture(scope="module")
def suites() -> ModuleType:
    return _import_quietly("expectations.suites")


def test_the_committed_frame_schemas_are_those_of_the_contracts() -> None:
    assert frame_schemas.SCHEMAS_PATH.read_text(encoding="utf-8") == frame_schemas.schemas_source(), (
        "run `make docs`"
    )


def test_the_committed_data_dictionary_is_that_of_the_contracts() -> None:
    assert dictionary.DICTIONARY_PATH.read_text(encoding="utf-8") == dictionary.dictionary_text(), (
        "run `make docs`"
    )


TABLES = [*contracts("extract"), *contracts("rated")]


@pytest.mark.parametrize("contract", TABLES, ids=lambda contract: contract.name)
def test_a_frame_holds_what_duckdb_hands_over(contract: Contract) -> None:
    schema: pl.Schema = getattr(schemas, contract.name.upper())
    selection = ", ".join(f'NULL::{column.type} AS "{column.name}"' for column in frame_columns(contract))
    assert duckdb.connect().sql(f"SELECT {selection}").pl().schema == schema


def test_there_is_a_schema_a_table_that_transforms_may_read_or_give_and_no_other() -> None:
    named = {name for name, value in vars(schemas).items() if isinstance(value, pl.Schema)}
    assert named == {contract.name.upper() for contract in TABLES}


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.name)
def test_the_dictionary_has_every_table_with_every_column_and_rule(contract: Contract) -> None:
    _, _, section = dictionary.dictionary_text().partition(f"\n### {contract.name}\n")
    section = section.partition("\n### ")[0]
    for column in contract.columns:
        assert f"`{column.name}`" in section
        assert column.description in section
    if contract.area == "extract":
        assert [rule.name for rule in rules_of(contract) if f"- `{rule.name}`: " not in section] == []


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.name)
def test_a_suite_has_one_expectation_a_rule_of_the_contract(contract: Contract, suites: ModuleType) -> None:
    suite = suites.rule_suite(contract, rules_of(contract))
    found = [(expectation.meta["rule"], expectation.expectation_type) for expectation in suite.expectations]
    assert found == [(rule.name, EXPECTATION_OF_KIND[rule.kind]) for rule in rules_of(contract)]


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.name)
def test_a_suite_asks_for_what_the_columns_say(contract: Contract, suites: ModuleType) -> None:
    asked: dict[str, set[str]] = {}
    for expectation in suites.rule_suite(contract, rules_of(contract)).expectations:
        if (column := getattr(expectation, "column", None)) is not None:
            asked.setdefault(expectation.expectation_type, set()).add(column)
            if expectation.expectation_type == "expect_column_values_to_be_in_set":
                assert tuple(expectation.value_set) == contract.column(column).allowed
            if expectation.expectation_type == "expect_column_values_to_be_between":
                bounds = (expectation.min_value, expectation.max_value)
                wanted = (contract.column(column).minimum, contract.column(column).maximum)
                assert [b is None for b in bounds] == [w is None for w in wanted]
                for bound, text in zip(bounds, wanted, strict=True):
                    assert bound is None or str(bound) == text[:10] or float(bound) == float(text)
    assert asked.get("expect_column_values_to_not_be_null", set()) == {
        c.name for c in contract.columns if not c.nullable
    }
    assert asked.get("expect_column_values_to_be_in_set", set()) == {
        c.name for c in contract.columns if c.allowed
    }
    assert asked.get("expect_column_values_to_be_between", set()) == {
        c.name for c in contract.columns if c.minimum is not None or c.maximum is not None
    }


@pytest.mark.parametrize("contract", contracts("extract"), ids=lambda contract: contract.name)
def test_what_binds_a_tombstone_and_what_does_not_is_together_every_rule(
    contract: Contract, suites: ModuleType
) -> None:
    identity, content = rules.identity_rules(contract, "staging"), rules.content_rules(contract)
    of_contract = [
        rule for rule in (*identity, *content) if rule.kind not in {"unreadable", "duplicate", "rows"}
    ]
    assert sorted(of_contract, key=_name) == sorted(rules_of(contract), key=_name)
    assert {rule.column for rule in identity} - {None} <= set(contract.key)


def test_checking_finds_drift_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generated, "PROJECT", tmp_path)
    path = tmp_path / "docs" / "page.md"
    assert generated.write_or_check(path, "new", ["--check"]) == 1
    assert not path.exists()
    assert generated.write_or_check(path, "new", []) == 0
    assert generated.write_or_check(path, "new", ["--check"]) == 0
    assert generated.write_or_check(path, "newer", ["--check"]) == 1
    assert path.read_text(encoding="utf-8") == "new"
    assert "docs/page.md is not what the contracts say" in capsys.readouterr().err


def _name(rule: Rule) -> str:
    return rule.name
