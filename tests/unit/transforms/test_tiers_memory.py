"""How slowly the tier follows what a period says: the state machine, as a sequence and as a law."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from polars.testing import assert_frame_equal

from tests.unit.transforms.tier_worlds import (
    JANUARY,
    RUNG_FIGURES,
    live,
    lived,
    month,
    rate,
    step,
    tier_policy,
)
from transforms.measures.window import KEY
from transforms.policy.model import TIER_RANKS
from transforms.tiers.memory import STATE_COLUMNS, state_machine_table, transitions
from transforms.tiers.raw import PROSPECT, STATES

HASTY = tier_policy(memory__min_dwell=0)  # up after 2, down after 3


def test_a_first_rating_is_believed_at_once():
    assert lived("core") == ["core"]
    [state] = live([RUNG_FIGURES["core"]])
    assert (state["tier_since"], state["periods_up"], state["up_tier"]) == (JANUARY, 0, None)


def test_a_move_up_needs_two_periods_in_a_row():
    assert lived("marginal", "core", "core", rule=HASTY) == ["marginal", "marginal", "core"]
    assert lived("marginal", "core", "marginal", "core", rule=HASTY)[-1] == "marginal"


def test_a_move_down_needs_three_periods_in_a_row():
    assert lived("core", "marginal", "marginal", "marginal", rule=HASTY) == [
        "core",
        "core",
        "core",
        "marginal",
    ]
    assert lived("core", "marginal", "marginal", "core", "marginal", "marginal", rule=HASTY)[-1] == "core"


def test_a_move_goes_straight_to_its_target():
    assert lived("strategic", *["speculative"] * 3, rule=HASTY)[-1] == "speculative"
    assert lived("speculative", *["strategic"] * 2, rule=HASTY)[-1] == "strategic"


STEPPING = tier_policy(memory__min_dwell=0, memory__one_step=True)


def test_where_the_policy_says_so_a_move_goes_one_rung_at_a_time_and_the_run_goes_on():
    assert lived("speculative", *["strategic"] * 6, rule=STEPPING) == [
        "speculative", "speculative", "cultivate", "core", "strategic", "strategic", "strategic",
    ]  # fmt: skip
    assert lived("strategic", *["speculative"] * 7, rule=STEPPING) == [
        "strategic", "strategic", "strategic", "core", "cultivate", "speculative", "speculative", "speculative",
    ]  # fmt: skip


def test_a_step_waits_for_the_dwell_too():
    patient = tier_policy(memory__min_dwell=2, memory__one_step=True)
    assert lived("marginal", *["core"] * 5, rule=patient) == [
        "marginal", "marginal", "cultivate", "cultivate", "core", "core",
    ]  # fmt: skip


def test_stepping_stops_where_the_run_does():
    assert lived("speculative", "core", "core", "marginal", rule=STEPPING)[-1] == "cultivate"
    states = live([RUNG_FIGURES[said] for said in ("speculative", "core", "core", "marginal")], STEPPING)
    assert [state["periods_up"] for state in states] == [0, 1, 2, 0]


def test_a_run_up_moves_to_the_lowest_tier_it_has_shown():
    assert lived("marginal", "core", "cultivate", rule=HASTY)[-1] == "cultivate"


def test_a_run_down_moves_to_the_highest_tier_it_has_shown():
    assert lived("strategic", "marginal", "core", "marginal", rule=HASTY)[-1] == "core"


def test_a_move_to_the_other_kind_takes_as_many_periods_as_a_move_down():
    said = ["marginal", *["speculative"] * 3]
    assert lived(*said, rule=HASTY) == ["marginal", "marginal", "marginal", "speculative"]
    assert [state["periods_lateral"] for state in live([RUNG_FIGURES[tier] for tier in said], HASTY)] == [
        0,
        1,
        2,
        0,
    ]
    assert lived("speculative", *["marginal"] * 3, rule=HASTY)[-1] == "marginal"


@pytest.mark.parametrize("between", ["core", "marginal"])
def test_a_run_aside_ends_with_a_period_that_speaks_otherwise(between: str):
    said = ["marginal", "speculative", "speculative", between, "speculative", "speculative"]
    assert lived(*said, rule=HASTY)[-1] == "marginal"


def test_a_run_aside_ends_a_run_up_and_is_frozen_with_the_others():
    said = ["marginal", "core", "speculative", "unrated", "speculative", "core"]
    states = live([RUNG_FIGURES[tier] for tier in said], HASTY)
    assert [state["periods_up"] for state in states] == [0, 1, 0, 0, 0, 1]
    assert [state["periods_lateral"] for state in states] == [0, 0, 1, 1, 2, 0]


def test_a_move_aside_waits_for_the_dwell():
    patient = tier_policy(memory__min_dwell=6)
    assert lived("marginal", *["speculative"] * 6, rule=patient) == ["marginal"] * 6 + ["speculative"]


def test_after_a_move_the_tier_dwells_while_the_runs_go_on():
    patient = tier_policy(memory__min_dwell=4)
    tiers = lived("marginal", *["core"] * 5, rule=patient)
    assert tiers == ["marginal"] * 4 + ["core"] * 2
    waiting = live([RUNG_FIGURES["marginal"], *[RUNG_FIGURES["core"]] * 3], patient)[-1]
    assert (waiting["memory_tier"], waiting["periods_up"], waiting["up_tier"]) == ("marginal", 3, "core")


def test_a_move_ends_both_runs_and_starts_the_dwell_anew():
    moved = live([RUNG_FIGURES["marginal"], *[RUNG_FIGURES["core"]] * 2], HASTY)[-1]
    assert (moved["tier_since"], moved["periods_up"], moved["up_tier"], moved["periods_down"]) == (
        month(2),
        0,
        None,
        0,
    )


@pytest.mark.parametrize("said", ["strategic", "core", "cultivate", "marginal", "speculative"])
def test_leaving_new_assigns_the_tier_directly(said):
    assert lived("new", "new", said) == ["new", "new", said]


def test_entering_unrated_holds_the_tier_and_freezes_the_runs():
    states = live([RUNG_FIGURES[tier] for tier in ("marginal", "core", "unrated", "unrated", "core")], HASTY)
    assert [state["memory_tier"] for state in states] == ["marginal"] * 4 + ["core"]
    assert [state["periods_up"] for state in states] == [0, 1, 1, 1, 0]


def test_a_newcomer_that_cannot_be_rated_stays_new_until_it_can():
    assert lived("new", "unrated", "cultivate") == ["new", "new", "cultivate"]


def test_who_was_never_rated_is_given_its_first_tier_directly():
    assert lived("unrated", "unrated", "speculative") == ["unrated", "unrated", "speculative"]


@pytest.mark.parametrize("net_sales", [142_500, 149_999, 150_000, 157_499])
@pytest.mark.parametrize("start", ["core", "cultivate"])
def test_noise_within_the_margin_never_moves_a_tier(net_sales, start):
    noisy = {"net_sales_12m": net_sales, "loyalty": "0.9"}
    assert {state["memory_tier"] for state in live([RUNG_FIGURES[start], *[noisy] * 12])} == {start}


@pytest.mark.parametrize("net_sales", [142_500, 149_999, 150_000, 157_499])
@pytest.mark.parametrize("start", ["marginal", "speculative"])
def test_a_disloyal_customer_at_the_bar_of_volume_does_not_flicker(net_sales, start):
    noisy = {"net_sales_12m": net_sales, "loyalty": "0.1"}
    assert {state["memory_tier"] for state in live([RUNG_FIGURES[start], *[noisy] * 12])} == {start}


rungs = st.sampled_from(sorted(RUNG_FIGURES))


@given(st.lists(rungs, min_size=2, max_size=14))
@settings(max_examples=40)
def test_no_tier_moves_before_the_periods_it_needs(said):
    tiers, rule = lived(*said, rule=HASTY), HASTY.memory
    for number in range(1, len(tiers)):
        before, now = tiers[number - 1], tiers[number]
        if before == now or before in STATES or now == PROSPECT:
            continue
        judged = [tier for tier in said[: number + 1] if tier not in STATES]
        if TIER_RANKS[now] == TIER_RANKS[before]:
            assert judged[-rule.down_after :] == [now] * rule.down_after
            continue
        went_up = TIER_RANKS[now] > TIER_RANKS[before]
        run = judged[-(rule.up_after if went_up else rule.down_after) :]
        beyond = [(TIER_RANKS[tier] > TIER_RANKS[before]) == went_up and tier != before for tier in run]
        assert all(beyond)
        assert now in run


@given(
    st.lists(st.lists(rungs, min_size=3, max_size=3), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
@settings(max_examples=25)
def test_the_order_of_customers_changes_nothing(years, shuffler):
    def run(order: list[int]) -> pl.DataFrame:
        before = None
        for number in range(3):
            rows = [RUNG_FIGURES[years[n][number]] | {"customer_id": f"C{n}"} for n in order]
            before = step(rate(*rows), before, month(number))
        assert before is not None
        return before.select(*KEY, *STATE_COLUMNS).sort(KEY)

    order = list(range(len(years)))
    in_order = run(order)
    shuffler.shuffle(order)
    assert_frame_equal(in_order, run(order))


class Customer(RuleBasedStateMachine):
    """A customer rated month by month, sometimes twice in a month, beside a plain-Python memory."""

    policy = tier_policy()

    def __init__(self) -> None:
        super().__init__()
        self.period = -1
        self.before: pl.DataFrame | None = None
        self.now: pl.DataFrame | None = None
        self.figures: dict[str, Any] = {}
        self.expected: tuple[str, int, int, int] | None = None
        self.said: list[str] = []

    @rule(tier=rungs)
    def a_month_closes(self, tier: str) -> None:
        self.before, self.period = self.now, self.period + 1
        self.figures = RUNG_FIGURES[tier]
        self.now = step(rate(self.figures), self.before, month(self.period), self.policy)
        self.expected = self._remembered(tier)

    @rule()
    def the_month_is_rated_again(self) -> None:
        if self.now is not None:
            again = step(rate(self.figures), self.before, month(self.period), self.policy)
            assert_frame_equal(again, self.now)

    @invariant()
    def the_tier_is_what_a_patient_person_would_remember(self) -> None:
        if self.now is not None:
            row = self.now.row(0, named=True)
            runs = (row["periods_up"], row["periods_down"], row["periods_lateral"])
            assert (row["memory_tier"], *runs) == self.expected
            assert (row["up_tier"] is None) == (row["periods_up"] == 0)
            assert (row["down_tier"] is None) == (row["periods_down"] == 0)

    def _remembered(self, tier: str) -> tuple[str, int, int, int]:
        memory = self.policy.memory
        begins = self.expected is not None and (self.expected[0], tier) == ("unrated", "new")
        if self.expected is None or (self.expected[0] in STATES and tier not in STATES) or begins:
            return self._moved(tier)
        held, up, down, aside = self.expected
        if (tier == PROSPECT) != (held == PROSPECT):
            return self._moved(tier)
        if tier in STATES:
            return self.expected
        if TIER_RANKS[tier] == TIER_RANKS[held]:
            self.said = []
            aside = 0 if tier == held else aside + 1
            may_move = aside >= memory.down_after and self.period - self.since >= memory.min_dwell
            return self._moved(tier) if may_move else (held, 0, 0, aside)
        goes_up = TIER_RANKS[tier] > TIER_RANKS[held]
        up, down = (up + 1, 0) if goes_up else (0, down + 1)
        self.said = [*self.said, tier] if max(up, down) > 1 else [tier]
        needed = memory.up_after if goes_up else memory.down_after
        if max(up, down) < needed or self.period - self.since < memory.min_dwell:
            return held, up, down, 0
        # Of two kinds of one rank, the one said last.
        target = (min if goes_up else max)(reversed(self.said), key=TIER_RANKS.__getitem__)
        if not memory.one_step:
            return self._moved(target)
        ladder = sorted({TIER_RANKS[rung] for rung in RUNG_FIGURES if rung not in STATES})
        reached = ladder[ladder.index(TIER_RANKS[held]) + (1 if goes_up else -1)]
        self.since = self.period
        if reached == TIER_RANKS[target]:
            return self._moved(target)
        [stepped] = [rung for rung in ("cultivate", "core") if TIER_RANKS[rung] == reached]
        return stepped, up, down, 0

    def _moved(self, tier: str) -> tuple[str, int, int, int]:
        self.since, self.said = self.period, []
        return tier, 0, 0, 0


class SteppingCustomer(Customer):
    """The same where a move goes one rung at a time."""

    policy = tier_policy(memory__one_step=True, memory__min_dwell=1)


Customer.TestCase.settings = settings(max_examples=25, stateful_step_count=14)
SteppingCustomer.TestCase.settings = settings(max_examples=12, stateful_step_count=14)
test_a_customer_lives_through_its_months = Customer.TestCase
test_a_stepping_customer_lives_through_its_months = SteppingCustomer.TestCase


def test_the_state_machine_is_written_down_as_it_runs():
    table = state_machine_table(tier_policy().memory, JANUARY)
    names = [row.name for row in transitions(tier_policy().memory, JANUARY)]
    assert [line.split(" | ")[1] for line in table.splitlines()[2:]] == names
    assert names[0] == "first rating"
    assert names[-1] == "holds"
    assert "the run up reaches 2 periods, and 3 months have passed" in table
    assert "one rung at a time" not in table
    assert "one rung at a time" in state_machine_table(STEPPING.memory, JANUARY)
