"""The same question gets the same answer from every tool that docs/bi.md tells how to connect; the page's own blocks run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import yaml

from expectations.contract import contracts, load
from tests.warehouse.publishing import core_and_cultivate
from warehouse.mart.publish import PUBLISHED_TABLES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "bi.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|sh)\n(.*?)```", PAGE, re.DOTALL)
MODEL = yaml.safe_load((DOCS / "semantic_model.yaml").read_text(encoding="utf-8"))["semantic_model"][0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a published mart in `var`: 20 core customers, 3 to cultivate."""
    return core_and_cultivate(tmp_path_factory.mktemp("bi"))


@pytest.fixture
def mart(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(folder / "var" / "mart.duckdb"), read_only=True) as connection:
        yield connection


@pytest.mark.parametrize(("language", "code"), BLOCKS)
def test_every_way_on_the_page_gives_the_same_answer_to_the_last_digit(
    folder: Path, language: str, code: str
) -> None:
    tools = Path(sys.executable).parent
    command = [sys.executable, "-W", "error", "-c", code] if language == "python" else ["sh", "-c", code]
    ran = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False,
        # One thread: where the machine is busy, pyarrow's pools now and then abort while the interpreter ends.
        env={"PATH": f"{tools}:/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1", "ARROW_IO_THREADS": "1"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "core|20|120.0000\ncultivate|3|3703703670370.3701\n"


def test_the_page_shows_every_way_that_can_be_tried_here() -> None:
    assert [language for language, _ in BLOCKS] == ["python", "python", "sh", "python", "python", "python"]


def test_the_page_names_every_view_of_the_mart() -> None:
    views = {name for name in PUBLISHED_TABLES if load(name).physical == "view"} - {"customer_lifetime"}
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == views


@pytest.mark.parametrize("metric", MODEL["metrics"], ids=lambda metric: str(metric["name"]))
def test_a_metric_of_the_semantic_model_can_be_asked_and_says_unit_and_grain(
    mart: duckdb.DuckDBPyConnection, metric: dict[str, object]
) -> None:
    [dialect] = metric["expression"]["dialects"]  # type: ignore[index]
    expression = str(dialect["expression"])
    [table] = set(re.findall(r"\b([a-z_]+)\.", expression))
    [row] = mart.execute(f"SELECT {expression} FROM {table}").fetchall()
    assert len(row) == 1
    [extension] = metric["custom_extensions"]  # type: ignore[misc]
    assert set(json.loads(extension["data"])) == {"unit", "grain"}


@pytest.mark.parametrize("dataset", MODEL["datasets"], ids=lambda dataset: str(dataset["name"]))
def test_a_dataset_of_the_semantic_model_is_a_table_with_its_key_and_its_columns(
    dataset: dict[str, object],
) -> None:
    contract = load(str(dataset["name"]))
    assert dataset["source"] == f"mart.main.{contract.name}"
    assert tuple(dataset["primary_key"]) == contract.key  # type: ignore[arg-type]
    assert {field["name"] for field in dataset["fields"]} <= set(contract.column_names)  # type: ignore[attr-defined]


def test_the_semantic_model_joins_what_the_contracts_say_refers_to_each_other() -> None:
    named = {
        (each["from"], each["from_columns"][1], f"{each['to']}.{each['to_columns'][1]}")
        for each in MODEL["relationships"]
    }
    datasets = {dataset["name"] for dataset in MODEL["datasets"]}
    assert named == {
        (name, column.name, column.refers_to)
        for name in datasets
        for column in load(name).columns
        if column.refers_to
    }


@pytest.mark.parametrize(
    ("table", "column", "refers_to"),
    [
        (c.name, column.name, column.refers_to)
        for c in contracts()
        for column in c.columns
        if column.refers_to
    ],
)
def test_what_refers_to_a_customer_finds_it(
    mart: duckdb.DuckDBPyConnection, table: str, column: str, refers_to: str
) -> None:
    target, key = refers_to.split(".")
    lost = mart.execute(
        f"SELECT company_code, {column} FROM {table} EXCEPT SELECT company_code, {key} FROM {target}"
    ).fetchall()
    assert lost == []
