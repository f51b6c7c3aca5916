"""Numbers, money and dates as both languages write them: exact, or rounded once for the eye, half-even."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from markupsafe import Markup

from flows.wording import MINUS
from flows.wording.words import Localized, label, same

POINTS = 2  # places to which the report rounds points of a score

# From a size on, the unit in which an amount is said in short: (from, divisor, sign). What rounds up to the unit is said in it:
# 999,960 is 1.0m.
_ROUNDS_UP = Decimal("0.9995")
_ENGLISH = tuple(
    (unit * _ROUNDS_UP, unit, sign) for unit, sign in ((10**9, "bn"), (10**6, "m"), (10**3, "k"))
)
_CHINESE = tuple((unit * _ROUNDS_UP, unit, sign) for unit, sign in ((10**8, "亿"), (10**4, "万")))

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

Number = Decimal | int


def grouped(value: Number, places: int = 0) -> str:
    """A number with thousands marks and a real minus: 1,234.50."""
    text = f"{Decimal(value):,.{places}f}"
    return text if text[0] != "-" else _with_minus(text)


def signed(value: Number, places: int = 0) -> str:
    """A change: +1,234, −5, or 0 where nothing is left after rounding."""
    text = grouped(value, places)
    return text if text.startswith(MINUS) or not any(c in text for c in "123456789") else f"+{text}"


def _with_minus(text: str) -> str:
    """None for what was rounded to nothing."""
    return (MINUS if any(c in text for c in "123456789") else "") + text[1:]


def short(value: Number, *, plus: bool = False) -> Localized:
    """An amount in three or four digits: 31.0m and 3,103万."""
    written = signed if plus else grouped
    amount = Decimal(value)
    return Localized(_short(amount, _ENGLISH, written), _short(amount, _CHINESE, written))


def _short(
    value: Decimal, scale: tuple[tuple[Decimal, int, str], ...], written: Callable[[Decimal, int], str]
) -> str:
    size = abs(value)
    for lower, unit, sign in scale:
        if size >= lower:
            scaled = value / unit
            return f"{written(scaled, 0 if round(abs(scaled), 1) >= 100 else 1)}{sign}"
    return written(value, 0)


@lru_cache(1_024)
def on_axis(value: Decimal) -> Localized:
    """A round amount beside a chart's axis: 10k, 1万."""
    said = short(value)
    return Localized(said.en.replace(".0", ""), said.zh.replace(".0", ""))


def share(value: Decimal, places: int = 1) -> str:
    """A ratio as a percentage: 46.7%."""
    return f"{grouped(value * 100, places)}%"


def signed_share(value: Decimal) -> str:
    """A relative change: +3.2%."""
    return f"{signed(value * 100, 1)}%"


def signed_points(value: Decimal) -> Localized:
    """The change of a share: +1.2 pp."""
    text, unit = signed(value * 100, 1), label("change", "points")
    return Localized(f"{text} {unit.en}", f"{text} {unit.zh}")


def trimmed(value: Decimal, places: int = 2) -> str:
    """A figure without the zeros that only its type adds: 0.25, 12."""
    whole, _, fraction = grouped(value, places).partition(".")
    kept = fraction.rstrip("0")
    return f"{whole}.{kept}" if kept else whole


def plain(value: Number) -> str:
    """All of a figure but the zeros that only its type adds, without thousands marks: 0.25, 1200."""
    whole, _, fraction = f"{value:f}".partition(".")
    kept = fraction.rstrip("0")
    return (f"{whole}.{kept}" if kept else whole).replace("-", MINUS)


def bar(value: Decimal) -> str:
    """A policy's number as a person would write it: 150,000 or 0.6."""
    is_whole = value == value.to_integral_value()
    return f"{int(value):,}" if is_whole else format(value.normalize(), "f")


def exact(value: Number) -> Markup:
    """An amount in whole units, with the exact one for who asks and for programs."""
    full = grouped(value, 2)
    return Markup(f'<data value="{value:f}" title="{full}">{grouped(value)}</data>')  # noqa: S704 - numbers


def signed_exact(value: Number) -> Markup:
    """A change of an amount in whole units, with the exact one for who asks and for programs."""
    full = signed(value, 2)
    return Markup(f'<data value="{value:f}" title="{full}">{signed(value)}</data>')  # noqa: S704 - numbers


def month(value: date) -> Localized:
    """A rating period or month: Oct 2026 and 2026年10月."""
    return Localized(f"{_MONTHS[value.month - 1]} {value.year}", f"{value.year}年{value.month}月")


def day(value: date) -> Localized:
    """A day, or an instant to the minute, as ISO writes it in both languages."""
    return same(f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else value.isoformat())
