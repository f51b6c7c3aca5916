"""The first screen: a year against the same months of last year, in figures and in sentences of both languages."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from flows.report.summary import FirstScreen, business, first_screen
from tests.warehouse.mart_of_rows import NOW, YEAR_BEFORE, published, rating
from warehouse.mart import report
from warehouse.mart.report_summary import MOST_FIRST, Summary

REACH = ("customer_month", {"customer_id": "A", "month": date(2022, 6, 1), "net_sales": 1})


def summary(home: Path, *rows: tuple[str, dict[str, Any]]) -> Summary:
    [company] = report.read(published(home, *rows)).companies
    assert company.summary is not None
    return company.summary


def screen(home: Path, *rows: tuple[str, dict[str, Any]]) -> FirstScreen:
    return first_screen(summary(home, *rows), "EUR")


def year(customer: str, then: object, now: object, **more: object) -> list[tuple[str, dict[str, Any]]]:
    return [
        rating(customer, YEAR_BEFORE, "core", 5, then, contribution_12m=10),
        rating(customer, NOW, "core", 5, now, **{"contribution_12m": 12, "sales_trend": 1, **more}),
    ]


def test_the_year_is_compared_with_the_same_months_of_last_year(tmp_path: Path) -> None:
    found = summary(tmp_path, REACH, *year("A", 1_000, 938)).figures
    assert (found["net_sales_then"], found["net_sales_difference"]) == (1_000, -62)
    assert found["net_sales_share"] == Decimal("-0.062")
    assert (found["contribution_difference"], found["contribution_share"]) == (2, Decimal("0.2"))
    assert (found["first_month"], found["period_then"]) == (date(2023, 6, 1), YEAR_BEFORE)


def test_a_year_that_is_down_is_said_so_first_in_both_languages(tmp_path: Path) -> None:
    found = screen(
        tmp_path,
        REACH,
        *year("A", 1_000_000, 938_000, quantity_effect_12m=-70_000, price_effect_12m=8_000),
    )
    said = found.sentences[0]
    assert said.en == (
        "Net sales of the twelve months to May 2024 are 938k EUR, −6.2% on the same months of last year "
        "(−62.0k, of it quantity −70.0k and price +8.0k)."
    )
    assert said.zh == (
        "截至2024年5月的 12 个月净销售额为 93.8万 EUR，同比 −6.2%（−6.2万，其中数量影响 −7.0万、价格影响 +8,000）。"
    )
    assert [each.change for each in found.figures] == ["−6.2%", "+20.0%", "0"]


def test_last_year_is_not_spoken_of_where_the_data_do_not_reach_back(tmp_path: Path) -> None:
    late = ("customer_month", {"customer_id": "A", "month": date(2022, 7, 1), "net_sales": 1})
    found = screen(tmp_path, late, *year("A", 1_000, 938))
    assert [each.change for each in found.figures] == [None, None, None]
    assert "do not reach back" in found.sentences[0].en
    assert "无法同比" in found.sentences[0].zh


def test_what_neither_quantity_nor_price_is_said_to_have_made_is_named_so_that_the_parts_sum_to_the_change(
    tmp_path: Path,
) -> None:
    won = rating("NEW", NOW, "core", 5, 100_000, contribution_12m=1)
    split = {"quantity_effect_12m": -70_000, "price_effect_12m": 8_000}
    said = screen(tmp_path, REACH, *year("A", 1_000_000, 938_000, **split), won).sentences[0]
    assert (
        "(+38.0k, of it quantity −70.0k, price +8.0k, and +100k with those who did not buy in both years"
        in said.en
    )
    assert (
        "（+3.8万，其中数量影响 −7.0万、价格影响 +8,000、仅其中一年采购或数量不明的客户 +10.0万）" in said.zh
    )


def test_a_year_like_the_last_one_is_said_to_be_so(tmp_path: Path) -> None:
    said = screen(tmp_path, REACH, *year("A", 1_000, 1_000)).sentences[0]
    assert said.en == (
        "Net sales of the twelve months to May 2024 are 1.0k EUR, as much as in the same months of last year."
    )
    assert said.zh == "截至2024年5月的 12 个月净销售额为 1,000 EUR，与上年同期持平。"


def test_a_year_before_that_nobody_has_rated_is_not_said_to_lie_before_the_data(tmp_path: Path) -> None:
    sold = ("customer_month", {"customer_id": "A", "month": YEAR_BEFORE, "net_sales": 899})
    found = screen(tmp_path, REACH, sold, rating("A", NOW, "core", 5, 1_000, contribution_12m=10))
    assert [(each.key, each.change, each.missing) for each in found.figures] == [
        ("net_sales", "+11.1%", "year_not_rated"),
        ("contribution", None, "year_not_rated"),
        ("value_customers", None, "year_not_rated"),
    ]


def test_a_figure_that_nobody_has_is_not_said_to_lack_its_last_year(tmp_path: Path) -> None:
    unsold = rating("A", NOW, "unrated", 3, None, contribution_12m=None)
    found = screen(tmp_path, unsold)
    assert [each.missing for each in found.figures[:2]] == ["nobody_assessed"] * 2


def test_whom_to_cultivate_is_said_without_money_where_nobodys_demand_is_known(tmp_path: Path) -> None:
    known = [*year("A", 10, 10, effective_tier="cultivate", headroom_12m=5_000)]
    unknown = [*year("B", 10, 10, effective_tier="cultivate")]
    both = screen(tmp_path / "both", REACH, *known, *unknown).sentences[-1]
    none = screen(tmp_path / "none", REACH, *unknown).sentences[-1]
    assert both.en == ("What to do: cultivate 2 customers buying 5.0k a year elsewhere (known for 1).")
    assert (none.en, none.zh) == ("What to do: cultivate 1 customer.", "建议行动：培植 1 个客户。")


def test_who_brings_less_than_nothing_is_not_said_to_buy(tmp_path: Path) -> None:
    [loss] = [
        each
        for each in screen(tmp_path, REACH, *year("A", 10, -3_000, contribution_12m=-5)).lists
        if each.key == "loss"
    ]
    assert [each.reason.en for each in loss.entries] == ["net sales −3.0k in the year"]


def test_what_to_do_counts_those_to_call_who_hold_four_fifths_of_what_is_at_stake(tmp_path: Path) -> None:
    falls = {"A": 50_000, "B": 30_000, "C": 15_000, "D": 5_000}
    found = screen(
        tmp_path,
        REACH,
        *(row for who, fall in falls.items() for row in year(who, 90_000, 90_000 - fall, sales_trend="-0.5")),
    )
    assert found.sentences[-1].en == (
        "What to do: call 2 customers with four fifths of the 100k at stake, A first."
    )
    [call] = [each for each in found.lists if each.key == "call"]
    assert call.summed is not None
    assert call.summed.en == "4 in all, 100k EUR"


def test_what_to_do_names_whom_to_call_first_and_what_is_at_stake(tmp_path: Path) -> None:
    found = screen(
        tmp_path,
        REACH,
        *year("A", 5_000, 5_000),
        *year(
            "B", 90_000, 20_000, sales_trend="-0.5", last_order_on=date(2024, 3, 1), usual_gap_days=14,
            closed_through=date(2024, 5, 31), sales_change_cause="quantity",
        ),
    )  # fmt: skip
    assert found.sentences[-1].en == "What to do: call 1 customer with 70.0k at stake, B first."
    [call] = [each for each in found.lists if each.key == "call"]
    assert [(each.row["customer_id"], each.money) for each in call.entries] == [("B", 70_000)]
    assert call.entries[0].reason.en == (
        "−77.8% on last year; quantity; last order 2024-03-01; usually every 14 days"
    )
    assert call.entries[0].reason.zh == "同比 −77.8%；数量下降；最近下单 2024-03-01；通常每 14 天下单"


def test_who_grows_again_is_not_to_be_called_for_a_fall_that_is_over(tmp_path: Path) -> None:
    found = screen(
        tmp_path,
        REACH,
        *year("BACK", 90_000, 20_000, sales_trend=None, is_growing=True),
        *year("FALLS", 90_000, 80_000, sales_trend=None, is_growing=False),
    )
    [call] = [each for each in found.lists if each.key == "call"]
    assert [each.row["customer_id"] for each in call.entries] == ["FALLS"]


def test_a_fall_that_prices_did_not_make_is_not_called_one_of_price(tmp_path: Path) -> None:
    called_price = {"sales_trend": "-0.1", "sales_change_cause": "price"}
    found = screen(
        tmp_path,
        REACH,
        *year("CLOSED", 1_000, 920, **called_price, quantity_effect_12m=-80, price_effect_12m=0),
        *year("CHEAPER", 1_000, 930, **called_price, quantity_effect_12m=0, price_effect_12m=-70),
    )
    [call] = [each for each in found.lists if each.key == "call"]
    assert {each.row["customer_id"]: each.reason.en for each in call.entries} == {
        "CLOSED": "−8.0% on last year",
        "CHEAPER": "−7.0% on last year; price",
    }


def test_an_expected_move_is_told_by_what_the_business_did_as_well_as_by_its_gap(tmp_path: Path) -> None:
    silent = {"last_order_on": date(2024, 2, 1), "usual_gap_days": 30, "closed_through": date(2024, 5, 31)}
    mart = published(
        tmp_path, REACH, *year("A", 1_000, 400, watch_tier="marginal", watch_direction="down", **silent)
    )
    [company] = report.read(mart).companies
    [expected] = company.expected
    said = business(expected)
    assert said.en == "−60.0% on last year; last order 2024-02-01; usually every 30 days"
    assert said.zh == "同比 −60.0%；最近下单 2024-02-01；通常每 30 天下单"


def test_who_began_in_the_year_before_is_told_by_the_amount_and_not_by_a_share_of_next_to_nothing(
    tmp_path: Path,
) -> None:
    began = year("A", 100, 9_000, watch_tier="cultivate", watch_direction="up")
    [company] = report.read(published(tmp_path, REACH, *began)).companies
    assert [business(row).en for row in company.expected] == ["+8.9k on last year"]


def test_who_bought_nothing_in_the_year_is_told_so(tmp_path: Path) -> None:
    gone = {"net_sales_12m": 0, "last_order_on": date(2023, 4, 2), "closed_through": date(2024, 5, 31)}
    found = screen(tmp_path, REACH, *year("A", 500, 0, **gone))
    [call] = [each for each in found.lists if each.key == "call"]
    assert [each.reason.zh for each in call.entries] == ["年内未采购；最近下单 2023-04-02"]


def test_an_empty_list_says_that_nobody_is_like_that_only_where_somebody_could_have_been_told_so(
    tmp_path: Path,
) -> None:
    looked_at = [
        ("credit_watch", {"customer_id": "A", "credit_action": "open"}),
        ("conduct_finding", {"customer_id": "A", "kind": "diversion", "confidence": "none"}),
    ]
    sold = rating("A", NOW, "core", 5, 10)
    unseen = ("conduct_finding", {"customer_id": "A", "kind": "diversion", "confidence": "not_assessable"})
    known = screen(tmp_path / "known", REACH, *year("A", 10, 10), *looked_at)
    unknown = screen(tmp_path / "unknown", sold, unseen)

    def said(found: FirstScreen) -> dict[str, str]:
        return {each.key: each.none.en for each in found.lists if each.key in {"loss", "credit", "conduct"}}

    assert said(known) == {
        "loss": "Nobody is known to cost more than it brings.",
        "credit": "Nobody is over the limit or to be asked to pay before.",
        "conduct": "No finding is confirmed or suspected.",
    }
    assert said(unknown) == {
        "loss": "The contribution is not assessed for any customer.",
        "credit": "No receivables were delivered, so credit is not assessed.",
        "conduct": "Nobody's conduct could be assessed.",
    }


def test_whom_to_cultivate_without_a_known_demand_comes_by_what_it_buys(tmp_path: Path) -> None:
    def small(customer: str, sales: int, **more: object) -> tuple[str, dict[str, Any]]:
        return rating(customer, NOW, "cultivate", 4, sales, **more)

    unknown = {"headroom_reason": "no_estimate"}
    found = screen(
        tmp_path, small("A", 900, **unknown), small("B", 2_500, **unknown), small("C", 10, headroom_12m=70)
    )
    [cultivate] = [each for each in found.lists if each.key == "cultivate"]
    assert [(each.row["customer_id"], each.reason.en) for each in cultivate.entries] == [
        ("C", "buys 10 a year"),
        ("B", "buys 2.5k a year; demand not known: no demand estimate"),
        ("A", "buys 900 a year; demand not known: no demand estimate"),
    ]


def test_the_only_channel_or_territory_is_not_named_for_what_the_whole_company_did(tmp_path: Path) -> None:
    def sold_in(channels: dict[str, str]) -> set[str]:
        masters = [
            ("customer", {"customer_id": who, "name": who, "channel": channel, "territory_id": channel})
            for who, channel in channels.items()
        ]
        years = [row for who in channels for row in year(who, 100, 150)]
        found = summary(tmp_path / str(len(set(channels.values()))), REACH, *masters, *years)
        return {row["fact"] for row in found.changed}

    assert sold_in({"A": "direct", "B": "direct"}) == {"largest_rise"}
    assert sold_in({"A": "direct", "B": "export"}) >= {"channel_rose", "territory_rose"}


def test_nothing_to_do_is_said(tmp_path: Path) -> None:
    assert screen(tmp_path, REACH, *year("A", 1, 1)).sentences[-1].en == "Nothing presses."


def test_a_list_shows_the_first_and_tells_of_all(tmp_path: Path) -> None:
    many = [each for n in range(7) for each in year(f"C{n}", 10, 10, contribution_12m=-n - 1)]
    [loss] = [each for each in screen(tmp_path, REACH, *many).lists if each.key == "loss"]
    assert [each.money for each in loss.entries] == [-7, -6, -5, -4, -3]
    assert len(loss.entries) == MOST_FIRST
    assert loss.summed is not None
    assert loss.summed.en == "7 in all, −28 EUR"
