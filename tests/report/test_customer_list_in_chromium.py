"""The list of all customers as a person uses it: searched, filtered, sorted, and sent to somebody else as an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from flows.report import customer_list
from flows.settings import Settings
from tests.report.reported_company import PATH_ID, SCRIPT
from tests.report.test_report_in_chromium import CUSTOMER, LIST, opened
from warehouse.mart import report_list

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def asked(settings: Settings, where: str = "true", order: str = "net_sales_12m DESC NULLS LAST") -> list[str]:
    """The numbers of customers as the mart has them."""
    with duckdb.connect(str(settings.mart_file), read_only=True) as connection:
        found = connection.execute(
            f"SELECT customer_id FROM customer_year WHERE {where} ORDER BY {order}, customer_id"
        ).fetchall()
    return [customer for (customer,) in found]


def listed(tab: Page) -> list[str]:
    return tab.locator("#customers tbody th .id").all_inner_texts()


def test_every_customer_stands_in_the_list_the_largest_first(browser: Browser, reported: Settings) -> None:
    with opened(browser, reported, LIST) as tab:
        assert listed(tab) == asked(reported)
        assert tab.inner_text("#count") == f"{len(listed(tab))} / {len(listed(tab))}"
        assert tab.get_attribute("th[data-key=net_sales]", "aria-sort") == "descending"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("giant", ["GIANT"]),
        ("客户 gro", ["GROWS"]),
        (PATH_ID, [PATH_ID]),
        ("sohne", ["OWES"]),
        ("no such", []),
    ],
)
def test_a_customer_is_found_by_parts_of_its_name_or_number_without_case_or_accents(
    browser: Browser, reported: Settings, said: str, found: list[str]
) -> None:
    with opened(browser, reported, LIST) as tab:
        tab.fill("input[name=q]", said)
        assert listed(tab) == found
        assert tab.locator("#nobody").is_visible() == (found == [])
        tab.click("button[type=reset]")
        assert listed(tab) == asked(reported)


def test_a_choice_of_tier_leaves_that_tier(browser: Browser, reported: Settings) -> None:
    with opened(browser, reported, LIST) as tab:
        offered = tab.locator("select[name=tier] option").evaluate_all("all => all.map((one) => one.value)")
        assert offered[0] == ""
        assert len(offered) > 2
        for tier in offered[1:]:
            tab.select_option("select[name=tier]", tier)
            assert listed(tab) == asked(reported, f"effective_tier = '{tier}'"), tier


def test_a_click_on_a_heading_sorts_and_another_turns_it_and_what_is_not_known_stays_last(
    browser: Browser, reported: Settings
) -> None:
    with opened(browser, reported, LIST) as tab:
        contribution = "th[data-key=contribution]"
        tab.click(f"{contribution} button")
        assert listed(tab) == asked(reported, order="contribution_12m DESC NULLS LAST")
        tab.click(f"{contribution} button")
        assert listed(tab) == asked(reported, order="contribution_12m ASC NULLS LAST")
        assert tab.get_attribute(contribution, "aria-sort") == "ascending"
        assert tab.locator("[aria-sort]").count() == 1


def test_the_keyboard_searches_and_sorts(browser: Browser, reported: Settings) -> None:
    with opened(browser, reported, LIST) as tab:
        tab.focus("input[name=q]")
        tab.keyboard.type("customer")
        assert len(listed(tab)) == len(asked(reported)) - 1, "all but the one whose name is a script"
        tab.focus("th[data-key=name] button")
        tab.keyboard.press("Enter")
        names = tab.locator("#customers tbody th a").all_inner_texts()
        assert names == sorted(names)
        tab.keyboard.press("Enter")
        assert tab.locator("#customers tbody th a").all_inner_texts() == names[::-1]


def test_what_is_looked_at_stands_in_the_address_and_can_be_sent(
    browser: Browser, reported: Settings
) -> None:
    with opened(browser, reported, LIST) as tab:
        tab.fill("input[name=q]", "客户 s")
        tab.click("th[data-key=name] button")
        address, found = tab.url, listed(tab)
        assert 0 < len(found) < len(asked(reported))
    with opened(browser, reported) as tab:
        tab.goto(address)
        assert listed(tab) == found
        assert tab.input_value("input[name=q]") == "客户 s"
        tab.evaluate("location.hash = 'q=giant&sort=no_such_column'")
        tab.wait_for_function("document.querySelectorAll('#customers tbody tr').length === 1")
        assert listed(tab) == ["GIANT"]
        tab.click("#definitions summary")
        tab.evaluate("location.hash = 'definitions'")
        assert listed(tab) == ["GIANT"], "a place of the page is no question"


def test_the_list_speaks_both_languages_and_its_choices_follow(browser: Browser, reported: Settings) -> None:
    with opened(browser, reported, LIST) as tab:
        english = tab.locator("select[name=tier] option").all_inner_texts()
        assert english[0] == "all"
        tab.click("#language")
        tab.wait_for_function("document.querySelector('select[name=tier] option').textContent === '全部'")
        said = tab.inner_text("main")
        for term in ("全部客户", "净销售额", "业务员", "销售区域"):
            assert term in said, term
        assert "Net sales" not in said
        assert tab.title().startswith("全部客户")


def test_a_name_leads_to_its_page_and_back_and_a_name_that_is_a_script_is_text(
    browser: Browser, reported: Settings
) -> None:
    with opened(browser, reported) as tab:
        tab.click(f'a[href="{LIST}"] >> nth=0')
        tab.fill("input[name=q]", "document.title")
        link = tab.locator("#customers tbody th a")
        assert link.inner_text() == SCRIPT
        link.click()
        assert tab.url.endswith(CUSTOMER)
        tab.click("a.brand")
        assert tab.url.endswith(LIST)


def test_twenty_thousand_customers_are_drawn_by_steps_and_searched_within_a_blink(
    browser: Browser, reported: Settings
) -> None:
    rows = report_list.read(reported.mart_file)
    many = [{**rows[i % len(rows)], "customer_id": f"{i:010d}", "name": f"Müller {i}"} for i in range(20_000)]
    script = customer_list.script(many, {})
    assert len(script.encode()) < 5_000_000
    with opened(browser, reported, LIST) as tab:
        tab.route("**/customers.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
        tab.reload()
        assert len(listed(tab)) == 100
        tab.click("#more")
        assert len(listed(tab)) == 200
        took = tab.evaluate(
            """() => {
                const field = document.querySelector("input[name=q]");
                field.value = "muller 1999";
                const begun = performance.now();
                field.dispatchEvent(new Event("input", { bubbles: true }));
                return performance.now() - begun;
            }"""
        )
        assert tab.inner_text("#count") == "12 / 20,000"
        assert took < 500, f"{took} ms, where 100 are wanted of a machine that does nothing else"
