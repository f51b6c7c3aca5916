"""What a sales director asks: each question of docs/bi.md as it stands there, on a company whose answers are worked out by hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.warehouse.mart_of_rows import BEFORE, NOW, YEAR_BEFORE, move, published, rating

PAGE = (Path(__file__).parents[2] / "docs" / "bi.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"\n\n([^\n]+\?)\n\n```sql\n(.*?)```", PAGE, re.DOTALL))
NOBODY = dict.fromkeys(("status", "territory_id", "channel", "salesperson_id"))
REACH = ("customer_month", {"customer_id": "GIANT", "month": date(2022, 6, 1), "net_sales": 7})

# Customer: tier and net sales of a year ago and of now, what else its rating says now, and its master data.
WORLD: dict[str, tuple[tuple[str, int, object], tuple[str, int, object], dict[str, Any], dict[str, Any]]] = {
    "GIANT": (
        ("core", 5, 1_000),
        ("core", 5, 900),
        {
            "contribution_12m": 100,
            "sales_trend": "-0.2",
            "last_order_on": date(2024, 5, 20),
            "steadiness": "0.9",
        },
        {"territory_id": "NORTH", "channel": "direct", "salesperson_id": "S1"},
    ),
    "GONE": (
        ("core", 5, 500),
        ("marginal", 2, 0),
        {"sales_trend": -1, "last_order_on": date(2023, 4, 30)},
        {"territory_id": "SOUTH", "channel": "distribution", "salesperson_id": "S2"},
    ),
    "LOYAL": (
        ("cultivate", 4, 40),
        ("cultivate", 4, 50),
        {"headroom_12m": 70, "sales_trend": "0.1"},
        {"salesperson_id": "S1"},
    ),
    "SILENT": (("cultivate", 4, 100), ("cultivate", 4, 30), {"headroom_12m": 999, "sales_trend": -1}, {}),
    "BLOCKED": (("cultivate", 4, 100), ("cultivate", 4, 60), {"headroom_12m": 500}, {"status": "blocked"}),
    "LOSES": (
        ("marginal", 2, 10),
        ("marginal", 2, 80),
        {"contribution_12m": -20, "loss_component": "rebates", "sales_trend": 5},
        {},
    ),
    "SLIPS": (
        ("core", 5, 300),
        ("core", 5, 300),
        {"watch_tier": "marginal", "watch_direction": "down", "sales_trend": 0},
        {},
    ),
    "TRIES": (("prospect", 0, None), ("prospect", 0, None), {"contribution_12m": -5}, {"status": "prospect"}),
}


@pytest.fixture(scope="module")
def mart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    file = published(
        tmp_path_factory.mktemp("answers") / "home",
        REACH,
        *(
            ("customer", {**NOBODY, **master, "customer_id": name, "name": f"{name} 公司"})
            for name, (*_, master) in WORLD.items()
        ),
        *(rating(name, YEAR_BEFORE, *then) for name, (then, *_) in WORLD.items()),
        *(
            rating(name, NOW, *now, closed_through=date(2024, 5, 31), **more)
            for name, (_, now, more, _) in WORLD.items()
        ),
        move("GONE", "down", 480, 0),
        move("LOYAL", "up", 20, 30, period=BEFORE, from_tier="marginal", to_tier="cultivate"),
        rating("LOYAL", BEFORE, "cultivate", 4, 30),
        ("customer_month", {"customer_id": "0000100234", "month": NOW, "net_sales": 12, "contribution": 3}),
        *(
            (
                "credit_watch",
                {
                    "customer_id": name,
                    "exposure": exposure,
                    "credit_limit": limit,
                    "credit_action": action,
                    "overdue_over_90": late,
                    **dict.fromkeys(("overdue_1_30", "overdue_31_60", "overdue_61_90"), 0),
                },
            )
            for name, exposure, limit, action, late in [
                ("GIANT", 120, 100, "prepay", 40),
                ("LOYAL", 30, 100, "open", 0),
                ("SLIPS", 5, None, "open", 0),
            ]
        ),
        *(
            ("conduct_finding", {"customer_id": name, "kind": kind, "confidence": confidence, **more})
            for name, kind, confidence, more in [
                ("LOSES", "diversion", "confirmed", {"concerned_amount": 60, "evidence": "shipped outside"}),
                ("GIANT", "diversion", "none", {}),
                ("GIANT", "dumping", "suspected", {"concerned_amount": None, "evidence": "a price seen"}),
            ]
        ),
        (
            "customer_structure",
            {"period": NOW, "level": "company", "top10_share": 1, "hhi": "0.4", "direct_share": "0.6"},
        ),
        (
            "customer_structure",
            {"period": NOW, "level": "cell", "channel": "direct", "lifecycle_stage": "introduction",
             "net_sales_12m": 200, "gross_contribution_12m": 50},
        ),
        *(
            (
                "new_product_adoption",
                {"product_id": "P1", "level": level, "member": member, "product_name": "Feed pump",
                 "lifecycle_stage": "introduction", "months_since_launch": 5, "customers": 120,
                 "customers_buying": 18, "adoption": "0.15", "net_sales_12m": 180},
            )
            for level, member in [("company", "all"), ("channel", "direct")]
        ),
        (
            "new_product_buyer",
            {"product_id": "P1", "customer_id": "LOYAL", "product_name": "Feed pump", "name": company("LOYAL"),
             "lifecycle_stage": "introduction", "channel": "direct", "first_bought_in": BEFORE,
             "months_after_launch": 4, "net_sales_12m": 180},
        ),
        *(
            (
                "import_substitution",
                {"customer_id": customer, "name": company(customer), "product_category": group, "stage": stage,
                 "demand_12m": demand, "net_sales_12m": 0, "last_joint_work_on": worked_on},
            )
            for customer, group, stage, demand, worked_on in [
                ("SLIPS", None, "open", None, None),
                ("GIANT", "PUMPS", "in_work", 150, date(2024, 5, 21)),
            ]
        ),
        (
            "plan_attainment",
            {"plan_id": "BUDGET", "plan_version": "2", "level": "company", "planned": 900, "planned_to_date": 450,
             "net_sales": 405, "attainment": "0.9"},
        ),
        *(
            (
                "action_outcome",
                {"action_id": "X1", "months_after": months, "name": "A", "action_done": "call", "done_on": date(2024, 2, 10),
                 "net_sales_after": after, "net_sales_year_before": 40, "change_on_year": "0.25",
                 "company_change_on_year": "0.2"},
            )
            for months, after in [(3, 50), (6, None)]
        ),
        (
            "expectation_total",
            {"level": "company", "member": "all", "expected_net_sales_12m": 1_000, "expected_net_sales_low": 800,
             "expected_net_sales_high": 1_200},
        ),
        *(
            (
                "sales_by_salesperson_month",
                {"salesperson_id": who, "customer_id": customer, "month": month, "net_sales": sales},
            )
            for who, customer, month, sales in [
                ("S2", "GIANT", NOW, 5),
                ("S2", "LOYAL", NOW, 3),
                ("S2", "GIANT", YEAR_BEFORE, 5),
                (None, "GIANT", YEAR_BEFORE, 4),
            ]
        ),
        *(
            ("sales_by_customer_product", {"customer_id": "0000100234", "month": month, "net_sales": sales, **group})
            for month, sales, group in [
                (NOW, 7, {"product_category": "PUMPS"}),
                (YEAR_BEFORE, 9, {"product_category": "PUMPS"}),
                (NOW, 5, {}),
            ]
        ),
    )  # fmt: skip
    with duckdb.connect(str(file), read_only=True) as connection:
        yield connection


def company(name: str) -> str:
    return f"{name} 公司"


ANSWERS: dict[str, list[tuple[object, ...]]] = {
    "Who is our core, and what does it bring?": [
        (company("GIANT"), "core", 900, 100),
        (company("SLIPS"), "core", 300, None),
    ],
    "Who is slipping, why, and what is at stake?": [
        (company("GONE"), "lost", 500, 0, 500, None, 397),
        (company("SLIPS"), "expected_to_fall", 300, 300, 300, None, None),
        (company("GIANT"), "falling", 100, 900, 1_000, None, 11),
        (company("SILENT"), "falling", 70, 30, 100, None, None),
    ],
    "Whom do we cultivate, and for how much?": [(company("LOYAL"), 70, 70)],
    "Who costs more than it brings, and by what?": [(company("LOSES"), -20, "rebates", None)],
    "What was won and lost between the tiers in the last quarter?": [
        ("core", "marginal", 1, 480, 0, -480),
        ("marginal", "cultivate", 1, 20, 30, 10),
    ],
    "What is owed and ordered, and how much of it by whom we would stop?": [
        ("prepay", 1, 120, 40),
        ("open", 2, 35, 0),
    ],
    "Who is over the limit?": [(company("GIANT"), 20, 120, 100, "prepay")],
    "How much hangs on few customers?": [(NOW, 1, 0.4)],
    "How much do we sell directly?": [(NOW, 0.6, None)],
    "How steadily do the twenty largest buy?": [
        (company("GIANT"), 900, 0.9, None),
        (company("SLIPS"), 300, None, None),
        (company("LOSES"), 80, None, None),
        (company("BLOCKED"), 60, None, None),
        (company("LOYAL"), 50, None, None),
        (company("SILENT"), 30, None, None),
        (company("GONE"), 0, None, None),
        (company("TRIES"), None, None, None),
    ],
    "What do new products bring?": [("direct", 200, 50, 0.25)],
    "Who sells outside its territory or below the floor?": [
        (company("LOSES"), "diversion", "confirmed", 60, "shipped outside"),
        (company("GIANT"), "dumping", "suspected", None, "a price seen"),
    ],
    "How did a customer go over 24 months?": [(NOW, 12, 3)],
    "What changed against last year?": [
        ("moved_down", None, None, None, 1, -500),
        ("territory_fell", None, "SOUTH", None, 1, -500),
        ("largest_fall", company("GONE"), None, None, 1, -500),
        ("customers_lost", None, None, None, 1, -500),
        ("channel_fell", None, None, "distribution", 1, -500),
    ],
    "How do the salespersons stand?": [
        ("S1", 2, 950, -90, 100, 40, 100),
        (None, 4, 470, -40, -20, 0, 370),
        ("S2", 1, 0, -500, None, None, 500),
    ],
    "What did each salesperson sell, whoever looks after the customer now?": [
        ("S2", 2, 8, 5),
        (None, 1, None, 4),
    ],
    "What does a customer buy, against the year before?": [("PUMPS", 7, 9), (None, 5, None)],
    "What comes in the next twelve months?": [("company", "all", 1_000, 800, 1_200)],
    "How do we stand against plan?": [("BUDGET", "company", None, 900, 450, 405, 0.9)],
    "What came of what we did?": [
        ("A", "call", date(2024, 2, 10), 3, 50, 40, 0.25, 0.2),
    ],
    "How far are new products taken up?": [("Feed pump", "introduction", 5, 18, 120, 0.15, 180)],
    "Who bought them, and since when?": [("Feed pump", "LOYAL 公司", "direct", BEFORE, 4, 180)],
    "Which imports could we replace, and how far are we?": [
        ("GIANT 公司", "PUMPS", "in_work", 150, 0, date(2024, 5, 21)),
        ("SLIPS 公司", None, "open", None, 0, None),
    ],
    "What do its peers buy that it does not?": [],  # nobody here has five peers; see test_products_of_customers
}


def test_every_question_of_the_page_is_asked() -> None:
    assert set(QUESTIONS) == set(ANSWERS)


@pytest.mark.parametrize("question", ANSWERS)
def test_a_question_of_the_page_has_its_answer(mart: duckdb.DuckDBPyConnection, question: str) -> None:
    found = mart.execute(QUESTIONS[question]).fetchall()
    if question == "What changed against last year?":
        assert sorted(found, key=str) == sorted(ANSWERS[question], key=str), "all of one size"
    else:
        assert found == ANSWERS[question]


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_a_question_needs_no_join(question: str) -> None:
    assert not re.search(r"\bJOIN\b", question, re.IGNORECASE)


def test_last_year_is_not_compared_where_the_data_do_not_reach_back_over_it(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("A", NOW, "core", 5, 90),
        ("customer_month", {"customer_id": "A", "month": date(2022, 7, 1), "net_sales": 100}),
    )
    with duckdb.connect(str(mart), read_only=True) as connection:
        asked = "SELECT net_sales_year_before, net_sales_difference FROM customer_year"
        assert connection.execute(asked).fetchall() == [(None, None)]
        assert connection.execute("SELECT count(*) FROM call_now").fetchall() == [(0,)]
        assert connection.execute("SELECT months_covered FROM company_period").fetchall() == [(12,)]


def test_last_year_is_what_was_sold_then_where_its_months_were_not_rated(tmp_path: Path) -> None:
    sold = [(date(2022, 5, 1), 1_000), (date(2022, 6, 1), 7), (date(2023, 5, 1), 20), (date(2023, 6, 1), 500)]
    mart = published(
        tmp_path,
        rating("A", NOW, "core", 5, 90),
        *(
            ("customer_month", {"customer_id": "A", "month": month, "net_sales": amount})
            for month, amount in sold
        ),
    )
    with duckdb.connect(str(mart), read_only=True) as connection:
        asked = (
            "SELECT net_sales_year_before, net_sales_difference, contribution_year_before FROM customer_year"
        )
        assert connection.execute(asked).fetchall() == [(27, 63, None)]


def test_a_month_is_answered_by_its_latest_revision_only(tmp_path: Path) -> None:
    mart = published(
        tmp_path,
        rating("A", BEFORE, "core", 5, 1),
        rating("A", BEFORE, "core", 5, 2, revision=2),
        rating("A", NOW, "core", 5, 3),
    )
    with duckdb.connect(str(mart), read_only=True) as connection:
        asked = "SELECT period, revision, net_sales_12m FROM customer_value_by_month ORDER BY ALL"
        assert connection.execute(asked).fetchall() == [(BEFORE, 2, 2), (NOW, 1, 3)]


def test_the_calendar_has_every_month_between_the_first_figure_and_the_last(tmp_path: Path) -> None:
    mart = published(tmp_path, rating("A", date(2024, 1, 1), "core", 5, 1), rating("A", NOW, "core", 5, 3))
    with duckdb.connect(str(mart), read_only=True) as connection:
        found = connection.execute("FROM calendar ORDER BY period").fetchall()
    assert len(found) == 5
    assert found[1] == (date(2024, 2, 1), date(2024, 2, 29), 2024, 1, 2)
