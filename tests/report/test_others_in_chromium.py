"""The customers without a page of their own: found, drawn by one page from packed scripts, and no less whole than the others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows.report import build, others, pages
from flows.settings import Settings
from tests.flows.small_company import settings_of
from tests.report.reported_company import BUYERS, PATH_ID, SCRIPT
from tests.report.test_report_in_chromium import LIST, opened, unfold

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

PAGES = 2


@pytest.fixture(scope="module")
def in_part(reported: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same report with two pages of their own, and the others in scripts of two customers or so; not to be changed."""
    home = tmp_path_factory.mktemp("in_part") / "home"
    shutil.copytree(reported.home, home, symlinks=True)
    settings = settings_of(home, customer_pages=PAGES)
    settings.report_file.unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(others, "IN_A_SCRIPT", 2)
        patch.setattr(others, "AT_ONCE", 2)
        build.build_if_behind(settings)
    return settings


def folder(settings: Settings) -> Path:
    return settings.report_folder / "customers"


def own_pages(settings: Settings) -> set[str]:
    return {file.name for file in folder(settings).glob("1000-*.html")}


def drawn(settings: Settings) -> list[str]:
    """Who has no page of its own."""
    return [each for each in BUYERS if pages.file_name("1000", each) not in own_pages(settings)]


def test_beyond_the_limit_scripts_of_packed_pages_take_the_place_of_pages(in_part: Settings) -> None:
    assert len(own_pages(in_part)) == PAGES
    assert len(drawn(in_part)) == len(BUYERS) - PAGES
    scripts = {file.name for file in folder(in_part).glob("others-*.js")}
    assert scripts == {others.script_name(number) for number in range(-(-len(BUYERS) // 2))}


def test_a_report_whose_customers_all_have_pages_has_no_packed_ones(reported: Settings) -> None:
    assert not list(folder(reported).glob("others-*.js"))
    assert not (folder(reported) / others.PAGE).exists()


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_who_is_searched_for_is_drawn_as_on_a_page_of_its_own(
    browser: Browser, in_part: Settings, reported: Settings, language: str
) -> None:
    for customer in drawn(in_part):
        with opened(
            browser, reported, f"customers/{pages.file_name('1000', customer)}", locale=language
        ) as tab:
            wanted, title = tab.inner_html("main"), tab.title()
        with opened(browser, in_part, LIST, locale=language) as tab:
            tab.fill("input[name=q]", SCRIPT.split()[0] if customer == "OWES" else customer)
            tab.locator("#customers tbody th a").first.click()
            tab.wait_for_selector("h1")
            assert f"{others.PAGE}?" in tab.url
            assert tab.title() == title
            shown = tab.inner_html("main")
        part = 'id="definitions"'
        assert shown.partition(part)[0].split() == wanted.partition(part)[0].split(), customer


def test_a_drawn_page_behaves_as_the_others_do(browser: Browser, in_part: Settings) -> None:
    address = f"customers/{others.address(('1000', drawn(in_part)[0]))}"
    with opened(browser, in_part, address) as tab:
        tab.wait_for_selector("h1")
        assert tab.evaluate("probes.unreachableDefinitions()") == []
        assert tab.evaluate("probes.brokenReferences()") == []
        assert all(chart["marks"] >= 3 for chart in tab.evaluate("probes.charts()"))
        tab.locator("main a.def").first.hover()
        assert tab.locator("#tip").is_visible()
        tab.click('nav.sections a[href="#credit"]')
        assert tab.url.endswith("#credit")
        tab.reload()
        tab.wait_for_selector("h1")
        assert tab.locator("#credit").is_visible()
    with opened(browser, in_part, address, viewport={"width": 375, "height": 800}) as tab:
        tab.wait_for_selector("h1")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 375
        assert tab.locator("section.part.shut").count() > 0
        unfold(tab)
        assert tab.locator("section.part.shut").count() == 0


def test_the_first_page_links_to_drawn_pages_too(browser: Browser, in_part: Settings) -> None:
    with opened(browser, in_part) as tab:
        link = tab.locator(f'main a[href*="{others.PAGE}?"]').first
        name = link.inner_text()
        link.click()
        tab.wait_for_selector("h1")
        assert tab.inner_text("h1") == name


@pytest.mark.parametrize("customer", ["NOBODY", "giant", ""])
def test_whom_the_report_does_not_know_is_not_drawn(
    browser: Browser, in_part: Settings, customer: str
) -> None:
    with opened(browser, in_part, f"customers/{others.address(('1000', customer))}") as tab:
        tab.wait_for_selector("#nobody:not([hidden])")
        tab.click("#nobody a")
        assert tab.url.endswith(LIST)


def test_an_address_that_was_sent_leads_to_the_own_page_of_who_has_one_by_now(
    browser: Browser, in_part: Settings
) -> None:
    own = next(each for each in BUYERS if each not in drawn(in_part))
    with opened(browser, in_part, LIST) as tab:
        tab.evaluate("address => { location.href = address }", others.address(("1000", own)))
        tab.wait_for_url(f"**/{pages.file_name('1000', own)}")


def test_a_number_that_is_a_path_is_found_in_its_script() -> None:
    keys = [("1000", PATH_ID), ("1000", "客户"), ("<2>", "a\nb"), *(("1", f"{n:06}") for n in range(5_000))]
    found = others.groups(keys)
    assert sorted(key for group in found for key in group) == sorted(keys)
    assert max(map(len, found)) < 2 * others.IN_A_SCRIPT
