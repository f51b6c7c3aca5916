"""What a policy may say, and what a person is told who wrote something else."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from tests.unit.transforms.small_worlds import POLICIES, policy, policy_content
from transforms.measures.descriptor import MEASURES
from transforms.policy.model import Policy, PolicyError, in_force, parse_policy

SHIPPED = sorted(POLICIES.glob("*.toml"))


def problems(**changes: Any) -> str:
    with pytest.raises(PolicyError) as caught:
        policy(**changes)
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_policy_parses_and_is_named_as_its_file(path) -> None:
    shipped = parse_policy(path.read_text(encoding="utf-8"))
    assert shipped.id == path.stem
    assert shipped.version == "1.0.0"
    assert shipped.measures.total_weight == 100


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_line_of_a_shipped_policy_that_sets_a_threshold_gives_its_reason(path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    thresholds = lines[lines.index("[measures.volume]                  # scores net_sales_12m") :]
    reasonless = [line for line in thresholds if re.match(r"\w+ = [^#]*$", line)]
    assert reasonless == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_who_stopped_buying_is_still_rated_under_a_shipped_policy(path) -> None:
    shipped = parse_policy(path.read_text(encoding="utf-8"))
    volume_and_loyalty = shipped.measures.volume.weight + shipped.measures.loyalty.weight
    assert volume_and_loyalty / shipped.measures.total_weight >= shipped.segments.coverage_floor


def test_a_policy_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        policy().segments.loyalty_from = Decimal(1)  # type: ignore[misc]


def test_a_number_is_what_was_written() -> None:
    assert policy().segments.loyalty_from == Decimal("0.6")
    text = (POLICIES / "default.toml").read_text(encoding="utf-8")
    assert parse_policy(
        text.replace("volume_high_from = 150000", 'volume_high_from = "150000.05"')
    ).segments == (policy(segments__volume_high_from=Decimal("150000.05")).segments)


def test_the_hash_is_that_of_the_content_not_of_how_it_was_written() -> None:
    content = policy_content()
    shuffled = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in reversed(content.items())
    }
    shuffled["segments"]["loyalty_from"] = "0.600"
    shuffled["segments"]["volume_high_from"] = Decimal("1.5E+5")
    assert parse_policy(shuffled).content_hash == policy().content_hash
    assert len(policy().content_hash) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"segments__loyalty_from": Decimal("0.61")},
        {"policy__version": "1.0.1"},
        {"measures__influence__breakpoints": [[0, 0], [50, 50], [100, 100]]},
        {"events__baseline_events": True},
    ],
)
def test_every_change_changes_the_hash(change: dict[str, Any]) -> None:
    assert policy(**change).content_hash != policy().content_hash


def test_a_text_that_is_not_toml_is_told_with_its_line() -> None:
    with pytest.raises(PolicyError, match=r"not TOML.*line 2"):
        parse_policy("[policy]\nid = \n")


def test_a_mistyped_key_is_told_with_the_one_that_was_meant() -> None:
    content = policy_content()
    content["segments"]["volume_hihg_from"] = content["segments"].pop("volume_high_from")
    with pytest.raises(PolicyError) as caught:
        parse_policy(content)
    missing, unknown = caught.value.problems
    assert missing.startswith("segments.volume_high_from: is missing")
    assert unknown.startswith(
        "segments.volume_hihg_from: is not a key of a policy; did you mean 'volume_high_from'?"
    )
    assert "Allowed here: volume_high_from, loyalty_from" in unknown


def test_every_fault_is_told_at_once() -> None:
    assert len(problems(policy__version="1", memory__margin=1, segments__loyalty_from=2).splitlines()) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"measures__volume__weight": -1}, "measures.volume.weight: is -1; it must be at least 0"),
        ({"measures__volume__weight": 0.5}, "0.5, a binary fraction"),
        ({"measures__volume__weight": "much"}, "'much'; a decimal number is expected"),
        ({"measures__volume__weight": Decimal("NaN")}, "a finite number is expected"),
        ({"measures__volume__weight": True}, "not a number"),
        ({"measures__volume__breakpoints": [[0, 0]]}, "has 1 entries; at least 2 are needed"),
        (
            {"measures__volume__breakpoints": [[0, 0], [0, 5]]},
            "must rise strictly from point to point; 0 follows 0",
        ),
        (
            {"measures__volume__breakpoints": [[0, 9], [1, 5]]},
            "must not fall as its measure rises; 5 (at 1) follows 9",
        ),
        (
            {"measures__volume__breakpoints": [[0, 0], [1, 101]]},
            "breakpoints[2][2]: is 101; it must be at most 100",
        ),
        ({"segments__loyalty_from": Decimal("0.1234567")}, "at most 6 decimal places are kept"),
        ({"segments__volume_high_from": Decimal("1.00001")}, "at most 4 decimal places are kept"),
        ({"segments__new_below_months": "6"}, "'6'; a whole number is expected"),
        ({"segments__new_below_months": 13}, "is 13; it must be at most 12"),
        ({"steadiness__min_months": 1}, "is 1; it must be at least 2"),
        ({"steadiness__x_cv_max": 2}, "y_cv_max (1) must not be below x_cv_max (2)"),
        ({"loyalty__lost_from": 1}, "lost_from (1) must be more than timely_until (1)"),
        ({"loyalty__p_alive": "scored"}, 'more than 0 exactly when p_alive = "scored"'),
        ({"loyalty__p_alive": "yes"}, "allowed are 'off', 'shown' or 'scored'"),
        ({"loyalty__weights__active_months": 0}, "weights.active_months must be more than 0"),
        ({"gates__loss_making": "strategic"}, "gates.loss_making: is 'strategic'; allowed are 'core'"),
        ({"memory__down_after": 1, "memory__up_after": 2}, "down_after (1) must not be below up_after (2)"),
        ({"memory__margin": 1}, "memory.margin: is 1; it must be less than 1"),
        ({"credit__grades__overdue_share": [1, 2, 3]}, "credit.grades.overdue_share"),
        ({"credit__grades__overdue_share": [4, 3, 2, 1]}, "must not fall; they are 4, 3, 2, 1"),
        ({"credit__grace_days": 91}, "grace_days (91) must not be more than severe_days (90)"),
        ({"credit__grace_days": -1}, "credit.grace_days: is -1; it must be at least 0"),
        ({"credit__habit_min_items": 0}, "credit.habit_min_items: is 0; it must be at least 1"),
        (
            {"credit__warnings__clear_at__days_late_p90_12m": 21},
            "clear_at.days_late_p90_12m (21) must be milder than raise_from.days_late_p90_12m (21)",
        ),
        ({"credit__action_by_grade__A": "stop"}, "a worse grade must not get a milder action"),
        (
            {"credit__warnings__clear_at__grade": "C"},
            "clear_at.grade (C) must be milder than raise_from.grade (C)",
        ),
        ({"credit__warnings__clear_at__action": "stop"}, "or warnings would flicker"),
        ({"credit__warnings__clear_at__utilisation": Decimal("0.9")}, "or warnings would flicker"),
        ({"conduct__arrears__periods": 7}, "periods (7) must not be more than of_periods (6)"),
        ({"events__baseline_events": 0}, "events.baseline_events: is 0; true or false is expected"),
        ({"policy__version": "1.0"}, "policy.version: is '1.0'; it must look like"),
        ({"policy__effective_from": "2024-01-01"}, "a date such as 2024-01-31, without quotes is expected"),
        ({"events": 3}, "events: is 3; a section of keys is expected"),
    ],
)
def test_what_cannot_be_is_told_with_its_key_and_what_is_allowed(change: dict[str, Any], told: str) -> None:
    assert told in problems(**change)


def test_weights_that_weigh_nothing_are_refused() -> None:
    nothing = {f"measures__{measure.name}__weight": 0 for measure in MEASURES}
    assert "measures: at least one weight must be more than 0" in problems(**nothing)


def test_the_coverage_floor_may_be_the_weight_of_volume_steadiness_and_loyalty_and_no_more() -> None:
    assert policy(segments__coverage_floor=Decimal("0.55")).segments.coverage_floor == Decimal("0.55")
    assert "must be at most 0.550000" in problems(segments__coverage_floor=Decimal("0.550001"))


def effective(since: date, name: str = "default") -> Policy:
    return policy(policy__effective_from=since, policy__id=name)


@pytest.mark.parametrize(
    ("day", "ruling"),
    [
        (date(2025, 7, 31), "new"),  # effective within the month that ends then
        (date(2025, 6, 30), "second"),
        (date(2024, 12, 31), "first"),
        (date(2019, 12, 31), "new"),  # nothing was in force then: what is configured rules
    ],
)
def test_a_policy_rules_from_its_effective_date_and_the_one_before_until_then(day, ruling):
    used = [effective(date(2020, 1, 1), "first"), effective(date(2025, 1, 1), "second")]
    configured = effective(date(2025, 7, 15), "new")
    assert in_force(configured, [*used, configured], day).id == ruling


def test_what_is_configured_and_effective_rules_whatever_ruled_before():
    configured = effective(date(2020, 1, 1), "back_again")
    assert in_force(configured, [effective(date(2025, 1, 1))], date(2025, 6, 30)) is configured
