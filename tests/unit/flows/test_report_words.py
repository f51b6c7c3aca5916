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
from flows.report import pages
from flows.report.definitions import DEFINITIONS, Glossary, define
from flows.wording import numbers
from flows.wording.words import Localized, label, read, words

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
    "customer_expectation.expected_basis": "expected_basis",
}


def pairs(of: object) -> Iterator[list[str]]:
    if isinstance(of, dict):
        for each in of.values():
            yield from pairs(each)
    else:
        assert isinstance(of, list), of
        yield of


def test_every_word_is_there_in_both_languages() -> None:
    for pair in pairs(words()):
        assert len(pair) == 2, pair
        assert all(isinstance(text, str) and text for text in pair), pair
        assert not CHINESE.search(pair[0]), pair


@pytest.mark.parametrize(("column", "group"), CODES.items())
def test_every_code_that_the_mart_may_hold_has_a_word(column: str, group: str) -> None:
    for code in COLUMNS[column].allowed:
        assert code in words()[group], code


def test_every_play_of_the_playbook_has_a_word() -> None:
    from transforms.rating.playbook import plays

    assert {play.action for play in plays()} == set(words()["next_action"])


def test_every_definition_names_columns_of_the_mart_and_says_both_languages() -> None:
    for key in read(DEFINITIONS):
        found = define(key, DICTIONARY)
        assert set(found.columns) <= set(COLUMNS), key
        assert found.meaning.en, key
        assert CHINESE.search(found.meaning.zh), key
        assert CHINESE.search(found.title.zh), key
        assert found.unit is None or CHINESE.search(found.unit.zh), key


def test_a_definition_of_a_column_says_what_the_mart_says() -> None:
    found = define("customer_value.loyalty", DICTIONARY)
    assert found.meaning.en == COLUMNS["customer_value.loyalty"].description
    assert found.unit == Localized("share 0–1", "比例 0–1")


def test_no_definition_speaks_of_nulls_or_names_columns_but_where_it_comes_from() -> None:
    for key in read(DEFINITIONS):
        meaning = define(key, DICTIONARY).meaning
        assert not re.search(r"\bnulls?\b|[a-z]_[a-z]", f"{meaning.en} {meaning.zh}"), (key, meaning)


def test_what_is_defined_once_is_listed_once() -> None:
    glossary = Glossary(DICTIONARY)
    assert glossary.term("margin") == glossary.term("margin")
    glossary.term("loss")
    assert list(glossary.used) == ["margin", "loss"]


def test_a_text_is_escaped_in_both_languages() -> None:
    assert Localized("<b>", "<i>").__html__() == (
        '<span lang="en">&lt;b&gt;</span><span lang="zh-Hans">&lt;i&gt;</span>'
    )
    assert Localized("a & b", "a & b").__html__() == "a &amp; b"


def test_a_code_without_a_word_stands_for_itself() -> None:
    assert label("reason", "some_new_reason") == Localized("some_new_reason", "some_new_reason")


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
    assert numbers.short(Decimal(amount)) == Localized(english, chinese)


def test_what_rounds_to_nothing_has_no_sign() -> None:
    assert numbers.signed(Decimal("-0.0004"), 2) == "0.00"
    assert numbers.signed(Decimal("0.004"), 2) == "0.00"
    assert numbers.signed(Decimal("0.006"), 2) == "+0.01"


def test_rounding_is_half_even_and_the_exact_amount_stays_with_it() -> None:
    assert numbers.exact(Decimal("2.5000")) == '<data value="2.5000" title="2.50">2</data>'
    assert numbers.exact(Decimal("1234567890123456789.5")).endswith(">1,234,567,890,123,456,790</data>")


def test_a_month_is_written_in_the_way_of_each_language() -> None:
    assert numbers.month(date(2024, 5, 1)) == Localized("May 2024", "2024年5月")


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
            assert code in words()[group], (template.name, group, code)
        for key in re.findall(r'glossary\.term\("([\w.]+)"[,)]', text):
            assert key in read(DEFINITIONS), (template.name, key)
