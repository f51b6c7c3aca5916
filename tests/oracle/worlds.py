"""Small worlds as canonical rows: few customers, and every oddity a ledger, an order book or a policy may hold."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from itertools import cycle, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from hypothesis import strategies as st

from tests.oracle.oracle import EXTRACTS
from transforms.facts.customer_month import customer_months
from transforms.facts.lines import DOCUMENT_REFERENCES
from transforms.facts.model import Facts
from transforms.facts.order_day import order_days
from transforms.facts.sales_cell import sales_cells
from transforms.frames import schemas

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]

POLICIES = Path(__file__).resolve().parents[2] / "transforms" / "policy"
MASTERS = ("customers", "products")
OPTIONAL = tuple(name for name in EXTRACTS if name not in {"customers", "products", "invoice_lines"})
FEEDBACK_KINDS = ("product_feedback", "complaint", "visit")
WARNING_CAUSES = (
    "action",
    "grade",
    "utilisation",
    "days_late_trend",
    "newly_overdue_share",
    "broken_promises",
    "days_late_p90_12m",
)
BARS = (Decimal(150_000), Decimal(5_000), Decimal("0.0001"), Decimal(1))


@dataclass(frozen=True, repr=False)
class World:
    """Rows by extract, which extracts were delivered, the two days, the policy's sections, and an earlier credit watch."""

    rows: dict[str, list[Row]]
    delivered: tuple[str, ...]
    closed_through: date
    as_of: date
    policy: Row
    watched_before: list[Row]  # the credit watch of an earlier day, of which a warning remembers its causes

    @property
    def is_in_cents(self) -> bool:
        """Whether nothing is sold for a part of a cent."""
        return all(row["net_amount"] == round(row["net_amount"], 2) for row in self.rows["invoice_lines"])

    def __repr__(self) -> str:
        counted = ", ".join(f"{len(rows)} {name}" for name, rows in self.rows.items())
        return (
            f"World(to {self.closed_through}, as of {self.as_of}, {self.policy['policy']['id']}: {counted})"
        )

    def frames(self) -> dict[str, pl.DataFrame]:
        """The canonical tables; one that was not delivered is empty."""
        return {name: frame(name, self.rows[name] if name in self.delivered else []) for name in EXTRACTS}


def frame(name: str, rows: list[Row]) -> pl.DataFrame:
    """Rows in their contract's columns; what a row does not name is null."""
    schema: pl.Schema = getattr(schemas, name.upper())
    unknown = {column for row in rows for column in row} - set(schema.names())
    assert not unknown, f"not in the contract of {name}: {unknown}"
    columns = {column: [row.get(column) for row in rows] for column in schema.names()}
    return pl.DataFrame(columns, schema=schema)


def facts_of(
    frames: dict[str, pl.DataFrame], delivered: tuple[str, ...], as_of: date, no_orders: Sequence[str]
) -> tuple[Facts, pl.LazyFrame]:
    """What the warehouse hands to a rating: masters whole, of the rest what was known by `as_of`; and the sales cells."""
    seen = {
        name: rows.lazy() if name in MASTERS else rows.lazy().filter(pl.col("available_on") <= as_of)
        for name, rows in frames.items()
    }
    lines = seen["invoice_lines"]
    named = lines.group_by("company_code", references_document_id="document_id").agg(
        referenced_on=pl.col("invoice_date").min()
    )
    lines = lines.join(named, on=["company_code", "references_document_id"], how="left", validate="m:1")
    facts = Facts(
        customers=seen["customers"],
        customer_month=customer_months(lines, seen["products"], None, as_of, no_orders),
        order_day=order_days(lines, seen["products"], None, as_of, no_orders),
        products=seen["products"],
        document_references=_of_documents_that_name_another(seen["invoice_lines"]),
        **{name: seen[name] if name in delivered else None for name in OPTIONAL if name in Facts.__slots__},
    )
    return facts, sales_cells(lines, seen["products"], None, as_of)


def _of_documents_that_name_another(lines: pl.LazyFrame) -> pl.LazyFrame:
    naming = lines.filter(pl.col("references_document_id").is_not_null())
    return lines.join(naming, on=["company_code", "document_id"], how="semi").select(
        DOCUMENT_REFERENCES.names()
    )


@cache
def _shipped(name: str) -> str:
    return (POLICIES / f"{name}.toml").read_text("utf-8")


def shipped_policy(name: str) -> Row:
    """A shipped policy's sections, numbers exact."""
    return tomllib.loads(_shipped(name), parse_float=Decimal)


@st.composite
def policies(draw: st.DrawFn) -> Row:
    """A shipped policy with the keys turned that a small world feels."""
    content = shipped_policy(draw(st.sampled_from(["default", "growth", "credit_strict"])))
    turned: dict[str, list[Any]] = {
        "steadiness.min_months": [2, 6, 12],
        "steadiness.x_cv_max": [0, Decimal("0.5"), 1],
        "steadiness.seasonal_min_peers": [1, 2],
        "contribution.cost_coverage_floor": [0, Decimal("0.5"), Decimal("0.8"), 1],
        "contribution.carrying_rate_yearly": [0, Decimal("0.08"), Decimal("0.123457")],
        "loyalty.lost_from": [Decimal("1.5"), 4],
        "loyalty.weights.share_of_wallet": [0, 20],
        "potential.peers": [False, True, True],
        "potential.min_peers": [1, 2, 3],
        "potential.quantile": [Decimal("0.333333"), Decimal("0.8"), 1],
        "segments.new_below_months": [0, 6],
        "segments.loyalty_from": [Decimal("0.4"), Decimal("0.6")],
        "segments.volume_high_from": [1000, 5000, 150_000],
        "strategic.score_from": [0, 0, 30],
        "strategic.steadiness_from": [0, 0, Decimal("0.5")],
        "strategic.feedback_from": [0, 0, Decimal("0.1")],
        "gates.loss_making": ["core", "cultivate", "marginal", "speculative"],
        "measures.influence.weight": [0, 5],
        "credit.severe_days": [0, 60, 90],
        "credit.grace_days": [0, 7, 30],
        "credit.habit_min_items": [1, 2],
        "credit.material_amount": [0, 1000],
        "credit.material_share": [0, Decimal("0.05"), 1],
        "credit.material_sales_share": [0, Decimal("0.1")],
        "credit.severe_amount": [0, 5000],
        "credit.over_limit_action": ["open", "watch", "prepay"],
        "credit.blocked_action": ["open", "watch"],
        "credit.written_off_action": ["open", "stop"],
        "credit.bill_days": [0, 30],
        "credit.dispute_max_days": [0, 20],
        "credit.dispute_many_from": [1, 2],
        "credit.dispute_share_max": [0, Decimal("0.5")],
        "credit.dispute_action": ["open", "watch", "stop"],
        "credit.no_limit_action": ["watch", "prepay"],
        "credit.new_no_limit_action": ["open", "stop"],
        "credit.new_no_limit_free": [0, 5000],
        "credit.group_stop_action": ["open", "prepay"],
        "decline.min_months": [13],
        "decline.months": [1, 6],
        "decline.declining_periods": [1],
        "decline.gap_counts_from_days": [0],
        "decline.lapsed_gaps": [3],
        "decline.lapsed_days": [0],
        "decline.listed_months": [1],
        "credit.warnings.raise_from.broken_promises": [2],
        "credit.warnings.clear_after_days": [0, 20, 21],
        "credit.warnings.clear_at.utilisation": [Decimal("0.05")],
        "credit.warnings.raise_from.days_late_p90_12m": [15],
        "credit.warnings.clear_at.days_late_p90_12m": [0],
    }
    for path, values in turned.items():
        section = content
        *parents, key = path.split(".")
        for parent in parents:
            section = section[parent]
        assert key in section, path
        section[key] = draw(st.sampled_from([section[key], *values]))
    credit = content["credit"]
    credit["grace_days"] = min(credit["grace_days"], credit["severe_days"])
    return content


spread = st.integers(1, 3_000_000).map(lambda cents: Decimal(cents) / 100)
amounts = st.one_of(spread, spread, spread, st.sampled_from(BARS))
signed = st.tuples(amounts, st.sampled_from([1, 1, 1, -1])).map(lambda pair: pair[0] * pair[1])
flags = st.sampled_from([False, False, False, True])
units = st.sampled_from(["PCE", "PCE", "CAR"])


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def mostly(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy, strategy, strategy)


@st.composite
def line_shapes(draw: st.DrawFn) -> Row:
    """What a line is beside its day and amount."""
    quantity = Decimal(draw(st.integers(0, 40))) / 4
    return {
        "product_id": draw(st.sampled_from(["P1", "P1", "P2", "P9", None])),
        "quantity": quantity,
        "uom": draw(units),
        "base_quantity": draw(maybe(st.just(quantity * 12))),
        "cost": draw(maybe(st.sampled_from([Decimal(0), Decimal("0.3333"), Decimal("0.7"), Decimal("1.2")]))),
        "cost_basis": draw(st.sampled_from([None, "actual", "standard_at_sale"])),
        "freight_amount": draw(maybe(st.just(Decimal("1.5")))),
        "rebate_amount": draw(maybe(st.just(Decimal("0.25")))),
        "is_cancelled": draw(flags),
        "is_intercompany": draw(st.sampled_from([None, False, False, True])),
        "is_free_goods": draw(flags),
        "channel": draw(st.sampled_from([None, "direct", "export"])),
        "ship_to_territory": draw(st.sampled_from([None, None, "WEST"])),
        "delay": draw(st.sampled_from([0, 0, 0, 40])),
    }


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A company or two with up to five customers, rated at the end of a year or of a leap February."""
    closed_through = draw(st.sampled_from([date(2024, 12, 31), date(2024, 2, 29)]))
    as_of = closed_through + timedelta(draw(st.integers(0, 40)))
    rows: dict[str, list[Row]] = {name: [] for name in EXTRACTS}
    companies = draw(st.sampled_from([("1000",), ("1000", "2000")]))
    are_old = draw(st.booleans())  # two years with masters, so that there are peers and seasons
    shapes = draw(st.lists(line_shapes(), min_size=1, max_size=4))
    people: list[Row] = []
    for company in companies:
        rows["products"] += [
            {
                "company_code": company,
                "product_id": product,
                "name": product,
                "category": draw(st.sampled_from([None, "PUMPS", "PUMPS", "sample"])),
                "base_uom": "PCE",
                "lifecycle_stage": draw(st.sampled_from([None, "introduction", "maturity"])),
                "standard_cost": draw(maybe(st.sampled_from([Decimal("2.7183"), Decimal("0.3333")]))),
                "available_on": draw(st.sampled_from([date(2020, 1, 1), date(2030, 1, 1)])),
            }
            for product in ("P1", "P2")
        ]
        _add_rates(draw, rows, company, as_of)
        for number in range(draw(st.integers(3 if are_old else 1, 5))):
            who = {"company_code": company, "customer_id": f"C{number}"}
            people.append(who)
            _add_master(draw, rows, who, as_of, is_old=are_old)
            months = draw(st.sampled_from([25, 30] if are_old else [0, 3, 6, 12]))
            _add_sales(draw, rows, who, closed_through, shapes, months)
            _add_ledger(draw, rows, who, as_of)
            _add_relations(draw, rows, who, closed_through)
        if draw(st.booleans()):
            _add_speakers(draw, rows, company, closed_through)
    for who in people[:2]:
        _add_succession(draw, rows, who, as_of)
    left_out = draw(st.lists(st.sampled_from(OPTIONAL), max_size=3))
    delivered = tuple(name for name in EXTRACTS if name not in left_out)
    before = [warned for who in people if (warned := draw(warnings(who, as_of)))]
    return World(rows, delivered, closed_through, as_of, draw(policies()), before)


@st.composite
def warnings(draw: st.DrawFn, who: Row, as_of: date) -> Row | None:
    """How a customer's warning stood some days ago: none, with some causes, or waiting to be cleared."""
    state = draw(st.sampled_from(["none", "caused", "caused", "calm"]))
    day = as_of - timedelta(draw(st.sampled_from([-3, 1, 20])))
    causes = [cause for cause in WARNING_CAUSES if draw(st.booleans())] or ["grade"]
    if state == "none":
        return None
    return {
        **who,
        "as_of": day,
        "warning_since": day - timedelta(30),
        "warning_causes": ", ".join(causes) if state == "caused" else None,
        "causes": causes if state == "caused" else None,
        "warning_calm_since": day if state == "calm" else None,
    }


def _add_master(draw: st.DrawFn, rows: dict[str, list[Row]], who: Row, as_of: date, *, is_old: bool) -> None:
    if not is_old and draw(flags):
        return
    group = [True, True, True, is_old]
    rows["customers"].append(
        {
            **who,
            "name": "a name",
            "status": draw(st.sampled_from(["active", "active", "active", "blocked", "inactive"])),
            "status_reason": draw(st.sampled_from([None, "credit"])),
            "industry_code": "28" if draw(st.sampled_from(group)) else None,
            "channel": "direct" if draw(st.sampled_from(group)) else None,
            "territory_id": draw(st.sampled_from([None, "NORTH", "WEST"])),
            "created_on": draw(maybe(st.dates(date(2017, 1, 1), date(2025, 1, 31)))),
            "credit_limit": draw(maybe(st.sampled_from([Decimal(0), Decimal(1000), Decimal("20000.5")]))),
            "credit_currency": draw(st.sampled_from([None, "EUR", "USD", "GBP"])),
            "group_limit": draw(st.sampled_from([None, None, Decimal(30_000)])),
            "secured_amount": draw(st.sampled_from([None, Decimal("1234.5")])),
            "secured_until": draw(st.sampled_from([None, as_of, as_of - timedelta(1)])),
            "group_id": draw(st.sampled_from([None, "G1"])),
            "available_on": draw(st.sampled_from([date(2020, 1, 1), as_of, as_of + timedelta(30)])),
        }
    )


def _add_succession(draw: st.DrawFn, rows: dict[str, list[Row]], who: Row, as_of: date) -> None:
    """Let a customer be continued as a whole under a new number, or by way of a second one, now or from tomorrow on."""
    links = draw(st.sampled_from([0, 0, 1, 2]))
    numbers = [who["customer_id"], *(f"S{who['customer_id']}{link}" for link in range(links))]
    for old, new in pairwise(numbers):
        rows["customer_successions"].append(
            {
                "company_code": who["company_code"],
                "old_customer_id": old,
                "new_customer_id": new,
                "valid_from": as_of + timedelta(draw(st.sampled_from([-200, -40, 0, 1]))),
                "available_on": date(2020, 1, 1),
            }
        )
        _add_master(draw, rows, who | {"customer_id": new}, as_of, is_old=False)


def _add_sales(
    draw: st.DrawFn,
    rows: dict[str, list[Row]],
    who: Row,
    closed_through: date,
    shapes: list[Row],
    months: int,
) -> None:
    """Regular months, then single documents: invoices, credit notes that name an invoice, debit notes."""
    few = st.none() | st.none() | amounts
    seasonal = st.lists(few, min_size=12, max_size=12).filter(any)
    level = cycle(draw(st.lists(mostly(amounts), min_size=1, max_size=5) | seasonal))
    end = closed_through - timedelta(draw(st.sampled_from([5, 5, 40])))
    documents = [
        ("invoice", end - timedelta(days=30 * back), amount, None)
        for back, amount in zip(range(months), level, strict=False)
        if amount
    ]
    single = st.tuples(
        st.sampled_from(["invoice", "credit_note", "credit_note", "debit_note"]),
        st.integers(-40, 800).map(lambda days: closed_through - timedelta(days)),
        signed,
        maybe(st.integers(0, 30)),
    )
    documents += [
        (kind, day, -amount if kind == "credit_note" else amount, reference)
        for kind, day, amount, reference in draw(st.lists(single, max_size=4))
    ]
    # some were wrong, and billed anew: the same again, nearly the same, or something else
    for number in draw(st.lists(st.integers(0, 8), max_size=2, unique=True)):
        if number < len(documents) and documents[number][0] == "invoice":
            _, day, amount, _ = documents[number]
            documents.append(("credit_note", day + timedelta(draw(st.integers(0, 9))), -amount, number))
            again = amount * draw(st.sampled_from([Decimal(1), Decimal(1), Decimal("1.05"), Decimal("0.94")]))
            documents.append(("invoice", day + timedelta(draw(st.integers(0, 33))), round(again, 2), None))
    shape_of = cycle(shapes)
    for number, (kind, day, amount, reference) in enumerate(documents):
        for part in range(1 + number % 2):
            shape = dict(next(shape_of))
            net = Decimal(0) if shape["is_free_goods"] else amount
            named = None if reference is None else f"{who['customer_id']}-{reference}"
            if (
                named and part == 2 and number % 3
            ):  # the second line of three credits names the same, another, and none
                named = f"{who['customer_id']}-{reference + 1}" if number % 3 == 1 else None
            sign = 1 if amount >= 0 else -1
            cost, delay = shape.pop("cost"), shape.pop("delay")
            rows["invoice_lines"].append(
                {
                    **who,
                    **shape,
                    "document_id": f"{who['customer_id']}-{number}",
                    "line_id": str(part),
                    "document_type": kind,
                    "invoice_date": day,
                    "quantity": shape["quantity"] * sign,
                    "base_quantity": None
                    if shape["base_quantity"] is None
                    else shape["base_quantity"] * sign,
                    "net_amount": net,
                    "currency": "EUR",
                    "net_amount_company": net,
                    "company_currency": "EUR",
                    "cost_amount_company": None if cost is None else round(amount * cost, 4),
                    "cost_basis": None if cost is None else shape["cost_basis"],
                    "references_document_id": named,
                    "available_on": day + timedelta(delay),
                }
            )


SETTLEMENTS = (None, None, "unknown", "payment", "set_off", "bill", "credit_note", "write_off", "cancelled")
CREDIT_TYPES = (
    "credit_note",
    "payment_on_account",
    "payment_on_account",
    "advance",
    "deposit",
    "other",
    "invoice",
)


@st.composite
def settlements(draw: st.DrawFn, who: Row, posted: date, linked: Sequence[str]) -> Row:
    """How an item was settled, what it belongs to, and how it was disputed; `linked`: documents that lines name, or that name some."""
    names = st.sampled_from([None, None, f"{who['customer_id']}-D0", f"{who['customer_id']}-D1", *linked])
    begun = draw(st.sampled_from([None, None, None, posted + timedelta(draw(st.integers(0, 60)))]))
    ended = (
        None if begun is None else draw(st.sampled_from([None, begun + timedelta(draw(st.integers(0, 90)))]))
    )
    return {
        "item_settlement": draw(st.sampled_from(SETTLEMENTS)),
        "bill_due_on": draw(st.sampled_from([None, posted + timedelta(200)])),
        "document_id": draw(names),
        "references_document_id": draw(st.none() | names),
        "references_order_id": draw(st.sampled_from([None, None, None, "O1"])),
        "is_disputed": draw(st.sampled_from([None, None, None, True, False])),
        "disputed_amount": draw(st.sampled_from([None, None, Decimal(50)])),
        "disputed_from": begun,
        "disputed_to": ended,
    }


def _add_ledger(draw: st.DrawFn, rows: dict[str, list[Row]], who: Row, as_of: date) -> None:
    """Items in one of two currencies, cleared, some together, paid in parts, overpaid, disputed, or open; and credits."""
    item = st.tuples(
        st.integers(-5, 40) | st.integers(0, 420),
        st.integers(-10, 60),
        signed,
        flags,
        mostly(st.integers(0, 80)),
        maybe(st.integers(-5, 70)),
        st.sampled_from(CREDIT_TYPES),
    )
    naming = [
        line
        for line in rows["invoice_lines"]
        if line["customer_id"] == who["customer_id"] and line["references_document_id"]
    ]
    linked = [line[name] for line in naming for name in ("document_id", "references_document_id")]
    together = as_of - timedelta(draw(st.integers(0, 100)))  # a day on which several are cleared
    for number, (age, term, amount, is_foreign, cleared_after, promised, kind) in enumerate(
        draw(st.lists(item, min_size=2, max_size=8))
    ):
        posted = as_of - timedelta(age)
        key = {"company_code": who["company_code"], "item_id": f"{who['customer_id']}-{number}"}
        cleared = None if cleared_after is None else posted + timedelta(cleared_after)
        if cleared is not None and draw(st.booleans()):
            cleared = max(together, posted)
        rows["receivables"].append(
            {
                **who,
                **key,
                "item_type": "invoice" if amount > 0 else kind,
                "posting_date": posted,
                "due_date": posted + timedelta(term),
                "original_amount": amount,
                "currency": "USD" if is_foreign else "EUR",
                "original_amount_company": round(amount * Decimal("0.9137"), 4) if is_foreign else amount,
                "company_currency": "EUR",
                "cleared_date": cleared,
                "clearing_id": None if cleared is None else draw(st.sampled_from([None, None, "A", "B"])),
                "promised_on": None if promised is None else posted + timedelta(term + promised),
                "available_on": posted,
                **draw(settlements(who, posted, linked)),
            }
        )
        payment = st.tuples(st.integers(0, 120), st.sampled_from(["1", "0.5", "0.3333", "1.25", "-0.25"]))
        for share_number, (after, share) in enumerate(draw(st.lists(payment, max_size=2))):
            _allocate(
                draw,
                rows,
                who,
                key,
                posted + timedelta(after),
                round(amount * Decimal(share), 4),
                share_number,
            )
    rows["open_orders"] += [
        {
            **who,
            "order_id": who["customer_id"],
            "line_id": str(number),
            "amount": amount,
            "promised_on": as_of,
            "available_on": as_of,
        }
        for number, amount in enumerate(draw(st.lists(amounts, max_size=2)))
    ]


def _allocate(
    draw: st.DrawFn, rows: dict[str, list[Row]], who: Row, key: Row, on: date, amount: Decimal, number: int
) -> None:
    """Apply a payment of its own, or one that others share; with a date of its own, or unknown; or one that brought nothing."""
    payment_id = draw(st.sampled_from([f"{key['item_id']}-{number}", f"{who['customer_id']}-ALL"]))
    rows["payment_allocations"].append(
        {**key, "payment_id": payment_id, "allocated_on": on, "amount": amount, "available_on": on}
    )
    is_there = any(
        (row["company_code"], row["payment_id"]) == (who["company_code"], payment_id)
        for row in rows["payments"]
    )
    if not is_there and draw(st.booleans()):
        rows["payments"].append(
            {
                **who,
                "payment_id": payment_id,
                "payment_date": on - timedelta(draw(st.sampled_from([0, 5, -3]))),
                "amount": draw(st.sampled_from([abs(amount), Decimal(0)])),
                "currency": "EUR",
                "available_on": on,
            }
        )


def _add_rates(draw: st.DrawFn, rows: dict[str, list[Row]], company: str, as_of: date) -> None:
    """Rates quoted one way or the other, some of them old, and one of tomorrow."""
    pairs = draw(st.lists(st.sampled_from([("USD", "EUR"), ("EUR", "USD")]), unique=True))
    rows["fx_rates"] += [
        {
            "company_code": company,
            "from_currency": one,
            "to_currency": other,
            "rate_date": as_of - timedelta(age),
            "rate": Decimal("0.9137") + Decimal(age) / 1000,
            "available_on": as_of - timedelta(age),
        }
        for one, other in pairs
        for age in draw(st.lists(st.sampled_from([-1, 0, 35, 36]), unique=True))
    ]


def _add_speakers(draw: st.DrawFn, rows: dict[str, list[Row]], company: str, closed_through: date) -> None:
    """Small customers who have given feedback for about a year, so that it may be asked of everybody."""
    first = closed_through - timedelta(draw(st.sampled_from([364, 365, 366, 400, 400, 400, 730, 731])))
    for number in range(draw(st.sampled_from([4, 5, 5, 5]))):
        who = {"company_code": company, "customer_id": f"T{number}"}
        rows["invoice_lines"].append(
            {
                **who,
                "document_id": f"{who['customer_id']}-0",
                "line_id": "0",
                "document_type": "invoice",
                "invoice_date": first,
                "quantity": Decimal(1),
                "uom": "PCE",
                "net_amount": Decimal(100),
                "currency": "EUR",
                "net_amount_company": Decimal(100),
                "company_currency": "EUR",
                "is_cancelled": False,
                "is_free_goods": False,
                "available_on": first,
            }
        )
        rows["interactions"] += [
            {
                **who,
                "interaction_id": f"{who['customer_id']}-{days}",
                "occurred_at": datetime.combine(on, time(9)),
                "kind": "product_feedback",
                "direction": "inbound",
                "is_feedback": True,
                "available_on": on,
            }
            for days, on in (("first", first), ("again", closed_through - timedelta(30)))
        ]


def _add_relations(draw: st.DrawFn, rows: dict[str, list[Row]], who: Row, closed_through: date) -> None:
    """Contacts, assessments and estimates of demand, some of them of the day after the month, or of long ago."""
    days = st.integers(-20, 420).map(lambda back: closed_through - timedelta(back))
    few_days = st.sampled_from([-10, 5, 5, 5, 100, 400]).map(lambda back: closed_through - timedelta(back))
    contact = st.tuples(days | few_days, st.sampled_from(FEEDBACK_KINDS), st.booleans())
    rows["interactions"] += [
        {
            **who,
            "interaction_id": f"{who['customer_id']}-{number}",
            "occurred_at": datetime.combine(on, time(23, 59)),
            "kind": kind,
            "direction": "inbound",
            "is_feedback": is_feedback,
            "available_on": on,
        }
        for number, (on, kind, is_feedback) in enumerate(draw(st.lists(contact, min_size=1, max_size=6)))
    ]
    assessment = st.tuples(days, st.integers(0, 400), st.integers(0, 1000))
    rows["customer_assessments"] += [
        {
            **who,
            "assessed_on": on,
            "influence": Decimal(influence) / 10,
            "assessor": "head of sales",
            "expires_on": on + timedelta(valid),
            "available_on": on,
        }
        for on, valid, influence in draw(st.lists(assessment, max_size=2, unique_by=lambda row: row[0]))
    ]
    estimate = st.tuples(
        few_days,
        st.sampled_from([None, None, "PUMPS", "VALVES"]),
        st.sampled_from([date(2023, 1, 1), date(2024, 1, 1), date(2025, 1, 1)]),
        st.sampled_from(["1", "2"]),
        st.one_of(st.just(Decimal(0)), amounts, amounts.map(lambda amount: amount * 10)),
        st.sampled_from(["money", "money", "goods", "goods without a price"]),
    )
    rows["demand_estimates"] += [
        {
            **who,
            "product_group": group,
            "period_start": start,
            "estimate_version": version,
            "amount": amount if kind == "money" else None,
            "quantity": None if kind == "money" else amount / 8,
            "unit": None if kind == "money" else "PCE",
            "current_price": Decimal("3.3333") if kind == "goods" else None,
            "source": "survey",
            "estimated_on": on,
            "available_on": on,
        }
        for on, group, start, version, amount, kind in draw(
            st.lists(estimate, min_size=1, max_size=3, unique_by=lambda row: row[1:4])
        )
    ]
