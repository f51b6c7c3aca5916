from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows import settings
from flows.cli import main

PROFILE = """
source: shop
title: A shop's lines
version: "1"
resources:
  LINES:
    pattern: "lines*.csv"
    columns:
      document: {header: Invoice, type: text}
      customer: {header: Customer, type: text}
tables:
  customers:
    driving: LINES
    derived: true
"""
CUSTOMERS = "SELECT DISTINCT customer AS customer_id, customer AS name, 'active' AS status, '' AS _file, 1 AS _row FROM LINES"

# Each of these takes longer to import than the whole of `--help` may take.
HEAVY = {
    "duckdb",
    "polars",
    "prefect",
    "great_expectations",
    "pydantic_settings",
    "pandas",
    "pyarrow",
    "sqlalchemy",
    "numpy",
}


@pytest.fixture
def shop(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that the source `shop` describes, which lies in a folder of the user's own."""
    folder = tmp_path / "our_sources" / "shop"
    folder.mkdir(parents=True)
    (folder / "profile.yaml").write_text(PROFILE)
    (folder / "customers.sql").write_text(CUSTOMERS)
    monkeypatch.setenv("VALUEMART_SOURCES_PATH", str(folder.parent))
    file = tmp_path / "lines_2025-05.csv"
    file.write_text("Invoice,Customer\n1,4711\n")
    return file


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, flows.cli.main; flows.cli.main.run(['--help']); print(*sys.modules, file=sys.stderr)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "valuemart" in done.stdout
    assert HEAVY.isdisjoint(done.stderr.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["frobnicate"], 'Unknown command "frobnicate"'),
        (["status", "--latets", "3"], "Did you mean --latest?"),
        (["status", "--latest", "many"], '"many"'),
        (["land", "a.csv"], "--source"),
        (["explain"], "CUSTOMER"),
        (["explain"], "Try `valuemart explain --help`."),
        (["policy", "check"], "Try `valuemart policy check --help`."),
        (["refresh", "--as-of", "31.10.2026"], "Write it as 2026-10-31."),
        (["events", "list", "--since", "yesterday"], "Write it as 2026-10-31 or 2026-10-31T18:00:00+01:00."),
        (["policy", "check", "none.toml"], "none.toml cannot be read: No such file"),
        (["status"], "nothing is published"),
        (["quarantine", "list"], "nothing is published"),
        (["explain", "4711"], "nothing is published"),
        (["land", "none.csv", "--source", "generic_csv", "--company", "DE01"], "none.csv"),
        (["land", ".", "--source", "generic_csv", "--company", "DE01"], "is a folder; name its files"),
        (["refresh", "--as-of", "2962-01-31"], "2962-01-31 lies more than 731 days ahead"),
        (["backfill", "--from", "2026-01", "--to", "2962-01"], "lies more than 731 days ahead"),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_persons_mistake_is_one_line_that_says_what_is_wrong_and_exit_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main.run(arguments)

    error = capsys.readouterr().err
    assert code == 2
    assert error.startswith("valuemart: error: ")
    assert error.count("\n") == 1
    assert said in error


def test_a_wrong_setting_is_one_line_and_exit_2(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VALUEMART_TIMEZONE", "Europe/Berln")

    assert main.run(["status"]) == 2
    assert "VALUEMART_TIMEZONE" in capsys.readouterr().err
    assert not home.exists()


@pytest.mark.parametrize(("told", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_command_that_is_told_to_end_says_what_stays_and_leaves_with_the_signals_code(
    home: Path, told: str, code: int
) -> None:
    program = (
        "import os, signal, sys; from flows import settings; from flows.cli import main; "
        f"settings.load = lambda: os.kill(os.getpid(), signal.{told}); sys.argv = ['valuemart', 'status']; main.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == code
    assert done.stderr == (
        "valuemart: error: interrupted; what was committed stays, and the same command goes on from there\n"
    )


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt(), RuntimeError("Error calling function `_ser_model`: KeyboardInterrupt: ")],
    ids=["as it is", "in a library's words"],
)
def test_ctrl_c_is_one_line_and_exit_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    def interrupted() -> None:
        raise error

    monkeypatch.setattr(settings, "load", interrupted)

    assert main.run(["status"]) == 130
    assert capsys.readouterr().err.count("\n") == 1


def test_a_fault_of_our_own_is_not_dressed_up_as_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(settings, "load", broken)

    with pytest.raises(ZeroDivisionError):
        main.run(["status"])


def test_landing_makes_a_batch_by_the_files_name_and_twice_is_once(
    shop: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "land",
        str(shop),
        "--source",
        "shop",
        "--company",
        "DE01",
        "--extracted-at",
        "2025-06-01T02:00:00",
    ]

    assert main.run(arguments) == 0
    assert "valuemart refresh" in capsys.readouterr().out
    assert main.run([*arguments, "--json"]) == 0

    (batch,) = (home / "inbox" / "shop" / "DE01").iterdir()
    assert json.loads(capsys.readouterr().out)["landed"]["batch_id"] == batch.name
    manifest = json.loads((batch / "datapackage.json").read_text())
    assert [resource["name"] for resource in manifest["resources"]] == ["LINES"]
    # Two o'clock in Berlin, in summer.
    assert manifest["valuemart"]["extractedAt"] == "2025-06-01T00:00:00+00:00"


def test_files_of_the_day_after_tomorrow_do_not_land(
    shop: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ahead = datetime.now(UTC) + timedelta(days=2)
    arguments = ["land", str(shop), "--source", "shop", "--company", "DE01", "--extracted-at"]
    assert main.run([*arguments, f"{ahead:%Y-%m-%dT%H:%M:%S}"]) == 2
    assert "more than a day ahead of this machine's clock" in capsys.readouterr().err
    assert not (home / "inbox" / "shop").exists()


def test_a_file_may_be_named_with_its_resource(shop: Path, home: Path) -> None:
    other = shop.rename(shop.with_name("export.csv"))

    assert main.run(["land", str(other), "--source", "shop", "--company", "DE01"]) == 2
    assert main.run(["land", f"LINES={other}", "--source", "shop", "--company", "DE01"]) == 0
    assert len(list((home / "inbox" / "shop" / "DE01").iterdir())) == 1


@pytest.mark.usefixtures("shop")
def test_sources_lists_the_users_own_beside_the_built_in_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["sources", "--json"]) == 0

    found = {source["source"]: source for source in json.loads(capsys.readouterr().out)}
    assert found["shop"]["resources"] == {"LINES": "lines*.csv"}
    assert "generic_csv" in found


def test_the_shipped_policy_passes_the_check_and_says_which_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    shipped = Path(main.__file__).parents[2] / "transforms" / "policy" / "default.toml"

    assert main.run(["policy", "check", str(shipped), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == "default"


def test_every_fault_of_a_policy_is_a_line_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("[memory]\nperiods_upp = 2\n")

    assert main.run(["policy", "check", str(file)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) > 1
    assert all(line.startswith("valuemart: error: ") for line in lines)
    assert any("periods_upp" in line for line in lines)


def test_the_demonstration_does_not_mix_with_data_that_are_there(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "warehouse.duckdb").touch()

    assert main.run(["demo"]) == 2
    assert "holds data already" in capsys.readouterr().err


def test_the_demonstration_of_another_seed_needs_another_home(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "demo.json").write_text(
        '{"customers": 400, "seed": 7, "last_month": "2025-05-31", "is_complete": true}'
    )

    assert main.run(["demo", "--seed", "8"]) == 2
    assert "400 customers and seed 7" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_a_demonstration_with_too_few_customers_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["demo", "--customers", "3"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("command", ["refresh", "backfill", "demo", "land", "status", "explain", "calibrate"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([command, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


WINDOW = ["--mode", "window_replace", "--window-from", "2025-05-01", "--window-to", "2025-05-31"]


def test_a_window_is_landed_with_its_two_ends(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "invoice_lines.csv"
    file.write_text("document_id\nR1\n")

    assert main.run(["land", str(file), "--source", "generic_csv", "--company", "DE01", *WINDOW]) == 0

    (manifest,) = home.glob("inbox/generic_csv/DE01/*/datapackage.json")
    (resource,) = json.loads(manifest.read_text())["resources"]
    assert resource["valuemart"] == {
        "mode": "window_replace",
        "window": {"from": "2025-05-01", "to": "2025-05-31"},
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (WINDOW[:2], "--window-from and --window-to"),
        (WINDOW[:4], "both --window-from and --window-to"),
        ([*WINDOW[:4], "--window-to", "2025-04-30"], "2025-05-01 lies after --window-to 2025-04-30"),
        (["--mode", "delta_upsert", *WINDOW[2:]], "delta_upsert has no window"),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_window_that_cannot_be_is_said_before_anything_lands(
    tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "invoice_lines.csv"
    file.write_text("document_id\nR1\n")

    assert main.run(["land", str(file), "--source", "generic_csv", "--company", "DE01", *arguments]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_rows_without_a_date_have_no_window(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("customer_id\nK1\n")

    assert main.run(["land", str(file), "--source", "generic_csv", "--company", "DE01", *WINDOW]) == 2
    assert "whose rows bear no date" in capsys.readouterr().err
