"""What another policy would have made of the same facts: two replays side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from transforms.frames.reasons import listed
from transforms.measures.window import KEY
from transforms.simulation.outcome import outcomes
from transforms.simulation.volatility import tier_moves, volatility
from transforms.simulation.warning_lead import warning_lead
from transforms.tiers.caps import CAUSES
from transforms.tiers.raw import NO_CUSTOMERS, direction, rank

if TYPE_CHECKING:
    from datetime import date

    from transforms.policy.model import Policy
    from transforms.simulation.replay import Replayed

Row = dict[str, Any]

_SIDES: Final = ("ruling", "candidate")
_CANDIDATE: Final = "_candidate"
_COMPARED: Final = ("volume_class", "loyalty_class", "gate", "cap", "override_tier", "raw_tier")
_MONEY: Final = ("net_sales_12m", "contribution_12m", "exposure")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two policies: what it is, and how it fared in the periods shown."""

    policy_id: str
    policy_version: str
    policy_hash: str
    volatility: Row
    warnings: Row


@dataclass(frozen=True, slots=True)
class Comparison:
    """The candidate beside the policy in force. Money is company currency; every list is in a stable order.

    `migration`: the last period, one row a pair of tiers (ruling, candidate), with customers, `net_sales_12m`,
    `contribution_12m` and `exposure` (null where nobody of the pair has one) and the `direction` (`stays` where both are
    one). `by_tier`: the last period, one row a tier, with the first three of each policy (`…_ruling`, `…_candidate`; nobody
    and no net sales are 0). `moved`: the sums over those whose tier differs, up and down. `over_time`: one row a policy and pair of tiers, moves from one period to the next.
    `by_period`: customers, and how many of them the two policies see differently. `movers`: one row a customer whose
    tier in the last period differs, largest net sales first, with what differs on the way to it. `outcomes`: one row a policy
    and tier of the period a year before the last one, as `outcome.outcomes` has them.
    """

    ruling: Side
    candidate: Side
    first: date
    last: date
    periods: int
    customers: int
    migration: list[Row]
    by_tier: list[Row]
    moved: list[Row]
    over_time: list[Row]
    by_period: list[Row]
    movers: list[Row]
    outcomes: list[Row]

    @property
    def names(self) -> tuple[str, str]:
        """The policy in force and the candidate by id and version; two that share them by their hashes, too."""
        sides = (self.ruling, self.candidate)
        ours, theirs = (f"{side.policy_id} {side.policy_version}" for side in sides)
        if ours != theirs or self.ruling.policy_hash == self.candidate.policy_hash:
            return ours, theirs
        return f"{ours} ({self.ruling.policy_hash[:12]})", f"{theirs} ({self.candidate.policy_hash[:12]})"


def compare(
    ruling: Replayed, candidate: Replayed, policies: tuple[Policy, Policy], *, first: date, last: date
) -> Comparison:
    """Set two replays of the same looks side by side, and report the periods from `first` to `last`.

    `policies`: the one in force and the candidate; what is a material amount past due, the one in force says for both.
    ValueError where the replays hold no period of that span.
    """
    # A prospect is no customer yet, and who is succeeded none any more: neither is counted, here as elsewhere.
    is_customer = ~(pl.col("from_tier").is_in(NO_CUSTOMERS) & pl.col("to_tier").is_in(NO_CUSTOMERS))
    pairs = _pairs(ruling, candidate).filter(pl.col("period").is_between(first, last), is_customer)
    if pairs.is_empty():
        raise ValueError(f"no period from {first:%Y-%m} to {last:%Y-%m} was replayed")
    now = pairs.filter(pl.col("period") == pl.col("period").max())
    differ = pl.col("from_tier") != pl.col("to_tier")
    last_look = now.select(pl.col("as_of").max()).item()
    ours, theirs = (
        Side(
            policy.id,
            policy.version,
            policy.content_hash,
            _fields(volatility(replayed.values.lazy(), first=first, last=last)),
            _fields(warning_lead(replayed.credit, policies[0].credit, first=first, last=last_look)),
        )
        for policy, replayed in zip(policies, (ruling, candidate), strict=True)
    )
    return Comparison(
        ruling=ours,
        candidate=theirs,
        first=first,
        last=last,
        periods=pairs["period"].n_unique(),
        customers=now.height,
        migration=_summed(now.with_columns(_direction()), "from_tier", "to_tier", "direction"),
        by_tier=_by_tier(now),
        moved=_summed(
            now.filter(differ).with_columns(_direction()),
            "direction",
        ),
        over_time=[
            {"policy": name, **row}
            for name, replayed in zip(_SIDES, (ruling, candidate), strict=True)
            for row in _moves(replayed, first, last)
        ],
        by_period=pairs.group_by("period")
        .agg(customers=pl.len(), differ=differ.sum())
        .sort("period")
        .to_dicts(),
        movers=now.filter(differ)
        .sort("net_sales_12m", *KEY, descending=[True, False, False], nulls_last=True)
        .select(_mover())
        .to_dicts(),
        outcomes=[
            {"policy": name, **row}
            for name, replayed, policy in zip(_SIDES, (ruling, candidate), policies, strict=True)
            for row in outcomes(replayed, policy, now.select(pl.col("period").max()).item())
        ],
    )


def agreement(replayed: pl.DataFrame, others: pl.DataFrame) -> Row:
    """Count the ratings (customer × period) two histories share, and those with the same tier and with the same score."""
    columns = [*KEY, "period", "effective_tier", "score"]
    both = replayed.select(columns).join(
        others.select(columns), on=[*KEY, "period"], how="inner", suffix="_other", validate="1:1"
    )
    same_tier = pl.col("effective_tier").eq_missing(pl.col("effective_tier_other"))
    same_score = pl.col("score").eq_missing(pl.col("score_other"))
    return both.select(ratings=pl.len(), same_tier=same_tier.sum(), same_score=same_score.sum()).row(
        0, named=True
    )


def other_tiers(replayed: pl.DataFrame, others: pl.DataFrame) -> list[Row]:
    """List the ratings whose tier differs between two histories. Grain: customer × period; tier here and in `others`."""
    return (
        replayed.select(*KEY, "period", "effective_tier")
        .join(others.select(*KEY, "period", other_tier="effective_tier"), on=[*KEY, "period"], how="inner")
        .filter(pl.col("effective_tier") != pl.col("other_tier"))
        .sort("period", *KEY)
        .to_dicts()
    )


def _pairs(ruling: Replayed, candidate: Replayed) -> pl.DataFrame:
    """Both ratings of each customer and period; `from_tier` is the ruling policy's tier, `to_tier` the candidate's.

    The credit exposure is no policy's matter.
    """
    columns = [*KEY, "period", "effective_tier", "score", "memory_tier", *_COMPARED]
    exposure = ruling.credit.select(*KEY, "as_of", "exposure")
    return (
        _with_cap(ruling)
        .select(*columns, "as_of", "net_sales_12m", "contribution_12m")
        .join(
            _with_cap(candidate).select(columns),
            on=[*KEY, "period"],
            how="inner",
            suffix=_CANDIDATE,
            validate="1:1",
        )
        .rename({"effective_tier": "from_tier", f"effective_tier{_CANDIDATE}": "to_tier"})
        .join(exposure, on=[*KEY, "as_of"], how="left", validate="m:1")
    )


def _with_cap(replayed: Replayed) -> pl.DataFrame:
    causes = pl.concat_str(
        *(pl.when(pl.col(f"capped_by_{cause}")).then(pl.lit(cause)) for cause in CAUSES),
        separator=", ",
        ignore_nulls=True,
    )
    return replayed.values.with_columns(cap=pl.format("{} by {}", "cap_tier", causes))


def _summed(rows: pl.DataFrame, *by: str) -> list[Row]:
    sums = {name: pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum()) for name in _MONEY}
    order = [-rank(name) if name.endswith("_tier") else pl.col(name) for name in by]
    return rows.group_by(by).agg(customers=pl.len(), **sums).sort(*order, *by).to_dicts()


def _direction() -> pl.Expr:
    return (
        pl.when(pl.col("from_tier") == pl.col("to_tier"))
        .then(pl.lit("stays"))
        .otherwise(direction(rank("from_tier"), rank("to_tier")))
        .alias("direction")
    )


def _by_tier(now: pl.DataFrame) -> list[Row]:
    ours, theirs = (
        now.group_by(tier=pl.col(column).cast(pl.String)).agg(
            pl.len().alias(f"customers_{side}"),
            pl.col("net_sales_12m").sum().alias(f"net_sales_12m_{side}"),
            pl.when(pl.col("contribution_12m").is_not_null().any())
            .then(pl.col("contribution_12m").sum())
            .alias(f"contribution_12m_{side}"),
        )
        for side, column in zip(_SIDES, ("from_tier", "to_tier"), strict=True)
    )
    counted = [f"{name}_{side}" for name in ("customers", "net_sales_12m") for side in _SIDES]
    return (
        ours.join(theirs, on="tier", how="full", coalesce=True, validate="1:1")
        .with_columns(pl.col(counted).fill_null(0))
        .sort(-rank("tier"), "tier")
        .to_dicts()
    )


def _moves(replayed: Replayed, first: date, last: date) -> list[Row]:
    return (
        tier_moves(replayed.values.lazy())
        .filter(pl.col("period").is_between(first, last))
        .group_by("from_tier", "to_tier")
        .agg(moves=pl.len(), reversals=pl.col("is_reversal").sum())
        .sort(-rank("from_tier"), "from_tier", -rank("to_tier"), "to_tier")
        .collect()
        .to_dicts()
    )


def _mover() -> list[pl.Expr]:
    return [
        *map(pl.col, KEY),
        pl.col("from_tier"),
        pl.col("to_tier"),
        _direction(),
        pl.col("score").alias("score_from"),
        pl.col(f"score{_CANDIDATE}").alias("score_to"),
        *map(pl.col, _MONEY),
        _drivers().alias("drivers"),
    ]


def _drivers() -> pl.Expr:
    """List what the two policies see differently on the way from the figures to the tier: `what`, `ruling`, `candidate`."""
    is_memory_alone = pl.col("raw_tier").eq_missing(pl.col(f"raw_tier{_CANDIDATE}"))
    changes = [
        *(_change(name) for name in _COMPARED),
        pl.when(is_memory_alone).then(_change("memory_tier")),
    ]
    return listed(changes).list.drop_nulls()


def _change(name: str) -> pl.Expr:
    ruling, candidate = (pl.col(column).cast(pl.String) for column in (name, f"{name}{_CANDIDATE}"))
    return pl.when(ruling.ne_missing(candidate)).then(
        pl.struct(what=pl.lit(name), ruling=ruling, candidate=candidate)
    )


def _fields(counted: Any) -> Row:
    return {name: getattr(counted, name) for name in counted.__dataclass_fields__}
