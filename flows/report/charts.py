"""Where the marks of each chart lie: from rows of exact figures to points on paper, which the templates draw as SVG.

Only places are worked out here, in floating point; every number that is shown comes from the rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from warehouse.mart.files import Row

WIDTH = 560.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps a value to a place between two edges."""

    first: float
    last: float
    start: float
    end: float

    def __call__(self, value: Decimal | float) -> float:
        """The place of a value."""
        return round(self.start + (float(value) - self.first) / self._span * (self.end - self.start), 1)

    def places(self, values: Iterable[float | None]) -> list[float | None]:
        """The places of many values; None where there is none."""
        first, span, start, length = self.first, self._span, self.start, self.end - self.start
        return [
            None if value is None else round(start + (value - first) / span * length, 1) for value in values
        ]

    @property
    def _span(self) -> float:
        return self.last - self.first or 1.0


def ticks(first: float, last: float, count: int = 5) -> list[Decimal]:
    """Round values from `first` to `last`, a step of 1, 2 or 5 times a power of ten apart."""
    rough = (last - first) / count
    if rough <= 0:
        return [Decimal(str(first))]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(Decimal(str(factor * power)) for factor in (1, 2, 5, 10) if factor * power >= rough)
    lowest = math.ceil(Decimal(str(first)) / step)
    return [step * n for n in range(lowest, math.floor(Decimal(str(last)) / step) + 1)]


@dataclass(frozen=True, slots=True)
class Axes:
    """A plane with its ticks; `x_ticks` and `y_ticks` are place and value."""

    left: float
    right: float
    top: float
    bottom: float
    x_ticks: list[tuple[float, Any]]
    y_ticks: list[tuple[float, Any]]


@dataclass(frozen=True, slots=True)
class Curve:
    """The value curve; y is the share of the total, or the amount where the total is not positive."""

    axes: Axes
    line: str
    area: str
    in_shares: bool
    peak: tuple[float, float, Row] | None  # None where nobody adds anything
    end: tuple[float, float, Row]
    whole: float | None  # where 100 % lies


def curve(rows: Sequence[Row]) -> Curve | None:
    """The value curve over its customers; None where there are none."""
    if not rows:
        return None
    in_shares = all(row["cumulative_share"] is not None for row in rows)
    column = "cumulative_share" if in_shares else "cumulative_contribution"
    values = [float(row[column]) for row in rows]
    low, high = min(0.0, *values), max(1.0 if in_shares else 0.0, *values)
    room = (high - low) * 0.06 or 1.0
    x = Scale(0, 1, 52, WIDTH - 14)
    y = Scale(low, high + room, 286, 16)
    points = [(x(row["customer_share"]), y(value)) for row, value in zip(rows, values, strict=True)]
    line = "M" + "L".join(f"{px} {py}" for px, py in [(x(0), y(0)), *points])
    peak = next(((*point, row) for point, row in zip(points, rows, strict=True) if row["is_peak"]), None)
    return Curve(
        axes=Axes(
            x(0), x(1), 16, 286,
            [(x(tick), tick) for tick in ticks(0, 1)],
            [(y(tick), tick) for tick in ticks(low, high + room)],
        ),
        line=line,
        area=f"{line}V{y(0)}H{x(0)}Z",
        in_shares=in_shares,
        peak=peak,
        end=(*points[-1], rows[-1]),
        whole=y(1) if in_shares else None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Dot:
    """A customer on the map."""

    x: float
    y: float
    row: Row


@dataclass(frozen=True, slots=True)
class Cell:
    """Customers that share a place on the map; `strength` is 0 to 1."""

    x: float
    y: float
    width: float
    height: float
    strength: float
    row: Row


@dataclass(frozen=True, slots=True)
class Map:
    """Volume over loyalty, volume by tenfolds; sales of 0 or less lie in a strip below."""

    axes: Axes
    dots: dict[str, list[Dot]]  # by segment
    cells: list[Cell]
    bar_x: float | None  # where the policy's bars lie
    bar_y: float | None
    strip: float | None  # the middle of the strip


_MAP_BOTTOM, _STRIP = 300.0, 32.0


def volume_loyalty_map(
    dots: Sequence[Row], cells: Sequence[Row], volume_from: Decimal | None, loyalty_from: Decimal | None
) -> Map | None:
    """The map of customers, one by one or counted by cell; None where nobody has both figures."""
    if not dots and not cells:
        return None
    low, high = _tenfolds(dots, cells, volume_from)
    has_strip = any(row["net_sales_12m"] <= 0 for row in dots) or any(
        row["volume_step"] is None for row in cells
    )
    bottom = _MAP_BOTTOM - (_STRIP if has_strip else 0)
    x, y = Scale(0, 1, 52, WIDTH - 14), Scale(low, high, bottom, 16)
    strip = round(bottom + _STRIP / 2, 1) if has_strip else None

    def height_of(sales: Decimal) -> float:
        return y(math.log10(sales)) if sales > 0 else strip or bottom

    by_segment: dict[str, list[Dot]] = {}
    for row in dots:
        dot = Dot(x(row["loyalty"]), height_of(row["net_sales_12m"]), row)
        by_segment.setdefault(row["segment"], []).append(dot)
    return Map(
        axes=Axes(
            x(0), x(1), 16, _MAP_BOTTOM,
            [(x(tick), tick) for tick in ticks(0, 1)],
            [(y(power), Decimal(10) ** power) for power in range(low, high + 1)],
        ),
        dots=by_segment,
        cells=list(_cells(cells, x, y, strip)),
        bar_x=x(loyalty_from) if loyalty_from is not None and 0 <= loyalty_from <= 1 else None,
        bar_y=y(math.log10(volume_from)) if volume_from is not None and volume_from > 0 else None,
        strip=strip,
    )  # fmt: skip


def _tenfolds(dots: Sequence[Row], cells: Sequence[Row], volume_from: Decimal | None) -> tuple[int, int]:
    """The tenfolds between which all positive volumes and the bar lie."""
    logs = [math.log10(row["net_sales_12m"]) for row in dots if row["net_sales_12m"] > 0]
    logs += [
        row["volume_step"] / 10 + edge for row in cells if row["volume_step"] is not None for edge in (0, 0.1)
    ]
    logs += [math.log10(volume_from)] if volume_from is not None and volume_from > 0 else []
    low = math.floor(min(logs, default=0))
    return low, max(low + 1, math.ceil(max(logs, default=1) - 1e-9))


def _cells(rows: Sequence[Row], x: Scale, y: Scale, strip: float | None) -> Iterable[Cell]:
    most = max((row["customers"] for row in rows), default=1)
    for row in rows:
        left, right = x(row["loyalty_step"] / 50), x((row["loyalty_step"] + 1) / 50)
        if row["volume_step"] is None:
            top, bottom = (strip or 0) - 6, (strip or 0) + 6
        else:
            top, bottom = y((row["volume_step"] + 1) / 10), y(row["volume_step"] / 10)
        strength = 0.25 + 0.75 * math.log1p(row["customers"]) / math.log1p(most)
        yield Cell(
            left, round(top, 1), round(right - left, 1), round(bottom - top, 1), round(strength, 2), row
        )


def _floats(rows: Sequence[Row], column: str) -> list[float | None]:
    return [None if row[column] is None else float(row[column]) for row in rows]


@dataclass(frozen=True, slots=True)
class Line:
    """A figure over periods: runs of neighbouring values, since a null leaves a gap; `last` is the latest value's point."""

    paths: list[str]
    points: list[tuple[float, float | None, Row]]
    last: tuple[float, float] | None
    axes: Axes
    step: float  # from one period to the next, at most a thumb wide


def line(rows: Sequence[Row], column: str, *, width: float, height: float) -> Line:
    """A small line over its own range, from the first row to the last."""
    known = [float(row[column]) for row in rows if row[column] is not None]
    least, greatest = min(known, default=0.0), max(known, default=1.0)
    room = (greatest - least) * 0.15 or abs(greatest) * 0.1 or 1.0
    y = Scale(least - room, greatest + room, height - 4, 4)
    return _line(rows, column, Axes(4, width - 6, 4, height - 4, [], []), y)


def score_line(rows: Sequence[Row]) -> Line:
    """The score by period, on the whole scale of 0 to 100."""
    y = Scale(0, 100, 150, 14)
    axes = Axes(40, WIDTH - 16, 14, 150, [], [(y(tick), Decimal(tick)) for tick in (0, 50, 100)])
    return _line(rows, "score", axes, y)


def _line(rows: Sequence[Row], column: str, axes: Axes, y: Scale) -> Line:
    x = Scale(0, max(1, len(rows) - 1), axes.left, axes.right)
    places = map(x, range(len(rows)))
    points = list(zip(places, y.places(_floats(rows, column)), rows, strict=True))
    paths, run = [], list[str]()
    for px, py, _ in [*points, (0.0, None, {})]:
        if py is not None:
            run.append(f"{px} {py}")
        elif run:
            paths.append("M" + "L".join(run))
            run = []
    last = next(((px, py) for px, py, _ in reversed(points) if py is not None), None)
    return Line(paths, points, last, axes, round(min(24.0, x(1) - x(0)), 1))


class Column(NamedTuple):
    """A month's bar, from zero up or down; `before` is how high it stood a year before, None where that is not known."""

    x: float
    y: float
    width: float
    height: float
    row: Row
    before: float | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Bars by month over a common zero."""

    bars: list[Column]
    axes: Axes
    zero: float


def columns(
    rows: Sequence[Row], column: str, *, before: str | None = None, height: float = 200
) -> Columns | None:
    """A bar a month, marked with another column's figure of a year before; None where there is none."""
    if not rows:
        return None
    values = [float(row[column]) for row in rows]
    earlier = _floats(rows, before) if before else [None] * len(rows)
    known = [*values, *(value for value in earlier if value is not None)]
    low, high = min(0.0, *known), max(0.0, *known)
    high = high if high > low else low + 1
    y = Scale(low, high, height - 26, 12)
    zero, step = y(0), (WIDTH - 66) / len(rows)
    width = round(max(1.0, step * 0.72), 1)
    bars = [
        Column(round(56 + number * step, 1), min(end, zero), width, round(abs(end - zero), 1), row, then)
        for number, (row, end, then) in enumerate(zip(rows, map(y, values), y.places(earlier), strict=True))
    ]
    every = max(1, len(rows) // 6)
    x_ticks = [(bar.x + bar.width / 2, bar.row["month"]) for bar in bars[::-every][::-1]]
    return Columns(
        bars, Axes(52, WIDTH - 10, 12, height - 26, x_ticks, [(y(t), t) for t in ticks(low, high, 4)]), zero
    )


def portions(amounts: Sequence[tuple[str, Decimal]], width: float = 100.0) -> list[tuple[str, float, float]]:
    """Amounts above 0 as neighbouring parts of a bar: name, start, width."""
    positive = [(name, amount) for name, amount in amounts if amount > 0]
    total = sum(amount for _, amount in positive)
    parts, start = [], 0.0
    for name, amount in positive:
        part = float(amount / total) * width
        parts.append((name, round(start, 2), round(part, 2)))
        start += part
    return parts
