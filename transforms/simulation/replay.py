"""Replays rating periods under a policy: the same steps as a rating run, and nothing kept but the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import columns_of
from transforms.frames.plan import month_end
from transforms.frames.schemas import CREDIT_WATCH
from transforms.rating.period import RATED, rate_period

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import date

    from transforms.facts.as_of import AsOfFacts
    from transforms.policy.model import Policy

CREDIT: Final = columns_of(
    CREDIT_WATCH, ("company_code", "customer_id", "as_of", "exposure", "overdue_over_90", "credit_action")
)
"""What a replay keeps of the credit watch."""


@dataclass(frozen=True, slots=True)
class EvaluationDate:
    """A rating period, by its first day, and the day on which it is looked at."""

    period: date
    as_of: date


@dataclass(frozen=True, slots=True)
class Replayed:
    """All looks of a replay: `values` is RATED, customer × period; `credit` is CREDIT, customer × day of a look."""

    values: pl.DataFrame
    credit: pl.DataFrame


def replay(known: Callable[[date], AsOfFacts], policy: Policy, looks: Sequence[EvaluationDate]) -> Replayed:
    """Rate every look in order, each once, by what `known` gives for its day, stepping from the look before.

    The first look is the baseline. What became known after a look changes nothing that was rated then; with a `known`
    that gives the same for every day, the replay looks back with hindsight, as the latest revisions of a history do.
    """
    values, credit = [], []
    for rated in _rated(known, policy, looks):
        values.append(rated.values)
        credit.append(rated.credit)
    return Replayed(
        pl.concat([pl.DataFrame(schema=RATED), *values]), pl.concat([pl.DataFrame(schema=CREDIT), *credit])
    )


def _rated(
    known: Callable[[date], AsOfFacts], policy: Policy, looks: Sequence[EvaluationDate]
) -> Iterator[Replayed]:
    previous: pl.LazyFrame | None = None
    for look in looks:
        seen = known(look.as_of)
        rated = rate_period(
            seen.facts,
            policy,
            closed_through=month_end(look.period),
            as_of=look.as_of,
            previous=previous,
            sales=seen.sales,
        )
        values = rated.values.collect()
        previous = values.lazy()
        watch = pl.LazyFrame(schema=CREDIT) if rated.credit is None else rated.credit
        yield Replayed(values, watch.select(CREDIT.names()).collect())
