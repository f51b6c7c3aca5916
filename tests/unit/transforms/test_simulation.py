"""A candidate policy beside the one in force, on worlds small enough to count by hand."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from tests.unit.transforms.small_worlds import FAR, NO_ORDERS, facts, frame, line, monthly, policy
from transforms.facts.as_of import AsOfFacts, LateArriving, available_on
from transforms.facts.sales_cell import SALES_LINES, sales_cells
from transforms.frames import schemas
from transforms.frames.plan import month_end, months_between
from transforms.simulation.compare import agreement, compare, other_tiers
from transforms.simulation.outcome import outcomes
from transforms.simulation.replay import EvaluationDate, Replayed, replay
from transforms.simulation.warning_lead import WarningLead, warning_lead

FIRST, LAST = date(2024, 7, 1), date(2024, 12, 1)
LOOKS = [EvaluationDate(month, month_end(month)) for month in months_between(FIRST, LAST)]
OPENED = [
    {"customer_id": name, "created_on": date(2010, 1, 1)} for name in ("BIG", "MIDDLE", "SMALL", "GROWS")
]

# Loyal all of them; yearly net sales 240,000, 180,000, 12,000, and one that buys three times as much from August on.
BUYERS = (
    monthly(*[20_000] * 24, customer="BIG")
    + monthly(*[15_000] * 24, customer="MIDDLE")
    + monthly(*[1_000] * 24, customer="SMALL")
    + monthly(*[10_000] * 19, *[30_000] * 5, customer="GROWS")
)
# Nobody is strategic here: the bar of feedback is not asked where interactions are not delivered, and that of the score is.
NO_PARTNERS = {"strategic__score_from": 100}
RULING = policy(segments__volume_high_from=150_000, memory__margin=Decimal(0), **NO_PARTNERS)
CANDIDATE = policy(segments__volume_high_from=200_000, memory__margin=Decimal(0), **NO_PARTNERS)


def world(sales: list[dict], **extracts: list[dict]) -> AsOfFacts:
    sold = frame(SALES_LINES, [{"is_free_goods": False, **record} for record in sales])
    return AsOfFacts(facts(sales, customers=OPENED, **extracts), sales_cells(sold, None, None, FAR))


def replayed(rule, known: AsOfFacts | None = None, looks: list[EvaluationDate] = LOOKS) -> Replayed:
    seen = known or world(BUYERS)
    return replay(lambda _: seen, rule, looks)


@pytest.fixture(scope="module")
def found():
    return compare(replayed(RULING), replayed(CANDIDATE), (RULING, CANDIDATE), first=FIRST, last=LAST)


def pairs(rows: list[dict]) -> list[tuple]:
    return [(row["from_tier"], row["to_tier"], row["customers"], row["net_sales_12m"]) for row in rows]


def test_a_higher_bar_of_volume_moves_whom_it_shuts_out_and_nobody_else(found) -> None:
    # GROWS bought 7 · 10,000 + 5 · 30,000 = 220,000: above 150,000 since September and core since November, the third
    # month in a row; above 200,000 since November only, and not core yet under the candidate
    assert pairs(found.migration) == [
        ("core", "core", 1, Decimal(240_000)),
        ("core", "cultivate", 2, Decimal(400_000)),
        ("cultivate", "cultivate", 1, Decimal(12_000)),
    ]
    assert [(row["direction"], row["customers"], row["net_sales_12m"]) for row in found.moved] == [
        ("down", 2, Decimal(400_000))
    ]


def test_each_policy_has_its_customers_and_money_by_tier_and_both_have_all_of_it(found) -> None:
    counted = {
        row["tier"]: (row["customers_ruling"], row["customers_candidate"], row["net_sales_12m_candidate"])
        for row in found.by_tier
    }
    assert counted == {"core": (3, 1, Decimal(240_000)), "cultivate": (1, 3, Decimal(412_000))}
    assert [row["tier"] for row in found.by_tier] == ["core", "cultivate"], "the highest first"
    assert {row["direction"] for row in found.migration} == {"stays", "down"}


def test_each_mover_is_named_with_what_the_two_policies_see_differently(found) -> None:
    assert [(row["customer_id"], row["from_tier"], row["to_tier"]) for row in found.movers] == [
        ("GROWS", "core", "cultivate"),
        ("MIDDLE", "core", "cultivate"),
    ]
    assert found.movers[1]["drivers"] == [
        {"what": "volume_class", "ruling": "high", "candidate": "low"},
        {"what": "raw_tier", "ruling": "core", "candidate": "cultivate"},
    ]


def test_a_tier_that_only_memory_still_holds_is_said_to_be_held_by_it(found) -> None:
    # from November on the period alone says core under both; the candidate's memory waits for a third month
    assert found.movers[0]["drivers"] == [{"what": "memory_tier", "ruling": "core", "candidate": "cultivate"}]


def test_moves_over_time_are_counted_by_policy(found) -> None:
    assert [(row["policy"], row["from_tier"], row["to_tier"], row["moves"]) for row in found.over_time] == [
        ("ruling", "cultivate", "core", 1)
    ]
    assert [row["differ"] for row in found.by_period] == [1, 1, 1, 1, 2, 2]


def test_the_same_policy_moves_nobody() -> None:
    same = compare(replayed(RULING), replayed(RULING), (RULING, RULING), first=FIRST, last=LAST)
    assert same.moved == same.movers == []
    assert {(row["from_tier"] == row["to_tier"]) for row in same.migration} == {True}


def test_who_is_no_customer_yet_is_not_counted_among_those_that_two_policies_rate(found) -> None:
    sold = frame(SALES_LINES, [{"is_free_goods": False, **record} for record in BUYERS])
    masters = [*OPENED, {**OPENED[0], "customer_id": "PROSPECT"}]
    with_one = AsOfFacts(facts(BUYERS, customers=masters), sales_cells(sold, None, None, FAR))
    rated = replayed(RULING, with_one)
    assert "prospect" in rated.values["effective_tier"].to_list()
    both = compare(rated, replayed(CANDIDATE, with_one), (RULING, CANDIDATE), first=FIRST, last=LAST)
    assert (both.customers, both.migration) == (found.customers, found.migration)


def test_periods_are_shown_from_the_one_asked_for_but_remembered_from_the_first() -> None:
    late = compare(replayed(RULING), replayed(CANDIDATE), (RULING, CANDIDATE), first=LAST, last=LAST)
    assert late.periods == 1
    assert [row["customer_id"] for row in late.movers] == ["GROWS", "MIDDLE"]


def test_a_span_without_a_period_is_refused() -> None:
    with pytest.raises(ValueError, match="no period from 2030-01 to 2030-02"):
        compare(
            replayed(RULING),
            replayed(RULING),
            (RULING, RULING),
            first=date(2030, 1, 1),
            last=date(2030, 2, 1),
        )


# What was known when --------------------------------------------------------------------------------------------------

CREDITED_ON = date(2024, 11, 20)
CREDIT = line(
    CREDITED_ON,
    -100_000,
    customer_id="MIDDLE",
    document_id="K1",
    document_type="credit_note",
    quantity=-1,
    referenced_on=date(2024, 8, 10),
    available_on=CREDITED_ON,
)


def with_known_days(records: list[dict]) -> list[dict]:
    return [{"available_on": record["invoice_date"], **record} for record in records]


def credited() -> tuple[AsOfFacts, LateArriving]:
    """MIDDLE's August is credited in November: a line that counts in August, known three months later."""
    sales = [*with_known_days(BUYERS), CREDIT]
    august = pl.LazyFrame(
        [("1000", "MIDDLE", date(2024, 8, 1))], orient="row", schema=["company_code", "customer_id", "month"]
    )
    touched = [
        each for each in sales if each["customer_id"] == "MIDDLE" and each["invoice_date"].month in {8, 11}
    ]
    return world(sales), LateArriving(
        august, frame(SALES_LINES, [{"is_free_goods": False, **each} for each in touched])
    )


def test_a_credit_note_is_not_seen_before_it_was_written() -> None:
    now, late = credited()

    def sales_of(day: date) -> Decimal:
        months = available_on(now, late, day, NO_ORDERS).facts.customer_month.filter(
            pl.col("customer_id") == "MIDDLE", pl.col("month") == date(2024, 8, 1)
        )
        return months.collect()["net_sales"].item()

    assert sales_of(CREDITED_ON - timedelta(days=1)) == 15_000
    assert sales_of(CREDITED_ON) == -85_000


def test_without_hindsight_the_months_before_the_credit_note_are_rated_without_it() -> None:
    now, late = credited()
    then = replay(lambda day: available_on(now, late, day, NO_ORDERS), RULING, LOOKS)
    later = replay(lambda _: now, RULING, LOOKS)
    sums = {
        name: side.values.filter(pl.col("customer_id") == "MIDDLE")["net_sales_12m"].to_list()
        for name, side in (("then", then), ("later", later))
    }
    # the memory lets a customer go in the third month: with hindsight in October, by what was known not before January
    assert sums["then"] == [180_000] * 4 + [80_000] * 2
    assert sums["later"] == [180_000] + [80_000] * 5
    assert agreement(then.values, later.values) == {"ratings": 24, "same_tier": 21, "same_score": 21}
    assert [
        (row["period"], row["effective_tier"], row["other_tier"])
        for row in other_tiers(then.values, later.values)
    ] == [(date(2024, month, 1), "core", "cultivate") for month in (10, 11, 12)]


def test_what_is_known_on_the_last_day_is_what_is_known_now() -> None:
    now, late = credited()
    seen = available_on(now, late, FAR, NO_ORDERS)
    for name in ("customer_month", "order_day"):
        ours, theirs = (getattr(side.facts, name).collect() for side in (seen, now))
        assert ours.sort(pl.all()).equals(theirs.sort(pl.all()))
    assert seen.sales.collect().sort(pl.all()).equals(now.sales.collect().sort(pl.all()))


def test_an_extract_not_delivered_stays_undelivered() -> None:
    now, late = credited()
    assert available_on(now, late, FAR, NO_ORDERS).facts.receivables is None


# Warnings before a lapse ----------------------------------------------------------------------------------------------

MONTH_ENDS = [month_end(month) for month in months_between(date(2024, 1, 1), date(2024, 6, 1))]


def watched(*looks: tuple[str, int]) -> pl.DataFrame:
    """A customer's credit action and amount more than 90 days past due, month by month."""
    return frame(
        pl.Schema(
            {
                name: schemas.CREDIT_WATCH[name]
                for name in (
                    "company_code",
                    "customer_id",
                    "as_of",
                    "exposure",
                    "overdue_over_90",
                    "credit_action",
                )
            }
        ),
        [
            {"as_of": day, "credit_action": action, "overdue_over_90": amount, "exposure": amount}
            for day, (action, amount) in zip(MONTH_ENDS, looks, strict=False)
        ],
    ).collect()


def lead(*looks: tuple[str, int]) -> WarningLead:
    return warning_lead(watched(*looks), policy().credit, first=MONTH_ENDS[0], last=MONTH_ENDS[-1])


def test_the_lead_runs_from_the_first_flag_that_was_not_taken_back() -> None:
    # flagged in January, cleared, flagged again at the end of March and until the lapse at the end of May
    looks = ("watch", 0), ("open", 0), ("watch", 0), ("prepay", 0), ("stop", 5000)
    assert lead(*looks) == WarningLead(lapses=1, flagged_before=1, median_days=61, shortest_days=61)


def test_a_lapse_that_no_earlier_look_flagged_has_no_lead() -> None:
    assert lead(("open", 0), ("stop", 5000)) == WarningLead(1, 0, None, None)


def test_a_lapse_that_lasts_is_one_and_cents_are_none() -> None:
    assert lead(("watch", 0), ("stop", 5000), ("stop", 6000)).lapses == 1
    assert lead(("watch", 999)).lapses == 0


def of_a_year(rule, last: date = LAST) -> list[dict]:
    """Two looks a year apart: STAYS keeps its pace, DOUBLES buys twice as much, GOES buys nothing more."""
    buyers = (
        monthly(*[20_000] * 36, customer="STAYS")
        + monthly(*[15_000] * 24, *[30_000] * 12, customer="DOUBLES")
        + monthly(*[10_000] * 24, *[0] * 12, customer="GOES")
    )
    opened = [{"customer_id": name, "created_on": date(2010, 1, 1)} for name in ("STAYS", "DOUBLES", "GOES")]
    sold = frame(SALES_LINES, [{"is_free_goods": False, **record} for record in buyers])
    known = AsOfFacts(facts(buyers, customers=opened), sales_cells(sold, None, None, FAR))
    looks = [EvaluationDate(month, month_end(month)) for month in (date(2023, 12, 1), date(2024, 12, 1))]
    return outcomes(replayed(rule, known, looks), rule, last)


def test_a_policy_is_judged_by_the_year_after_of_those_it_gave_each_tier() -> None:
    assert [
        (row["tier"], row["customers"], row["net_sales"], row["net_sales_after"], row["lost"])
        for row in of_a_year(RULING)
    ] == [
        ("core", 2, Decimal(420_000), Decimal(600_000), 0),
        ("cultivate", 1, Decimal(120_000), Decimal(0), 1),
    ]
    assert [(row["tier"], row["net_sales_after"]) for row in of_a_year(CANDIDATE)] == [
        ("core", Decimal(240_000)),
        ("cultivate", Decimal(360_000)),
    ]


def test_without_a_look_a_year_before_nothing_came_of_it_yet() -> None:
    assert of_a_year(RULING, last=date(2024, 11, 1)) == []


@pytest.mark.parametrize(
    ("name", "in_sample"),
    [
        ("calibrated-2023-12", False),
        ("calibrated-2024-01", True),
        ("calibrated-2024-12", True),
        ("growth", False),
    ],
)
def test_a_policy_that_was_fitted_to_the_year_it_is_judged_by_is_said_to_be_in_sample(
    name: str, in_sample: bool
) -> None:
    assert {row["in_sample"] for row in of_a_year(policy(policy__id=name))} == {in_sample}
