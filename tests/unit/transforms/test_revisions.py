"""What is new in a rating: rows to write, moves to tell, corrections of what was told."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from flows.wording.reasons import with_text
from tests.unit.transforms.small_worlds import frame, policy
from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY, CUSTOMERS
from transforms.rating.period import RATED
from transforms.rating.revisions import MOVE, REVISION, affected_by, corrections, movers, moves, revise

LINEAR = policy(measures__volume__breakpoints=[[0, 0], [200_000, 100]])
MARCH, APRIL = date(2024, 3, 1), date(2024, 4, 1)
_USUAL: dict[str, Any] = {
    "company_code": "1000",
    "customer_id": "C1",
    "period": APRIL,
    "closed_through": date(2024, 4, 30),
    "as_of": date(2024, 5, 2),
    "policy_id": "default",
    "policy_version": "1.0.0",
    "policy_hash": "aa",
    "rules_version": 1,
    "net_sales_12m": 100_000,
    "volume_score": 50,
    "volume_points": 50,
    "score": 50,
    "score_coverage": 1,
    "segment": "core",
    "raw_tier": "core",
    "ungated_tier": "core",
    "memory_tier": "core",
    "tier_since": MARCH,
    "effective_tier": "core",
    "effective_rank": 5,
}


def rows(schema: pl.Schema, *records: dict[str, Any]) -> pl.LazyFrame:
    full = [{name: ({**_USUAL, **record}).get(name) for name in schema.names()} for record in records]
    columns = {
        name: [
            Decimal(str(row[name])) if dtype.is_decimal() and row[name] is not None else row[name]
            for row in full
        ]
        for name, dtype in schema.items()
    }
    return pl.LazyFrame(columns, schema=schema)


def rated(*records: dict[str, Any]) -> pl.LazyFrame:
    return rows(RATED, *records)


def written(*records: dict[str, Any]) -> pl.LazyFrame:
    """Rows of the history, of revision 1 unless said."""
    now = {"revision": 1, "recorded_at": datetime(2024, 5, 3, 2), "cause": "data"}
    return rows(CUSTOMER_VALUE_HISTORY, *({**now, **record} for record in records))


def revised(now: pl.LazyFrame, **how: Any) -> list[tuple[str, int, str]]:
    found = revise(now, **{"stored": None, "previous": None, "is_closed": False} | how).collect()
    assert found.schema == REVISION
    return found.select("customer_id", "revision", "cause").rows()


def test_a_first_rating_is_the_baseline():
    assert revised(rated({})) == [("C1", 1, "baseline")]


def test_the_first_rating_of_a_period_is_revision_one_and_data():
    assert revised(rated({}), previous=written({"period": MARCH})) == [("C1", 1, "data")]


def test_a_newcomer_in_a_later_period_is_data_not_baseline():
    assert revised(rated({"customer_id": "C2"}), previous=written({"period": MARCH})) == [("C2", 1, "data")]


def test_a_rating_that_finds_the_same_writes_nothing():
    assert revised(rated({"as_of": date(2024, 5, 20)}), stored=written({})) == []


@pytest.mark.parametrize(
    "change",
    [{"net_sales_12m": "100000.0001"}, {"net_sales_12m": None}, {"abc_class": "A"}, {"watch_tier": "core"}],
)
def test_a_rating_that_finds_anything_else_writes_the_next_revision(change):
    assert revised(rated(change), stored=written({"revision": 2})) == [("C1", 3, "data")]


def test_only_customers_that_differ_are_written():
    both = rated({}, {"customer_id": "C2", "score": 51})
    assert revised(both, stored=written({}, {"customer_id": "C2"})) == [("C2", 2, "data")]


def test_a_customer_new_in_a_period_that_is_stored_gets_its_first_revision():
    assert revised(rated({"customer_id": "C2"}), stored=written({})) == [("C2", 1, "data")]


def test_late_facts_of_a_closed_period_are_a_correction():
    assert revised(rated({"score": 51}), stored=written({}), is_closed=True) == [("C1", 2, "correction")]


@pytest.mark.parametrize("change", [{"abc_class": "A"}, {"steadiness_seasonal": "0.9"}])
def test_what_others_do_to_a_figure_revises_the_open_period_and_no_closed_one(change):
    assert revised(rated(change), stored=written({}), is_closed=True) == []
    assert revised(rated(change), stored=written({})) == [("C1", 2, "data")]
    # Whoever is revised for another reason gets them as they are now.
    now = rated({**change, "score": 51})
    (row,) = revise(now, stored=written({}), previous=None, is_closed=True).collect().to_dicts()
    assert {name: str(row[name]).rstrip("0") for name in change} == change


def test_what_follows_from_a_correction_is_one_too():
    corrected = pl.LazyFrame({"company_code": ["1000"], "customer_id": ["C1"]})
    both = rated({"score": 51}, {"customer_id": "C2", "score": 51})
    stored = written({}, {"customer_id": "C2"})
    assert revised(both, stored=stored, corrected=corrected) == [("C1", 2, "correction"), ("C2", 2, "data")]


def test_another_policy_is_the_cause_in_a_new_period_and_in_the_same():
    assert revised(rated({"policy_hash": "bb"}), previous=written({"period": MARCH})) == [
        ("C1", 1, "policy_change")
    ]
    assert revised(rated({"policy_hash": "bb"}), stored=written({})) == [("C1", 2, "policy_change")]


def test_another_override_is_the_cause():
    hand = {"override_tier": "strategic", "override_owner": "m.keller"}
    assert revised(rated(hand), stored=written({})) == [("C1", 2, "override")]
    assert revised(rated({}), stored=written(hand)) == [("C1", 2, "override")]
    assert revised(rated(hand), previous=written({"period": MARCH, **hand})) == [("C1", 1, "data")]


def moved(
    now: pl.LazyFrame, shown: pl.LazyFrame | None, earlier: pl.LazyFrame | None = None
) -> list[dict[str, Any]]:
    past = earlier if earlier is not None else written() if shown is None else shown
    found = moves(movers(now, shown).collect().lazy(), past, LINEAR).collect()
    assert found.schema == MOVE
    return with_text(found).to_dicts()


def revision(**figures: Any) -> pl.LazyFrame:
    return rows(REVISION, {"revision": 1, "cause": "data", **figures})


def test_who_stays_does_not_move():
    assert moved(revision(score=51), written({"period": MARCH})) == []


def test_a_move_tells_from_where_to_where_and_why():
    now = revision(effective_tier="core", net_sales_12m=150_000, volume_score=75, score=75)
    then = written(
        {
            "period": MARCH,
            "effective_tier": "cultivate",
            "effective_rank": 4,
            "segment": "cultivate",
            "net_sales_12m": 100_000,
            "policy_hash": "aa",
        }
    )
    [move] = moved(now, then)
    assert (move["from_tier"], move["from_rank"], move["to_tier"], move["to_rank"]) == (
        "cultivate",
        4,
        "core",
        5,
    )
    assert (move["direction"], move["cause"], move["reasons"]) == (
        "up",
        "data",
        "net sales of 12 months 100,000.00 → 150,000.00; volume +25",
    )
    assert (move["segment_from"], move["segment_to"], move["score_from"], move["score_to"]) == (
        "cultivate",
        "core",
        50,
        75,
    )


def test_a_first_rating_moves_from_nowhere():
    [move] = moved(revision(effective_tier="new", effective_rank=3), None)
    assert (move["from_tier"], move["from_rank"], move["direction"], move["reasons"]) == (
        None,
        None,
        "lateral",
        None,
    )


def test_a_move_between_states_of_one_rank_is_lateral():
    then = written({"period": MARCH, "effective_tier": "new", "effective_rank": 3})
    [move] = moved(revision(effective_tier="unrated", effective_rank=3), then)
    assert move["direction"] == "lateral"


def test_a_cap_is_named_before_the_drivers():
    now = revision(
        effective_tier="marginal", effective_rank=2, cap_tier="marginal", capped_by_credit_stop=True
    )
    [move] = moved(now, written({"period": MARCH}))
    assert (move["direction"], move["reasons"].split("; ")[0]) == ("down", "cap: credit_stop")


def test_an_override_is_named_with_its_owner_and_reason():
    now = revision(
        effective_tier="strategic",
        effective_rank=6,
        override_tier="strategic",
        override_owner="m.keller",
        override_reason="joint project",
    )
    [move] = moved(now, written({"period": MARCH}))
    assert move["reasons"].split("; ")[0] == "override by m.keller: joint project"


def test_a_correction_lists_the_periods_whose_tier_or_segment_differs():
    now = rows(
        REVISION,
        {"period": APRIL, "revision": 2, "effective_tier": "cultivate"},
        {"period": MARCH, "revision": 3, "segment": "cultivate"},
        {"customer_id": "C2", "period": MARCH, "revision": 2, "score": 51},
    )
    then = written({}, {"period": MARCH}, {"customer_id": "C2", "period": MARCH})
    [row] = corrections(now, then).collect().to_dicts()
    assert row["customer_id"] == "C1"
    assert [
        (each["period"], each["revision"], each["from_tier"], each["to_tier"]) for each in row["periods"]
    ] == [
        (MARCH, 3, "core", "core"),
        (APRIL, 2, "core", "cultivate"),
    ]


def test_a_closed_period_rated_for_the_first_time_corrects_nothing():
    assert corrections(rows(REVISION, {"revision": 1}), written({"period": MARCH})).collect().is_empty()


def test_other_rules_are_a_policy_change_whose_reason_is_rules():
    found = revise(rated({"rules_version": 2}), stored=written({}), previous=None, is_closed=False).collect()
    assert found.select("cause", "cause_reason").rows() == [("policy_change", "rules")]
    both = revise(
        rated({"rules_version": 2, "policy_hash": "bb"}), stored=written({}), previous=None, is_closed=False
    ).collect()
    assert both.select("cause", "cause_reason").rows() == [("policy_change", "policy")]


def test_a_rating_that_does_not_say_its_rules_is_of_the_first():
    assert revised(rated({}), stored=written({"rules_version": None})) == []


def test_only_those_who_are_affected_are_revised_and_who_is_new_is_written_anyway():
    now = rated({"score": 51}, {"customer_id": "C2", "score": 51}, {"customer_id": "C3"})
    stored = written({}, {"customer_id": "C2"})
    affected = pl.LazyFrame({"company_code": ["1000"], "customer_id": ["C2"]})
    found = revised(now, stored=stored, affected=affected, is_closed=True)
    assert found == [("C2", 2, "correction"), ("C3", 1, "data")]
    restated = revise(now, stored=stored, previous=None, is_closed=True, is_restated=True).collect()
    assert restated.select("customer_id", "cause_reason").rows() == [
        ("C1", "restated"), ("C2", "restated"), ("C3", None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "since", "affected"),
    [
        ("A", 1, ["A"]),
        ("A", 30, ["A"]),
        ("A", 31, []),  # reaches back to the next period only
        ("B", 1, ["B", "C"]),  # the group
        ("D", 1, ["C", "D", "E"]),  # the territory
        ("C", 1, ["B", "C", "D", "E"]),  # both
    ],
)
def test_changed_facts_affect_the_customer_its_group_and_its_territory(changed, since, affected):
    places = {"A": (None, None), "B": ("G", None), "C": ("G", "T"), "D": (None, "T"), "E": (None, "T")}
    customers = frame(
        CUSTOMERS,
        [{"customer_id": who, "group_id": g, "territory_id": t} for who, (g, t) in places.items()],
    )
    day = date(2024, 4, since) if since < 31 else date(2024, 5, 1)
    changes = pl.LazyFrame({"company_code": ["1000"], "customer_id": [changed], "since": [day]})
    found = affected_by(changes, customers, date(2024, 4, 30)).collect()
    assert sorted(found["customer_id"]) == affected
