"""From what the mart holds to what each page needs: rows grouped for its tables, charts laid out, files named."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flows.report import charts, flow_chart, summary
from flows.wording import numbers
from flows.wording.reasons import localized
from flows.wording.words import Localized
from transforms.measures.descriptor import MEASURES

if TYPE_CHECKING:
    from transforms.policy.model import Policy
    from warehouse.mart.files import Row
    from warehouse.mart.report import CompanyData
    from warehouse.mart.report_customers import CustomerData

SECTIONS = (
    "summary",
    "overview",
    "migration",
    "curve",
    "map",
    "movers",
    "credit",
    "conduct",
    "structure",
)

CREDIT_ACTIONS = ("open", "watch", "prepay", "stop")
CONFIDENCES = ("confirmed", "suspected", "own_concession", "none", "not_assessable")
AGEING_BUCKETS = ("not_yet_due", "overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_over_90")
FATES = ("rows_in", "accepted", "quarantined", "waiting", "excluded", "refused")
TRENDS = ("top10_share", "hhi", "direct_share", "export_share", "new_product_share")
SEGMENTS = ("core", "cultivate", "speculative", "marginal", "new", "unrated")
# What the first screen does not say already.
FURTHER_HEADLINES = ("margin", "value_customers_share", "cultivate_headroom", "loss")
MONEY_HEADLINES = ("net_sales", "contribution", "cultivate_headroom", "loss")
TABLE_STEPS = 10

_PLAIN = re.compile(r"[0-9a-z_]{1,60}")


def file_name(company: str, customer: str) -> str:
    """The file of a customer's page: readable, safe on every file system, and nobody else's, whatever the ids hold.

    Where an id is more than small letters, digits and underscores, a hash of both tells it apart; a plain name has one
    dash and the other kind has two.
    """
    if _PLAIN.fullmatch(company) and _PLAIN.fullmatch(customer):
        return f"{company}-{customer}.html"
    digest = hashlib.sha256(f"{company}\0{customer}".encode()).hexdigest()[:12]
    return f"{_slug(company)}-{_slug(customer)}-{digest}.html"


def _slug(text: str) -> str:
    return re.sub(r"[^0-9a-z]+", "_", text.lower(), flags=re.ASCII)[:40].strip("_") or "x"


@dataclass(frozen=True, slots=True)
class Spark:
    """A share of the structure over time: its line, its latest value, and the one it began with."""

    line: charts.Line
    now: Decimal | None
    then: Decimal | None
    since: date


@dataclass(frozen=True, slots=True)
class Part:
    """A company's part of the first page."""

    id: str
    data: CompanyData
    sections: Sequence[str]
    first: summary.FirstScreen | None
    rated: int
    spans: dict[str, dict[str, Any]]
    flow: flow_chart.Flow | None
    flow_from: date | None
    curve: charts.Curve | None
    curve_table: list[Row]
    after_peak: int
    map: charts.Map | None
    quadrants: list[Row]
    not_on_map: int
    grades: list[str | None]
    standing: dict[tuple[str | None, str], Row]
    conduct: dict[str, dict[str, list[Row]]]
    structure: dict[str, list[Row]]
    cells: dict[str, Any]
    sparks: dict[str, Spark]


def part(number: int, data: CompanyData, policy: Policy | None, currency: str) -> Part:
    """A company's part, its charts laid out; the policy's bars part the map."""
    bars = policy.segments if policy else None
    spans = {
        span: _span(
            found,
            [row for row in data.migration_sums if row["span"] == span],
            data.period["before" if span == "period" else "year_before"],
        )
        for span in ("period", "year")
        if (found := [row for row in data.migration if row["span"] == span])
    }
    longest = "year" if "year" in spans else "period"
    return Part(
        id=f"c{number}",
        data=data,
        sections=SECTIONS if data.period else ("credit",) if data.ageing else (),  # receivables alone
        first=summary.first_screen(data.summary, currency) if data.summary else None,
        rated=sum(row["customers"] for row in data.quadrants),
        spans=spans,
        flow=flow_chart.flow([row for row in data.migration if row["span"] == longest]),
        flow_from=spans[longest]["earlier"] if spans else None,
        curve=charts.curve(data.curve),
        curve_table=_thinned(data.curve),
        after_peak=_after_peak(data.curve),
        map=charts.volume_loyalty_map(
            data.dots,
            data.cells,
            bars.volume_high_from if bars else None,
            bars.loyalty_from if bars else None,
        ),
        quadrants=sorted(data.quadrants, key=lambda row: SEGMENTS.index(row["segment"])),
        not_on_map=sum(row["not_on_map"] for row in data.quadrants),
        grades=list(dict.fromkeys(row["credit_grade"] for row in data.credit_standing)),
        standing={(row["credit_grade"], row["credit_action"]): row for row in data.credit_standing},
        conduct=_by_kind(data.conduct_counts),
        structure={
            level: [row for row in data.structure if row["level"] == level]
            for level in ("channel", "lifecycle_stage", "company")
        },
        cells=_cells(data.structure_cells),
        sparks=dict(_sparks(data.structure_trend[::-1])),
    )


def _span(rows: Sequence[Row], sums: Sequence[Row], earlier: date) -> dict[str, Any]:
    """A migration as a table: tiers by falling rank on both sides, the cells that anybody is in, and their sums."""

    def side(name: str) -> list[str | None]:
        ranks = {row[f"{name}_tier"]: row[f"{name}_rank"] or 0 for row in rows}
        return sorted(ranks, key=lambda tier: (-ranks[tier], tier or ""))

    cells = {(row["from_tier"], row["to_tier"]): row for row in rows}
    return {"earlier": earlier, "from": side("from"), "to": side("to"), "cells": cells, "sums": sums}


def _thinned(rows: Sequence[Row]) -> list[Row]:
    """The curve's rows nearest each tenth of the customers, the peak, and both ends."""
    if not rows:
        return []
    wanted = {0, len(rows) - 1} | {number for number, row in enumerate(rows) if row["is_peak"]}
    wanted |= {len(rows) * step // TABLE_STEPS for step in range(1, TABLE_STEPS)}
    return [rows[number] for number in sorted(wanted)]


def _after_peak(rows: Sequence[Row]) -> int:
    """Customers behind the peak; all of them where nobody adds anything."""
    peak = next((row["place"] for row in rows if row["is_peak"]), 0)
    return rows[-1]["total"] - peak if rows else 0


def _by_kind(rows: Sequence[Row]) -> dict[str, dict[str, list[Row]]]:
    kinds: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        kinds.setdefault(row["kind"], {}).setdefault(row["confidence"], []).append(row)
    return kinds


def _cells(rows: Sequence[Row]) -> dict[str, Any]:
    stages = ("introduction", "growth", "maturity", "decline", "discontinued", "unknown")
    sales = {(row["channel"], row["lifecycle_stage"]): row["net_sales_12m"] for row in rows}
    return {
        "channels": sorted({channel for channel, _ in sales}),
        "stages": sorted({stage for _, stage in sales}, key=lambda each: (stages.index(each), each)),
        "sales": sales,
        "largest": max(sales.values(), default=Decimal(0)),
    }


def _sparks(rows: Sequence[Row]) -> Iterator[tuple[str, Spark]]:
    for column in TRENDS:
        if rows:
            drawn = charts.line(rows, column, width=200, height=46)
            yield column, Spark(drawn, rows[-1][column], rows[0][column], rows[0]["period"])


@dataclass(frozen=True, slots=True)
class CustomerPage:
    """What a customer's own page shows."""

    value: Row
    master: Row
    year: Row | None
    why: list[tuple[str, Localized]]
    decline: str | None  # of `decline` in the words
    partner: list[tuple[str, Any]]
    measures: list[Row]
    extra: list[tuple[str, Any]]
    score_line: charts.Line
    last_score: Decimal | None
    periods: list[Row]
    tiers_seen: list[str]
    columns: charts.Columns | None
    products: list[Row]
    white_spots: list[Row]
    new_products: list[Row]
    imports: list[Row]
    actions: list[Row]
    moves: list[Row]
    credit: list[Row]
    conduct: list[Row]
    next_action: list[Row]
    expectation: list[Row]


# What is the same of a measure on every page.
_MEASURED = [
    (
        each,
        {
            "key": f"customer_value.{each.column}",
            "label": Localized(*each.label),
            "is_money": each.unit == "company_currency",
        },
    )
    for each in MEASURES
]


def customer_page(data: CustomerData) -> CustomerPage:
    """A customer's page, its charts laid out."""
    value = data.value
    known = [row for row in data.periods if row["score"] is not None]
    return CustomerPage(
        value=value,
        master=data.master[0],
        year=data.year[0] if data.year else None,
        why=list(_why(data)),
        decline=_decline(value),
        partner=list(_joint_work(data)),
        measures=[
            {
                **said,
                "value": value[each.column],
                "reason": value[each.reason_column],
                "score": value[each.score_column],
                "points": value[each.points_column],
            }
            for each, said in _MEASURED
        ],
        extra=list(_extra(value)),
        score_line=charts.score_line(data.periods),
        last_score=known[-1]["score"] if known else None,
        periods=data.periods,
        tiers_seen=list(dict.fromkeys(row["effective_tier"] for row in data.periods)),
        columns=charts.columns(data.months, "net_sales", before="net_sales_year_before", height=210),
        products=data.products,
        white_spots=data.white_spots,
        new_products=data.new_products,
        imports=data.imports,
        actions=data.actions,
        moves=data.moves,
        credit=data.credit,
        conduct=data.conduct,
        next_action=data.next_action,
        expectation=data.expectation,
    )


def _why(data: CustomerData) -> Iterator[tuple[str, Localized]]:
    """What holds the tier and what would move it, as far as that is explained: figure, and what is said."""
    for row in data.explanation:
        for column in ("tier_basis", "what_it_takes", "counterfactual"):
            said = localized(row[f"{column}_reasons"], row[column])
            if said is not None:
                yield f"explanation.{column}", said


def _decline(value: Mapping[str, Any]) -> str | None:
    """What is said of how the customer's business goes; None where nothing is."""
    if value["is_growing"]:
        return "growing"
    state: str | None = value["decline_state"]
    return None if state == "none" else state


def _joint_work(data: CustomerData) -> Iterator[tuple[str, Any]]:
    """What was done together with a partner, where that is known: figure, and how its value is said."""
    for row in data.partner:
        for column in ("joint_projects", "joint_work_12m", "last_joint_work_on"):
            if row[column] is not None:
                said = numbers.day(row[column]) if column == "last_joint_work_on" else row[column]
                yield f"partner_card.{column}", said


def _extra(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What else a talk with the customer needs, where it is known: figure, and how its value is said."""
    said = {
        "abc_class": value["abc_class"],
        "xyz_class": value["xyz_class"],
        "last_order_on": numbers.day(value["last_order_on"]) if value["last_order_on"] else None,
        "sales_trend": numbers.signed_share(value["sales_trend"])
        if value["sales_trend"] is not None
        else None,
        "complaints_12m": value["complaints_12m"],
        "cap_reason": localized(value["cap_reason_reasons"], value["cap_reason"]),
        "override_reason": value["override_reason"],
    }
    for column, text in said.items():
        if text is not None:
            yield f"customer_value.{column}", text
