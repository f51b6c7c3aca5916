"""The two languages: every text is said in both, and a page shows the one that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup, escape

CHINESE = "zh-Hans"

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Localized:
    """A text in English and in Chinese. As HTML it is two elements, of which the style sheet shows one."""

    en: str
    zh: str

    def __html__(self) -> Markup:
        return _elements("span", self.en, self.zh)

    @property
    def svg(self) -> Markup:
        """The same for inside an SVG text."""
        return _elements("tspan", self.en, self.zh)


@lru_cache(4_096)  # a page says the same words hundreds of times, and there may be a thousand pages
def _elements(name: str, en: str, zh: str) -> Markup:
    if en == zh:
        return escape(en)
    english, chinese = escape(en), escape(zh)
    return Markup(f'<{name} lang="en">{english}</{name}><{name} lang="{CHINESE}">{chinese}</{name}>')  # noqa: S704 - escaped


def same(text: str) -> Localized:
    """A text that both languages write alike: a name, a code, a number."""
    return Localized(text, text)


@cache
def read(file: Path) -> Any:
    """A file of texts in both languages."""
    # libyaml's loader, if there is one: the plain one takes a third of a second for these files.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(file.read_text(encoding="utf-8"), loader)  # noqa: S506 - both are the safe one


@cache
def words() -> Any:
    """Codes by group, each in both languages; what a measure is called is said where it is described."""
    # What shows no reason needs no measures, which take a while to import.
    from transforms.measures.descriptor import MEASURES

    groups = read(FOLDER / "words.yaml")
    measures = {each.name: [each.label.en.lower(), each.label.zh] for each in MEASURES}
    return groups | {"subject": measures | groups["subject"]}


@lru_cache(4_096)
def label(group: str, code: str | None) -> Localized:
    """What a code of the mart is called; null is the group's empty entry; an unknown code stands for itself."""
    pair = words()[group].get(code or "")
    return Localized(*pair) if pair else same(code or "–")
