"""The playbook: one next action a customer, and the card of a strategic partner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.conduct_evidence import FLAGGED
from transforms.exact import MONEY_PLACES, MONEY_SUM, QUANTITY_PLACES, divide, from_units, units, whole
from transforms.frames import columns_of, ending_at, needing
from transforms.measures.window import KEY, YEAR
from transforms.periods import months_before
from transforms.schemas import CUSTOMER_VALUE_HISTORY, NEXT_ACTION, PARTNER_CARD
from transforms.wording import money, number, sentence

if TYPE_CHECKING:
    from datetime import date

    from transforms.facts import Facts
    from transforms.rating import RatedPeriod

JOINT_WORK: Final = ("growth_plan", "new_product_need", "technical_exchange", "joint_project")

_VALUE: Final = columns_of(
    CUSTOMER_VALUE_HISTORY,
    (
        *KEY,
        "period",
        "net_sales_12m",
        "contribution_12m",
        "headroom_12m",
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


@dataclass(frozen=True, slots=True)
class Play:
    """One row of the playbook: in words for the docs, and as expressions for the choice."""

    action: str
    when: str
    holds: pl.Expr
    reason: pl.Expr
    at_stake: pl.Expr


def next_actions(rated: RatedPeriod, facts: Facts, as_of: date) -> pl.LazyFrame:
    """Recommend one next action. Grain: rated customer; ends at NEXT_ACTION.

    The first play that holds is taken (`plays`, also the order of `priority`). Within an action `place` counts from the
    largest `at_stake` down, by number where equal; unknown comes last. Source: DOMAIN §8, DECISIONS 25.
    """
    table = plays()
    chosen = _situation(rated, facts, as_of).with_columns(
        priority=_first_that_holds(table, [pl.lit(n, dtype=pl.Int32) for n in range(1, len(table) + 1)]),
        action=_first_that_holds(table, [pl.lit(play.action) for play in table]),
        reason=_first_that_holds(table, [play.reason for play in table]),
        at_stake=_first_that_holds(table, [play.at_stake for play in table]).cast(MONEY_SUM),
        as_of=pl.lit(as_of),
    )
    by_stake = pl.struct(
        is_unknown=pl.col("at_stake").is_null(),
        falling=pl.col("at_stake").fill_null(0) * -1,
        number="customer_id",
    )
    place = by_stake.rank("ordinal").over("company_code", "action").cast(pl.Int32)
    return ending_at(chosen.with_columns(place=place), NEXT_ACTION).sort(KEY)


def plays() -> tuple[Play, ...]:
    """Give the playbook, the most pressing action first. Columns are those of `_situation`."""
    tier = pl.col("effective_tier")
    is_loyal = pl.col("memory_tier").is_in(_LOYAL)
    imports = pl.col("import_demand").is_not_null()
    nothing = pl.lit(None, dtype=MONEY_SUM)
    slips = (
        pl.lit("expected to become ")
        + pl.col("watch_tier")
        + pl.lit(" by ")
        + pl.col("watch_deadline").cast(pl.String)
    )
    imported = (
        pl.lit("imports ")
        + pl.col("import_groups")
        + pl.lit(", worth ")
        + money(pl.col("import_demand"))
        + pl.lit(" a year")
    )
    joint = pl.col("joint_work_12m").cast(pl.String) + pl.lit(" contacts of joint work in a year")
    loss = pl.lit("costs ") + money(-pl.col("contribution_12m")) + pl.lit(" more than it brings")
    return (
        Play(
            "stop_credit",
            "credit action `stop`",
            pl.col("credit_action") == "stop",
            pl.col("action_reason"),
            pl.col("overdue"),
        ),
        Play(
            "prepay",
            "credit action `prepay`",
            pl.col("credit_action") == "prepay",
            pl.col("action_reason"),
            pl.col("overdue"),
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
            "contribution below 0",
            pl.col("contribution_12m") < 0,
            loss,
            -pl.col("contribution_12m"),
        ),
        Play(
            "protect",
            "strategic or core, and expected to move down",
            tier.is_in(["strategic", "core"]) & (pl.col("watch_direction") == "down"),
            sentence(slips, pl.col("watch_gap"), separator=": "),
            pl.col("net_sales_12m"),
        ),
        Play(
            "co_develop",
            "loyal, imports what we could make, and works with us on it",
            is_loyal & imports & (pl.col("joint_work_12m") > 0),
            sentence(imported, joint),
            pl.col("import_demand"),
        ),
        Play(
            "substitute_import",
            "loyal, and imports what we could make",
            is_loyal & imports,
            imported,
            pl.col("import_demand"),
        ),
        Play(
            "partner",
            "strategic",
            tier == "strategic",
            pl.lit("strategic: share plans, and review the partner card"),
            pl.col("net_sales_12m"),
        ),
        Play(
            "cultivate",
            "cultivate; the largest headroom first",
            tier == "cultivate",
            pl.when(pl.col("headroom_12m") > 0)
            .then(
                pl.lit("loyal, with ") + money(pl.col("headroom_12m")) + pl.lit(" of demand we do not serve")
            )
            .otherwise(pl.lit("loyal and small; ask what it needs")),
            pl.col("headroom_12m"),
        ),
        Play(
            "welcome",
            "new",
            tier == "new",
            pl.lit("customer for ") + number(pl.col("months_of_history")) + pl.lit(" months"),
            pl.col("net_sales_12m"),
        ),
        Play("maintain", "anything else", pl.lit(value=True), pl.lit(None, dtype=pl.String), nothing),
    )


def playbook_table() -> str:
    """Write the playbook as a Markdown table, for the docs; the first row that holds is taken."""
    rows = [f"| {number} | {play.action} | {play.when} |" for number, play in enumerate(plays(), start=1)]
    return "\n".join(["| # | action | when |", "|---|---|---|", *rows]) + "\n"


def partner_cards(rated: RatedPeriod, facts: Facts, as_of: date) -> pl.LazyFrame:
    """Put on a card what a talk with a strategic partner needs. Grain: strategic customer; ends at PARTNER_CARD.

    Joint work, projects (told apart by their reference) and complaints are null where interactions are not delivered;
    overdue and disputed where receivables are not. Source: DOMAIN §8.
    """
    partners = rated.values.filter(pl.col("effective_tier") == "strategic")
    return ending_at(
        partners.join(facts.customers.select(*KEY, "name"), on=KEY, how="left", validate="1:1")
        .join(_joint_work(facts, as_of), on=KEY, how="left", validate="1:1")
        .with_columns(_or_zero("joint_work_12m", facts), _or_zero("joint_projects", facts))
        .join(_credit(rated), on=KEY, how="left", validate="1:1")
        .with_columns(as_of=pl.lit(as_of)),
        PARTNER_CARD,
    ).sort(KEY)


def _situation(rated: RatedPeriod, facts: Facts, as_of: date) -> pl.LazyFrame:
    """Put everything the plays look at beside a rated customer."""
    return (
        needing(rated.values, _VALUE)
        .join(_credit(rated), on=KEY, how="left", validate="1:1")
        .join(_suspicions(rated), on=KEY, how="left", validate="1:1")
        .join(_imports(facts, as_of), on=KEY, how="left", validate="1:1")
        .join(_joint_work(facts, as_of), on=KEY, how="left", validate="1:1")
    )


def _credit(rated: RatedPeriod) -> pl.LazyFrame:
    if rated.credit is None:
        keys = dict.fromkeys((*KEY, "credit_action", "action_reason"), pl.String())
        return pl.LazyFrame(schema={**keys, "overdue": MONEY_SUM, "disputed": MONEY_SUM})
    buckets = ("overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_over_90")
    return rated.credit.select(
        *KEY, "credit_action", "action_reason", "disputed", overdue=pl.sum_horizontal(buckets)
    )


def _suspicions(rated: RatedPeriod) -> pl.LazyFrame:
    """Name what is suspected or confirmed of a customer, in the order of the kinds. Grain: customer with such a finding."""
    kind = pl.col("confidence") + pl.lit(" ") + pl.col("kind")
    said = pl.concat_str(kind, pl.col("evidence"), separator=": ", ignore_nulls=True)
    return (
        rated.conduct.filter(pl.col("confidence").is_in(FLAGGED))
        .group_by(KEY)
        .agg(suspicions=said.sort_by("kind").str.join("; "))
    )


def _imports(facts: Facts, as_of: date) -> pl.LazyFrame:
    """Value the demand that imports cover today. Grain: customer of whom the latest estimate of some group says so.

    Of each product group the latest estimate made by `as_of`; goods are valued at what the customer pays today.
    """
    if facts.demand_estimates is None:
        strings = dict.fromkeys((*KEY, "import_groups"), pl.String())
        return pl.LazyFrame(schema={**strings, "import_demand": MONEY_SUM})
    latest_last = ["estimated_on", "period_start", "estimate_version"]
    goods = divide(
        units("quantity", QUANTITY_PLACES) * units("current_price", MONEY_PLACES), whole(10**QUANTITY_PLACES)
    )
    amount = pl.coalesce(pl.col("amount").cast(MONEY_SUM), from_units(goods, MONEY_SUM))
    return (
        facts.demand_estimates.filter(pl.col("estimated_on") <= as_of)
        .group_by(*KEY, "product_group")
        .agg(pl.col("amount", "quantity", "current_price", "supplied_by").sort_by(latest_last).last())
        .filter(pl.col("supplied_by") == "import")
        .with_columns(demand=amount, product_group=pl.col("product_group").fill_null("all products"))
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


def _first_that_holds(table: tuple[Play, ...], values: list[pl.Expr]) -> pl.Expr:
    chosen = values[-1]
    for play, value in zip(table[-2::-1], values[-2::-1], strict=True):
        chosen = pl.when(play.holds.fill_null(value=False)).then(value).otherwise(chosen)
    return chosen
