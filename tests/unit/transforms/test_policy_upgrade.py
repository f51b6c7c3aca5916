"""Policies of earlier schema versions: known by what was written in them, and computed with as they always were."""

from __future__ import annotations

import hashlib
import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import POLICIES
from transforms.policy.credit import CreditRule
from transforms.policy.identity import content_hash
from transforms.policy.model import Policy, PolicyError, is_outdated, parse_policy, policy_content
from transforms.policy.numbers import Money, Ratio, Section
from transforms.policy.upgrade import STEPS, Added, Removed, Step, newest, upgraded, upgraded_text

OF_1 = Path(__file__).parent / "policies_of_1"  # the shipped policies as version 1 had them
# What homes have stored: computed by the code that knew no other version, from its dump of the whole model.
HASHES_OF_1 = {
    "default": "8d95993caacad2dfcef6ce03a8534fc3e6aeb59737056a9e1356112141cf947c",
    "growth": "e44d9c9a75c51749e059836859ab61319cb13420e9987cb68e0dde31ed2bc431",
    "credit_strict": "67fc23a873910988db045aae0ce964927b3aefad1d1187f807d24bb1677fbf14",
}


class ChurnRule(Section):
    """A section that today's policies do not have."""

    warn_from: Ratio


class HarsherCredit(CreditRule):
    """The credit section with a key that today's policies do not have."""

    hopeless_amount: Money


class Next(Policy):
    """A policy of a schema version to come: a required key, a section, and a key that is gone."""

    credit: HarsherCredit
    churn: ChurnRule


TO_NEXT = Step(
    (
        Added(
            "credit.hopeless_amount",
            lambda old: old["credit"]["material_amount"],
            "material was severe enough",
        ),
        Added("churn", {"warn_from": Decimal("0.50")}, "nobody was warned of churn"),
        Removed("events.told_loudly", "every event is told alike"),
    )
)
NEXT_STEPS = (*STEPS, TO_NEXT)


def of_1(name: str = "default") -> str:
    return (OF_1 / f"{name}.toml").read_text(encoding="utf-8")


def parse_next(source: str | dict[str, Any]) -> Policy:
    return parse_policy(source, model=Next, steps=NEXT_STEPS)


def values(policy: Policy) -> dict[str, Any]:
    return policy.model_dump()


@pytest.mark.parametrize("name", HASHES_OF_1)
def test_a_policy_of_version_1_is_known_by_the_hash_that_homes_have_stored(name: str) -> None:
    policy = parse_policy(of_1(name))
    assert policy.content_hash == HASHES_OF_1[name]
    assert parse_policy("schema_version = 1\n" + of_1(name)).content_hash == HASHES_OF_1[name]
    assert (policy.written_version, policy.schema_version) == (1, newest())
    assert is_outdated(policy)


@pytest.mark.parametrize("name", HASHES_OF_1)
@pytest.mark.parametrize("version", range(1, newest() + 1))
def test_a_policy_of_each_version_that_was_released_is_read_and_rules_as_it_did(
    name: str, version: int
) -> None:
    text = upgraded_text(of_1(name), policy_content(of_1(name)), STEPS[: version - 1])
    policy = parse_policy(text)
    assert (policy.written_version, policy.schema_version) == (version, newest())
    assert values(policy) == values(parse_policy(of_1(name)))


def test_a_policy_of_version_2_need_not_state_what_version_3_asks_for() -> None:
    of_2 = {**policy_content(of_1()), "schema_version": 2}
    assert parse_policy(of_2).gates.erp_block == "off"
    with pytest.raises(PolicyError, match=r"gates\.erp_block: is missing"):
        parse_policy({**of_2, "schema_version": 3})


def test_the_hash_of_version_1_tells_whole_numbers_from_others_as_it_always_did() -> None:
    written = {"memory": {"up_after": 3, "margin": Decimal("0.10")}, "gates": {"loss_making": "core"}}
    canonical = '{"gates":{"loss_making":"core"},"memory":{"margin":"0.1","up_after":3}}'
    assert content_hash(written, 1) == hashlib.sha256(canonical.encode()).hexdigest()


def test_an_upgrade_changes_the_model_and_never_the_hash() -> None:
    today, later = parse_policy(of_1()), parse_next(of_1())
    assert isinstance(later, Next)
    assert later.content_hash == today.content_hash == HASHES_OF_1["default"]
    assert later.credit.hopeless_amount == today.credit.material_amount
    assert later.churn.warn_from == Decimal("0.5")
    assert later.schema_version == newest(NEXT_STEPS) == newest() + 1


def test_a_policy_of_any_earlier_version_stays_computable_when_a_key_becomes_required() -> None:
    for text in (of_1(), (POLICIES / "default.toml").read_text(encoding="utf-8")):
        assert isinstance(parse_next(text), Next)
        with pytest.raises(PolicyError, match="hopeless_amount: is missing"):
            parse_policy(text, model=Next)


def test_of_the_newest_version_every_key_must_be_written() -> None:
    silent = upgraded(policy_content(of_1()), NEXT_STEPS)
    del silent["credit"]["hopeless_amount"]
    with pytest.raises(PolicyError, match=r"credit\.hopeless_amount: is missing"):
        parse_next(silent)


def test_a_key_of_a_newer_version_in_an_older_text_means_what_was_written() -> None:
    text = of_1().replace("\n[credit]\n", "\n[credit]\nhopeless_amount = 77\n")
    policy = parse_next(text)
    assert isinstance(policy, Next)
    assert policy.credit.hopeless_amount == 77
    assert policy.content_hash not in HASHES_OF_1.values()


def test_a_key_that_is_gone_is_taken_in_a_text_that_could_have_it_and_refused_in_one_that_could_not() -> None:
    told = "[events]\ntold_loudly = true\n"
    assert isinstance(parse_next(of_1().replace("[events]\n", told)), Next)
    current = upgraded_text(of_1(), policy_content(of_1()), NEXT_STEPS)
    with pytest.raises(PolicyError, match=r"events\.told_loudly: is not a key of a policy"):
        parse_next(current.replace("[events]\n", told))


@pytest.mark.parametrize(("version", "told"), [
    (newest() + 1, f"knows 1 to {newest()}; use the version of valuemart"),
    (0, "a whole number from 1 on is expected"),
    ("2", "a whole number from 1 on is expected"),
    (True, "a whole number from 1 on is expected"),
])  # fmt: skip
def test_a_schema_version_that_is_not_known_is_refused_in_a_sentence(version: object, told: str) -> None:
    with pytest.raises(PolicyError, match="schema_version: is") as caught:
        parse_policy({**policy_content(of_1()), "schema_version": version})
    assert told in str(caught.value)


@pytest.mark.parametrize("name", HASHES_OF_1)
@pytest.mark.parametrize("steps", [STEPS, NEXT_STEPS], ids=["today", "next"])
def test_a_text_written_anew_keeps_every_line_and_rules_as_before(name: str, steps: tuple[Step, ...]) -> None:
    model = Policy if steps == STEPS else Next
    before = of_1(name)
    after = upgraded_text(before, policy_content(before), steps)
    lines = iter(after.splitlines())
    assert all(line in lines for line in before.splitlines()), "a line is lost, or out of its order"
    renewed = parse_policy(after, model=model, steps=steps)
    assert values(renewed) == values(parse_policy(before, model=model, steps=steps))
    assert renewed.written_version == newest(steps)
    assert upgraded_text(after, policy_content(after), steps) == after


def test_a_line_that_an_upgrade_adds_says_what_it_means() -> None:
    lines = upgraded_text(of_1(), policy_content(of_1()), NEXT_STEPS).splitlines()
    assert "hopeless_amount = 1000 # material was severe enough" in lines
    assert lines[lines.index("[churn] # nobody was warned of churn") + 1] == "warn_from = 0.5"


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_policy_is_of_the_newest_version(path: Path) -> None:
    shipped = parse_policy(path.read_text(encoding="utf-8"))
    assert shipped.written_version == newest()
    assert not is_outdated(shipped)


NUMBERS = st.decimals(0, 1000, places=3)


@given(NUMBERS, st.sampled_from(["plain", "quoted", "exponent"]), st.integers(1, 2))
def test_a_number_is_the_same_however_it_is_written(number: Decimal, way: str, version: int) -> None:
    written = {"plain": number, "quoted": f"{number:f}00", "exponent": Decimal(f"{number:E}")}[way]
    for content in ({"segments": {"loyalty_from": written}}, {"measures": {"breakpoints": [[written, 1]]}}):
        plain = json.loads(json.dumps(content, default=str).replace(str(written), f"{number:f}"))
        assert content_hash(content, version) == content_hash(plain, version)


def test_texts_about_the_policy_are_texts_even_if_they_look_like_numbers() -> None:
    content = tomllib.loads('[policy]\nreason = "1.0"')
    assert content_hash(content, 2) != content_hash({"policy": {"reason": "1"}}, 2)
