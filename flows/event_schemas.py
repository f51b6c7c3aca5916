"""Writes what describes the events, or checks that it is up to date: `python -m flows.event_schemas [--check]`.

From the models come one JSON Schema a type and the AsyncAPI document, both in docs/events. What was published of a
schema is kept in docs/events/published: a schema that would break its readers is neither written nor passed by
`--check`. `--publish` keeps a version that is new.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from expectations.generated import PROJECT, write_or_check
from flows.event_types import DATA_TYPES, SCHEMA_VERSION, schema_id
from flows.schema_compatibility import breaks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.event_types import Data

SCHEMAS_FOLDER: Path = PROJECT / "docs" / "events"


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
    for path in sorted(published_path(data, SCHEMA_VERSION).parent.glob("*.schema.json")):
        version = path.name.removesuffix(".schema.json")
        published = path.read_text(encoding="utf-8")
        found += [
            f"{data.type} {version}: {each}" for each in breaks(json.loads(published), json.loads(text))
        ]
        if version == SCHEMA_VERSION and not found and published != text:
            found.append(f"{data.type} {version}: was published with another text; count SCHEMA_VERSION up")
    return found


def main(arguments: Sequence[str]) -> int:
    """Write or check everything; the exit code, 1 on drift or where a reader would break."""
    from flows.async_api import ASYNC_API, async_api_text

    found = [each for data in DATA_TYPES for each in incompatibilities(data, schema_text(data))]
    for each in found:
        sys.stderr.write(f"{each}\n")
    if found:
        sys.stderr.write("readers of a published schema would break; what must change needs a new type\n")
        return 1
    texts = {schema_path(data): schema_text(data) for data in DATA_TYPES} | {ASYNC_API: async_api_text()}
    kept = {published_path(data, SCHEMA_VERSION): schema_text(data) for data in DATA_TYPES}
    if "--publish" in arguments:
        texts |= kept
    elif missing := [path for path in kept if not path.exists()]:
        sys.stderr.write(
            f"{missing[0].relative_to(PROJECT)} is missing: run `python -m flows.event_schemas --publish`\n"
        )
        return 1
    return max(write_or_check(path, text, arguments) for path, text in texts.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
