"""Which events a rating gives: what differs from what was told last, and what a first look keeps silent."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import policy
from transforms.frames.schemas import CONDUCT_FINDING, CREDIT_WATCH, CUSTOMER_VALUE_HISTORY
from transforms.rating.events import (
    EMITTED,
    NOTHING,
    after_emitting,
    again,
    as_emitted,
    correction_changes,
    held_by_conduct,
    held_by_credit,
    held_by_decline,
    held_by_rating,
    is_emitted,
    period_moves,
    to_emit,
)
from transforms.rating.revisions import MOVE

JUNE, TODAY = date(2024, 6, 1), date(2024, 6, 30)
QUIET, LOUD = policy(), policy(events__baseline_events=True)
NOBODY = pl.LazyFrame(schema=EMITTED)
NO_IDS = pl.LazyFrame(
    schema={"company_code": pl.String, "customer_id": pl.String, "kind": pl.String, "event_id": pl.String}
)


def rows(schema: pl.Schema, *rows: dict[str, Any]) -> pl.LazyFrame:
    whose = {"company_code": "1000", "customer_id": "C1"}
    filled = [dict.fromkeys(schema.names()) | whose | row for row in rows]
    return pl.LazyFrame(filled, schema=schema, orient="row")


def differences(held: pl.LazyFrame, told: pl.LazyFrame = NOBODY) -> list[tuple[Any, ...]]:
    """Customer, kind, what was told last, what holds."""
    return to_emit(held, told, TODAY).select("customer_id", "kind", "emitted", "holds").collect().rows()


def after(held: pl.LazyFrame, told: pl.LazyFrame = NOBODY) -> pl.LazyFrame:
    """The emitted state once all of it was told; what does not differ stands as it was told."""
    changed = to_emit(held, told, TODAY)
    stays = told.join(changed, on=["company_code", "customer_id", "kind"], how="anti")
    return pl.concat([stays, after_emitting(changed, NO_IDS)]).collect().lazy()


# Credit warnings. A state of a customer: the credit action, and the day on which a warning was raised, or none.

State = tuple[str, date | None]


def watch(**states: State) -> pl.LazyFrame:
    return held_by_credit(
        rows(
            CREDIT_WATCH,
            *(
                {"customer_id": customer, "credit_action": action, "warning_since": since}
                for customer, (action, since) in states.items()
            ),
        )
    )


def test_a_warning_that_begins_is_told_and_one_that_ends_is_told():
    assert differences(watch(C1=("watch", JUNE))) == [("C1", "warning", None, "watch")]
    assert differences(watch(C1=("open", None)), after(watch(C1=("watch", JUNE)))) == [
        ("C1", "warning", "watch", NOTHING)
    ]


def test_a_warning_is_told_again_if_the_credit_action_changes_while_it_stands():
    assert differences(watch(C1=("stop", JUNE)), after(watch(C1=("watch", JUNE)))) == [
        ("C1", "warning", "watch", "stop")
    ]


def test_a_warning_that_stands_is_no_news_wherever_the_day_lies_on_which_it_is_found_to_have_been_raised():
    known = after(watch(C1=("stop", JUNE)))
    assert differences(watch(C1=("stop", JUNE)), known) == []
    assert differences(watch(C1=("stop", date(2024, 1, 31))), known) == []


def test_an_action_that_changes_by_cents_without_a_warning_is_no_news():
    assert differences(watch(C1=("watch", None))) == []


def test_who_owes_nothing_any_more_has_no_warning_and_that_is_told_once():
    known = after(watch(), after(watch(C1=("stop", JUNE))))
    assert known.select("emitted", "since").collect().rows() == [(NOTHING, TODAY)]
    assert differences(watch(), known) == []


customers = st.dictionaries(
    st.sampled_from(["C1", "C2", "C3"]),
    st.tuples(
        st.sampled_from(["open", "watch", "prepay", "stop"]), st.sampled_from([None, JUNE, date(2024, 6, 2)])
    ),
)


@given(st.lists(customers, min_size=1, max_size=4))
def test_who_follows_the_events_knows_what_stands_and_what_was_told_is_that_of_the_last_look_alone(
    looks: list[dict[str, State]],
):
    told, known = NOBODY, dict[str, str]()
    for states in looks:
        for customer, _, before, value in differences(watch(**states), told):
            assert known.get(customer, NOTHING) == (before or NOTHING)
            known[customer] = value
        told = after(watch(**states), told)
        assert differences(watch(**states), told) == []
    stands = {customer: action for customer, (action, since) in looks[-1].items() if since}
    assert {customer: value for customer, value in known.items() if value != NOTHING} == stands
    emitted = told.filter(pl.col("emitted") != NOTHING).select("customer_id", "emitted").collect().rows()
    assert dict(emitted) == stands


@given(customers)
def test_the_order_in_which_customers_are_listed_changes_no_event(states: dict[str, State]):
    assert differences(watch(**states)) == differences(watch(**dict(reversed(states.items()))))


# Conduct. A state of a customer: the confidence by kind.


def findings(**confidences: str) -> pl.LazyFrame:
    return held_by_conduct(
        rows(
            CONDUCT_FINDING,
            *({"kind": kind, "confidence": each, "as_of": JUNE} for kind, each in confidences.items()),
        )
    )


@pytest.mark.parametrize("now", ["none", "not_assessable", "own_concession"])
def test_what_says_nothing_of_the_customer_is_no_news_but_ends_what_was_told(now: str):
    assert differences(findings(dumping=now)) == []
    known = after(findings(dumping="suspected"))
    assert differences(findings(dumping=now), known) == [("C1", "conduct.dumping", "suspected", NOTHING)]


def test_a_suspicion_that_is_confirmed_is_news_and_one_that_stays_is_not():
    known = after(findings(arrears="suspected"))
    assert differences(findings(arrears="confirmed"), known) == [
        ("C1", "conduct.arrears", "suspected", "confirmed")
    ]
    assert differences(findings(arrears="suspected"), known) == []


def test_kinds_of_misconduct_are_told_apart():
    known = after(findings(arrears="confirmed"))
    assert differences(findings(arrears="confirmed", dumping="suspected"), known) == [
        ("C1", "conduct.dumping", None, "suspected")
    ]


def test_misconduct_that_is_judged_no_more_has_ended():
    known = after(findings(diversion="confirmed"))
    assert differences(findings(), known) == [("C1", "conduct.diversion", "confirmed", NOTHING)]


# Tiers, and moves that are expected.


def rated(tier: str, expects: str | None = None, direction: str | None = "up", **more: Any) -> pl.LazyFrame:
    row = {"effective_tier": tier, "watch_tier": expects, "watch_direction": direction if expects else None}
    dated = {"as_of": JUNE, "period": date(2024, 5, 1), "revision": 1, **more}
    return rows(CUSTOMER_VALUE_HISTORY, row | dated)


def test_a_tier_is_told_once_whatever_was_passed_through_since():
    known = after(held_by_rating(rated("core")))
    assert differences(held_by_rating(rated("core", revision=3)), known) == []
    assert differences(held_by_rating(rated("cultivate")), known) == [("C1", "tier", "core", "cultivate")]


def test_a_move_that_is_expected_now_or_no_longer_or_from_the_other_side_is_news():
    known = after(held_by_rating(rated("core", "strategic")))
    assert differences(held_by_rating(rated("core")), known) == [("C1", "watch", "strategic up", NOTHING)]
    other = held_by_rating(rated("core", "cultivate", "down"))
    assert differences(other, known) == [("C1", "watch", "strategic up", "cultivate down")]


def test_a_gap_or_a_deadline_that_drifts_is_no_news():
    known = after(held_by_rating(rated("core", "strategic", watch_gap="1 of 2")))
    later = held_by_rating(rated("core", "strategic", watch_gap="2 of 2", watch_deadline=TODAY))
    assert differences(later, known) == []


def test_of_a_prospect_nothing_is_told_and_its_first_order_is_a_first_rating():
    assert differences(held_by_rating(rated("prospect"))) == []
    assert differences(held_by_rating(rated("new"))) == [("C1", "tier", None, "new")]


def test_who_is_not_rated_any_more_keeps_the_tier_that_was_told():
    known = after(held_by_rating(rated("core", "strategic")))
    assert differences(held_by_rating(rated("core").clear()), known) == []


def test_a_first_rating_is_taken_for_known_and_warnings_that_stand_are_told():
    held = pl.concat([held_by_rating(rated("core", "strategic")), watch(C1=("stop", JUNE))])
    first = to_emit(held, NOBODY, TODAY)

    def kinds(policy: Any, *, is_baseline: bool) -> list[str]:
        told = first.filter(is_emitted(policy, is_baseline=is_baseline))
        return told.select("kind").collect().to_series().to_list()

    assert kinds(QUIET, is_baseline=True) == ["warning"]
    assert kinds(LOUD, is_baseline=True) == kinds(QUIET, is_baseline=False) == ["tier", "warning", "watch"]
    emitted = after_emitting(first, NO_IDS).select("kind", "event_id", "state_version").collect().rows()
    assert sorted(emitted) == [(kind, "silent", 1) for kind in ("tier", "warning", "watch")]


def test_each_telling_of_a_kind_counts_on():
    twice = after(held_by_rating(rated("cultivate")), after(held_by_rating(rated("core"))))
    assert twice.filter(pl.col("kind") == "tier").select("state_version").collect().item() == 2


def test_a_move_is_told_from_the_tier_that_was_told_though_the_warehouse_was_restored_to_before():
    news = to_emit(held_by_rating(rated("cultivate")), after(held_by_rating(rated("core"))), TODAY)
    stored = rated("marginal")
    assert as_emitted(stored, news).select("effective_tier", "effective_rank").collect().rows() == [
        ("core", 5)
    ]


# Moves between rated periods.


def moves_kept(*causes: str, is_first: bool, under: Any = QUIET, from_tier: str | None = None) -> list[str]:
    moves = rows(MOVE, *({"cause": cause, "from_tier": from_tier} for cause in causes))
    return period_moves(moves, under, is_first=is_first).select("cause").collect().to_series().to_list()


def test_nobody_moves_into_the_first_period_unless_the_policy_asks_for_the_events_of_a_baseline():
    assert moves_kept("baseline", is_first=True) == []
    assert moves_kept("baseline", is_first=True, under=LOUD) == ["baseline"]


def test_what_was_rated_first_and_has_a_predecessor_since_moved_by_its_data():
    assert moves_kept("baseline", "correction", is_first=False, from_tier="core") == ["data", "correction"]


# Corrections of published periods.


def test_the_corrected_periods_of_a_run_are_gathered_by_customer_in_order_of_time():
    march, february = ({"period": date(2024, month, 1), "revision": 2} for month in (3, 2))
    corrected = pl.LazyFrame(
        {"company_code": ["1000"] * 3, "customer_id": ["C2", "C1", "C2"],
         "periods": [[march], [march], [february]]}
    )  # fmt: skip
    gathered = correction_changes(corrected).collect()
    assert gathered["customer_id"].to_list() == ["C1", "C2"]
    assert gathered["periods"].to_list() == [[march], [february, march]]


# Declines. A state of a customer, or null where none can be told.


def declines(**states: str | None) -> pl.LazyFrame:
    rated = [
        {
            "customer_id": customer,
            "effective_tier": "core",
            "decline_state": state,
            "as_of": TODAY,
            "period": JUNE,
        }
        for customer, state in states.items()
    ]
    return held_by_decline(rows(CUSTOMER_VALUE_HISTORY, *rated))


def test_of_every_customer_it_is_noted_once_how_it_stood_when_declines_were_first_looked_at():
    held = declines(C1="none", C2=None, C3="lapsed")
    assert differences(held) == [
        ("C1", "decline", None, NOTHING),
        ("C2", "decline", None, NOTHING),
        ("C3", "decline", None, "lapsed"),
    ]
    assert differences(held, after(held)) == []


def test_a_decline_that_begins_changes_or_ends_is_told():
    known = after(declines(C1="none", C2="slowing", C3="lapsed", C4="slowing"))
    assert differences(declines(C1="slowing", C2="declining", C3="none", C4=None, C5="none"), known) == [
        ("C1", "decline", NOTHING, "slowing"),
        ("C2", "decline", "slowing", "declining"),
        ("C3", "decline", "lapsed", NOTHING),
        ("C4", "decline", "slowing", NOTHING),
    ]


def test_who_is_not_rated_any_more_keeps_the_decline_that_was_told():
    assert differences(declines(C2="none"), after(declines(C1="slowing", C2="none"))) == []


@pytest.mark.parametrize(
    ("rule", "is_baseline", "begins", "told"),
    [
        (QUIET, True, True, []),
        (QUIET, False, True, []),  # a home that was rated before declines were
        (LOUD, False, True, []),
        (LOUD, True, True, ["C2"]),
        (QUIET, False, False, ["C2"]),
    ],
)
def test_declines_begin_in_silence_in_every_home(rule: Any, is_baseline: bool, begins: bool, told: list[str]):
    news = to_emit(declines(C1="none", C2="slowing"), NOBODY, TODAY).filter(
        is_emitted(rule, is_baseline=is_baseline, begins_decline=begins)
    )
    assert news.collect()["customer_id"].to_list() == told


def test_a_resync_sends_the_declines_that_stand_and_that_one_ended_that_was_told():
    was = declines(C1="slowing", C2="none", C3="lapsed", C4="slowing")
    ids = pl.LazyFrame(
        {"company_code": ["1000"], "customer_id": ["C1"], "kind": ["decline"], "event_id": ["E1"]}
    )
    known = after_emitting(to_emit(was, NOBODY, TODAY), ids).collect().lazy()
    now = rows(
        CUSTOMER_VALUE_HISTORY,
        *(
            {"customer_id": customer, "effective_tier": "core", "decline_state": state, "as_of": TODAY}
            for customer, state in {"C1": "none", "C2": "none", "C3": "lapsed", "C4": "none"}.items()
        ),
    )
    sequences = pl.LazyFrame(
        schema={"company_code": pl.String, "customer_id": pl.String, "sequence": pl.Int64}
    )
    held = pl.concat([held_by_rating(now), held_by_decline(now)])
    sent = again(held, known, sequences, TODAY, judges_credit=False).filter(pl.col("kind") == "decline")
    assert sent.select("customer_id", "holds").collect().rows() == [("C1", NOTHING), ("C3", "lapsed")]
