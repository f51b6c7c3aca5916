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

from flows.codegen.event_schemas import schema_path, schema_text
from flows.events.build import (
    EventContext,
    conduct_events,
    correction_events,
    credit_events,
    decline_events,
)
from flows.events.types import (
    DATA_TYPES,
    LARGEST,
    MOST_PERIODS,
    SUPERSEDED,
    Event,
    EventTooLargeError,
    TierChangedV1,
    TierWatchV1,
)
from flows.pipeline.rate import default_policy
from flows.pipeline.telling import events_of
from flows.wording.reasons import with_text
from transforms.frames.reasons import SLOTS
from transforms.frames.schemas import CONDUCT_FINDING, CREDIT_WATCH, CUSTOMER_VALUE_HISTORY
from transforms.policy.model import parse_policy
from transforms.rating.events import (
    EMITTED,
    NOTHING,
    SILENT,
    WARNING,
    correction_changes,
    held_by_conduct,
    held_by_credit,
    held_by_decline,
    held_by_rating,
    is_emitted,
    to_emit,
)
from transforms.rating.revisions import REVISION

POLICY = parse_policy(default_policy())
RECORDED_AT = datetime(2024, 6, 3, 2, 10)  # naive UTC, as the pipeline writes it
CHANGED = "valuemart.customer.tier.changed.v2"
WATCH = "valuemart.customer.tier.watch.v2"


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
        "speculative": 2,
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
        with_text(ratings(*(of_april | row for row in rows)))
        .with_columns(recorded_at=pl.lit(RECORDED_AT))
        .select(CUSTOMER_VALUE_HISTORY.names())
    )


def context(tenant: str = "default", recorded_at: datetime = RECORDED_AT) -> EventContext:
    return EventContext(tenant, date(2024, 6, 2), recorded_at, POLICY)


NOBODY = pl.DataFrame(schema=EMITTED)
NO_CREDIT, NO_CONDUCT = pl.DataFrame(schema=CREDIT_WATCH), pl.DataFrame(schema=CONDUCT_FINDING)
Ids = dict[tuple[str, str], str]


def emitted_before(
    held: pl.LazyFrame, event_ids: Ids | None = None, ended: str | None = None
) -> pl.DataFrame:
    """What held, as it was told: by these events, or silently; with `ended`, the events told that this kind had ended."""
    rows = [
        {
            **row,
            "emitted": row["holds"],
            "event_id": (event_ids or {}).get((row["company_code"], row["customer_id"]), SILENT),
        }
        for row in held.collect().to_dicts()
    ]
    if ended and not rows:
        whose = [dict(zip(("company_code", "customer_id"), each, strict=True)) for each in event_ids or {}]
        rows = [
            {
                **each,
                "kind": ended,
                "emitted": NOTHING,
                "since": date(2024, 6, 1),
                "event_id": (event_ids or {})[tuple(each.values())],
            }
            for each in whose
        ]
    filled = [{**dict.fromkeys(EMITTED.names()), **row, "state_version": 1} for row in rows]
    return pl.DataFrame(
        [{name: row[name] for name in EMITTED.names()} for row in filled], schema=EMITTED, orient="row"
    )


def tell(
    now: pl.DataFrame,
    before: pl.DataFrame | None,
    of: EventContext | None = None,
    previous_event_ids: Ids | None = None,
    *,
    beside: bool = False,
) -> list[Event]:
    """What is told of ratings after those before were told; None: nothing was. Without the events of superseded types, unless they are asked for."""
    told = NOBODY if before is None else emitted_before(held_by_rating(before.lazy()), previous_event_ids)
    news = to_emit(held_by_rating(now.lazy()), told.lazy(), context().as_of)
    news = news.filter(is_emitted(POLICY, is_baseline=before is None)).collect()
    shown_before = with_text(now).clear() if before is None else before
    events = events_of(
        news, shown_before, shown_before, with_text(now), NO_CREDIT, NO_CONDUCT, of or context()
    )
    return [event for _, each in events for event in each if beside or event.type not in SUPERSEDED]


def body(event: Event, sequence: int = 1) -> dict[str, Any]:
    return json.loads(event.body(sequence))


RISEN = (ratings({"effective_tier": "core", "segment": "core"}), shown({}))


def test_a_move_is_told_with_both_tiers_and_their_ranks():
    (event,) = tell(*RISEN)
    data = body(event)["data"]
    assert event.type == CHANGED
    assert (data["from_tier"], data["from_rank"], data["to_tier"], data["to_rank"], data["direction"]) == (
        "cultivate", 4, "core", 5, "up",
    )  # fmt: skip
    assert (data["segment_from"], data["segment_to"], data["period"]) == ("cultivate", "core", "2024-05-01")


def test_who_stays_is_not_told():
    assert tell(ratings({}), shown({})) == []


def test_the_envelope_is_cloudevents():
    (event,) = tell(*RISEN)
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
    (event,) = tell(*RISEN)
    text = event.body(1)
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_a_tenant_is_written_as_a_uri_wants_it():
    told = tell(*RISEN, context(tenant="nord süd"))
    assert body(told[0])["source"] == "/valuemart/nord%20s%C3%BCd"


def test_the_same_difference_has_the_same_id_whenever_it_is_written_down_and_under_whichever_policy_text():
    now, before = RISEN
    again = tell(
        now.with_columns(revision=pl.lit(2, dtype=pl.Int32)),
        before,
        context(recorded_at=datetime(2024, 6, 21)),
    )
    assert again[0].event_id == tell(now, before)[0].event_id


@pytest.mark.parametrize(
    "other",
    [
        {"company_code": "2000"},
        {"customer_id": "C2"},
        {"as_of": date(2024, 6, 20)},
        {"effective_tier": "strategic"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_another_customer_value_or_day_makes_another_id(other: dict[str, Any]):
    facts = {"effective_tier": "core", "segment": "core"}
    whose = {name: value for name, value in other.items() if name in {"company_code", "customer_id"}}
    first = tell(ratings(facts), shown({}))[0]
    second = tell(ratings(facts | other), shown(whose))[0]
    assert first.event_id != second.event_id


def test_what_was_told_before_makes_another_id_so_that_what_comes_back_is_told_again():
    now, before = RISEN
    ids = {
        tell(now, before, previous_event_ids={("1000", "C1"): each})[0].event_id
        for each in ("one", "another")
    }
    assert len({*ids, tell(now, before)[0].event_id}) == 3


def test_another_tenant_makes_another_id():
    ids = {tell(*RISEN, context(tenant))[0].event_id for tenant in ("north", "south")}
    assert len(ids) == 2


def test_events_come_in_the_order_of_customers_whatever_the_order_of_rows():
    rows = [{"customer_id": f"C{n}", "effective_tier": "core", "segment": "core"} for n in (3, 1, 2)]
    told = tell(ratings(*rows), shown(*({"customer_id": row["customer_id"]} for row in rows)))
    assert [event.customer_id for event in told] == ["C1", "C2", "C3"]


def test_drivers_sum_to_the_change_of_the_score_exactly():
    scored = {
        "volume": ("net_sales_12m", "100000.0000", "250000.0000"),
        "steadiness": ("steadiness", "0.300000", "0.713111"),
        "loyalty": ("loyalty", "0.900000", "0.400000"),
    }
    from transforms.scoring.scores import score_customers

    def with_scores(frame: pl.DataFrame, which: int) -> pl.DataFrame:
        figures = frame.with_columns(
            pl.lit(Decimal(values[which])).cast(frame.schema[values[0]]).alias(values[0])
            for values in scored.values()
        )
        return score_customers(figures.lazy(), POLICY).select(frame.columns).collect()

    now = with_scores(ratings({"effective_tier": "core", "segment": "core"}), 2)
    before = with_scores(shown({}), 1)
    data = body(tell(now, before)[0])["data"]
    points = [Decimal(driver["points"]) for driver in data["drivers"]]
    assert sum(points) == Decimal(data["score_to"]) - Decimal(data["score_from"]) != 0
    assert points == sorted(points, key=lambda each: -abs(each))
    volume = next(driver for driver in data["drivers"] if driver["term"] == "volume")
    assert (volume["value_from"], volume["value_to"]) == ("100000.0000", "250000.0000")


def test_what_is_not_assessed_is_named_with_its_reason():
    row = {
        "effective_tier": "core",
        "segment": "core",
        "feedback_reason": "not_delivered",
        "headroom_reason": "no_peers",
    }
    (event,) = tell(ratings(row), shown({}))
    assert body(event)["data"]["unassessed"] == [
        {"measure": "feedback", "reason": "not_delivered"},
        {"measure": "potential", "reason": "no_peers"},
    ]


def test_a_first_rating_moves_from_nowhere():
    (event,) = tell(ratings({"customer_id": "C9"}), shown({}))
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
    assert tell(ratings(row), None) == []


def test_a_correction_names_what_it_supersedes():
    row = {"effective_tier": "core", "segment": "core", "cause": "correction"}
    told = tell(ratings(row), shown({}), previous_event_ids={("1000", "C1"): "the-one-before"})
    assert body(told[0])["data"]["supersedes"] == "the-one-before"


def test_only_a_correction_supersedes():
    told = tell(*RISEN, previous_event_ids={("1000", "C1"): "the-one-before"})
    assert body(told[0])["data"]["supersedes"] is None


def gap(counted: int) -> list[dict[str, Any]]:
    """How far a move up is, as the rating gives it."""
    return [dict.fromkeys(SLOTS) | {"code": "run_up", "counted": counted, "out_of": 2, "label": "core"}]


UP = {
    "watch_tier": "core",
    "watch_direction": "up",
    "watch_gap": gap(1),
    "watch_deadline": date(2024, 6, 30),
}


def test_a_move_that_is_expected_is_told_with_gap_and_deadline():
    (event,) = tell(ratings(UP), shown({}))
    data = body(event)["data"]
    assert event.type == WATCH
    assert data["expected"] == {
        "tier": "core",
        "direction": "up",
        "gap": "1 of 2 periods up to core",
        "deadline": "2024-06-30",
    }
    assert (data["tier"], data["rank"], data["expected_before"]) == ("cultivate", 4, None)


def test_a_move_that_is_still_expected_is_not_told_again():
    drifted = UP | {"watch_gap": gap(2), "watch_deadline": date(2024, 7, 31)}
    assert tell(ratings(drifted), shown(UP)) == []


def test_a_move_that_is_no_longer_expected_is_told():
    (event,) = tell(ratings({}), shown(UP))
    assert body(event)["data"]["expected"] is None
    assert body(event)["data"]["expected_before"]["tier"] == "core"


def test_a_move_that_came_is_told_before_the_watch_that_ended():
    told = tell(ratings({"effective_tier": "core", "segment": "core"}), shown(UP))
    assert [event.type for event in told] == [CHANGED, WATCH]


def corrected(*periods: dict[str, Any], customer: str = "C1") -> pl.DataFrame:
    usual = {
        "period": date(2024, 2, 1), "revision": 2, "from_tier": "core", "to_tier": "cultivate",
        "segment_from": "core", "segment_to": "cultivate",
    }  # fmt: skip
    return pl.DataFrame(
        {"company_code": ["1000"], "customer_id": [customer], "periods": [[usual | each for each in periods]]}
    )


def correct(frame: pl.DataFrame) -> list[Event]:
    return correction_events(correction_changes(frame.lazy()).collect(), context())


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


def warn(before: pl.DataFrame, after: pl.DataFrame, previous: Ids | None = None) -> list[Event]:
    told = emitted_before(held_by_credit(before.lazy()), previous, WARNING)
    news = to_emit(held_by_credit(after.lazy()), told.lazy(), context().as_of).collect()
    return [event for _, each in credit_events(news, after, context()) for event in each]


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


def judge(before: pl.DataFrame, after: pl.DataFrame, previous: Ids | None = None) -> list[Event]:
    told = emitted_before(held_by_conduct(before.lazy()), previous, "conduct.diversion")
    news = to_emit(held_by_conduct(after.lazy()), told.lazy(), context().as_of).collect()
    return [event for _, each in conduct_events(news, after, context()) for event in each]


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
    (event,) = tell(ratings(row), shown({}))
    assert len(event.body(1).encode()) < LARGEST
    assert body(event)["data"]["reasons"].endswith("…")


def test_an_event_that_no_receiver_is_bound_to_take_is_refused():
    (event,) = tell(ratings({"customer_id": "C" * 40_000}), shown({}))
    with pytest.raises(EventTooLargeError, match="are too many"):
        event.body(1)


@pytest.mark.parametrize("data", DATA_TYPES, ids=lambda data: data.type)
def test_the_committed_schema_is_that_of_the_model(data: type):
    assert schema_path(data).read_text(encoding="utf-8") == schema_text(data), "run `make docs`"
    jsonschema.Draft202012Validator.check_schema(json.loads(schema_text(data)))


FALLS = {
    "decline_state": "declining",
    "decline_since": date(2024, 5, 1),
    "decline_stake": Decimal("12000.5"),
    "decline_reason": [{"code": "pace_of_sales", "value": Decimal("0.5"), "counted": 3}],
    "pace_ratio": Decimal("0.5"),
    "days_since_last_order": 12,
}
CALM = {"decline_state": "none"}


def decline(before: dict[str, Any], after: dict[str, Any]) -> list[Event]:
    told = emitted_before(held_by_decline(shown(before).lazy()))
    now = with_text(ratings(after))
    news = to_emit(held_by_decline(now.lazy()), told.lazy(), context().as_of).collect()
    return [event for _, each in decline_events(news, now, context()) for event in each]


def test_a_decline_is_told_with_what_is_at_stake_and_why():
    (warned,) = decline(CALM, FALLS)
    data = body(warned)["data"]
    assert warned.type == "valuemart.customer.decline.warned.v1"
    assert (data["decline_state_from"], data["decline_state"]) == ("none", "declining")
    assert (data["decline_stake"], data["days_since_last_order"]) == ("12000.5000", 12)
    assert data["decline_reason"] == "net sales of 3 months 0.5 of a year before"
    (cleared,) = decline(FALLS, CALM)
    assert cleared.type == "valuemart.customer.decline.cleared.v1"
    assert body(cleared)["data"]["decline_state_from"] == "declining"
    assert decline(FALLS, FALLS) == []


def one_of_each() -> list[Event]:
    row = UP | {
        "effective_tier": "core",
        "segment": "core",
        "feedback_reason": "not_delivered",
        "watch_tier": "strategic",
    }
    return [
        *tell(ratings(row), shown({}), beside=True),
        *warn(credit(C1="open", C2="stop"), credit(C1="stop", C2="open")),
        *judge(
            findings({}, {"customer_id": "C2", "confidence": "confirmed"}),
            findings({"confidence": "suspected", "value": Decimal("0.5")}, {"customer_id": "C2"}),
        ),
        *decline(CALM, FALLS),
        *decline(FALLS, CALM),
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
    (event,) = tell(*RISEN)
    assert event.time == datetime(2024, 6, 2, tzinfo=UTC)
    assert event.recorded_at == RECORDED_AT.replace(tzinfo=UTC)


def test_a_move_is_told_as_the_type_before_tells_it_too_with_an_id_of_its_own():
    new, old = tell(*RISEN, beside=True)
    assert (new.type, old.type) == (CHANGED, TierChangedV1.type)
    assert new.event_id != old.event_id
    added = {"base_period", "net_sales_from", "net_sales_to", "contribution_from", "contribution_to",
             "quantity_effect_12m", "price_effect_12m"}  # fmt: skip
    told = body(new)["data"]
    assert body(old)["data"] == {name: told[name] for name in told if name not in added}


def test_to_the_other_kind_is_lateral_and_was_down_where_speculative_lay_below():
    now = ratings({"effective_tier": "speculative", "segment": "speculative"})
    new, old = tell(now, shown({"effective_tier": "marginal"}), beside=True)
    seen = [
        tuple(body(event)["data"][name] for name in ("direction", "from_rank", "to_rank"))
        for event in (new, old)
    ]
    assert seen == [("lateral", 2, 2), ("down", 2, 1)]


def test_a_lateral_move_that_is_expected_is_told_by_the_new_type_alone():
    aside = UP | {"watch_tier": "speculative", "watch_direction": "lateral"}
    (event,) = tell(ratings({"effective_tier": "marginal"} | aside), shown({}), beside=True)[2:]
    assert (event.type, body(event)["data"]["expected"]["direction"]) == (WATCH, "lateral")


def test_for_the_type_before_a_move_up_is_over_when_a_lateral_one_takes_its_place():
    of = {"effective_tier": "marginal"}
    aside = UP | {"watch_tier": "speculative", "watch_direction": "lateral"}
    new, old = tell(ratings(of | aside), shown(of | UP), beside=True)
    assert (new.type, old.type) == (WATCH, TierWatchV1.type)
    assert (body(old)["data"]["expected"], body(old)["data"]["expected_before"]["direction"]) == (None, "up")
