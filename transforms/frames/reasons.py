"""Reasons as facts: a code and its figures. They become words at the edge, in whichever language is asked for.

A reason names its figures by a few fixed slots, so that one frame, one table and one renderer hold all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.fixed_point import MONEY_SUM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date
    from decimal import Decimal

FIGURE: Final = pl.Decimal(38, 6)
SLOTS: Final[dict[str, pl.DataType]] = {
    "subject": pl.String(),  # the measure, cause, kind or gate it speaks of: a code
    "label": pl.String(),  # a tier, grade, action, confidence or reason that it names: a code
    "value": FIGURE,  # what was found
    "bar": FIGURE,  # what it is held against
    "clears_at": FIGURE,  # the bar at which it ends
    "amount": MONEY_SUM,  # company currency
    "counted": pl.Int32(),
    "out_of": pl.Int32(),
    "day": pl.Date(),
    "name": pl.String(),  # a person, a territory or references, as delivered
    "remark": pl.String(),  # what a person wrote
}
REASON: Final = pl.Struct({"code": pl.String(), **SLOTS})
REASONS: Final = pl.List(REASON)
"""Reasons in the order in which they are said; null where there is none."""

CODES: Final[dict[str, tuple[str, ...]]] = {
    # credit
    "severe_arrears": ("amount", "counted"),
    "over_limit": ("amount", "bar"),
    "limit_of_nothing": (),
    "blocked_in_the_erp": (),
    "blocked_for_credit": (),
    "disputes_not_counted": ("amount",),
    "written_off": ("amount", "counted"),
    "disputed": ("amount",),
    "new_customer": (),
    "no_limit": (),
    "no_limit_rate": (),
    "member_stopped": ("name", "amount", "counted"),
    "credit_grade": ("label",),
    "credit_in_another_currency": ("amount",),
    "credit_in_the_group": ("amount",),
    # before a sale
    "credit_action_holds": ("label", "remark"),
    "order_above_headroom": ("bar", "amount"),
    "order_above_group_headroom": ("name", "bar", "amount"),
    "no_limit_set": (),
    "new_and_no_limit_set": (),
    "new_and_no_limit_rate": (),
    "to_be_watched": ("remark",),
    "warned": ("remark",),
    "figure_above_bar": ("subject", "value", "bar"),
    "warning_cause": ("subject",),
    "warning_action": ("label",),
    "warning_figure": ("subject", "value", "bar"),
    "warning_figure_kept": ("subject", "value", "bar", "clears_at"),
    # what a tier asks for
    "below_bar": ("subject", "value", "bar"),
    "to_be_asked": ("subject", "value", "bar"),
    "above_bar": ("subject", "value", "bar"),
    "not_assessed": ("subject",),
    "not_assessed_because": ("subject", "label"),
    "target_gap": ("subject", "value"),
    "target_bar": ("subject", "bar"),
    "would_become": ("label",),
    # what holds a tier, and what is expected
    "own_figures": (),
    "memory_holds": ("label",),
    "gate": ("subject",),
    "gate_holds": ("subject", "label"),
    "gate_fires": ("subject", "amount", "label"),
    "cap": (),
    "cap_cause": ("subject",),
    "cap_at": ("label", "day"),
    "cap_fires": ("day", "label"),
    "cap_held": ("day", "label", "counted", "out_of"),
    "clean_periods": ("counted", "out_of"),
    "override_by": ("name", "remark"),
    "override_until": ("name", "day", "remark"),
    "override_ends": ("name",),
    "override_stopped": ("label", "name"),
    "override_gives_way": ("label", "name", "day"),
    "cap_lifts": ("label", "counted"),
    "stays_with": ("label",),
    "moves_next": ("label",),
    "moves_in_a_row": ("label", "counted"),
    "asks_for": ("subject", "bar"),
    "tier_since": ("label", "day"),
    "run_up": ("counted", "out_of", "label"),
    "run_down": ("counted", "out_of", "label"),
    "run_aside": ("counted", "out_of", "label"),
    # what moved a tier
    "override_ended": ("name", "day"),
    "cap_over": ("day",),
    "rules_changed": (),
    "policy_changed": (),
    "late_facts": (),
    "continues": ("name", "day"),
    "succeeded_by": ("name", "day"),
    "continues_no_more": (),
    "fell_below": ("subject", "value", "bar"),
    "rose_to": ("subject", "value", "bar"),
    "sales_moved": ("value", "bar"),
    "quantity_moved": ("value",),
    "price_moved": ("value",),
    "last_order": ("counted", "value"),
    # decline and growth
    "pace_of_quantity": ("value", "counted"),
    "pace_of_sales": ("value", "counted"),
    "pace_of_season": ("value",),
    "calm_periods": ("counted", "out_of"),
    "others_of_the_group_buy_more": ("amount",),
    # what moved the score
    "unassessed": ("subject", "label"),
    "driver": ("subject", "value"),
    "other_drivers": ("value",),
    # conduct
    "conduct_suspicion": ("label", "subject"),
    "overdue_at_month_end": ("amount", "counted", "day", "value"),
    "sighted_elsewhere": ("counted", "out_of", "name"),
    "shipped_elsewhere": ("value",),
    "purchases_surge": ("value",),
    "surge_above_peers": ("value",),
    "neighbour_declines": ("name", "value"),
    "offered_below_floor": ("counted", "out_of", "name"),
    "invoiced_below_floor": ("value",),
    # the playbook
    "expected_tier": ("label", "day"),
    "costs_more_than_it_brings": ("amount", "label"),
    "cash_to_apply": ("amount",),
    "buys_irregularly": ("amount", "value"),
    "irregular_so_far": ("value",),
    "imports": ("name", "amount"),
    "joint_work": ("counted",),
    "share_plans": (),
    "unserved_demand": ("amount",),
    "unserved_by_us": ("amount",),
    "small_and_loyal": (),
    "customer_for_months": ("value",),
}
"""Every code with the figures it bears."""


def _require_figures(code: str, figures: Mapping[str, object]) -> None:
    if set(figures) != set(CODES.get(code, ("an unknown code",))):
        raise ValueError(f"the reason {code} bears {CODES.get(code)}, not {tuple(figures)}")


def plain_reason(code: str, **figures: str | int | Decimal | date | None) -> dict[str, object]:
    """Make a reason of one customer as a plain value: its code and its figures. ValueError as of `reason`."""
    _require_figures(code, figures)
    return {"code": code, **figures}


def reason(code: str, **figures: pl.Expr | str | int | Decimal | date) -> pl.Expr:
    """Make a reason of type REASON. ValueError where the code is unknown, or its figures are not those CODES gives it."""
    _require_figures(code, figures)
    given = [
        (figure if isinstance(figure, pl.Expr) else pl.lit(figure)).cast(SLOTS[name]).alias(name)
        for name, figure in figures.items()
    ]
    # The cast adds the slots that are empty: a run builds hundreds of reasons, and an expression each would be eleven times as many.
    return pl.struct(pl.lit(code).alias("code"), *given).cast(REASON)


def reasons(*parts: pl.Expr) -> pl.Expr:
    """Put the reasons that are there one after another, of type REASONS; null where none is."""
    return several(listed(parts))


def listed(parts: Iterable[pl.Expr]) -> pl.Expr:
    """Put values of one type into a list, those that are null among them."""
    # By way of an array: a list would be put together row by row, which takes seven times as long, and fifty with many rows.
    return pl.concat_arr(*parts).arr.to_list()


def joined(*parts: pl.Expr) -> pl.Expr:
    """Put lists of reasons one after another, of type REASONS; null where none has one."""
    side_by_side = listed(pl.struct(reasons=part) for part in parts)
    reason_of = pl.element().struct.field("reasons")
    return several(side_by_side.list.eval(reason_of.explode(empty_as_null=False, keep_nulls=False)))


def several(found: pl.Expr) -> pl.Expr:
    """Leave out the reasons that are not there; null where none is left."""
    # Within the struct the list is named, not written down a second time: nested lists would double at each level.
    there = pl.field("there")
    is_there = pl.element().is_not_null()
    kept = pl.struct(found.list.filter(is_there).cast(REASONS).alias("there")).struct.with_fields(
        pl.when(there.list.len() > 0).then(there).alias("there")
    )
    return kept.struct.field("there")


def with_reasons(schema: pl.Schema, names: Iterable[str]) -> pl.Schema:
    """Take a contract's schema with these columns as reasons, before they become text."""
    told = set(names)
    if not told <= set(schema.names()):
        raise KeyError(f"no such columns: {sorted(told - set(schema.names()))}")
    return pl.Schema({name: REASONS if name in told else dtype for name, dtype in schema.items()})


def without_reasons(schema: pl.Schema) -> pl.Schema:
    """Leave out the columns of reasons."""
    return pl.Schema({name: dtype for name, dtype in schema.items() if dtype != REASONS})


def reason_rows(frame: pl.DataFrame, table: str, key: Iterable[str]) -> pl.DataFrame:
    """List every reason of a frame's columns of reasons. Grain: key × column × place.

    Columns: the key, `about` (table.column), `place` from 1 on, code, and the slots.
    """
    keys = tuple(key)
    told = [name for name, dtype in frame.schema.items() if dtype == REASONS]
    shape = {**{name: frame.schema[name] for name in keys}, "about": pl.String(), "place": pl.Int32()}
    parts = [
        frame.filter(pl.col(name).is_not_null())
        .select(
            *keys,
            pl.lit(f"{table}.{name}").alias("about"),
            pl.int_ranges(1, pl.col(name).list.len() + 1, dtype=pl.Int32).alias("place"),
            pl.col(name).alias("reason"),
        )
        .explode("place", "reason")
        .unnest("reason")
        for name in told
    ]
    return pl.concat([pl.DataFrame(schema={**shape, "code": pl.String(), **SLOTS}), *parts])
