"""What a customer owes on a day, how late it pays, and what may be sold to it."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from flows.wording.reasons import with_text
from tests.unit.transforms.small_worlds import facts, one, policy
from transforms.credit.watch import WATCHED, credit_watch
from transforms.frames.reasons import REASONS

AS_OF = date(2024, 12, 31)
BARS: dict[str, Any] = {
    "credit__severe_days": 90,
    "credit__grace_days": 14,
    "credit__habit_min_items": 5,
    "credit__material_amount": Decimal(1000),
    "credit__material_share": Decimal("0.05"),
    "credit__severe_action": "stop",
    "credit__over_limit_action": "prepay",
    "credit__new_no_limit_action": "open",
    "credit__grades__overdue_share": [Decimal("0.05"), Decimal("0.2"), Decimal("0.4"), Decimal("0.7")],
    "credit__grades__days_late_12m": [3, 10, 25, 45],
    "credit__grades__oldest_overdue_days": [7, 30, 60, 90],
    "credit__action_by_grade": {"A": "open", "B": "open", "C": "watch", "D": "prepay", "E": "prepay"},
}
BUCKETS = ["not_yet_due", "overdue_1_30", "overdue_31_60", "overdue_61_90", "overdue_over_90"]


def item(amount: Decimal | str | int, *, overdue: int = 0, **other: Any) -> dict[str, Any]:
    """An invoice in the ledger, that many days past due on AS_OF, posted 30 days before it was due."""
    due = other.pop("due_date", AS_OF - timedelta(days=overdue))
    return {
        "item_id": f"I{amount}-{due}",
        "posting_date": due - timedelta(days=30),
        "due_date": due,
        "original_amount": amount,
        "original_amount_company": amount,
        "currency": "EUR",
        "company_currency": "EUR",
        **other,
    }


def settled(amount: int, *, late: int, ago: int = 30) -> dict[str, Any]:
    """An invoice settled that many days ago, that many days after it was due."""
    cleared = AS_OF - timedelta(days=ago)
    return item(amount, due_date=cleared - timedelta(days=late), cleared_date=cleared)


def paid(of: dict[str, Any], amount: Decimal | str | int, on: date) -> dict[str, Any]:
    return {"payment_id": f"P-{on}", "item_id": of["item_id"], "allocated_on": on, "amount": amount}


def watch(*items: dict[str, Any], as_of: date = AS_OF, rule=None, **extracts: Any) -> pl.DataFrame:
    world = facts([], receivables=list(items), **extracts)
    return with_text(credit_watch(world, rule or policy(**BARS), as_of).collect())


def credit(*items: dict[str, Any], **other: Any) -> dict[str, Any]:
    return one(watch(*items, **other))


def customer(**master: Any) -> list[dict[str, Any]]:
    return [{"customer_id": "C1", **master}]


@pytest.mark.parametrize(
    ("overdue", "bucket"),
    [
        (-1, "not_yet_due"),
        (0, "not_yet_due"),
        (1, "overdue_1_30"),
        (30, "overdue_1_30"),
        (31, "overdue_31_60"),
        (60, "overdue_31_60"),
        (61, "overdue_61_90"),
        (90, "overdue_61_90"),
        (91, "overdue_over_90"),
    ],
)
def test_an_item_lies_in_the_bucket_of_its_days_past_due(overdue, bucket):
    row = credit(item(100, overdue=overdue))
    assert {name for name in BUCKETS if row[name] > 0} == {bucket}
    assert row["oldest_overdue_days"] == max(overdue, 0)


def test_credits_are_a_bucket_of_their_own_and_do_not_hide_what_is_overdue():
    row = credit(item(100, overdue=5), item(-30, overdue=5, item_type="credit_note"))
    assert (row["overdue_1_30"], row["unapplied_credit"], row["open_balance"]) == (100, -30, 70)
    assert row["overdue_share"] == 1


def test_disputed_items_stay_in_their_buckets():
    row = credit(item(100, overdue=5, is_disputed=True), item(50))
    assert (row["disputed"], row["overdue_1_30"], row["open_balance"]) == (100, 100, 150)


def test_an_item_settled_on_the_day_is_closed_and_one_settled_the_day_after_is_open():
    assert credit(item(100, overdue=5, cleared_date=AS_OF))["open_balance"] == 0
    assert credit(item(100, overdue=5, cleared_date=AS_OF + timedelta(days=1)))["open_balance"] == 100


def test_an_item_is_owed_from_its_posting_on():
    later = item(100, due_date=AS_OF + timedelta(days=31), posting_date=AS_OF + timedelta(days=1))
    assert watch(later).is_empty()
    assert credit({**later, "posting_date": AS_OF})["open_balance"] == 100


def test_a_part_payment_lowers_what_is_open_from_its_day_on():
    owed = item(100, overdue=5)
    assert credit(owed, payment_allocations=[paid(owed, "40.25", AS_OF)])["open_balance"] == Decimal("59.75")
    tomorrow = paid(owed, "40.25", AS_OF + timedelta(days=1))
    assert credit(owed, payment_allocations=[tomorrow])["open_balance"] == 100


def test_the_allocation_that_leaves_nothing_open_settles_the_item():
    owed = item(100, overdue=40)
    first, last = AS_OF - timedelta(days=40), AS_OF - timedelta(days=20)
    row = credit(owed, payment_allocations=[paid(owed, 60, first), paid(owed, 40, last)])
    # 60 on the day, 40 twenty days late
    assert (row["open_balance"], row["days_late_12m"]) == (0, 8)


def test_a_part_payment_in_another_currency_takes_the_same_share_of_the_company_amount():
    owed = item(300, overdue=5, currency="USD", original_amount_company=270)
    assert credit(owed, payment_allocations=[paid(owed, 100, AS_OF)])["open_balance"] == 180


def test_overdue_share_is_null_where_nothing_is_open():
    row = credit(item(100, cleared_date=AS_OF))
    assert row["overdue_share"] is None
    assert row["newly_overdue_share"] is None


def test_a_limit_that_is_not_set_is_not_a_limit_of_nothing():
    unlimited = credit(item(100), customers=customer())
    assert (unlimited["credit_limit_reason"], unlimited["utilisation"]) == ("no_limit_set", None)
    assert (unlimited["next_order_headroom"], unlimited["credit_action"]) == (None, "open")
    nothing = credit(item(100), customers=customer(credit_limit=0))
    assert (nothing["credit_limit_reason"], nothing["utilisation"]) == (None, None)
    assert (nothing["next_order_headroom"], nothing["credit_action"]) == (-100, "prepay")


def test_a_customer_with_a_limit_of_nothing_and_no_debt_prepays():
    row = credit(item(100, cleared_date=AS_OF), customers=customer(credit_limit=0))
    assert (row["credit_action"], row["action_reason"]) == ("prepay", "credit limit 0")


@pytest.mark.parametrize(
    ("master", "reason"),
    [
        ([], "master_missing"),
        (customer(credit_limit=500, credit_currency="USD"), "no_rate"),
        (customer(credit_limit=500, credit_currency="EUR"), None),
    ],
)
def test_a_limit_that_cannot_be_compared_says_why(master, reason):
    row = credit(item(100), customers=master)
    assert row["credit_limit_reason"] == reason
    assert row["next_order_headroom"] == (None if reason else 400)


def test_open_orders_use_up_the_limit():
    orders = [{"order_id": "O1", "line_id": "1", "amount": 250, "promised_on": AS_OF}]
    row = credit(item(100), customers=customer(credit_limit=1000), open_orders=orders)
    assert (row["open_orders"], row["exposure"]) == (250, 350)
    assert (row["utilisation"], row["next_order_headroom"]) == (Decimal("0.35"), 650)


def test_open_orders_not_delivered_are_unknown_and_delivered_without_a_row_are_none():
    assert credit(item(100))["open_orders"] is None
    assert credit(item(100), open_orders=[])["open_orders"] == 0


def test_a_customer_with_open_orders_only_is_watched_too():
    orders = [{"order_id": "O1", "line_id": "1", "amount": 250, "promised_on": AS_OF}]
    row = credit(open_orders=orders, customers=customer(credit_limit=200))
    assert (row["open_balance"], row["exposure"], row["credit_action"]) == (0, 250, "prepay")
    assert row["action_reason"] == "exposure 250.00 above limit 200.00"
    assert row["credit_grade"] is None


@pytest.mark.parametrize(("amount", "action"), [("999.99", "watch"), ("1000.00", "stop")])
def test_severe_arrears_stop_credit_from_the_material_amount_on(amount, action):
    rule = policy(
        **BARS
        | {"credit__action_by_grade": {"A": "open", "B": "open", "C": "watch", "D": "watch", "E": "watch"}}
    )
    assert credit(item(amount, overdue=91), rule=rule)["credit_action"] == action


@pytest.mark.parametrize(("overdue", "action"), [(90, "prepay"), (91, "stop")])
def test_arrears_are_severe_after_the_policys_days(overdue, action):
    assert credit(item(5000, overdue=overdue))["credit_action"] == action


@pytest.mark.parametrize(("rest", "action"), [(19000, "stop"), (19001, "prepay")])
def test_severe_arrears_must_be_a_material_share_of_what_is_owed(rest, action):
    assert credit(item(1000, overdue=100), item(rest))["credit_action"] == action


def test_cents_do_not_block():
    row = credit(item("0.03", overdue=200))
    assert (row["credit_grade"], row["credit_action"]) == ("E", "watch")


@pytest.mark.parametrize(("overdue", "grade", "action"), [(14, "C", "watch"), (15, "E", "prepay")])
def test_what_is_overdue_is_graded_and_blocks_only_beyond_the_days_of_grace(overdue, grade, action):
    row = credit(item(5000, overdue=overdue))
    assert (row["credit_grade"], row["credit_action"]) == (grade, action)


@pytest.mark.parametrize(
    ("late", "young", "grade", "action"),
    [
        ("999.99", 300, "C", "watch"),
        ("1000", 300, "E", "prepay"),
        ("499.99", 150, "B", "open"),
        ("500", 150, "C", "watch"),
    ],
)
def test_what_is_beyond_the_days_of_grace_grades_by_how_material_it_is(late, young, grade, action):
    row = credit(item(late, overdue=15), item(young, overdue=-1), settled(200_000, late=0))
    assert (row["credit_grade"], row["credit_action"]) == (grade, action)


def paid_late(*days: int) -> list[dict[str, Any]]:
    return [settled(100 + number, late=late) for number, late in enumerate(days)]


@pytest.mark.parametrize(
    ("days_late", "habit"),
    [
        ([0] * 9 + [40], 0),
        ([0] * 8 + [30, 40], 30),
        ([0] * 9 + [30, 40], 30),
        ([0] * 17 + [20, 30, 40], 20),
        ([0, 0, 0, 0, 40], 40),
        ([-9, -9, -9, -9, -3], 0),
        ([40, 40, 40, 40], None),
    ],
)
def test_a_habit_is_what_nine_of_ten_settled_items_do_not_exceed(days_late, habit):
    assert credit(*paid_late(*days_late))["days_late_p90_12m"] == habit


def test_a_habit_counts_items_alike_and_leaves_out_what_is_open_older_or_a_credit_note():
    large, small = settled(90_000, late=50), paid_late(*[2] * 9)
    others = [item(500, overdue=80), settled(700, late=70, ago=366), settled(-800, late=60)]
    assert credit(large, *small, *others)["days_late_p90_12m"] == 2
    assert credit(*small[:4], *others)["days_late_p90_12m"] is None


def test_a_habit_of_paying_late_counts_from_the_material_amount_on():
    assert credit(settled(999, late=50))["credit_action"] == "watch"
    assert credit(settled(1000, late=50))["credit_action"] == "prepay"
    assert credit(settled(1000, late=50), settled(19001, late=-5))["credit_action"] == "open"


def test_a_stop_names_what_is_overdue_and_since_when():
    row = credit(item("12345.60", overdue=120))
    assert row["action_reason"].startswith(
        "12,345.60 more than 90 days past due; grade E: graded_overdue_share 1 above 0.7"
    )


@pytest.mark.parametrize(
    ("late", "grade"), [(3, "A"), (4, "B"), (10, "B"), (11, "C"), (25, "C"), (26, "D"), (45, "D"), (46, "E")]
)
def test_the_bars_of_the_grades_are_inclusive(late, grade):
    row = credit(settled(100, late=late))
    assert (row["days_late_12m"], row["credit_grade"]) == (late, grade)


def test_the_worst_figure_decides_the_grade_and_the_reason_names_it():
    row = credit(settled(9000, late=12), item(2000, overdue=5), item(8000))
    assert row["credit_grade"] == "C"
    assert row["action_reason"] == "grade C: days_late_12m 10.727273 above 10"


def test_early_payment_counts_as_nothing_late_and_is_negative_beyond_terms():
    row = credit(settled(300, late=-10), settled(100, late=20))
    assert row["days_late_12m"] == 5
    assert row["days_beyond_terms_12m"] == Decimal("-2.5")


def test_open_overdue_items_count_as_late_up_to_the_day():
    assert credit(settled(100, late=0), item(100, overdue=10))["days_late_12m"] == 5
    assert credit(settled(100, late=8), item(100, overdue=0))["days_late_12m"] == 8


def test_lateness_looks_back_twelve_months():
    assert credit(settled(100, late=9, ago=365))["days_late_12m"] == 9
    assert credit(settled(100, late=9, ago=366))["days_late_12m"] is None


def test_the_trend_is_the_last_three_months_less_the_nine_before():
    row = credit(settled(100, late=10, ago=20), settled(100, late=4, ago=200), item(100, overdue=20))
    assert row["days_late_trend"] == 11
    assert credit(settled(100, late=10, ago=20))["days_late_trend"] is None


def test_what_was_paid_has_a_trend_of_its_own_without_what_is_open():
    paid = [settled(100, late=10, ago=20), settled(100, late=4, ago=200)]
    row = one(watch(*paid, item(100, overdue=20)))
    assert (row["days_late_trend"], row["paid_late_trend"]) == (11, 6)
    unpaid = one(watch(settled(100, late=4, ago=200), item(100, overdue=20)))
    assert (unpaid["days_late_trend"], unpaid["paid_late_trend"]) == (16, None)


def test_the_trend_is_rounded_once():
    # 1/3 of a day lately, 2/3 before: rounded each, they would differ by 0.333334
    lately = [settled(100, late=late, ago=20) for late in (1, 0, 0)]
    before = [settled(100, late=late, ago=200) for late in (1, 1, 0)]
    every = [{**each, "item_id": f"I{number}"} for number, each in enumerate([*lately, *before])]
    assert credit(*every)["days_late_trend"] == Decimal("-0.333333")


def test_sales_outstanding_are_counted_back_through_the_months():
    december = item(310, due_date=date(2025, 1, 9), posting_date=date(2024, 12, 10))
    november = item(600, due_date=date(2024, 12, 10), posting_date=date(2024, 11, 10))
    part = paid(november, 500, date(2024, 12, 20))
    row = credit(december, november, payment_allocations=[part])
    # all of December's 31 days, and 100 of November's 600: 5 of its 30 days
    assert row["dso_countback"] == 36
    assert row["best_possible_dso"] == 31
    assert row["average_days_delinquent"] == 5


def test_the_running_month_counts_its_days_so_far_and_months_without_billing_count_whole():
    row = credit(
        item(100, due_date=date(2024, 12, 5), posting_date=date(2024, 10, 5)), as_of=date(2024, 12, 10)
    )
    assert row["dso_countback"] == 10 + 30 + 31


def test_nothing_open_is_no_day_of_sales():
    assert credit(item(100, cleared_date=AS_OF))["dso_countback"] == 0


def test_collection_effectiveness_is_what_was_collected_of_what_was_due():
    row = credit(settled(300, late=0, ago=10), item(100, overdue=10), item(600))
    # 1,000 billed in the quarter, 600 of it not due: of the 400 to collect, 300 came
    assert row["collection_effectiveness"] == Decimal("0.75")
    assert credit(item(600))["collection_effectiveness"] is None


def test_newly_overdue_is_what_went_past_due_in_the_last_thirty_days():
    assert credit(item(100, overdue=30), item(100, overdue=31), item(200))["newly_overdue_share"] == Decimal(
        "0.25"
    )


def group(*members: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """What the watch says of the group of each customer: exposure, limit, headroom."""
    owed = [
        item(100, overdue=5),
        item(300, customer_id="C2"),
        item(40, customer_id="C3", overdue=1),
        item(7, customer_id="C1", company_code="2000"),
    ]
    found = watch(*owed, customers=list(members)).filter(pl.col("company_code") == "1000")
    columns = ("group_id", "group_exposure", "group_limit", "group_headroom")
    return {row["customer_id"]: tuple(row[name] for name in columns) for row in found.to_dicts()}


def test_exposure_rolls_up_by_group_within_a_legal_entity():
    found = group(
        {"customer_id": "C1", "group_id": "G", "credit_limit": 1000},
        {"customer_id": "C2", "group_id": "G", "credit_limit": 500},
        {"customer_id": "C1", "group_id": "G", "company_code": "2000", "credit_limit": 9000},
        {"customer_id": "C3", "credit_limit": 50},
    )
    assert found["C1"] == found["C2"] == ("G", 400, 1500, 1100)
    assert found["C3"] == (None, None, None, None)


def test_a_member_without_a_limit_uses_up_none_and_switches_nothing_off():
    found = group(
        {"customer_id": "C1", "group_id": "G", "credit_limit": 1000},
        {"customer_id": "C2", "group_id": "G"},
    )
    assert found["C1"] == found["C2"] == ("G", 100, 1000, 900)


def test_a_limit_of_the_group_is_used_up_by_all_its_members():
    found = group(
        {"customer_id": "C1", "group_id": "G", "credit_limit": 1000, "group_limit": 500},
        {"customer_id": "C2", "group_id": "G", "group_limit": 500},
    )
    assert found["C1"] == ("G", 400, 500, 100)


def test_a_group_in_which_nobody_has_a_limit_has_none():
    found = group({"customer_id": "C1", "group_id": "G"}, {"customer_id": "C2", "group_id": "G"})
    assert found["C1"] == ("G", 400, None, None)


def promised(on: date | None, *, settled_on: date | None = None, amount: int = 2000) -> dict[str, Any]:
    return item(amount, overdue=400, promised_on=on, cleared_date=settled_on)


def test_without_a_promise_in_the_company_broken_promises_are_not_delivered():
    assert credit(promised(None))["broken_promises"] is None
    other = promised(AS_OF, settled_on=None) | {"customer_id": "C2", "item_id": "other"}
    assert one(watch(promised(None), other))["broken_promises"] == 0


@pytest.mark.parametrize(
    ("on", "settled_on", "broken"),
    [
        (AS_OF, None, 0),  # the day is not over
        (AS_OF - timedelta(days=1), None, 1),
        (AS_OF - timedelta(days=9), AS_OF - timedelta(days=9), 0),
        (AS_OF - timedelta(days=9), AS_OF - timedelta(days=8), 1),
        (date(2024, 1, 1), None, 1),
        (date(2023, 12, 31), None, 0),
    ],
)
def test_a_promise_is_broken_when_its_day_is_over_and_stays_so_for_a_year(on, settled_on, broken):
    assert credit(promised(on, settled_on=settled_on))["broken_promises"] == broken


def test_a_watch_without_receivables_is_refused():
    with pytest.raises(ValueError, match="not delivered"):
        credit_watch(facts([]), policy(), AS_OF)


amounts = st.decimals(-2000, 5000, places=2)
days = st.integers(-60, 500)


@st.composite
def ledgers(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    items = []
    for number in range(draw(st.integers(1, 8))):
        posted = AS_OF - timedelta(days=draw(days))
        open_for = draw(st.none() | st.integers(0, 400))
        items.append(
            item(
                draw(amounts),
                due_date=posted + timedelta(days=draw(st.integers(-5, 90))),
                posting_date=posted,
                cleared_date=None if open_for is None else posted + timedelta(days=open_for),
                item_id=f"I{number}",
                customer_id=f"C{draw(st.integers(1, 2))}",
                is_disputed=draw(st.sampled_from([None, True, False])),
            )
        )
    allocations = [
        paid(of, draw(amounts), of["posting_date"] + timedelta(days=draw(st.integers(0, 200))))
        for of in draw(st.lists(st.sampled_from(items), max_size=6, unique_by=lambda one: one["item_id"]))
    ]
    return items, allocations


@given(ledgers())
@settings(max_examples=60)
def test_the_buckets_sum_to_the_open_balance(ledger):
    items, allocations = ledger
    found = watch(*items, payment_allocations=allocations)
    assert found.filter(pl.sum_horizontal(*BUCKETS, "unapplied_credit") != pl.col("open_balance")).is_empty()
    assert found.filter(pl.col("disputed") > pl.sum_horizontal(BUCKETS)).is_empty()
    open_items = sum(
        of["original_amount"]
        - sum(
            (
                a["amount"]
                for a in allocations
                if a["item_id"] == of["item_id"] and a["allocated_on"] <= AS_OF
            ),
            Decimal(0),
        )
        for of in items
        if of["posting_date"] <= AS_OF and (of["cleared_date"] is None or of["cleared_date"] > AS_OF)
    )
    assert found["open_balance"].sum() == open_items


@given(ledgers(), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_the_order_of_the_ledger_changes_nothing(ledger, shuffler):
    items, allocations = ledger
    first = watch(*items, payment_allocations=allocations)
    shuffler.shuffle(items)
    shuffler.shuffle(allocations)
    assert_frame_equal(first, watch(*items, payment_allocations=allocations))


@given(ledgers())
@settings(max_examples=25)
def test_a_customers_watch_does_not_depend_on_the_others(ledger):
    items, allocations = ledger
    own = [of for of in items if of["customer_id"] == "C1"]
    together = watch(*items, payment_allocations=allocations).filter(pl.col("customer_id") == "C1")
    assert_frame_equal(together, watch(*own, payment_allocations=allocations))


def test_a_watch_ends_at_its_contract():
    told = pl.Schema({name: pl.String() if dtype == REASONS else dtype for name, dtype in WATCHED.items()})
    assert watch(item(100)).schema == told
    assert watch().schema == told
