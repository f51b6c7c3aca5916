"""What the evidence says of a customer's conduct: confirmed, suspected, nothing, or not assessable; never guilt."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from flows.wording.reasons import with_text
from tests.unit.transforms.small_worlds import FAR, facts, frame, monthly, policy
from tests.unit.transforms.test_credit_watch import item
from transforms.conduct.arrears import month_ends
from transforms.conduct.diversion import wilson_lower_bound
from transforms.conduct.findings import conduct_findings, confirmed_conduct
from transforms.facts.sales_cell import SALES_LINES, sales_cells
from transforms.frames.schemas import CONDUCT_FINDING

AS_OF = date(2024, 12, 31)
RULE: dict[str, Any] = {
    "conduct__arrears__overdue_days": 0,
    "conduct__arrears__overdue_share_from": Decimal("0.5"),
    "conduct__arrears__amount_from": Decimal(5000),
    "conduct__arrears__periods": 4,
    "conduct__arrears__of_periods": 6,
    "conduct__diversion__min_observations": 5,
    "conduct__diversion__out_of_territory_share_from": Decimal("0.2"),
    "conduct__diversion__wilson_z": Decimal("1.96"),
    "conduct__diversion__ship_to_outside_share_from": Decimal("0.3"),
    "conduct__diversion__ewma_half_life_months": 3,
    "conduct__diversion__surge_from": 3,
    "conduct__diversion__neighbour_decline_from": Decimal("0.2"),
    "conduct__dumping__below_floor_from": Decimal("0.05"),
    "conduct__dumping__min_observations": 3,
    "conduct__dumping__own_below_floor_from": Decimal("0.01"),
    "steadiness__seasonal_min_peers": 5,
}
NORTH = [{"customer_id": "C1", "territory_id": "NORTH", "channel": "distribution", "industry_code": "I"}]
PUMP = [{"product_id": "P1", "base_uom": "PCE", "category": "PUMPS"}]
FLOOR = [
    {
        "product_id": "P1",
        "currency": "EUR",
        "uom": "PCE",
        "valid_from": date(2024, 1, 1),
        "floor_net_price": 100,
    }
]


def finding(
    kind: str,
    *,
    sales: list[dict[str, Any]] | None = None,
    shipped: list[dict[str, Any]] | None = None,
    customer: str = "C1",
    as_of: date = AS_OF,
    rule: dict[str, Any] | None = None,
    **extracts: Any,
) -> dict[str, Any]:
    """The finding of a kind; `shipped` are lines of which the sales cells are kept."""
    extracts = {"customers": NORTH} | extracts
    world = facts(sales or [], **extracts)
    cells = None
    if shipped is not None:
        lines = frame(SALES_LINES, [{"document_id": f"D{n}"} | line for n, line in enumerate(shipped)])
        cells = sales_cells(lines, world.products, None, FAR)
    found = conduct_findings(world, policy(**RULE | (rule or {})), as_of, sales=cells).collect()
    told = with_text(found)
    assert told.schema == CONDUCT_FINDING
    [row] = told.filter(pl.col("kind") == kind, pl.col("customer_id") == customer).to_dicts()
    return row


def seen(
    place: str = "NORTH",
    *,
    number: int = 1,
    on: date = date(2024, 6, 1),
    confirmed: bool = True,
    **other: Any,
) -> list[dict[str, Any]]:
    """Sightings of goods in a place."""
    return [
        {
            "observation_id": f"{place}-{on}-{confirmed}-{n}-{other.get('resale_price')}",
            "observed_on": on,
            "found_territory": place,
            "evidence_ref": f"photo {place} {n}",
            "confirmed": confirmed,
            **other,
        }
        for n in range(number)
    ]


# --- arrears


def overdue_since(day: date, amount: int = 6000, **other: Any) -> dict[str, Any]:
    return item(amount, due_date=day, posting_date=date(2024, 1, 5), **other)


@pytest.mark.parametrize(
    ("due", "months", "confidence"),
    [
        (date(2024, 8, 30), 5, "confirmed"),
        (date(2024, 9, 29), 4, "confirmed"),
        (date(2024, 9, 30), 3, "suspected"),
        (date(2024, 11, 29), 2, "suspected"),
        (date(2024, 12, 30), 1, "none"),
    ],
)
def test_arrears_are_confirmed_in_four_of_six_month_ends_and_suspected_in_half_of_that(
    due, months, confidence
):
    row = finding("arrears", receivables=[overdue_since(due)])
    assert (row["value"], row["confidence"], row["evidence_count"]) == (months, confidence, months)
    assert (row["concerned_amount"], row["evidence_to"]) == (6000, AS_OF)


@pytest.mark.parametrize(("due", "months"), [(date(2024, 8, 30), 4), (date(2024, 8, 31), 3)])
def test_a_month_late_is_arrears_and_a_week_late_is_a_habit(due, months):
    row = finding("arrears", receivables=[overdue_since(due)], rule={"conduct__arrears__overdue_days": 30})
    assert row["value"] == months
    assert row["evidence"] == "6,000.00 more than 30 days past due on 2024-12-31, share 1"


def test_who_buys_in_lumps_and_pays_ten_days_late_is_not_in_arrears():
    ends = month_ends(AS_OF, 6)
    lumps = [
        item(9000, due_date=end - timedelta(days=9), cleared_date=end + timedelta(days=1), item_id=f"I{end}")
        for end in ends
    ]
    row = finding("arrears", receivables=lumps, rule={"conduct__arrears__overdue_days": 30})
    assert (row["value"], row["confidence"]) == (0, "none")


def test_arrears_that_are_over_are_not_suspected_any_more():
    paid = overdue_since(date(2024, 8, 30), cleared_date=date(2024, 11, 30))
    assert finding("arrears", receivables=[paid])["confidence"] == "none"
    assert finding("arrears", receivables=[paid])["value"] == 3


@pytest.mark.parametrize(("amount", "months"), [(4999, 0), (5000, 6)])
def test_arrears_begin_at_the_material_amount(amount, months):
    assert finding("arrears", receivables=[overdue_since(date(2024, 6, 1), amount)])["value"] == months


@pytest.mark.parametrize(("rest", "months"), [(6000, 6), (6001, 0)])
def test_arrears_begin_at_half_of_what_is_owed(rest, months):
    owed = [
        overdue_since(date(2024, 6, 1)),
        item(rest, due_date=FAR, posting_date=date(2024, 1, 5), item_id="rest"),
    ]
    assert finding("arrears", receivables=owed)["value"] == months


def test_who_contests_an_item_does_not_withhold_it():
    assert (
        finding("arrears", receivables=[overdue_since(date(2024, 6, 1), is_disputed=True)])["confidence"]
        == "none"
    )


def test_arrears_look_at_month_ends_only():
    assert month_ends(date(2024, 12, 30), 2) == [date(2024, 10, 31), date(2024, 11, 30)]
    assert month_ends(AS_OF, 2) == [date(2024, 11, 30), AS_OF]


def test_without_a_ledger_arrears_cannot_be_assessed():
    row = finding("arrears")
    assert (row["confidence"], row["reason"], row["value"]) == ("not_assessable", "not_delivered", None)
    assert finding("arrears", receivables=[])["reason"] == "no_items"


# --- diversion


def test_wilsons_bound_stays_far_below_a_share_of_few():
    shares = pl.DataFrame({"hits": [1, 5, 50, 0, 0], "trials": [1, 5, 50, 5, 0]})
    found = shares.select(wilson_lower_bound(pl.col("hits"), pl.col("trials"), 1.96)).to_series().to_list()
    assert [None if bound is None else float(bound) for bound in found] == [
        pytest.approx(0.206543, abs=1e-6),
        pytest.approx(0.565509, abs=1e-6),
        pytest.approx(0.92865, abs=1e-6),
        0.0,
        None,
    ]


@given(st.integers(0, 60), st.integers(1, 60), st.sampled_from([1.0, 1.96, 2.58]))
def test_wilsons_bound_never_exceeds_the_share(hits, more, z):
    trials = hits + more - 1 or 1
    hits = min(hits, trials)
    [bound] = pl.select(wilson_lower_bound(pl.lit(hits), pl.lit(trials), z)).to_series().to_list()
    assert 0 <= float(bound) <= hits / trials + 1e-6
    assert math.isfinite(float(bound))


def test_diversion_is_proved_by_goods_found_elsewhere():
    row = finding("diversion", market_observations=seen("WEST", number=4) + seen("NORTH", number=3))
    assert (row["confidence"], row["measure"]) == ("confirmed", "out_of_territory_share_lower_bound")
    assert float(row["value"]) == pytest.approx(0.250, abs=0.001)
    assert (row["threshold"], row["evidence_count"]) == (Decimal("0.2"), 4)
    assert (
        row["evidence"]
        == "4 of 7 sightings elsewhere: photo WEST 0, photo WEST 1, photo WEST 2, photo WEST 3"
    )


def test_goods_that_wander_now_and_then_prove_nothing():
    row = finding("diversion", market_observations=seen("WEST", number=2) + seen("NORTH", number=5))
    assert (row["confidence"], row["evidence_count"]) == ("none", 2)


@pytest.mark.parametrize(("number", "confidence"), [(4, "not_assessable"), (5, "confirmed")])
def test_too_few_sightings_prove_nothing_whatever_their_share(number, confidence):
    row = finding("diversion", market_observations=seen("WEST", number=number))
    assert row["confidence"] == confidence
    assert row["reason"] == ("too_few_observations" if number == 4 else None)


def test_sightings_nobody_checked_are_no_proof():
    row = finding("diversion", market_observations=seen("WEST", number=9, confirmed=False))
    assert row["confidence"] == "suspected"


def test_sightings_older_than_a_year_do_not_count():
    old = seen("WEST", number=9, on=date(2023, 12, 31))
    assert finding("diversion", market_observations=old)["confidence"] == "not_assessable"


def test_without_sightings_diversion_is_not_assessable_never_clean():
    row = finding("diversion")
    assert (row["confidence"], row["reason"]) == ("not_assessable", "not_delivered")
    assert finding("diversion", market_observations=[])["reason"] == "too_few_observations"


def test_a_customer_without_a_place_cannot_leave_it():
    row = finding("diversion", customers=[{"customer_id": "C1"}], market_observations=seen("WEST", number=9))
    assert (row["confidence"], row["reason"]) == ("not_assessable", "no_territory")


def right(place: str, **other: Any) -> dict[str, Any]:
    return {
        "territory_id": place,
        "customer_id": "C1",
        "valid_from": date(2024, 1, 1),
        "exclusive": False,
        **other,
    }


@pytest.mark.parametrize(
    ("rights", "confidence"),
    [
        ([right("WEST")], "none"),
        ([right("EAST"), right("WEST")], "none"),
        ([right("EAST")], "confirmed"),
        ([right("WEST", valid_to=date(2024, 5, 31))], "confirmed"),
        ([right("WEST", product_group="PUMPS")], "none"),
        ([right("WEST", product_group="VALVES")], "confirmed"),
    ],
)
def test_where_a_customer_may_sell_is_its_right_on_the_day_for_the_product(rights, confidence):
    row = finding("diversion", territories=rights, products=PUMP, market_observations=seen("WEST", number=6))
    assert row["confidence"] == confidence


def shipped(place: str | None, net: int, on: date = date(2024, 6, 10), **other: Any) -> dict[str, Any]:
    return {"invoice_date": on, "net_amount_company": net, "ship_to_territory": place, **other}


@pytest.mark.parametrize(("outside", "confidence"), [(299, "not_assessable"), (300, "suspected")])
def test_shipping_elsewhere_is_suspicious_from_the_policys_share_on(outside, confidence):
    row = finding("diversion", shipped=[shipped("WEST", outside), shipped("NORTH", 1000 - outside)])
    assert row["confidence"] == confidence
    if confidence == "suspected":
        assert (row["measure"], row["value"]) == ("ship_to_outside_share", Decimal("0.3"))
        assert (row["concerned_amount"], row["evidence"]) == (300, "shipped elsewhere: share 0.3")


def test_shipments_without_a_place_say_nothing():
    assert finding("diversion", shipped=[shipped(None, 500)])["confidence"] == "not_assessable"


def purchases(customer: str, *, before: int, recent: int, wobble: int = 0) -> list[dict[str, Any]]:
    """A year and a half and more of monthly orders, the last six months at another level."""
    steady = [before + wobble * (-1) ** month for month in range(24)]
    return monthly(*steady, *[recent] * 6, customer=customer)


def surge_world(*, neighbour: int = 500, peers_recent: int = 1000, recent: int = 4000) -> dict[str, Any]:
    customers = [
        NORTH[0],
        {"customer_id": "WEST", "territory_id": "WEST", "channel": "direct", "industry_code": "J"},
        *({**NORTH[0], "customer_id": f"PEER{n}"} for n in range(6)),
    ]
    sales = purchases("C1", before=1000, recent=recent, wobble=100)
    sales += purchases("WEST", before=1000, recent=neighbour)
    for n in range(6):
        sales += purchases(f"PEER{n}", before=1000, recent=peers_recent, wobble=50 + n)
    return {"sales": sales, "customers": customers}


def test_a_surge_beside_a_neighbours_decline_is_suspicious():
    row = finding("diversion", **surge_world())
    assert (row["confidence"], row["measure"]) == ("suspected", "surge_in_deviations")
    assert row["value"] >= 3
    assert row["evidence"].endswith("above peers, while WEST declines by 0.5")


@pytest.mark.parametrize(
    "harmless",
    [{"neighbour": 850}, {"peers_recent": 4000}, {"recent": 1200}],
    ids=["no neighbour declines", "everybody surges", "no surge"],
)
def test_a_surge_alone_accuses_nobody(harmless):
    assert finding("diversion", **surge_world(**harmless))["confidence"] == "not_assessable"


def test_who_grows_month_by_month_does_not_surge():
    others = [line for line in surge_world()["sales"] if line["customer_id"] != "C1"]
    growing = [1000 * 1.06**n for n in range(24)]
    leaping = [1000.0] * 18 + [growing[-1]] * 6
    for amounts, confidence in ((growing, "not_assessable"), (leaping, "suspected")):
        world = surge_world() | {"sales": [*monthly(*map(round, amounts)), *others]}
        assert finding("diversion", **world)["confidence"] == confidence


@pytest.mark.parametrize(
    ("quantity_grows", "confidence"), [(False, "not_assessable"), (True, "suspected")], ids=["dearer", "more"]
)
def test_dearer_goods_are_no_surge(quantity_grows, confidence):
    """C1 pays four times as much lately: for as many pieces, or for four times as many."""
    world = surge_world()
    for sold in world["sales"]:
        is_dearer = sold["customer_id"] == "C1" and not quantity_grows and sold["net_amount_company"] == 4000
        sold["quantity"] = Decimal(sold["net_amount_company"]) / (400 if is_dearer else 100)
    row = finding("diversion", shipped=world["sales"], products=[{"product_id": "P1"}], **world)
    assert row["confidence"] == confidence


@pytest.mark.parametrize(
    ("quantity_falls", "confidence"),
    [(False, "not_assessable"), (True, "suspected")],
    ids=["cheaper", "less"],
)
def test_a_neighbour_that_pays_less_for_as_much_does_not_decline(quantity_falls, confidence):
    world = surge_world()
    for sold in world["sales"]:
        is_cheaper = (
            sold["customer_id"] == "WEST" and not quantity_falls and sold["net_amount_company"] == 500
        )
        sold["quantity"] = Decimal(sold["net_amount_company"]) / (50 if is_cheaper else 100)
    row = finding("diversion", shipped=world["sales"], products=[{"product_id": "P1"}], **world)
    assert row["confidence"] == confidence


def test_a_product_that_was_not_bought_before_surges_with_all_that_it_brings():
    world = surge_world()
    for sold in world["sales"]:
        is_fresh = sold["net_amount_company"] == 4000
        sold["product_id"] = "P2" if is_fresh else "P1"
        sold["quantity"] = 1 if is_fresh else Decimal(sold["net_amount_company"]) / 100
    goods = [{"product_id": "P1"}, {"product_id": "P2"}]
    row = finding("diversion", shipped=world["sales"], products=goods, **world)
    assert row["confidence"] == "suspected"


def test_who_has_not_bought_long_enough_does_not_surge():
    world = surge_world()
    world["sales"] = [row for row in world["sales"] if row["customer_id"] != "C1"]
    world["sales"] += monthly(*[1000] * 11, *[4000] * 6)
    assert finding("diversion", **world)["confidence"] == "not_assessable"


# --- dumping


def offers(price: int | str, number: int = 3, **other: Any) -> list[dict[str, Any]]:
    return seen("NORTH", number=number, resale_price=price, product_id="P1", **other)


def dumping(*observations: dict[str, Any], floors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return finding(
        "dumping",
        products=PUMP,
        price_floors=FLOOR if floors is None else floors,
        market_observations=list(observations),
    )


@pytest.mark.parametrize(("price", "confidence"), [("95.01", "none"), ("95.00", "confirmed")])
def test_offers_below_the_floor_are_dumping_from_the_policys_bar_on(price, confidence):
    assert dumping(*offers(price))["confidence"] == confidence


def test_dumping_tells_how_far_below_and_where_it_was_seen():
    row = dumping(*offers(80), *offers(120, on=date(2024, 7, 1)))
    assert (row["confidence"], row["value"], row["threshold"]) == (
        "confirmed",
        Decimal("0.2"),
        Decimal("0.05"),
    )
    assert row["evidence"] == "3 of 6 offers below floor: photo NORTH 0, photo NORTH 1, photo NORTH 2"
    assert (row["evidence_from"], row["evidence_to"]) == (date(2024, 6, 1), date(2024, 6, 1))


def test_a_products_month_is_judged_by_its_mean():
    assert dumping(*offers(80, 2), *offers(120, 2))["confidence"] == "none"


def test_one_cheap_offer_may_be_old_stock_and_unchecked_ones_are_no_proof():
    assert dumping(*offers(80, 2))["confidence"] == "not_assessable"
    assert dumping(*offers(80, 2), *offers(110, 3, on=date(2024, 7, 1)))["confidence"] == "none"
    assert dumping(*offers(80, 3, confirmed=False))["confidence"] == "suspected"


def test_without_observations_or_floors_dumping_is_not_assessable_never_clean():
    assert finding("dumping", products=PUMP, price_floors=FLOOR)["reason"] == "not_delivered"
    assert finding("dumping", products=PUMP, market_observations=offers(1))["reason"] == "not_delivered"
    assert dumping()["reason"] == "no_observations"


@pytest.mark.parametrize(
    ("floors", "value"),
    [
        ([{}, {"territory_id": "NORTH", "floor_net_price": 160}], "0.5"),
        ([{}, {"territory_id": "WEST", "floor_net_price": 160}], "0.2"),
        ([{}, {"channel": "distribution", "floor_net_price": 160}], "0.5"),
        ([{}, {"channel": "direct", "floor_net_price": 160}], "0.2"),
        ([{}, {"valid_from": date(2024, 3, 1), "floor_net_price": 160}], "0.5"),
        ([{}, {"valid_from": date(2024, 7, 1), "floor_net_price": 160}], "0.2"),
        ([{}, {"uom": "BOX", "floor_net_price": 160}], "0.2"),
    ],
)
def test_the_most_special_floor_in_force_holds(floors, value):
    given_floors = [FLOOR[0] | floor for floor in floors]
    assert dumping(*offers(80), floors=given_floors)["value"] == Decimal(value)


def own(*sold: dict[str, Any]) -> dict[str, Any]:
    return finding("own_below_floor", products=PUMP, price_floors=FLOOR, shipped=list(sold))


def test_our_own_cheap_invoices_are_our_concession_not_the_customers_conduct():
    row = own(
        shipped("NORTH", 900, quantity=10), shipped("NORTH", 2100, quantity=20, invoice_date=date(2024, 7, 1))
    )
    assert (row["confidence"], row["value"], row["concerned_amount"]) == (
        "own_concession",
        Decimal("0.3"),
        100,
    )
    assert own(shipped("NORTH", 1000, quantity=10))["confidence"] == "none"


def test_goods_given_away_and_goods_taken_back_are_no_price():
    gift = shipped("NORTH", 0, quantity=5, is_free_goods=True)
    returned = shipped("NORTH", -50, quantity=-1, document_type="credit_note")
    assert own(shipped("NORTH", 1000, quantity=10), gift, returned)["confidence"] == "none"


def test_without_sales_cells_our_own_prices_are_not_assessable():
    row = finding("own_below_floor", products=PUMP, price_floors=FLOOR)
    assert (row["confidence"], row["reason"]) == ("not_assessable", "not_delivered")


# --- all together


def test_only_confirmed_conduct_gates_a_tier():
    world = facts(
        [],
        customers=[NORTH[0], {**NORTH[0], "customer_id": "C2"}],
        market_observations=seen("WEST", number=9)
        + seen("WEST", number=9, confirmed=False, customer_id="C2"),
    )
    findings = conduct_findings(world, policy(**RULE), AS_OF)
    assert confirmed_conduct(findings).collect()["customer_id"].to_list() == ["C1"]
    kinds = findings.collect().group_by("customer_id").len().sort("customer_id")
    assert kinds.rows() == [("C1", 4), ("C2", 4)]


def test_a_customer_not_known_yet_is_not_judged():
    later = [{**NORTH[0], "available_on": AS_OF + timedelta(days=1)}]
    world = facts([], customers=later)
    assert conduct_findings(world, policy(**RULE), AS_OF).collect().is_empty()


@given(st.randoms(use_true_random=False))
@settings(max_examples=5)
def test_the_order_of_evidence_changes_nothing(shuffler):
    observations = [
        *seen("WEST", number=4),
        *seen("NORTH", number=3),
        *offers(80),
        *offers(90, on=date(2024, 8, 2)),
    ]
    world = surge_world()

    def found() -> pl.DataFrame:
        given_world = facts(
            world["sales"],
            customers=world["customers"],
            products=PUMP,
            price_floors=FLOOR,
            market_observations=observations,
        )
        return conduct_findings(given_world, policy(**RULE), AS_OF).collect()

    first = found()
    for rows in (observations, world["sales"], world["customers"]):
        shuffler.shuffle(rows)
    assert_frame_equal(first, found())
