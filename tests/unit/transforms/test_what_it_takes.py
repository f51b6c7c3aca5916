"""What explain says would move the effective tier comes true when it is done, and not a period before."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from flows.wording.reasons import render
from tests.unit.transforms.small_worlds import frame
from tests.unit.transforms.tier_worlds import JANUARY, RUNG_FIGURES, month, rate, step, tier_policy
from transforms.credit.watch import WATCHED
from transforms.frames.schemas import CUSTOMER_VALUE_HISTORY, TIER_OVERRIDES
from transforms.measures.window import KEY
from transforms.policy.model import Policy
from transforms.rating.what_it_takes import TARGET, target_tier, what_it_takes
from transforms.tiers.caps import CAP_COLUMNS, cap, effective_tier, override

PATIENT = tier_policy(memory__up_after=3, memory__min_dwell=0, segments__volume_high_from=Decimal(150_000),
                      memory__margin=Decimal("0.1"))  # fmt: skip
USUAL = tier_policy()  # up after 2, down after 3, dwell 3, margin 5 %
STEPPING = tier_policy(memory__one_step=True, memory__min_dwell=0)
DAY = date(2024, 1, 31)


class World:
    """One customer, rated month by month from its figures and the day's credit stop, confirmed conduct and override."""

    def __init__(self, rule: Policy) -> None:
        self.rule, self.number = rule, -1
        self.before: pl.DataFrame | None = None

    def rate(self, figures: dict[str, Any], *, stopped: bool = False, confirmed: bool = False,
             hand: dict[str, Any] | None = None) -> str:  # fmt: skip
        self.number += 1
        period = month(self.number)
        remembered = step(rate(figures, rule=self.rule), self.before, period, self.rule)
        caps = pl.DataFrame(schema={name: CUSTOMER_VALUE_HISTORY[name] for name in (*KEY, *CAP_COLUMNS)})
        state = caps if self.before is None else self.before.select(caps.columns)
        beside = remembered.join(
            state.rename({name: f"{name}_before" for name in CAP_COLUMNS}), on=KEY, how="left"
        ).with_columns(capped_in_period=pl.lit(value=False))
        who = {"company_code": "1000", "customer_id": remembered["customer_id"].item()}
        guilty = pl.LazyFrame([who] if confirmed else [], schema=dict.fromkeys(KEY, pl.String()))
        capped = cap(
            beside.lazy(), self.rule, period,
            credit=frame(WATCHED, [who | {"is_credit_stop": stopped}]), confirmed_conduct=guilty,
        )  # fmt: skip
        given = None if hand is None else frame(TIER_OVERRIDES, [who | hand])
        rated = override(capped, given, period).with_columns(effective_tier(self.rule.gates))
        self.before = rated.with_columns(pl.lit(period).alias("period")).collect()
        tier: str = self.before["effective_tier"].item()
        return tier

    def says(self) -> list[dict[str, Any]]:
        assert self.before is not None
        [found] = (
            self.before.with_columns(target_tier(self.rule).alias(TARGET)).select(
                what_it_takes(self.rule).alias("said")
            )
        )["said"].to_list()
        return found or []


def lived(rule: Policy, *months: dict[str, Any] | str, **last: Any) -> World:
    world = World(rule)
    for number, figures in enumerate(months):
        now = RUNG_FIGURES[figures] if isinstance(figures, str) else figures
        world.rate(now, **(last if number == len(months) - 1 else {}))
    return world


def done(said: list[dict[str, Any]], figures: dict[str, Any]) -> dict[str, Any]:
    """The figures with every bar that the sentence asks for just reached."""
    asked = {each["subject"]: each["bar"] for each in said if each["code"] == "asks_for"}
    raised = {
        name: max(Decimal(str(figures.get(name) or 0)), bar) if figures.get(name) is not None else bar
        for name, bar in asked.items()
    }
    return figures | raised


NEAR = {"net_sales_12m": 140_000, "loyalty": "0.9"}
IDLE = {"net_sales_12m": 9000, "loyalty": "0.5"}
SENTENCES = [
    (PATIENT, [NEAR], "core in the third period in a row with: net sales of 165,000 or more and loyalty of 0.66 or more"),
    (PATIENT, ["marginal"], "cultivate in the third period in a row with: loyalty of 0.66 or more"),
    (PATIENT, ["speculative"], "core in the third period in a row with: net sales of 165,000 or more and loyalty of 0.66 or more"),
    (PATIENT, [NEAR, "core"], "core in the second period in a row with: net sales of 165,000"),
    (PATIENT, [NEAR, "core", "core"], "core if the next period has: net sales of 165,000"),
    (PATIENT, [NEAR, "core", NEAR], "core in the third period in a row with"),
    (PATIENT, ["core"], "strategic in the third period in a row with: net sales of 165,000 or more and loyalty of 0.66 or more and score of 77 "),
    (PATIENT, [{"net_sales_12m": 900_000, "loyalty": "0.9", "feedback_reason": "not_delivered"}], "strategic in the third period"),
    (PATIENT, ["core", "cultivate"], "stays core if the next period has: net sales of 135,000 or more"),
    (PATIENT, ["core", "cultivate", "cultivate"], "stays core if the next period has"),
    (PATIENT, ["strategic", "core"], "stays strategic if the next period has"),
    (PATIENT, [RUNG_FIGURES["core"], RUNG_FIGURES["core"] | {"contribution_12m": -5}], "stays core if the next period has"),
    (PATIENT, [RUNG_FIGURES["core"] | {"contribution_12m": -5}], "core in the third period in a row with"),
    (PATIENT, [IDLE], "cultivate in the third period in a row with"),
    (USUAL, [NEAR], "core in the third period in a row with: net sales of 157,500 or more and loyalty of 0.63 or more"),
    (USUAL, ["marginal"] * 4, "cultivate in the second period in a row with"),
    (USUAL, ["marginal", *["core"] * 3], "strategic in the third period in a row with"),
    (USUAL, ["marginal", "core"], "core in the second period in a row with"),
    (STEPPING, ["marginal", "strategic"], "cultivate if the next period has"),
    (STEPPING, ["marginal"], "cultivate in the second period in a row with"),
    (STEPPING, ["cultivate", "unrated", NEAR], "core in the second period in a row with"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "months", "sentence"), SENTENCES)
def test_a_sentence_about_the_next_tier_comes_true_when_it_is_done(
    rule: Policy, months: list[dict[str, Any] | str], sentence: str
) -> None:
    world = lived(rule, *months)
    said = world.says()
    text = render(said)
    assert text is not None
    assert text.startswith(sentence)
    last = RUNG_FIGURES[months[-1]] if isinstance(months[-1], str) else months[-1]
    changed, head = done(said, last), said[0]
    before = world.before["effective_tier"].item() if world.before is not None else None
    if head["code"] == "stays_with":
        assert [world.rate(changed) for _ in range(4)] == [head["label"]] * 4
        left_alone = lived(rule, *months)
        assert head["label"] not in {left_alone.rate(last) for _ in range(4)} - {before} | {
            left_alone.rate(last)
        }
        return
    periods = head["counted"] or 1
    assert [world.rate(changed) for _ in range(periods)] == [before] * (periods - 1) + [head["label"]]


@pytest.mark.parametrize(
    ("fired", "clean", "sentence"),
    [
        ({"stopped": True}, 0, "core in the third period in a row without: credit_stop"),
        ({"stopped": True}, 1, "core in the second period in a row without: credit_stop"),
        ({"stopped": True}, 2, "core in the first period in a row without: credit_stop"),
        ({"confirmed": True}, 0, "core in the third period in a row without: confirmed_conduct"),
        ({"stopped": True, "confirmed": True}, 0, "core in the third period in a row without: confirmed_conduct, credit_stop"),
    ],
)  # fmt: skip
def test_a_sentence_about_a_cap_comes_true_when_its_cause_stays_away(
    fired: dict[str, bool], clean: int, sentence: str
) -> None:
    world = lived(USUAL, "core", "core", **fired)
    for _ in range(clean):
        world.rate(RUNG_FIGURES["core"])
    said = world.says()
    assert render(said) == sentence
    tiers = [world.rate(RUNG_FIGURES["core"]) for _ in range(said[0]["counted"])]
    assert "core" not in tiers[:-1]
    assert tiers[-1] == "core"


def test_an_override_says_when_it_gives_way_and_to_what() -> None:
    hand = {
        "tier": "strategic",
        "owner": "m.keller",
        "reason": "joint work",
        "valid_from": JANUARY,
        "valid_to": date(2024, 2, 15),
    }
    world = lived(USUAL, "core", "core", hand=hand)
    assert render(world.says()) == "core when the override by m.keller ends on 2024-02-15"
    assert world.rate(RUNG_FIGURES["core"], hand=hand) == "core"


@pytest.mark.parametrize("figures", ["strategic", "new", "unrated", "prospect"])
def test_nothing_is_asked_at_the_top_nor_of_who_is_not_judged(figures: str) -> None:
    assert lived(USUAL, figures).says() == []
