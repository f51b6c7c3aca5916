"""The rules of batches and rows are said in both languages: none is left without words, and none is said of nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from expectations.contract import contracts
from expectations.rules import rules_of, staging_rules
from flows.wording.rules import (
    FILE,
    all_rules,
    broken_rules,
    finding_said,
    refusal_said,
    said,
    table_name,
)
from flows.wording.words import read
from warehouse.merge.actions import CAUSES
from warehouse.staging import derived, records, values
from warehouse.staging.casts import TOO_FAR_AHEAD

ROOT = Path(__file__).parents[3]
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# Why a row is set aside beside what contracts ask; some stand within SQL, so that no scan of the code finds them.
OF_ROWS = {
    *values._RULES.values(),
    *values.LOST_CODE,
    *records._REJECTS.values(),
    TOO_FAR_AHEAD,
    derived.WAITS,
    "too_many_digits",
    "out_of_range",
    "fx_rate_missing",
    "instant_without_zone",
    "invisible_character",
    "unreadable_record",
    "outside_window",
    "unmatched_by_source_sql",
    "owned_by_other_source",
}


def refusals() -> set[str]:
    """The rules by which the code refuses a batch: the first argument of every fault."""
    return {"window_shrunk", "snapshot_shrunk", *_named_in_faults()}


def _named_in_faults() -> Iterator[str]:
    for room in ("warehouse", "flows", "expectations"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and _called(node) in {"Fault", "refused", "_refuse"}:
                    for rule in node.args[:1]:
                        if isinstance(rule, ast.Constant):
                            yield str(rule.value)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def test_every_rule_of_every_table_is_said_in_both_languages() -> None:
    for contract in contracts("extract"):
        assert CHINESE.search(table_name(contract.name).zh), contract.name
        for rule in (*staging_rules(contract, "staging"), *rules_of(contract)):
            found = said(contract.name, rule.name)
            assert CHINESE.search(found.zh), rule.name
            assert not CHINESE.search(found.en), rule.name
            assert rule.name not in {found.en, found.zh}
            if rule.column:
                assert rule.column not in found.zh, (contract.name, rule.name)


def test_every_other_rule_that_sets_a_row_aside_or_refuses_a_batch_is_said_in_both_languages() -> None:
    found = refusals()
    assert len(found) > 40
    for rule in OF_ROWS | found:
        assert CHINESE.search(said("invoice_lines", rule).zh), rule


def test_what_to_do_about_a_refused_batch_is_said_in_chinese_whatever_refused_it() -> None:
    assert set(read(FILE)["remedies"]) == {*refusals(), "source_mapping"}
    told = refusal_said("empty_file", "has no content", "Export the file again.")
    assert told.en == "has no content. Export the file again."
    assert told.zh == "重新导出该文件。原文：has no content"
    other = refusal_said("of_another_version", "is odd", "Mend it.")
    assert (other.en, other.zh) == ("is odd. Mend it.", "原文：is odd. Mend it.")


def test_no_word_is_there_for_a_rule_a_table_or_a_column_that_is_none() -> None:
    extracts = contracts("extract")
    asked = {rule.name: rule for each in extracts for rule in (*staging_rules(each, "s"), *rules_of(each))}
    assert set(read(FILE)["rules"]) <= set(asked) | OF_ROWS | refusals()
    assert set(read(FILE)["tables"]) == {each.name for each in extracts}
    assert set(read(FILE)["names"]) == {rule.column for rule in asked.values() if rule.column}


@pytest.mark.parametrize(
    ("table", "rule", "english", "chinese"),
    [
        ("invoice_lines", "invoice_date_missing", "Must be given: invoice date", "必填：发票日期"),
        (
            "customers",
            "channel_not_allowed",
            "Channel must be one of: distribution, direct, export",
            "渠道只能取以下值之一：distribution, direct, export",
        ),
        (
            "customer_assessments",
            "influence_out_of_range",
            "Must lie between 0 and 100: influence",
            "须在 0 至 100 之间：影响力",
        ),
        ("fx_rates", "rate_not_positive", "An exchange rate must be above 0", "汇率须大于 0"),
        ("invoice_lines", "not_a_date", "A date must be readable as one", "日期须能识别"),
    ],
)
def test_a_rule_is_said_with_its_column_and_its_bounds(
    table: str, rule: str, english: str, chinese: str
) -> None:
    found = said(table, rule)
    assert (found.en, found.zh) == (english, chinese)


def test_what_rows_broke_is_said_with_how_many_and_a_refusal_by_its_rule() -> None:
    rows = broken_rules("invoice_lines", "invoice_date_missing: 5, not_a_date: 1")
    assert [(each.rule.zh, each.rows) for each in rows] == [("必填：发票日期", 5), ("日期须能识别", 1)]
    told = "batch.json: the resource 'ledger' is required [missing_resource]. Deliver it."
    [refusal] = broken_rules("invoice_lines", told)
    assert (refusal.rule.zh, refusal.rows) == ("数据源所需的文件须齐全", None)
    assert broken_rules("invoice_lines", None) == []


def test_what_has_no_words_stands_for_itself() -> None:
    [old] = broken_rules("ledger", "rule_of_another_day: 2")
    assert (old.rule.en, old.rows) == ("rule_of_another_day", 2)
    [unnamed] = broken_rules("invoice_lines", "it was refused")
    assert unnamed.rule.en == "it was refused"
    assert table_name("ledger").zh == "ledger"


def test_columns_that_are_asked_the_same_stand_together() -> None:
    payments = next(each for each in all_rules() if each.table.en == "Payments")
    given = [rule.zh for rule in payments.rules if rule.zh.startswith("必填：")]
    assert given == ["必填：收款编号、客户编号、付款日期、金额、币种"]
    assert len(payments.rules) == len(set(payments.rules))


def _findings() -> set[str]:
    """The codes that batch_finding writes: those in its SQL, and a deletion's by each cause."""
    sql = (ROOT / "warehouse/mart/batch_finding.sql").read_text(encoding="utf-8")
    named = re.findall(r"'(\w+)'(?: AS finding|, count\()", sql)
    return {*named, *(f"deleted_by_{cause}" for cause in (*CAUSES, "unknown"))}


def test_every_finding_is_said_in_both_languages_and_none_that_is_none() -> None:
    assert set(read(FILE)["findings"]) == _findings()
    for code in _findings():
        assert CHINESE.search(finding_said(code, None, None).zh), code


def test_a_finding_is_said_with_its_day_and_its_amount() -> None:
    found = finding_said("dated_after", date(2025, 6, 30), Decimal("35106803.4"))
    assert found.en == "Dated after the rating's day, 2025-06-30: 35,106,803, not counted yet"
    assert found.zh == "日期晚于评级基准日 2025-06-30，金额 35,106,803，尚未计入"
    assert finding_said("of_another_day", None, None).en == "of_another_day"
