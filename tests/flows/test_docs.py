"""The pages that lead into the house name what is there: every path of them exists, and the glossary has every term."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from expectations.contract import contracts
from flows.cli.commands import app
from flows.delivery.registry import SINKS
from transforms.measures.descriptor import MEASURES

PROJECT = Path(__file__).parents[2]
GLOSSARY = (PROJECT / "docs" / "glossary.md").read_text(encoding="utf-8")
# Columns whose values are terms of the judgement, of loading or of credit, and no plain words of a form.
OF_TERMS = {
    "action", "cause", "confidence", "credit_action", "direction", "effective_tier", "item_settlement", "loyalty_class",
    "mode", "segment", "volume_class",
}  # fmt: skip


def words() -> set[str]:
    return set(re.findall(r"`([^`]+)`", GLOSSARY))


@pytest.mark.parametrize("page", ["glossary.md", "architecture.md"])
def test_every_path_that_the_page_names_is_there(page: str):
    text = (PROJECT / "docs" / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:flows|transforms|warehouse|expectations)/[\w./]*)`", text))
    assert named
    assert [each for each in sorted(named) if not (PROJECT / each).exists()] == []


def test_every_table_is_in_the_glossary():
    tables = {contract.name for area in ("extract", "rated", "mart") for contract in contracts(area)}
    assert tables - words() == set()


def test_every_value_that_is_a_term_is_in_the_glossary():
    values = {
        value
        for area in ("extract", "rated", "mart")
        for contract in contracts(area)
        for column in contract.columns
        if column.name in OF_TERMS or (column.name == "kind" and contract.name == "conduct_finding")
        for value in column.allowed
    } - {"inbound", "outbound"}  # directions of a contact
    assert values - words() == set()


def test_every_measure_command_and_kind_of_sink_is_in_the_glossary():
    commands = {name for name in app if not name.startswith("-")}
    assert ({measure.name for measure in MEASURES} | commands | set(SINKS)) - words() == set()


def test_every_room_is_in_the_architecture():
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [
        f"{package}/{folder.parent.name}/"
        for package in ("flows", "transforms", "warehouse", "expectations")
        for folder in (PROJECT / package).glob("*/__init__.py")
    ]
    assert [room for room in sorted(rooms) if f"`{room}`" not in page] == []


def test_every_section_that_a_docstring_names_as_its_source_is_there():
    page = (PROJECT / "docs" / "figures.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^## (.+)$", page, re.MULTILINE))
    named = {
        section
        for module in (PROJECT / "transforms").rglob("*.py")
        for sources in re.findall(r"Source: docs/figures\.md, ([^.]+)\.", module.read_text(encoding="utf-8"))
        for section in sources.split(", ")
    }
    assert named
    assert named - sections - {"the sections on credit"} == set()
