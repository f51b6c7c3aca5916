"""Meaning only: no clock, and what the transforms may import is listed, since import-linter can only forbid what somebody thought of."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import transforms

ROOM = Path(transforms.__file__).parent
VALUES = {
    *(
        "__future__",
        "calendar",
        "collections",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "fractions",
        "functools",
        "hashlib",
    ),
    *("itertools", "json", "math", "statistics", "tomllib", "typing"),
}
LIBRARIES = {"numpy", "polars", "pydantic", "pydantic_core", "scipy", "tomlkit"}


FILES = sorted(ROOM.rglob("*.py"))


def name_of(file: Path) -> str:
    return file.relative_to(ROOM).as_posix()


def imported(file: Path) -> set[str]:
    """The first names of the modules that a file imports."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return {
        each.partition(".")[0]
        for each in plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    }


@pytest.mark.parametrize(
    "file", sorted(ROOM.rglob("*.py")), ids=lambda file: file.relative_to(ROOM).as_posix()
)
def test_a_transform_imports_values_and_their_arithmetic_and_nothing_else(file: Path):
    assert imported(file) - VALUES - LIBRARIES <= {"transforms"}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_transform_asks_no_clock(file: Path):
    asked = {
        node.attr
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
    }
    assert asked.isdisjoint({"now", "today", "utcnow"})
