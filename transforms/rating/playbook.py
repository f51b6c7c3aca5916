"""The playbook: one next action a customer, and the card of a strategic partner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.conduct.evidence import FLAGGED
from transforms.credit.material import YEARLY_SALES, is_material
from transforms.frames.choice import first_that_holds
from transforms.frames.conform import columns_of, conform_to, require_columns
from transforms.frames.fixed_point import MONEY_SUM
from transforms.frames.periods import YEAR, months_before
from transforms.frames.reasons import REASONS, joined, reason, reasons, with_reasons
from transforms.frames.schemas import NEXT_ACTION, PARTNER_CARD
from transforms.measures.season import MONTHS_TO_TELL
from transforms.measures.window import KEY
from transforms.rating.import_cases import JOINT_WORK, latest_estimates
from transforms.rating.period import RATED
from transforms.tiers.raw import PROSPECT, SUCCEEDED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from transforms.facts.model import Facts
    from transforms.policy.model import Policy
    from transforms.rating.period import RatedPeriod

ACTIONS: Final = with_reasons(NEXT_ACTION, ("reason",))
"""NEXT_ACTION before its reason becomes text."""
CARD: Final = with_reasons(PARTNER_CARD, ("watch_gap",))
"""PARTNER_CARD before its reasons become text."""

_VALUE: Final = columns_of(
    RATED,
    (
        *KEY,
        "period",
        "net_sales_12m",
        "contribution_12m",
        "loss_component",
        "headroom_12m",
        "volume_class",
        "loyalty",
        "loyalty_class",
        "season_months",
        "decline_state",
        "decline_stake",
        "decline_reason",
        "effective_tier",
        "memory_tier",
        "watch_tier",
        "watch_direction",
        "watch_gap",
        "watch_deadline",
        "months_of_history",
    ),
)
_LOYAL: Final = ("strategic", "core", "cultivate")
_CLOSED: Final = "inactive"
_MAY_NOT_ORDER: Final = ("blocked", _CLOSED)
REST: Final = "maintain"
"""The action where nothing presses."""


@dataclass(frozen=True, slots=True)
class Play:
    """One row of the playbook: in words for the docs, and as expressions for the choice."""

    action: str
    when: str
    holds: pl.Expr
    reason: pl.Expr
    at_stake: pl.Expr


def next_actions(rated: RatedPeriod, facts: Facts, as_of: date, policy: Policy) -> pl.LazyFrame:
    """Recommend one next action. Grain: rated customer that is not succeeded; ends at ACTIONS.

    The first play that holds is taken (`plays`, also the order of `priority`); `also` names the others that hold, in their
    order, null where none does. Within an action `place` counts from the largest `at_stake` down, by number where equal;
    unknown comes last. Source: docs/figures.md, The playbook.
    """
    table = plays()
    presses = [play for play in table if play.action != REST]
    others = [
        pl.when(play.holds & (pl.col("action") != play.action)).then(pl.lit(play.action)) for play in presses
    ]

    def of_the_first(values: Iterable[pl.Expr]) -> pl.Expr:
        return first_that_holds(zip((play.holds for play in table), values, strict=True))

    chosen = _situation(rated, facts, as_of, policy).with_columns(
        priority=of_the_first(pl.lit(n, dtype=pl.Int32) for n in range(1, len(table) + 1)),
        action=of_the_first(pl.lit(play.action) for play in table),
        reason=of_the_first(play.reason for play in table),
        at_stake=of_the_first(play.at_stake for play in table).cast(MONEY_SUM),
        as_of=pl.lit(as_of),
    )
    also = pl.concat_str(others, separator=", ", ignore_nulls=True)
    chosen = chosen.with_columns(also=pl.when(also != "").then(also))
    by_stake = pl.struct(
        is_unknown=pl.col("at_stake").is_null(),
        falling=pl.col("at_stake").fill_null(0) * -1,
        number="customer_id",
    )
    place = by_stake.rank("ordinal").over("company_code", "action").cast(pl.Int32)
    return conform_to(chosen.with_columns(place=place), ACTIONS).sort(KEY)


def plays() -> tuple[Play, ...]:
    """Give the playbook, the most pressing action first. Columns are those of `_situation`.

    Nobody is to sell more to whom the master calls blocked or inactive, and whom it calls inactive is no customer any more to
    talk with about terms or plans. A prospect that costs samples is no customer yet whose terms could be renegotiated.
    """
    tier = pl.col("effective_tier")
    is_open = pl.col("status").ne_missing(_CLOSED)
    is_loyal = pl.col("memory_tier").is_in(_LOYAL)
    may_order = ~pl.col("status").is_in(_MAY_NOT_ORDER).fill_null(value=False)
    imports = pl.col("import_demand").is_not_null() & may_order
    nothing = pl.lit(None, dtype=MONEY_SUM)
    slips = reason("expected_tier", label=pl.col("watch_tier"), day=pl.col("watch_deadline"))
    imported = reason("imports", name=pl.col("import_groups"), amount=pl.col("import_demand"))
    joint = reason("joint_work", counted=pl.col("joint_work_12m"))
    loss = reason(
        "costs_more_than_it_brings",
        amount=-pl.col("contribution_12m"),
        label=pl.col("loss_component").fill_null("cost"),
    )
    to_cultivate = _why_cultivated(slips)
    works_with_us = (pl.col("joint_work_12m") > 0).fill_null(value=False)
    is_old_enough = pl.col("months_of_history") >= MONTHS_TO_TELL
    irregular = reason("buys_irregularly", amount=pl.col("net_sales_12m"), value=pl.col("loyalty"))
    is_figured = pl.col("net_sales_12m").is_not_null() & pl.col("loyalty").is_not_null()
    is_at_stake = pl.col("is_business_at_stake")
    so_far = reason("irregular_so_far", value=pl.col("months_of_history"))
    return (
        Play(
            "stop_credit",
            "credit action `stop`",
            pl.col("credit_action") == "stop",
            pl.col("action_reason"),
            pl.col("net_overdue"),
        ),
        Play(
            "apply_cash",
            "credit to be applied to open items, material",
            pl.col("is_cash_to_apply"),
            reasons(reason("cash_to_apply", amount=pl.col("to_be_applied"))),
            pl.col("to_be_applied"),
        ),
        Play(
            "settle_dispute",
            "open amounts in dispute, material",
            pl.col("is_dispute_to_settle"),
            reasons(reason("disputed", amount=pl.col("disputed_open"))),
            pl.col("disputed_open"),
        ),
        Play(
            "prepay",
            "credit action `prepay`",
            pl.col("credit_action") == "prepay",
            pl.col("action_reason"),
            pl.col("net_overdue"),
        ),
        Play(
            "investigate",
            "conduct suspected or confirmed",
            pl.col("suspicions").is_not_null(),
            pl.col("suspicions"),
            pl.col("net_sales_12m"),
        ),
        Play(
            "renegotiate",
            "contribution below 0, neither prospect nor inactive",
            (pl.col("contribution_12m") < 0) & (tier != PROSPECT) & is_open,
            reasons(loss),
            -pl.col("contribution_12m"),
        ),
        Play(
            "win_back",
            "lapsed, what it bought is material, and it may order",
            (pl.col("decline_state") == "lapsed") & is_at_stake & may_order,
            pl.col("decline_reason"),
            pl.col("decline_stake"),
        ),
        Play(
            "call",
            "slowing or declining, what is at stake is material, and it may order",
            pl.col("decline_state").is_in(["slowing", "declining"]) & is_at_stake & may_order,
            pl.col("decline_reason"),
            pl.col("decline_stake"),
        ),
        Play(
            "handle_speculator",
            f"speculative, customer for {MONTHS_TO_TELL} months or more, without a season, and not inactive",
            (tier == "speculative") & is_old_enough & pl.col("season_months").is_null() & is_open,
            reasons(pl.when(is_figured).then(irregular)),
            pl.col("net_sales_12m"),
        ),
        Play(
            "protect",
            "strategic or core, expected to move down, and not inactive",
            tier.is_in(["strategic", "core"]) & (pl.col("watch_direction") == "down") & is_open,
            joined(reasons(slips), pl.col("watch_gap")),
            pl.col("net_sales_12m"),
        ),
        Play(
            "co_develop",
            "loyal, may order, imports what we could make, and works with us on it",
            is_loyal & imports & works_with_us,
            reasons(imported, joint),
            pl.col("import_demand"),
        ),
        Play(
            "substitute_import",
            "loyal, may order, imports what we could make, and does not yet work with us on it",
            is_loyal & imports & ~works_with_us,
            reasons(imported),
            pl.col("import_demand"),
        ),
        Play(
            "partner",
            "strategic, and not inactive",
            (tier == "strategic") & is_open,
            reasons(reason("share_plans")),
            pl.col("net_sales_12m"),
        ),
        Play(
            "cultivate",
            "cultivate, and may order; the largest headroom first",
            (tier == "cultivate") & may_order,
            to_cultivate,
            pl.col("headroom_12m"),
        ),
        Play(
            "welcome",
            "new, and may order",
            (tier == "new") & may_order,
            reasons(reason("customer_for_months", value=pl.col("months_of_history"))),
            pl.col("net_sales_12m"),
        ),
        Play(
            REST,
            "anything else",
            pl.lit(value=True),
            reasons(pl.when((tier == "speculative") & ~is_old_enough).then(so_far)),
            nothing,
        ),
    )


def _why_cultivated(expected: pl.Expr) -> pl.Expr:
    """Say why a customer is to be cultivated: only what holds of the period, whatever the tier remembers (reasons).

    `expected`: the reason that names the tier a move is expected to.
    """
    is_loyal = pl.col("loyalty_class").ne_missing("not_loyal")
    is_small = pl.col("volume_class").ne_missing("high")
    headroom = pl.col("headroom_12m")
    return reasons(
        pl.when((headroom > 0) & is_loyal)
        .then(reason("unserved_demand", amount=headroom))
        .when(headroom > 0)
        .then(reason("unserved_by_us", amount=headroom))
        .when(is_loyal & is_small)
        .then(reason("small_and_loyal")),
        pl.when(~(is_loyal & is_small) & pl.col("watch_tier").is_not_null()).then(expected),
    )


def playbook_table() -> str:
    """Write the playbook as a Markdown table, for the docs; the first row that holds is taken."""
    rows = [f"| {number} | {play.action} | {play.when} |" for number, play in enumerate(plays(), start=1)]
    return "\n".join(["| # | action | when |", "|---|---|---|", *rows]) + "\n"


def partner_cards(rated: RatedPeriod, facts: Facts, as_of: date) -> pl.LazyFrame:
    """Put on a card what a talk with a strategic partner needs. Grain: strategic customer; ends at CARD.

    Joint work, projects (told apart by their reference) and complaints are null where interactions are not delivered;
    overdue and disputed where receivables are not. Source: docs/figures.md, The playbook.
    """
    partners = rated.values.filter(pl.col("effective_tier") == "strategic")
    return conform_to(
        partners.join(facts.customers.select(*KEY, "name"), on=KEY, how="left", validate="1:1")
        .join(_joint_work(facts, as_of), on=KEY, how="left", validate="1:1")
        .with_columns(_or_zero("joint_work_12m", facts), _or_zero("joint_projects", facts))
        .join(_credit(rated), on=KEY, how="left", validate="1:1")
        .with_columns(as_of=pl.lit(as_of)),
        CARD,
    ).sort(KEY)


def _situation(rated: RatedPeriod, facts: Facts, as_of: date, policy: Policy) -> pl.LazyFrame:
    """Put everything the plays look at beside a rated customer; there is nothing to do about who is succeeded."""
    return (
        require_columns(rated.values, _VALUE)
        .filter(pl.col("effective_tier").ne_missing(SUCCEEDED))
        .join(facts.customers.select(*KEY, "status"), on=KEY, how="left", validate="1:1")
        .join(_credit(rated), on=KEY, how="left", validate="1:1")
        .with_columns(**_to_clear_up(policy), is_business_at_stake=_is_business_at_stake(policy))
        .join(_suspicions(rated), on=KEY, how="left", validate="1:1")
        .join(_imports(facts, as_of), on=KEY, how="left", validate="1:1")
        .join(_joint_work(facts, as_of), on=KEY, how="left", validate="1:1")
    )


_CREDIT_AMOUNTS: Final = (
    "disputed",
    "net_overdue",
    "net_owed",
    "to_be_applied",
    "disputed_open",
    YEARLY_SALES,
)


def _to_clear_up(policy: Policy) -> dict[str, pl.Expr]:
    """Tell whether what is to be applied, or is in dispute, is material beside all that is owed of its kind."""
    applied, contested, owed = pl.col("to_be_applied"), pl.col("disputed_open"), pl.col("net_owed")
    return {
        "is_cash_to_apply": is_material(applied, applied + contested + owed, policy.credit),
        "is_dispute_to_settle": is_material(contested, contested + owed, policy.credit),
    }


def _is_business_at_stake(policy: Policy) -> pl.Expr:
    """Tell whether what is at stake is material beside the business that it was part of."""
    stake, now = pl.col("decline_stake"), pl.col("net_sales_12m").fill_null(0)
    was = stake + pl.max_horizontal(now, pl.lit(0).cast(MONEY_SUM))
    return is_material(stake, was, policy.credit, sales=was)


def _credit(rated: RatedPeriod) -> pl.LazyFrame:
    if rated.credit is None:
        keys = dict.fromkeys((*KEY, "credit_action"), pl.String())
        return pl.LazyFrame(
            schema={
                **keys,
                "action_reason": REASONS,
                **dict.fromkeys((*_CREDIT_AMOUNTS, "overdue"), MONEY_SUM),
            }
        )
    buckets = ("overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_over_90")
    return rated.credit.select(
        *KEY,
        "credit_action",
        "action_reason",
        *_CREDIT_AMOUNTS,
        overdue=pl.sum_horizontal(buckets).cast(MONEY_SUM),
    )


def _suspicions(rated: RatedPeriod) -> pl.LazyFrame:
    """Name what is suspected or confirmed of a customer, in the order of the kinds. Grain: customer with such a finding."""
    kind = reason("conduct_suspicion", label=pl.col("confidence"), subject=pl.col("kind"))
    found = joined(reasons(kind), pl.col("evidence"))
    return (
        rated.conduct.filter(pl.col("confidence").is_in(FLAGGED))
        .group_by(KEY)
        .agg(suspicions=found.sort_by("kind").list.explode(keep_nulls=False, empty_as_null=False))
    )


def _imports(facts: Facts, as_of: date) -> pl.LazyFrame:
    """Value the demand that imports cover today. Grain: customer of whom the latest estimate of some group says so.

    Of each product group the latest estimate made by `as_of`; goods are valued at what the customer pays today.
    """
    if facts.demand_estimates is None:
        strings = dict.fromkeys((*KEY, "import_groups"), pl.String())
        return pl.LazyFrame(schema={**strings, "import_demand": MONEY_SUM})
    return (
        latest_estimates(facts.demand_estimates, as_of)
        .filter(pl.col("supplied_by") == "import")
        .with_columns(product_group=pl.col("product_group").fill_null("all products"))
        .group_by(KEY)
        .agg(
            import_demand=pl.col("demand").sum(), import_groups=pl.col("product_group").sort().str.join(", ")
        )
    )


def _joint_work(facts: Facts, as_of: date) -> pl.LazyFrame:
    """Count joint work of the 12 months to `as_of`. Grain: customer with some."""
    if facts.interactions is None:
        return pl.LazyFrame(
            schema={
                **dict.fromkeys(KEY, pl.String()),
                "joint_work_12m": pl.Int32(),
                "joint_projects": pl.Int32(),
                "last_joint_work_on": pl.Date(),
            }
        )
    day = pl.col("occurred_at").dt.date()
    return (
        facts.interactions.filter(
            pl.col("kind").is_in(JOINT_WORK), day > months_before(as_of, YEAR), day <= as_of
        )
        .group_by(KEY)
        .agg(
            joint_work_12m=pl.len().cast(pl.Int32),
            joint_projects=pl.col("project_ref").drop_nulls().n_unique().cast(pl.Int32),
            last_joint_work_on=day.max(),
        )
    )


def _or_zero(column: str, facts: Facts) -> pl.Expr:
    return pl.col(column) if facts.interactions is None else pl.col(column).fill_null(0)
