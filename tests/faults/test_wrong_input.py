"""One night on which everything is wrong that can be: each batch gets what it deserves, and the good one loads."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from flows.cli import main
from flows.inbox import landing
from flows.pipeline import stages
from flows.pipeline.rate import default_policy
from tests.warehouse.making import (
    COMPANY,
    PROFILE,
    SQL,
    Delivery,
    Loader,
    assert_conserved,
    customers,
    line,
    lines,
    of_customers,
    of_lines,
    write_source,
)
from transforms.policy.errors import PolicyError
from warehouse.store.ledger import BatchOutcome

pytestmark = pytest.mark.slow

MAY = ("2025-05-01", "2025-05-31")
TWO_LINES = lines(line(1), line(2))
GOOD = of_lines(line(1), line(2), batch_id="good")
LINES_SQL = SQL["invoice_lines"]


def manifest(change: Callable[[dict[str, Any]], object]) -> bytes:
    """The true manifest of two lines, with something changed in it."""
    document = replace(GOOD, batch_id="case").manifest()
    change(document)
    return json.dumps(document).encode()


def mode_of(document: dict[str, Any], mode: str, window: Sequence[str] = ()) -> None:
    stated = {"window": dict(zip(("from", "to"), window, strict=True))} if window else {}
    document["resources"][0]["valuemart"].update(mode=mode, **stated)


def with_file(name: str, content: bytes, **about: Any) -> Delivery:
    return Delivery({"LINES": {name: content}}, **about)


@dataclass(frozen=True)
class Fault:
    """A batch that must be refused: how it is written, and what must be said of it."""

    rule: str
    said: tuple[str, ...]
    refused: int = 0
    delivery: Delivery = GOOD
    manifest: bytes | None = None
    sql: str | None = None
    profile: dict[str, Any] | None = None
    before: Delivery | None = None
    prepare: Callable[[Path], object] = lambda _: None


def parquet(tmp: Path) -> bytes:
    file = tmp / "lines.parquet"
    pl.DataFrame({"Beleg": ["R1"]}).write_parquet(file)
    return file.read_bytes()


def excel() -> bytes:
    return b"PK\x03\x04" + b"\x14\x00\x06\x00" * 20


FAULTS: dict[str, Fault] = {
    # Files that are not what the manifest or their name says.
    "bad_hash": Fault(
        "hash_mismatch",
        ("lines.csv", "deliver it again"),
        manifest=manifest(lambda m: m["resources"][0].update(hash=["sha256:" + "0" * 64])),
    ),
    "missing_file": Fault(
        "file_missing", ("lines.csv",), prepare=lambda folder: (folder / "lines.csv").unlink()
    ),
    "empty_file": Fault("empty_file", ("lines.csv",), delivery=with_file("lines.csv", b"")),
    "csv_is_excel": Fault(
        "wrong_file_type", ("lines.csv", "Excel"), delivery=with_file("lines.csv", excel())
    ),
    "csv_is_gzip": Fault(
        "wrong_file_type", ("lines.csv", "gzip"), delivery=with_file("lines.csv", gzip.compress(TWO_LINES))
    ),
    "csv_is_parquet": Fault(
        "wrong_file_type", ("lines.csv", "Parquet"), delivery=with_file("lines.csv", b"PAR1" + b"\0" * 40)
    ),
    "gzip_is_plain": Fault(
        "wrong_file_type", ("lines.csv.gz",), delivery=with_file("lines.csv.gz", TWO_LINES)
    ),
    "gzip_of_excel": Fault(
        "wrong_file_type",
        ("lines.csv.gz", "Excel"),
        delivery=with_file("lines.csv.gz", gzip.compress(excel())),
    ),
    "zstandard_is_plain": Fault(
        "wrong_file_type", ("lines.csv.zst",), delivery=with_file("lines.csv.zst", TWO_LINES)
    ),
    "parquet_is_plain": Fault(
        "wrong_file_type", ("lines.parquet",), delivery=with_file("lines.parquet", TWO_LINES)
    ),
    "parquet_is_cut": Fault(
        "unreadable_file", ("lines.parquet",), delivery=with_file("lines.parquet", b"PAR1" + b"\0" * 40)
    ),
    # DuckDB takes the part that can be unpacked for the whole of it.
    "gzip_is_cut": Fault(
        "unreadable_file",
        ("lines.csv.gz", "cut or damaged"),
        delivery=with_file("lines.csv.gz", gzip.compress(lines(*map(line, range(3000))))[:-2000]),
    ),
    "zstandard_is_cut": Fault(
        "unreadable_file",
        ("lines.csv.zst", "cut or damaged"),
        delivery=with_file(
            "lines.csv.zst",
            pa.compress(lines(*map(line, range(3000))), codec="zstd", asbytes=True)[:-2000],
        ),
    ),
    "wrong_encoding": Fault(
        "wrong_encoding",
        ("lines.csv", "row 3", "0xfc", "UTF-8"),
        delivery=with_file("lines.csv", lines(line(1)) + "R2;1;05.05.2025;Müller;1;1,00\n".encode("latin-1")),
    ),
    "wrong_encoding_in_gzip": Fault(
        "wrong_encoding",
        ("lines.csv.gz", "row 3"),
        delivery=with_file(
            "lines.csv.gz", gzip.compress(lines(line(1)) + "R2;Müller\n".encode("latin-1"))
        ),
    ),
    "encoding_cut_at_the_end": Fault(
        "wrong_encoding", ("row 3",), delivery=with_file("lines.csv", lines(line(1)) + "R2;ü".encode()[:-1])
    ),
    "blank_first_line": Fault(
        "missing_header", ("lines.csv", "row 1"), delivery=with_file("lines.csv", b"\n" + TWO_LINES)
    ),
    "quote_never_closed": Fault(
        "unclosed_quote",
        ("lines.csv", "row 3", "the 2 lines after it"),
        delivery=with_file("lines.csv", lines(line(1), 'R2;"1;05.05.2025;K1;1;1,00', line(3), line(4))),
    ),
    # Columns.
    "missing_column": Fault(
        "missing_column",
        ("lines.csv", "row 1", "column Netto", "Betrag"),
        refused=2,
        delivery=with_file("lines.csv", TWO_LINES.replace(b"Netto", b"Betrag")),
    ),
    # Resources.
    "missing_resource": Fault(
        "missing_resource",
        ("CUSTOMERS", "customers*"),
        profile=PROFILE | {"resources": {**PROFILE["resources"], "CUSTOMERS": {**PROFILE["resources"]["CUSTOMERS"], "required": True}}},
    ),
    "unknown_resource": Fault(
        "unknown_resource", ("VBRP", "CUSTOMERS, LINES"), delivery=Delivery({"VBRP": {"lines.csv": TWO_LINES}})
    ),
    # What the sender counted and summed.
    "wrong_row_count": Fault(
        "row_count_mismatch", ("lines.csv", "3", "2 arrived"), 2, replace(GOOD, rows={"LINES": 3})
    ),
    "wrong_control_total": Fault(
        "control_total_mismatch",
        ("lines.csv", "column net", "21.00", "20"),
        2,
        replace(GOOD, totals={"LINES": {"net": "21.00"}}),
    ),
    "unknown_control_total": Fault(
        "unknown_control_total", ("'amount'",), 2, replace(GOOD, totals={"LINES": {"amount": "1"}})
    ),
    # Snapshots.
    "empty_snapshot": Fault("empty_snapshot", ("customers.csv", "tombstones"), delivery=of_customers()),
    "shrunk_snapshot": Fault(
        "snapshot_shrunk",
        ("customers.csv", "lacks 3 of 4 live rows of customers", "50%", "shrink_limit"),
        1,
        of_customers("K1;Eins"),
        before=of_customers("K1;Eins", "K2;Zwei", "K3;Drei", "K4;Vier", batch_id="yesterday", sequence=-1),
    ),
    "window_over_rows_without_a_date": Fault(
        "window_without_date",
        ("customers.csv", "CUSTOMERS", "full_snapshot"),
        1,
        replace(of_customers("K1;Eins"), mode="window_replace", window=MAY),
    ),
    # The manifest.
    "window_is_missing": Fault(
        "manifest_incomplete", ("LINES", "no window"), manifest=manifest(lambda m: mode_of(m, "window_replace"))
    ),
    "window_of_a_delta": Fault(
        "manifest_incomplete",
        ("LINES", "delta_upsert", "a window"),
        manifest=manifest(lambda m: mode_of(m, "delta_upsert", MAY)),
    ),
    "window_ends_before_it_begins": Fault(
        "manifest_incomplete",
        ("before it begins",),
        manifest=manifest(lambda m: mode_of(m, "window_replace", MAY[::-1])),
    ),
    "no_manifest": Fault(
        "manifest_missing",
        ("datapackage.json",),
        prepare=lambda folder: (folder / "datapackage.json").unlink(),
    ),
    "broken_json": Fault("manifest_unreadable", ("datapackage.json", "line 1 column"), manifest=b'{"name": '),
    "json_but_no_manifest": Fault("manifest_incomplete", ("datapackage.json",), manifest=b"[1, 2]"),
    "lacks_an_entry": Fault(
        "manifest_incomplete",
        ("datapackage.json", "'hash'"),
        manifest=manifest(lambda m: m["resources"][0].pop("hash")),
    ),
    "no_resources": Fault(
        "manifest_incomplete", ("no resource",), manifest=manifest(lambda m: m.update(resources=[]))
    ),
    "resource_twice": Fault(
        "manifest_ambiguous",
        ("the resource 'LINES' twice",),
        manifest=manifest(lambda m: m["resources"].append(m["resources"][0])),
    ),
    "file_twice": Fault(
        "manifest_ambiguous",
        ("the file 'lines.csv' twice",),
        manifest=manifest(lambda m: m["resources"].append({**m["resources"][0], "name": "CUSTOMERS"})),
    ),
    "unknown_mode": Fault(
        "manifest_incomplete",
        ("LINES", "'merge'", "full_snapshot, window_replace, delta_upsert, key_set"),
        manifest=manifest(lambda m: m["resources"][0]["valuemart"].update(mode="merge")),
    ),
    "no_time": Fault(
        "manifest_incomplete",
        ("yesterday",),
        manifest=manifest(lambda m: m["valuemart"].update(extractedAt="yesterday")),
    ),
    "sequence_is_text": Fault(
        "manifest_incomplete",
        ("sequence 'seven'",),
        manifest=manifest(lambda m: m["valuemart"].update(sequence="seven")),
    ),
    "unknown_setting": Fault(
        "unknown_setting",
        ("datapackage.json", "amountBasis = 'internal'", "It has none"),
        manifest=manifest(lambda m: m["valuemart"].update(settings={"amountBasis": "internal"})),
    ),
    "another_place": Fault(
        "manifest_misplaced",
        (f"/{COMPANY}/elsewhere, but lies in", f"/{COMPANY}/case"),
        manifest=manifest(lambda m: m["valuemart"].update(batchId="elsewhere")),
    ),
    "path_upwards": Fault(
        "path_outside_batch",
        ("datapackage.json", "../lines.csv"),
        manifest=manifest(lambda m: m["resources"][0].update(path=["../lines.csv"])),
    ),
    "absolute_path": Fault(
        "path_outside_batch",
        ("/etc/passwd",),
        manifest=manifest(lambda m: m["resources"][0].update(path=["/etc/passwd"])),
    ),
    "windows_path": Fault(
        "path_outside_batch", (), manifest=manifest(lambda m: m["resources"][0].update(path=["a\\lines.csv"]))
    ),
    "path_with_nul": Fault(
        "manifest_incomplete", (), manifest=manifest(lambda m: m["resources"][0].update(path=["lines\0.csv"]))
    ),
    "symlink_out": Fault(
        "path_outside_batch",
        ("lines.csv", "out of the batch folder"),
        prepare=lambda folder: (
            (folder / "lines.csv").rename(folder.parents[3] / "elsewhere.csv"),
            (folder / "lines.csv").symlink_to(folder.parents[3] / "elsewhere.csv"),
        ),
    ),
    # The source.
    "sql_names_no_column": Fault(
        "source_mapping", ("invoice_lines.sql", "nett", "Mend"), 2, sql=LINES_SQL.replace(" net AS", " nett AS", 1)
    ),
    "sql_is_none": Fault("source_mapping", ("invoice_lines.sql", "Parser Error"), 2, sql="SELEKT 1"),
    "sql_is_empty": Fault("source_mapping", ("invoice_lines.sql", "one SELECT"), 2, sql="-- later"),
    "sql_gives_no_row_handle": Fault(
        "source_mapping", ("_row", "untouched"), 2, sql=LINES_SQL.replace("_file, _row", "_file, _row.number AS _row")
    ),
    "sql_gives_surplus": Fault(
        "source_mapping", ("no column discount",), 2, sql=LINES_SQL.replace("_file,", "0 AS discount, _file,")
    ),
    "sql_lacks_a_column": Fault(
        "source_mapping", ("does not give uom",), 2, sql=LINES_SQL.replace("'ST' AS uom,", "")
    ),
    "sql_makes_floats": Fault(
        "source_mapping", ("net_amount is DOUBLE",), 2, sql=LINES_SQL.replace("net AS net_amount,", "net::DOUBLE AS net_amount,")
    ),
    "sql_fans_out": Fault(
        "source_mapping",
        ("2 rows more than one a record of LINES", "make it match one"),
        2,
        sql=LINES_SQL.replace("FROM LINES", "FROM LINES CROSS JOIN (VALUES (1), (2)) AS twice(i)"),
    ),
    "sql_adds_rows": Fault(
        "source_mapping",
        ("1 rows that are of no record of LINES",),
        2,
        sql=LINES_SQL.replace("FROM LINES", "FROM LINES RIGHT JOIN (VALUES ('R1'), ('R2'), ('R9')) AS all_of(document) USING (document)"),
    ),
    "sql_reads_files": Fault(
        "source_mapping",
        ("invoice_lines.sql", "/etc/passwd", "disabled by configuration"),
        2,
        sql=LINES_SQL.replace("FROM LINES", "FROM LINES, read_csv('/etc/passwd')"),
    ),
    "sql_attaches": Fault("source_mapping", ("ATTACH", "one SELECT"), 2, sql=f"ATTACH 'x.duckdb' AS x; {LINES_SQL}"),
    "sql_copies": Fault("source_mapping", ("COPY", "one SELECT"), 2, sql=f"COPY (SELECT 1) TO 'x.csv'; {LINES_SQL}"),
    "sql_sets": Fault("source_mapping", ("SET", "one SELECT"), 2, sql="SET enable_external_access = true"),
    "sql_breaks_out": Fault(
        "source_mapping",
        ("Parser Error",),
        2,
        sql="SELECT 1) AS given; COPY (SELECT 1) TO 'x.csv'; SELECT (1",
    ),
    "date_format_is_none": Fault(
        "source_mapping",
        ("profile.yaml", "resources.LINES"),
        2,
        profile=PROFILE | {"defaults": {**PROFILE["defaults"], "date_formats": ["%Q"]}},
    ),
    "encoding_is_none": Fault(
        "source_mapping",
        ("'klingon'", "utf-8"),
        profile=PROFILE | {"defaults": {**PROFILE["defaults"], "encoding": "klingon"}},
    ),
    "profile_has_a_typo": Fault(
        "source_mapping",
        ("profile.yaml", "defaults.delimitter"),
        profile=PROFILE | {"defaults": {"delimitter": ";"}},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Night:
    loader: Loader
    outcomes: dict[str, BatchOutcome]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Every faulty batch, each of a source of its own, and a good one, in one load."""
    loader = Loader(tmp_path_factory.mktemp("night"))
    loader.source()
    loader.load(
        *[
            replace(fault.before, source=f"shop_{name}")
            for name, fault in FAULTS.items()
            if fault.before and write_case_source(loader, name, fault)
        ]
    )
    for name, fault in FAULTS.items():
        write_case_source(loader, name, fault)
        text = fault.manifest.replace(b'"shop"', f'"shop_{name}"'.encode()) if fault.manifest else None
        delivery = replace(fault.delivery, source=f"shop_{name}", batch_id="case")
        fault.prepare(delivery.write(loader.settings.inbox, manifest=text))
    outcomes = loader.load(GOOD, replace(GOOD, source="no_such_source"))
    return Night(loader, {outcome.batch.source.removeprefix("shop_"): outcome for outcome in outcomes})


def write_case_source(loader: Loader, name: str, fault: Fault) -> Path:
    profile = {**(fault.profile or PROFILE), "source": f"shop_{name}"}
    return write_source(
        loader.root / "sources", profile, {"invoice_lines": fault.sql} if fault.sql is not None else None
    )


@pytest.mark.parametrize("name", FAULTS)
def test_a_batch_that_cannot_be_trusted_is_refused_whole(night: Night, name: str) -> None:
    outcome, fault = night.outcomes[name], FAULTS[name]
    assert (outcome.status, outcome.faults[0].rule) == ("refused", fault.rule), outcome.faults
    said = str(outcome.faults[0])
    assert "\n" not in said
    assert len(said) < 900
    for part in fault.said:
        assert part in said
    assert said.endswith(outcome.faults[0].remedy)
    assert len(outcome.faults[0].remedy) > 10


@pytest.mark.parametrize("name", FAULTS)
def test_the_rows_of_a_refused_batch_are_counted_where_they_can_be(night: Night, name: str) -> None:
    refused = night.loader.query(
        f"""SELECT coalesce(sum(refused), 0)::BIGINT, coalesce(sum(rows_in), 0)::BIGINT FROM ops.batch_table
            WHERE source = 'shop_{name}' AND batch_id = 'case'"""
    )
    assert refused == [(FAULTS[name].refused, FAULTS[name].refused)]


def test_other_batches_of_the_run_load(night: Night) -> None:
    assert night.outcomes["shop"].status == "loaded"
    assert night.loader.column("SELECT count(*) FROM erp.invoice_lines") == [2]


def test_no_row_of_a_refused_batch_enters_or_leaves(night: Night) -> None:
    assert night.loader.column("SELECT DISTINCT source_system FROM erp.invoice_lines") == ["shop"]
    assert night.loader.column("SELECT count(*) FROM erp.customers WHERE NOT is_deleted") == [4]
    assert night.loader.column("SELECT count(*) FROM quarantine.row") == [0]


def test_what_came_in_is_accounted_for(night: Night) -> None:
    assert_conserved(night.loader)


def test_a_batch_of_a_source_that_nobody_described_is_refused(night: Night) -> None:
    outcome = night.outcomes["no_such_source"]
    assert outcome.faults[0].rule == "source_mapping"
    assert "no source 'no_such_source'" in str(outcome.faults[0])
    assert "sources_path" in str(outcome.faults[0])


def test_a_run_with_a_refused_batch_ends_with_3(night: Night) -> None:
    assert night.loader.exit_code(list(night.outcomes.values())) == 3


def test_refused_files_stay_in_the_inbox_and_are_not_tried_again(night: Night) -> None:
    left = {landed.source for landed in landing.scan_inbox(night.loader.settings.inbox).ready}
    assert left == {f"shop_{name}" for name in FAULTS} | {"no_such_source"}
    assert night.loader.load() == []


def test_a_source_cannot_write_beside_the_batch(night: Night) -> None:
    assert not list(night.loader.root.rglob("x.csv"))
    assert not list(night.loader.root.rglob("x.duckdb"))
    assert not Path("x.csv").exists()


@dataclass(frozen=True)
class RowFault:
    """Lines of which some must be put aside: (row, column, rule, raw text) of each reason, and the good ones' rows."""

    content: bytes
    reasons: tuple[tuple[Any, ...], ...]
    good: dict[str, int]
    unread: int = 0


def unread_net(row: int, rule: str, raw: str) -> tuple[tuple[Any, ...], ...]:
    """A net amount that cannot be read is told with its text, and not once more as missing."""
    return ((row, "Netto", rule, raw),)


ROW_FAULTS: dict[str, RowFault] = {
    "short_line": RowFault(
        lines(line(1), "R2;1;05.05.2025", line(3), line(4)),
        ((3, None, "ragged_record", None),),
        {"R1": 2, "R3": 4, "R4": 5},
    ),
    "long_line": RowFault(
        lines(line(1), line(2) + ";x", line(3), "R4;1", line(5)),
        ((3, None, "ragged_record", None), (5, None, "ragged_record", None)),
        {"R1": 2, "R3": 4, "R5": 6},
    ),
    "ragged_first_and_last": RowFault(
        lines("x", line(2), "R3;1;1;1;1;1;1;1"),
        ((2, None, "ragged_record", None), (4, None, "ragged_record", None)),
        {"R2": 3},
    ),
    "among_blank_lines": RowFault(
        lines("", line(1), "", "", "R2;1", line(3), "", line(4), "", ""),
        ((6, None, "ragged_record", None),),
        {"R1": 3, "R3": 7, "R4": 9},
    ),
    "after_a_line_break_inside_quotes": RowFault(
        lines('"R\n\n1";1;05.05.2025;K1;1;1,00', "R2;1", line(3), "R4;1;x;K1;1;1,00"),
        ((3, None, "ragged_record", None), (5, "Datum", "not_a_date", "x")),
        {"R\n\n1": 2, "R3": 4},
    ),
    "broken_quoting": RowFault(
        lines(line(1), '"R"2;1;05.05.2025;K1;1;1,00', line(3)),
        ((3, None, "broken_quoting", None),),
        {"R1": 2, "R3": 4},
    ),
    "unparsable_date": RowFault(
        lines(line(1), line(2, day="31.02.2025"), line(3)),
        ((3, "Datum", "not_a_date", "31.02.2025"),),
        {"R1": 2, "R3": 4},
    ),
    "unparsable_amount": RowFault(
        lines(line(1), line(2, net="12,3x"), line(3, net="1.23")),
        (*unread_net(3, "not_a_number", "12,3x"), *unread_net(4, "not_a_number", "1.23")),
        {"R1": 2},
    ),
    "exponent": RowFault(lines(line(1, net="1,5E3")), unread_net(2, "not_a_number", "1,5E3"), {}),
    "two_numbers_in_one": RowFault(lines(line(1, net="12 34")), unread_net(2, "not_a_number", "12 34"), {}),
    "too_many_decimals": RowFault(
        lines(line(1, net="1,23456"), line(2, net="1,23450")),
        ((2, "Netto", "too_many_digits", "1,23456"),),
        {"R2": 3},
    ),
    "too_large": RowFault(
        lines(line(1, net="123456789012345,00")), unread_net(2, "too_many_digits", "123456789012345,00"), {}
    ),
    "missing_key": RowFault(
        lines(";1;05.05.2025;K1;1;1,00", line(2)), ((2, "document_id", "document_id_missing", None),), {"R2": 3}
    ),
    "duplicate_key": RowFault(
        lines(line(1), line(2), line(1, net="99,00"), line(3)),
        ((2, None, "duplicate_key", None), (4, None, "duplicate_key", None)),
        {"R2": 3, "R3": 5},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """Every dirty batch, each of a company of its own, in one load."""
    loader = Loader(tmp_path_factory.mktemp("dirty"))
    loader.source()
    outcomes = loader.load(
        *[
            with_file("lines.csv", fault.content, batch_id=name, company=name)
            for name, fault in ROW_FAULTS.items()
        ]
    )
    return Night(loader, {outcome.batch.batch_id: outcome for outcome in outcomes})


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_row_that_cannot_be_used_is_put_aside_with_its_place_and_text(dirty: Night, name: str) -> None:
    reasons = dirty.loader.query(
        f"""SELECT row_number, column_name, rule, raw_value FROM quarantine.reason
            WHERE batch_id = '{name}' AND file = 'lines.csv' AND length(message) > 10"""
    )
    assert sorted(reasons, key=repr) == sorted(ROW_FAULTS[name].reasons, key=repr)


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_the_rows_around_it_load_under_the_numbers_a_spreadsheet_shows(dirty: Night, name: str) -> None:
    rows = dirty.loader.query(
        f"SELECT document_id, source_row FROM erp.invoice_lines WHERE company_code = '{name}'"
    )
    assert dict(rows) == ROW_FAULTS[name].good
    assert dirty.outcomes[name].status == "loaded"


def test_the_text_of_a_row_put_aside_is_kept(dirty: Night) -> None:
    texts = dict(
        dirty.loader.query("SELECT batch_id, raw::VARCHAR FROM quarantine.row ORDER BY row_number DESC")
    )
    assert json.loads(texts["short_line"]) == {"record": "R2;1;05.05.2025"}
    assert json.loads(texts["exponent"])["Netto"] == "1,5E3"
    assert json.loads(texts["exponent"])["Beleg"] == "R1"


def test_dirty_rows_are_accounted_for(dirty: Night) -> None:
    assert_conserved(dirty.loader)


def test_dirty_rows_end_a_run_with_0_and_a_strict_one_with_4(dirty: Night) -> None:
    outcomes = list(dirty.outcomes.values())
    assert (dirty.loader.exit_code(outcomes), dirty.loader.exit_code(outcomes, strict=True)) == (0, 4)


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    made = Loader(tmp_path)
    made.source()
    return made


def test_a_batch_without_success_is_not_there_yet(loader: Loader) -> None:
    folder = GOOD.write(loader.settings.inbox, ready=False)
    report = loader.report()
    assert (report.outcomes, report.waiting) == ([], (f"shop/{COMPANY}/good",))
    assert loader.exit_code(report.outcomes, strict=True) == 0
    (folder / "_SUCCESS").touch()
    assert [outcome.status for outcome in loader.load()] == ["loaded"]


def test_a_reordered_header_loads_right(loader: Loader) -> None:
    content = b"Netto;Menge;Weg;Kunde;Datum;Pos;Document;Unbekannt\n7,50;2;;K9;06.05.2025;1;R1;x\n"
    outcome = loader.loaded(with_file("lines.csv", content))
    assert outcome.tables[0].accepted == 1
    found = loader.query(
        "SELECT document_id, customer_id, net_amount::VARCHAR, quantity::VARCHAR FROM erp.invoice_lines"
    )
    assert found == [("R1", "K9", "7.5000", "2.000000")]


def test_a_record_that_the_sql_drops_is_put_aside(loader: Loader) -> None:
    loader.source(sql={"invoice_lines": LINES_SQL + " WHERE document <> 'R2'"})
    outcome = loader.loaded(of_lines(line(1), line(2), "R3;1", line(4)))
    assert (outcome.tables[0].rows_in, outcome.tables[0].accepted) == (4, 2)
    assert [reason[:4] for reason in loader.reasons()] == [
        ("lines.csv", 3, None, "unmatched_by_source_sql"),
        ("lines.csv", 4, None, "ragged_record"),
    ]
    assert json.loads(loader.column("SELECT raw FROM quarantine.row ORDER BY row_number")[0])["Beleg"] == "R2"
    assert loader.column("SELECT source_row FROM erp.invoice_lines ORDER BY ALL") == [2, 5]


def test_a_refused_batch_is_tried_again_when_it_was_mended(loader: Loader) -> None:
    wrong = with_file("lines.csv", TWO_LINES.replace(b"Netto", b"Betrag"))
    assert loader.one(wrong).status == "refused"
    assert loader.load() == []
    assert loader.one(with_file("lines.csv", TWO_LINES)).status == "loaded"
    assert loader.column("SELECT status FROM ops.batch") == ["loaded"]
    assert loader.column("SELECT count(*) FROM ops.refusal") == [0]


def test_a_refused_batch_is_tried_again_when_its_mapping_was_mended(loader: Loader) -> None:
    profile = loader.root / "sources" / "shop" / "profile.yaml"
    right = profile.read_text(encoding="utf-8")
    profile.write_text("source: [", encoding="utf-8")
    assert loader.one(GOOD).faults[0].rule == "source_mapping"
    assert loader.load() == []
    profile.write_text(right, encoding="utf-8")
    assert [outcome.status for outcome in loader.load()] == ["loaded"]


def test_a_snapshot_that_shrank_loads_when_the_limit_is_raised_for_the_run(loader: Loader) -> None:
    loader.loaded(of_customers("K1;Eins", "K2;Zwei", "K3;Drei", number=1))
    assert loader.one(of_customers("K1;Eins", number=2)).faults[0].rule == "snapshot_shrunk"
    loader.with_settings(shrink_limit=0.9)
    (outcome,) = loader.load()
    assert (outcome.status, outcome.tables[0].deleted) == ("loaded", 2)


def test_values_that_are_in_quarantine_cannot_be_part_of_a_control_total(loader: Loader) -> None:
    delivery = of_lines(line(1), line(2, net="x"))
    assert (
        loader.loaded(replace(delivery, totals={"LINES": {"net": "30.00", "quantity": "2"}}))
        .tables[0]
        .quarantined
        == 1
    )


def test_a_look_up_that_cannot_be_read_is_told_of(loader: Loader) -> None:
    """No canonical row would tell of it: what it lacks is simply null in the rows that look there."""
    profile = {**PROFILE, "tables": {"invoice_lines": {"driving": "LINES"}}}
    loader.source(profile)
    delivery = Delivery(
        {
            "LINES": {"lines.csv": TWO_LINES},
            "CUSTOMERS": {"customers.csv": b"Kunde;Firma;Limit\nK1;Eins;abc\nK2\nK3;Drei;1,00\n"},
        }
    )
    outcome = loader.loaded(delivery)
    assert loader.reasons() == [
        ("customers.csv", 2, "Limit", "not_a_number", "abc"),
        ("customers.csv", 3, None, "ragged_record", None),
    ]
    (warning,) = outcome.warnings
    assert warning.startswith("CUSTOMERS: 2 of its 3 records")
    counted = {
        table.name: (table.rows_in, table.accepted, table.quarantined, table.derived)
        for table in outcome.tables
    }
    assert counted == {"invoice_lines": (2, 2, 0, False), "CUSTOMERS": (3, 1, 2, True)}
    assert_conserved(loader)


# The policy.

POLICY_FAULTS = {
    "a_key_with_a_typo": (r"^weight = 40", "wieght = 40", "wieght"),
    "weights_of_nothing": (r"^weight = \d+", "weight = 0", "weight"),
    "a_weight_below_zero": (r"^weight = 40", "weight = -40", "weight"),
    "no_toml": (r"^\[measures.volume\]", "[measures.volume", "TOML"),
}


@pytest.mark.parametrize("name", POLICY_FAULTS)
def test_a_policy_that_cannot_be_is_said_before_anything_is_touched(loader: Loader, name: str) -> None:
    pattern, replacement, said = POLICY_FAULTS[name]
    text, number = re.subn(pattern, replacement, default_policy(), flags=re.MULTILINE)
    assert number, "the shipped policy no longer has such a line"
    loader.settings.policy_file.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match=r"policy\.toml.*") as raised:
        stages.is_current(loader.settings, GOOD.extracted_at.date())
    assert said.lower() in str(raised.value).lower()


@pytest.mark.parametrize("content", [default_policy().encode("utf-16"), b'[policy]\nid = "f\xfcr DE01"'])
def test_a_policy_in_another_encoding_is_one_sentence(loader: Loader, content: bytes) -> None:
    loader.settings.policy_file.write_bytes(content)
    with pytest.raises(PolicyError) as raised:
        stages.is_current(loader.settings, GOOD.extracted_at.date())
    assert raised.value.problems == (
        f"{loader.settings.policy_file}: this is not text in UTF-8; save it anew in this encoding",
    )


# The real command line: Prefect is started once, for all that is wrong at the same time.


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    code = main.run(arguments)
    return code, capsys.readouterr().err.splitlines()


def test_the_command_line_answers_a_wrong_policy_with_2_and_touches_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.mkdir()
    (home / "policy.toml").write_text(
        default_policy().replace("weight = 40", "wieght = 40"), encoding="utf-8"
    )
    GOOD.write(home / "inbox")
    before = sorted(home.rglob("*"))
    code, said = run(capsys, "refresh", "--as-of", "2025-06-30")
    assert code == 2
    assert len(said) >= 1
    assert all(each.startswith("valuemart: error: ") for each in said)
    assert "wieght" in said[-1]
    assert sorted(home.rglob("*")) == before


@pytest.mark.usefixtures("prefect_server")
def test_the_command_line_says_in_one_line_each_what_is_wrong(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_source(tmp_path / "sources")
    monkeypatch.setenv("VALUEMART_SOURCES_PATH", str(tmp_path / "sources"))
    inbox = home / "inbox"
    replace(GOOD, batch_id="late").write(inbox, ready=False)
    Delivery(
        {"LINES": {"lines.csv": lines(line(1), "R2;1")}, "CUSTOMERS": {"c.csv": customers("K1;Eins")}}
    ).write(inbox)
    wrong = with_file("lines.csv", TWO_LINES.replace(b"Netto", b"Betrag"), batch_id="wrong")
    wrong.write(inbox)

    code, said = run(capsys, "refresh", "--as-of", "2025-06-30")
    assert code == 3
    told = [each for each in said if "refused" in each or "warning" in each or "waiting" in each]
    assert [each.split(":")[1].strip() for each in told] == [
        "warning", f"refused shop/{COMPANY}/wrong", "waiting",
    ]  # fmt: skip
    assert "lines.csv, row 1, column Netto: the column 'Netto' is missing [missing_column]" in told[1]
    assert "invoice_lines: 1 of 2 rows" in told[0]

    hand_made = replace(GOOD, batch_id="more", files={"LINES": {"lines.csv": lines(line(7), "R8;1")}})
    hand_made.write(inbox)
    assert run(capsys, "refresh", "--as-of", "2025-06-30", "--strict")[0] == 4
    assert run(capsys, "refresh", "--as-of", "2025-06-30", "--strict")[0] == 0
