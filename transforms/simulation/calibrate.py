"""Proposes a policy's breakpoints and bars from measured customers, as a file for a person to review and to confirm.

Here, and only here, customers are looked at relative to one another. What comes out is absolute again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from math import ceil, log
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import tomlkit

from transforms.frames.fixed_point import MONEY_PLACES
from transforms.frames.periods import YEAR, first_of_month, months_before
from transforms.measures.descriptor import MEASURES, Measure
from transforms.policy.model import parse_policy
from transforms.policy.toml_text import plain_number, toml_item
from transforms.scoring.scores import score_customers
from transforms.scoring.segments import segment_customers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transforms.policy.model import Policy

SIGNIFICANT_DIGITS: Final = 2  # a bar is a judgement; more digits would pretend to know
TOP_FIFTH: Final = Decimal("0.8")
LOYAL_FROM: Final = Decimal("0.6")  # the upper two fifths: loyal is less rare than large
LOYALTY_WITHIN: Final = (Decimal("0.5"), Decimal("0.7"))  # beyond, the word would mean something else
LOYALTY_UNFITTED: Final = Decimal("0.6")
MIN_CUSTOMERS: Final = 30  # fewer make no quantile
MIN_MONTHS: Final = 3  # with less a year cannot be told from a month
MIN_LARGEST: Final = 2  # customers: one is no group
MEDIAN_OF_DEFAULT: Final = 40_000  # what the default policy's median customer buys a year (default.toml)
CURRENCY_OF_DEFAULT: Final = "EUR"
ARREARS_OF_MATERIAL: Final = 5
NEAR: Final = Decimal("0.05")
AUTHOR: Final = "valuemart calibrate"
_ID: Final = "calibrated-"
AUTHOR_OF_SCALED: Final = "valuemart calibrate, scaled"

# Where a money scale has its breakpoints, among the customers above 0: dense at the top, where the money is. It ends
# beyond the largest: at the end of a scale growth cannot be told from standing still.
_MONEY_QUANTILES: Final = tuple(map(Decimal, ("0.1", "0.25", "0.5", "0.8", "0.95", "0.99", "1")))
_ROOM_TO_GROW: Final = 2
_STRATEGIC: Final[dict[str, tuple[str, Decimal]]] = {
    "score_from": ("score", Decimal("0.5")),
    "steadiness_from": ("steadiness", Decimal("0.5")),
    "feedback_from": ("feedback_rate", Decimal("0.5")),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """What a policy is fitted to: everything known up to a period, of all companies that it will rate.

    `measures`: rows of `measure_customers` for that period; `order_days`: ORDER_DAY rows up to its end. `currency` is the
    company currency, `rate` what one unit of the default policy's is worth in it; null where no rate is known.
    """

    measures: pl.DataFrame
    order_days: pl.DataFrame
    closed_through: date
    currency: str = CURRENCY_OF_DEFAULT
    rate: Decimal | None = Decimal(1)

    @property
    def months(self) -> int:
        """How many months the data reach back."""
        return max(self.measures.get_column("months_of_history"), default=0)

    @property
    def yearly_sales(self) -> list[Decimal]:
        """Net sales of customers with sales, ascending, as of a whole year where the data are younger."""
        months = min(self.months, YEAR)
        return [amount * YEAR / months for amount in _positive(self.measures, "net_sales_12m")]

    @property
    def median_sales(self) -> Decimal | None:
        """The median customer's yearly net sales; null without a customer with sales."""
        sales = self.yearly_sales
        return median(sales) if sales else None

    @property
    def can_be_fitted_to(self) -> bool:
        """Whether there are months and customers enough for quantiles to say something. Source: docs/figures.md, Calibration."""
        return self.months >= YEAR and len(self.yearly_sales) >= MIN_CUSTOMERS

    @property
    def median_invoice(self) -> Decimal | None:
        """The median order of the last 12 months; where a day has several, each is taken for their mean."""
        since = months_before(first_of_month(self.closed_through), YEAR - 1)
        rows = (
            self.order_days.filter(
                pl.col("orders") > 0, pl.col("order_on").is_between(since, self.closed_through)
            )
            .select("orders", "net_sales")
            .rows()
        )
        amounts = sorted((net_sales / orders, orders) for orders, net_sales in rows if net_sales > 0)
        half = sum(orders for _, orders in amounts) / 2
        passed = 0
        for amount, orders in amounts:
            passed += orders
            if passed >= half:
                return Decimal(amount)
        return None


def calibrate(
    sample: Sample,
    base: Policy,
    default: Policy,
    *,
    effective_from: date,
    reason: str,
    described: Sequence[Measure] = MEASURES,
) -> str:
    """Write a policy fitted to a sample as TOML text.

    With 12 months and 30 customers with sales, fitted to quantiles, nearest rank, rounded to 2 significant digits (bars down):
    breakpoints of the measures of money (`described`); the bars of high volume (the top fifth of those who buy), of loyalty
    (0.5 to 0.7), and of strategic partners among core customers. With less, nothing is fitted: the money of `default` is scaled
    by the median customer, from 3 months of data on. Always: what is material, by the median invoice. Each is named in a
    comment; everything else, and whatever the rows are too few or too alike for, is taken from `base`. The sample is all it
    sees: it cannot fit to anything after its period. The text always parses with `parse_policy`. Source: docs/figures.md, Calibration.
    """
    content = base.model_dump()
    notes: dict[str, str] = {}
    content["policy"] |= {
        "id": f"{_ID}{sample.closed_through:%Y-%m}",
        "version": "1.0.0",
        "effective_from": effective_from,
        "reason": reason,
        "author": AUTHOR if sample.can_be_fitted_to else AUTHOR_OF_SCALED,
    }
    measures = sample.measures
    if sample.can_be_fitted_to:
        for measure in _of_money(described):
            _fit_breakpoints(content, notes, measure, _positive(measures, measure.column))
        _fit_segments(content, notes, measures)
        _fit_strategic(content, notes, measures, parse_policy(content, model=type(base)), described)
    else:
        _scale(content, notes, sample, default, described)
    _set_material(content, notes, sample)
    _set_credit_amounts(content, notes, sample)
    return _written(content, notes, base, sample)


def fitted_through(policy: Policy) -> date | None:
    """Give the first day of the last month whose data a policy was calibrated to, as its id says; None for any other policy."""
    if not policy.id.startswith(_ID):
        return None
    try:
        return date.fromisoformat(f"{policy.id.removeprefix(_ID)}-01")
    except ValueError:
        return None


def is_calibrated(policy: Policy) -> bool:
    """Tell whether nobody but a calibration has written a policy."""
    return policy.policy.author in (AUTHOR, AUTHOR_OF_SCALED)


def is_scaled(policy: Policy) -> bool:
    """Tell whether a policy was scaled by the median customer, for want of months or customers to fit it to."""
    return policy.policy.author == AUTHOR_OF_SCALED


def in_currency(policy: Policy, rate: Decimal) -> Policy:
    """Convert the money of a policy, two digits each; `rate` is what one unit of its currency is worth in the other."""
    content = policy.model_dump()
    for measure in _of_money(MEASURES):
        points = content["measures"][measure.name]["breakpoints"]
        scaled = [(_times(value, rate), score) for value, score in points]
        content["measures"][measure.name]["breakpoints"] = scaled
    for section, key in (
        (content["segments"], "volume_high_from"),
        *((content["credit"], key) for key in ("material_amount", "severe_amount", "new_no_limit_free")),
        (content["conduct"]["arrears"], "amount_from"),
        *(
            (content["contribution"]["service_cost"], kind)
            for kind in content["contribution"]["service_cost"]
        ),
    ):
        section[key] = _times(section[key], rate)
    return parse_policy(content)


def _scale(
    content: dict[str, Any],
    notes: dict[str, str],
    sample: Sample,
    default: Policy,
    described: Sequence[Measure],
) -> None:
    """Scale the default's money by the median customer; with less than 3 months of data it stays the default's."""
    usual = sample.median_sales
    content["segments"]["loyalty_from"] = LOYALTY_UNFITTED
    notes["segments.loyalty_from"] = "not fitted: too few months or customers"
    if usual is None or sample.months < MIN_MONTHS:
        return
    factor = usual / MEDIAN_OF_DEFAULT
    for measure in _of_money(described):
        scaled = [(_times(value, factor), score) for value, score in measure.scale(default).breakpoints]
        content["measures"][measure.name]["breakpoints"] = scaled
        notes[f"measures.{measure.name}.breakpoints"] = (
            f"{default.id} {default.version}, whose median customer buys {MEDIAN_OF_DEFAULT:,} a year, × "
            f"{plain_number(_rounded(factor))}: here it buys {_rounded(usual):,}"
        )
    sales = sample.yearly_sales
    largest = sales[-max(ceil(len(sales) * (1 - TOP_FIFTH)), MIN_LARGEST) :]
    bar = _times(default.segments.volume_high_from, factor)
    content["segments"]["volume_high_from"] = min(bar, _rounded(largest[0], ROUND_FLOOR))
    notes["segments.volume_high_from"] = (
        f"the smaller of {plain_number(bar)}, scaled in the same way, and what the smallest of the {len(largest)} "
        "largest customers buys a year"
    )


def _set_material(content: dict[str, Any], notes: dict[str, str], sample: Sample) -> None:
    """Call material what a usual invoice is, at most a hundredth of a usual customer's year, at least what a complaint costs."""
    invoice, usual = sample.median_invoice, sample.median_sales
    if invoice is None or usual is None:
        return
    floor = content["contribution"]["service_cost"]["complaint"]
    amount = max(_rounded(min(invoice, usual / 100)), floor)
    content["credit"]["material_amount"] = amount
    content["conduct"]["arrears"]["amount_from"] = Decimal(plain_number(amount * ARREARS_OF_MATERIAL))
    notes["credit.material_amount"] = (
        "the median invoice of a year, at most 1 % of what the median customer buys in it, at least what a complaint costs"
    )
    notes["conduct.arrears.amount_from"] = f"{ARREARS_OF_MATERIAL} times credit.material_amount"


def _set_credit_amounts(content: dict[str, Any], notes: dict[str, str], sample: Sample) -> None:
    """Call severe by itself what is a hundredth of the company's sales, and ask about a newcomer from a material amount on."""
    credit = content["credit"]
    sold = sum(sample.yearly_sales, Decimal(0))
    if not sold:
        return
    credit["severe_amount"] = _rounded(sold / 100)
    notes["credit.severe_amount"] = "1 % of the company's net sales of 12 months"
    credit["new_no_limit_free"] = credit["material_amount"]
    notes["credit.new_no_limit_free"] = "credit.material_amount"


def _of_money(described: Sequence[Measure]) -> Iterator[Measure]:
    return (measure for measure in described if measure.unit == "company_currency")


def _times(amount: Decimal, factor: Decimal) -> Decimal:
    return _rounded(amount * factor) if amount else amount


def _fit_breakpoints(
    content: dict[str, Any], notes: dict[str, str], measure: Measure, values: list[Decimal]
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
    content["measures"][measure.name]["breakpoints"] = [(Decimal(0), Decimal(0))] + [
        (value, Decimal(score)) for value, score in sorted(steps.items())
    ]
    notes[f"measures.{measure.name}.breakpoints"] = (
        f"0, then quantiles {', '.join(quantiles)} of {measure.column} of the {len(values)} customers "
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
        lowest, highest = LOYALTY_WITHIN
        bar = _within_reach(content, _bar(loyalty, LOYAL_FROM))
        content["segments"]["loyalty_from"] = max(min(bar, highest), lowest)
        notes["segments.loyalty_from"] = (
            f"quantile {_percent(LOYAL_FROM)} of loyalty of the {len(loyalty)} customers who are not new, within {lowest} and {highest}"
        )


def _fit_strategic(
    content: dict[str, Any],
    notes: dict[str, str],
    measures: pl.DataFrame,
    fitted: Policy,
    described: Sequence[Measure],
) -> None:
    """Set the bars of strategic at the middle of the core customers the fitted policy finds."""
    core = (
        segment_customers(score_customers(measures.lazy(), fitted, described), fitted)
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
    return Decimal(plain_number(value.quantize(Decimal(1).scaleb(places), rounding)))


def _percent(quantile: Decimal) -> str:
    return f"{quantile * 100:.0f} %"


def _written(content: dict[str, Any], notes: dict[str, str], base: Policy, sample: Sample) -> str:
    document = tomlkit.document()
    for said in (
        f"Proposed by calibration on {len(sample.measures)} customers; review before use.",
        *_cautions(content, sample),
        f"Lines without a comment are as in {base.id} {base.version}.",
    ):
        document.add(tomlkit.comment(said))
    _fill(document, content, notes, "")
    return tomlkit.dumps(document)


def _cautions(content: dict[str, Any], sample: Sample) -> Iterator[str]:
    """What a person who reviews the policy must know of the data behind it."""
    if not sample.can_be_fitted_to:
        yield (
            f"Not fitted: that takes {YEAR} months and {MIN_CUSTOMERS} customers with sales; here are {sample.months} and "
            f"{len(sample.yearly_sales)}. Calibrate again when there are."
        )
        if sample.months < MIN_MONTHS:
            yield f"Not scaled either: less than {MIN_MONTHS} months of data say nothing about a year."
    if sample.rate is None:
        yield f"What an interaction costs is in {CURRENCY_OF_DEFAULT}: no rate to {sample.currency} is known."
    judged = sample.measures.filter(pl.col("months_of_history") >= content["segments"]["new_below_months"])
    volume = content["segments"]["volume_high_from"]
    for key, column, bar, width in (
        ("segments.loyalty_from", "loyalty", content["segments"]["loyalty_from"], NEAR),
        ("segments.volume_high_from", "net_sales_12m", volume, volume * NEAR),
    ):
        values = judged.get_column(column).drop_nulls().to_list()
        near = sum(abs(value - bar) <= width for value in values)
        if near * 3 >= len(values) > 0:
            yield f"{key}: {near} of {len(values)} customers lie within {NEAR} of it; small changes move them."


def _fill(table: Any, section: dict[str, Any], notes: dict[str, str], path: str) -> None:
    for key, value in section.items():
        name = f"{path}{key}"
        if isinstance(value, dict):
            inner = tomlkit.table(is_super_table=all(isinstance(part, dict) for part in value.values()))
            _fill(inner, value, notes, f"{name}.")
            table.add(key, inner)
            continue
        item = toml_item(value)
        if name in notes:
            item.comment(notes[name])
        table.add(key, item)
