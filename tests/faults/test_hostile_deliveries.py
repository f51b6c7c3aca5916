"""What a delivery, or a source's SQL, may not do: read beyond the batch, run what it says, write anywhere."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from flows.inbox import landing
from tests.warehouse.making import (
    PROFILE,
    SQL,
    Delivery,
    Loader,
    assert_conserved,
    line,
    lines,
    of_lines,
    write_source,
)
from warehouse.delivery.manifest import read_manifest
from warehouse.delivery.profile import read_source
from warehouse.errors import BatchRefusedError
from warehouse.staging import checks, delivered, records
from warehouse.staging import scratch as staging

pytestmark = pytest.mark.slow

GOOD = of_lines(line(1), batch_id="good")


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source()
    return made


def manifest(**changes: Any) -> bytes:
    document = GOOD.manifest()
    document["resources"][0].update(changes)
    return json.dumps(document).encode()


# Small files that hold far more than they should.


def test_a_parquet_file_of_a_few_kilobytes_that_holds_a_cell_a_hundred_million_times_is_refused(
    loader: Loader,
) -> None:
    frame = pl.DataFrame({"Beleg": ["R1"]}).select(pl.col("Beleg").repeat_by(20_000_000).explode())
    stream = io.BytesIO()
    frame.with_columns(
        pl.col("Beleg").alias(name) for name in ("Pos", "Datum", "Kunde", "Menge", "Netto")
    ).write_parquet(stream)
    (fault,) = loader.one(Delivery({"LINES": {"lines.parquet": stream.getvalue()}})).faults
    assert fault.rule == "unpacks_too_large"


def test_a_file_of_which_almost_no_record_can_be_split_is_refused_and_not_quarantined(
    loader: Loader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_REJECTS", 3)
    assert loader.loaded(of_lines(*["R1;1"] * 3)).tables[0].quarantined == 3
    (fault,) = loader.one(of_lines(*["R1;1"] * 4, batch_id="b2")).faults
    assert (fault.rule, fault.file) == ("too_many_unreadable_records", "lines.csv")
    assert "4 records that cannot be split" in fault.message


def test_megabytes_of_broken_records_hide_none_of_those_below_them(loader: Loader) -> None:
    broken, rest = ["R1;" + "1" * 1000] * 10_000, [line(number) for number in range(2, 102)]
    table = loader.loaded(of_lines(line(1), *broken, *rest)).tables[0]
    assert (table.rows_in, table.accepted, table.quarantined) == (10_101, 101, 10_000)


def test_megabytes_of_broken_records_at_the_end_are_all_told_of(loader: Loader) -> None:
    good = [line(number, customer="K" * 1000) for number in range(8_200)]
    table = loader.loaded(of_lines(*good, *["R1;" + "1" * 1000] * 1_000)).tables[0]
    assert (table.rows_in, table.accepted, table.quarantined) == (9_200, 8_200, 1_000)


def test_a_quote_that_is_not_closed_in_megabytes_refuses_the_file(loader: Loader) -> None:
    hidden = [line(number) for number in range(3, 250_000)]
    (fault,) = loader.one(of_lines(line(1), 'R2;"1;05.05.2025;K1;1;1,00', *hidden)).faults
    assert (fault.rule, fault.row) == ("unclosed_quote", 3)


def test_a_quote_that_is_not_closed_is_found_below_blank_lines_and_other_broken_quotes(
    loader: Loader,
) -> None:
    rows = [line(1), "", "", 'R2;"1"x;05.05.2025;K1;1;1,00', line(3), "", 'R4;"1;05.05.2025;K1;1;1,00']
    table = loader.loaded(of_lines(*rows)).tables[0]
    assert (table.rows_in, table.accepted, table.quarantined) == (4, 2, 2)


def test_a_batch_that_takes_more_memory_than_it_may_is_refused(loader: Loader, tmp_path: Path) -> None:
    batch = read_manifest(of_lines(*(line(number) for number in range(50_000))).write(loader.settings.inbox))
    source = read_source(write_source(tmp_path / "sources", PROFILE))
    with (
        pytest.raises(BatchRefusedError) as refused,
        staging.stage(batch, source, tmp_path / "x.duckdb", memory=2 << 20),
    ):
        pass
    assert [fault.rule for fault in refused.value.faults] == ["too_large_to_read"]


def test_a_manifest_that_speaks_of_another_batch_is_refused_in_one_line(loader: Loader) -> None:
    document = GOOD.manifest()
    document["valuemart"]["batchId"] = "b\n1"
    loader.settings.inbox.mkdir(parents=True, exist_ok=True)
    GOOD.write(loader.settings.inbox, manifest=json.dumps(document).encode())
    (outcome,) = loader.load()
    assert (outcome.faults[0].rule, "\n" in str(outcome.faults[0])) == ("manifest_misplaced", False)


# The manifest.


@pytest.mark.parametrize(
    "path",
    [
        "../other/lines.csv",
        "sub/../../lines.csv",
        "/etc/passwd",
        "..",
        "..\\lines.csv",
        "C:\\lines.csv",
        "lines.csv\0",
        "~/x/../../y",
    ],
)
def test_a_path_that_leads_out_of_the_batch_is_refused(loader: Loader, path: str) -> None:
    GOOD.write(loader.settings.inbox, manifest=manifest(path=[path]))
    (outcome,) = loader.load()
    assert outcome.status == "refused"
    assert outcome.faults[0].rule in {"path_outside_batch", "manifest_incomplete"}


@pytest.mark.parametrize("target", ["a file", "a folder"])
def test_a_link_out_of_the_inbox_is_refused(loader: Loader, target: str) -> None:
    outside = loader.root / "outside"
    outside.mkdir()
    (outside / "lines.csv").write_bytes(lines(line(1)))
    folder = GOOD.write(loader.settings.inbox, manifest=manifest(path=["sub/lines.csv"]))
    if target == "a folder":
        (folder / "sub").symlink_to(outside)
    else:
        (folder / "sub").mkdir()
        (folder / "sub" / "lines.csv").symlink_to(outside / "lines.csv")
    (outcome,) = loader.load()
    assert outcome.faults[0].rule == "path_outside_batch"


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_folder_of_the_inbox_that_is_a_link_out_of_it_is_refused_and_stays(
    loader: Loader, depth: int
) -> None:
    elsewhere = loader.root / "elsewhere"
    folder = GOOD.write(elsewhere)
    linked = folder.relative_to(elsewhere).parts[:depth]
    place = loader.settings.inbox.joinpath(*linked)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(elsewhere.joinpath(*linked))
    (outcome,) = loader.load()
    assert (outcome.status, outcome.faults[0].rule) == ("refused", "path_outside_batch")
    assert loader.load() == []
    assert (folder / "lines.csv").exists()


@pytest.mark.parametrize(
    "name",
    [
        'LINES"',
        "LINES'; DROP TABLE erp.invoice_lines; --",
        "lines; ATTACH 'x'",
        "LINES\n",
        "resource.LINES",
        "",
        "*",
    ],
)
def test_a_resource_whose_name_is_none_of_the_sources_is_refused(loader: Loader, name: str) -> None:
    GOOD.write(loader.settings.inbox, manifest=manifest(name=name))
    (outcome,) = loader.load()
    assert outcome.faults[0].rule in {"unknown_resource", "manifest_incomplete"}
    assert loader.column("SELECT count(*) FROM erp.invoice_lines") == [0]


def test_a_company_and_a_batch_may_be_named_like_sql_and_are_only_names(loader: Loader) -> None:
    name = "x'); DROP TABLE erp.invoice_lines; --"
    outcome = loader.loaded(replace(GOOD, company=name, batch_id=name))
    assert outcome.status == "loaded"
    assert loader.query("SELECT company_code, batch_id FROM erp.invoice_lines") == [(name, name)]


# The files: what they say is data wherever it stands.

HOSTILE = [
    "'; DROP TABLE erp.invoice_lines; --",
    "x\"; ATTACH 'x.duckdb' AS x; --",
    "{batch}",
    ":name",
    "$stale",
    "%s",
    "?",
    "\\",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_header_is_only_a_name(loader: Loader, text: str) -> None:
    quoted = '"' + text.replace('"', '""') + '"'
    content = lines(
        line(1) + ";a", line(2, net="x") + ";b", header=f"Beleg;Pos;Datum;Kunde;Menge;Netto;{quoted}"
    )
    loader.loaded(Delivery({"LINES": {"lines.csv": content}}))
    assert loader.column("SELECT document_id FROM erp.invoice_lines") == ["R1"]
    (raw,) = loader.column("SELECT raw FROM quarantine.row")
    assert json.loads(raw)[text] == "b"
    assert_conserved(loader)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_cell_is_only_a_value(loader: Loader, text: str) -> None:
    quoted = '"' + text.replace('"', '""') + '"'
    loader.loaded(of_lines(f"{quoted};1;05.05.2025;K1;1;1,00", f"R2;{quoted};05.05.2025;K1;1;{quoted}"))
    assert loader.column("SELECT document_id FROM erp.invoice_lines") == [text]
    assert text in loader.column("SELECT raw_value FROM quarantine.reason")


@pytest.mark.parametrize(
    "name", ["li'nes.csv", 'li"nes.csv', "*.csv", "l[i]nes.csv", "lines.csv; ATTACH 'x'", "{x}.csv"]
)
def test_a_file_may_have_any_name_and_no_other_file_is_read_for_it(loader: Loader, name: str) -> None:
    folder = Delivery({"LINES": {name: lines(line(1))}}).write(loader.settings.inbox)
    (folder / "another.csv").write_bytes(lines(line(2)))
    (folder / "lines.csv").write_bytes(lines(line(3)))
    assert [outcome.status for outcome in loader.load()] == ["loaded"]
    assert loader.query("SELECT document_id, source_file FROM erp.invoice_lines") == [("R1", name)]


# The SQL of a source: it reads the batch, and nothing else.

STATEMENTS = [
    "ATTACH '{outside}/x.duckdb' AS x", "COPY (SELECT 1) TO '{outside}/x.csv'", "INSTALL httpfs", "LOAD httpfs",
    "SET enable_external_access = true", "SET lock_configuration = false", "PRAGMA database_list", "EXPORT DATABASE '{outside}'",
    "CREATE TABLE x AS SELECT 1", "DROP SCHEMA resource CASCADE", "CALL pragma_version()", "CHECKPOINT",
]  # fmt: skip
READS = [
    "read_csv('/etc/passwd')", "read_text('/etc/passwd')", "read_blob('/etc/passwd')", "'/etc/passwd'", "glob('/etc/*')",
    "read_csv('{outside}/secret.csv')", "read_parquet('{outside}/*.parquet')", "read_json('{outside}/secret.csv')",
    "sniff_csv('{outside}/secret.csv')", "read_csv('{other}/lines.csv')", "read_csv('https://example.org/x.csv')",
]  # fmt: skip


@pytest.fixture
def places(loader: Loader) -> dict[str, str]:
    """A folder with a secret, and another batch."""
    outside = loader.root / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("a\nsecret\n")
    other = replace(GOOD, company="OTHER").write(loader.settings.inbox, ready=False)
    return {"outside": str(outside), "other": str(other)}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_source_can_state_nothing_but_a_select(
    loader: Loader, places: dict[str, str], statement: str
) -> None:
    loader.source(sql={"invoice_lines": f"{statement.format(**places)}; {SQL['invoice_lines']}"})
    before = sorted(loader.root.rglob("*"))
    (fault,) = loader.one(GOOD).faults
    assert (fault.rule, "one SELECT only" in fault.message) == ("source_mapping", True)
    assert [path for path in loader.root.rglob("x.*") if path not in before] == []


@pytest.mark.parametrize("read", READS)
def test_a_source_can_read_no_file_but_the_batchs(loader: Loader, places: dict[str, str], read: str) -> None:
    loader.source(
        sql={
            "invoice_lines": f"{SQL['invoice_lines']} WHERE (SELECT count(*) FROM {read.format(**places)}) > 0"
        }
    )
    (fault,) = loader.one(GOOD).faults
    assert fault.rule == "source_mapping"
    assert "secret" not in fault.message.replace("secret.csv", "")


@pytest.fixture
def locked(loader: Loader, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The very instance that a source's SQL runs in."""
    batch = read_manifest(GOOD.write(loader.settings.inbox))
    source = read_source(write_source(tmp_path / "sources", PROFILE))
    scratch = tmp_path / "scratch" / "x.duckdb"
    delivery = delivered.Delivery.of(batch, source, None)
    checks.check_files(delivery, scratch)
    connection = staging.open_locked(scratch, delivery)
    yield connection
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [*STATEMENTS[:3], *STATEMENTS[4:6], "SET allowed_paths = ['/etc/passwd']", "RESET allowed_paths"],
)
def test_the_instance_itself_is_locked_were_a_statement_to_get_through(
    locked: duckdb.DuckDBPyConnection, places: dict[str, str], statement: str
) -> None:
    with pytest.raises(duckdb.Error, match=r"disabled|locked|Cannot"):
        locked.execute(statement.format(**places))


def test_the_instance_reads_the_batchs_own_files(locked: duckdb.DuckDBPyConnection, loader: Loader) -> None:
    (landed,) = landing.scan_inbox(loader.settings.inbox).ready
    assert locked.execute(f"SELECT count(*) FROM read_csv('{landed.folder}/lines.csv')").fetchall() == [(1,)]
