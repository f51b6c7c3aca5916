"""Import substitution: what customers import, what it is worth, and how far our products have taken its place."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import FAR, YEAR_END, facts, frame
from transforms.facts.sales_cell import SALES_LINES, sales_cells
from transforms.frames.schemas import IMPORT_CASE
from transforms.rating.import_cases import STAGES, import_cases

AS_OF = date(2025, 1, 6)
PUMPS = [
    {"product_id": "P1", "category": "PUMPS"},
    {"product_id": "V1", "category": "VALVES"},
    {"product_id": "X1", "category": None},
]


def estimate(supplied_by: str | None, **other: Any) -> dict[str, Any]:
    usual = {"product_group": "PUMPS", "period_start": date(2024, 1, 1), "estimated_on": date(2024, 1, 20)}
    return {**usual, "supplied_by": supplied_by, "amount": 5_000, **other}


def contact(
    kind: str, on: datetime = datetime(2024, 9, 1), about: str | None = None, **other: Any
) -> dict[str, Any]:
    return {
        "interaction_id": f"{kind}-{on}",
        "kind": kind,
        "occurred_at": on,
        "product_group": about,
        **other,
    }


def sold(product: str | None, net: int, on: date = date(2024, 6, 3), customer: str = "C1") -> dict[str, Any]:
    return {"product_id": product, "net_amount_company": net, "invoice_date": on, "customer_id": customer}


def cases(
    *estimates: dict[str, Any], lines: tuple[dict[str, Any], ...] = (), as_of: date = AS_OF, **extracts: Any
) -> list[dict[str, Any]]:
    numbered = [{"document_id": f"D{n}", **line} for n, line in enumerate(lines)]
    world = facts(numbered, products=PUMPS, demand_estimates=list(estimates), **extracts)
    cells = sales_cells(frame(SALES_LINES, numbered), world.products, None, FAR)
    found = import_cases(world, cells, closed_through=YEAR_END, as_of=as_of).collect()
    assert found.schema == IMPORT_CASE
    return found.to_dicts()


def stage(*estimates: dict[str, Any], **more: Any) -> str | None:
    found = cases(*estimates, **more)
    return found[0]["stage"] if found else None


def test_what_is_imported_and_nobody_works_on_is_open_and_worth_its_demand():
    [case] = cases(estimate("import"))
    assert (case["stage"], case["demand_12m"], case["net_sales_12m"]) == ("open", 5_000, 0)
    assert (case["product_group"], case["period"], case["as_of"]) == ("PUMPS", date(2024, 12, 1), AS_OF)
    assert case["joint_work_12m"] is None, "interactions are not delivered"


def test_goods_are_worth_what_the_customer_pays_today_and_nothing_known_where_it_does_not_say():
    goods = {"amount": None, "quantity": "10.5", "unit": "PC"}
    [case] = cases(estimate("import", current_price="500.25", **goods))
    assert (case["demand_12m"], case["current_price"]) == (Decimal("5252.625"), Decimal("500.25"))
    [unpriced] = cases(estimate("import", **goods))
    assert (unpriced["demand_12m"], unpriced["quantity"], unpriced["unit"]) == (None, Decimal("10.5"), "PC")


@pytest.mark.parametrize(
    ("work", "expected", "counted"),
    [
        ([contact("technical_exchange")], "in_work", 1),
        ([contact("new_product_need", about="PUMPS")], "in_work", 1),
        ([contact("joint_project", about="VALVES")], "open", 0),
        ([contact("visit"), contact("complaint", about="PUMPS")], "open", 0),
        ([contact("joint_project", datetime(2024, 1, 6, 12))], "open", 0),
        ([contact("joint_project", datetime(2024, 1, 7))], "in_work", 1),
        ([contact("joint_project", datetime(2025, 1, 7))], "open", 0),
        ([contact("joint_project", customer_id="C2")], "open", 0),
        ([], "open", 0),
    ],
)
def test_joint_work_of_twelve_months_on_the_group_or_on_none_in_particular_puts_it_in_work(
    work: list[dict[str, Any]], expected: str, counted: int
):
    [case] = cases(estimate("import"), interactions=work)
    assert (case["stage"], case["joint_work_12m"]) == (expected, counted)


def test_any_joint_work_counts_for_all_products_together():
    whole = estimate("import", product_group=None)
    [case] = cases(whole, interactions=[contact("joint_project", about="VALVES")])
    assert (case["product_group"], case["stage"], case["joint_work_12m"]) == (None, "in_work", 1)


@pytest.mark.parametrize(
    ("lines", "expected", "ours"),
    [
        ((sold("P1", 30),), "started", 30),
        ((sold("V1", 30), sold("X1", 5), sold(None, 7)), "open", 0),
        ((sold("P1", 30), sold("P1", -30)), "open", 0),
        ((sold("P1", 30, date(2023, 12, 31)),), "open", 0),
        ((sold("P1", 30, date(2024, 1, 1)),), "started", 30),
        ((sold("P1", 30, customer="C2"),), "open", 0),
    ],
)
def test_what_is_bought_from_us_as_well_has_started(
    lines: tuple[dict[str, Any], ...], expected: str, ours: int
):
    [case] = cases(estimate("import"), lines=lines)
    assert (case["stage"], case["net_sales_12m"]) == (expected, ours)


def test_of_all_products_together_everything_bought_from_us_counts():
    [case] = cases(
        estimate("import", product_group=None), lines=(sold("V1", 4), sold(None, 2), sold("X1", 1))
    )
    assert (case["stage"], case["net_sales_12m"]) == ("started", 7)


@pytest.mark.parametrize(
    ("supplier", "expected"), [("us", "substituted"), ("domestic", "lost"), ("import", "open"), (None, None)]
)
def test_the_latest_estimate_says_who_supplies_now(supplier: str | None, expected: str | None):
    later = estimate(supplier, estimated_on=date(2024, 6, 1), estimate_version="2", amount=9_000)
    assert stage(estimate("import"), later) == expected
    assert stage(later, estimate("import")) == expected, "in whatever order"


def test_a_case_that_is_closed_keeps_the_demand_that_was_imported_last():
    [case] = cases(
        estimate("import", estimated_on=date(2022, 1, 20), amount=1_000),
        estimate("import", estimated_on=date(2023, 1, 20), amount=2_000),
        estimate("us", estimated_on=date(2024, 1, 20), amount=9_000),
    )
    assert (case["stage"], case["demand_12m"]) == ("substituted", 2_000)
    assert (case["imported_since"], case["estimated_on"]) == (date(2022, 1, 20), date(2024, 1, 20))


def test_what_was_never_imported_is_no_case_and_what_is_said_later_is_not_known_yet():
    assert cases(estimate("us"), estimate("domestic", product_group="VALVES")) == []
    assert cases(estimate("import", estimated_on=date(2025, 1, 7))) == []
    assert stage(estimate("import"), estimate("us", estimated_on=date(2025, 1, 7))) == "open"


def test_without_estimates_there_are_no_cases():
    world = facts([])
    cells = sales_cells(frame(SALES_LINES, []), None, None, FAR)
    found = import_cases(world, cells, closed_through=YEAR_END, as_of=AS_OF).collect()
    assert found.schema == IMPORT_CASE
    assert found.is_empty()


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["C1", "C2"]),
            st.sampled_from(["PUMPS", "VALVES", None]),
            st.sampled_from(["us", "domestic", "import", None]),
            st.integers(1, 28),
        ),
        max_size=8,
        unique_by=lambda each: (each[0], each[1], each[3]),
    ),
    st.randoms(),
)
def test_the_cases_are_the_groups_once_imported_in_whatever_order_the_estimates_come(said, random):
    estimates = [
        estimate(supplier, customer_id=customer, product_group=group, estimated_on=date(2024, 2, day))
        for customer, group, supplier, day in said
    ]
    found = cases(*estimates)
    shuffled = random.sample(estimates, len(estimates))
    assert cases(*shuffled) == found
    latest = {(c, g): s for c, g, s, day in sorted(said, key=lambda each: each[3])}
    imported = {(c, g) for c, g, s, _ in said if s == "import" and latest[c, g] is not None}
    assert {(case["customer_id"], case["product_group"]) for case in found} == imported
    assert {case["stage"] for case in found} <= set(STAGES)


def test_the_stages_are_those_of_the_contract():
    from expectations.contract import load

    for table in ("import_case", "import_substitution"):
        assert load(table).column("stage").allowed == STAGES
