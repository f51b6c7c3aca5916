"""Reasons said: from a code and its figures to English and Chinese, by the templates of `reasons.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from string import Formatter
from typing import Any, Literal

import polars as pl

from flows.wording import numbers
from flows.wording.words import FOLDER, Localized, label, read, same, words
from transforms.frames.reasons import REASONS

Reason = Mapping[str, Any]
Form = Literal["exact", "en", "zh"]
"""How it is said: `exact` is the mart's and the events' English, `en` and `zh` are the report's."""

FILE = FOLDER / "reasons.yaml"
_MARKS: dict[Form, dict[str, str]] = {
    "exact": {"between": "; ", "opens": ": ", "runs_on": " "},
    "en": {"between": "; ", "opens": ": ", "runs_on": " "},
    "zh": {"between": "；", "opens": "：", "runs_on": ""},
}
WHOLE_FROM = 100  # from here on a page says amounts without cents
_ORDINALS = dict(
    enumerate(["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"], start=1)
)
_USUAL_FORMAT = {
    "subject": "subject",
    "value": "number",
    "bar": "bar",
    "amount": "money",
    "counted": "count",
    "out_of": "count",
    "day": "day",
    "name": "given",
    "remark": "given",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a template: the figure that fills it, and how it is written."""

    figure: str
    format: str


@dataclass(frozen=True, slots=True)
class Template:
    """How one code is said in one form: texts and places in turn, and how it stands to its neighbours."""

    parts: tuple[str | Place, ...]
    group: str | None
    opens: bool
    runs_on: bool
    unless_nothing: str | None

    @property
    def figures(self) -> set[str]:
        """The figures it names."""
        return {part.figure for part in self.parts if isinstance(part, Place)}


def render(reasons: Iterable[Reason] | None, form: Form = "exact") -> str | None:
    """Say reasons one after another; None where there are none."""
    said: list[str] = []
    before: Template | None = None
    for reason in reasons or ():
        template = templates(form)[reason["code"]]
        if _is_nothing(template, reason, form):
            continue
        if before is not None:
            said.append(_mark(before, template, form))
        said += [
            part if isinstance(part, str) else _FORMATS[part.format](reason[part.figure], reason, form)
            for part in template.parts
        ]
        before = template
    return "".join(said) or None


def localized(reasons: Iterable[Reason] | None, text: str | None = None) -> Localized | None:
    """Say reasons in the report's two languages; `text` stands where an earlier version left no more than that."""
    listed = list(reasons or ())
    if not listed:
        return same(text) if text else None
    english, chinese = render(listed, "en"), render(listed, "zh")
    return Localized(english, chinese) if english and chinese else None


def moved_by(
    from_tier: str | None, reasons: Iterable[Reason] | None, text: str | None = None
) -> Localized | None:
    """Say why a tier changed; of who left a state, or was in none, and so has nothing to be compared with, that it did."""
    said = localized(reasons, text)
    if said is None and (from_tier or "") in words()["left"]:
        return label("left", from_tier)
    return said


def with_text(frame: pl.DataFrame, form: Form = "exact") -> pl.DataFrame:
    """Put text in the place of every column of reasons: the mart's English, or what a person reads."""
    return frame.with_columns(
        pl.Series(name, [render(each, form) for each in frame[name].to_list()], dtype=pl.String)
        for name, dtype in frame.schema.items()
        if dtype == REASONS
    )


@cache
def templates(form: Form) -> dict[str, Template]:
    """Every code's template in one form."""
    return {code: _template(written, form) for code, written in read(FILE)["codes"].items()}


def _template(written: Mapping[str, Any], form: Form) -> Template:
    pattern = written.get("page", written["en"]) if form == "en" else written["zh" if form == "zh" else "en"]
    parts: list[str | Place] = []
    for text, figure, format_, _ in Formatter().parse(pattern):
        if text:
            parts.append(text)
        if figure:
            parts.append(Place(figure, format_ or _USUAL_FORMAT[figure]))
    return Template(
        tuple(parts),
        written.get("group"),
        written.get("opens", False),
        written.get("runs_on", False),
        written.get("unless_nothing"),
    )


def _mark(before: Template, after: Template, form: Form) -> str:
    """What parts a reason from the one before it."""
    if before.group is not None and before.group == after.group:
        english, chinese = read(FILE)["groups"][after.group]
        mark: str = chinese if form == "zh" else english
        return mark
    if before.opens:
        return _MARKS[form]["opens"]
    return _MARKS[form]["runs_on" if after.runs_on else "between"]


def _is_nothing(template: Template, reason: Reason, form: Form) -> bool:
    figure = template.unless_nothing
    return form != "exact" and figure is not None and round(reason[figure], numbers.POINTS) == 0


def _unit(reason: Reason) -> str:
    unit: str = read(FILE)["units"].get(reason["subject"], "number")
    return unit


def _subject(code: str, _: Reason, form: Form) -> str:
    return _named("subject", code, form)


def _spoken(code: str, reason: Reason, form: Form) -> str:
    if form == "exact":
        spoken: str = read(FILE)["spoken"].get(code, code)
        return spoken
    return _subject(code, reason, form)


def _named(group: str, code: str, form: Form) -> str:
    if form == "exact":
        return code
    said = label(group, code)
    return said.zh if form == "zh" else said.en


def _in_sentence(group: str) -> Callable[[str, Reason, Form], str]:
    """A word of the report's headings within an English sentence keeps its code, for that is a small plain word."""

    def said(code: str, _: Reason, form: Form) -> str:
        return label(group, code).zh if form == "zh" else code

    return said


def _number(value: Decimal, _: Reason, form: Form, more: int = 0) -> str:
    return numbers.plain(value) if form == "exact" else numbers.trimmed(value, 3 + more)


def _share(value: Decimal, _: Reason, form: Form, more: int = 0) -> str:
    return numbers.plain(value) if form == "exact" else f"{numbers.trimmed(value * 100, 1 + more)}%"


def _change(value: Decimal, _: Reason, form: Form) -> str:
    """A share by which something changed, signed, in percent."""
    percent = value * 100
    if form != "exact":
        return f"{numbers.signed(percent, 0)}%"
    return f"+{numbers.plain(percent)}%" if percent > 0 else f"{numbers.plain(percent)}%"


def _days(value: Decimal, _: Reason, form: Form, more: int = 0) -> str:
    return numbers.plain(value) if form == "exact" else numbers.trimmed(value, 1 + more)


def _points(value: Decimal, _: Reason, form: Form) -> str:
    if form == "exact":
        return f"+{numbers.plain(value)}" if value > 0 else numbers.plain(value)
    return numbers.signed(value, numbers.POINTS)


def _money(value: Decimal, _: Reason, form: Form, more: int = 0) -> str:
    """To the cent in the mart; on a page only where the cents are much of it."""
    return numbers.grouped(value, 2 if form == "exact" or abs(value) < WHOLE_FROM or more else 0)


def _bar(value: Decimal, _: Reason, __: Form) -> str:
    return numbers.bar(value)


def _figure(value: Decimal, reason: Reason, form: Form) -> str:
    """A figure in the unit of what the reason speaks of."""
    return _told_apart(_BY_UNIT[_unit(reason)], value, reason, form)


def _above_limit(value: Decimal, reason: Reason, form: Form) -> str:
    return _told_apart(_money, value, reason, form)


def _told_apart(written: Callable[..., str], value: Decimal, reason: Reason, form: Form) -> str:
    """With more digits than the eye asks for where it would be written as the bar that it is above or below."""
    said, bar = written(value, reason, form), reason.get("bar")
    if form == "exact" or bar is None or bar == value or said != written(bar, reason, form):
        return said
    finer = (
        (written(value, reason, form, more), written(bar, reason, form, more))
        for more in range(1, _MOST_PLACES)
    )
    return next((figure for figure, other in finer if figure != other), said)


def _figure_bar(value: Decimal, reason: Reason, form: Form) -> str:
    if form != "exact" and _unit(reason) == "share":
        return _share(value, reason, form)
    return numbers.bar(value)


_MOST_PLACES = 6  # a ratio has no more
_BY_UNIT = {"number": _number, "share": _share, "days": _days, "money": _money}
_FORMATS: dict[str, Callable[[Any, Reason, Form], str]] = {
    **_BY_UNIT,
    "subject": _subject,
    "spoken": _spoken,
    "kind": _subject,
    "component": lambda code, _, form: _named("component", code, form),
    "reason": lambda code, _, form: _named("reason", code, form),
    "tier": _in_sentence("tier"),
    "action": _in_sentence("action"),
    "suspicion": _in_sentence("suspicion"),
    "code": lambda code, _, __: code,
    "bar": _bar,
    "figure": _figure,
    "figure_bar": _figure_bar,
    "above_limit": _above_limit,
    "points": _points,
    "change": _change,
    "deviations": _days,
    "ordinal": lambda value, _, __: _ORDINALS.get(value, f"{value}th"),
    "count": lambda value, _, __: str(value),
    "day": lambda value, _, __: value.isoformat(),
    "month": lambda value, _, __: f"{value:%Y-%m}",
    "given": lambda value, _, __: value,
}


def formats() -> frozenset[str]:
    """The names of the ways in which a place can be written."""
    return frozenset(_FORMATS)
