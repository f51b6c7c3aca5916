"""A table cut by the month its rows are delivered in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from flows.demo.company import Ints


@dataclass(frozen=True)
class Monthly:
    """A frame with a column `month`, sorted by it, and where each month begins; rows keep their order inside a month."""

    frame: pl.DataFrame
    begins: Ints

    @classmethod
    def of(cls, frame: pl.DataFrame, months: int) -> Monthly:
        """Cut a frame; rows of other months than 0 … `months` − 1 are left out."""
        ordered = frame.filter(pl.col("month").is_between(0, months - 1)).sort("month", maintain_order=True)
        return cls(ordered, np.searchsorted(ordered["month"].to_numpy(), np.arange(months + 1)))

    def month(self, number: int) -> pl.DataFrame:
        """The rows of one month, without copying them."""
        begin, end = self.begins[number], self.begins[number + 1]
        return self.frame.slice(int(begin), int(end - begin))
