"""How the templates write a value: `{{ row.net_sales|exact }}`.

A filter is called as it is, where Jinja asks a function first what it wants to be told, and a macro makes a context of its own: a
page has hundreds of values. What is written of constants alone (`{{ "back"|label("page") }}`) is written once, when the template
is compiled; what notes its use in the page's glossary asks for the context, so that it is not.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache, partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from jinja2 import pass_context
from markupsafe import Markup

from flows.wording import numbers, words
from flows.wording.reasons import localized, moved_by
from flows.wording.words import Localized

if TYPE_CHECKING:
    from jinja2.runtime import Context

_NONE = Markup('<span class="none">–</span>')
_ARROWS = {"up": ("good", "▲"), "down": ("bad", "▼")}


def label(code: str | None, group: str) -> Localized:
    """What a code of the mart is called."""
    return words.label(group, code)


@lru_cache(256)
def labelled(title: Localized) -> Markup:
    """The heading of a cell's column, for where a narrow page shows a row as lines."""
    return Markup('data-en="{}" data-zh="{}"').format(title.en, title.zh)


@pass_context
def term(context: Context, key: str, text: Localized | str | None = None) -> Markup:
    """A figure's name, or the text in its place, which tells its definition."""
    found: Markup = context["glossary"].term(key, text)
    return found


@pass_context
def named(context: Context, key: str) -> Localized:
    """A figure's name."""
    found: Localized = context["glossary"].title(key)
    return found


@pass_context
def caption(context: Context, key: str, id_: str, title: Localized) -> Markup:
    """What stands above a card: a name that tells its definition, and the tables that it comes from."""
    found: Markup = context["glossary"].caption(key, id_, title)
    return found


@pass_context
def origin(context: Context, key: str) -> Markup:
    """The tables that a figure comes from."""
    found: Markup = context["glossary"].origin(key)
    return found


@lru_cache(64)
def tier(code: str | None) -> Markup:
    """A tier in its colour."""
    return Markup('<span class="badge t-{}">{}</span>').format(code or "none", label(code, "tier"))


@lru_cache(64)
def move(to: str | None, direction: str | None) -> Markup:
    """A tier that is or was moved to, and whether that is up or down."""
    mood, arrow = _ARROWS.get(direction or "", ("", "▶"))
    return Markup(
        '<span class="nowrap"><span class="{}">{}<span class="spoken">{}</span></span> {}</span>'
    ).format(mood, arrow, label(direction, "direction"), tier(to))


@lru_cache(256)
def unknown(reason: str | None) -> Markup:
    """In the place of a figure that is not known: why not."""
    return Markup('<span class="none">– <small>{}</small></span>').format(label(reason, "reason"))


def amount(value: Decimal | None, reason: str | None = None) -> Markup:
    """An amount, or why it is not known."""
    return unknown(reason) if value is None else numbers.exact(value)


def percent(value: Decimal | None, reason: str | None = None) -> Markup | str:
    """A share, or why it is not known."""
    return unknown(reason) if value is None else numbers.share(value)


def score(value: Decimal | None) -> str:
    """A score or points of one."""
    return "–" if value is None else numbers.grouped(value, 1)


def trend(value: Decimal | None) -> Markup:
    """A relative change, and whether it is welcome."""
    if value is None:
        return _NONE
    mood = "good" if value > 0 else "bad" if value < 0 else ""
    return Markup(f'<span class="{mood}">{numbers.signed_share(value)}</span>')  # noqa: S704 - a number


def bar(part: Decimal, of: Decimal | int, code: str = "core") -> Markup:
    """A part of a whole as a bar."""
    width = max(0.0, min(100.0, float(part) / float(of) * 100)) if of else 0
    return Markup(  # noqa: S704 - a number, and a code of the template
        f'<svg class="bar t-{code}" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="fill" width="{width:.1f}" height="8"/></svg>'
    )


FILTERS: dict[str, Callable[..., Any]] = {
    "label": label,
    "labelled": labelled,
    "localized": localized,
    "moved_by": moved_by,
    "term": term,
    "named": named,
    "caption": caption,
    "origin": origin,
    "tier": tier,
    "move": move,
    "unknown": unknown,
    "amount": amount,
    "percent": percent,
    "score": score,
    "trend": trend,
    "bar": bar,
    "svg": attrgetter("svg"),
    "exact": numbers.exact,
    "signed_exact": numbers.signed_exact,
    "short": numbers.short,
    "signed_short": partial(numbers.short, plus=True),
    "grouped": numbers.grouped,
    "trimmed": numbers.trimmed,
    "share": numbers.share,
    "signed_share": numbers.signed_share,
    "month": numbers.month,
    "day": numbers.day,
}
