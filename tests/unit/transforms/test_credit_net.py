"""Net before it judges: what credits cover, when an item was paid part by part, disputes, and the laws of all that."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import facts, policy
from tests.unit.transforms.test_credit_watch import AS_OF, BARS, credit, item, paid, settled
from transforms.credit.items import ledger_on

RULE = policy(**BARS)


def days(count: int) -> timedelta:
    return timedelta(days=count)


def cash(amount: int, *, ago: int, **other: Any) -> dict[str, Any]:
    """Money that came so many days ago and was not applied."""
    day = AS_OF - days(ago)
    return item(
        -amount,
        due_date=day,
        posting_date=day,
        item_type="payment_on_account",
        item_id=f"cash-{amount}-{ago}",
        **other,
    )


def test_unapplied_cash_covers_the_oldest_due_first_and_counts_from_its_posting_date():
    old, young = item(100, overdue=50, item_id="old"), item(100, overdue=20, item_id="young")
    row = credit(old, young, cash(100, ago=40))
    assert (row["to_be_applied"], row["net_overdue"], row["net_oldest_overdue_days"]) == (100, 100, 20)
    assert (row["overdue_31_60"], row["overdue_1_30"], row["unapplied_credit"]) == (100, 100, -100)
    assert row["days_late_12m"] == 15  # 100 ten days late, 100 twenty days so far


def test_a_credit_that_names_a_document_covers_it_its_disputed_part_first():
    named = item(100, overdue=10, document_id="D1", item_id="named", is_disputed=True, disputed_amount=40)
    older = item(100, overdue=50, item_id="older")
    row = credit(named, older, cash(50, ago=5, references_document_id="D1"))
    assert (row["disputed_open"], row["net_overdue"], row["to_be_applied"]) == (0, 150, 50)


def line(document: str, names: str | None, net: int) -> dict[str, Any]:
    return {"document_id": document, "references_document_id": names, "net_amount": net}


def note(amount: int, **other: Any) -> dict[str, Any]:
    """A credit note N, tax included, that does not say by itself what it is for."""
    return item(-amount, overdue=0, item_id="N", document_id="N", item_type="credit_note", **other)


def net_of(*items: dict[str, Any], **extracts: Any) -> dict[str, Decimal]:
    """What is left of each item that is owed, once credit is set against it."""
    ledger = ledger_on(facts([], receivables=list(items), **extracts), RULE.credit, AS_OF).items
    return dict(ledger.filter(pl.col("original") > 0).select("item_id", "net_open").collect().iter_rows())


OWED = [
    item(1000, overdue=90, item_id="old", document_id="D0"),
    item(600, overdue=30, item_id="A", document_id="D1"),
    item(600, overdue=10, item_id="B", document_id="D2"),
]


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        # All lines name one document, a line without money among them: all of it is for that one.
        ([("D1", -100), ("D1", 0)], {"old": 1000, "A": 481, "B": 600}),
        # Two documents, by what their lines are worth without tax.
        ([("D1", -75), ("D2", -25)], {"old": 1000, "A": Decimal("510.75"), "B": Decimal("570.25")}),
        # What a line is worth that names none is set against what is due first.
        ([("D1", -75), (None, -25)], {"old": Decimal("970.25"), "A": Decimal("510.75"), "B": 600}),
        # Lines that take part of it back credit their document with less.
        (
            [("D1", -100), ("D1", 50), ("D2", -50)],
            {"old": 1000, "A": Decimal("540.5"), "B": Decimal("540.5")},
        ),
        # No line names a document: the oldest due first.
        ([(None, -100)], {"old": 881, "A": 600, "B": 600}),
    ],
)
def test_a_credit_that_names_documents_on_its_lines_is_set_against_them_by_what_the_lines_are_worth(
    lines: list[tuple[str | None, int]], left: dict[str, Any]
):
    references = [line("N", names, net) for names, net in lines]
    assert net_of(*OWED, note(119), document_references=references) == left


def test_what_a_credit_names_by_itself_goes_before_its_lines():
    named = note(119, references_document_id="D2")
    found = net_of(*OWED, named, document_references=[line("N", "D1", -100)])
    assert found == {"old": 1000, "A": 600, "B": 481}


def test_what_went_to_a_named_document_already_is_not_set_against_it_again():
    applied = [
        {"payment_id": "N", "item_id": "A", "allocated_on": AS_OF, "amount": 60},
        {"payment_id": "N", "item_id": "N", "allocated_on": AS_OF, "amount": -60},
    ]
    references = [line("N", "D1", -60), line("N", "D2", -40)]
    found = net_of(*OWED, note(100), document_references=references, payment_allocations=applied)
    assert found == {"old": 1000, "A": 540, "B": 560}


def test_what_is_left_of_a_credit_once_the_document_it_names_is_covered_is_set_against_the_oldest_due():
    found = net_of(*OWED, note(700), document_references=[line("N", "D1", -700)])
    assert found == {"old": 900, "A": 0, "B": 600}


def test_cash_covers_nothing_that_is_disputed_unless_it_names_it():
    row = credit(item(100, overdue=10, is_disputed=True), cash(100, ago=5))
    assert (row["disputed_open"], row["to_be_applied"], row["open_balance"]) == (100, 0, 0)


@pytest.mark.parametrize("kind", ["advance", "deposit", "other"])
def test_an_advance_without_its_order_a_deposit_and_an_accrual_cover_no_invoice(kind: str):
    row = credit(item(1000, overdue=20), cash(400, ago=5) | {"item_type": kind})
    assert (row["net_overdue"], row["to_be_applied"]) == (1000, 0)
    assert row["exposure"] == (1000 if kind == "deposit" else 600)


def test_an_advance_covers_the_items_of_its_order():
    billed = item(1000, overdue=20, references_order_id="O1")
    row = credit(billed, cash(400, ago=5, references_order_id="O1") | {"item_type": "advance"})
    assert (row["net_overdue"], row["to_be_applied"]) == (600, 400)


def test_nothing_is_set_against_another_currency():
    row = credit(item(100, overdue=20), cash(100, ago=5, currency="USD"))
    assert (row["net_overdue"], row["to_be_applied"]) == (100, 0)


def test_credit_in_another_currency_is_named_where_something_is_overdue():
    owed = item(50_000, overdue=96)
    dollars = cash(55_000, ago=60, currency="USD", original_amount_company=-50_000)
    row = credit(owed, dollars)
    assert row["net_overdue"] == 50_000
    assert row["action_reason"].endswith("; 50,000.00 of credit in another currency is not set against it")
    for other in (
        cash(999, ago=60, currency="USD"),  # below what is material
        dollars | {"item_type": "deposit"},
        cash(50_000, ago=60) | {"item_type": "advance"},
    ):
        assert "another currency" not in credit(owed, other)["action_reason"]
    debt = item(55_000, overdue=5, currency="USD", original_amount_company=50_000, item_id="usd")
    assert "another currency" not in credit(owed, debt, dollars)["action_reason"]


def test_credit_of_others_of_the_group_is_named_and_set_against_nothing():
    group = [{"customer_id": each, "group_id": "G"} for each in ("C1", "C2")]
    theirs = cash(50_000, ago=60) | {"customer_id": "C2"}
    row = credit(item(50_000, overdue=96), theirs, customers=group)
    assert row["net_overdue"] == 50_000
    assert row["action_reason"].endswith("; 50,000.00 of credit of others of the group is not set against it")
    apart = [group[0], {"customer_id": "C2"}]
    assert "of the group" not in credit(item(50_000, overdue=96), theirs, customers=apart)["action_reason"]


def test_where_nothing_is_owed_net_nothing_is_graded_by_what_is_overdue():
    row = credit(item(100, overdue=95, item_type="invoice"), cash(160, ago=95))
    assert (row["open_balance"], row["graded_overdue_share"], row["credit_grade"]) == (-60, None, "A")
    assert row["credit_action"] == "open"


def test_a_part_counts_on_the_day_of_its_payment_whenever_it_was_applied():
    owed = item(100, overdue=60)
    payments = [
        {"payment_id": f"P-{AS_OF}", "payment_date": AS_OF - days(55), "amount": 100, "currency": "EUR"}
    ]
    allocation = paid(owed, 100, AS_OF)
    assert credit(owed, payment_allocations=[allocation], payments=payments)["days_late_12m"] == 5
    assert credit(owed, payment_allocations=[allocation])["days_late_12m"] == 60


def test_what_was_cleared_with_a_payment_counts_on_the_payments_posting_date():
    owed = item(100, overdue=60, cleared_date=AS_OF)
    assert credit(owed, cash(100, ago=55, cleared_date=AS_OF))["days_late_12m"] == 5
    assert credit(owed)["days_late_12m"] == 60


def test_two_clearings_on_one_day_are_two_where_the_ledger_tells_them_apart():
    older = item(100, item_id="A", overdue=60, cleared_date=AS_OF, clearing_id="2")
    newer = item(100, item_id="B", overdue=20, cleared_date=AS_OF, clearing_id="1")
    early = cash(100, ago=50, cleared_date=AS_OF, clearing_id="1")
    late = cash(100, ago=10, cleared_date=AS_OF, clearing_id="2")
    # B was due 20 days ago and paid 30 days before that; A was paid 50 days late.
    assert credit(older, newer, early, late)["days_late_12m"] == 25
    # Without it the older item is taken to be paid by the older payment: 10 days late, the newer one 10.
    untold = [each | {"clearing_id": None} for each in (older, newer, early, late)]
    assert credit(*untold)["days_late_12m"] == 10


def test_a_payment_in_another_currency_counts_on_its_own_day_whenever_it_was_cleared():
    owed = item(100, overdue=60, cleared_date=AS_OF, clearing_id="1")
    dollars = {"currency": "USD", "original_amount_company": -100}
    paid_in_dollars = cash(110, ago=55, cleared_date=AS_OF, clearing_id="1") | dollars
    assert credit(owed, paid_in_dollars)["days_late_12m"] == 5
    # By what both are worth: half of the item by this payment, the rest when it was cleared.
    half = paid_in_dollars | {"original_amount_company": -50}
    assert credit(owed, half)["days_late_12m"] == Decimal("32.5")
    # What was cleared by another posting paid another item.
    assert credit(owed, paid_in_dollars | {"clearing_id": "2"})["days_late_12m"] == 60


def test_credits_in_the_item_s_own_currency_go_before_those_in_another():
    owed = item(100, overdue=60, cleared_date=AS_OF, clearing_id="1")
    early = cash(50, ago=60, cleared_date=AS_OF, clearing_id="1") | {
        "currency": "USD",
        "original_amount_company": -80,
    }
    late = cash(60, ago=40, cleared_date=AS_OF, clearing_id="1")
    assert credit(owed, early, late)["days_late_12m"] == 12  # 60 of them 20 days late, 40 on the day


def test_nothing_was_paid_before_it_was_posted():
    owed = item(100, due_date=AS_OF - days(60), posting_date=AS_OF - days(30), cleared_date=AS_OF)
    assert credit(owed, cash(100, ago=50, cleared_date=AS_OF))["days_late_12m"] == 30


@pytest.mark.parametrize("kind", ["credit_note", "return", "reversal", "cancelled", "write_off", "transfer"])
def test_what_was_settled_otherwise_than_by_payment_is_not_paid_late(kind: str):
    row = credit(settled(100, late=81) | {"item_settlement": kind})
    assert (row["days_late_12m"], row["days_late_p90_12m"]) == (None, None)


@pytest.mark.parametrize("kind", [None, "unknown", "payment", "set_off", "bill"])
def test_payments_set_offs_and_bills_tell_how_late_it_pays(kind: str | None):
    assert credit(settled(100, late=81) | {"item_settlement": kind})["days_late_12m"] == 81


@pytest.mark.parametrize("how", ["allocated", "cleared"])
@pytest.mark.parametrize(
    ("kind", "late", "written_off"),
    [("write_off", 0, 40), ("transfer", 0, 0), ("set_off", 16, 0), ("cancelled", 16, 0), (None, 16, 0)],
)
def test_an_entry_settles_as_it_says_itself_and_what_was_paid_beside_it_stays_paid(
    kind: str | None, late: int, written_off: int, how: str
):
    # 60 of 100 were paid when they were due, 40 settled by an entry 40 days later.
    owed = item(100, overdue=50, item_id="owed")
    money, entry = cash(60, ago=50), cash(40, ago=10) | {"item_type": "other", "item_settlement": kind}
    if how == "cleared":
        cleared = AS_OF - days(10)
        row = credit(*(each | {"cleared_date": cleared} for each in (owed, money, entry)))
    else:
        both = [
            {
                "payment_id": each["item_id"],
                "item_id": of["item_id"],
                "allocated_on": each["posting_date"],
                "amount": amount,
            }
            for each in (money, entry)
            for of, amount in ((owed, -each["original_amount"]), (each, each["original_amount"]))
        ]
        row = credit(owed, money, entry, payment_allocations=both)
    assert (row["open_balance"], row["days_late_12m"], row["written_off_24m"]) == (0, late, written_off)


def test_an_item_counts_as_paid_once_98_percent_of_it_is_there():
    def late(first: str, last: str) -> Decimal | None:
        owed = item(100, overdue=40)
        parts = [paid(owed, first, AS_OF - days(40)), paid(owed, last, AS_OF - days(10))]
        return credit(owed, payment_allocations=parts, rule=policy(**BARS | {"credit__habit_min_items": 1}))[
            "days_late_p90_12m"
        ]

    assert late("98", "2") == 0
    assert late("97.99", "2.01") == 30


def test_a_bill_stays_exposure_until_it_is_due():
    bill = settled(5000, late=0) | {"item_settlement": "bill", "bill_due_on": AS_OF + days(1)}
    row = credit(bill)
    assert (row["open_balance"], row["bills_outstanding"], row["exposure"]) == (0, 5000, 5000)
    assert credit(bill | {"bill_due_on": AS_OF})["exposure"] == 0


def test_a_material_write_off_asks_for_payment_first_and_is_named():
    row = credit(settled(5000, late=0) | {"item_settlement": "write_off"})
    assert (row["written_off_24m"], row["credit_action"]) == (5000, "prepay")
    assert row["action_reason"] == "5,000.00 written off within 24 months"
    cents = credit(settled(999, late=0) | {"item_settlement": "write_off"})
    assert (cents["written_off_24m"], cents["credit_action"]) == (999, "open")


def test_a_dispute_that_was_settled_counts_from_its_end():
    disputed = {"disputed_from": AS_OF - days(90), "disputed_to": AS_OF - days(40)}
    row = credit(item(100, overdue=60, cleared_date=AS_OF - days(30)) | disputed)
    assert row["days_late_12m"] == 10
    assert credit(item(100, overdue=60, is_disputed=True, cleared_date=AS_OF))["days_late_12m"] is None


@pytest.mark.parametrize(("overdue", "action"), [(180, "watch"), (181, "prepay")])
def test_a_dispute_is_not_without_end(overdue: int, action: str):
    row = credit(item(5000, overdue=overdue, is_disputed=True))
    assert row["credit_action"] == action
    if action == "prepay":
        assert row["is_credit_stop"] is False
        assert row["action_reason"].startswith("5,000.00 in disputes too old or too many to count")


def test_who_contests_a_quarter_of_what_is_billed_contests_nothing():
    disputed = [
        item(1000, overdue=100 + number, is_disputed=True, item_id=f"D{number}") for number in range(3)
    ]
    paid_well = [settled(1000, late=0, ago=30 + number) | {"item_id": f"S{number}"} for number in range(9)]
    assert credit(*disputed, *paid_well)["credit_action"] == "prepay"
    assert credit(*disputed, *paid_well, settled(1000, late=0, ago=10))["credit_action"] == "watch"


@pytest.mark.parametrize(("age", "reason"), [(35, None), (36, "old_rate")])
def test_a_limit_converted_with_an_old_rate_says_so(age: int, reason: str | None):
    rate = {
        "from_currency": "EUR",
        "to_currency": "USD",
        "rate_date": AS_OF - days(age),
        "rate": Decimal("1.25"),
    }
    master = [{"customer_id": "C1", "credit_limit": 1000, "credit_currency": "USD"}]
    row = credit(item(100), customers=master, fx_rates=[rate])
    assert (row["credit_limit"], row["credit_limit_reason"]) == (800, reason)


def test_a_limit_without_a_rate_is_never_called_no_limit():
    master = [{"customer_id": "C1", "credit_limit": 1000, "credit_currency": "USD"}]
    rule = policy(**BARS | {"credit__no_limit_action": "watch"})
    row = credit(item(100), customers=master, rule=rule)
    assert (row["credit_limit_reason"], row["action_reason"]) == (
        "no_rate",
        "no rate to convert the credit limit",
    )


def test_exposure_is_shown_gross_and_unsecured():
    master = {"customer_id": "C1", "credit_limit": 1000, "secured_amount": 70, "secured_until": AS_OF}
    row = credit(item(100), customers=[master])
    assert (row["exposure"], row["secured_amount"], row["exposure_unsecured"]) == (100, 70, 30)
    expired = credit(item(100), customers=[master | {"secured_until": AS_OF - days(1)}])
    assert (expired["secured_amount"], expired["exposure_unsecured"]) == (0, 100)


@pytest.mark.parametrize(("amount", "action"), [("99999.99", "prepay"), ("100000", "stop")])
def test_a_large_sum_is_severe_whatever_the_shares(amount: str, action: str):
    assert credit(item(amount, overdue=95), item(3_000_000))["credit_action"] == action


def test_beyond_twice_the_days_half_the_share_is_severe():
    assert credit(item(1000, overdue=181), item(39_000))["credit_action"] == "stop"
    assert credit(item(1000, overdue=181), item(39_001))["credit_action"] == "prepay"
    assert credit(item(1000, overdue=180), item(39_000))["credit_action"] == "prepay"


# --- Laws

amounts = st.integers(100, 100_000)
NET = (
    "net_overdue",
    "net_overdue_share",
    "net_oldest_overdue_days",
    "graded_overdue_share",
    "graded_overdue_days",
    "days_late_12m",
    "days_late_trend",
    "days_late_p90_12m",
    "dso_countback",
    "collection_effectiveness",
    "credit_grade",
    "credit_action",
    "exposure",
    "open_balance",
)
ledger = st.lists(st.tuples(amounts, st.integers(-20, 120)), min_size=1, max_size=5)


def owing(rows: list[tuple[int, int]]) -> list[dict[str, Any]]:
    return [item(amount, overdue=late, item_id=f"I{number}") for number, (amount, late) in enumerate(rows)]


@settings(max_examples=12)
@given(ledger, amounts, st.integers(0, 60), st.integers(0, 60))
def test_applying_cash_to_what_it_covers_changes_nothing_net(rows, amount, ago, applied_after):
    items, money = owing(rows), cash(amount, ago=ago)
    before = credit(*items, money)
    on = AS_OF - days(max(ago - applied_after, 0))
    allocations, left = [], amount
    for each in sorted(items, key=lambda each: (each["due_date"], each["posting_date"], each["item_id"])):
        part = min(left, each["original_amount"])
        if part and each["posting_date"] <= on:
            allocations.append(paid(each, part, on) | {"payment_id": "CASH"})
            left -= part
    if sum(each["amount"] for each in allocations) == min(amount, sum(row[0] for row in rows)):
        allocations.append(paid(money, left - amount, on) | {"payment_id": "CASH"})
        after = credit(*items, money, payment_allocations=allocations)
        assert {name: after[name] for name in NET} == {name: before[name] for name in NET}
        assert after["to_be_applied"] == 0


@settings(max_examples=12)
@given(ledger, amounts, st.integers(0, 60), st.integers(1, 99))
def test_splitting_a_payment_changes_nothing_net(rows, amount, ago, percent):
    items, part = owing(rows), amount * percent // 100
    whole = credit(*items, cash(amount, ago=ago))
    parts = [
        cash(part, ago=ago) | {"item_id": "cash-a"},
        cash(amount - part, ago=ago) | {"item_id": "cash-b"},
    ]
    split = credit(*items, *(each for each in parts if each["original_amount"]))
    assert {name: split[name] for name in NET} == {name: whole[name] for name in NET}


@settings(max_examples=12)
@given(ledger, st.integers(0, 60), st.lists(st.integers(1, 99), min_size=1, max_size=3))
def test_splitting_a_payment_of_an_item_changes_nothing_net(rows, ago, percents):
    """One payment of the whole, or several on its day, each with an allocation of its own."""
    owed, *others = owing(rows)
    on = max(AS_OF - days(ago), owed["posting_date"])
    left, parts = Decimal(owed["original_amount"]), []
    for percent in percents:
        parts.append(round(left * percent / 100, 2))
        left -= parts[-1]
    whole = credit(*others, owed, payment_allocations=[paid(owed, owed["original_amount"], on)])
    split = credit(
        *others,
        owed,
        payment_allocations=[
            paid(owed, part, on) | {"payment_id": f"P{number}"}
            for number, part in enumerate([*parts, left])
            if part
        ],
    )
    assert {name: split[name] for name in NET} == {name: whole[name] for name in NET}


@settings(max_examples=12)
@given(ledger, st.integers(1, 99), st.integers(1, 200), st.integers(0, 200))
def test_a_rest_moves_lateness_by_no_more_than_its_share_times_its_days(rows, rest, overdue, late):
    others = [each | {"cleared_date": AS_OF} for each in owing(rows)]
    owed = item(10_000, overdue=overdue)
    on = owed["due_date"] + days(min(late, overdue))
    full = credit(*others, owed, payment_allocations=[paid(owed, 10_000, on)])
    short = credit(*others, owed, payment_allocations=[paid(owed, 10_000 - rest, on)])
    settled_amount = sum(row[0] for row in rows) + 10_000
    bound = Decimal(rest) / settled_amount * overdue
    assert abs(short["days_late_12m"] - full["days_late_12m"]) <= bound + Decimal("0.000001")
