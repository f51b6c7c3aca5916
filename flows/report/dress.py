"""What every page wears: one style, one script, words in both languages, numbers rounded for the eye."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from pathlib import Path

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from flows.wording import numbers
from flows.wording.reasons import localized
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


def environment(*folders: Path, saying: Mapping[str, object]) -> Environment:
    """The report's templates, and those of other folders that extend `base.html`; `saying` is what they may call beside SAYING.

    A page lets in the style and the script that stand in it by their hashes, and no other.
    """
    made = Environment(
        loader=FileSystemLoader([*folders, _TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_COMPILED,
    )
    made.globals.update(SAYING | dict(saying))
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


def _extent(part: Decimal, of: Decimal) -> str:
    """A part of a bar of 100."""
    return f"{max(0.0, min(100.0, float(part) / float(of) * 100)) if of else 0:.1f}"


def _score(value: Decimal | None) -> str:
    return "–" if value is None else numbers.grouped(value, 1)


def _labelled(title: Localized) -> Markup:
    """The heading of a cell's column, for where a narrow page shows a row as lines."""
    return Markup('data-en="{}" data-zh="{}"').format(title.en, title.zh)


# What the templates may call.
SAYING: dict[str, object] = {
    "label": label,
    "localized": localized,
    "filled": filled,
    "labelled": _labelled,
    "grouped": numbers.grouped,
    "short": numbers.short,
    "exact": numbers.exact,
    "share": numbers.share,
    "signed_share": numbers.signed_share,
    "signed_short": partial(numbers.short, plus=True),
    "signed_exact": numbers.signed_exact,
    "trimmed": numbers.trimmed,
    "month": numbers.month,
    "day": numbers.day,
    "score": _score,
    "extent": _extent,
}
