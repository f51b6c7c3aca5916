"""What a customer is expected to bring, how far that may miss, and how it came out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.transforms.small_worlds import YEAR_END, facts, frame, line, measure, monthly
from transforms.facts.model import Facts
from transforms.forecast.accuracy import first_forecasts, forecast_accuracy, judged_periods
from transforms.forecast.backcast import bounds, level_of, times_ago
from transforms.forecast.business import (
    Expectation,
    expect_business,
    expectation_months,
    expectation_totals,
)
from transforms.forecast.evened import evened_months
from transforms.frames.periods import months_before
from transforms.frames.schemas import (
    CUSTOMER_EXPECTATION,
    CUSTOMER_FORECAST,
    CUSTOMER_MONTH,
    CUSTOMER_VALUE_HISTORY,
    EXPECTATION_MONTH,
    EXPECTATION_TOTAL,
    FORECAST_ACCURACY,
)
from transforms.measures.window import KEY, Window

WINDOW = Window(YEAR_END)
PERIOD = WINDOW.period
NOBODY = pl.LazyFrame(schema={**dict.fromkeys(KEY, pl.String()), "salesperson_id": pl.String()})
# Three years of an older customer, so that the data begin before everybody else, and neither young nor silent itself.
OLD = monthly(*[100] * 36, customer="OLD")


def expect(world: Facts, **ahead: int) -> Expectation:
    found = expect_business(world, measure(world).lazy(), WINDOW, **ahead)
    assert found.customers.schema == CUSTOMER_EXPECTATION
    return found


def figures(sales: list[dict[str, Any]]) -> list[Decimal]:
    return expect(facts(sales)).customers["expected_net_sales_12m"].to_list()


def expected(*sales: dict[str, Any], customer: str = "C1", **world: Any) -> dict[str, Any]:
    rows = expect(facts([*OLD, *sales], **world)).customers
    return rows.row(by_predicate=pl.col("customer_id") == customer, named=True)


# The figure ------------------------------------------------------------------------------------------------------


def test_who_buys_the_same_each_month_is_expected_to_go_on() -> None:
    row = expected(*monthly(*[100] * 24))
    assert (row["expected_net_sales_12m"], row["expected_basis"]) == (1200, "recent_pace")
    assert row["buying_share"] == 1


def test_the_later_half_of_the_year_counts_double() -> None:
    # (net of 12 months + net of 6) ÷ 1.5
    row = expected(*monthly(*[100] * 12, *[100] * 6, *[400] * 6))
    assert row["expected_net_sales_12m"] == Decimal(3000 + 2400) / Decimal("1.5")


def test_the_window_is_as_long_as_the_data_where_they_are_younger_than_a_year() -> None:
    world = facts(monthly(100, 100, 100, 400, 400, 400))
    [figure] = expect(world).customers["expected_net_sales_12m"]
    assert figure == 12 * (2 * Decimal(1500) / 6 + Decimal(1200) / 3) / 3


def test_a_first_order_is_spread_over_the_time_that_peers_take_to_come_again() -> None:
    # 30 young customers with sales in the first and the last of four months: three months go by until the next one
    peers = [row for n in range(30) for row in monthly(50, 0, 0, 50, customer=f"P{n}")]
    row = expected(*peers, *monthly(120))
    assert row["expected_basis"] == "peers"
    waited = Decimal(30 * 3) / 30
    assert row["expected_net_sales_12m"] == 12 * Decimal(120) / (1 + waited)


def test_a_young_customer_among_few_takes_the_rhythm_of_all() -> None:
    # OLD comes again every month, and C1 not at all: 11 months of waiting, 11 times again
    assert expected(*monthly(300))["expected_net_sales_12m"] == 12 * Decimal(300) / 2


@pytest.mark.parametrize(("silent", "share"), [(3, "1"), (4, "0.666667"), (5, "0.333333"), (6, "0")])
def test_silence_beyond_three_usual_gaps_lowers_the_figure_to_nothing_at_six(silent: int, share: str) -> None:
    row = expected(*monthly(*[100] * 24, *[0] * silent))
    assert row["buying_share"] == Decimal(share)
    assert row["expected_basis"] == ("recent_pace" if silent == 3 else "silent")
    full = 12 * (2 * Decimal(100 * (12 - silent)) / 12 + Decimal(100 * (6 - silent)) / 6) / 3
    assert row["expected_net_sales_12m"] == pytest.approx(full * Decimal(share), abs=Decimal("0.01"))


def test_two_months_with_sales_have_no_rhythm_that_a_silence_could_break() -> None:
    assert expected(*monthly(100, 100, *[0] * 8))["buying_share"] == 1


# What stands out once --------------------------------------------------------------------------------------------


def test_a_first_order_of_500_000_among_small_ones_is_not_expected_every_month() -> None:
    # 80 % of the peers had no second largest month above 5,000, so 15,000 of it tell a pace; the rest came once in 36 months
    peers = [row for n in range(40) for row in monthly(*[5000] * 6, customer=f"P{n}")]
    row = expected(*peers, *monthly(500_000))
    assert row["expected_basis"] == "peers"
    assert row["expected_net_sales_12m"] == Decimal(90000) + Decimal("161666.6667")


def test_a_first_order_of_500_000_among_large_ones_is_a_pace() -> None:
    peers = [row for n in range(40) for row in monthly(*[400_000] * 6, customer=f"P{n}")]
    assert expected(*peers, *monthly(500_000))["expected_net_sales_12m"] == 12 * 500_000 / 2


def test_who_bought_two_large_months_has_a_pace_of_its_own() -> None:
    peers = [row for n in range(40) for row in monthly(*[5000] * 6, customer=f"P{n}")]
    first, both = (
        expected(*peers, *monthly(*months))["expected_net_sales_12m"]
        for months in ([500_000], [400_000, 500_000])
    )
    assert both > 4 * first


def test_where_nobody_came_again_a_first_order_is_taken_as_it_stands() -> None:
    row = expect(facts(monthly(600))).customers.row(0, named=True)
    assert row["expected_net_sales_12m"] == 12 * 600


YEAR_OF_PARTS = [100] * 12
WITH_PROJECT = [100] * 9 + [5000, 100, 100]


def test_a_project_order_is_expected_once_in_as_many_months_as_the_data_have() -> None:
    row = expected(*monthly(*YEAR_OF_PARTS * 2, *WITH_PROJECT))
    assert (row["expected_net_sales_12m"], row["expected_basis"]) == (
        pytest.approx(_pace(1100 + 300, 500 + 300) + Decimal(4700) / 3, abs=Decimal("0.001")),
        "recent_pace",
    )


def test_a_project_order_is_not_expected_again_of_who_has_bought_nothing_since() -> None:
    row = expected(*monthly(*WITH_PROJECT, *[0] * 13))
    assert (row["expected_net_sales_12m"], row["expected_basis"]) == (0, "no_sales")


def test_an_order_that_comes_each_year_is_expected_each_year() -> None:
    row = expected(*monthly(*WITH_PROJECT * 3))
    assert row["expected_net_sales_12m"] == pytest.approx(_pace(6100, 5500), abs=Decimal("0.001"))


def credit(on: date, amount: int, **other: Any) -> dict[str, Any]:
    return line(on, amount, document_type="credit_note", document_id=f"credit-{on}", **other)


def test_a_price_credit_given_once_is_not_expected_each_year() -> None:
    row = expected(*monthly(*[100] * 36), credit(date(2024, 12, 20), -600, quantity=0))
    assert row["expected_net_sales_12m"] == 1200 - 600 / 3


def test_a_price_credit_given_each_year_is_expected_each_year() -> None:
    given = [credit(date(year, 6, 20), -60, quantity=0) for year in (2022, 2023, 2024)]
    row = expected(*monthly(*[100] * 36), *given)
    assert row["expected_net_sales_12m"] == pytest.approx(_pace(1200 - 60, 600), abs=Decimal("0.001"))


def test_a_large_order_that_was_sent_back_is_taken_off_what_was_bought_before_and_not_off_the_pace() -> None:
    # January 2024 is 8,900 below 0; December had 9,100. What is left of the year are eleven months of 100
    order = line(date(2023, 12, 5), 9000, document_id="order")
    row = expected(*monthly(*[100] * 36), order, credit(date(2024, 1, 5), -9000))
    assert row["expected_net_sales_12m"] == pytest.approx(_pace(1100, 600), abs=Decimal("0.001"))


def test_the_contribution_of_what_stands_out_goes_the_way_of_its_sales() -> None:
    costs = [
        row | {"cost_amount_company": row["net_amount_company"] * 6 // 10}
        for row in monthly(*YEAR_OF_PARTS * 2, *WITH_PROJECT)
    ]
    row = expected(*costs)
    share = row["expected_contribution_12m"] / row["expected_net_sales_12m"]
    assert share == pytest.approx(Decimal("0.4"), abs=Decimal("0.000001"))
    price = expected(
        *(each | {"cost_amount_company": 60} for each in monthly(*[100] * 36)),
        credit(date(2024, 12, 20), -600, quantity=0, cost_amount_company=0),
    )
    assert price["expected_contribution_12m"] == 480 - 600 / 3


def _pace(year: int, half: int) -> Decimal:
    return Decimal(year + half) / Decimal("1.5")


# Season ----------------------------------------------------------------------------------------------------------

SPRING = [0, 0, 0, 0, 900, 900, 0, 0, 0, 0, 0, 0]
AUTUMN = SPRING[6:] + SPRING[:6]


@pytest.mark.parametrize("season", [SPRING, AUTUMN])
def test_who_has_a_season_is_expected_to_buy_for_a_year_wherever_in_the_year_it_is(season: list[int]) -> None:
    row = expected(*monthly(*season * 3))
    assert (row["expected_net_sales_12m"], row["expected_basis"]) == (1800, "own_season")
    assert row["buying_share"] == 1


def test_the_later_half_of_a_season_is_weighed_by_the_part_of_the_year_that_it_brings() -> None:
    # both years the later half brings 600 of 900, so 1200 of it are as good as 1800 a year
    before, now = [0, 300, 0, 0, 0, 0, 0, 0, 600, 0, 0, 0], [0, 600, 0, 0, 0, 0, 0, 0, 1200, 0, 0, 0]
    row = expected(*monthly(*before, *before, *now))
    assert row["expected_basis"] == "own_season"
    assert row["expected_net_sales_12m"] == (2 * 1800 + 1200 * Decimal("1.5")) / 3


def test_where_most_bought_on_one_day_it_is_asked_whether_a_customer_still_buys() -> None:
    once = [line(date(2024, 1 + n % 12, 5), 10, customer_id=f"O{n}") for n in range(60)]
    again = [row for n in range(20) for row in monthly(10, 10, 10, customer=f"A{n}")]
    rows = expect(facts([*once, *again])).customers
    assert set(rows["expected_basis"]) == {"still_buys"}
    assert rows["buying_share"].is_between(0, 1).all()


def test_who_sold_nothing_within_the_window_is_expected_to_buy_nothing() -> None:
    row = expected(*monthly(100, 100, 100, *[0] * 12))
    assert (row["expected_net_sales_12m"], row["expected_basis"]) == (0, "no_sales")


def test_more_credited_than_sold_is_expected_to_be_nothing_and_never_less() -> None:
    credit = line(date(2024, 11, 5), -900, document_type="credit_note")
    assert expected(*monthly(100, 0, 0), credit)["expected_net_sales_12m"] == 0


@pytest.mark.parametrize("status", ["blocked", "inactive"])
def test_a_customer_that_the_master_refuses_has_no_figure_and_says_why(status: str) -> None:
    row = expected(*monthly(*[100] * 24), customers=[{"customer_id": "C1", "status": status}])
    assert row["expected_basis"] == status
    figures = [row[name] for name in CUSTOMER_EXPECTATION.names() if name.startswith("expected_net_sales")]
    assert [*figures, row["expected_contribution_12m"], row["buying_share"]] == [None] * 5


def test_who_never_ordered_has_no_figure() -> None:
    row = expected(customers=[{"customer_id": "C1"}])
    assert (row["expected_net_sales_12m"], row["expected_basis"]) == (None, "no_orders")


def test_contribution_goes_the_way_of_net_sales_and_is_null_without_cost() -> None:
    costs = [row | {"cost_amount_company": 60} for row in monthly(*[100] * 24)]
    assert expected(*costs)["expected_contribution_12m"] == 480
    assert expected(*monthly(*[100] * 24))["expected_contribution_12m"] is None


def test_what_comes_after_the_period_is_not_looked_at() -> None:
    later = monthly(*[999] * 3, last=date(2025, 3, 31))
    assert expected(*monthly(*[100] * 24), *later) == expected(*monthly(*[100] * 24))


# Level -----------------------------------------------------------------------------------------------------------


HALVED_EACH_YEAR = [400] * 12 + [200] * 12 + [100] * 12


def alike(*months: int, count: int = 40) -> list[dict[str, Any]]:
    return [row for n in range(count) for row in monthly(*months, customer=f"F{n:02}")]


def test_half_of_what_all_fell_short_of_a_year_ago_is_made_up_for() -> None:
    # a year ago 2400 of each were expected and 1200 came
    assert figures(alike(*HALVED_EACH_YEAR)) == [900] * 40


def test_it_is_made_up_for_as_far_as_the_data_exceed_a_year() -> None:
    # nine months ago 1800 of each were expected and 900 came; half of a year is half of the way to two
    found = figures(alike(*[200] * 9, *[100] * 9))
    assert found == [_pace(3 * 200 + 9 * 100, 600) * (1 - Decimal(1) / 2 / 2 / 2)] * 40
    assert figures(alike(*[200] * 6, *[100] * 6)) == [_pace(1800, 600)] * 40


def test_a_level_is_between_a_half_and_one_and_a_half() -> None:
    assert level_of(100, 80, 24) == level_of(100, 80, 36) == 900_000
    assert level_of(100, 80, 18) == 950_000
    assert (level_of(100, -50, 24), level_of(100, 900, 24)) == (500_000, 1_500_000)
    assert level_of(100, 0, 12) == level_of(100, 0, 5) == 1_000_000


def test_fewer_than_30_customers_tell_no_level() -> None:
    assert figures(alike(*HALVED_EACH_YEAR, count=29)) == [1200] * 29


def test_a_total_is_off_by_what_remains_after_the_level() -> None:
    assert expect(facts(alike(*HALVED_EACH_YEAR))).drift[0] == -1_000_000 // 3


# Bounds ----------------------------------------------------------------------------------------------------------


def ratios(*values: float, large: bool = False) -> pl.DataFrame:
    scaled = [int(value * 10**6) for value in values]
    return pl.DataFrame(
        {"large": [large] * len(values), "ratio": scaled}, schema={"large": pl.Boolean, "ratio": pl.Int128}
    )


def test_forecasts_are_looked_at_from_half_of_the_data_ago_and_half_of_that() -> None:
    assert times_ago(36) == [12, 6]
    assert times_ago(17) == [8, 4]
    assert times_ago(6) == [3, 2]
    assert times_ago(4) == [2]
    assert times_ago(3) == []


def test_bounds_leave_out_a_tenth_below_and_a_tenth_above() -> None:
    small, large = bounds(ratios(*[n / 100 for n in range(1, 101)]))
    assert small == (100_000, 900_000)
    assert large == small  # too few of their own


def test_with_a_lower_bound_of_0_the_upper_one_is_the_85th_percentile() -> None:
    small, _ = bounds(ratios(*[0] * 50, *[n / 100 for n in range(51, 101)]))
    assert small == (0, 850_000)


def test_large_and_small_customers_have_bounds_of_their_own_from_30_forecasts_on() -> None:
    steady = ratios(*[1] * 30, large=True)
    assert bounds(pl.concat([ratios(*[0.5] * 30), steady])) == ((500_000,) * 2, (1_000_000,) * 2)
    assert bounds(ratios(*[0.5] * 29)) == (None, None)


def many(count: int = 40) -> list[dict[str, Any]]:
    """Customers that buy each month, more in some years than in others."""
    return [
        row
        for n in range(count)
        for row in monthly(
            *[100 + n] * 12, *[100 + 3 * n % 37] * 12, *[120 + n % 7] * 12, customer=f"M{n:02}"
        )
    ]


def test_the_figure_lies_within_its_bounds_and_none_is_below_0() -> None:
    rows = expect(facts(many())).customers
    low, figure, high = (pl.col(f"expected_net_sales_{each}") for each in ("low", "12m", "high"))
    assert rows.filter((low >= 0) & (low <= figure) & (figure <= high)).height == rows.height


def test_a_handful_of_customers_tells_no_bounds() -> None:
    row = expected(*monthly(*[100] * 24))
    assert (row["expected_net_sales_low"], row["expected_net_sales_high"]) == (None, None)


# Months ahead and totals -----------------------------------------------------------------------------------------


def spread(world: Facts) -> pl.DataFrame:
    found = expectation_months(expect(world).customers.lazy(), world, WINDOW).collect()
    assert found.schema == EXPECTATION_MONTH
    return found


def test_the_months_ahead_sum_up_to_the_figure() -> None:
    world = facts([*many(3), *monthly(1, 0, 0, 100)])
    found = spread(world).group_by("customer_id").agg(pl.col("expected_net_sales").sum(), pl.len())
    figures = dict(expect(world).customers.select("customer_id", "expected_net_sales_12m").iter_rows())
    assert {name: total for name, total, _ in found.iter_rows()} == figures
    assert set(found["len"]) == {12}


def test_a_season_is_spread_over_its_own_months_and_the_others_as_the_company() -> None:
    season = [0, 0, 0, 0, 900, 600, 0, 0, 0, 0, 0, 0]
    found = spread(facts([*OLD, *monthly(*season * 3)]))
    mine = found.filter(pl.col("customer_id") == "C1").sort("month")
    assert mine["month"][0] == date(2025, 1, 1)
    assert mine["expected_net_sales"].to_list() == season
    may, january = (
        found.filter(customer_id="OLD", month=date(2025, m, 1))["expected_net_sales"][0] for m in (5, 1)
    )
    assert may > 9 * january


def test_without_two_years_of_data_the_months_are_equal() -> None:
    # a month at (2 × 175 + 250) ÷ 3
    assert spread(facts(monthly(100, 250)))["expected_net_sales"].to_list() == [200] * 12


def test_totals_sum_up_and_their_bounds_are_narrower_than_the_sum_of_bounds() -> None:
    world = facts(many(), customers=[{"customer_id": f"M{n:02}", "channel": "direct"} for n in range(10)])
    found = expect(world)
    totals = expectation_totals(found, world, NOBODY).collect()
    assert totals.schema == EXPECTATION_TOTAL
    by_level = {level: rows for (level,), rows in totals.group_by("level")}
    assert by_level["channel"]["member"].to_list() == ["direct", "unknown"]
    assert by_level["salesperson"]["member"].to_list() == ["unknown"]
    for rows in by_level.values():
        assert rows["expected_net_sales_12m"].sum() == found.customers["expected_net_sales_12m"].sum()
    [whole] = by_level["company"].to_dicts()
    spans = found.customers["expected_net_sales_high"] - found.customers["expected_net_sales_low"]
    assert whole["expected_net_sales_high"] - whole["expected_net_sales_low"] > 0
    still = replace(found, drift=(0, 0))
    [evened] = (
        expectation_totals(still, world, NOBODY).filter(pl.col("level") == "company").collect().to_dicts()
    )
    assert evened["expected_net_sales_high"] - evened["expected_net_sales_low"] < spans.sum()


def test_a_total_of_customers_without_bounds_has_none() -> None:
    world = facts(OLD)
    assert (
        expectation_totals(expect(world), world, NOBODY).collect()["expected_net_sales_low"].to_list()
        == [None] * 3
    )


# How it came out -------------------------------------------------------------------------------------------------


def forecast(
    customer: str, figure: int | None, before: int, low: int | None = None, high: int | None = None
) -> dict[str, Any]:
    return {
        "customer_id": customer,
        "period": PERIOD,
        "expected_net_sales_12m": figure,
        "expected_net_sales_low": low,
        "expected_net_sales_high": high,
        "expected_basis": "recent_pace" if figure is not None else "blocked",
        "net_sales_12m": before,
        "model_version": 1,
        "recorded_at": datetime(2025, 1, 3, tzinfo=UTC).replace(tzinfo=None),
        "origin": "published",
    }


def sold(customer: str, month: date, net: int) -> dict[str, Any]:
    return {"customer_id": customer, "month": month, "net_sales": net, "orders": 1}


def judge(forecasts: list[dict[str, Any]], months: list[dict[str, Any]]) -> dict[str, Any]:
    found = forecast_accuracy(
        frame(CUSTOMER_FORECAST, forecasts), frame(CUSTOMER_MONTH, months), [PERIOD]
    ).collect()
    assert found.schema == FORECAST_ACCURACY
    [row] = found.to_dicts()
    return row


def test_a_forecast_is_judged_by_the_twelve_months_that_follow() -> None:
    row = judge(
        [forecast("A", 110, 50, 90, 130), forecast("B", 40, 50, 30, 50), forecast("C", None, 900)],
        [
            sold("A", PERIOD, 999),
            sold("A", date(2025, 1, 1), 60),
            sold("A", date(2025, 12, 1), 40),
            sold("A", date(2026, 1, 1), 999),
            sold("C", date(2025, 2, 1), 7),
            sold("NEW", date(2025, 2, 1), 3),
        ],
    )
    assert (row["customers"], row["expected_net_sales"], row["actual_net_sales"]) == (2, 150, 100)
    assert (row["total_error"], row["wape"]) == (Decimal("0.5"), Decimal("0.5"))
    assert (row["last_year_total_error"], row["last_year_wape"]) == (0, 1)
    assert row["covered_share"] == Decimal("0.5")
    assert row["new_customer_net_sales"] == 10


def test_the_largest_are_those_that_had_brought_80_percent_of_the_year_before() -> None:
    small = [forecast(f"S{n}", 1, 1, 1, 1) for n in range(20)]
    row = judge([forecast("A", 80, 80, 70, 90), *small], [sold("A", date(2025, 1, 1), 75)])
    assert row["covered_share_large"] == 1
    assert row["covered_share"] == pytest.approx(Decimal(1) / 21, abs=Decimal("0.000001"))


def test_a_forecast_recorded_after_the_next_month_is_a_backcast() -> None:
    customers = pl.LazyFrame(schema=CUSTOMER_EXPECTATION)
    rated = frame(CUSTOMER_VALUE_HISTORY, [{"net_sales_12m": 5}]).select(*KEY, "net_sales_12m")
    one = expect(facts(monthly(*[100] * 12))).customers.lazy()
    assert first_forecasts(customers, rated, PERIOD, datetime(2025, 1, 1, tzinfo=UTC)).collect().is_empty()
    for day, origin in ((date(2025, 1, 31), "published"), (date(2025, 2, 1), "backcast")):
        recorded = datetime(day.year, day.month, day.day, tzinfo=UTC)
        [row] = first_forecasts(one, rated, PERIOD, recorded).collect().to_dicts()
        assert (row["origin"], row["net_sales_12m"]) == (origin, 5)


def test_judged_are_the_forecasts_of_two_years_whose_months_have_closed() -> None:
    periods = [months_before(PERIOD, back) for back in range(40, -1, -1)]
    judged = judged_periods(periods, PERIOD)
    assert (judged[0], judged[-1], len(judged)) == (date(2022, 1, 1), date(2023, 12, 1), 24)


# Laws ------------------------------------------------------------------------------------------------------------

amounts = st.lists(st.integers(0, 5000).map(lambda cents: Decimal(cents) / 100), min_size=1, max_size=30)
worlds = st.lists(amounts, min_size=1, max_size=6)


def of(world: list[list[Decimal]], factor: int = 1) -> list[dict[str, Any]]:
    return [
        row
        for n, year in enumerate(world)
        for row in monthly(*[each * factor for each in year], customer=f"C{n}")
    ]


signed = st.lists(st.integers(-3000, 9000), min_size=1, max_size=30)


@given(st.lists(signed, min_size=1, max_size=5), st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_what_tells_a_pace_and_what_stands_out_sum_up_to_what_was_bought_and_kept(
    world: list[list[int]], credited: int
) -> None:
    months = pl.LazyFrame(
        [
            {
                **dict.fromkeys(KEY, f"C{n}"),
                "company_code": "1000",
                "age": age,
                "net": net - credit,
                "gain": net,
            }
            | {"credited": -credit}
            for n, year in enumerate(world)
            for age, net in enumerate(year)
            for credit in [credited * (age % 3)]
        ]
    ).cast({"net": pl.Int128, "gain": pl.Int128, "credited": pl.Int128})
    found = evened_months(months).sort(*KEY, "age").collect()
    for n, year in enumerate(world):
        rows = found.filter(customer_id=f"C{n}")
        kept, owed = [], 0
        for net in year:  # from the latest back
            owed += net
            kept.append(max(owed, 0))
            owed = min(owed, 0)
        credits_of = [credited * (age % 3) for age in range(len(year))]
        summed = (rows["even"] + rows["extra"]).to_list()
        assert summed == [left - credit for left, credit in zip(kept, credits_of, strict=True)]


@given(worlds, st.sampled_from([10, 1000]))
@settings(max_examples=8, deadline=None)
def test_scaling_money_scales_the_figure(world: list[list[Decimal]], factor: int) -> None:
    figure = pl.col("expected_net_sales_12m").cast(pl.Float64)
    plain, scaled = (expect(facts(of(world, each))).customers for each in (1, factor))
    off = (scaled.select(figure).to_series() - plain.select(figure * factor).to_series()).abs()
    assert (off.fill_null(0) <= factor * 0.00006).all()
    shown = ["customer_id", "expected_basis", "buying_share"]
    assert plain.select(shown).equals(scaled.select(shown))


@given(worlds, st.randoms(use_true_random=False))
@settings(max_examples=6, deadline=None)
def test_the_order_of_rows_changes_nothing(world: list[list[Decimal]], random: Any) -> None:
    rows = [*many(32), *of(world)]
    mixed = random.sample(rows, len(rows))
    assert expect(facts(rows)).customers.equals(expect(facts(mixed)).customers)


@given(worlds)
@settings(max_examples=6, deadline=None)
def test_selling_more_in_the_last_month_never_lowers_the_figure(world: list[list[Decimal]]) -> None:
    rows = of(world)
    more = line(date(2024, 12, 10), 50, customer_id="C0", document_id="more")
    last = [row for row in rows if row["customer_id"] == "C0" and row["invoice_date"] == date(2024, 12, 10)]
    if not last:
        return  # another month with a sale is another rhythm

    def figure(sales: list[dict[str, Any]]) -> Decimal:
        found = expect(facts(sales)).customers.filter(pl.col("customer_id") == "C0")[
            "expected_net_sales_12m"
        ][0]
        assert isinstance(found, Decimal)
        return found

    assert figure([*rows, more]) >= figure(rows)
