"""The moves between a company's periods, brought up to its rating history in the rating's transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from itertools import pairwise

import duckdb
import polars as pl

from flows.pipeline.ratings import Ratings
from flows.wording.reasons import with_text
from transforms.facts.continued import from_the_main_one
from transforms.facts.succession import continued_numbers
from transforms.frames.reasons import reason_rows
from transforms.measures.window import KEY
from transforms.policy.model import Policy
from transforms.rating import revisions
from transforms.rating.events import period_moves
from warehouse.rating import history


def update(
    connection: duckdb.DuckDBPyConnection,
    company: str,
    periods: Sequence[date],
    rated: Sequence[date],
    policy_of: Callable[[date], Policy],
    succession_in: Callable[[date], pl.LazyFrame | None],
    standing: Ratings,
    recorded_at: datetime,
) -> dict[date, pl.DataFrame]:
    """Bring the moves into the periods, and into the one that follows each, up to the history; what is new of each, by period.

    `rated`: every rated period in its order. `policy_of`: the policy that one of them is rated by; `succession_in`: who stands for
    whom in it (PARTS); `standing`: the ratings as they stand. Frames: one row a move, the columns of MOVE, and
    `reasons_reasons`, what the text of its reasons was made of.
    """
    behind = {following for before, following in pairwise(rated) if before in periods}
    kept = {}
    for period in sorted({*periods, *behind}):
        policy = policy_of(period)
        before = max((each for each in rated if each < period), default=None)
        ratings = standing.of(period)
        previous = None if before is None else standing.of(before).lazy()
        succession = succession_in(period)
        if previous is not None:
            previous = from_the_main_one(previous, succession, own_first=True)
        moved = revisions.movers(ratings.lazy(), previous).collect()
        customers = continued_numbers(moved["customer_id"].to_list(), succession)
        rows = history.rows_before(connection, company, period, customers).lazy()
        earlier = from_the_main_one(rows, succession, own_first=True).collect()
        compared = revisions.moves(moved.lazy(), earlier.lazy(), policy)
        moves = period_moves(compared, policy, is_first=before is None).collect()
        fresh = history.replace_moves(
            connection,
            company,
            period,
            with_text(moves).with_columns(pl.lit(recorded_at).alias("recorded_at")),
            reason_rows(moves, "tier_change", (*KEY, "period", "revision")),
        )
        of_move = ("customer_id", "from_tier", "to_tier")
        kept[period] = fresh.select(revisions.MOVE.names()).join(
            moves.select(*of_move, reasons_reasons="reasons"),
            on=of_move,
            how="left",
            nulls_equal=True,
            validate="1:1",
        )
    return kept
