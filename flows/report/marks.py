"""The marks that a customer's page has dozens of, one a month or period: drawn here, for a template takes ten times as long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from markupsafe import Markup, escape

from flows.report.charts import Axes, Columns, Line
from flows.wording import numbers

# Pages have the same places and months thousands of times: how one is written is looked up in a sixth of the time that writing takes.
_written = lru_cache(16_384)(str)


def y_axis(axes: Axes, written: Callable[[Any], str]) -> Markup:
    """A line across for each tick, with its value beside it."""
    left, right = axes.left, axes.right
    return _joined(
        f'<line class="axis" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'
        f'<text class="mute e" x="{left - 7}" y="{y + 4}">{escape(written(tick))}</text>'
        for y, tick in axes.y_ticks
    )


def months(drawn: Columns, unit: str) -> Markup:
    """A bar a month, which tells its month and amount."""
    said = escape(unit)
    return _joined(
        f'<rect x="{_written(x)}" y="{_written(y)}" width="{_written(width)}" height="{_written(height)}">'
        f"<title>{_written(row['month'])}: {numbers.grouped(row['net_sales'], 2)} {said}</title></rect>"
        for x, y, width, height, row, _ in drawn.bars
    )


def year_before(drawn: Columns) -> str:
    """The path of the strokes that say how high each bar stood a year before; empty where that is not known of any."""
    return "".join(
        f"M{_written(x)} {_written(before)}h{_written(width)}"
        for x, _, width, _, _, before in drawn.bars
        if before is not None
    )


def scores(drawn: Line) -> Markup:
    """A dot a period that has a score, which it tells."""
    return _joined(
        f'<circle cx="{_written(x)}" cy="{_written(y)}" r="2.6">'
        f"<title>{_written(row['period'])}: {numbers.grouped(row['score'], 1)}</title></circle>"
        for x, y, row in drawn.points
        if y is not None
    )


def tiers(drawn: Line) -> Markup:
    """A piece a period in the colour of its tier, which it tells; below the line, without gaps to speak of."""
    width, to_left = round(drawn.step * 0.9, 1), drawn.step * 0.45
    return _joined(
        f'<rect class="fill t-{tier}" x="{_written(round(x - to_left, 1))}" y="168" width="{width}" height="12">'
        f"<title>{_written(row['period'])} {tier}</title></rect>"
        for x, _, row in drawn.points
        for tier in [escape(row["effective_tier"])]
    )


def _joined(drawn: Iterable[str]) -> Markup:
    """Marks one after another: numbers, and texts that are escaped."""
    return Markup("".join(drawn))  # noqa: S704 - escaped where they are not numbers
