"""A world of customers who pay, in part, late, twice or not at all; and how each ERP writes it down.

What happened is told without any ERP (documents, and which credit took how much off which debit, and when). The writers
know their ERP and nothing of valuemart; the oracle adds up what happened.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from random import Random

FIRST_DAY, DAYS = date(2025, 1, 1), 330
Rows = list[dict[str, object]]
Files = dict[str, Rows]


@dataclass(frozen=True)
class Doc:
    """A document of the customer ledger; what the customer owes by it is above 0."""

    number: int
    kind: str
    customer: str
    day: date
    due: date
    amount: Decimal


@dataclass(frozen=True)
class Settlement:
    """What a credit took off a debit."""

    credit: Doc
    debit: Doc
    day: date
    amount: Decimal


@dataclass
class World:
    """All that happened. `residuals`: debits of which SAP kept the rest as a residual item; `one_line`: payments beyond their
    invoice that SAP kept in one line."""

    docs: list[Doc] = field(default_factory=list)
    settlements: list[Settlement] = field(default_factory=list)
    residuals: set[int] = field(default_factory=set)
    one_line: set[int] = field(default_factory=set)

    def doc(self, kind: str, customer: str, day: date, amount: Decimal, terms: int = 0) -> Doc:
        made = Doc(len(self.docs) + 1, kind, customer, day, day + timedelta(days=terms), amount)
        self.docs.append(made)
        return made

    def settle(self, credit: Doc, debit: Doc, day: date, amount: Decimal) -> None:
        self.settlements.append(Settlement(credit, debit, day, amount))

    def of_debit(self, doc: Doc) -> list[Settlement]:
        return sorted((s for s in self._by_debit()[doc.number]), key=lambda s: (s.day, s.credit.number))

    def of_credit(self, doc: Doc) -> list[Settlement]:
        return list(self._by_credit()[doc.number])

    def _by_debit(self) -> dict[int, list[Settlement]]:
        found: dict[int, list[Settlement]] = defaultdict(list)
        for settlement in self.settlements:
            found[settlement.debit.number].append(settlement)
        return found

    def _by_credit(self) -> dict[int, list[Settlement]]:
        found: dict[int, list[Settlement]] = defaultdict(list)
        for settlement in self.settlements:
            found[settlement.credit.number].append(settlement)
        return found


def make_world(customers: int, seed: int) -> World:
    """Customers of whom each goes through a few stories."""
    random, world = Random(seed), World()
    for number in range(customers):
        for _ in range(random.randint(2, 6)):
            _story(random, world, f"C{number:04}")
    return world


def _story(random: Random, world: World, customer: str) -> None:
    def after(day: date, most: int) -> date:
        return day + timedelta(days=random.randint(0, most))

    def money(most: int) -> Decimal:
        return Decimal(random.randint(100, most)) / 100

    day, amount, terms = after(FIRST_DAY, DAYS), money(900_000), random.choice([0, 14, 30, 60])
    story = random.choice(
        [
            "open",
            "paid",
            "part",
            "parts",
            "memo",
            "returned",
            "on_account",
            "applied",
            "reversed",
            "refund",
            "half",
            "residual",
        ]
    )
    if story == "on_account":
        world.doc("payment", customer, day, -amount)
        return
    invoice = world.doc("invoice", customer, day, amount, terms)
    paid_on, part = after(day, 120), (amount * random.randint(1, 99) / 100).quantize(Decimal("0.01"))
    part = min(max(part, Decimal("0.01")), amount - Decimal("0.01"))
    if story in {"paid", "returned", "reversed"}:
        kind = {"paid": "payment", "returned": "credit_note", "reversed": "reversal"}[story]
        world.settle(world.doc(kind, customer, paid_on, -amount), invoice, paid_on, amount)
    elif story in {"part", "parts", "memo", "residual"}:
        first = world.doc("credit_note" if story == "memo" else "payment", customer, paid_on, -part)
        world.settle(first, invoice, paid_on, part)
        if story in {"parts", "memo"} or (story == "residual" and random.random() < 0.5):
            last_on = after(paid_on, 60)
            rest = world.doc("payment", customer, last_on, part - amount)
            world.settle(rest, invoice, last_on, amount - part)
        if story == "residual":
            world.residuals.add(invoice.number)
    elif story == "applied":
        came_on = max(FIRST_DAY, day - timedelta(days=random.randint(-30, 60)))
        payment = world.doc("payment", customer, came_on, -amount)
        world.settle(payment, invoice, after(max(came_on, day), 60), amount)
    elif story == "refund":
        payment = world.doc("payment", customer, paid_on, -amount - part)
        world.settle(payment, invoice, paid_on, amount)
        back_on = after(paid_on, 60)
        world.settle(payment, world.doc("refund", customer, back_on, part), back_on, part)
    elif story == "half":
        payment = world.doc("payment", customer, paid_on, -amount - part)
        world.settle(payment, invoice, paid_on, amount)
        world.one_line.add(payment.number)


# --- What happened, added up

BUCKETS = ("not_yet_due", "overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_over_90")
Standing = dict[str, tuple[Decimal, ...]]


def applied_on(settlement: Settlement) -> date:
    """When ERPNext has a credit applied: it keeps no day but those of the two documents."""
    return max(settlement.credit.day, settlement.debit.day)


def standing(world: World, day: date, settled_on: Callable[[Settlement], date] = lambda s: s.day) -> Standing:
    """By customer: the buckets, and the credit that is not applied (below 0)."""
    open_amounts = {doc: doc.amount for doc in world.docs if doc.day <= day}
    for settlement in world.settlements:
        if settled_on(settlement) <= day:
            open_amounts[settlement.debit] -= settlement.amount
            open_amounts[settlement.credit] += settlement.amount
    found: dict[str, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 6)
    for doc, amount in open_amounts.items():
        late = (day - doc.due).days
        bucket = 5 if amount < 0 else 0 if late <= 0 else min(1 + (late - 1) // 30, 4)
        found[doc.customer][bucket] += amount
    return {customer: tuple(amounts) for customer, amounts in found.items()}


def days_late(
    world: World, day: date, settled_on: Callable[[Settlement], date] = lambda s: s.day
) -> dict[str, Decimal]:
    """By customer: the mean of the days late by amount, of what payments paid and of what is overdue; no one of whom nothing counts.

    A part is paid on the day of its payment, whenever it was applied. Payments not applied yet pay what is due first.
    """
    parts: dict[str, list[tuple[Decimal, int]]] = defaultdict(list)
    rests = {doc: abs(doc.amount) for doc in world.docs if doc.day <= day}

    def pay(credit: Doc, debit: Doc, amount: Decimal) -> None:
        rests[debit] -= amount
        rests[credit] -= amount
        if (credit.kind, debit.kind) == ("payment", "invoice"):
            late = (max(credit.day, debit.day) - debit.due).days
            parts[debit.customer].append((amount, max(late, 0)))

    for settlement in world.settlements:
        if settled_on(settlement) <= day:
            pay(settlement.credit, settlement.debit, settlement.amount)
    debits = sorted((doc for doc in rests if doc.amount > 0), key=lambda doc: (doc.due, doc.day, doc.number))
    for credit in sorted((doc for doc in rests if doc.amount < 0), key=lambda doc: (doc.day, doc.number)):
        for debit in debits:
            if debit.customer == credit.customer and (amount := min(rests[credit], rests[debit])) > 0:
                pay(credit, debit, amount)
    for debit in debits:
        if debit.kind == "invoice" and (late := (day - debit.due).days) > 0 and rests[debit] > 0:
            parts[debit.customer].append((rests[debit], late))
    return {
        customer: (
            sum(amount * late for amount, late in counted) / sum(amount for amount, _ in counted)
        ).quantize(Decimal("0.000001"), ROUND_HALF_EVEN)
        for customer, counted in parts.items()
    }


# --- How each ERP writes it down


def write(folder: Path, files: Files, delimiter: str) -> list[str]:
    """The files of an extract; their paths."""
    folder.mkdir(parents=True)
    for name, rows in files.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    return [str(folder / name) for name in files]


def customers_of(world: World) -> list[str]:
    return sorted({doc.customer for doc in world.docs})


def as_odoo(world: World) -> Files:
    types = {"invoice": "out_invoice", "credit_note": "out_refund", "reversal": "out_refund"}
    moves: Rows = []
    lines: Rows = []
    left = {doc.number: doc.amount for doc in world.docs}
    for settlement in world.settlements:
        left[settlement.debit.number] -= settlement.amount
        left[settlement.credit.number] += settlement.amount
    for doc in world.docs:
        partner, kind = int(doc.customer[1:]) + 100, types.get(doc.kind, "entry")
        moves.append(
            {
                "id": doc.number,
                "name": f"M/{doc.number}",
                "move_type": kind,
                "state": "posted",
                "posted_before": "t",
                "company_id": 1,
                "commercial_partner_id": partner,
                "partner_shipping_id": "",
                "invoice_date": doc.day if kind != "entry" else "",
                "invoice_user_id": "",
                "reversed_entry_id": "",
                "payment_id": doc.number if kind == "entry" else "",
            }
        )
        for line, account, sign, open_amount in (
            (doc.number * 10, 10, 1, left[doc.number]),
            (doc.number * 10 + 1, 20, -1, Decimal(0)),
        ):
            lines.append(
                {
                    "id": line,
                    "move_id": doc.number,
                    "account_id": account,
                    "partner_id": partner,
                    "display_type": "payment_term" if sign == 1 else "tax",
                    "product_id": "",
                    "product_uom_id": "",
                    "quantity": 1,
                    "currency_id": 125,
                    "amount_currency": sign * doc.amount,
                    "balance": sign * doc.amount,
                    "amount_residual_currency": open_amount,
                    "amount_residual": open_amount,
                    "date": doc.day,
                    "date_maturity": doc.due,
                }
            )
    partials: Rows = [
        {
            "id": number,
            "debit_move_id": settlement.debit.number * 10,
            "credit_move_id": settlement.credit.number * 10,
            "debit_amount_currency": settlement.amount,
            "credit_amount_currency": settlement.amount,
            "max_date": settlement.day,
        }
        for number, settlement in enumerate(world.settlements, 1)
    ]
    partners: Rows = [
        {
            "id": int(customer[1:]) + 100,
            "name": customer,
            "commercial_partner_id": int(customer[1:]) + 100,
            "country_code": "DE",
            "state_code": "",
            "industry_id": "",
            "customer_rank": 1,
            "active": "t",
            "create_date": "2020-01-01",
        }
        for customer in customers_of(world)
    ]
    return {
        "account_move.csv": moves,
        "account_move_line.csv": lines,
        "account_partial_reconcile.csv": partials,
        "res_partner.csv": partners,
        "account_account.csv": [
            {"id": 10, "account_type": "asset_receivable"},
            {"id": 20, "account_type": "income"},
        ],
        "res_company.csv": [
            {"id": 1, "partner_id": 1, "currency_id": 125, "country_code": "DE", "is_own": "t"}
        ],
        "res_currency.csv": [{"id": 125, "name": "EUR"}],
        "uom_uom.csv": [{"id": 1, "name": "Units"}],
        "product_template.csv": [{"id": 1, "name": "Thing", "categ_id": "", "uom_id": 1}],
        "product_product.csv": [{"id": 1, "product_tmpl_id": 1, "active": "t"}],
    }


def as_erpnext(world: World) -> Files:
    entries: Rows = []

    def voucher(doc: Doc) -> tuple[str, str]:
        return (
            ("Payment Entry", f"PE-{doc.number}")
            if doc.kind in {"payment", "refund"}
            else ("Sales Invoice", f"SI-{doc.number}")
        )

    def entry(doc: Doc, against: Doc, amount: Decimal) -> None:
        (kind, number), (against_kind, against_number) = voucher(doc), voucher(against)
        entries.append(
            {
                "name": f"e{len(entries):06}",
                "posting_date": doc.day,
                "company": "Co",
                "account_type": "Receivable",
                "party_type": "Customer",
                "party": doc.customer,
                "due_date": doc.due if doc.kind == "invoice" and doc is against else "",
                "voucher_type": kind,
                "voucher_no": number,
                "against_voucher_type": against_kind,
                "against_voucher_no": against_number,
                "amount": amount,
                "account_currency": "EUR",
                "amount_in_account_currency": amount,
                "delinked": 0,
            }
        )

    for doc in world.docs:
        if doc.kind == "refund":
            for settlement in world.of_debit(doc):
                entry(doc, settlement.credit, settlement.amount)
            continue
        left = doc.amount
        for settlement in world.of_credit(doc) if doc.amount < 0 else ():
            if settlement.debit.kind != "refund":
                entry(doc, settlement.debit, -settlement.amount)
                left += settlement.amount
        if left:
            entry(doc, doc, left)
    customers: Rows = [
        {
            "name": customer,
            "customer_name": customer,
            "territory": "T",
            "industry": "I",
            "disabled": 0,
            "is_frozen": 0,
            "creation": "2020-01-01",
        }
        for customer in customers_of(world)
    ]
    return {
        "payment_ledger_entry.csv": entries,
        "customer.csv": customers,
        "company.csv": [{"name": "Co", "default_currency": "EUR"}],
    }


def as_kingdee(world: World) -> Files:
    bills: Rows = []
    receipts: Rows = []
    for doc in world.docs:
        status = {"单据状态": "已审核", "作废状态": "否", "币别": "人民币", "本位币": "人民币"}
        if doc.kind in {"payment", "refund"}:
            amount = abs(doc.amount)
            kind = "销售收款单" if doc.kind == "payment" else "销售收款退款单"
            receipts.append(
                {"单据编号": _kingdee_number(doc), "单据类型": kind, "业务日期": doc.day, **status}
                | {"往来单位编码": doc.customer, "收款金额": amount, "收款金额本位币": amount}
            )
        else:
            bills.append(
                {
                    "单据编号": _kingdee_number(doc),
                    "业务日期": doc.day,
                    "到期日": doc.due,
                    **status,
                    "客户编码": doc.customer,
                }
                | {
                    "序号": 1,
                    "物料编码": "M1",
                    "计价单位": "Pcs",
                    "计价数量": 1,
                    "不含税金额": doc.amount,
                    "税额": 0,
                }
                | {"价税合计": doc.amount, "不含税金额本位币": doc.amount, "价税合计本位币": doc.amount}
            )
    matches: Rows = []
    for settlement in world.settlements:
        credit, debit, amount = settlement.credit, settlement.debit, settlement.amount
        of_credit = amount if credit.kind == "payment" else -amount
        for item, other, matched in ((debit, credit, amount), (credit, debit, of_credit)):
            matches.append(
                {
                    "核销日期": settlement.day,
                    "来源单据类型": _form(item),
                    "来源单据编号": _kingdee_number(item),
                }
                | {
                    "目标单据类型": _form(other),
                    "目标单据编号": _kingdee_number(other),
                    "本次核销金额": matched,
                }
            )
    customers: Rows = [
        {"编码": customer, "名称": customer, "国家": "中国", "对应组织": "", "禁用状态": "否"}
        for customer in customers_of(world)
    ]
    material: Rows = [{"编码": "M1", "名称": "盒", "基本单位": "Pcs", "禁用状态": "否"}]
    return {
        "应收单.csv": bills,
        "收款单.csv": receipts,
        "应收收款核销记录.csv": matches,
        "客户.csv": customers,
        "物料.csv": material,
    }


def _form(doc: Doc) -> str:
    return {"payment": "收款单", "refund": "收款退款单"}.get(doc.kind, "应收单")


def _kingdee_number(doc: Doc) -> str:
    return f"{'SK' if doc.kind in {'payment', 'refund'} else 'AR'}{doc.number:06}"


def as_u8(world: World) -> Files:
    entries: Rows = []

    def entry(doc: Doc, against: Doc, day: date, debit: Decimal, credit: Decimal, process: str) -> None:
        entries.append(
            {
                "Auto_ID": len(entries) + 1,
                "cVouchType": _u8_type(doc),
                "cVouchID": f"{doc.number:06}",
                "dRegDate": day,
            }
            | {
                "dGatheringDate": doc.due,
                "cDwCode": doc.customer,
                "cexch_name": "人民币",
                "iDAmount": debit,
                "iCAmount": credit,
            }
            | {
                "iDAmount_f": debit,
                "iCAmount_f": credit,
                "cProcStyle": process,
                "cCoVouchType": _u8_type(against),
            }
            | {"cCoVouchID": f"{against.number:06}", "iFlag": 0}
        )

    zero = Decimal(0)
    for doc in world.docs:
        is_receipt = doc.kind == "payment"
        entry(
            doc,
            doc,
            doc.day,
            zero if is_receipt else doc.amount,
            -doc.amount if is_receipt else zero,
            _u8_type(doc),
        )
    for settlement in world.settlements:
        entry(settlement.credit, settlement.debit, settlement.day, zero, settlement.amount, "9P")
        entry(settlement.credit, settlement.credit, settlement.day, settlement.amount, zero, "9P")
    customers: Rows = [
        {"客户编码": customer, "客户名称": customer, "所属地区码": "HD"} for customer in customers_of(world)
    ]
    return {"ar_detail.csv": entries, "客户.csv": customers}


def _u8_type(doc: Doc) -> str:
    return {"payment": "48", "refund": "49"}.get(doc.kind, "26")


def as_sap(world: World) -> Files:
    writer = _Sap(world)
    customers = customers_of(world)
    return {
        "BSID.csv": writer.rows["BSID"],
        "BSAD.csv": writer.rows["BSAD"],
        "T001.csv": [{"BUKRS": "1000", "LAND1": "DE", "WAERS": "EUR", "KKBER": "1000"}],
        "KNA1.csv": [
            {
                "KUNNR": c,
                "LAND1": "DE",
                "NAME1": c,
                "BRSCH": "",
                "KONZS": "",
                "AUFSD": "",
                "LOEVM": "",
                "ERDAT": "20200101",
            }
            for c in customers
        ],
        "KNB1.csv": [
            {"KUNNR": c, "BUKRS": "1000", "ZTERM": "", "LOEVM": "", "ERDAT": "20200101"} for c in customers
        ],
    }


class _Sap:
    """The customer ledger of SAP: a credit has a line for each debit it settles, and one for what it has left."""

    def __init__(self, world: World) -> None:
        self.rows: dict[str, Rows] = {"BSID": [], "BSAD": []}
        self._lines: dict[int, int] = defaultdict(int)
        for doc in world.docs:
            if doc.amount > 0:
                self._debit(world, doc)
        for doc in world.docs:
            if doc.amount < 0:
                left = -doc.amount - sum((s.amount for s in world.of_credit(doc)), Decimal(0))
                if left and doc.number not in world.one_line:
                    self._line(doc, -left)

    def _debit(self, world: World, doc: Doc) -> None:
        settlements = world.of_debit(doc)
        is_settled = sum((s.amount for s in settlements), Decimal(0)) == doc.amount
        if any(s.credit.number in world.one_line for s in settlements):
            self._line(doc, doc.amount)
            for s in settlements:
                self._line(s.credit, s.credit.amount, names=(doc, 1), kind="Z")
        elif doc.number in world.residuals:
            self._with_residuals(doc, settlements, is_settled=is_settled)
        else:
            cleared = settlements[-1] if is_settled else None
            self._line(doc, doc.amount, cleared)
            for s in settlements:
                is_last = is_settled and s is settlements[-1]
                kind = "" if s.credit.kind == "credit_note" else "Z"
                self._line(
                    s.credit,
                    -s.amount,
                    cleared,
                    names=None if is_last else (doc, 1),
                    kind="" if is_last else kind,
                )

    def _with_residuals(self, doc: Doc, settlements: Iterable[Settlement], *, is_settled: bool) -> None:
        """Each payment clears what was open, and leaves the rest as an item of its own document."""
        item, line, left = doc, 1, doc.amount
        pending: tuple[Doc, int] | None = None
        for s in settlements:
            self._line(item, left, s, names=pending, kind="V" if pending else "")
            self._line(s.credit, -s.amount, s)
            named = (item, line)
            left -= s.amount
            item, line, pending = s.credit, self._lines[s.credit.number] + 1, named
        if left:
            self._line(item, left, names=pending, kind="V")
        elif not is_settled:
            raise AssertionError(doc)

    def _line(
        self,
        doc: Doc,
        amount: Decimal,
        cleared: Settlement | None = None,
        *,
        names: tuple[Doc, int] | None = None,
        kind: str = "",
    ) -> None:
        self._lines[doc.number] += 1
        named, named_line = names or (None, 0)
        self.rows["BSAD" if cleared else "BSID"].append(
            {
                "BUKRS": "1000",
                "KUNNR": doc.customer,
                "UMSKZ": "",
                "AUGDT": f"{cleared.day:%Y%m%d}" if cleared else "00000000",
                "AUGBL": f"{cleared.credit.number:010}" if cleared else "",
            }
            | {
                "GJAHR": str(doc.day.year),
                "BELNR": f"{doc.number:010}",
                "BUZEI": f"{self._lines[doc.number]:03}",
            }
            | {"BUDAT": f"{doc.day:%Y%m%d}", "BLDAT": f"{doc.day:%Y%m%d}", "WAERS": "EUR", "BSTAT": ""}
            | {
                "BLART": {"payment": "DZ", "refund": "ZP"}.get(doc.kind, "RV"),
                "SHKZG": "S" if amount > 0 else "H",
            }
            | {
                "DMBTR": abs(amount),
                "WRBTR": abs(amount),
                "ZFBDT": f"{doc.day:%Y%m%d}",
                "ZBD1T": (doc.due - doc.day).days,
            }
            | {
                "ZBD2T": 0,
                "ZBD3T": 0,
                "REBZG": f"{named.number:010}" if named else "",
                "REBZJ": str(named.day.year) if named else "0000",
            }
            | {"REBZZ": f"{named_line:03}", "REBZT": kind, "VBELN": ""}
        )
