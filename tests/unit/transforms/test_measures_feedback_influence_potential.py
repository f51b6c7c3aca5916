"""How often a customer speaks to us, how much it moves its industry, and how much more it could buy."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.unit.transforms.small_worlds import (
    YEAR_END,
    facts,
    line,
    measure,
    monthly,
    one,
    policy,
    speakers,
)

OLD = {"customer_id": "C1", "available_on": date(2020, 1, 1)}
FLAT_YEAR = [line(date(2023, 11, 10), 100), *monthly(*[100] * 12)]
ALPHA, BETA = Decimal("0.5"), 6


def measured(*sales: dict, rule=None, **world) -> dict:
    return one(measure(facts(list(sales or FLAT_YEAR), **world), rule))


# Feedback --------------------------------------------------------------------------------------------------------


def told(*contacts: tuple) -> list[dict]:
    """Contacts of (moment, kind, is_feedback)."""
    return [
        {"interaction_id": f"A{number}", "occurred_at": moment, "kind": kind, "is_feedback": is_feedback}
        for number, (moment, kind, is_feedback) in enumerate(contacts)
    ]


def rate(feedbacks: int, months: int = 12) -> Decimal:
    return round((feedbacks + ALPHA) / (months + BETA), 6)


NOON = datetime(2024, 5, 5, 12)
PRODUCT, MARKET, COMPLAINT = "product_feedback", "market_information", "complaint"


def test_feedback_is_not_assessed_where_contacts_are_not_delivered() -> None:
    row = measured()
    assert (row["feedback_rate"], row["feedback_reason"], row["complaints_12m"]) == (
        None,
        "not_delivered",
        None,
    )


def heard(*contacts: tuple, sales: list[dict] | None = None, customers: list[dict] | None = None) -> dict:
    """The row of C1 in a company that has asked for feedback for long, and of enough customers."""
    bought, said = speakers()
    return one(
        measure(
            facts(
                [*(FLAT_YEAR if sales is None else sales), *bought],
                customers=customers,
                interactions=[*told(*contacts), *said],
            )
        )
    )


def test_silence_is_a_rate_of_the_prior_alone() -> None:
    row = heard()
    assert (row["feedback_rate"], row["feedback_reason"], row["complaints_12m"]) == (rate(0), None, 0)


def test_feedback_of_a_kind_counts_once_a_day() -> None:
    row = heard(
        (NOON, PRODUCT, True),
        (NOON + timedelta(hours=3), PRODUCT, True),
        (NOON, MARKET, True),
        (NOON + timedelta(days=1), PRODUCT, True),
        (NOON, "visit", False),
    )
    assert row["feedback_rate"] == rate(3)


def test_complaints_are_counted_apart() -> None:
    row = heard(
        (NOON, COMPLAINT, True), (NOON, COMPLAINT, False), (NOON + timedelta(days=9), COMPLAINT, False)
    )
    assert (row["feedback_rate"], row["complaints_12m"]) == (rate(0), 2)


def test_feedback_counts_from_the_years_first_instant_to_its_last() -> None:
    moments = (
        datetime(2023, 12, 31, 23, 59), datetime(2024, 1, 1), datetime(2024, 12, 31, 23, 59), datetime(2025, 1, 1)
    )  # fmt: skip
    assert heard(*[(moment, PRODUCT, True) for moment in moments])["feedback_rate"] == rate(2)


def test_a_newcomers_rate_is_over_its_own_months() -> None:
    contacts = (datetime(2024, 10, 1), PRODUCT, True), (datetime(2024, 9, 30), PRODUCT, True)
    assert heard(*contacts, sales=monthly(1, 1, 1))["feedback_rate"] == rate(1, months=3)


def test_who_never_ordered_has_no_feedback_rate_but_may_complain() -> None:
    row = heard((NOON, PRODUCT, True), (NOON, COMPLAINT, False), sales=[], customers=[OLD])
    assert (row["feedback_rate"], row["feedback_reason"], row["complaints_12m"]) == (None, "no_orders", 1)


def asked(
    closed_through: date = YEAR_END, count: int = 5, others: int = 0, **spoken: date
) -> tuple[Decimal | None, str | None]:
    """What feedback of C1 is where so many others spoke, and so many never did."""
    bought, said = speakers(count, **spoken)
    silent = [line(date(2023, 11, 10), 1, customer_id=f"SILENT{number}") for number in range(others)]
    world = facts([*FLAT_YEAR, *bought, *silent], interactions=said)
    row = one(measure(world, closed_through=closed_through))
    return row["feedback_rate"], row["feedback_reason"]


def test_feedback_is_asked_from_a_year_after_the_first_of_the_company_on() -> None:
    first_of_december = {"since": date(2023, 12, 1)}
    assert asked(date(2024, 11, 30), **first_of_december) == (None, "not_yet_asked")
    assert asked(date(2024, 12, 31), **first_of_december) == (rate(0), None)
    assert asked(since=date(2023, 12, 31)) == (rate(0), None)
    assert asked(since=date(2024, 1, 1)) == (None, "not_yet_asked")


def test_feedback_is_asked_where_five_customers_and_a_tenth_of_the_rated_give_it() -> None:
    assert asked(count=4) == (None, "not_yet_asked")
    assert asked(count=5, others=44) == (rate(0), None)  # 5 of 50
    assert asked(count=5, others=45) == (None, "not_yet_asked")  # 5 of 51


def test_a_company_that_gives_up_writing_feedback_down_within_two_years_asks_nobody_for_it() -> None:
    assert asked(date(2025, 5, 31)) == (rate(0), None)
    assert asked(date(2025, 6, 30)) == (None, "not_yet_asked")


def test_feedback_is_asked_from_two_years_after_the_first_on_however_few_give_it() -> None:
    assert asked(date(2025, 11, 30), count=1) == (None, "not_yet_asked")
    assert asked(date(2025, 12, 31), count=1) == (rate(0), None)


def test_who_never_ordered_does_not_count_among_the_rated() -> None:
    bought, said = speakers(5)
    prospects = [
        {"customer_id": f"PROSPECT{number}", "available_on": date(2020, 1, 1)} for number in range(60)
    ]
    world = facts([*FLAT_YEAR, *bought], customers=prospects, interactions=said)
    assert one(measure(world))["feedback_reason"] is None


def test_complaints_and_visits_are_no_feedback_that_could_be_asked_for() -> None:
    bought, said = speakers()
    only_complaints = [{**contact, "kind": COMPLAINT} for contact in said]
    only_visits = [{**contact, "kind": "visit", "is_feedback": False} for contact in said]
    for contacts in (only_complaints, only_visits, []):
        row = one(measure(facts([*FLAT_YEAR, *bought], interactions=contacts)))
        assert (row["feedback_rate"], row["feedback_reason"]) == (None, "not_yet_asked")


# Influence -------------------------------------------------------------------------------------------------------


def assessed(on: date, until: date, influence: int = 70, by: str = "head of sales") -> dict:
    return {"assessed_on": on, "expires_on": until, "influence": influence, "assessor": by}


def influence(*assessments: dict) -> tuple:
    row = measured(customer_assessments=list(assessments))
    return row["influence"], row["influence_reason"], row["influence_assessor"], row["influence_assessed_on"]


def test_influence_is_not_assessed_where_no_one_is_asked() -> None:
    assert measured()["influence_reason"] == "not_delivered"


def test_who_was_never_judged_is_not_assessed() -> None:
    assert influence() == (None, "not_assessed", None, None)
    assert influence({**assessed(date(2024, 1, 1), YEAR_END), "customer_id": "C2"})[1] == "not_assessed"


def test_the_latest_assessment_in_force_counts() -> None:
    earlier = assessed(date(2024, 1, 1), date(2025, 12, 31), 40, "earlier")
    later = assessed(date(2024, 6, 1), date(2025, 6, 1), 80, "later")
    over = assessed(date(2024, 9, 1), date(2024, 10, 1), 10, "over")
    assert influence(later, over, earlier) == (80, None, "later", date(2024, 6, 1))


@pytest.mark.parametrize(
    ("until", "expected"), [(YEAR_END, (70, None)), (YEAR_END - timedelta(days=1), (None, "expired"))]
)
def test_an_assessment_holds_to_its_last_day_inclusive(until: date, expected: tuple) -> None:
    assert influence(assessed(date(2024, 1, 1), until))[:2] == expected


@pytest.mark.parametrize(("on", "reason"), [(YEAR_END, None), (YEAR_END + timedelta(days=1), "not_assessed")])
def test_an_assessment_is_not_seen_before_it_was_made(on: date, reason: str | None) -> None:
    assert influence(assessed(on, date(2026, 1, 1)))[1] == reason


# Potential -------------------------------------------------------------------------------------------------------


def estimate(amount, on: date = date(2024, 2, 1), start: date = date(2024, 1, 1), **other) -> dict:
    return {"amount": amount, "estimated_on": on, "period_start": start, **other}


def potential(*estimates: dict, rule=None) -> tuple:
    row = measured(demand_estimates=list(estimates), rule=rule)
    return row["headroom_12m"], row["headroom_reason"], row["potential_method"], row["estimated_demand_12m"]


def test_headroom_is_estimated_demand_less_volume() -> None:
    assert potential(estimate(3000)) == (1800, None, "estimate", 3000)


def test_who_buys_more_than_was_estimated_has_no_headroom_left() -> None:
    assert potential(estimate(1000)) == (0, None, "estimate", 1000)


def test_headroom_is_from_signed_volume_up() -> None:
    # 1,200 sold and 5,000 credited: from −3,800 up to 1,000
    credit = line(date(2024, 6, 1), -5000, document_type="credit_note")
    row = measured(*FLAT_YEAR, credit, demand_estimates=[estimate(1000)])
    assert (row["net_sales_12m"], row["headroom_12m"]) == (-3800, 4800)


def test_a_prospects_headroom_is_its_whole_demand() -> None:
    world = facts([], customers=[OLD], demand_estimates=[estimate(1000)])
    assert one(measure(world))["headroom_12m"] == 1000


def test_why_there_is_no_headroom() -> None:
    assert measured()["headroom_reason"] == "not_delivered"
    assert potential() == (None, "no_estimate", None, None)
    assert potential(estimate(None, quantity=5, unit="PCE"))[1] == "not_valued"
    assert potential(rule=policy(potential__peers=True))[1] == "no_peers"


def test_an_estimate_in_goods_is_worth_what_the_customer_pays_today() -> None:
    goods = estimate(None, quantity="1500", unit="PCE", current_price="2.5")
    assert potential(goods)[3] == 3750


def test_the_latest_estimate_counts() -> None:
    assert potential(estimate(3000), estimate(4000, on=date(2024, 3, 1), estimate_version="2"))[3] == 4000


@pytest.mark.parametrize(("on", "reason"), [(YEAR_END, None), (date(2025, 1, 1), "no_estimate")])
def test_an_estimate_is_not_seen_before_it_was_made(on: date, reason: str | None) -> None:
    assert potential(estimate(3000, on=on))[1] == reason


def test_of_one_days_estimates_the_one_for_the_present_year_counts() -> None:
    by_year = [estimate(1000 * number, start=date(2022 + number, 1, 1)) for number in range(1, 5)]
    assert potential(*by_year)[3] == 2000  # 2024, not 2025 or 2026


def test_of_one_days_estimates_of_one_year_the_latest_version_counts() -> None:
    assert potential(estimate(9, estimate_version="b"), estimate(5, estimate_version="a"))[3] == 9


def test_product_groups_add_up() -> None:
    pumps, valves = estimate(3000, product_group="PUMPS"), estimate(500, product_group="VALVES")
    assert potential(pumps, valves)[3] == 3500


def test_one_group_without_value_makes_the_sum_unknown() -> None:
    valves = estimate(None, quantity=5, unit="PCE", product_group="VALVES")
    assert potential(estimate(3000, product_group="PUMPS"), valves)[1] == "not_valued"


def test_the_whole_is_never_added_to_its_groups() -> None:
    group = estimate(3000, product_group="PUMPS")
    assert potential(group, estimate(5000))[3] == 5000
    assert potential(group, estimate(5000, on=date(2024, 1, 1)))[3] == 3000
    assert potential({**group, "estimated_on": date(2024, 1, 1)}, estimate(5000))[3] == 5000


def peers(count: int, **other) -> dict:
    """`count` customers C1 … of one industry and channel; number n buys n × 10."""
    sales = [line(YEAR_END, number * 10, customer_id=f"C{number}") for number in range(1, count + 1)]
    masters = [
        {"customer_id": f"C{number}", "industry_code": "28", "channel": "direct", **other}
        for number in range(1, count + 1)
    ]
    return one(measure(facts(sales, customers=masters), policy(potential__peers=True)))


def test_where_the_policy_allows_it_good_peers_stand_in_for_a_missing_estimate() -> None:
    row = peers(30)  # the 24th of 30 is at 80 %, and buys 240
    assert (row["headroom_12m"], row["headroom_reason"], row["potential_method"]) == (230, None, "peers")
    assert row["estimated_demand_12m"] is None


@pytest.mark.parametrize("lacking", [{"industry_code": None}, {"channel": None}])
def test_who_is_not_classified_has_no_peers(lacking: dict) -> None:
    assert peers(30, **lacking)["headroom_reason"] == "no_peers"


def test_too_few_peers_are_none() -> None:
    assert peers(29)["headroom_reason"] == "no_peers"


def test_an_estimate_wins_over_peers() -> None:
    assert potential(estimate(3000), rule=policy(potential__peers=True))[2] == "estimate"
