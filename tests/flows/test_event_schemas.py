"""The published schemas: a change that would break a consumer is seen, and what breaks nobody passes."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from flows.codegen import event_schemas
from flows.codegen.event_schemas import (
    ASYNC_API,
    async_api,
    async_api_text,
    gone_too_early,
    incompatibilities,
    published_path,
    schema_path,
    schema_text,
)
from flows.codegen.schema_compatibility import breaks
from flows.events.types import DATA_TYPES, ConductFlagged, Data, TierChanged, schema_id
from tests.flows.event_examples import EXAMPLES

Schema = dict[str, Any]
PUBLISHED: Schema = json.loads(schema_text(TierChanged))


def mutated(change: Callable[[Schema, Schema], object]) -> list[str]:
    """What is found after a change to the schema of tier.changed, given whole and by its definitions."""
    current = copy.deepcopy(PUBLISHED)
    change(current["properties"], current["$defs"])
    return breaks(PUBLISHED, current)


@pytest.mark.parametrize("data", DATA_TYPES, ids=lambda data: data.type)
def test_no_consumer_of_a_published_schema_breaks(data: type[Data]):
    assert incompatibilities(data, schema_text(data)) == []
    assert published_path(data, data.schema_version).exists(), (
        "run `python -m flows.codegen.event_schemas --publish`"
    )


@pytest.mark.parametrize("data", DATA_TYPES, ids=lambda data: data.type)
def test_a_schema_is_open_to_fields_that_come_later(data: type):
    assert "additionalProperties" not in schema_text(data)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda fields, _: fields.pop("to_tier"), "data.to_tier: is gone"),
        (lambda fields, _: fields["revision"].update(type="string"), "data.revision: was integer, is string"),
        (
            lambda fields, _: fields["as_of"].update(format="date-time"),
            "data.as_of: format was date, is date-time",
        ),
        (lambda fields, _: fields["direction"]["enum"].append("none"), "data.direction: may be 'none' now"),
        (
            lambda fields, _: fields["direction"].pop("enum"),
            "data.direction: may be any value now, and was one of up, down, lateral",
        ),
        (lambda fields, _: fields["to_rank"].update(maximum=7), "data.to_rank: maximum was 6, is 7"),
        (lambda fields, _: fields["to_rank"].pop("minimum"), "data.to_rank: minimum was 2, is none"),
        (
            lambda fields, _: fields.update(as_of={"anyOf": [fields["as_of"], {"type": "null"}]}),
            "data.as_of: was string, is null",
        ),
        (
            lambda fields, _: fields["score_to"]["anyOf"].append({"type": "number"}),
            "data.score_to: was string, is number",
        ),
        (
            lambda fields, _: fields["reasons"]["anyOf"][0].update(maxLength=2000),
            "data.reasons: maxLength was 1000, is 2000",
        ),
        (lambda _, defs: defs["Driver"]["properties"].pop("points"), "data.drivers[].points: is gone"),
        (
            lambda _, defs: defs["ExpectedTierMove"]["properties"]["direction"]["enum"].append("sideways"),
            "data.expected.direction: may be 'sideways' now",
        ),
        (
            lambda _, defs: defs["Driver"]["properties"]["points"].update(pattern=".*"),
            r"data.drivers[].points: pattern was ^-?[0-9]+(\.[0-9]+)?$, is .*",
        ),
        (
            lambda fields, _: fields["drivers"].pop("items"),
            "data.drivers[]: items are not described any more",
        ),
    ],
    ids=lambda value: value.split(":")[0] + value.split(":")[1] if isinstance(value, str) else "",
)
def test_a_change_that_breaks_a_consumer_is_found(change: Callable[[Schema, Schema], object], found: str):
    assert mutated(change) == [found]


def test_a_field_that_may_be_missing_now_is_found():
    current = copy.deepcopy(PUBLISHED)
    current["required"].remove("to_tier")
    assert breaks(PUBLISHED, current) == ["data.to_tier: may be missing now"]


@pytest.mark.parametrize(
    "change",
    [
        lambda fields, _: fields.update(more={"type": "string"}),
        lambda _, defs: defs["Driver"]["properties"].update(unit={"type": "string"}),
        lambda fields, _: fields["direction"]["enum"].remove("lateral"),
        lambda fields, _: fields["to_rank"].update(maximum=5),
        lambda fields, _: fields.update(from_tier=fields["from_tier"]["anyOf"][0]),
        lambda fields, _: fields["raw_tier"].update(description="Said better."),
        lambda fields, defs: fields.update(policy=defs["PolicyStamp"]),
    ],
    ids=[
        "a field",
        "a field deeper",
        "a value less",
        "a narrower bound",
        "never null now",
        "prose",
        "no reference",
    ],
)
def test_a_change_that_breaks_nobody_passes(change: Callable[[Schema, Schema], object]):
    assert mutated(change) == []


def test_every_way_to_change_a_leaf_is_found():
    """Whatever simple field of whatever type becomes a boolean, somebody would stumble."""
    for data in DATA_TYPES:
        published = json.loads(schema_text(data))
        for place in _leaves(published):
            current = copy.deepcopy(published)
            _at(current, place).clear()
            _at(current, place)["type"] = "boolean"
            assert breaks(published, current), f"{data.type}: {place}"


def _leaves(schema: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, each in schema.get("properties", {}).items():
        if "$ref" not in each:
            yield (*place, "properties", name)
    if not place:
        for name, each in schema.get("$defs", {}).items():
            yield from _leaves(each, ("$defs", name))


def _at(schema: Any, place: tuple[str, ...]) -> Any:
    for part in place:
        schema = schema[part]
    return schema


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of docs/events in which a test may publish."""
    monkeypatch.setattr(event_schemas, "SCHEMAS_FOLDER", tmp_path)
    return tmp_path


def test_a_published_text_stays_as_it_is_even_where_nobody_would_break(folder: Path):
    path = published_path(ConductFlagged, ConductFlagged.schema_version)
    path.parent.mkdir(parents=True)
    path.write_text(schema_text(ConductFlagged).replace("Why it cannot be assessed.", "Why not."))
    (found,) = incompatibilities(ConductFlagged, schema_text(ConductFlagged))
    assert "was published with another text; count its schema_version up" in found


def test_an_earlier_version_is_held_to_as_well(folder: Path):
    earlier = json.loads(schema_text(ConductFlagged))
    earlier["properties"]["found_by"] = {"type": "string"}
    path = published_path(ConductFlagged, "0.9")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(earlier))
    assert incompatibilities(ConductFlagged, schema_text(ConductFlagged)) == [
        f"{ConductFlagged.type} 0.9: data.found_by: is gone"
    ]


def test_the_async_api_document_is_that_of_the_models():
    assert ASYNC_API.read_text(encoding="utf-8") == async_api_text(), "run `make docs`"


def test_the_async_api_document_has_every_type_in_every_channel_and_no_loose_reference():
    document = yaml.safe_load(async_api_text())
    types = {data.type for data in DATA_TYPES}
    assert document["asyncapi"] == "3.0.0"
    assert set(document["components"]["messages"]) == types
    assert all(set(channel["messages"]) == types for channel in document["channels"].values())
    for reference in _references(document):
        found: Any = document
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    for each in value if isinstance(value, list) else []:
        yield from _references(each)


@pytest.mark.parametrize("type_", [data.type for data in DATA_TYPES])
def test_an_event_is_what_the_async_api_document_says(type_: str):
    document = async_api()
    payload = {**document["components"]["messages"][type_]["payload"], "components": document["components"]}
    validator = jsonschema.Draft202012Validator(payload)
    validator.validate(EXAMPLES[type_])
    for name in EXAMPLES[type_]:
        assert list(validator.iter_errors({key: v for key, v in EXAMPLES[type_].items() if key != name})), (
            name
        )
    other = {**EXAMPLES[type_], "type": "valuemart.customer.other.v1"}
    assert [error.message for error in validator.iter_errors(other)] == [f"'{type_}' was expected"]


@pytest.mark.parametrize("data", DATA_TYPES, ids=lambda data: data.type)
def test_the_schema_lies_where_its_name_says(data: type):
    assert json.loads(schema_path(data).read_text(encoding="utf-8"))["title"] == data.type


OLD, NEW = "valuemart.customer.tier.changed.v1", "valuemart.customer.tier.changed.v2"


def test_a_version_of_one_schema_leaves_those_of_the_others_as_they_are(monkeypatch: pytest.MonkeyPatch):
    before = {data: schema_id(data) for data in DATA_TYPES}
    monkeypatch.setattr(ConductFlagged, "schema_version", "1.1")
    changed = {data for data in DATA_TYPES if schema_id(data) != before[data]}
    assert changed == {ConductFlagged}
    assert schema_id(ConductFlagged) == f"urn:valuemart:schema:{ConductFlagged.type}:1.1"


@pytest.mark.parametrize(
    ("releases", "too_early"),
    [
        (["0.3.0", "0.2.0"], True),
        (["0.4.0", "0.3.0", "0.2.0"], True),
        (["0.5.0", "0.4.0", "0.3.0", "0.2.0"], False),
    ],
    ids=["in the same release", "after one more", "after two more"],
)
def test_a_superseded_type_is_sent_for_two_releases_beside_the_new_one(releases: list[str], too_early: bool):
    assert bool(gone_too_early([OLD, NEW], [NEW], {OLD: "0.3.0"}, releases)) == too_early
    assert not gone_too_early([OLD, NEW], [OLD, NEW], {OLD: "0.3.0"}, releases)


def test_a_published_type_that_nothing_took_the_place_of_may_not_go():
    assert gone_too_early([OLD], [NEW], {}, ["0.3.0"]) == [
        f"{OLD}: was published, is not sent any more, and nothing took its place"
    ]
