"""Contracts are ODCS, complete, and at one with each other; a contract that is not one says what is wrong with it."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from importlib import resources
from pathlib import Path

import duckdb
import open_data_contract_standard
import pytest
import yaml
from jsonschema import Draft201909Validator

from expectations.contract import (
    API_VERSION,
    CONTRACTS_PATH,
    Column,
    Contract,
    ContractError,
    as_published,
    company_code,
    contract_names,
    contracts,
    frame_columns,
    load,
    provenance,
    read,
    stored_columns,
    stored_key,
)
from expectations.rules import rules_of

FILES = sorted(CONTRACTS_PATH.rglob("*.odcs.yaml"))

CANONICAL_KEYS = {
    "customers": ("customer_id",),
    "products": ("product_id",),
    "invoice_lines": ("document_id", "line_id"),
    "receivables": ("item_id",),
    "payments": ("payment_id",),
    "payment_allocations": ("payment_id", "item_id", "allocated_on"),
    "open_orders": ("order_id", "line_id"),
    "interactions": ("interaction_id",),
    "demand_estimates": ("customer_id", "product_group", "period_start", "estimate_version"),
    "actions": ("action_id",),
    "customer_successions": ("old_customer_id", "new_customer_id", "valid_from"),
    "plans": ("plan_id", "plan_version", "level", "member", "period_start"),
    "customer_assessments": ("customer_id", "assessed_on"),
    "territories": ("territory_id", "customer_id", "product_group", "valid_from"),
    "price_floors": ("product_id", "territory_id", "channel", "currency", "uom", "valid_from"),
    "market_observations": ("observation_id",),
    "tier_overrides": ("customer_id", "valid_from"),
    "fx_rates": ("from_currency", "to_currency", "rate_date"),
    "uom_conversions": ("product_id", "from_uom", "to_uom"),
}
# One name means one quantity in one unit everywhere, but for these.
NAMES_OF_SEVERAL_UNITS = {
    "amount": "open orders and estimates are in company currency, payments in the document's",
    "quantity": "billed in the line's unit, estimated in the row's, summed in the base unit",
    "credit_limit": "set in the customer's currency, watched in the company's",
    "group_limit": "set in the customer's currency, watched in the company's",
    "secured_amount": "set in the customer's currency, watched in the company's",
}
NAMES_OF_SEVERAL_TYPES = {
    "amount": "delivered for one document, and a sum where a reason is about one",
    "value": "a share or a count where conduct is judged, and whatever a reason speaks of, sums among it",
    "credit_limit": "watched beside sums",
    "group_limit": "watched beside sums",
    "secured_amount": "watched beside sums",
    "influence": "a score where it is judged, a ratio among the measures",
    "quantity": "sums are wider than what they sum",
    "share": "delivered exactly, and a ratio in the mart",
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_contract_is_valid_odcs_of_the_pinned_version(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    schema = json.loads(
        resources.files(open_data_contract_standard).joinpath("schema.json").read_text("utf-8")
    )
    problems = [error.message for error in Draft201909Validator(schema).iter_errors(document)]
    assert problems == []
    assert document["apiVersion"] == API_VERSION


def test_the_canonical_extracts_are_those_of_the_design_with_their_keys() -> None:
    assert {contract.name: contract.key for contract in contracts("extract")} == CANONICAL_KEYS


def test_company_code_leads_the_stored_key_and_provenance_closes_the_stored_row() -> None:
    lines = load("invoice_lines")
    assert stored_key(lines) == ("company_code", "document_id", "line_id")
    stored = [column.name for column in stored_columns(lines)]
    assert stored[0] == company_code().name
    assert stored[-12:] == [column.name for column in provenance()]
    assert [column.name for column in frame_columns(lines)] == [
        "company_code",
        *lines.column_names,
        "available_on",
    ]


def test_a_rated_table_is_stored_and_framed_as_its_contract_lists_it() -> None:
    months = load("customer_month")
    assert stored_columns(months) == frame_columns(months) == months.columns
    assert stored_key(months) == months.key == ("company_code", "customer_id", "month")


def test_what_a_result_cannot_do_without_is_said_where_it_is_described() -> None:
    required = {contract.name: contract.required_for for contract in contracts() if contract.required_for}
    assert required == {
        "customers": ("value_rating", "credit_watch"),
        "invoice_lines": ("value_rating",),
        "receivables": ("credit_watch",),
    }


def test_a_fact_is_dated_by_the_day_it_happened() -> None:
    own = {contract.name: contract.own_date for contract in contracts("extract")}
    assert own["invoice_lines"] == "invoice_date"
    assert own["receivables"] == "posting_date"
    assert own["payment_allocations"] == "allocated_on"
    assert own["market_observations"] == "observed_on"
    assert own["demand_estimates"] == "estimated_on"
    assert own["open_orders"] is None


def test_one_name_means_one_type_and_one_unit_everywhere() -> None:
    types, units = defaultdict(set), defaultdict(set)
    # What is rated is compared as the mart has it; an extract as the warehouse has it.
    for contract in contracts():
        shown = contract if contract.area == "extract" else as_published(contract)
        for column in stored_columns(shown):
            types[column.name].add(column.type)
            units[column.name].add(column.unit)
    assert {name for name, each in types.items() if len(each) > 1} == set(NAMES_OF_SEVERAL_TYPES)
    assert {name for name, each in units.items() if len(each) > 1} == set(NAMES_OF_SEVERAL_UNITS)


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.name)
def test_every_number_says_its_unit(contract: Contract) -> None:
    counted = {"position", "batch_sequence", "sequence", "key_position"}
    numbers = [c for c in contract.columns if c.type.startswith(("DECIMAL", "DOUBLE", "INTEGER", "BIGINT"))]
    assert [c.name for c in numbers if c.unit is None and c.name not in counted] == []


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.name)
def test_every_example_is_a_value_its_column_may_hold(contract: Contract) -> None:
    connection = duckdb.connect()
    for column in contract.columns:
        assert column.example is not None, column.name
        [(value,)] = connection.execute(
            f"SELECT TRY_CAST(? AS {column.type})::VARCHAR", [column.example]
        ).fetchall()
        assert value == column.example, column.name
        assert not column.allowed or column.example in column.allowed


@pytest.mark.parametrize("area", ["rated", "mart"])
def test_every_published_column_says_where_its_value_comes_from(area: str) -> None:
    unsourced = [
        (c.name, column.name) for c in contracts(area) for column in c.columns if column.source is None
    ]
    assert unsourced == []


def test_the_current_value_of_a_customer_reads_like_its_history() -> None:
    history, current = as_published(load("customer_value_history")), load("customer_value")
    for column in history.columns:
        if column.name in {"period", "revision"}:
            continue  # part of the history's key only
        assert current.column(column.name) == column
    assert [current.column(name).type for name in ("period", "revision")] == ["DATE", "INTEGER"]


@pytest.mark.parametrize("contract", contracts(), ids=lambda contract: contract.name)
def test_no_two_rules_of_a_table_share_a_name(contract: Contract) -> None:
    names = [rule.name for rule in rules_of(contract)]
    assert len(set(names)) == len(names)


def test_the_mart_holds_ratios_and_shares_as_double_and_amounts_scores_and_points_as_decimal() -> None:
    for contract in (*contracts("rated"), *contracts("mart")):
        for column in as_published(contract).columns:
            if column.unit and column.unit.startswith(("ratio", "share")):
                assert column.type == "DOUBLE", (contract.name, column.name)
            else:
                assert column.type != "DOUBLE", (contract.name, column.name)
    assert load("customer_value_history").column("loyalty").type == "DECIMAL(9,6)", "of the warehouse"


def test_what_was_renamed_stands_in_the_mart_under_its_old_name_too() -> None:
    explanation = as_published(load("explanation"))
    assert explanation.column("held_by").type == explanation.column("tier_basis").type
    assert "old name of tier_basis" in explanation.column("held_by").description
    assert "held_by" not in load("explanation").column_names


def test_contribution_before_service_and_carrying_has_a_name_of_its_own_beside_the_old_one() -> None:
    for table in ("customer_structure", "concentration", "margin_by_channel_and_stage"):
        contract = as_published(load(table))
        assert contract.column("contribution_12m").formerly == "gross_contribution_12m", table
        assert "contribution_12m" not in load(table).column_names, table


def test_asking_for_a_table_or_column_nobody_described_fails() -> None:
    with pytest.raises(KeyError, match="no contract named nonsense"):
        load("nonsense")
    with pytest.raises(KeyError, match="invoice_lines has no column nonsense"):
        load("invoice_lines").column("nonsense")


def test_contracts_are_read_once_a_process() -> None:
    assert load("customers") is load("customers")
    assert len(contract_names()) == len(set(contract_names())) == len(contracts())


MINIMAL = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "valuemart.extract.things",
    "version": "1.0.0",
    "status": "active",
    "schema": [
        {
            "name": "things",
            "businessName": "Things",
            "physicalType": "table",
            "description": "Things.",
            "dataGranularityDescription": "One row a thing.",
            "properties": [
                {
                    "name": "thing_id",
                    "description": "Its number.",
                    "logicalType": "string",
                    "physicalType": "VARCHAR",
                    "required": True,
                    "primaryKey": True,
                    "primaryKeyPosition": 1,
                }
            ],
            "quality": [],
        }
    ],
    "customProperties": [{"property": "area", "value": "extract"}],
}
RULE = {
    "name": "odd",
    "type": "sql",
    "description": "Odd.",
    "query": "SELECT count(*) FROM ${object} WHERE thing_id = 'odd'",
    "mustBe": 0,
}


def _written(tmp_path: Path, document: object) -> Path:
    path = tmp_path / "things.odcs.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def _with(**changes: object) -> dict[str, object]:
    return {**json.loads(json.dumps(MINIMAL)), **changes}


def _table_with(**changes: object) -> dict[str, object]:
    document = _with()
    document["schema"][0].update(changes)
    return document


def _column_with(**changes: object) -> dict[str, object]:
    document = _with()
    document["schema"][0]["properties"][0].update(changes)
    return document


def _made_of(table: str, behind: str) -> dict[str, object]:
    named = [{"property": "columnsOf", "value": table}, {"property": "columnsBehind", "value": behind}]
    return _with(customProperties=[*MINIMAL["customProperties"], *named])


def test_a_table_made_of_another_has_its_columns_and_not_its_key() -> None:
    history, value = as_published(load("customer_value_history")), load("customer_value")
    assert value.key == ("company_code", "customer_id")
    assert {replace(column, key_position=None) for column in history.columns} <= {
        replace(column, key_position=None) for column in value.columns
    }
    names = value.column_names
    behind = names.index("channel") + 1
    taken = [name for name in history.column_names if name not in value.key]
    assert list(names[behind : behind + len(taken)]) == taken
    assert names[behind + len(taken)] == "is_value_customer"


def test_a_minimal_contract_is_one(tmp_path: Path) -> None:
    contract = read(_written(tmp_path, _table_with(quality=[RULE])), "extract")
    assert contract.columns == (
        Column("thing_id", "VARCHAR", False, 1, None, (), None, None, "Its number.", None, None),
    )
    assert contract.rules[0].violated_where == "thing_id = 'odd'"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("just text", "is not a data contract"),
        ({**MINIMAL, "surplus": 1}, "is not a data contract"),
        (_with(apiVersion="v3.0.2"), "apiVersion is v3.0.2, not v3.1.0"),
        (_with(schema=[]), "exactly one table"),
        (_with(customProperties=[{"property": "area", "value": "mart"}]), "the area is mart"),
        (_table_with(name="others"), "describes the table others"),
        (_table_with(description=" "), "description is missing"),
        (_table_with(physicalType="topic"), "neither table nor view"),
        (_column_with(physicalType="FLOAT"), "'FLOAT' is not a type of this warehouse"),
        (_column_with(logicalType="integer"), "logicalType integer does not go with VARCHAR"),
        (_column_with(description=None), "thing_id: description is missing"),
        (_column_with(primaryKeyPosition=2), "the key's positions are [2]"),
        (
            _column_with(quality=[{"type": "library", "metric": "nullValues", "mustBe": 0}]),
            "the only library check",
        ),
        (_table_with(quality=[{**RULE, "query": "SELECT 1"}]), "odd: a rule is"),
        (_table_with(quality=[{**RULE, "mustBe": 1}]), "odd: a rule is"),
        (_table_with(quality=[{**RULE, "description": ""}]), "odd: description is missing"),
        (_table_with(quality=[RULE, RULE]), "two rules share a name"),
        (
            _table_with(quality=[{**RULE, "query": "SELECT count(*) FROM ${object} WHERE ${property} = ''"}]),
            "holds a variable that means nothing here",
        ),
        (
            _with(
                customProperties=[*MINIMAL["customProperties"], {"property": "ownDate", "value": "born_on"}]
            ),
            "the own date born_on is not one of its columns",
        ),
        (
            _column_with(customProperties=[{"property": "asOf", "value": "thing_id"}]),
            "thing_id holds as of thing_id, which is no date of the table",
        ),
        (_made_of("customer_value_history", "thing"), "columnsBehind names thing, which is not one"),
        (_made_of("nothing", "thing_id"), "columnsOf names nothing, which is no contract"),
    ],
)
def test_a_contract_that_is_none_says_in_which_file_and_why(
    tmp_path: Path, document: object, said: str
) -> None:
    with pytest.raises(ContractError) as caught:
        read(_written(tmp_path, document), "extract")
    assert str(caught.value).startswith("things.odcs.yaml: ")
    assert said in str(caught.value)
