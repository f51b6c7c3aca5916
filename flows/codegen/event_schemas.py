"""Writes what describes the events, or checks that it is up to date: `python -m flows.codegen.event_schemas [--check]`.

From the models come one JSON Schema a type and the AsyncAPI document, both in docs/events. What was published of a
schema is kept in docs/events/published: a schema that would break its readers is neither written nor passed by
`--check`. `--publish` keeps a version that is new.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic.json_schema import models_json_schema

from expectations.codegen.generated import PROJECT, write_or_check
from flows.codegen.schema_compatibility import breaks
from flows.delivery.registry import SINKS
from flows.events.types import DATA_TYPES, LARGEST, SUPERSEDED, schema_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from flows.events.types import Data

SCHEMAS_FOLDER: Path = PROJECT / "docs" / "events"
ASYNC_API = SCHEMAS_FOLDER / "asyncapi.yaml"

DOCUMENT_VERSION = "1.0"
RELEASES_BESIDE = 2

_REF = "#/components/schemas/{model}"
_STRUCTURED = "application/cloudevents+json"


def schema_path(data: type[Data]) -> Path:
    """Where the schema of a payload is kept."""
    return SCHEMAS_FOLDER / f"{data.type}.schema.json"


def published_path(data: type[Data], version: str) -> Path:
    """Where a published version of it is kept."""
    return SCHEMAS_FOLDER / "published" / data.type / f"{version}.schema.json"


def schema_text(data: type[Data]) -> str:
    """The JSON Schema (2020-12) of a payload as it is sent. It is open: a later version may add fields."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_id(data),
        **without_closing(data.model_json_schema(mode="serialization")),
        "title": data.type,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def without_closing(schema: Any) -> Any:
    """A schema that lets unknown fields pass: the models refuse them, but readers of an earlier version must not."""
    if isinstance(schema, dict):
        return {
            key: without_closing(value)
            for key, value in schema.items()
            if not (key == "additionalProperties" and value is False)
        }
    return [without_closing(each) for each in schema] if isinstance(schema, list) else schema


def incompatibilities(data: type[Data], text: str) -> list[str]:
    """Where a schema, as text, breaks what was published of its type."""
    found = []
    for path in sorted(published_path(data, data.schema_version).parent.glob("*.schema.json")):
        version = path.name.removesuffix(".schema.json")
        published = path.read_text(encoding="utf-8")
        found += [
            f"{data.type} {version}: {each}" for each in breaks(json.loads(published), json.loads(text))
        ]
        if version == data.schema_version and not found and published != text:
            found.append(
                f"{data.type} {version}: was published with another text; count its schema_version up"
            )
    return found


def async_api() -> dict[str, Any]:
    """The document as a value."""
    channels = {kind: sink.channel for kind, sink in SINKS.items() if sink.channel is not None}
    _, definitions = models_json_schema([(data, "serialization") for data in DATA_TYPES], ref_template=_REF)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "valuemart events",
            "version": DOCUMENT_VERSION,
            "description": (
                "What changes in a customer's value, credit and conduct, as CloudEvents 1.0. At least once, each "
                "customer's events in order: drop an id that was seen, and a sequence below the customer's last one. "
                f"An event takes less than {LARGEST // 1024} KiB."
            ),
        },
        "defaultContentType": _STRUCTURED,
        "channels": {
            kind: {
                "address": channel.address,
                "description": channel.description,
                **({"bindings": channel.bindings} if channel.bindings else {}),
                "messages": {
                    data.type: {"$ref": f"#/components/messages/{data.type}"} for data in DATA_TYPES
                },
            }
            for kind, channel in channels.items()
        },
        "operations": {
            f"sendTo{kind.capitalize()}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{kind}"},
                **({"bindings": channel.sending} if channel.sending else {}),
            }
            for kind, channel in channels.items()
        },
        "components": {
            "messages": {data.type: _message(data) for data in DATA_TYPES},
            "schemas": {"CloudEvent": _envelope(), **without_closing(definitions["$defs"])},
        },
    }


def async_api_text() -> str:
    """The document as it is kept."""
    return yaml.safe_dump(async_api(), sort_keys=False, allow_unicode=True, width=120)


def _message(data: type[Data]) -> dict[str, Any]:
    return {
        "name": data.type,
        "title": data.__name__,
        "summary": inspect.getdoc(data),
        "contentType": _STRUCTURED,
        "bindings": {"kafka": {"key": {"type": "string", "description": "The event's partitionkey."}}},
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": data.type},
                        "dataschema": {"const": schema_id(data)},
                        "data": {"$ref": _REF.format(model=data.__name__)},
                    },
                },
            ]
        },
    }


def _envelope() -> dict[str, Any]:
    """What `Event.body` puts around a payload."""
    fields = {
        "specversion": {"const": "1.0"},
        "id": {
            "type": "string",
            "format": "uuid",
            "description": "The same for the same facts; drop a repetition.",
        },
        "source": {"type": "string", "format": "uri-reference", "description": "`/valuemart/<tenant>`."},
        "type": {"type": "string"},
        "subject": {"type": "string", "description": "`<company_code>/<customer_id>`."},
        "partitionkey": {"type": "string", "description": "The same as the subject."},
        "sequence": {
            "type": "string",
            "pattern": "^[0-9]{20}$",
            "description": "Rises with each event of a customer, over all types; sorts as text.",
        },
        "time": {
            "type": "string",
            "format": "date-time",
            "description": "Business time: the day the rating speaks for.",
        },
        "recordedtime": {
            "type": "string",
            "format": "date-time",
            "description": "When the event was written.",
        },
        "datacontenttype": {"const": "application/json"},
        "dataschema": {
            "type": "string",
            "format": "uri",
            "description": "Name and version of the schema of `data`.",
        },
        "data": {"type": "object"},
    }
    return {"type": "object", "required": list(fields), "properties": fields}


def gone_too_early(
    published: Iterable[str], sent: Collection[str], superseded: Mapping[str, str], releases: Sequence[str]
) -> list[str]:
    """Which published types are not sent any more, though two releases have not passed since another took their place.

    `superseded`: the release that brought the other type, by type; `releases`: the latest first.
    """
    found = []
    for type_ in sorted(set(published) - set(sent)):
        since = superseded.get(type_)
        if since is None:
            found.append(f"{type_}: was published, is not sent any more, and nothing took its place")
        elif since not in releases or releases.index(since) < RELEASES_BESIDE:
            found.append(
                f"{type_}: is to be sent for {RELEASES_BESIDE} releases after {since}, which brought another"
            )
    return found


def _gone_too_early() -> list[str]:
    published = [folder.name for folder in (SCHEMAS_FOLDER / "published").iterdir()]
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"(?m)^## v?(\d+\.\d+\.\d+)", changelog)
    return gone_too_early(published, [data.type for data in DATA_TYPES], SUPERSEDED, releases)


def main(arguments: Sequence[str]) -> int:
    """Write or check everything; the exit code, 1 on drift or where a reader would break."""
    found = [each for data in DATA_TYPES for each in incompatibilities(data, schema_text(data))]
    found += _gone_too_early()
    for each in found:
        sys.stderr.write(f"{each}\n")
    if found:
        sys.stderr.write("readers of a published schema would break; what must change needs a new type\n")
        return 1
    texts = {schema_path(data): schema_text(data) for data in DATA_TYPES} | {ASYNC_API: async_api_text()}
    kept = {published_path(data, data.schema_version): schema_text(data) for data in DATA_TYPES}
    if "--publish" in arguments:
        texts |= kept
    elif missing := [path for path in kept if not path.exists()]:
        sys.stderr.write(
            f"{missing[0].relative_to(PROJECT)} is missing: run `python -m flows.codegen.event_schemas --publish`\n"
        )
        return 1
    return max(write_or_check(path, text, arguments) for path, text in texts.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
