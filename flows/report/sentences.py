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
    # The fourth digit is for who checks a figure; the mart has it.
    text = phrases.driver.sub(lambda found: f"{found[1]} {signed(_number(found[2]), 2)}", text)
    text = phrases.measured.sub(lambda found: f"{found[1]} {trimmed(_number(found[2]), 3)}", text)
    chinese = text
    for pattern, replacement in phrases.sentences:
        chinese = pattern.sub(replacement, chinese)
    chinese = phrases.word.sub(lambda found: phrases.words[found[0]], chinese)
    return Both(
        phrases.code.sub(lambda found: phrases.codes[found[0]].en, text),
        phrases.code.sub(lambda found: phrases.codes[found[0]].zh, chinese),
    )


@dataclass(frozen=True, slots=True)
class _Phrases:
    sentences: list[tuple[re.Pattern[str], str]]
    code: re.Pattern[str]
    codes: dict[str, Both]
    word: re.Pattern[str]
    words: dict[str, str]
    driver: re.Pattern[str]  # a term of the score's change and its points
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
        sentences=[(re.compile(pattern), replacement) for pattern, replacement in read_ones["sentences"]],
        code=re.compile(rf"(?<![\w/-])(?:{'|'.join(codes)})(?![\w/-])", re.ASCII),
        codes={code: Both(*pair) for code, pair in codes.items()},
        word=re.compile(
            rf"(?:{beside})(?:{named})\b|(?<![\w/-])(?:{named})(?= [+−]?\d| 高于| 低于| 未评估)", re.ASCII
        ),
        words=words,
        driver=re.compile(rf"(?<![\w/-])({named}) ([+−]\d+(?:\.\d+)?)(?![\w.])", re.ASCII),
        measured=re.compile(
            rf"(?<![\w/-])({named}|{'|'.join(codes)}) (−?\d+\.\d{{4,}})(?= (?:above|below) )", re.ASCII
        ),
    )


def _number(text: str) -> Decimal:
    return Decimal(text.replace(MINUS, "-"))
