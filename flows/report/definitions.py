"""What each figure means and where it comes from: said once a page, and pointed to from wherever the figure stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from markupsafe import Markup, escape

from flows.wording.words import Localized, label, read
from transforms.measures.descriptor import MEASURES

DEFINITIONS = Path(__file__).with_name("definitions.yaml")

_OF_MEASURES: Final[dict[str, dict[str, Any]]] = {
    f"customer_value.{each.column}": {"title": each.label, "en": each.doc.en, "zh": each.doc.zh}
    for each in MEASURES
}


@dataclass(frozen=True, slots=True)
class Definition:
    """A figure's name, its meaning, its unit where it is a column that has one, and the columns it comes from."""

    anchor: str
    title: Localized
    meaning: Localized
    unit: Localized | None
    columns: tuple[str, ...]


@dataclass(slots=True)
class Glossary:
    """The definitions that one page used, in the order in which it used them.

    `columns` is the mart's column dictionary, by table.column.
    """

    columns: Mapping[str, Mapping[str, Any]]
    used: dict[str, Definition] = field(default_factory=dict)
    _terms: dict[tuple[str, Localized | str | None], Markup] = field(default_factory=dict)
    _captions: dict[tuple[str, str, Localized], Markup] = field(default_factory=dict)

    def look_up(self, key: str) -> Definition:
        """A figure's definition; KeyError where none is written. The page will list it."""
        if key not in self.used:
            self.used[key] = define(key, self.columns)
        return self.used[key]

    def title(self, key: str) -> Localized:
        """A figure's name."""
        return self.look_up(key).title

    def term(self, key: str, text: Localized | str | None = None) -> Markup:
        """A name that tells its definition: a link to it, which the page's script shows on hover and on focus."""
        if (key, text) not in self._terms:
            found = self.look_up(key)
            named = escape(found.title if text is None else text)
            self._terms[key, text] = Markup(f'<a class="def" href="#{found.anchor}">{named}</a>')  # noqa: S704
        return self._terms[key, text]

    def origin(self, key: str) -> Markup:
        """The tables that a figure comes from."""
        tables = dict.fromkeys(column.partition(".")[0] for column in self.look_up(key).columns)
        return Markup('<span class="from">{}</span>').format(", ".join(tables))

    def caption(self, key: str, id_: str, title: Localized) -> Markup:
        """What stands above a card: its name, which tells its definition, and the tables it comes from."""
        if (key, id_, title) not in self._captions:
            self._captions[key, id_, title] = Markup('<figcaption><h3 id="{}">{}</h3>{}</figcaption>').format(
                id_, self.term(key, title), self.origin(key)
            )
        return self._captions[key, id_, title]


def define(key: str, columns: Mapping[str, Mapping[str, Any]]) -> Definition:
    """The definition of a figure, its English from the mart's column dictionary where the figure is a column.

    A measure is described where it is measured; KeyError for a figure that nothing describes.
    """
    written = _OF_MEASURES.get(key, {}) | read(DEFINITIONS).get(key, {})
    if not written:
        raise KeyError(key)
    column = columns.get(key, {"description": "", "unit": None})
    english = written["en"] if "en" in written else column["description"]
    return Definition(
        anchor=f"def-{key.replace('.', '-')}",
        title=Localized(*written["title"]),
        meaning=Localized(english, written["zh"]),
        unit=label("unit", column["unit"]) if column["unit"] else None,
        columns=tuple(written.get("of", key).split(", ")),
    )
