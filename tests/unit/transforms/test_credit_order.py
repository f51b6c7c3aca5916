"""Before the sale: allowed, prepay or stop, and why."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import policy
from transforms.credit.order import Decision, Standing, decide

RULE = policy(credit__over_limit_action="prepay").credit
GOOD = Standing(
    credit_action="open",
    action_reason=None,
    credit_limit=Decimal(50_000),
    headroom=Decimal("7830.50"),
    group_id=None,
    group_headroom=None,
    warning_reason=None,
)
IN_A_GROUP = replace(GOOD, group_id="GRP-014", group_headroom=Decimal(3000))
STOPPED = replace(GOOD, credit_action="stop", action_reason="5,000.00 more than 90 days past due")

ABOVE = {"code": "order_above_headroom", "bar": Decimal("7830.50"), "amount": Decimal("169.50")}


def ask(order: str, standing: Standing = GOOD, **rule: Any) -> Decision:
    return decide(standing, Decimal(order), policy(**rule).credit if rule else RULE)


@pytest.mark.parametrize(("order", "answer"), [("7830.50", "allowed"), ("7830.51", "prepay")])
def test_an_order_fits_up_to_the_headroom_inclusive(order, answer):
    assert ask(order).answer == answer


def test_an_order_above_the_headroom_says_by_how_much():
    assert ask("8000").reasons == (ABOVE,)


def test_the_policy_says_what_above_the_limit_means():
    assert ask("8000", credit__over_limit_action="stop").answer == "stop"
    watched = ask("8000", credit__over_limit_action="watch")
    assert (watched.answer, watched.at_most) == ("allowed", None)
    assert watched.remarks == (ABOVE,)


def test_a_stop_stops_every_order_and_names_its_reason():
    small = ask("1", STOPPED)
    assert (small.answer, small.at_most) == ("stop", 0)
    assert small.reasons == (
        {"code": "credit_action_holds", "label": "stop", "remark": STOPPED.action_reason},
    )


def test_the_hardest_answer_holds_and_what_else_speaks_against_it_is_a_remark():
    found = ask("8000", STOPPED)
    assert found.answer == "stop"
    assert found.remarks == (ABOVE,)


def test_who_prepays_prepays_however_small_the_order():
    prepays = replace(GOOD, credit_action="prepay", action_reason="credit limit 0")
    assert ask("1", prepays).answer == "prepay"


def test_an_order_must_fit_into_the_headroom_of_the_group_too():
    found = ask("3000.01", IN_A_GROUP)
    assert (found.answer, found.at_most) == ("prepay", 3000)
    assert found.reasons == (
        {"code": "order_above_group_headroom", "name": "GRP-014", "bar": 3000, "amount": Decimal("0.01")},
    )
    assert ask("3000", IN_A_GROUP).answer == "allowed"


def test_without_a_limit_nothing_is_too_much_and_that_is_said():
    unlimited = replace(GOOD, credit_limit=None, headroom=None)
    found = ask("9999999", unlimited)
    assert (found.answer, found.at_most, found.remarks) == ("allowed", None, ({"code": "no_limit_set"},))


def test_that_no_limit_is_set_is_not_said_again_of_a_new_customer_that_is_asked_about_for_it():
    found = ask("9999999", replace(GOOD, credit_limit=None, headroom=None, is_new=True))
    assert (found.answer, found.reasons, found.remarks) == ("ask", ({"code": "new_and_no_limit_set"},), ())


def test_who_is_watched_may_buy_and_the_seller_is_told_why_to_look():
    watched = replace(
        GOOD, credit_action="watch", action_reason="grade C: days_late_12m 12 above 10",
        warning_reason="utilisation 0.92 from 0.9 on",
    )  # fmt: skip
    found = ask("100", watched)
    assert found.answer == "allowed"
    assert found.remarks == (
        {"code": "to_be_watched", "remark": "grade C: days_late_12m 12 above 10"},
        {"code": "warned", "remark": "utilisation 0.92 from 0.9 on"},
    )


def test_who_owes_more_than_the_limit_may_buy_nothing_on_credit():
    assert ask("1", replace(GOOD, headroom=Decimal(-20))).at_most == 0


@pytest.mark.parametrize("order", ["0", "-1"])
def test_an_order_of_nothing_is_no_order(order):
    with pytest.raises(ValueError, match="is none"):
        ask(order)


money = st.decimals(-10_000, 100_000, places=2)


@given(
    st.decimals("0.01", 100_000, places=2),
    st.sampled_from(["open", "watch", "prepay", "stop"]),
    st.none() | money,
    st.none() | money,
)
def test_what_is_allowed_is_exactly_what_is_at_most(order, action, headroom, of_group):
    standing = replace(
        GOOD,
        credit_action=action,
        action_reason="why",
        headroom=headroom,
        group_id="G",
        group_headroom=of_group,
    )
    found = decide(standing, order, RULE)
    assert (found.answer == "allowed") == (found.at_most is None or order <= found.at_most)
    assert bool(found.reasons) == (found.answer != "allowed")
