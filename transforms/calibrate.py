"""Proposes a policy's breakpoints and bars from measured customers, as a file for a person to review.

Here, and only here, customers are looked at relative to one another. What comes out is absolute again.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from math import ceil, log
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import tomlkit

from transforms.exact import MONEY_PLACES
from transforms.measures.window import YEAR
from transforms.policy import parse_policy
from transforms.scoring import SCORED_COLUMN, score_customers
from transforms.segments import segment_customers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from transforms.policy import Policy

SIGNIFICANT_DIGITS: Final = 2  # a bar is a judgement; more digits would pretend to know
TOP_FIFTH: Final = Decimal("0.8")
LOYAL_FROM: Final = Decimal("0.6")  # the upper two fifths: loyal is less rare than large

# Where a money scale has its breakpoints, among the customers above 0: dense at the top, where the money is. It ends
# beyond the largest: at the end of a scale growth cannot be told from standing still.
_MONEY_QUANTILES: Final = tuple(map(Decimal, ("0.1", "0.25", "0.5", "0.8", "0.95", "0.99", "1")))
_ROOM_TO_GROW: Final = 2
_MONEY_MEASURES: Final = ("volume", "contribution", "potential")
_STRATEGIC: Final[dict[str, tuple[str, Decimal]]] = {
    "score_from": ("score", Decimal("0.5")),
    "steadiness_from": ("steadiness", Decimal("0.5")),
    "feedback_from": ("feedback_rate", Decimal("0.5")),
}


def calibrate(
    measures: pl.DataFrame, base: Policy, *, policy_id: str = "calibrated", effective_from: date, reason: str
) -> str:
    """Write a policy fitted to `measures` (rows of `measure_customers`, one period) as TOML text.

    Fitted to quantiles, nearest rank, rounded to 2 significant digits (bars down), each named in a comment: breakpoints of volume,
    contribution and potential; the bars of high volume (the top fifth of those who buy), of loyalty, and of strategic
    partners among core customers; money bars of credit and conduct in the proportion they have to high volume
    in `base`. Everything else, and whatever the rows are too few or too alike for, is taken from `base`. The rows are
    all it sees: it cannot fit to anything after their period. The text always parses with `parse_policy`.
    """
    content = base.model_dump()
    notes: dict[str, str] = {}
    content["policy"] |= {
        "id": policy_id,
        "version": "1.0.0",
        "effective_from": effective_from,
        "reason": reason,
    }
    content["policy"]["author"] = "valuemart calibrate"
    for measure in _MONEY_MEASURES:
        _fit_breakpoints(content, notes, measure, _positive(measures, SCORED_COLUMN[measure]))
    _fit_segments(content, notes, measures)
    _fit_money_bars(content, notes, base)
    _fit_strategic(content, notes, measures)
    return _written(content, notes, base, measures)


def _fit_breakpoints(
    content: dict[str, Any], notes: dict[str, str], measure: str, values: list[Decimal]
) -> None:
    """Fit a scale on which every doubling is worth the same, so that it tells small customers and giants apart.

    100 · ln(x/x₀) ÷ ln(end/x₀) in whole points at the quantiles, x₀ being half the lowest one and the end twice the
    largest; linear from 0 to there.
    """
    if not values:
        return
    ladder: dict[Decimal, str] = {}
    for quantile in _MONEY_QUANTILES:
        towards = ROUND_CEILING if quantile == 1 else ROUND_HALF_EVEN
        ladder[_rounded(_quantile(values, quantile), towards)] = _percent(quantile)
    ladder.pop(Decimal(0), None)
    start, end = min(ladder) / 2, max(ladder) * _ROOM_TO_GROW
    ladder[end] = "room for the largest to double"
    *quantiles, room = ladder.values()
    steps = {value: round(100 * log(value / start) / log(end / start)) for value in ladder}
    content["measures"][measure]["breakpoints"] = [(Decimal(0), Decimal(0))] + [
        (value, Decimal(score)) for value, score in sorted(steps.items())
    ]
    notes[f"measures.{measure}.breakpoints"] = (
        f"0, then quantiles {', '.join(quantiles)} of {SCORED_COLUMN[measure]} of the {len(values)} customers "
        f"above 0, and {room}; every doubling is worth the same"
    )


def _fit_segments(content: dict[str, Any], notes: dict[str, str], measures: pl.DataFrame) -> None:
    bought = _positive(measures, "net_sales_12m")
    if bought:
        content["segments"]["volume_high_from"] = _bar(bought, TOP_FIFTH)
        notes["segments.volume_high_from"] = (
            f"the top fifth: quantile {_percent(TOP_FIFTH)} of net_sales_12m of the {len(bought)} customers above 0"
        )
    old_enough = measures.filter(pl.col("months_of_history") >= content["segments"]["new_below_months"])
    loyalty = _positive(old_enough, "loyalty")
    if loyalty:
        content["segments"]["loyalty_from"] = _within_reach(content, _bar(loyalty, LOYAL_FROM))
        notes["segments.loyalty_from"] = (
            f"quantile {_percent(LOYAL_FROM)} of loyalty of the {len(loyalty)} customers who are not new"
        )


def _fit_money_bars(content: dict[str, Any], notes: dict[str, str], base: Policy) -> None:
    """Keep money bars in the proportion they have to high volume, for they speak of the size of business."""
    if "segments.volume_high_from" not in notes or base.segments.volume_high_from == 0:
        return
    factor = content["segments"]["volume_high_from"] / base.segments.volume_high_from
    for section, name, key in (
        (content["credit"], "credit", "material_amount"),
        (content["conduct"]["arrears"], "conduct.arrears", "amount_from"),
    ):
        section[key] = _rounded(section[key] * factor)
        notes[f"{name}.{key}"] = f"as far below segments.volume_high_from as in {base.id} {base.version}"


def _fit_strategic(content: dict[str, Any], notes: dict[str, str], measures: pl.DataFrame) -> None:
    """Set the bars of strategic at the middle of the core customers the fitted policy finds."""
    fitted = parse_policy(content)
    core = (
        segment_customers(score_customers(measures.lazy(), fitted), fitted)
        .filter(pl.col("segment") == "core")
        .collect()
    )
    for key, (column, quantile) in _STRATEGIC.items():
        values = _positive(core, column)
        if values:
            bar = _bar(values, quantile)
            content["strategic"][key] = _within_reach(content, bar) if column == "steadiness" else bar
            notes[f"strategic.{key}"] = (
                f"quantile {_percent(quantile)} of {column} of the {len(values)} core customers who have one"
            )


def _positive(frame: pl.DataFrame, column: str) -> list[Decimal]:
    """List the column's values above 0, ascending."""
    return frame.filter(pl.col(column) > 0).get_column(column).sort().to_list()


def _quantile(ascending: Sequence[Decimal], quantile: Decimal) -> Decimal:
    """Give the value at a quantile, nearest rank."""
    return ascending[_rank(ascending, quantile) - 1]


def _bar(ascending: Sequence[Decimal], quantile: Decimal) -> Decimal:
    """Give a bar that the share 1 − quantile reaches: the value above the quantile's, rounded down so that it does."""
    above = ascending[min(_rank(ascending, quantile), len(ascending) - 1)]
    return _rounded(above, ROUND_FLOOR)


def _rank(ascending: Sequence[Decimal], quantile: Decimal) -> int:
    return ceil(quantile * len(ascending))


def _within_reach(content: dict[str, Any], share: Decimal) -> Decimal:
    """Lower a bar on a share of at most 1, where need be, so that it can be reached with the memory's margin on top."""
    margin: Decimal = content["memory"]["margin"]
    return min(share, _rounded(1 / (1 + margin), ROUND_FLOOR))


def _rounded(value: Decimal, rounding: str = ROUND_HALF_EVEN) -> Decimal:
    """Round to 2 significant digits, but not to finer than money and ratios are kept."""
    places = max(value.adjusted() - SIGNIFICANT_DIGITS + 1, -MONEY_PLACES)
    return _plain(value.quantize(Decimal(1).scaleb(places), rounding))


def _plain(value: Decimal) -> Decimal:
    """Drop trailing zeros and exponents: 150000, not 1.5E+5 or 150000.00."""
    return Decimal(format(value.normalize(), "f"))


def _percent(quantile: Decimal) -> str:
    return f"{quantile * 100:.0f} %"


def _written(content: dict[str, Any], notes: dict[str, str], base: Policy, measures: pl.DataFrame) -> str:
    document = tomlkit.document()
    document.add(tomlkit.comment(f"Proposed by calibration on {len(measures)} customers; review before use."))
    months = max(measures.get_column("months_of_history"), default=0)
    if months < YEAR:
        document.add(
            tomlkit.comment(
                f"The data reach back {months} months: amounts of a year are low. Calibrate again later."
            )
        )
    document.add(tomlkit.comment(f"Lines without a comment are as in {base.id} {base.version}."))
    _fill(document, content, notes, "")
    return tomlkit.dumps(document)


def _fill(table: Any, section: dict[str, Any], notes: dict[str, str], path: str) -> None:
    for key, value in section.items():
        name = f"{path}{key}"
        if isinstance(value, dict):
            inner = tomlkit.table(is_super_table=all(isinstance(part, dict) for part in value.values()))
            _fill(inner, value, notes, f"{name}.")
            table.add(key, inner)
            continue
        item = _item(value)
        if name in notes:
            item.comment(notes[name])
        table.add(key, item)


def _item(value: object) -> Any:
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, tuple | list):
        array = tomlkit.array()
        array.extend(_item(part) for part in value)
        return array.multiline(multiline=bool(value) and isinstance(value[0], tuple | list))
    return tomlkit.item(value)


def _number(value: Decimal) -> Any:
    """Write a number as it is, without a detour over binary fractions."""
    text = format(_plain(value), "f")
    return tomlkit.value(text)
