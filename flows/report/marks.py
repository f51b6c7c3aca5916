"""The marks that a customer's page has dozens of, one a month or period: drawn here, for a template takes ten times as long."""

from __future__ import annotations

from markupsafe import Markup, escape

from flows.report.charts import Columns, Line
from flows.wording import numbers

_RECT = '<rect x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>'
_LANE = '<rect class="fill t-{}" x="{}" y="168" width="{}" height="12"><title>{}</title></rect>'
_DOT = '<circle cx="{}" cy="{}" r="2.6"><title>{}</title></circle>'


def months(drawn: Columns, unit: str) -> Markup:
    """A bar a month, which tells its month and amount."""
    said = escape(unit)
    return Markup(  # noqa: S704 - numbers, and a unit that is escaped
        "".join(
            _RECT.format(
                bar.x,
                bar.y,
                bar.width,
                bar.height,
                f"{bar.row['month']}: {numbers.grouped(bar.row['net_sales'], 2)} {said}",
            )
            for bar in drawn.bars
        )
    )


def year_before(drawn: Columns) -> str:
    """The path of the strokes that say how high each bar stood a year before; empty where that is not known of any."""
    return "".join(f"M{bar.x} {bar.before}h{bar.width}" for bar in drawn.bars if bar.before is not None)


def scores(drawn: Line) -> Markup:
    """A dot a period that has a score, which it tells."""
    return Markup(  # noqa: S704 - numbers
        "".join(
            _DOT.format(x, y, f"{row['period']}: {numbers.grouped(row['score'], 1)}")
            for x, y, row in drawn.points
            if y is not None
        )
    )


def tiers(drawn: Line) -> Markup:
    """A piece a period in the colour of its tier, which it tells; below the line, without gaps to speak of."""
    width = round(drawn.step * 0.9, 1)
    return Markup(  # noqa: S704 - numbers, and tiers that are escaped
        "".join(
            _LANE.format(tier, round(x - drawn.step * 0.45, 1), width, f"{row['period']} {tier}")
            for x, _, row in drawn.points
            for tier in [escape(row["effective_tier"])]
        )
    )
