"""The mart's reasons in the report's two languages: `phrases.yaml` holds the patterns, what fits none stays as it is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from flows.report.numbers import MINUS, signed, trimmed
from flows.report.words import Both, read


def sentence(text: str | None) -> Both | None:
    """A reason as the mart gives it, with its codes in words, and translated as far as its pattern is known."""
    if text is None:
        return None
    phrases = _phrases()
    text = _rounded(text, phrases)
    chinese = _said_by(phrases.sentences, text)
    chinese = phrases.word.sub(lambda found: phrases.words[found[0]], chinese)
    chinese = phrases.code.sub(lambda found: phrases.codes[found[0]].zh, chinese)
    english = _said_by(phrases.english, text)
    return Both(
        phrases.code.sub(lambda found: phrases.codes[found[0]].en, english),
        _said_by(phrases.marks, chinese),
    )


def _rounded(text: str, phrases: _Phrases) -> str:
    """Fewer digits, and ratios as percentages; the rest is for who checks a figure, and the mart has it."""
    text = phrases.driver.sub(lambda found: f"{found[1]} {signed(_number(found[2]), 2)}", text)
    text = phrases.nothing.sub("", text)
    text = phrases.share.sub(lambda found: found[1] + _percent(found[2]) + _above(found[3]), text)
    text = phrases.measured.sub(lambda found: f"{found[1]} {trimmed(_number(found[2]), 3)}", text)
    return phrases.count.sub(lambda found: trimmed(_number(found[0]), 1), text)


def _said_by(patterns: list[tuple[re.Pattern[str], str]], text: str) -> str:
    for pattern, replacement in patterns:
        text = pattern.sub(replacement, text)
    return text


@dataclass(frozen=True, slots=True)
class _Phrases:
    sentences: list[tuple[re.Pattern[str], str]]
    english: list[tuple[re.Pattern[str], str]]
    marks: list[tuple[re.Pattern[str], str]]
    code: re.Pattern[str]
    codes: dict[str, Both]
    word: re.Pattern[str]
    words: dict[str, str]
    driver: re.Pattern[str]  # a term of the score's change and its points
    nothing: re.Pattern[str]  # what is left of the other terms, where that rounds to nothing
    share: re.Pattern[str]  # a ratio, and the bar it is above
    count: re.Pattern[str]  # days or deviations
    measured: re.Pattern[str]  # a figure and how far above or below a bar it is


@cache
def _phrases() -> _Phrases:
    read_ones = read("phrases")
    codes, words = read_ones["codes"], read_ones["words"]
    # A dash or a slash beside a code makes it part of a name; a plain word is ours only beside a figure or a phrase of
    # ours, and may else stand in a name or in what a person wrote.
    beside = "|".join(rf"(?<={re.escape(before)})" for before in read_ones["words_after"])
    named = "|".join(words)
    return _Phrases(
        sentences=_compiled(read_ones["sentences"]),
        english=_compiled(read_ones["english"]),
        marks=_compiled(read_ones["marks"]),
        code=re.compile(rf"(?<![\w/-])(?:{'|'.join(codes)})(?![\w/-])", re.ASCII),
        codes={code: Both(*pair) for code, pair in codes.items()},
        word=re.compile(
            rf"(?:{beside})(?:{named})\b|(?<![\w/-])(?:{named})(?= [+−]?\d| 高于| 低于| 未评估)", re.ASCII
        ),
        words=words,
        driver=re.compile(rf"(?<![\w/-])({named}) ([+−]\d+(?:\.\d+)?)(?![\w.])", re.ASCII),
        nothing=re.compile(r", others [+−]?0\.00(?![\w.])"),
        share=re.compile(
            rf"(?<![\w/-])((?:{'|'.join(read_ones['shares'])}) )(\d+(?:\.\d+)?)(?: above (\d+(?:\.\d+)?))?(?![\w.])"
        ),
        count=re.compile(
            r"(?<=\bdays_late_12m )\d+\.\d+|\d+\.\d+(?= deviations above own history, )|"
            r"(?<= deviations above own history, )\d+\.\d+"
        ),
        measured=re.compile(
            rf"(?<![\w/-])({named}|{'|'.join(codes)}) (−?\d+\.\d{{4,}})(?= (?:above|below) )", re.ASCII
        ),
    )


def _compiled(pairs: list[list[str]]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(pattern), replacement) for pattern, replacement in pairs]


def _percent(text: str) -> str:
    return f"{trimmed(_number(text) * 100, 1)}%"


def _above(bar: str | None) -> str:
    return f" above {_percent(bar)}" if bar else ""


def _number(text: str) -> Decimal:
    return Decimal(text.replace(MINUS, "-"))
