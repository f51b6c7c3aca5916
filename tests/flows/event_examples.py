"""The events that docs/consuming-events.md shows, by type."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "consuming-events.md"


def blocks(language: str) -> list[str]:
    """The page's code blocks in a language, in order."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def program(name: str) -> str:
    """A program of the page, by the name in its first line."""
    (found,) = (block for block in blocks("python") if block.startswith(f"# {name}"))
    return found


EXAMPLES: dict[str, dict[str, Any]] = {event["type"]: event for event in map(json.loads, blocks("json"))}
