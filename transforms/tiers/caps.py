"""What lies over the memory tier: caps by credit stop and confirmed conduct, and overrides by hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.choice import first_that_holds
from transforms.frames.reasons import reason, reasons
from transforms.tiers.raw import lower_tier, rank

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from transforms.policy.model import GateRule, Policy

CREDIT_STOP: Final = "credit_stop"
CONFIRMED_CONDUCT: Final = "confirmed_conduct"
ERP_BLOCK: Final = "erp_block"
CHRONIC_LATENESS: Final = "chronic_lateness"
CREDIT_CAUSES: Final[dict[str, str]] = {
    CREDIT_STOP: "is_credit_stop",
    ERP_BLOCK: "is_blocked",
    CHRONIC_LATENESS: "is_chronically_late",
}
"""What sets a cap by the credit watch, with the column that tells it."""

CAUSES: Final = (CONFIRMED_CONDUCT, *CREDIT_CAUSES)
"""What sets a cap, in the order in which it is said."""

CAP_COLUMNS: Final = (
    "cap_tier",
    *(f"capped_by_{cause}" for cause in CAUSES),
    "cap_since",
    "cap_clean_periods",
)

_CUSTOMER: Final = ("company_code", "customer_id")
_BEFORE: Final = "_before"


@dataclass(frozen=True, slots=True)
class CapStep:
    """One row of the cap's table: in words for the docs, and as expressions for the step."""

    name: str
    when: str
    then: str
    holds: pl.Expr
    state: Mapping[str, pl.Expr]


def cap(
    remembered: pl.LazyFrame,
    policy: Policy,
    as_of: date,
    *,
    credit: pl.LazyFrame | None,
    confirmed_conduct: pl.LazyFrame | None,
) -> pl.LazyFrame:
    """Add the cap at `as_of`. Grain: as given, customer × period.

    `credit` is the credit watch; `confirmed_conduct` lists the customers (company_code, customer_id) whose misconduct is
    confirmed; None means that it cannot be judged. Needs the cap before in columns that end in `_before` (the predecessor
    period's, or that of an earlier run of this period, told by `capped_in_period`).
    A cause caps at once, at the lowest tier any cause since the cap began allows; the way back needs the policy's
    `clean_periods` rating periods in a row without cause, counted from the predecessor period, so that a second run in a
    period counts nothing twice. Where the cause of a cap cannot be judged any more, the cap stays and nothing counts.
    `cap_since` is the `as_of` of the rating that first saw it. A cap that began within the period stays in it even if its
    cause is gone by the next run: the period is not clean. Never touches the memory. Source: docs/figures.md, Tiers.
    """
    confirmed = _flag(confirmed_conduct, pl.lit(value=True))
    causes = {CONFIRMED_CONDUCT: confirmed} | {
        cause: _flag(credit, pl.col(column))
        for cause, column in CREDIT_CAUSES.items()
        if getattr(policy.gates, cause) != "off"
    }
    for cause, customers in causes.items():
        remembered = remembered.join(
            customers.rename({"flag": cause}), on=_CUSTOMER, how="left", validate="m:1"
        )
    off = [pl.lit(value=False).alias(cause) for cause in CAUSES if cause not in causes]
    is_blind = _was_cause(CONFIRMED_CONDUCT) & pl.lit(confirmed_conduct is None)
    for cause in CREDIT_CAUSES:
        is_blind |= _was_cause(cause) & pl.lit(credit is None)
    return (
        remembered.with_columns(pl.col(*causes).fill_null(value=False), *off)
        .with_columns(
            _next_cap(
                policy,
                as_of,
                is_blind=is_blind,
            )
        )
        .unnest("cap")
        .with_columns(cap_reason=reasons(*cap_causes()))
        .drop(CAUSES)
    )


def override(capped: pl.LazyFrame, overrides: pl.LazyFrame | None, as_of: date) -> pl.LazyFrame:
    """Add the override in force at `as_of`, from its first day to its last. Grain: as given, customer × period.

    Adds override_tier, override_owner, override_reason, override_valid_to (null without one) and
    `override_lifts_credit_stop` (false without one). Of several in force the one that began last holds. `overrides`
    None: not delivered.
    """
    if overrides is None:
        nothing = {
            "override_tier": pl.String(),
            "override_owner": pl.String(),
            "override_reason": pl.String(),
            "override_valid_to": pl.Date(),
        }
        return capped.with_columns(
            *(pl.lit(None, dtype=dtype).alias(name) for name, dtype in nothing.items()),
            override_lifts_credit_stop=pl.lit(value=False),
        )
    in_force = (
        overrides.filter(pl.col("valid_from") <= as_of, pl.col("valid_to") >= as_of)
        .filter(pl.col("valid_from") == pl.col("valid_from").max().over(_CUSTOMER))
        .select(
            *_CUSTOMER,
            override_tier="tier",
            override_owner="owner",
            override_reason="reason",
            override_valid_to="valid_to",
            override_lifts_credit_stop=pl.col("lifts_credit_stop").fill_null(value=False),
        )
    )
    return capped.join(in_force, on=_CUSTOMER, how="left", validate="m:1").with_columns(
        pl.col("override_lifts_credit_stop").fill_null(value=False)
    )


def effective_tier(gates: GateRule) -> pl.Expr:
    """Give what the business sees: the override, else the lower of the memory tier and the cap.

    An override holds against confirmed conduct, but against a credit stop only if it says so: else it is at most the
    tier a credit stop leaves. Source: docs/figures.md, Tiers.
    """
    is_stopped = pl.col(f"capped_by_{CREDIT_STOP}").fill_null(value=False)
    at_most_stopped = lower_tier(pl.col("override_tier"), pl.lit(gates.credit_stop))
    return (
        pl.when(pl.col("override_tier").is_not_null() & is_stopped & ~pl.col("override_lifts_credit_stop"))
        .then(at_most_stopped)
        .when(pl.col("override_tier").is_not_null())
        .then("override_tier")
        .otherwise(capped_tier())
        .alias("effective_tier")
    )


def capped_tier() -> pl.Expr:
    """Give the lower of the memory tier and the cap: the effective tier of a customer without an override.

    A cap of the same rank leaves the kind, but that of confirmed conduct sets it.
    """
    memory, at_most = pl.col("memory_tier"), pl.col("cap_tier")
    sets_kind = pl.col(f"capped_by_{CONFIRMED_CONDUCT}") & (rank(memory) == rank(at_most))
    return pl.when(sets_kind.fill_null(value=False)).then(at_most).otherwise(lower_tier(memory, at_most))


def _flag(customers: pl.LazyFrame | None, condition: pl.Expr) -> pl.LazyFrame:
    if customers is None:
        return pl.LazyFrame(
            schema={"company_code": pl.String(), "customer_id": pl.String(), "flag": pl.Boolean()}
        )
    return customers.filter(condition).select(*_CUSTOMER).unique().with_columns(flag=pl.lit(value=True))


def _was_cause(cause: str) -> pl.Expr:
    return pl.col(f"capped_by_{cause}{_BEFORE}").fill_null(value=False)


def cap_steps(policy: Policy, as_of: date, *, is_blind: pl.Expr) -> tuple[CapStep, ...]:
    """Give the steps of a cap; the first row that holds is taken. `is_blind`: its cause cannot be judged any more."""
    before = {column: pl.col(f"{column}{_BEFORE}") for column in CAP_COLUMNS}
    was_capped = before["cap_tier"].is_not_null()
    clean_periods = before["cap_clean_periods"] + 1
    needed = policy.memory.clean_periods
    fired = {
        "cap_tier": _of_conduct(lower_tier(_fired_tier(policy.gates), before["cap_tier"]), policy.gates),
        **{f"capped_by_{cause}": pl.col(cause) | _was_cause(cause) for cause in CAUSES},
        "cap_since": pl.coalesce(before["cap_since"], pl.lit(as_of)),
        "cap_clean_periods": pl.lit(0, dtype=pl.Int32),
    }
    nothing = {
        "cap_tier": pl.lit(None, dtype=pl.String),
        **{f"capped_by_{cause}": pl.lit(None, dtype=pl.Boolean) for cause in CAUSES},
        "cap_since": pl.lit(None, dtype=pl.Date),
        "cap_clean_periods": pl.lit(None, dtype=pl.Int32),
    }
    return (
        CapStep(
            "fires",
            "credit `stop` or confirmed misconduct on the day, whatever the memory says; a block in the ERP and chronic lateness, "
            "if the policy has gates for them",
            "the lowest tier any cause since the cap began allows, at once; no clean period yet",
            pl.any_horizontal(CAUSES),
            fired,
        ),
        CapStep(
            "holds still",
            "capped before, and the cause cannot be judged any more, or began within this very period",
            "as before; nothing counts",
            was_capped & (is_blind | pl.col("capped_in_period")),
            before,
        ),
        CapStep(
            "counts a clean period",
            f"capped before, no cause, and this one included fewer than {needed} clean periods in a row",
            "as before; one clean period more",
            was_capped & (clean_periods < needed),
            {**before, "cap_clean_periods": clean_periods},
        ),
        CapStep("is over, or never was", "anything else", "no cap", pl.lit(value=True), nothing),
    )


def cap_table(policy: Policy) -> str:
    """Write the steps of a cap as a Markdown table, for the docs; the first row that holds is taken."""
    steps = cap_steps(policy, policy.policy.effective_from, is_blind=pl.lit(value=False))
    rows = [
        f"| {number} | {row.name} | {row.when} | {row.then} |" for number, row in enumerate(steps, start=1)
    ]
    return "\n".join(["| # | step | when | cap after |", "|---|---|---|---|", *rows]) + "\n"


def _next_cap(policy: Policy, as_of: date, *, is_blind: pl.Expr) -> pl.Expr:
    steps = cap_steps(policy, as_of, is_blind=is_blind)
    return first_that_holds((row.holds, _named(row.state)) for row in steps).alias("cap")


def _named(columns: Mapping[str, pl.Expr]) -> pl.Expr:
    return pl.struct(*(expression.alias(name) for name, expression in columns.items()))


def _fired_tier(gates: GateRule) -> pl.Expr:
    allowed: list[pl.Expr] = [
        pl.when(pl.col(cause)).then(pl.lit(tier))
        for cause in CAUSES
        if (tier := getattr(gates, cause)) != "off"
    ]
    return reduce(lower_tier, allowed)


def _of_conduct(tier: pl.Expr, gates: GateRule) -> pl.Expr:
    """Of two kinds of the cap's rank, take that of confirmed conduct where it is a cause since the cap began."""
    conduct = pl.lit(gates.confirmed_conduct)
    is_cause = pl.col(CONFIRMED_CONDUCT) | _was_cause(CONFIRMED_CONDUCT)
    return pl.when(is_cause & (rank(conduct) == rank(tier))).then(conduct).otherwise(tier)


def cap_causes(when: str = "") -> tuple[pl.Expr, ...]:
    """Name every cause since the cap began (reasons), in one order; of another row in columns that end in `when`."""
    return tuple(
        pl.when(pl.col(f"capped_by_{cause}{when}")).then(reason("cap_cause", subject=cause))
        for cause in CAUSES
    )


def binds() -> pl.Expr:
    """Tell whether the cap is what keeps the customer down."""
    return (pl.col("cap_tier").is_not_null() & (capped_tier() != pl.col("memory_tier"))).fill_null(
        value=False
    )
