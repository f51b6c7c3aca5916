"""Rules said: what a batch and its rows are judged by, what they broke and what was found, in both languages by `rules.yaml`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache

from expectations.contract import Contract, contracts
from expectations.rules import Rule, rules_of, staging_rules
from flows.wording import numbers
from flows.wording.words import FOLDER, Localized, read, same

FILE = FOLDER / "rules.yaml"
_COUNTED = re.compile(r"(\w+): (\d+)")
_REFUSED_BY = re.compile(r"\[(\w+)\]")
_NO_SCHEMA = "staging"  # only names are asked of these rules


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that was broken: by how many rows, or by the batch as a whole."""

    rule: Localized
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class TableRules:
    """What one canonical table asks of its rows."""

    table: Localized
    rules: tuple[Localized, ...]


def finding_said(finding: str, dated_after: date | None, net_sales: Decimal | None) -> Localized:
    """A finding of `batch_finding` in words, with its day and its amount if it has them.

    One without words, as another version may have written it, stands for itself.
    """
    written = _pair("findings", finding)
    if written is None:
        return same(finding)
    figures = {"day": dated_after or "", "amount": "" if net_sales is None else numbers.grouped(net_sales)}
    return _sentence(written.en.format(**figures), written.zh.format(**figures))


def table_name(table: str) -> Localized:
    """What a canonical table is called; another one, as a source's own, stands for itself."""
    return _pair("tables", table) or same(table)


def broken_rules(table: str, reasons: str | None) -> list[Broken]:
    """What a table's rows broke, or why its batch was refused, from `data_quality.reasons`; the largest first.

    A rule without words, as an earlier version may have written it, stands for itself; so does a refusal that names none.
    """
    parts = (reasons or "").split(", ")
    counted = [_COUNTED.fullmatch(part) for part in parts]
    if all(counted):
        return [Broken(said(table, each[1]), rows=int(each[2])) for each in counted if each]
    found = _REFUSED_BY.search(reasons or "")
    return [Broken(said(table, found[1]) if found else same(reasons))] if reasons else []


def said(table: str, name: str) -> Localized:
    """One rule of a table, or of batches, in words."""
    found = _forms().get((table, name))
    return _in_words(*found) if found else _rule(name)


def refusal_said(rule: str, message: str, remedy: str) -> Localized:
    """What was wrong with a refused batch and what to do about it.

    The English is the refusal's own, with its figures. The Chinese says what is to be done by the rule, and gives the message as it
    stands for those figures; of a rule without such words, as another version may have written it, the remedy too.
    """
    english = f"{message}. {remedy}"
    known = read(FILE)["remedies"].get(rule)
    return Localized(english, f"{known}原文：{message}" if known else f"原文：{english}")


@cache
def _forms() -> dict[tuple[str, str], tuple[_Form, list[Rule]]]:
    """Every rule of the canonical tables by table and name: what it asks, and itself."""
    return {
        (contract.name, rule.name): (form, [rule])
        for contract in contracts("extract")
        for form, rules in _by_form(contract).items()
        for rule in rules
    }


@cache
def all_rules() -> tuple[TableRules, ...]:
    """What every canonical table asks of its rows; columns that are asked the same stand together."""
    return tuple(
        TableRules(
            table_name(contract.name),
            tuple(_in_words(form, rules) for form, rules in _by_form(contract).items()),
        )
        for contract in contracts("extract")
    )


_Form = tuple[str, tuple[tuple[str, str], ...]]
"""Under `columns` or, without a column, under `rules`: whose words they are; and the figures in them."""


@cache
def _by_form(contract: Contract) -> dict[_Form, list[Rule]]:
    """A table's rules by what they ask."""
    found: dict[_Form, list[Rule]] = {}
    for rule in (*staging_rules(contract, _NO_SCHEMA), *rules_of(contract)):
        found.setdefault(_form(contract, rule), []).append(rule)
    return found


def _form(contract: Contract, rule: Rule) -> _Form:
    if rule.column is None or not rule.name.startswith(f"{rule.column}_"):
        return rule.name, ()
    column, kind = contract.column(rule.column), rule.name.removeprefix(f"{rule.column}_")
    if kind == "not_allowed":
        return kind, (("values", ", ".join(column.allowed)),)
    if kind == "out_of_range":
        bounds = {"minimum": column.minimum, "maximum": column.maximum}
        given = tuple((name, bound) for name, bound in bounds.items() if bound is not None)
        return "between" if len(given) > 1 else f"at_{'least' if 'minimum' in dict(given) else 'most'}", given
    return (kind if kind in read(FILE)["columns"] else rule.name), ()


def _in_words(form: _Form, rules: Sequence[Rule]) -> Localized:
    """What rules of one form ask."""
    kind, figures = form
    written = _pair("columns", kind)
    if written is None:
        return _rule(kind)
    names = [_pair("names", str(rule.column)) or same(str(rule.column)) for rule in rules]
    return _sentence(
        written.en.format(column=", ".join(each.en for each in names), **dict(figures)),
        written.zh.format(column="、".join(each.zh for each in names), **dict(figures)),
    )


def _rule(name: str) -> Localized:
    found = _pair("rules", name)
    return _sentence(found.en, found.zh) if found else same(name)


def _sentence(english: str, chinese: str) -> Localized:
    return Localized(f"{english[0].upper()}{english[1:]}", chinese)


def _pair(group: str, code: str) -> Localized | None:
    found = read(FILE)[group].get(code)
    return Localized(*found) if found else None
