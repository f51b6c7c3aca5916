"""A company's ratings as they stand in a run's transaction, each period read once."""

from __future__ import annotations

from datetime import date

import duckdb
import polars as pl

from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY
from transforms.measures.window import KEY
from warehouse.rating import history

_KEPT = 3  # the period of the day, and two before it: a run over years holds no more of them at a time


class Ratings:
    """The latest revision of every customer, by period."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, company: str) -> None:
        self._connection, self._company = connection, company
        self._read: dict[date, pl.DataFrame] = {}

    def of(self, period: date) -> pl.DataFrame:
        """The latest revision of every customer in one period; no rows where the period was never rated."""
        if period not in self._read:
            self._keep(period, history.latest_rows(self._connection, self._company, period))
        return self._read[period]

    def append(self, period: date, rows: pl.DataFrame, *, is_first: bool) -> None:
        """Write what is new of a period into the history. `is_first`: the period was never rated before."""
        history.append(self._connection, "customer_value_history", rows)
        if rows.is_empty():
            return
        stands = pl.DataFrame(schema=CUSTOMER_VALUE_HISTORY) if is_first else self.of(period)
        new = rows.select(stands.columns)
        self._keep(period, pl.concat([stands.join(new, on=KEY, how="anti"), new]))

    def _keep(self, period: date, rows: pl.DataFrame) -> None:
        self._read.pop(period, None)
        while len(self._read) >= _KEPT:
            del self._read[next(iter(self._read))]
        self._read[period] = rows
