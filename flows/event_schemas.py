"""Writes the JSON Schemas of the events' payloads, or checks that they are up to date: `python -m flows.event_schemas`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from expectations.generated import PROJECT, write_or_check
from flows.event_types import DATA_TYPES, schema_id

if TYPE_CHECKING:
    from flows.event_types import Data

SCHEMAS_FOLDER: Path = PROJECT / "docs" / "events"


def schema_path(data: type[Data]) -> Path:
    """Where the schema of a payload is kept."""
    return SCHEMAS_FOLDER / f"{data.type}.schema.json"


def schema_text(data: type[Data]) -> str:
    """The JSON Schema (2020-12) of a payload as it is sent."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_id(data),
        **data.model_json_schema(mode="serialization"),
        "title": data.type,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(max(write_or_check(schema_path(data), schema_text(data), sys.argv[1:]) for data in DATA_TYPES))
