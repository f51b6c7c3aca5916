"""Every customer with a story in the sample company: what the mart says of it, and when; and that nobody else is accused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from tests.sample_company import BASELINE, LAST_DAY, LAST_MONTH, SampleCompany

pytestmark = pytest.mark.slow

GROWERS = [f"loyal_grower_{number}" for number in range(1, 7)]
LATE_PAYERS = ["late_payer_small", "late_payer_middle", "late_payer_large"]


def shows_from(company: SampleCompany, role: str) -> date:
    """The month from whose end on the story should show."""
    return company.world.planted[role].since


def tiers(company: SampleCompany, role: str) -> dict[date, str]:
    return company.history("effective_tier", role)


def capped_since(company: SampleCompany, role: str, cause: str) -> date | None:
    """The first period whose tier was held down by this cause."""
    reasons = company.history("cap_reason", role)
    return min((period for period, why in reasons.items() if why and cause in why), default=None)


# --- conduct


def test_the_diverter_is_confirmed_by_goods_found_elsewhere(sample_company: SampleCompany):
    confidence, measure, value, outside = sample_company.one(
        "confidence, measure, value, evidence_count",
        "(FROM conduct_finding WHERE kind = 'diversion')",
        "diverting_speculator",
    )
    assert (confidence, measure) == ("confirmed", "out_of_territory_share_lower_bound")
    assert value > Decimal("0.2")
    assert outside >= 20


def test_the_diverter_was_held_down_by_the_time_its_story_shows_and_not_before(sample_company: SampleCompany):
    since = capped_since(sample_company, "diverting_speculator", "confirmed_conduct")
    assert since is not None
    assert BASELINE < since <= shows_from(sample_company, "diverting_speculator")
    assert set(tiers(sample_company, "diverting_speculator").values()) == {"speculative"}


def test_the_dumper_was_core_until_its_offers_below_the_floor_were_seen(sample_company: SampleCompany):
    since = capped_since(sample_company, "dumper", "confirmed_conduct")
    assert since is not None
    assert since <= shows_from(sample_company, "dumper")
    by_period = tiers(sample_company, "dumper")
    assert {tier for period, tier in by_period.items() if period < since} == {"core"}
    assert {tier for period, tier in by_period.items() if period >= since} == {"speculative"}
    assert set(sample_company.history("raw_tier", "dumper").values()) == {"core"}  # its figures are blameless


def test_the_dumper_is_told_at_the_next_rating_and_is_to_be_looked_into(sample_company: SampleCompany):
    flagged = {
        event["data"]["customer_id"]: event["data"] for event in sample_company.told("conduct.flagged")
    }
    assert flagged[sample_company.who("dumper")]["kind"] == "dumping"
    assert sample_company.one("action", "next_action", "dumper") == "investigate"


def test_nobody_else_is_accused_of_anything(sample_company: SampleCompany):
    accused = sample_company.rows(
        "SELECT customer_id, kind, confidence FROM conduct_finding WHERE confidence IN ('confirmed', 'suspected')"
    )
    assert sorted(accused) == sorted(
        (sample_company.who(role), kind, "confirmed")
        for role, kind in (
            ("diverting_speculator", "diversion"),
            ("dumper", "dumping"),
            ("arrears", "arrears"),
        )
    )


def test_nobody_else_was_ever_held_down_by_confirmed_conduct(sample_company: SampleCompany):
    held = sample_company.rows(
        "SELECT DISTINCT customer_id FROM customer_value_history WHERE cap_reason LIKE '%confirmed_conduct%'"
    )
    expected = ("diverting_speculator", "dumper", "arrears")
    assert sorted(held) == sorted((sample_company.who(role),) for role in expected)


# --- credit


def test_the_arrears_customer_is_stopped_in_the_month_its_story_names(sample_company: SampleCompany):
    assert capped_since(sample_company, "arrears", "credit_stop") == shows_from(sample_company, "arrears")
    assert sample_company.one("credit_action, credit_grade", "credit_watch", "arrears") == ("stop", "E")
    assert sample_company.one("action", "next_action", "arrears") == "stop_credit"


def test_long_arrears_are_confirmed_after_the_stop_and_not_while_it_was_only_slow(
    sample_company: SampleCompany,
):
    since = capped_since(sample_company, "arrears", "confirmed_conduct")
    assert since is not None
    assert shows_from(sample_company, "arrears") < since <= LAST_MONTH


def test_the_arrears_customer_breaks_its_promises_and_the_warning_says_so(sample_company: SampleCompany):
    broken, since, causes = sample_company.one(
        "broken_promises, warning_since, warning_causes", "credit_watch", "arrears"
    )
    assert broken >= 10
    assert since == BASELINE  # it was chronically late long before
    assert {"action", "grade", "broken_promises"} <= set(causes.split(", "))


def test_nobody_else_is_stopped(sample_company: SampleCompany):
    stopped = sample_company.rows("SELECT customer_id FROM credit_watch WHERE credit_action = 'stop'")
    assert stopped == [(sample_company.who("arrears"),)]


@pytest.mark.parametrize("role", LATE_PAYERS)
def test_a_late_payer_is_watched_but_by_its_habit_neither_warned_of_nor_stopped_or_accused(
    sample_company: SampleCompany, role: str
):
    assert sample_company.one("credit_action, credit_grade", "credit_watch", role) == ("watch", "C")
    assert sample_company.one("warning_since", "credit_watch", role) is None
    assert set(sample_company.history("cap_reason", role).values()) == {None}


def test_two_companies_of_one_group_share_their_exposure(sample_company: SampleCompany):
    parent, subsidiary = (
        sample_company.one(
            "group_id, group_exposure, group_limit, group_headroom, exposure, credit_limit",
            "credit_watch",
            role,
        )
        for role in ("group_parent", "group_subsidiary")
    )
    assert parent[:4] == subsidiary[:4]
    assert parent[0] == "G-4711"
    assert parent[1] == parent[4] + subsidiary[4]
    assert parent[2] == parent[5] + subsidiary[5]
    grouped = sample_company.rows("SELECT customer_id FROM credit_watch WHERE group_exposure IS NOT NULL")
    assert len(grouped) == 2


# --- value


def test_the_strategic_partner_is_strategic_every_month(sample_company: SampleCompany):
    assert set(tiers(sample_company, "strategic_partner").values()) == {"strategic"}
    assert sample_company.one("action", "next_action", "strategic_partner") == "partner"


@pytest.mark.parametrize("role", GROWERS)
def test_a_small_loyal_grower_is_core_by_the_time_its_story_names(sample_company: SampleCompany, role: str):
    by_period = tiers(sample_company, role)
    assert {tier for period, tier in by_period.items() if period >= shows_from(sample_company, role)} == {
        "core"
    }
    assert set(by_period.values()) <= {"cultivate", "core"}


def test_growers_rise_from_cultivate_within_the_months_and_the_memory_waits_its_two(
    sample_company: SampleCompany,
):
    risen = [role for role in GROWERS if tiers(sample_company, role)[BASELINE.replace(day=1)] == "cultivate"]
    assert len(risen) >= 3
    for role in risen:
        effective, raw = tiers(sample_company, role), sample_company.history("raw_tier", role)
        moved = min(period for period, tier in effective.items() if tier == "core")
        said = min(period for period, tier in raw.items() if tier == "core")
        assert said < moved
        moves = sample_company.rows(
            f"SELECT from_tier, to_tier, period FROM tier_change WHERE customer_id = '{sample_company.who(role)}'"
        )
        assert moves == [("cultivate", "core", moved)]


def test_the_giant_that_loses_money_is_gated_every_month_and_to_be_renegotiated(
    sample_company: SampleCompany,
):
    assert set(tiers(sample_company, "loss_making_giant").values()) == {"marginal"}
    assert set(sample_company.history("gate", "loss_making_giant").values()) == {"loss_making"}
    sales, contribution = sample_company.one(
        "net_sales_12m, contribution_12m", "customer_value", "loss_making_giant"
    )
    largest = sample_company.rows("SELECT net_sales_12m FROM customer_value ORDER BY 1 DESC LIMIT 2")
    assert (sales,) in largest
    assert contribution < 0
    assert sample_company.one("action", "next_action", "loss_making_giant") == "renegotiate"


def test_the_giant_is_explained_by_the_gate_and_what_it_would_have_to_bring(sample_company: SampleCompany):
    tier_basis, gates, counterfactual = sample_company.one(
        "tier_basis, gates, counterfactual", "explanation", "loss_making_giant"
    )
    assert tier_basis == "gate loss_making: without it core"
    assert gates.startswith("loss_making fires: contribution −")
    assert counterfactual.startswith("contribution +")
    assert counterfactual.endswith(" would make this customer core")


def test_the_giant_buys_below_our_floor_by_our_own_concession(sample_company: SampleCompany):
    conceded = sample_company.rows(
        "SELECT customer_id, kind FROM conduct_finding WHERE confidence = 'own_concession'"
    )
    assert conceded == [(sample_company.who("loss_making_giant"), "own_below_floor")]


def test_the_giant_destroys_value_at_the_end_of_the_curve(sample_company: SampleCompany):
    place, destroyed = sample_company.one("place, destroyed", "value_curve", "loss_making_giant")
    ((last,),) = sample_company.rows("SELECT max(place) FROM value_curve")
    assert place == last
    assert destroyed > 0


def test_the_seasonal_buyer_is_core_unsteady_by_the_calendar_and_steady_against_its_season(
    sample_company: SampleCompany,
):
    assert set(tiers(sample_company, "seasonal_buyer").values()) == {"core"}
    steadiness, seasonal = sample_company.one(
        "steadiness, steadiness_seasonal", "customer_value", "seasonal_buyer"
    )
    assert steadiness < Decimal("0.7")
    assert seasonal > Decimal("0.8")


def test_the_newcomer_is_rated_from_its_first_month_on_and_is_new(sample_company: SampleCompany):
    by_period = tiers(sample_company, "newcomer")
    assert min(by_period) == shows_from(sample_company, "newcomer")
    assert set(by_period.values()) == {"new"}
    assert sample_company.one("action", "next_action", "newcomer") == "welcome"


def test_the_lapsing_core_customer_is_watched_first_and_falls_when_the_memory_is_sure(
    sample_company: SampleCompany,
):
    effective = tiers(sample_company, "lapsing_core")
    raw = sample_company.history("raw_tier", "lapsing_core")
    said = min(period for period, tier in raw.items() if tier != "core")
    fell = min(period for period, tier in effective.items() if tier != "core")
    assert said < fell <= LAST_MONTH
    expected = sample_company.history("watch_direction", "lapsing_core")
    falling = [direction for period, direction in sorted(expected.items()) if said <= period < fell]
    assert falling[-1] == "down"
    assert "down" in falling[:2]  # at once, or in the next month where the first is within the margin
    told = [
        event["data"]["to_tier"]
        for event in sample_company.told("tier.changed")
        if event["data"]["customer_id"] == sample_company.who("lapsing_core")
    ]
    assert told[-1:] == [
        effective[LAST_MONTH]
    ]  # the year was rated in one run: of what lay between nobody is told


def test_the_overridden_customer_is_what_was_decided_with_owner_reason_and_end(sample_company: SampleCompany):
    tier, memory, owner, reason, valid_to = sample_company.one(
        "effective_tier, memory_tier, override_owner, override_reason, override_valid_to",
        "customer_value",
        "overridden",
    )
    assert (tier, memory) == ("cultivate", "marginal")
    assert owner
    assert reason
    assert valid_to > LAST_DAY
    since = shows_from(sample_company, "overridden")
    assert {tier for period, tier in tiers(sample_company, "overridden").items() if period < since} == {
        "marginal"
    }
    causes = sample_company.history("cause", "overridden")
    assert causes[since] == "override"


def test_the_customer_that_imports_is_to_be_developed_with(sample_company: SampleCompany):
    action, reason = sample_company.one("action, reason", "next_action", "import_substitute")
    assert action == "co_develop"
    assert "imports" in reason
    assert "joint work" in reason


def test_what_it_imports_is_listed_with_its_stage_and_its_worth(sample_company: SampleCompany):
    [case] = sample_company.rows(
        "SELECT customer_id, product_category, stage, demand_12m, net_sales_12m, last_joint_work_on FROM import_substitution"
    )
    who = sample_company.who("import_substitute")
    assert case[:3] == (who, "PUMPE", "started")
    # What it imports a year, at our price; it pays twice as much.
    assert abs(case[3] - 150_000) < 100
    [(ours,)] = sample_company.rows(
        f"""SELECT sum(net_sales) FROM sales_by_customer_product
            WHERE customer_id = '{who}' AND product_category = 'PUMPE' AND month > DATE '{LAST_MONTH}' - INTERVAL 12 MONTHS"""
    )
    assert case[4] == ours > 0
    assert case[5].replace(day=1) == LAST_MONTH


def test_what_the_salespersons_sold_sums_up_to_what_the_customers_bought(sample_company: SampleCompany):
    since = f"DATE '{LAST_MONTH}' - INTERVAL 24 MONTHS"
    months = f"month > {since} AND month <= DATE '{LAST_MONTH}'"
    [(salespersons,)] = sample_company.rows(
        "SELECT count(DISTINCT salesperson_id) FROM sales_by_salesperson_month"
    )
    assert salespersons > 3
    asked = "SELECT customer_id, month, sum(net_sales) FROM {} WHERE {} GROUP BY ALL ORDER BY ALL"
    found = sample_company.rows(asked.format("sales_by_salesperson_month", months))
    assert found == sample_company.rows(asked.format("customer_month", months))


def test_new_products_are_taken_up_by_those_who_bought_them(sample_company: SampleCompany):
    whole = (
        "SELECT product_id, customers_buying, net_sales_12m FROM new_product_adoption WHERE level = 'company'"
    )
    found = sorted(sample_company.rows(whole))
    assert len(found) == 4, "two in introduction, two in growth"
    counted = sample_company.rows(
        """SELECT product_id, count(*) FILTER (WHERE net_sales_12m > 0)::INTEGER, sum(net_sales_12m)
           FROM new_product_buyer GROUP BY product_id ORDER BY product_id"""
    )
    assert counted == found
    [(stages, channels)] = sample_company.rows(
        """SELECT (SELECT sum(net_sales_12m) FROM customer_structure WHERE level = 'lifecycle_stage'
                       AND lifecycle_stage IN ('introduction', 'growth') AND period = (SELECT max(period) FROM customer_value)),
                  (SELECT sum(net_sales_12m) FROM new_product_adoption WHERE level = 'channel')"""
    )
    assert sum(sales for _, _, sales in found) == stages == channels


def test_the_neighbour_the_diverted_goods_go_to_stays_core_and_is_not_blamed(sample_company: SampleCompany):
    assert set(tiers(sample_company, "undercut_neighbour").values()) == {"core"}


def test_the_own_affiliate_has_no_sales_that_count(sample_company: SampleCompany):
    assert sample_company.one("net_sales_12m, effective_tier", "customer_value", "affiliate") == (
        None,
        "prospect",
    )


# --- one customer under two numbers


def test_who_goes_on_under_another_number_is_rated_on_as_one_customer(sample_company: SampleCompany):
    [(old, new, since)] = sample_company.rows(
        "SELECT customer_id, successor_id, succession_on FROM customer_succession"
    )
    by_number = {
        row[0]: row[1:]
        for row in sample_company.rows(
            f"""SELECT customer_id, effective_tier, months_of_history, first_order_on FROM customer_value
                WHERE customer_id IN ('{old}', '{new}')"""
        )
    }
    assert by_number[old] == ("succeeded", 0, None)
    tier, months, first_order = by_number[new]
    assert tier not in {"succeeded", "prospect", "new"}
    assert first_order < since
    assert months > 12
    basis = dict(
        sample_company.rows(
            f"SELECT customer_id, tier_basis FROM explanation WHERE customer_id IN ('{old}', '{new}')"
        )
    )
    assert basis[old] == f"succeeded by {new} since {since}"
    assert basis[new].endswith(f"continues {old} since {since}")
