"""Credit warnings begin at one bar and end at another, days later: raised early, and never flickering."""

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
from tests.unit.transforms.small_worlds import policy
from transforms.credit.warnings import credit_warnings, standing_warnings, warning_causes
from transforms.credit.watch import WATCHED
from transforms.frames.schemas import CREDIT_WATCH
from transforms.policy.credit import CreditRule, WarningBars

DAY = date(2024, 6, 3)
RAISE: dict[str, Any] = {
    "action": "prepay",
    "grade": "C",
    "utilisation": Decimal("0.9"),
    "days_late_trend": 10,
    "newly_overdue_share": Decimal("0.2"),
    "broken_promises": 2,
    "days_late_p90_12m": 21,
}
CLEAR: dict[str, Any] = {
    "action": "watch",
    "grade": "B",
    "utilisation": Decimal("0.8"),
    "days_late_trend": 5,
    "newly_overdue_share": Decimal("0.1"),
    "broken_promises": 1,
    "days_late_p90_12m": 14,
}
RULE = policy(
    credit__warnings={"clear_after_days": 14, "raise_from": RAISE, "clear_at": CLEAR},
    credit__material_amount=1000,
    credit__material_share=Decimal("0.05"),
).credit
MUCH = Decimal(5000)


def watched(**figures: Any) -> pl.LazyFrame:
    """One customer's watch of a day; what is not named is null, or nothing."""
    nothing = {name: Decimal(0) for name, kind in WATCHED.items() if kind == pl.Decimal(38, 4)}
    nobody = dict.fromkeys(WATCHED.names()) | {"company_code": "1000", "customer_id": "C1", "as_of": DAY}
    return pl.LazyFrame(
        [nobody | nothing | {"credit_action": "open", "credit_limit": None} | figures], schema=WATCHED
    )


def on(
    day: date, before: pl.DataFrame | None = None, *, rule: CreditRule = RULE, **figures: Any
) -> pl.DataFrame:
    """The watch of a day with its warning, after an earlier one."""
    earlier = None if before is None else standing_warnings(before.lazy())
    return credit_warnings(watched(as_of=day, **figures), earlier, rule, day).collect()


def causes(found: pl.DataFrame) -> str | None:
    return said(found, "warning_causes")


def said(found: pl.DataFrame, column: str) -> str | None:
    return with_text(found)[column].item()


def after(days: int) -> date:
    return DAY + timedelta(days)


@pytest.mark.parametrize(
    ("cause", "just_below", "at_the_bar"),
    [
        ("utilisation", {"utilisation": Decimal("0.899999")}, {"utilisation": Decimal("0.9")}),
        ("days_late_trend", {"days_late_trend": Decimal("9.9")}, {"days_late_trend": Decimal(10)}),
        ("newly_overdue_share", {"net_newly_overdue_share": Decimal("0.19")}, {"net_newly_overdue_share": Decimal("0.2")}),
        ("broken_promises", {"broken_promises": 1}, {"broken_promises": 2}),
        ("days_late_p90_12m", {"days_late_p90_12m": Decimal(20)}, {"days_late_p90_12m": Decimal(21)}),
        ("action", {"credit_action": "watch"}, {"credit_action": "prepay", "action_reason": [{"code": "limit_of_nothing"}]}),
    ],
)  # fmt: skip
def test_a_cause_is_raised_at_its_bar_inclusive(cause, just_below, at_the_bar):
    material = dict.fromkeys(
        ("late_amount", "counted_amount", "net_overdue", "newly_past_grace", "broken_amount"), MUCH
    )
    assert causes(on(DAY, **material, **just_below)) is None
    raised = on(DAY, **material, **at_the_bar)
    assert (causes(raised), raised["warning_since"].item()) == (cause, DAY)


@pytest.mark.parametrize(("oldest", "cause"), [(30, None), (31, "grade")])
def test_a_grade_warns_from_the_policys_grade_on(oldest, cause):
    late = {"graded_overdue_days": Decimal(oldest), "net_overdue": MUCH, "past_grace": MUCH}
    assert causes(on(DAY, **late)) == cause


def test_a_grade_by_habit_with_nothing_overdue_warns_nobody():
    habit = {"days_late_12m": Decimal(40), "late_amount": MUCH, "counted_amount": MUCH, "credit_grade": "D"}
    assert causes(on(DAY, **habit)) is None


def test_what_is_overdue_by_no_more_than_the_days_of_grace_makes_no_grade_that_warns():
    young = {"graded_overdue_share": Decimal(1), "graded_overdue_days": Decimal(14), "net_overdue": MUCH}
    assert causes(on(DAY, **young)) is None
    older = young | {"graded_overdue_days": Decimal(15), "past_grace": MUCH}
    found = on(DAY, **older, days_late_12m=Decimal(99))
    assert (causes(found), said(found, "warning_reason")) == (
        "grade",
        "grade E: graded_overdue_share 1 above 0.7",
    )


def test_what_fell_overdue_is_a_cause_while_some_of_it_is_beyond_the_days_of_grace():
    much = {"net_newly_overdue_share": Decimal("0.5"), "net_overdue": MUCH}
    raised = on(DAY, **much, newly_past_grace=MUCH)
    held = on(after(1), raised, **much, newly_past_grace=Decimal("0.01"))
    assert causes(held) == "newly_overdue_share"
    assert causes(on(after(2), held, **much)) is None


@pytest.mark.parametrize(
    ("overdue", "paid", "warns"),
    [
        ("999.99", None, False),  # nothing paid in the quarter
        ("999.99", "9.9", False),
        ("999.99", "10", True),
        ("1000", "0", True),
        ("1000", None, True),
    ],
)
def test_rests_that_are_open_for_years_are_no_trend_unless_they_are_material(overdue, paid, warns):
    late = {"late_amount": MUCH, "counted_amount": MUCH, "days_late_trend": Decimal(11)}
    given = late | {
        "net_overdue": Decimal(overdue),
        "paid_late_trend": None if paid is None else Decimal(paid),
    }
    assert causes(on(DAY, **given)) == ("days_late_trend" if warns else None)


@pytest.mark.parametrize(
    ("overdue", "paid", "stands"), [("999.99", "5", False), ("999.99", "5.1", True), ("1000", "0", True)]
)
def test_a_trend_ends_when_neither_what_is_overdue_nor_what_was_paid_tells_it(overdue, paid, stands):
    late = {"late_amount": MUCH, "counted_amount": MUCH, "days_late_trend": Decimal(11), "net_overdue": MUCH}
    raised = on(DAY, **late)
    later = late | {"net_overdue": Decimal(overdue), "paid_late_trend": Decimal(paid)}
    assert (causes(on(after(1), raised, **later)) is not None) == stands


def test_a_habit_warns_of_what_is_overdue_from_its_first_day_on_and_ends_with_it():
    habit = {"days_late_p90_12m": Decimal(25)}
    before = on(DAY, **habit)
    assert causes(before) is None
    raised = on(after(1), before, **habit, net_overdue=MUCH)
    assert said(raised, "warning_reason") == "days_late_p90_12m 25 from 21 on"
    cents = on(after(2), raised, **habit, net_overdue=Decimal("0.01"))
    assert causes(cents) == "days_late_p90_12m"
    assert causes(on(after(3), cents, **habit)) is None


@pytest.mark.parametrize(("action", "stands"), [("stop", True), ("prepay", True), ("watch", False)])
def test_the_action_is_a_cause_until_goods_are_sold_on_credit_again(action, stands):
    raised = on(
        DAY,
        credit_action="prepay",
        action_reason=[{"code": "over_limit", "amount": Decimal(2), "bar": Decimal(1)}],
    )
    assert (
        causes(on(after(1), raised, credit_action=action, action_reason=[{"code": "limit_of_nothing"}]))
        is not None
    ) == stands


@pytest.mark.parametrize(
    ("figures", "amount"),
    [
        ({"graded_overdue_days": Decimal(200), "credit_grade": "E"}, "past_grace"),
        ({"net_newly_overdue_share": Decimal("0.9")}, "newly_past_grace"),
        ({"days_late_p90_12m": Decimal(30)}, "net_overdue"),
        ({"days_late_trend": Decimal(90), "paid_late_trend": Decimal(90)}, "late_amount"),
        ({"broken_promises": 9}, "broken_amount"),
    ],
)
@pytest.mark.parametrize(
    ("late", "of", "warns"),
    [("999.99", "1000", False), ("1000", "20000", True), ("1000", "20001", False)],
)
def test_what_is_late_warns_only_where_it_is_material_by_amount_and_by_share(
    figures, amount, late, of, warns
):
    whole = "counted_amount" if amount == "late_amount" else "net_owed"
    sizes = {amount: Decimal(late), whole: Decimal(of)}
    assert (causes(on(DAY, **figures, **sizes)) is not None) == warns


@pytest.mark.parametrize(("utilisation", "stands"), [("0.89", True), ("0.800001", True), ("0.8", False)])
def test_a_cause_holds_until_its_figure_is_back_at_the_bar_that_clears_it(utilisation, stands):
    raised = on(DAY, utilisation=Decimal("0.95"))
    next_day = on(after(1), raised, utilisation=Decimal(utilisation))
    assert (causes(next_day) is not None) == stands
    assert next_day["warning_since"].item() == DAY


def test_below_the_raising_bar_a_figure_alone_warns_nobody():
    assert causes(on(DAY, on(DAY), utilisation=Decimal("0.89"))) is None


def test_a_warning_without_a_cause_waits_the_policys_days_and_ends():
    raised = on(after(9), on(DAY, utilisation=Decimal("0.95")), utilisation=Decimal("0.95"))
    calm = on(after(10), raised, utilisation=Decimal("0.5"))
    assert with_text(calm).select("warning_since", "warning_causes", "warning_calm_since").row(0) == (
        DAY,
        None,
        after(10),
    )
    waiting = on(after(23), calm, utilisation=Decimal("0.5"))
    assert waiting["warning_since"].item() == DAY
    over = on(after(24), waiting, utilisation=Decimal("0.5"))
    assert over.select("warning_since", "warning_calm_since").row(0) == (None, None)


@pytest.mark.parametrize(("days", "since"), [(14, DAY), (15, None)])
def test_who_is_seldom_looked_at_waits_from_the_day_after_the_last_cause_was_found(days, since):
    raised = on(DAY, utilisation=Decimal("0.95"))
    calm = on(after(days), raised, utilisation=Decimal("0.5"))
    assert calm["warning_since"].item() == since
    assert calm["warning_calm_since"].item() == (after(1) if since else None)


def test_a_relapse_while_it_waits_is_the_same_warning_and_waits_anew():
    calm = on(after(1), on(DAY, utilisation=Decimal("0.95")), utilisation=Decimal("0.5"))
    relapse = on(after(5), calm, utilisation=Decimal("0.91"))
    assert relapse.select("warning_since", "warning_calm_since").row(0) == (DAY, None)
    assert on(after(6), relapse)["warning_calm_since"].item() == after(6)


def test_a_second_cause_joins_the_warning_and_the_first_may_leave_it():
    first = on(DAY, utilisation=Decimal("0.95"))
    both = on(after(1), first, utilisation=Decimal("0.95"), broken_promises=2, broken_amount=MUCH)
    assert causes(both) == "utilisation, broken_promises"
    second = on(after(2), both, utilisation=Decimal("0.2"), broken_promises=2, broken_amount=MUCH)
    assert (causes(second), second["warning_since"].item()) == ("broken_promises", DAY)


def test_the_evidence_names_figure_and_bar_and_until_when_it_holds():
    raised = on(DAY, utilisation=Decimal("0.95"))
    assert said(raised, "warning_reason") == "utilisation 0.95 from 0.9 on"
    held = on(after(1), raised, utilisation=Decimal("0.85"))
    assert said(held, "warning_reason") == "utilisation 0.85 from 0.9 on, until 0.8"


def test_a_stop_is_its_own_evidence_and_does_not_repeat_the_grade():
    found = on(
        DAY,
        credit_action="stop",
        action_reason=[{"code": "severe_arrears", "amount": Decimal(5000), "counted": 90}],
        credit_grade="E",
        graded_overdue_days=Decimal(120),
        net_overdue=MUCH,
        past_grace=MUCH,
    )
    assert causes(found) == "action, grade"
    assert said(found, "warning_reason") == "stop: 5,000.00 more than 90 days past due"


def test_a_look_back_knows_nothing_of_a_later_day():
    later = on(after(5), utilisation=Decimal("0.95"))
    assert causes(on(DAY, later, utilisation=Decimal("0.85"))) is None


def test_without_days_to_wait_a_warning_ends_with_its_cause():
    hasty = policy(credit__warnings={"clear_after_days": 0, "raise_from": RAISE, "clear_at": CLEAR}).credit
    raised = on(DAY, rule=hasty, utilisation=Decimal("0.95"))
    assert on(after(1), raised, rule=hasty)["warning_since"].item() is None


def test_every_bar_of_the_policy_is_a_cause_and_every_cause_has_bars():
    assert [cause.name for cause in warning_causes(RULE)] == list(WarningBars.model_fields)


shares = st.decimals(0, 1, places=2)


@given(st.lists(st.tuples(st.integers(1, 20), shares), min_size=1, max_size=8))
@settings(max_examples=40)
def test_a_warning_is_what_a_person_with_a_calendar_would_keep(history):
    before, day, last_caused, since, calm, holds = None, DAY, DAY, None, None, False
    for days, share in history:
        day += timedelta(days)
        before = on(day, before, utilisation=share)
        holds = share >= Decimal("0.9") or (holds and share > Decimal("0.8"))
        if holds:
            last_caused, since, calm = day, since or day, None
        elif since:
            calm = last_caused + timedelta(1)
            if (day - calm).days >= 14:
                since = calm = None
        assert before.select("warning_since", "warning_calm_since").row(0) == (since, calm)
        assert (causes(before) is not None) == holds
        again = on(day, before, utilisation=share)
        assert_frame_equal(again, before)
        assert with_text(again).schema == CREDIT_WATCH
