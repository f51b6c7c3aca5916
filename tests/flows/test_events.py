"""Events: named by their facts, typed, in CloudEvents 1.0, and told only where something changed."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import jsonschema
import polars as pl
import pytest

from flows.event_schemas import schema_path, schema_text
from flows.event_types import (
    DATA_TYPES,
    LARGEST,
    MOST_PERIODS,
    Event,
    EventTooLargeError,
)
from flows.events import Told, conduct_events, correction_events, credit_events, tier_events
from flows.rate import default_policy
from transforms.policy import parse_policy
from transforms.revisions import REVISION, moves
from transforms.schemas import CONDUCT_FINDING, CREDIT_WATCH, CUSTOMER_VALUE_HISTORY, TIER_CHANGE

POLICY = parse_policy(default_policy())
RECORDED_AT = datetime(2024, 6, 3, 2, 10)  # naive UTC, as the pipeline writes it
CHANGED = "valuemart.customer.tier.changed.v1"
WATCH = "valuemart.customer.tier.watch.v1"


def ratings(*rows: dict[str, Any]) -> pl.DataFrame:
    """Rating rows of May 2024; what a test does not name is unassessed, and cultivate."""
    usual = {
        "company_code": "1000",
        "customer_id": "C1",
        "period": date(2024, 5, 1),
        "revision": 1,
        "closed_through": date(2024, 5, 31),
        "as_of": date(2024, 6, 2),
        "cause": "data",
        "policy_id": POLICY.id,
        "policy_version": POLICY.version,
        "policy_hash": POLICY.content_hash,
        "master_missing": False,
        "history_truncated": False,
        "months_of_history": 12,
        "score_coverage": Decimal(1),
        "segment": "cultivate",
        "memory_tier": "cultivate",
        "tier_since": date(2023, 1, 1),
        "periods_up": 0,
        "periods_down": 0,
    }
    ranks = {
        "strategic": 6,
        "core": 5,
        "cultivate": 4,
        "new": 3,
        "unrated": 3,
        "marginal": 2,
        "speculative": 1,
    }
    filled = []
    for row in rows:
        tier = row.get("effective_tier", "cultivate")
        tiers = {
            "raw_tier": tier,
            "ungated_tier": tier,
            "effective_tier": tier,
            "effective_rank": ranks[tier],
        }
        filled.append(dict.fromkeys(REVISION.names()) | usual | tiers | row)
    return pl.DataFrame(filled, schema=REVISION, orient="row")


def shown(*rows: dict[str, Any]) -> pl.DataFrame:
    """The ratings of the month before."""
    of_april = {"period": date(2024, 4, 1), "closed_through": date(2024, 4, 30), "as_of": date(2024, 5, 2)}
    return (
        ratings(*(of_april | row for row in rows))
        .with_columns(recorded_at=pl.lit(RECORDED_AT))
        .select(CUSTOMER_VALUE_HISTORY.names())
    )


def tell(now: pl.DataFrame, before: pl.DataFrame | None, **options: Any) -> Told:
    moved = moves(now.lazy(), None if before is None else before.lazy(), POLICY).collect()
    if not POLICY.events.baseline_events:
        moved = moved.filter(pl.col("cause") != "baseline")
    return tier_events(moved, now, before, POLICY, tenant="default", recorded_at=RECORDED_AT, **options)


def body(event: Event, sequence: int = 1) -> dict[str, Any]:
    return json.loads(event.body(sequence))


RISEN = (ratings({"effective_tier": "core", "segment": "core"}), shown({}))


def test_a_move_is_told_with_both_tiers_and_their_ranks():
    (event,) = tell(*RISEN).events
    data = body(event)["data"]
    assert event.type == CHANGED
    assert (data["from_tier"], data["from_rank"], data["to_tier"], data["to_rank"], data["direction"]) == (
        "cultivate", 4, "core", 5, "up",
    )  # fmt: skip
    assert (data["segment_from"], data["segment_to"], data["period"]) == ("cultivate", "core", "2024-05-01")


def test_who_stays_is_not_told():
    assert tell(ratings({}), shown({})).events == []


def test_a_move_and_its_row_in_the_mart_share_the_id():
    told = tell(*RISEN)
    assert told.tier_changes.schema == TIER_CHANGE
    assert told.tier_changes["event_id"].to_list() == [told.events[0].event_id]
    assert told.tier_changes["recorded_at"].to_list() == [RECORDED_AT]


def test_nothing_told_is_still_a_table_of_the_right_shape():
    assert tell(ratings({}), shown({})).tier_changes.schema == TIER_CHANGE


def test_the_envelope_is_cloudevents():
    (event,) = tell(*RISEN).events
    envelope = body(event, sequence=42)
    data = envelope.pop("data")
    assert envelope == {
        "specversion": "1.0",
        "id": event.event_id,
        "source": "/valuemart/default",
        "type": CHANGED,
        "subject": "1000/C1",
        "partitionkey": "1000/C1",
        "sequence": "00000000000000000042",
        "time": "2024-06-02T00:00:00Z",
        "recordedtime": "2024-06-03T02:10:00Z",
        "datacontenttype": "application/json",
        "dataschema": f"urn:valuemart:schema:{CHANGED}:1.0",
    }
    assert data["as_of"] == "2024-06-02"
    # The specification's own rule for the names of attributes.
    assert all(re.fullmatch("[a-z0-9]{1,20}", name) for name in envelope)


def test_the_bytes_are_canonical():
    (event,) = tell(*RISEN).events
    text = event.body(1)
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_a_tenant_is_written_as_a_uri_wants_it():
    now, before = RISEN
    moved = moves(now.lazy(), before.lazy(), POLICY).collect()
    told = tier_events(moved, now, before, POLICY, tenant="nord süd", recorded_at=RECORDED_AT)
    assert body(told.events[0])["source"] == "/valuemart/nord%20s%C3%BCd"


def test_the_same_facts_have_the_same_id_whenever_they_are_rated():
    now, before = RISEN
    later = now.with_columns(as_of=pl.lit(date(2024, 6, 20)))
    moved = moves(later.lazy(), before.lazy(), POLICY).collect()
    again = tier_events(moved, later, before, POLICY, tenant="default", recorded_at=datetime(2024, 6, 21))
    assert again.events[0].event_id == tell(now, before).events[0].event_id


@pytest.mark.parametrize(
    "other",
    [
        {"company_code": "2000"},
        {"customer_id": "C2"},
        {"period": date(2024, 6, 1)},
        {"revision": 2},
        {"effective_tier": "strategic"},
        {"policy_hash": "another"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_fact_makes_another_id(other: dict[str, Any]):
    facts = {"effective_tier": "core", "segment": "core"}
    whose = {name: value for name, value in other.items() if name in {"company_code", "customer_id"}}
    first = tell(ratings(facts), shown({})).events[0]
    second = tell(ratings(facts | other), shown(whose)).events[0]
    assert first.event_id != second.event_id


def test_another_tenant_makes_another_id():
    now, before = RISEN
    moved = moves(now.lazy(), before.lazy(), POLICY).collect()
    ids = {
        tier_events(moved, now, before, POLICY, tenant=tenant, recorded_at=RECORDED_AT).events[0].event_id
        for tenant in ("north", "south")
    }
    assert len(ids) == 2


def test_events_come_in_the_order_of_customers_whatever_the_order_of_rows():
    rows = [{"customer_id": f"C{n}", "effective_tier": "core", "segment": "core"} for n in (3, 1, 2)]
    told = tell(ratings(*rows), shown(*({"customer_id": row["customer_id"]} for row in rows)))
    assert [event.customer_id for event in told.events] == ["C1", "C2", "C3"]


def test_drivers_sum_to_the_change_of_the_score_exactly():
    scored = {
        "volume": ("net_sales_12m", "100000.0000", "250000.0000"),
        "steadiness": ("steadiness", "0.300000", "0.713111"),
        "loyalty": ("loyalty", "0.900000", "0.400000"),
    }
    from transforms.scoring import score_customers

    def with_scores(frame: pl.DataFrame, which: int) -> pl.DataFrame:
        figures = frame.with_columns(
            pl.lit(Decimal(values[which])).cast(frame.schema[values[0]]).alias(values[0])
            for values in scored.values()
        )
        return score_customers(figures.lazy(), POLICY).select(frame.columns).collect()

    now = with_scores(ratings({"effective_tier": "core", "segment": "core"}), 2)
    before = with_scores(shown({}), 1)
    data = body(tell(now, before).events[0])["data"]
    points = [Decimal(driver["points"]) for driver in data["drivers"]]
    assert sum(points) == Decimal(data["score_to"]) - Decimal(data["score_from"]) != 0
    assert points == sorted(points, key=lambda each: -abs(each))
    volume = next(driver for driver in data["drivers"] if driver["term"] == "volume")
    assert (volume["value_from"], volume["value_to"]) == ("100000.0000", "250000.0000")


def test_what_is_not_assessed_is_named_with_its_reason():
    row = {
        "effective_tier": "core",
        "segment": "core",
        "unassessed": "feedback: not_delivered, potential: no_peers",
    }
    (event,) = tell(ratings(row), shown({})).events
    assert body(event)["data"]["unassessed"] == [
        {"measure": "feedback", "reason": "not_delivered"},
        {"measure": "potential", "reason": "no_peers"},
    ]


def test_a_first_rating_moves_from_nowhere():
    (event,) = tell(ratings({"customer_id": "C9"}), shown({})).events
    data = body(event)["data"]
    assert (data["from_tier"], data["from_rank"], data["segment_from"], data["drivers"]) == (
        None,
        None,
        None,
        [],
    )


def test_a_baseline_is_silent():
    row = {
        "cause": "baseline",
        "watch_tier": "core",
        "watch_direction": "up",
        "watch_deadline": date(2024, 8, 31),
    }
    assert tell(ratings(row), None).events == []


def test_a_correction_names_what_it_supersedes():
    row = {"effective_tier": "core", "segment": "core", "cause": "correction"}
    told = tell(ratings(row), shown({}), told_before={("1000", "C1"): "the-one-before"})
    assert body(told.events[0])["data"]["supersedes"] == "the-one-before"
    assert told.tier_changes["supersedes"].to_list() == ["the-one-before"]


def test_only_a_correction_supersedes():
    told = tell(*RISEN, told_before={("1000", "C1"): "the-one-before"})
    assert body(told.events[0])["data"]["supersedes"] is None


UP = {
    "watch_tier": "core",
    "watch_direction": "up",
    "watch_gap": "1 of 2",
    "watch_deadline": date(2024, 6, 30),
}


def test_a_move_that_is_expected_is_told_with_gap_and_deadline():
    (event,) = tell(ratings(UP), shown({})).events
    data = body(event)["data"]
    assert event.type == WATCH
    assert data["expected"] == {"tier": "core", "direction": "up", "gap": "1 of 2", "deadline": "2024-06-30"}
    assert (data["tier"], data["rank"], data["expected_before"]) == ("cultivate", 4, None)


def test_a_move_that_is_still_expected_is_not_told_again():
    drifted = UP | {"watch_gap": "2 of 2", "watch_deadline": date(2024, 7, 31)}
    assert tell(ratings(drifted), shown(UP)).events == []


def test_a_move_that_is_no_longer_expected_is_told():
    (event,) = tell(ratings({}), shown(UP)).events
    assert body(event)["data"]["expected"] is None
    assert body(event)["data"]["expected_before"]["tier"] == "core"


def test_a_move_that_came_is_told_before_the_watch_that_ended():
    told = tell(ratings({"effective_tier": "core", "segment": "core"}), shown(UP))
    assert [event.type for event in told.events] == [CHANGED, WATCH]


def corrected(*periods: dict[str, Any], customer: str = "C1") -> pl.DataFrame:
    usual = {
        "period": date(2024, 2, 1), "revision": 2, "from_tier": "core", "to_tier": "cultivate",
        "segment_from": "core", "segment_to": "cultivate",
    }  # fmt: skip
    return pl.DataFrame(
        {"company_code": ["1000"], "customer_id": [customer], "periods": [[usual | each for each in periods]]}
    )


def correct(frame: pl.DataFrame) -> list[Event]:
    return correction_events(frame, POLICY, tenant="default", as_of=date(2024, 6, 2), recorded_at=RECORDED_AT)


def test_corrected_periods_are_one_event_a_customer_and_run():
    march = corrected({"period": date(2024, 3, 1), "revision": 3})
    events = correct(pl.concat([march, corrected({}), corrected({}, customer="C2")]))
    assert [event.customer_id for event in events] == ["C1", "C2"]
    data = body(events[0])["data"]
    assert [(each["period"], each["revision"], each["supersedes"]) for each in data["periods"]] == [
        ("2024-02-01", 2, "2024-02.0001"),
        ("2024-03-01", 3, "2024-03.0002"),
    ]
    assert data["state_version"] == "2024-03.0003"


def test_the_order_in_which_periods_are_listed_makes_no_other_event():
    periods = [{"period": date(2024, 2, 1)}, {"period": date(2024, 3, 1)}]
    assert correct(corrected(*periods))[0].event_id == correct(corrected(*reversed(periods)))[0].event_id


def test_a_correction_of_a_correction_is_another_event():
    assert correct(corrected({}))[0].event_id != correct(corrected({"revision": 3}))[0].event_id


def test_a_correction_of_decades_stays_within_what_receivers_take():
    periods = [{"period": date(1980 + n // 12, 1 + n % 12, 1)} for n in range(480)]
    (event,) = correct(corrected(*periods))
    data = body(event)["data"]
    assert len(event.body(1).encode()) < LARGEST
    assert len(data["periods"]) == MOST_PERIODS
    assert data["earlier_periods"] == 480 - MOST_PERIODS
    assert data["periods"][-1]["period"] == "2019-12-01"


def credit(**actions: str) -> pl.DataFrame:
    """The watch of customers with these actions; a warning stands on whom sales on credit are not open to."""
    numbers = {name: 0 for name, kind in CREDIT_WATCH.items() if kind.is_numeric()}
    rows = [
        dict.fromkeys(CREDIT_WATCH.names())
        | numbers
        | {"company_code": "1000", "customer_id": customer, "as_of": date(2024, 6, 2), "credit_action": action,
           "open_balance": Decimal("41210.5"), "credit_limit": None, "group_id": None, "group_headroom": None,
           "warning_since": None if action == "open" else date(2024, 6, 1)}
        for customer, action in actions.items()
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=CREDIT_WATCH, orient="row")


def standing(action: str, **warning: Any) -> pl.DataFrame:
    """The watch of one customer with this action, and with a warning or none."""
    return credit(C1=action).with_columns(pl.lit(value).alias(name) for name, value in warning.items())


def warn(
    before: pl.DataFrame, after: pl.DataFrame, told_before: dict[tuple[str, str], str] | None = None
) -> list[Event]:
    return credit_events(
        before, after, POLICY, tenant="default", as_of=date(2024, 6, 2), recorded_at=RECORDED_AT,
        told_before=told_before or {},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("open", "open", []),
        ("stop", "stop", []),
        ("open", "watch", ["raised"]),
        ("watch", "stop", ["raised"]),
        ("stop", "watch", ["raised"]),
        ("stop", "open", ["cleared"]),
    ],
)
def test_a_credit_warning_is_told_when_it_begins_when_the_action_changes_and_when_it_ends(
    before: str, after: str, expected: list[str]
):
    events = warn(credit(C1=before), credit(C1=after))
    assert [event.type.split(".")[-2] for event in events] == expected


def test_an_early_warning_is_told_though_sales_stay_open():
    warned = {"warning_since": date(2024, 6, 2), "warning_causes": "utilisation",
              "warning_reason": "utilisation 0.92 from 0.9 on"}  # fmt: skip
    (event,) = warn(standing("open"), standing("open", **warned))
    data = body(event)["data"]
    assert (data["credit_action"], data["warning_causes"]) == ("open", "utilisation")
    assert (data["warning_since"], data["warning_reason"]) == ("2024-06-02", "utilisation 0.92 from 0.9 on")


def test_an_action_that_changes_by_cents_warns_nobody():
    assert warn(standing("open"), standing("watch", warning_since=None)) == []


def test_a_warning_that_waits_to_be_cleared_tells_that_sales_are_open_and_then_that_it_ended():
    waits = standing("open", warning_since=date(2024, 6, 1))
    assert [event.type.split(".")[-2] for event in warn(credit(C1="stop"), waits)] == ["raised"]
    (cleared,) = warn(waits, standing("open"))
    assert cleared.type.endswith("cleared.v1")
    assert body(cleared)["data"]["warning_since"] == "2024-06-01"


def test_a_customer_that_owes_for_the_first_time_was_open_before():
    (event,) = warn(credit(C2="open"), credit(C1="prepay", C2="open"))
    data = body(event)["data"]
    assert (data["credit_action_from"], data["credit_action"]) == ("open", "prepay")
    assert (data["open_balance"], data["credit_limit"]) == ("41210.5000", None)


def test_a_first_credit_watch_is_a_silent_baseline():
    assert warn(credit(), credit(C1="stop")) == []


def test_a_customer_that_owes_no_more_is_cleared():
    (event,) = warn(credit(C1="stop"), credit())
    assert event.type.endswith("cleared.v1")


def test_a_warning_that_comes_back_on_the_same_day_is_another_one():
    first = warn(credit(C1="open"), credit(C1="stop"))[0]
    cleared = warn(credit(C1="stop"), credit(C1="open"), {("1000", "C1"): first.event_id})[0]
    second = warn(credit(C1="open"), credit(C1="stop"), {("1000", "C1"): cleared.event_id})[0]
    assert first.event_id != second.event_id


def findings(*rows: dict[str, Any]) -> pl.DataFrame:
    usual = {
        "company_code": "1000",
        "customer_id": "C1",
        "kind": "diversion",
        "as_of": date(2024, 6, 2),
        "confidence": "none",
    }
    filled = [dict.fromkeys(CONDUCT_FINDING.names()) | usual | row for row in rows]
    return pl.DataFrame(filled, schema=CONDUCT_FINDING, orient="row")


def judge(
    before: pl.DataFrame, after: pl.DataFrame, told_before: dict[tuple[str, str], str] | None = None
) -> list[Event]:
    return conduct_events(
        before, after, POLICY, tenant="default", as_of=date(2024, 6, 2), recorded_at=RECORDED_AT,
        told_before=told_before or {},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("none", "none", []),
        ("none", "suspected", ["flagged"]),
        ("not_assessable", "confirmed", ["flagged"]),
        ("suspected", "suspected", []),
        ("suspected", "confirmed", ["flagged"]),
        ("confirmed", "suspected", ["flagged"]),
        ("confirmed", "none", ["cleared"]),
        ("suspected", "not_assessable", ["cleared"]),
        ("none", "not_assessable", []),
    ],
)
def test_misconduct_is_told_when_it_appears_changes_or_ends(before: str, after: str, expected: list[str]):
    events = judge(findings({"confidence": before}), findings({"confidence": after}))
    assert [event.type.split(".")[-2] for event in events] == expected


def test_our_own_concession_is_nothing_a_customer_is_flagged_for():
    own = {"kind": "own_below_floor"}
    assert judge(findings(own), findings(own | {"confidence": "own_concession"})) == []


def test_first_findings_are_a_silent_baseline():
    assert judge(findings(), findings({"confidence": "confirmed"})) == []


def test_a_new_customer_s_finding_is_told_with_its_evidence():
    found = {
        "customer_id": "C2",
        "confidence": "confirmed",
        "value": Decimal("0.4123"),
        "evidence": "photo 12",
    }
    (event,) = judge(findings({}), findings({}, found))
    data = body(event)["data"]
    assert (data["kind"], data["confidence_from"], data["confidence"]) == ("diversion", None, "confirmed")
    assert (data["value"], data["evidence"]) == ("0.412300", "photo 12")


def test_who_is_judged_no_more_is_cleared():
    (event,) = judge(
        findings({"confidence": "suspected"}, {"customer_id": "C2"}), findings({"customer_id": "C2"})
    )
    assert event.type.endswith("conduct.cleared.v1")
    assert body(event)["data"]["confidence"] is None


def test_each_kind_of_misconduct_is_an_event_of_its_own():
    flagged = [{"kind": kind, "confidence": "suspected"} for kind in ("dumping", "arrears")]
    events = judge(findings({}), findings(*flagged))
    assert [body(event)["data"]["kind"] for event in events] == ["arrears", "dumping"]
    assert len({event.event_id for event in events}) == 2


def test_a_finding_that_comes_back_on_the_same_day_is_another_one():
    clean, bad = findings({}), findings({"confidence": "suspected"})
    first = judge(clean, bad)[0]
    cleared = judge(bad, clean, {("1000", "C1"): first.event_id})[0]
    second = judge(clean, bad, {("1000", "C1"): cleared.event_id})[0]
    assert first.event_id != second.event_id


def test_free_text_of_any_length_fits():
    row = {"override_tier": "core", "override_owner": "m.keller", "override_reason": "ü" * 200_000,
           "override_valid_to": date(2024, 12, 31), "effective_tier": "core", "segment": "core"}  # fmt: skip
    (event,) = tell(ratings(row), shown({})).events
    assert len(event.body(1).encode()) < LARGEST
    assert body(event)["data"]["reasons"].endswith("…")


def test_an_event_that_no_receiver_is_bound_to_take_is_refused():
    (event,) = tell(ratings({"customer_id": "C" * 40_000}), shown({})).events
    with pytest.raises(EventTooLargeError, match="are too many"):
        event.body(1)


@pytest.mark.parametrize("data", DATA_TYPES, ids=lambda data: data.type)
def test_the_committed_schema_is_that_of_the_model(data: type):
    assert schema_path(data).read_text(encoding="utf-8") == schema_text(data), "run `make docs`"
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text(data)))


def one_of_each() -> list[Event]:
    row = UP | {
        "effective_tier": "core",
        "segment": "core",
        "unassessed": "feedback: not_delivered",
        "watch_tier": "strategic",
    }
    return [
        *tell(ratings(row), shown({})).events,
        *warn(credit(C1="open", C2="stop"), credit(C1="stop", C2="open")),
        *judge(
            findings({}, {"customer_id": "C2", "confidence": "confirmed"}),
            findings({"confidence": "suspected", "value": Decimal("0.5")}, {"customer_id": "C2"}),
        ),
        *correct(corrected({})),
    ]


def test_what_is_sent_is_what_its_schema_says():
    events = one_of_each()
    assert {event.type for event in events} == {data.type for data in DATA_TYPES}
    for event in events:
        schema = json.loads(schema_path(type(event.data)).read_text(encoding="utf-8"))
        envelope = body(event)
        assert envelope["dataschema"] == schema["$id"]
        jsonschema.validate(envelope["data"], schema, jsonschema.Draft202012Validator)


def test_no_figure_is_sent_as_a_binary_fraction():
    def floats(value: object) -> bool:
        if isinstance(value, dict):
            return any(floats(each) for each in value.values())
        return any(floats(each) for each in value) if isinstance(value, list) else isinstance(value, float)

    assert not any(floats(body(event)) for event in one_of_each())


def test_instants_are_aware_for_the_outbox():
    (event,) = tell(*RISEN).events
    assert event.time == datetime(2024, 6, 2, tzinfo=UTC)
    assert event.recorded_at == RECORDED_AT.replace(tzinfo=UTC)
