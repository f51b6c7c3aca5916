"""What is wrong with a setting, in one line: its key, where it was set, and what it may be."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from flows.errors import UserError
from flows.settings.model import PREFIX, Settings
from flows.settings.sinks import KINDS, keys_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class SettingsError(UserError):
    """A setting is wrong; the message names the key, where it was set, and what it may be."""


def format_error(fault: ErrorDetails, file: Path | None) -> str:
    """A fault that pydantic found; `file` is where the value stood unless a variable of that name is set."""
    said = fault["msg"].removeprefix("Value error, ")
    if not fault["loc"]:
        return f"{file or 'the variables'}: {said}"  # of several keys, which it names
    key = str(fault["loc"][0])
    variable = PREFIX + key.upper()
    place = variable if variable in os.environ else str(file)
    inside = fault["loc"][1:]
    if fault["type"] == "extra_forbidden" and not inside:
        return f"{place}: there is no setting {key!r}; {nearest(key, sorted(Settings.model_fields))}"
    if key == "sinks" and inside:
        return f"{place}: {_format_sink_error(fault)}"
    deeper = "".join(f"[{part!r}]" for part in inside if part != "[key]")
    return f"{place}: {key}{deeper}: {said}"


def _format_sink_error(fault: ErrorDetails) -> str:
    name, *rest = (str(part) for part in fault["loc"][1:])
    kind, *keys = rest or [""]  # pydantic names the kind that it checked against
    if fault["type"] == "union_tag_not_found":
        return f"sinks.{name}: name its kind: {', '.join(KINDS)}"
    if fault["type"] == "union_tag_invalid":
        given = str(fault["input"].get("kind")) if isinstance(fault["input"], dict) else ""
        return f"sinks.{name}: there is no kind {given!r}; {nearest(given, list(KINDS), 'kinds')}"
    if fault["type"] == "extra_forbidden":
        return f"sinks.{name}: a {kind} sink has no setting {keys[0]!r}; {nearest(keys[0], keys_of(kind))}"
    where = ".".join(["sinks", name, *(key for key in keys if key != "[key]")])
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}"


def nearest(name: str, known: list[str], what: str = "settings") -> str:
    """The known name that was probably meant, else all of them."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]}?" if near else f"the {what} are {', '.join(known)}"
