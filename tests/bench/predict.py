"""Do ratings and forecasts at a day predict the period after it? `make bench-predict`.

Customers with sales in the year before (or as far as the data reach) are rated at T by what was known then. Three questions:

- how much of the period after T the best 5, 10 and 20 % bring, ranked by the expected figure and by the score, beside last sales,
  last contribution, RFM (quintiles of recency, frequency and sales, summed), BG/NBD × Gamma-Gamma and perfect foresight; rankings
  are compared by the mean of these shares, with its standard deviation under a paired bootstrap of the customers;
- how far the expected figures are off, beside "the same months of last year again" (else last period's pace);
- how many customers came to lie within their bounds.

The last two are asked of made businesses, too (`made_businesses`), three of each kind. What stands out once and the level were chosen on
others of these kinds, and on the real cuts.

The model's weights and percentiles were chosen on the first cut of each set, and confirmed on the second (seen meanwhile, so no
strict hold-out). The yardsticks of sales
are known from elsewhere: if they are not reproduced, nothing else here can be believed, and it fails.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from expectations.gate import Gate
from flows.pipeline import rate, stages
from flows.pipeline.facts import facts_of
from flows.policy import calibrate
from flows.settings import Settings
from tests.bench.bg_nbd import expected_value
from tests.bench.made_businesses import KINDS, made_business
from tests.bench.real_sets import COMPANY, loaded, table, write
from tests.sample_facts import known_of, sample_company
from tests.unit.transforms.small_worlds import measure as measure_world
from transforms.facts.model import Facts
from transforms.forecast.backcast import LARGE
from transforms.forecast.business import expect_business
from transforms.frames.periods import YEAR, first_of_month, months_before, months_since
from transforms.measures.window import KEY, Window
from transforms.rating.period import rate_period
from warehouse.connection import open_database
from warehouse.rating import history

BEST = (0.05, 0.1, 0.2)
FEWEST = 20  # customers that the best 5 % must hold to be compared by
RESAMPLES = 1000
DAYS_IN_MONTH = 365.25 / 12
DAYS_IN_WEEK = 7
SAMPLE = "the sample company"

Floats = NDArray[np.float64]
Shares = tuple[float, ...]


@dataclass(frozen=True)
class Case:
    """A set, the day of the rating, how many months it looks ahead, and the yardsticks known from elsewhere."""

    name: str
    rated_on: date
    months: int
    role: str
    known: dict[str, str]

    @property
    def title(self) -> str:
        """What the case is called in a heading."""
        return f"{self.name}, T = {self.rated_on}, {self.months} months ({self.role})"

    @property
    def window(self) -> Window:
        """The window that ends the day before T."""
        return Window(self.rated_on - timedelta(days=1))


CHOSEN, CONFIRMED = "chosen on this cut", "confirmed on this cut"
CASES = (
    Case(
        "adventureworks",
        date(2018, 12, 1),
        12,
        CHOSEN,
        {"last sales": "20.0 32.7 57.6"},
    ),
    Case(
        "adventureworks",
        date(2019, 6, 1),
        12,
        CONFIRMED,
        {"last sales": "20.2 35.8 57.9", "RFM": "14.8 27.4 47.0", "foresight": "26.9 46.8 73.1"},
    ),
    Case(
        "online_retail",
        date(2011, 6, 1),
        6,
        CHOSEN,
        {"last sales": "49.7 59.0 69.4", "RFM": "35.5 55.5 66.9", "foresight": "53.3 65.1 79.1"},
    ),
    Case("online_retail", date(2011, 9, 1), 3, CONFIRMED, {}),
    Case(SAMPLE, date(2024, 7, 1), 12, CONFIRMED, {}),
)
MADE = [(Case("made", date(2025, 1, 1), 12, "", {}), seed) for seed in (1, 2, 3)]


@dataclass(frozen=True)
class Known:
    """What was known at T and what came: facts, the rating's rows, and the scores by policy."""

    facts: Facts
    rated: pl.DataFrame
    scores: dict[str, dict[str, float]]
    billed: pl.DataFrame  # customer_id, last_day, documents of the year before T, credit notes among them
    sold_since: pl.DataFrame  # customer_id, net_sales, contribution of the months after T


def main() -> None:
    """Measure and print; ends with 1 where a known yardstick is not reproduced."""
    gate, wrong = Gate(), []
    for case in CASES:
        if case.name == SAMPLE:
            wrong += measure(case, _sample(case))
            continue
        with tempfile.TemporaryDirectory() as folder:
            settings = loaded(case.name, Path(folder) / "home", gate)
            wrong += measure(case, _rated(case, settings))
    _print_made()
    write("")
    for line in wrong:
        write(f"NOT REPRODUCED: {line}")
    sys.exit(1 if wrong else 0)


def measure(case: Case, known: Known) -> list[str]:
    """Print a case's tables; the yardsticks that differ from what is known."""
    customers = _customers(case, known)
    wrong = []
    for what in ("contribution", "sales"):
        brings = _floats(customers, f"next_{what}")
        if not brings.any():
            continue
        rankings = _rankings(case, known, customers, what)
        _print_shares(case, what, rankings, brings)
        if what == "sales":
            found = {name: _written(_shares(by, brings)) for name, by in rankings.items()}
            wrong += [
                f"{case.title}, {name}: {found[name]}, known {shares}"
                for name, shares in case.known.items()
                if found[name] != shares
            ]
    _print_level(case, customers)
    return wrong


# What was known at T ---------------------------------------------------------------------------------------------


def _rated(case: Case, settings: Settings) -> Known:
    """A real set rated at T as a person would: under the shipped policy, then under one calibrated on what was known."""
    as_of = case.rated_on - timedelta(days=1)
    scores = {}
    settings.policy_file.write_text(rate.default_policy(), encoding="utf-8")
    stages.rate_stage(settings, as_of)
    with open_database(settings.warehouse_file, read_only=True) as connection:
        rated = history.latest_rows(connection, COMPANY, case.window.period)
        scores["score, policy as shipped"] = _scores(rated)
        facts = facts_of(connection, COMPANY, as_of, None)
        billed = connection.execute(
            """SELECT customer_id, max(invoice_date) AS last_day, count(DISTINCT document_id) AS documents
               FROM erp.invoice_lines WHERE invoice_date >= ? AND invoice_date < ? GROUP BY ALL""",
            [months_before(case.rated_on, YEAR), case.rated_on],
        ).pl()
        after = connection.execute(
            """SELECT customer_id, sum(net_amount_company) AS net_sales,
                   sum(net_amount_company - cost_amount_company) AS contribution
               FROM erp.invoice_lines WHERE invoice_date >= ? AND invoice_date < ? GROUP BY ALL""",
            [case.rated_on, months_before(case.rated_on, -case.months)],
        ).pl()
    settings.policy_file.write_text(calibrate.propose(settings), encoding="utf-8")
    stages.rate_stage(settings, as_of)
    with open_database(settings.warehouse_file, read_only=True) as connection:
        scores["score, policy calibrated at T"] = _scores(
            history.latest_rows(connection, COMPANY, case.window.period)
        )
    return Known(facts, rated, scores, billed, after)


def _sample(case: Case) -> Known:
    """The sample company, rated in memory under the shipped policy."""
    pl.Config.set_engine_affinity("in-memory")
    world = known_of(sample_company(customers=400))
    policy = rate.read_policy(rate.SHIPPED_POLICIES / "default.toml")
    day = case.window.closed_through
    rated = rate_period(
        world.facts, policy, closed_through=day, as_of=day, previous=None, sales=world.sales
    ).values.collect()
    return _known(case, world.facts, rated, {"score, policy as shipped": _scores(rated)})


def _known(case: Case, facts: Facts, rated: pl.DataFrame, scores: dict[str, dict[str, float]]) -> Known:
    """What facts in memory tell of a case; they reach beyond T."""
    after = (
        facts.customer_month.filter(
            months_since(pl.col("month"), case.rated_on).is_between(1 - case.months, 0)
        )
        .group_by("customer_id")
        .agg(pl.col("net_sales", "contribution").sum())
        .collect()
    )
    billed = (
        facts.order_day.filter(case.window.holds("order_on"))
        .group_by("customer_id")
        .agg(last_day=pl.col("order_on").max(), documents=pl.col("orders").sum())
        .collect()
    )
    return Known(facts, rated, scores, billed, after)


def _scores(rated: pl.DataFrame) -> dict[str, float]:
    return dict(rated.select("customer_id", pl.col("score").cast(pl.Float64).fill_null(-1)).iter_rows())


def _customers(case: Case, known: Known) -> pl.DataFrame:
    """Who had a sale within the year before T: what it sold and brought then and after, and the figures it was expected to."""
    window, float_ = case.window, pl.Float64
    age = months_since(pl.col("month"), window.period)
    months = known.facts.customer_month.filter(age.is_between(0, YEAR - 1)).with_columns(
        age=age, net=pl.col("net_sales").cast(float_), gain=pl.col("contribution").cast(float_)
    )
    reach = known.facts.customer_month.select(age.max()).collect().item() + 1
    last_year = pl.col("net").filter(pl.col("age").is_between(YEAR - case.months, YEAR - 1)).sum()
    again = last_year if reach >= YEAR else pl.col("net").sum() * case.months / reach
    before = months.group_by(KEY).agg(
        sales=pl.col("net").sum(),
        contribution=pl.col("gain").sum(),
        again=again,
    )
    days = (
        known.facts.order_day.filter(pl.col("orders") > 0, pl.col("order_on") < case.rated_on)
        .sort("order_on")
        .group_by(KEY)
        .agg(
            first=pl.col("order_on").min(),
            last=pl.col("order_on").max(),
            repeats=pl.len() - 1,
            mean_value=pl.col("net_sales").cast(float_).slice(1).mean(),
        )
    )
    expected = expect_business(known.facts, known.rated.lazy(), window, case.months).customers
    since = known.sold_since.select(
        "customer_id",
        next_sales=pl.col("net_sales").cast(float_),
        next_contribution=pl.col("contribution").cast(float_),
    )
    return (
        before.join(days, on=KEY, how="left", validate="1:1")
        .join(expected.lazy(), on=KEY, how="left", validate="1:1")
        .join(known.billed.lazy(), on="customer_id", how="left", validate="1:1")
        .join(since.lazy(), on="customer_id", how="left", validate="1:1")
        .with_columns(
            pl.col("next_sales", "next_contribution", "repeats", "mean_value", "documents").fill_null(0),
            pl.col("first", "last", "last_day").fill_null(first_of_month(window.closed_through)),
        )
        .with_columns(
            ((pl.lit(case.rated_on) - pl.col(name)).dt.total_days() / DAYS_IN_WEEK).alias(f"since_{name}")
            for name in ("first", "last")
        )
        .sort(KEY)
        .collect()
    )


# How much the best bring -----------------------------------------------------------------------------------------


def _rankings(case: Case, known: Known, customers: pl.DataFrame, what: str) -> dict[str, Floats]:
    """By what customers are ranked. The expected figure is of what is to be predicted."""
    figure = "expected_net_sales_12m" if what == "sales" else "expected_contribution_12m"
    repeats = _floats(customers, "repeats")
    names = customers["customer_id"].to_list()
    return {
        "expected figure": _floats(customers, figure),
        **{
            name: np.array([found.get(each, -1) for each in names], dtype=np.float64)
            for name, found in known.scores.items()
        },
        "last sales": _floats(customers, "sales"),
        **({"last contribution": _floats(customers, "contribution")} if what == "contribution" else {}),
        "RFM": _rfm(customers),
        "BG/NBD × Gamma-Gamma": expected_value(
            repeats,
            _floats(customers, "since_first") - _floats(customers, "since_last"),
            _floats(customers, "since_first"),
            _floats(customers, "mean_value"),
            case.months * DAYS_IN_MONTH / DAYS_IN_WEEK,
        ),
        "foresight": _floats(customers, f"next_{what}"),
    }


def _floats(customers: pl.DataFrame, column: str) -> Floats:
    return customers[column].cast(pl.Float64).fill_null(0).to_numpy()


def _rfm(customers: pl.DataFrame) -> Floats:
    """The sum of the quintiles of recency, frequency and sales; sales between equal sums."""
    quintiles = [_quintiles(customers[name].to_list()) for name in ("last_day", "documents", "sales")]
    sums = np.array([sum(each) for each in zip(*quintiles, strict=True)], dtype=np.float64)
    sales = _floats(customers, "sales")
    return sums + (sales - sales.min()) / (np.ptp(sales) + 1) / 2


def _quintiles(values: Sequence[object]) -> list[int]:
    """1 to 5 by rank, equal values by their mean rank."""
    ordered = sorted(values)  # type: ignore[type-var]
    first: dict[object, int] = {}
    last: dict[object, int] = {}
    for rank, value in enumerate(ordered, start=1):
        first.setdefault(value, rank)
        last[value] = rank
    return [-(-(first[value] + last[value]) * 5 // (2 * len(values))) for value in values]


def _print_shares(case: Case, what: str, rankings: dict[str, Floats], brings: Floats) -> None:
    counted = tuple(best for best in BEST if len(brings) * best >= FEWEST)
    yardsticks = [
        name for name in ("last sales", "last contribution", "BG/NBD × Gamma-Gamma") if name in rankings
    ]
    rows = []
    for name, by in rankings.items():
        beside = [
            ""
            if name in (*yardsticks, "RFM", "foresight")
            else _compared(by, rankings[other], brings, counted)
            for other in yardsticks
        ]
        rows.append((name, *_written(_shares(by, brings)).split(), *beside))
    table(
        f"{case.title}: share of the {what} that the best of {len(brings):,} customers bring, %; the mean of the shares of "
        f"{', '.join(f'{best:.0%}' for best in counted)} less that of a yardstick ± its standard deviation",
        ("ranked by", "best 5 %", "10 %", "20 %", *(f"less {name}" for name in yardsticks)),
        rows,
    )


def _shares(by: Floats, brings: Floats, bests: Sequence[float] = BEST) -> Shares:
    """The share of all that the best bring, in percent; the number of the best is rounded down."""
    order = np.argsort(-by, kind="stable")
    total = brings.sum()
    return tuple(float(100 * brings[order[: int(len(by) * best)]].sum() / total) for best in bests)


def _written(shares: Shares) -> str:
    return " ".join(f"{share:.1f}" for share in shares)


def _compared(by: Floats, other: Floats, brings: Floats, counted: Sequence[float]) -> str:
    """The difference of the mean shares, and its standard deviation where the same customers are drawn for both."""

    def difference(drawn: NDArray[np.int64]) -> float:
        both = (np.mean(_shares(each[drawn], brings[drawn], counted)) for each in (by, other))
        return float(next(both) - next(both))

    random = np.random.default_rng(1)
    size = len(brings)
    drawn = [difference(random.integers(0, size, size)) for _ in range(RESAMPLES)]
    return f"{difference(np.arange(size)):+.1f} ± {np.std(drawn):.1f}"


# How far figures are off -----------------------------------------------------------------------------------------


def _print_level(case: Case, customers: pl.DataFrame) -> None:
    found = _far_off(customers)
    table(
        f"{case.title}: how far the figures are off, and how many customers lie within their bounds, %",
        ("forecast", "total error", "WAPE", *found.within),
        [
            (
                "expected figure",
                *_signed(*found.expected),
                *(f"{share:.0f}" for share in found.within.values()),
            ),
            ("last year again", *_signed(*found.again), *[""] * len(found.within)),
        ],
    )


def _print_made() -> None:
    rows = []
    for kind in KINDS:
        found = [
            _far_off(_customers(case, _known(case, *_made(kind, case, seed), {}))) for case, seed in MADE
        ]
        rows.append(
            (
                kind,
                f"{np.mean([abs(each.expected[0]) for each in found]):.1f}",
                f"{np.mean([abs(each.again[0]) for each in found]):.1f}",
                f"{np.mean([each.expected[1] for each in found]):.1f}",
                f"{np.mean([each.again[1] for each in found]):.1f}",
                *(f"{np.mean([each.within[whom] for each in found]):.0f}" for whom in found[0].within),
            )
        )
    table(
        f"made businesses, T = {MADE[0][0].rated_on}, 12 months: the same, total errors without sign, on average of {len(MADE)} of each kind",
        ("kind", "total error", "last year", "WAPE", "last year", *found[0].within),
        rows,
    )


def _made(kind: str, case: Case, seed: int) -> tuple[Facts, pl.DataFrame]:
    made = made_business(kind, seed)
    return made, measure_world(made, closed_through=case.window.closed_through)


@dataclass(frozen=True)
class FarOff:
    """Total error and WAPE of the expected figure and of last year again; by whom is asked, how many lie within bounds. All in percent."""

    expected: tuple[float, float]
    again: tuple[float, float]
    within: dict[str, float]


def _far_off(customers: pl.DataFrame) -> FarOff:
    true, expected, again = (
        _floats(customers, name) for name in ("next_sales", "expected_net_sales_12m", "again")
    )
    low, high = (_floats(customers, f"expected_net_sales_{side}") for side in ("low", "high"))
    within = ((true >= low) | (low == 0)) & (true <= high)
    asked = {
        "within, of all": np.ones(len(true), dtype=bool),
        "of 80 % of sales before T": _largest(_floats(customers, "sales")),
        "of 80 % of sales after T": _largest(true),
    }
    return FarOff(
        _off(expected, true),
        _off(again, true),
        {whom: float(100 * within[chosen].mean()) for whom, chosen in asked.items()},
    )


def _signed(total: float, wape: float) -> tuple[str, str]:
    return f"{total:+.1f}", f"{wape:.1f}"


def _off(figure: Floats, true: Floats) -> tuple[float, float]:
    total = 100 * (figure.sum() / true.sum() - 1)
    return float(total), float(100 * np.abs(figure - true).sum() / np.abs(true).sum())


def _largest(by: Floats) -> NDArray[np.bool_]:
    """Who bring 80 % of all, the largest first."""
    order = np.argsort(-by, kind="stable")
    sums = np.maximum(by[order], 0).cumsum()
    found = np.zeros(len(by), dtype=bool)
    found[order[: int(np.searchsorted(sums, sums[-1] * LARGE / 100)) + 1]] = True
    return found


if __name__ == "__main__":
    main()
