"""Which rating periods a run must rate, and in which order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, timedelta

from transforms.frames.periods import first_of_month, months_before


def closed_through(as_of: date) -> date:
    """The last month end on or before `as_of`: value measures look at complete calendar months. Source: docs/figures.md, Time."""
    tomorrow = as_of + timedelta(days=1)
    return first_of_month(tomorrow) - timedelta(days=1)


def month_end(period: date) -> date:
    """The last day of a period given by its first."""
    return months_before(period, -1) - timedelta(days=1)


def months_between(first: date, last: date) -> Iterator[date]:
    """The first days of the months from `first` to `last`, both inclusive."""
    month = first_of_month(first)
    while month <= last:
        yield month
        month = months_before(month, -1)


def is_closed(period: date, *, latest_rated: date | None, target: date) -> bool:
    """Whether a period is closed: a later one has been rated already, or is rated by the run that rates up to `target`."""
    return latest_rated is not None and (period < latest_rated or period == latest_rated < target)


def periods_to_rate(
    rated: Collection[date], target: date, *, earliest_change: date | None, looks_back: bool
) -> list[date]:
    """The periods to rate for a run whose current period is `target`, in order; all by their first day.

    `rated` are the periods rated before; `earliest_change` the first day that changed facts reach back to. The target
    is always rated, and so are the periods missing between the last one and it, and the rated ones that a change reaches
    back to, with all that follow up to the target, since each starts from its predecessor. Periods behind the target
    must not be judged by what is known at its end, and wait for a run of their own. A run that looks back (its `as_of`
    lies before the last rating's) rates its target only: it knows less than the earlier ones were rated with.
    Source: docs/figures.md, Corrections.
    """
    if not rated or looks_back:
        return [target]
    wanted = {target, *(month for month in months_between(max(rated), target) if month not in rated)}
    if earliest_change is not None:
        since = min(first_of_month(earliest_change), *wanted)
        wanted |= {period for period in rated if since <= period <= target}
    return sorted(wanted)


def left_behind(
    rated: Collection[date], target: date, *, earliest_change: date | None, looks_back: bool
) -> date | None:
    """The first day from which rated periods still have to be rated again, by a later run; None where there is none."""
    later = [period for period in rated if period > target]
    if looks_back:
        later += [target] if earliest_change is None else [target, first_of_month(earliest_change)]
    return min(later, default=None)
