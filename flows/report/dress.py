"""What every page wears: one style, one script, words in both languages, numbers rounded for the eye."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from flows.report.filters import FILTERS
from flows.wording.words import Localized, label, same

_TEMPLATES = Path(__file__).parent / "templates"


class _CompiledOnce(BytecodeCache):
    """Each report has an environment of its own; its templates are compiled once in a process, which takes 0.3 s."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if code := self._compiled.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _CompiledOnce()


class _Environment(Environment):
    """A page asks for values of rows, which are dicts, thousands of times: there is no need to look for an attribute first."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """What a template calls `obj.attribute`."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def environment(
    *folders: Path,
    saying: Mapping[str, object],
    filters: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
) -> Environment:
    """The report's templates, and those of other folders that extend `base.html`.

    `saying` is what they may name, `filters` how they may write a value, beside what all may. A page lets in the style and the script that stand in it by their hashes, and no other.
    """
    made = _Environment(
        loader=FileSystemLoader([*folders, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_COMPILED,
        auto_reload=False,  # no template changes while a report is made, and each page would look at five files
    )
    made.filters.update(FILTERS | dict(filters))
    made.globals.update({"filled": filled, **saying})
    for name, file in (("style", "style.css"), ("script", "script.js")):
        text = made.get_template(file).render()
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        made.globals.update({name: Markup(text), f"{name}_hash": f"sha256-{digest}"})  # noqa: S704 - our own files
    return made


def filled(group: str, code: str, *texts: str | Localized) -> Localized:
    """A word with a place for each figure."""
    said = label(group, code)
    figures = [same(text) if isinstance(text, str) else text for text in texts]
    return Localized(
        said.en.format(*(each.en for each in figures)), said.zh.format(*(each.zh for each in figures))
    )
