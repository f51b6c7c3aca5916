"""The data dictionary: `python -m expectations.codegen.dictionary` writes docs/data_dictionary.md, `--check` compares."""

from __future__ import annotations

import sys
from typing import Final

from expectations.codegen.generated import PROJECT, write_or_check
from expectations.contract import Area, Column, Contract, company_code, contracts, provenance, stored_key
from expectations.rules import rules_of, staging_rules

DICTIONARY_PATH: Final = PROJECT / "docs" / "data_dictionary.md"

_EXTRACTS: Final = """
What a source's SQL delivers. In the warehouse they lie in the schema `erp`, with `company_code` in front, as the first
part of every key, and the provenance behind. A row that breaks a rule is put into quarantine under the rule's name; all
rules it broke are listed.
""".strip()
_AREAS: Final[dict[Area, tuple[str, str]]] = {
    "extract": ("Canonical extracts", _EXTRACTS),
    "rated": ("Rated tables", "What the pipeline works out and keeps, in the warehouse's schema `rated`."),
    "mart": (
        "The published mart",
        "What `mart.duckdb` holds, with the rated tables beside it under the same names; there their ratios and shares are DOUBLE.",
    ),
}


def dictionary_text() -> str:
    """The text of docs/data_dictionary.md: every table with its columns, units, values and rules."""
    parts = [
        "# Data dictionary",
        "Made from the contracts in `expectations/contracts/` by `make docs`; do not edit.",
    ]
    for area, (title, about) in _AREAS.items():
        parts += [f"## {title}", about]
        if area == "extract":
            parts += _common_columns()
        for contract in contracts(area):
            parts += _table(contract)
    return "\n\n".join(parts) + "\n"


def _common_columns() -> list[str]:
    any_extract = contracts("extract")[0]
    rules = [f"- `{rule.name}`: {rule.message}" for rule in staging_rules(any_extract, "staging")]
    return [
        "### Common to all extracts",
        _columns((company_code(), *provenance()), (company_code().name,)),
        "Rules of every staged table:",
        "\n".join(rules),
    ]


def _table(contract: Contract) -> list[str]:
    parts = [f"### {contract.name}", f"**{contract.title}.** {contract.description}", f"*{contract.grain}*"]
    key = ", ".join(f"`{name}`" for name in stored_key(contract))
    facts = [f"Key: {key}."]
    if contract.own_date:
        facts.append(f"Own date: `{contract.own_date}`.")
    if contract.required_for:
        facts.append(f"Required for: {', '.join(name.replace('_', ' ') for name in contract.required_for)}.")
    parts += [" ".join(facts), _columns(contract.columns, stored_key(contract))]
    if contract.area == "extract":
        rules = [f"- `{rule.name}`: {rule.message}" for rule in rules_of(contract)]
        parts += ["Rules:", "\n".join(rules)]
    return parts


def _columns(columns: tuple[Column, ...], key: tuple[str, ...]) -> str:
    head = "| column | type | null | unit | description | example |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(_row(column, key) for column in columns)])


def _row(column: Column, key: tuple[str, ...]) -> str:
    name = f"**`{column.name}`**" if column.name in key else f"`{column.name}`"
    about = column.description
    if column.allowed:
        about += " Values: " + ", ".join(f"`{value}`" for value in column.allowed) + "."
    if column.refers_to:
        about += f" Refers to: `{column.refers_to}`."
    if column.source:
        about += f" From: {column.source}."
    example = f"`{column.example}`" if column.example is not None else ""
    cells = (name, column.type, "yes" if column.nullable else "no", column.unit or "", about, example)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(write_or_check(DICTIONARY_PATH, dictionary_text(), sys.argv[1:]))
