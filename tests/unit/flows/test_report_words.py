"""What the report says: in two languages, by definitions that the mart bears out, in numbers rounded once for the eye."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expectations.contract import contracts
from flows.report import numbers, pages
from flows.report.definitions import Glossary, define
from flows.report.sentences import sentence
from flows.report.words import Both, read, word

TEMPLATES = Path(pages.__file__).parent / "templates"
COLUMNS = {f"{each.name}.{column.name}": column for each in contracts() for column in each.columns}
DICTIONARY = {
    name: {"description": column.description, "unit": column.unit} for name, column in COLUMNS.items()
}
CHINESE = re.compile(r"[\u4e00-\u9fff]")

# Which words a column's codes are said in.
CODES = {
    "customer_value.effective_tier": "tier",
    "customer_value.segment": "segment",
    "tier_change.cause": "cause",
    "tier_change.direction": "direction",
    "credit_watch.credit_action": "action",
    "conduct_finding.kind": "kind",
    "conduct_finding.confidence": "confidence",
    "customer.channel": "channel",
    "data_quality.status": "status",
    "next_action.action": "next_action",
}


def pairs(of: object) -> Iterator[list[str]]:
    if isinstance(of, dict):
        for each in of.values():
            yield from pairs(each)
    else:
        assert isinstance(of, list), of
        yield of


def test_every_word_is_there_in_both_languages() -> None:
    for pair in [*pairs(read("words")), *pairs(read("phrases")["codes"])]:
        assert len(pair) == 2, pair
        assert all(isinstance(text, str) and text for text in pair), pair
        assert not CHINESE.search(pair[0]), pair


@pytest.mark.parametrize(("column", "group"), CODES.items())
def test_every_code_that_the_mart_may_hold_has_a_word(column: str, group: str) -> None:
    for code in COLUMNS[column].allowed:
        assert code in read("words")[group], code


def test_every_play_of_the_playbook_has_a_word() -> None:
    from transforms.playbook import plays

    assert {play.action for play in plays()} == set(read("words")["next_action"])


def test_every_definition_names_columns_of_the_mart_and_says_both_languages() -> None:
    for key in read("definitions"):
        found = define(key, DICTIONARY)
        assert set(found.columns) <= set(COLUMNS), key
        assert found.meaning.en, key
        assert CHINESE.search(found.meaning.zh), key
        assert CHINESE.search(found.title.zh), key
        assert found.unit is None or CHINESE.search(found.unit.zh), key


def test_a_definition_of_a_column_says_what_the_mart_says() -> None:
    found = define("customer_value.loyalty", DICTIONARY)
    assert found.meaning.en == COLUMNS["customer_value.loyalty"].description
    assert found.unit == Both("share 0–1", "比例 0–1")


def test_no_definition_speaks_of_nulls_or_names_columns_but_where_it_comes_from() -> None:
    for key in read("definitions"):
        meaning = define(key, DICTIONARY).meaning
        assert not re.search(r"\bnulls?\b|[a-z]_[a-z]", f"{meaning.en} {meaning.zh}"), (key, meaning)


def test_what_is_defined_once_is_listed_once() -> None:
    glossary = Glossary(DICTIONARY)
    assert glossary.term("margin") == glossary.term("margin")
    glossary.term("loss")
    assert list(glossary.used) == ["margin", "loss"]


def test_a_text_is_escaped_in_both_languages() -> None:
    assert Both("<b>", "<i>").__html__() == (
        '<span lang="en">&lt;b&gt;</span><span lang="zh-Hans">&lt;i&gt;</span>'
    )
    assert Both("a & b", "a & b").__html__() == "a &amp; b"


def test_a_code_without_a_word_stands_for_itself() -> None:
    assert word("reason", "some_new_reason") == Both("some_new_reason", "some_new_reason")


@pytest.mark.parametrize(
    ("said", "english", "chinese"),
    [
        ("loyalty −0.7249, policy +3", "loyalty −0.72, policy +3.00", "忠诚度 −0.72，政策 +3.00"),
        ("volume +1.5012, others −0.0004", "volume +1.50", "采购量 +1.50"),
        ("volume +1.5012, others −0.0533", "volume +1.50, others −0.05", "采购量 +1.50，其他 −0.05"),
        ("net_sales_12m 613.95 above 157,500", "net sales 613.95 above the bar of 157,500", "净销售额高于 157,500，余 613.95"),
        ("loyalty 0.136667 below 0.57", "loyalty 0.137 below the bar of 0.57", "忠诚度低于 0.57，差 0.137"),
        (
            "57,719.60 more than 30 days past due on 2026-10-31, share 0.779531",
            "57,719.60 more than 30 days past due on 2026-10-31, share 78%",
            "2026-10-31 有 57,719.60 逾期超过 30 天，占比 78%",
        ),
        (
            "purchases 3.849655 deviations above own history, 32.83192 above peers, while DE-OST declines by 0.261914",
            "purchases 3.8 deviations above own history, 32.8 above peers, while DE-OST declines by 26.2%",
            "采购量高出自身历史 3.8 个标准差、高出同类 32.8 个，同期 DE-OST 下降 26.2%",
        ),
        (
            "grade E: overdue_share 0.883 above 0.7, days_late_12m 77.209 above 45",
            "grade E: overdue share 88.3% (above 70%), days paid late 77.2 (above 45)",
            "信用等级 E：逾期占比 88.3%（高于 70%），平均逾期天数 77.2（高于 45）",
        ),
        ("4 of 6 clean periods", "4 of 6 clean periods", "6 个良好评级期中已满 4 个"),
        ("override by Ann: share 3 plans", "override by Ann: share 3 plans", "Ann人工调整：share 3 plans"),
        (
            "exposure 5,400.00 above limit 4,000.00; grade C: days_late_12m 12 above 10",
            "exposure 5,400.00 above limit 4,000.00; grade C: days paid late 12 (above 10)",
            "信用敞口 5,400.00 超过额度 4,000.00；信用等级 C：平均逾期天数 12（高于 10）",
        ),
        ("cap: confirmed_conduct", "cap: confirmed conduct", "上限：已证实的违规行为"),
        (
            "2 of 3 sightings elsewhere: photo 1.23456, a/loyalty 7",
            "2 of 3 sightings elsewhere: photo 1.23456, a/loyalty 7",
            "3 次市场发现中 2 次在区域外：photo 1.23456, a/loyalty 7",
        ),
        ("override by Ann: our core of policy", "override by Ann: our core of policy", "Ann人工调整：our core of policy"),
        ("what nobody foresaw", "what nobody foresaw", "what nobody foresaw"),
    ],
)  # fmt: skip
def test_a_reason_is_told_in_both_languages_and_leaves_what_people_wrote_alone(
    said: str, english: str, chinese: str
) -> None:
    assert sentence(said) == Both(english, chinese)


def test_every_reason_of_the_playbook_is_told_in_chinese() -> None:
    for said in (
        "strategic: share plans, and review the partner card",
        "loyal, with 1,601.83 of demand we do not serve",
        "loyal and small; ask what it needs",
        "costs 213.14 more than it brings",
        "imports resin, worth 150,000.00 a year; 4 contacts of joint work in a year",
        "expected to become marginal by 2026-01-31: loyalty 0.1 below 0.57",
        "customer for 3 months",
    ):
        told = sentence(said)
        assert told is not None
        assert not re.search(r"[a-z]{4,}", told.zh.replace("resin", "")), told.zh


@pytest.mark.parametrize(
    ("amount", "english", "chinese"),
    [
        ("0", "0", "0"),
        ("-0.4", "0", "0"),
        ("999.4", "999", "999"),
        ("999.6", "1.0k", "1,000"),
        ("9999.6", "10.0k", "1.0万"),
        ("999960", "1.0m", "100万"),
        ("31033597.5", "31.0m", "3,103万"),
        ("-135884.7719", "−136k", "−13.6万"),
        ("123456789012", "123bn", "1,235亿"),
    ],
)
def test_an_amount_in_short_takes_the_unit_of_its_language(amount: str, english: str, chinese: str) -> None:
    assert numbers.short(Decimal(amount)) == Both(english, chinese)


def test_what_rounds_to_nothing_has_no_sign() -> None:
    assert numbers.signed(Decimal("-0.0004"), 2) == "0.00"
    assert numbers.signed(Decimal("0.004"), 2) == "0.00"
    assert numbers.signed(Decimal("0.006"), 2) == "+0.01"


def test_rounding_is_half_even_and_the_exact_amount_stays_with_it() -> None:
    assert numbers.exact(Decimal("2.5000")) == '<data value="2.5000" title="2.50">2</data>'
    assert numbers.exact(Decimal("1234567890123456789.5")).endswith(">1,234,567,890,123,456,790</data>")


def test_a_month_is_written_in_the_way_of_each_language() -> None:
    assert numbers.month(date(2024, 5, 1)) == Both("May 2024", "2024年5月")


IDS = st.text(min_size=1, max_size=80)


@given(IDS, IDS)
def test_a_customers_file_name_is_safe_whatever_the_ids_hold(company: str, customer: str) -> None:
    assert re.fullmatch(
        r"[0-9a-z_]{1,60}-[0-9a-z_]{1,60}(-[0-9a-f]{12})?\.html", pages.file_name(company, customer)
    )


@given(st.tuples(IDS, IDS), st.tuples(IDS, IDS))
def test_two_customers_have_two_files(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert (one == other) == (pages.file_name(*one) == pages.file_name(*other))


def test_ids_that_look_alike_have_files_of_their_own() -> None:
    alike = [
        ("a-b", "c"),
        ("a", "b-c"),
        ("A", "b_c"),
        ("a", "b_c"),
        ("a", "b c"),
        ("a", "客户"),
        ("a", "顾客"),
    ]
    assert len({pages.file_name(*ids) for ids in alike}) == len(alike)


def test_every_word_and_definition_that_a_template_asks_for_is_written() -> None:
    for template in TEMPLATES.glob("*.html"):
        text = template.read_text(encoding="utf-8")
        for group, code in re.findall(r'word\("(\w+)", "(\w+)"\)', text):
            assert code in read("words")[group], (template.name, group, code)
        for key in re.findall(r'glossary\.term\("([\w.]+)"[,)]', text):
            assert key in read("definitions"), (template.name, key)
