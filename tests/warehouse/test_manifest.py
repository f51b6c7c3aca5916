"""What `datapackage.json` says is written and read by the same models; a wrong entry is named with its resource."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.inbox import landing
from flows.settings import Settings
from tests.warehouse.making import Delivery, lines
from warehouse.delivery.manifest import (
    MANIFEST,
    About,
    BatchResource,
    Correction,
    Manifest,
    Taking,
    Watermark,
    Window,
    read_manifest,
)
from warehouse.errors import BatchRefusedError

NAMES = st.text("abcXYZ019_-. äß客", min_size=1, max_size=8)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1))
DAYS = st.dates(date(1990, 1, 1), date(2100, 1, 1))
WINDOWS = st.tuples(DAYS, DAYS).map(lambda days: Window(min(days), max(days)))


def taking_of(**given: Any) -> Taking:
    """`st.builds` would take the placeholders of defaults in a model's signature for values."""
    return Taking(**given)


def about_of(**given: Any) -> About:
    return About(**given)


TAKINGS = st.one_of(
    st.builds(
        taking_of,
        mode=st.sampled_from(["full_snapshot", "delta_upsert", "key_set"]),
        rows=st.none() | st.integers(0, 10**9),
        control_totals=st.dictionaries(NAMES, st.decimals(-1000, 1000, places=4).map(str), max_size=2),
        is_reference=st.booleans(),
        plain=st.booleans(),
    ),
    WINDOWS.map(lambda window: Taking(mode="window_replace", window=window)),
)
RESOURCES = st.builds(
    lambda name, paths, taking: BatchResource(
        name=name, paths=tuple(paths), hashes=("0" * 64,) * len(paths), taking=taking
    ),
    NAMES,
    st.lists(NAMES, min_size=1, max_size=3),
    TAKINGS,
)
ABOUTS = st.builds(
    about_of,
    source=NAMES,
    company=NAMES,
    batch_id=NAMES,
    sequence=st.integers(-(10**18) + 1, 10**18 - 1),
    extracted_at=MOMENTS,
    supersedes=st.none() | NAMES,
    watermarks=st.dictionaries(
        NAMES, st.builds(Watermark, since=st.none() | MOMENTS, until=st.none() | MOMENTS), max_size=2
    ),
    settings=st.dictionaries(NAMES, NAMES, max_size=2),
    corrects=st.none()
    | st.builds(
        Correction, batch_id=NAMES, rows=st.lists(st.tuples(NAMES, NAMES, st.integers(1, 10**6))).map(tuple)
    ),
)


@settings(max_examples=40)
@given(ABOUTS, st.lists(RESOURCES, max_size=3))
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, about: About, resources: list[BatchResource]
) -> None:
    folder, manifest = tmp_path_factory.mktemp("batch"), Manifest(about=about, resources=tuple(resources))
    manifest.write(folder)
    assert Manifest.read(folder / MANIFEST) == manifest


def test_a_manifest_is_read_as_data_package_writes_it(tmp_path: Path) -> None:
    delivery = Delivery(
        {"LINES": {"lines.csv": lines()}}, totals={"LINES": {"net": "12.50"}}, rows={"LINES": 0}
    )
    document = delivery.manifest()
    document["valuemart"]["extractedAt"] = "2025-06-01T04:00:00+02:00"
    document["resources"][0]["hash"] = ["SHA256:ignored".lower()]
    folder = delivery.write(tmp_path, manifest=document)
    (resource,) = (batch := read_manifest(folder)).resources
    assert batch.extracted_at == datetime(2025, 6, 1, 2)
    assert (resource.hashes, resource.rows) == (("ignored",), 0)
    assert resource.taking.control_totals == {"net": Decimal("12.50")}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("resources.0.hash", None, "resource 'LINES', resources.0.hash"),
        ("resources.0.path", [], "resource 'LINES', resources.0: needs one hash a path"),
        ("resources.0.path.0", 7, "resource 'LINES', resources.0.path.0"),
        ("resources.0.valuemart", "x", "resource 'LINES', resources.0.valuemart: is no object"),
        ("resources.0.valuemart.rows", "many", "resource 'LINES', resources.0.valuemart.rows"),
        ("resources.0.valuemart.rows", 10**30, "resource 'LINES', resources.0.valuemart.rows"),
        ("resources.0.valuemart.controlTotals", {"net": "NaN"}, "controlTotals.net: the control total 'NaN'"),
        ("resources.0.name", 7, "resources.0.name"),
        ("valuemart.extractedAt", 7, "valuemart.extractedAt: 7 is no instant"),
        ("valuemart.watermarks", {"LINES": {"since": "noon"}}, "valuemart.watermarks.LINES.since"),
        ("valuemart.corrects", {"rows": []}, "lacks the entry 'batchId' of valuemart.corrects"),
    ],
)
def test_an_entry_of_the_wrong_form_is_named_by_its_path(
    tmp_path: Path, path: str, value: Any, said: str
) -> None:
    delivery = Delivery({"LINES": {"lines.csv": lines()}})
    document: Any = delivery.manifest()
    place, (*outer, last) = document, path.split(".")
    for part in outer:
        place = place[int(part) if part.isdigit() else part]
    place[int(last) if last.isdigit() else last] = value
    folder = delivery.write(tmp_path, manifest=json.loads(json.dumps(document)))
    with pytest.raises(BatchRefusedError) as refused:
        read_manifest(folder)
    (fault,) = refused.value.faults
    assert (fault.rule, fault.file) == ("manifest_incomplete", MANIFEST)
    assert said in fault.message


def test_the_same_files_of_the_same_moment_are_the_same_batch_in_every_version(tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("customer_id,name\nK1,Eins\n")
    landed = landing.land(
        Settings(home=tmp_path / "home"),
        [str(tmp_path / "customers.csv")],
        source="generic_csv",
        company="1000",
        extracted_at=datetime(2026, 2, 1, 6, tzinfo=UTC),
    )
    assert landed.batch_id == "20260201T060000Z-a36ed53f238e"
