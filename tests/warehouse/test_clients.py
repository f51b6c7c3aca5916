"""The tools that docs/bi.md names, each in an environment of its own: the same question has the same answer in all of them.

Opt-in, `make test-long`: each is installed anew, and skipped where the registry does not have it.
"""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
from pathlib import Path

import openpyxl
import pytest

from tests.report.reported_company import publish
from tests.warehouse.publishing import core_and_cultivate
from tests.warehouse.test_publish_old_duckdb import environment_with

ANSWER = "core|20|120.0000\ncultivate|3|3703703670370.3701\n"
QUESTION = "SELECT effective_tier, count(*), sum(net_sales_12m) FROM customer_value GROUP BY 1 ORDER BY 1"
PAGE = (Path(__file__).parents[2] / "docs" / "bi.md").read_text(encoding="utf-8")
SUPERSET = Path(__file__).with_name("superset_client.py")

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_500)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return core_and_cultivate(tmp_path_factory.mktemp("clients"))


def blocks(language: str) -> list[str]:
    """The page's own text in that language."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def run(folder: Path, *command: str | Path) -> str:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout[-2_000:] + ran.stderr[-2_000:]
    return ran.stdout


def test_ibis(folder: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "venv", "ibis-framework[duckdb]")
    [code] = blocks("py")
    assert run(folder, python, "-c", code) == ANSWER


def test_sqlalchemy_1_4_by_duckdb_engine(folder: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "venv", "sqlalchemy<2", "duckdb-engine", "duckdb", "packaging")
    [code] = [each for each in blocks("python") if "sqlalchemy" in each]
    assert run(folder, python, "-c", code) == ANSWER


@pytest.mark.parametrize("version", ["1.4.4.post2", "1.5.6"])
def test_the_command_line(folder: Path, tmp_path: Path, version: str) -> None:
    environment_with(tmp_path / "venv", f"duckdb-cli=={version}")
    [command] = blocks("sh")
    assert (
        run(folder, "env", f"PATH={tmp_path / 'venv' / 'bin'}:/usr/bin:/bin", "sh", "-c", command) == ANSWER
    )


def test_harlequin(folder: Path, tmp_path: Path) -> None:
    # Its terminal asks by this adapter, which is told what stands on the command line.
    python = environment_with(tmp_path / "venv", "harlequin")
    code = f"""
from harlequin_duckdb import DuckDbAdapter
connection = DuckDbAdapter(["var/mart.duckdb"], read_only=True).connect()
assert connection.get_catalog().items
for row in connection.execute({QUESTION!r}).fetchall().to_pylist():
    print(*row.values(), sep="|")
"""
    assert run(folder, python, "-c", code) == ANSWER


def test_dbt_with_the_mart_as_a_source(folder: Path, tmp_path: Path) -> None:
    python = environment_with(tmp_path / "venv", "dbt-duckdb", "dbt-core<2")
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "var").symlink_to(folder / "var")
    profile, source = blocks("yaml")
    (project / "profiles.yml").write_text(profile)
    (project / "models" / "sources.yml").write_text(f"version: 2\n{source}")
    (project / "dbt_project.yml").write_text("{name: asked, version: '1.0.0', profile: marts}\n")
    (project / "models" / "tiers.sql").write_text(
        "{{ config(materialized='table') }}"
        + QUESTION.replace("count(*)", "count(*) AS customers")
        .replace("sum(net_sales_12m)", "sum(net_sales_12m) AS net_sales")
        .replace("customer_value", "{{ source('valuemart', 'customer_value') }}")
    )
    run(project, python.with_name("dbt"), "--no-send-anonymous-usage-stats", "run", "--profiles-dir", ".")
    code = "import duckdb\nfor row in duckdb.connect('own.duckdb').execute('FROM tiers ORDER BY 1').fetchall(): print(*row, sep='|')"
    assert run(project, python, "-c", code) == ANSWER


def test_superset_makes_a_database_a_dataset_and_a_chart(folder: Path, tmp_path: Path) -> None:
    # The last four it needs and does not ask for, or takes too new.
    python = environment_with(
        tmp_path / "venv", "apache-superset", "duckdb-engine", "duckdb", "rich", "pillow", "cachetools", "flask-caching<2.4",
        builds=True,
    )  # fmt: skip
    said = run(tmp_path, python, SUPERSET, folder / "var" / "mart.duckdb").splitlines(keepends=True)
    assert "".join(line for line in said if "|" in line) == ANSWER, "beside what it says of itself"


def test_libreoffice_reads_the_workbook(tmp_path: Path) -> None:
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        pytest.skip("there is no LibreOffice here (Debian: apt-get install libreoffice-calc)")
    settings = publish(tmp_path / "home")
    run(
        tmp_path, office, f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless",
        "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76,1", "--outdir", tmp_path, settings.workbook_file,
    )  # fmt: skip
    with (tmp_path / "mart.csv").open(encoding="utf-8") as file:
        shown = list(csv.reader(file))
    sheet = openpyxl.load_workbook(settings.workbook_file).worksheets[0]
    assert len(shown) == sheet.max_row
    numbers = [row[1] for row in sheet.iter_rows(values_only=True)]
    assert [row[1] for row in shown] == [str(each) for each in numbers]
