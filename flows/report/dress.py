"""What every page wears: one style, one script, words in both languages, numbers rounded for the eye."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache, partial
from pathlib import Path

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from jinja2.ext import Extension
from markupsafe import Markup, escape

from flows.wording import numbers
from flows.wording.reasons import localized, moved_by
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


class _WordsInPlace(Extension):
    """Words that are the same on every page are looked up when a template is compiled, not twenty thousand times."""

    _WORD = re.compile(r"""\{\{ (labelled\()?label\("(\w+)", "(\w+)"\)(?(1)\)) \}\}""")

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002 - the interface's
        """Put the words into the template's source."""
        return self._WORD.sub(_said, source)


def _said(word: re.Match[str]) -> str:
    is_heading, group, code = word.groups()
    said = label(group, code)
    return str(_labelled(said) if is_heading else escape(said))


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
        extensions=[_WordsInPlace],
        auto_reload=False,  # no template changes while a report is made, and each page would look at five files
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


@lru_cache(256)
def _labelled(title: Localized) -> Markup:
    """The heading of a cell's column, for where a narrow page shows a row as lines."""
    return Markup(f'data-en="{escape(title.en)}" data-zh="{escape(title.zh)}"')  # noqa: S704 - escaped


# What the templates may call.
SAYING: dict[str, object] = {
    "label": label,
    "localized": localized,
    "moved_by": moved_by,
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
