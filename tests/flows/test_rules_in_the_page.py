"""Every rule by which staging refuses a batch or keeps a row out has an entry in the page on adding a source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from warehouse.staging import quarantine, records
from warehouse.staging.derived import WAITS
from warehouse.staging.values import LOST_CODE

PROJECT = Path(__file__).parents[2]
# Of batches that a job writes, not a person's export: their page says what a manifest must hold.
OF_MANIFESTS = re.compile(r"manifest_.*|path_outside_batch|batch_changed|rows_unaccounted|judgement_failed")


def refusing_rules() -> Iterator[str]:
    """The names that faults are made with."""
    for room in ("delivery", "staging", "merge"):
        for file in (PROJECT / "warehouse" / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Call)
                    and ast.unparse(node.func) in {"Fault", "_refuse", "_fault"}
                    and node.args
                ):
                    yield from (
                        str(part.value)
                        for part in ast.walk(node.args[0])
                        if isinstance(part, ast.Constant) and isinstance(part.value, str)
                    )


def test_every_rule_of_staging_is_in_the_page():
    page = (PROJECT / "docs" / "adding-a-source.md").read_text(encoding="utf-8")
    told = set(re.findall(r"`([a-z_]+)`", page))
    keeping = {
        *LOST_CODE,
        *records._REJECTS.values(),
        *(rule for rules in quarantine._UNREAD.values() for rule in rules),
        WAITS,
    }
    refusing = {rule for rule in refusing_rules() if not OF_MANIFESTS.fullmatch(rule)}
    assert len(refusing) > 20
    assert sorted((keeping | refusing) - told) == []
