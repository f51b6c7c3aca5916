"""The expected business within a rating run: each period's first forecast is kept, the latest shown, what has come true judged."""

from __future__ import annotations

from datetime import date, datetime

import duckdb
import polars as pl

from transforms.facts.model import Facts
from transforms.forecast.accuracy import first_forecasts, forecast_accuracy, judged_periods
from transforms.forecast.business import expect_business, expectation_months, expectation_totals
from transforms.frames import plan
from transforms.measures.window import Window
from warehouse.rating import facts as stored_facts
from warehouse.rating import history


def update(
    connection: duckdb.DuckDBPyConnection,
    company: str,
    facts: Facts,
    rated: pl.LazyFrame,
    period: date,
    recorded_at: datetime,
    *,
    shown_on: date | None,
) -> None:
    """Keep the forecast of a period of which none is kept yet; on a day that is shown, put it in the place of the last one's.

    `facts`: of the company; `rated`: the rows of its rating of the period. A day that is not shown, of a period whose
    forecast is kept, changes nothing: what was said is judged as it was said.
    """
    kept = history.forecast_periods(connection, company)
    if period in kept and shown_on is None:
        return
    window = Window(plan.month_end(period))
    expectation = expect_business(facts, rated, window)
    customers = expectation.customers.lazy()
    if period not in kept:
        first = first_forecasts(customers, rated, period, recorded_at).collect()
        history.append(connection, "customer_forecast", first)
        kept.append(period)
    if shown_on is None:
        return
    judged = judged_periods(sorted(kept), period)
    forecasts = history.forecasts_of(connection, company, judged).lazy()
    salespersons = stored_facts.read_salespersons(connection, company, shown_on)
    tables = {
        "expectation_month": expectation_months(customers, facts, window),
        "expectation_total": expectation_totals(expectation, facts, salespersons),
        "forecast_accuracy": forecast_accuracy(forecasts, facts.customer_month, judged, facts.succession),
    }
    history.replace(connection, "customer_expectation", company, expectation.customers)
    for table, rows in zip(tables, pl.collect_all([*tables.values()]), strict=True):
        history.replace(connection, table, company, rows)
