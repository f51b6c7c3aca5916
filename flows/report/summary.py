"""The first screen in words: what happened, where, and what to do, said in both languages of the figures the mart gave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from flows.report import charts
from flows.wording import numbers
from flows.wording.words import Localized, label, same
from warehouse.mart.files import Row
from warehouse.mart.report_summary import Summary

FACTS_SAID = 3

# List: the section of the page where the rest of it stands.
_LISTS = {"call": "movers", "cultivate": "map", "loss": "curve", "credit": "credit", "conduct": "conduct"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A headline: what it is now, what the same months of last year were, and how it went."""

    key: str
    value: Decimal | int | None
    unit: str | None
    shown: Localized | str
    change: Localized | str | None  # null where last year is not known
    missing: str  # why it is not: a code of the words' `headline`
    then: Localized | str | None
    mood: str
    line: charts.Line | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A customer of a list."""

    row: Row
    money: Decimal | None
    reason: Localized


@dataclass(frozen=True, slots=True)
class Listed:
    """One of the five lists, and the section that has the rest of it."""

    key: str
    entries: list[Entry]
    summed: Localized | None
    section: str
    none: Localized  # why it has no entries, where it has none


@dataclass(frozen=True, slots=True)
class FirstScreen:
    """Everything above the fold, for one company."""

    figures: list[Figure]
    sentences: list[Localized]
    lists: list[Listed]


def first_screen(summary: Summary, currency: str) -> FirstScreen:
    """The first screen of a company that is rated."""
    return FirstScreen(
        list(_figures(summary, currency)),
        list(_sentences(summary, currency)),
        [
            Listed(key, _entries(key, rows), _summed(rows, currency), section, _nobody(key, summary.figures))
            for key, section in _LISTS.items()
            for rows in (getattr(summary, key),)
        ],
    )


def _figures(summary: Summary, currency: str) -> Iterator[Figure]:
    found = summary.figures
    for key in ("net_sales", "contribution"):
        change, then = found[f"{key}_share"], found[f"{key}_then"]
        yield Figure(
            key, found[key], currency,
            "–" if found[key] is None else numbers.short(found[key]),
            None if change is None else numbers.signed_share(change), _missing(found, key),
            None if then is None else numbers.short(then),
            _mood(change), _line(summary.line, key),
        )  # fmt: skip
    customers, difference = found["value_customers"], found["value_customers_difference"]
    yield Figure(
        "value_customers", customers, None, numbers.grouped(customers),
        None if difference is None else numbers.signed(difference), _missing(found, "value_customers"),
        None if difference is None else numbers.grouped(found["value_customers_then"]),
        _mood(difference), _line(summary.line, "value_customers"),
    )  # fmt: skip


def _missing(found: Row, key: str) -> str:
    """Why a figure has no year before it: it is not known now, the data begin later, or nobody has rated that period."""
    if found[key] is None:
        return "nobody_assessed"
    return "no_last_year" if found["net_sales_then"] is None else "year_not_rated"


def _mood(change: Decimal | int | None) -> str:
    return "" if not change else "good" if change > 0 else "bad"


def _line(rows: Sequence[Row], column: str) -> charts.Line | None:
    known = [row for row in rows if row[column] is not None]
    return charts.line(rows, column, width=200, height=40) if len(known) > 1 else None


def _said(code: str, **figures: Localized | str) -> Localized:
    """A sentence of the word list with its figures in."""
    written = label("said", code)
    english = {name: each.en if isinstance(each, Localized) else each for name, each in figures.items()}
    chinese = {name: each.zh if isinstance(each, Localized) else each for name, each in figures.items()}
    return Localized(written.en.format(**english), written.zh.format(**chinese))


def _customers(count: int) -> Localized:
    return (
        label("said", "one_customer") if count == 1 else _said("many_customers", count=numbers.grouped(count))
    )


def _joined(parts: Iterable[Localized], between: tuple[str, str] = ("; ", "；")) -> Localized:
    listed = list(parts)
    return Localized(between[0].join(each.en for each in listed), between[1].join(each.zh for each in listed))


def _money(value: Decimal, currency: str) -> Localized:
    said = numbers.short(value)
    return Localized(f"{said.en} {currency}", f"{said.zh} {currency}")


def _plus(value: Decimal) -> Localized:
    return numbers.short(value, plus=True)


def _sentences(summary: Summary, currency: str) -> Iterator[Localized]:
    found = summary.figures
    if found["net_sales"] is not None:
        yield _on_sales(found, _on_plan(summary.plan), currency)
    if found["contribution"] is not None:
        yield _on_contribution(found, currency)
    if summary.changed:
        facts = _joined(_fact(row) for row in summary.changed[:FACTS_SAID])
        yield _said("where", facts=facts)
    if found["overdue"]:
        late = (
            [_said("over_90", amount=numbers.short(found["overdue_over_90"]))]
            if found["overdue_over_90"]
            else []
        )
        above = (
            [
                _said(
                    "over_limit",
                    customers=_customers(found["over_limit"]),
                    amount=numbers.short(found["over_by"]),
                )
            ]
            if found["over_limit"]
            else []
        )
        of_all = found["overdue_share"]
        yield _said(
            "overdue",
            amount=_money(found["overdue"], currency),
            share="–" if of_all is None else numbers.share(of_all),
            more=_joined([same(""), *late, *above], ("; ", "；")),
        )
    todo = list(_to_do(summary))
    yield _said("to_do", what=_joined(todo)) if todo else label("said", "nothing_to_do")


def _on_plan(planned: Sequence[Row]) -> Localized:
    """How the year stands against its plan; nothing where there is none, or nothing of it is due."""
    for row in planned:
        if row["attainment"] is not None:
            return _said(
                "plan", plan=row["plan_id"], share=numbers.share(row["attainment"]), difference=_plus(row["difference"]),
            )  # fmt: skip
    return same("")


def _on_sales(found: Row, plan: Localized, currency: str) -> Localized:
    month, amount = numbers.month(found["period"]), _money(found["net_sales"], currency)
    if found["net_sales_share"] is None:
        return _said("sales_alone", month=month, amount=amount, plan=plan)
    if found["net_sales_difference"] == 0:
        return _said("sales_same", month=month, amount=amount, plan=plan)
    split = same("")
    if found["unsplit_difference"] is not None:
        effects = {part: _plus(found[f"{part}_effect"]) for part in ("quantity", "price")}
        # What was bought in one of the years alone is neither; without it the parts would not sum to the change.
        split = (
            _said("split_rest", rest=_plus(found["unsplit_difference"]), **effects)
            if found["unsplit_difference"]
            else _said("split", **effects)
        )
    return _said(
        "sales", month=month, amount=amount, share=numbers.signed_share(found["net_sales_share"]),
        difference=_plus(found["net_sales_difference"]), split=split, plan=plan,
    )  # fmt: skip


def _on_contribution(found: Row, currency: str) -> Localized:
    amount = _money(found["contribution"], currency)
    margin = "–" if found["margin"] is None else numbers.share(found["margin"])
    if found["contribution_share"] is None or found["margin_then"] is None:
        return _said("contribution_alone", amount=amount, margin=margin)
    return _said(
        "contribution", amount=amount, margin=margin, share=numbers.signed_share(found["contribution_share"]),
        then=numbers.share(found["margin_then"]),
    )  # fmt: skip


def _fact(row: Row) -> Localized:
    channel = label("channel", row["channel"]) if row["channel"] else ""
    return _said(
        row["fact"], amount=_plus(row["net_sales_difference"]), customers=_customers(row["customers"]),
        name=row["name"] or "", territory=row["territory_id"] or "", channel=channel,
    )  # fmt: skip


def _to_do(summary: Summary) -> Iterator[Localized]:
    for key in _LISTS:
        rows = getattr(summary, key)
        if rows:
            first = rows[0]
            few, known = first.get("few", first["total"]), first.get("known", first["total"])
            kind = (
                "_few"
                if few < first["total"]
                else "_unknown"
                if not known
                else "_known"
                if known < few
                else ""
            )
            yield _said(
                f"do_{key}{kind}",
                customers=_customers(few),
                known=numbers.grouped(known),
                found=numbers.grouped(first["total"]),
                amount="–" if first["sum"] is None else numbers.short(abs(first["sum"])),
                name=first["name"],
            )


def _summed(rows: Sequence[Row], currency: str) -> Localized | None:
    """How many there are and the money of all; for how many it is known where not for all."""
    if not rows:
        return None
    first = rows[0]
    if first["sum"] is None:
        return _said("count", customers=numbers.grouped(first["total"]))
    amount = _money(first["sum"], currency)
    if first.get("known", first["total"]) < first["total"]:
        known = numbers.grouped(first["known"])
        return _said("count_known", customers=numbers.grouped(first["total"]), amount=amount, known=known)
    return _said("count_money", customers=numbers.grouped(first["total"]), amount=amount)


def _nobody(key: str, found: Row) -> Localized:
    """Why a list is empty: nobody is like that, or nothing of it could be assessed."""
    is_assessed = {
        "loss": found["contribution"] is not None,
        "credit": found["has_credit"],
        "conduct": found["has_conduct"],
    }
    return label("list_none" if is_assessed.get(key, True) else "list_unknown", key)


def _entries(key: str, rows: Sequence[Row]) -> list[Entry]:
    return [Entry(row, row["money"], _REASONS[key](row)) for row in rows]


def business(row: Mapping[str, Any]) -> Localized:
    """What a customer's business did, where a bar is missed or reached: net sales on last year, and when it last ordered."""
    parts = []
    if row["net_sales_difference"]:
        parts.append(_on_last_year(row))
    return _joined([*parts, *_silence(row)])


def _on_last_year(row: Mapping[str, Any]) -> Localized:
    # Of who more than doubled, often because it only began in the year before, the amount says more.
    if row["share"] is not None and row["share"] <= 1:
        return _said("fell", share=numbers.signed_share(row["share"]))
    return _said("fell_by", amount=_plus(row["net_sales_difference"]))


def _silence(row: Mapping[str, Any]) -> Iterator[Localized]:
    if row["last_order_on"]:
        yield _said("last_order", day=str(row["last_order_on"]))
    # Only who is silent beyond its own rhythm is told so.
    if row["usual_gap_days"] is not None and row["days_silent"] > row["usual_gap_days"]:
        yield _said("usual_gap", days=numbers.trimmed(row["usual_gap_days"], 0))


def _why_call(row: Mapping[str, Any]) -> Localized:
    parts = []
    if row["sign"] == "expected_to_fall":
        parts.append(_said("expected_to_fall", tier=label("tier", row["watch_tier"])))
    if row["sign"] in {"slowing", "declining", "lapsed", "lost"}:
        parts.append(label("sign", row["sign"]))
    if row["sign"] in {"slowing", "declining", "falling"} and (row["net_sales_difference"] or 0) < 0:
        parts.append(_on_last_year(row))
        if row["sales_change_cause"]:
            parts.append(label("change_cause", row["sales_change_cause"]))
    return _joined([*parts, *_silence(row)])


def _why_cultivate(row: Mapping[str, Any]) -> Localized:
    bought = _bought(row["net_sales_12m"])
    if row["money"] is not None:
        return bought
    return _joined([bought, _said("demand_unknown", reason=label("reason", row["headroom_reason"]))])


def _bought(net_sales: Decimal) -> Localized:
    return _said("buys" if net_sales > 0 else "sold_nothing", amount=numbers.short(net_sales))


def _why_loss(row: Mapping[str, Any]) -> Localized:
    bought = [] if row["net_sales_12m"] is None else [_bought(row["net_sales_12m"])]
    by = (
        [_said("loss_by", component=label("component", row["loss_component"]))]
        if row["loss_component"]
        else []
    )
    return _joined([*by, *bought])


def _why_credit(row: Mapping[str, Any]) -> Localized:
    above = [] if row["over_by"] is None else [_said("above", amount=numbers.short(row["over_by"]))]
    return _joined([label("action", row["credit_action"]), *above])


def _why_conduct(row: Mapping[str, Any]) -> Localized:
    return _joined([label("kind", row["kind"]), label("confidence", row["confidence"])], (", ", "，"))


_REASONS = {
    "call": _why_call,
    "cultivate": _why_cultivate,
    "loss": _why_loss,
    "credit": _why_credit,
    "conduct": _why_conduct,
}
