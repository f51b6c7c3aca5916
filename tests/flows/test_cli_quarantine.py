"""The commands of the workbench, as a person runs them: check, quarantine show, export, release."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from flows.cli import main
from tests.warehouse.making import Loader, line, lines, of_lines


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loader:
    """A shop with two bad lines of three, loaded and published as far as the commands read it."""
    made = Loader(tmp_path)
    made.source()
    made.loaded(of_lines(line(1), line(2, net="-x"), line(3, day="31.02.2025")))
    shutil.copyfile(made.settings.warehouse_file, made.settings.ops_file)
    monkeypatch.setenv("VALUEMART_HOME", str(made.settings.home))
    monkeypatch.setenv("VALUEMART_SOURCES_PATH", str(tmp_path / "sources"))
    monkeypatch.chdir(tmp_path)
    return made


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.usefixtures("loader")
def test_show_goes_by_rule_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["quarantine", "show", "--rule", "not_a_date"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "shop/DE01 invoice_lines: not_a_date in Datum: 1 rows",
        "  b1 lines.csv row 4: '31.02.2025': the value cannot be taken as it stands",
        '    {"Beleg":"R3","Pos":"1","Datum":"31.02.2025","Kunde":"K1","Menge":"1","Netto":"10,00"}',
    ]
    assert main.run(["quarantine", "show", "--limit", "0"]) == 2


def test_a_sheet_goes_out_and_comes_back_mended(loader: Loader, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["quarantine", "export", "--out", "bad.csv"]) == 0
    assert "2 rows in bad.csv: mend their cells" in capsys.readouterr().out
    sheet = Path("bad.csv").read_bytes()
    assert sheet.startswith(b"\xef\xbb\xbf_source,")
    Path("bad.csv").write_bytes(sheet.replace(b"'-x", b"-7,00"))

    assert main.run(["quarantine", "release", "bad.csv"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[1:] == [
        "1 rows released, 1 rows not changed, so still in quarantine",
        "load them with `valuemart refresh`",
    ]
    loader.load()
    assert loader.column("SELECT net_amount::VARCHAR FROM erp.invoice_lines ORDER BY ALL") == [
        "-7.0000",
        "10.0000",
    ]


@pytest.mark.usefixtures("loader")
def test_an_export_as_json_has_one_object_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["quarantine", "export", "--json"]) == 0
    rows = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [(row["row_number"], row["raw"]["Netto"]) for row in rows] == [(3, "-x"), (4, "10,00")]


@pytest.mark.usefixtures("loader")
def test_a_sheet_that_is_none_is_one_line_and_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.csv").write_text("a,b\n1,2\n")
    assert main.run(["quarantine", "release", "bad.csv"]) == 2
    assert "lacks the column _source" in capsys.readouterr().err


def test_check_says_what_would_become_of_files_and_touches_nothing(
    loader: Loader, capsys: pytest.CaptureFixture[str]
) -> None:
    file = loader.root / "lines_new.csv"
    file.write_bytes(lines(line(1), line(2, net="1.2.3"), line(4, net="abc"), "Summe;;;;;20,00"))
    before = files_of(loader.root)

    assert main.run(["check", "shop", str(file), "--max-quarantined", "0.5"]) == 0
    said = capsys.readouterr().out
    assert files_of(loader.root) == before
    assert said.splitlines()[0] == "the files would be loaded, and 2 of 4 rows would be quarantined"
    assert "invoice_lines: 1 rows are left out by the rule totals_line" in said
    assert "quarantined: invoice_lines: not_a_number in Netto: 2 rows" in said
    assert "lines_new.csv row 3: '1.2.3'" in said

    assert main.run(["check", "shop", str(file), "--json"]) == 3
    checked = json.loads(capsys.readouterr().out)
    (table,) = checked["tables"]
    assert (checked["rows"], checked["quarantined"]) == (4, 2)
    reasons = {(rule["rule"], rule["column_name"]) for rule in checked["rules"]}
    assert reasons == {("not_a_number", "Netto")}  # and not that the amounts made of it are missing
    assert (table["rows_in"], table["accepted"], table["quarantined"], table["excluded"]) == (4, 1, 2, 1)


def test_check_of_files_that_would_be_refused_says_why_and_ends_with_3(
    loader: Loader, capsys: pytest.CaptureFixture[str]
) -> None:
    file = loader.root / "lines_new.csv"
    file.write_bytes(lines(line(1)).replace(b"Netto", b"Betrag"))
    assert main.run(["check", "shop", str(file)]) == 3
    assert (
        "refused: lines_new.csv, row 1, column Netto: the column 'Netto' is missing"
        in capsys.readouterr().out
    )
