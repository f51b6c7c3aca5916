"""Worlds nobody thought of: the frames that rate them and the oracle find the same."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from flows.wording.reasons import with_text
from tests.oracle import oracle
from tests.oracle.comparing import CONCENTRATION, EVERYTHING, differences
from tests.oracle.worlds import World, facts_of, frame, worlds
from transforms.credit.warnings import credit_warnings, still_standing
from transforms.facts.handover import succeed
from transforms.facts.model import Facts
from transforms.forecast.business import expect_business
from transforms.frames.schemas import CUSTOMER_EXPECTATION
from transforms.measures.window import Window
from transforms.policy.model import parse_policy
from transforms.rating.period import rate_period
from transforms.rating.structure import customer_structure, value_curve

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("collected_as_rated")]


def differing(world: World) -> list[str]:
    frames, rule = world.frames(), parse_policy(world.policy)
    facts, sales = facts_of(frames, world.delivered, world.as_of, rule.loyalty.no_order_categories)
    facts, sales = succeed(facts, sales, world.as_of)
    rated = rate_period(
        facts,
        rule,
        closed_through=world.closed_through,
        as_of=world.as_of,
        previous=None,
        sales=sales,
    )
    before = frame("credit_warning_day", world.watched_before)
    watches = {}
    if rated.credit is not None:
        watches["credit_watch"] = credit_warnings(
            rated.credit, still_standing(before.lazy(), facts.succession), rule.credit, world.as_of
        )
    found = {
        "customer_month": facts.customer_month,
        "sales_cell": sales,
        "order_day": facts.order_day,
        "customer_value": rated.values,
        "customer_structure": customer_structure(
            facts, sales, rated.values, closed_through=world.closed_through
        ),
        "value_curve": value_curve(rated.values),
        "customer_expectation": expected(facts, rated.values, world.closed_through),
        **watches,
    }
    left_out = () if world.is_in_cents else CONCENTRATION
    subjects = tuple(each for each in EVERYTHING if each.product in found and each not in left_out)
    product = dict(zip(found, map(with_text, pl.collect_all(list(found.values()))), strict=True))
    with oracle.over_frames(frames, world.delivered, product, before) as connection:
        oracle.consult(connection, world.policy, closed_through=world.closed_through, as_of=world.as_of)
        return differences(connection, subjects)


def expected(facts: Facts, values: pl.LazyFrame, closed_through: date) -> pl.LazyFrame:
    """What the customers of each company are expected to bring."""
    rated = values.collect()
    found = [
        expect_business(of_company(facts, company), rated.lazy(), Window(closed_through)).customers
        for company, rated in (
            (company, rated.filter(company_code=company)) for company in rated["company_code"].unique()
        )
    ]
    return pl.concat([pl.DataFrame(schema=CUSTOMER_EXPECTATION), *found]).lazy()


def of_company(facts: Facts, company: str) -> Facts:
    """The facts of one company, as a run rates them."""
    kept = {
        each.name: frame.filter(pl.col("company_code") == company)
        for each in fields(facts)
        if (frame := getattr(facts, each.name)) is not None
    }
    return replace(facts, **kept)


# Not shrunk: a world takes a second, so that would take minutes, and a difference names customer and figure. Hypothesis
# prints the whole world all the same, however large.
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@given(worlds())
@settings(
    max_examples=20,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_the_oracle_finds_in_any_small_world_what_the_product_finds(world: World) -> None:
    found = differing(world)
    assert not found, "\n".join(found)
