"""Do ratings at a day predict the period after it? `make bench-predict`.

Customers with sales in the period before are rated at T by what was known then, under the default policy as shipped and as
calibrated on that same data. What the best-rated 5, 10 and 20 % bring in the period after T is set beside three yardsticks:
last period's sales alone, RFM (quintiles of recency, frequency and sales, summed) and perfect foresight. The yardsticks
of sales are known from elsewhere: where they are not reproduced, nothing else here can be believed, and it fails.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from expectations.gate import Gate
from flows.pipeline import rate, stages
from flows.policy import calibrate
from flows.settings import Settings
from tests.bench.real_sets import ask, loaded, table, write

BEST = (Decimal("0.05"), Decimal("0.1"), Decimal("0.2"))
Shares = tuple[Decimal, ...]


@dataclass(frozen=True)
class Case:
    """A set, the day of the rating, how far it looks back and ahead, and the yardsticks known from elsewhere."""

    name: str
    since: date
    rated_on: date
    until: date
    has_cost: bool
    known: dict[str, str]


CASES = (
    Case(
        "online_retail",
        date(2010, 12, 1),
        date(2011, 6, 1),
        date(2011, 12, 1),
        has_cost=False,
        known={"last sales": "49.7 59.0 69.4", "RFM": "35.5 55.5 66.9", "foresight": "53.3 65.1 79.1"},
    ),
    Case(
        "adventureworks",
        date(2018, 6, 1),
        date(2019, 6, 1),
        date(2020, 6, 1),
        has_cost=True,
        known={"last sales": "20.2 35.8 57.9", "RFM": "14.8 27.4 47.0", "foresight": "26.9 46.8 73.1"},
    ),
)


@dataclass(frozen=True)
class Customer:
    """What a customer did in the period before T, and what it brought in the one after."""

    customer_id: str
    sales: Decimal
    last_day: date
    documents: int
    next_sales: Decimal
    next_contribution: Decimal


def main() -> None:
    """Measure and print; ends with 1 where a known yardstick is not reproduced."""
    gate, wrong = Gate(), []
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            settings = loaded(case.name, Path(folder) / "home", gate)
            wrong += measure(case, settings)
    write("")
    for line in wrong:
        write(f"NOT REPRODUCED: {line}")
    sys.exit(1 if wrong else 0)


def measure(case: Case, settings: Settings) -> list[str]:
    """Print a case's table; the yardsticks that differ from what is known."""
    customers = _customers(case, settings)
    scores = _scores(case, settings)
    rankings: dict[str, Callable[[Customer], object]] = {
        "last sales": lambda each: each.sales,
        "RFM": _rfm(customers),
        **{
            name: lambda each, of=found: of.get(each.customer_id, Decimal(-1))
            for name, found in scores.items()
        },
    }
    wrong = []
    for what, brings in _targets(case).items():
        shares = {
            name: _shares(customers, by, brings) for name, by in {**rankings, "foresight": brings}.items()
        }
        table(
            f"{case.name}: share of the {what} from {case.rated_on} to {case.until} that the best of "
            f"{len(customers):,} customers bring, %",
            ("ranked by", "best 5 %", "10 %", "20 %", "beats RFM", "not below last sales"),
            [(name, *found, *(_compared(found, shares, name))) for name, found in shares.items()],
        )
        if what == "sales":
            wrong += [
                f"{case.name}, {name}: {' '.join(map(str, shares[name]))}, known {known}"
                for name, known in case.known.items()
                if " ".join(map(str, shares[name])) != known
            ]
    return wrong


def _targets(case: Case) -> dict[str, Callable[[Customer], Decimal]]:
    """What is to be predicted: contribution where there is cost, and sales."""
    sales: dict[str, Callable[[Customer], Decimal]] = {"sales": lambda each: each.next_sales}
    return {"contribution": lambda each: each.next_contribution, **sales} if case.has_cost else sales


def _compared(found: Shares, shares: dict[str, Shares], name: str) -> tuple[str, str]:
    """How often, of the three, a score does better than RFM and no worse than last sales."""
    if "policy" not in name:
        return "", ""
    beats = sum(mine > theirs for mine, theirs in zip(found, shares["RFM"], strict=True))
    holds = sum(mine >= theirs for mine, theirs in zip(found, shares["last sales"], strict=True))
    return f"{beats} of 3", f"{holds} of 3"


def _customers(case: Case, settings: Settings) -> list[Customer]:
    rows = ask(
        settings,
        f"""WITH before AS (
                SELECT customer_id, sum(net_amount_company) AS sales, max(invoice_date) AS last_day,
                    count(DISTINCT document_id) AS documents
                FROM erp.invoice_lines
                WHERE invoice_date >= DATE '{case.since}' AND invoice_date < DATE '{case.rated_on}' GROUP BY 1),
            after AS (
                SELECT customer_id, sum(net_amount_company) AS sales,
                    sum(net_amount_company - coalesce(cost_amount_company, 0)) AS contribution
                FROM erp.invoice_lines
                WHERE invoice_date >= DATE '{case.rated_on}' AND invoice_date < DATE '{case.until}' GROUP BY 1)
            SELECT customer_id, before.sales, last_day, documents, coalesce(after.sales, 0), coalesce(contribution, 0)
            FROM before LEFT JOIN after USING (customer_id) ORDER BY customer_id""",
    )
    return [Customer(*row) for row in rows]  # type: ignore[arg-type]


def _scores(case: Case, settings: Settings) -> dict[str, dict[object, object]]:
    """Scores by policy: rated as a person would, first under the shipped one, then under one calibrated on what was known."""
    as_of = case.rated_on - timedelta(days=1)
    found = {}
    settings.policy_file.write_text(rate.default_policy(), encoding="utf-8")
    stages.rate_stage(settings, as_of)
    found["default policy, as shipped"] = _latest_scores(settings)
    proposal = calibrate.propose(settings)
    settings.policy_file.write_text(proposal, encoding="utf-8")
    stages.rate_stage(settings, as_of)
    found["default policy, calibrated at T"] = _latest_scores(settings)
    return found


def _latest_scores(settings: Settings) -> dict[object, object]:
    return dict(
        ask(
            settings,
            """SELECT customer_id, score FROM rated.customer_value_history WHERE score IS NOT NULL
               QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY period DESC, revision DESC) = 1""",
        )
    )


def _rfm(customers: Sequence[Customer]) -> Callable[[Customer], object]:
    """The sum of the quintiles of recency, frequency and sales; sales between equal sums."""
    quintiles = [
        _quintiles([figure(each) for each in customers])
        for figure in (lambda each: each.last_day, lambda each: each.documents, lambda each: each.sales)
    ]
    sums = {
        each.customer_id: sum(quintile[at] for quintile in quintiles) for at, each in enumerate(customers)
    }
    return lambda each: (sums[each.customer_id], each.sales)


def _quintiles(values: Sequence[object]) -> list[int]:
    """1 to 5 by rank, equal values by their mean rank."""
    ordered = sorted(values)  # type: ignore[type-var]
    first, last = {}, {}
    for rank, value in enumerate(ordered, start=1):
        first.setdefault(value, rank)
        last[value] = rank
    return [-(-(first[value] + last[value]) * 5 // (2 * len(values))) for value in values]


def _shares(
    customers: Sequence[Customer], by: Callable[[Customer], object], brings: Callable[[Customer], Decimal]
) -> Shares:
    """The share of all that the best bring, in percent; the number of the best is rounded down."""
    ranked = sorted(customers, key=by, reverse=True)  # type: ignore[arg-type]
    total = sum(map(brings, ranked))
    return tuple(
        round(100 * sum(map(brings, ranked[: int(len(ranked) * best)])) / total, 1)  # type: ignore[misc]
        for best in BEST
    )


if __name__ == "__main__":
    main()
