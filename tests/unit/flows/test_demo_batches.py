"""The sample company's batches: vouched for by true manifests, in their two dialects, and dirty by name."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

import polars as pl
import pytest

from flows.demo.dirt import KINDS
from flows.demo.hanse_erp import RELEASE_CHANGE, german
from tests.unit.flows.demo_inbox import Inbox, land
from warehouse.delivery.manifest import read_manifest
from warehouse.delivery.profile import BUILT_IN, read_source

AMOUNTS = {"VBRP": ("NETWR",), "OPOS": ("Betrag", "Amount"), "ZAHL": ("Betrag",)}


@pytest.fixture(scope="module")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Inbox:
    return land(tmp_path_factory.mktemp("inbox"), customers=400)


def records(folder: Path, path: str) -> list[list[str]]:
    erp = folder.parts[-3] == "hanse_erp"
    text = (folder / path).read_bytes().decode("latin-1" if erp else "utf-8")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=";" if erp else ","))


def amount(text: str) -> Decimal:
    """What a person reads in 1.234,50-; 0 where it is no number."""
    digits = text.removesuffix("-").replace(".", "").replace(",", ".")
    try:
        return -Decimal(digits) if text.endswith("-") else Decimal(digits)
    except InvalidOperation:
        return Decimal(0)


def test_a_manifest_tells_the_truth_about_its_files(inbox: Inbox) -> None:
    for folder, manifest in inbox.manifests():
        for resource in manifest["resources"]:
            content = (folder / resource["path"]).read_bytes()
            assert resource["bytes"] == len(content)
            assert resource["hash"] == "sha256:" + hashlib.sha256(content).hexdigest()
            assert resource["valuemart"]["rows"] == len(records(folder, resource["path"])) - 1


def test_a_control_total_is_the_sum_of_what_can_be_read(inbox: Inbox) -> None:
    checked = 0
    for folder, manifest in inbox.manifests():
        for resource in manifest["resources"]:
            header, *rows = records(folder, resource["path"])
            for stated in resource["valuemart"].get("controlTotals", {}).values():
                place = next(header.index(name) for name in AMOUNTS[resource["name"]] if name in header)
                assert Decimal(stated) == sum(amount(row[place]) for row in rows if len(row) == len(header))
                checked += 1
    assert checked == 3 * 36


def test_a_batch_says_when_it_was_extracted_and_in_which_order(inbox: Inbox) -> None:
    orders: dict[str, list[tuple[int, date]]] = {}
    for folder in inbox.batches:
        batch = read_manifest(folder)
        assert (folder / "_SUCCESS").exists()
        orders.setdefault(batch.source, []).append((batch.sequence, batch.extracted_at.date()))
        assert batch.extracted_at.hour == 2
    following = [*inbox.world.months[1:], date(2025, 7, 1)]
    assert orders == {source: list(enumerate(following, start=1)) for source in ("hanse_erp", "hanse_crm")}


def test_the_mark_of_a_whole_batch_is_written_last(inbox: Inbox) -> None:
    for folder in inbox.batches:
        written = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
        assert written["_SUCCESS"] == max(written.values())


def test_every_batch_fits_its_source_s_profile(inbox: Inbox) -> None:
    for folder, manifest in inbox.manifests():
        resources = read_source(BUILT_IN / folder.parts[-3]).profile.resources
        delivered = {resource["name"] for resource in manifest["resources"]}
        assert {name for name, each in resources.items() if each.required} <= delivered <= set(resources)


def test_a_master_lands_only_when_it_is_new_or_changed(inbox: Inbox) -> None:
    seen: dict[str, list[str]] = {}
    deliveries = 0
    for folder, manifest in inbox.manifests():
        for resource in manifest["resources"]:
            if resource["name"] in {"KNA1", "MARA"}:
                _, *rows = records(folder, resource["path"])
                assert rows
                deliveries += 1
                for row in rows:
                    assert seen.get(row[0]) != row
                    seen[row[0]] = row
    assert len(seen) == 400 + 72
    assert deliveries < 2 * 36


def test_every_kind_of_dirt_is_there_within_two_months(inbox: Inbox) -> None:
    for first in range(0, 36, 2):
        found: Counter[str] = Counter()
        for folder in inbox.batches[2 * first : 2 * first + 4]:
            if folder.parts[-3] == "hanse_erp":
                found.update(dirt(folder))
        assert set(found) == set(KINDS)


def dirt(folder: Path) -> list[str]:
    """The kinds of dirt of one batch's billing items, found by looking at them as a careful reader would."""
    names = {resource.name: resource.paths[0] for resource in read_manifest(folder).resources}
    types = {row[0]: row[1] for row in records(folder, names["VBRK"])[1:]}
    header, *rows = records(folder, names["VBRP"])
    keys = Counter((row[0], row[1]) for row in rows)
    kinds = []
    for row in rows:
        line = dict(zip(header, row, strict=False))
        if len(row) != len(header):
            kinds.append("ragged_record")
        elif line["VBELN"] not in types:
            kinds.append("item_without_header")
        elif keys[line["VBELN"], line["POSNR"]] > 1:
            kinds.append("duplicate_key")
        elif types[line["VBELN"]] not in {"F2", "G2", "L2", "S1", "IV"}:
            kinds.append("unknown_document_type")
        elif not line["KUNAG"]:
            kinds.append("no_customer")
        elif line["FKDAT"].startswith("31.02."):
            kinds.append("unparsable_date")
        elif "O" in line["NETWR"]:
            kinds.append("unparsable_amount")
        elif len(line["NETWR"].rstrip("-").partition(",")[2]) > 4:
            kinds.append("too_many_decimals")
    return kinds


def test_dirt_is_between_one_and_three_rows_in_a_thousand(inbox: Inbox) -> None:
    dirty = sum(len(dirt(folder)) for folder in inbox.batches if folder.parts[-3] == "hanse_erp")
    rows = sum(
        resource.rows or 0
        for folder in inbox.batches
        for resource in read_manifest(folder).resources
        if resource.name == "VBRP"
    )
    assert 0.001 <= dirty / rows <= 0.003


def test_dirt_is_no_document_that_anybody_owes_for(inbox: Inbox) -> None:
    """What a rating should find must not depend on which rows were quarantined."""
    owed = inbox.connect().sql("SELECT count(*) FROM OPOS WHERE coalesce(Rechnung, Invoice) >= '0099'")
    assert owed.fetchall() == [(0,)]


@pytest.mark.parametrize(
    ("cents", "text"),
    [
        (0, "0,00"),
        (-5, "0,05-"),
        (99_999, "999,99"),
        (100_000, "1.000,00"),
        (-123_456_789, "1.234.567,89-"),
        (100_000_005, "1.000.000,05"),
        (123_456_789_012, "1.234.567.890,12"),
        (None, None),
    ],
)
def test_the_erp_writes_points_a_comma_and_the_minus_behind(cents: int | None, text: str | None) -> None:
    assert pl.select(german(pl.lit(cents, pl.Int64))).item() == text


def test_the_erp_has_negative_amounts_umlauts_and_codes_with_leading_zeros(inbox: Inbox) -> None:
    connection = inbox.connect()
    negative, zeros = connection.sql(
        "SELECT count(*) FILTER (NETWR LIKE '%-'), bool_and(VBELN LIKE '00%') FROM VBRP"
    ).fetchall()[0]
    assert negative > 0
    assert zeros
    assert (
        connection.sql("SELECT count(*) FROM KNA1 WHERE NAME1 LIKE '%ö%' OR NAME1 LIKE '%ü%'").fetchall()[0][
            0
        ]
        > 0
    )


def test_the_open_items_report_changes_its_headers_and_their_order_with_the_release(inbox: Inbox) -> None:
    reports = [
        records(folder, resource["path"])[0]
        for folder, manifest in inbox.manifests()
        for resource in manifest["resources"]
        if resource["name"] == "OPOS"
    ]
    german_headers, english = reports[RELEASE_CHANGE - 1], reports[RELEASE_CHANGE]
    assert german_headers[:2] == ["Belegnummer", "Debitor"]
    assert english[:2] == ["Customer", "Document"]
    assert all(header == english for header in reports[RELEASE_CHANGE:])


def test_the_crm_quotes_text_with_commas_and_line_breaks_and_drops_leading_zeros(inbox: Inbox) -> None:
    connection = inbox.connect()
    broken = connection.sql(
        """SELECT count(*) FROM ACTIVITIES WHERE contains("Subject", chr(10)) AND contains("Subject", ',')"""
    )
    assert broken.fetchall()[0][0] > 0
    unknown = connection.sql(
        """SELECT count(*) FROM ACTIVITIES WHERE length("Account") <> 6
           OR '0000' || "Account" NOT IN (SELECT KUNNR FROM KNA1)"""
    )
    assert unknown.fetchall() == [(0,)]
