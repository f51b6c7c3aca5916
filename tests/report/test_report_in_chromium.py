"""The report as a person meets it: in a browser, by mouse and keyboard, small and large, light and dark, in two languages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.pipeline import stages
from flows.report import pages
from flows.settings import Settings
from tests.report.reported_company import SCRIPT
from warehouse.mart.report import MOST_LISTED

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.sample_company import SampleCompany

pytestmark = pytest.mark.slow

WIDTHS = (320, 375, 768, 1024, 1280, 1440, 1920)
PHONE = 640
OUT_OF_SIGHT = """
    [...document.querySelectorAll("nav.sections")].filter((each) => each.offsetParent).flatMap((nav) => {
        const box = nav.getBoundingClientRect();
        return [...nav.querySelectorAll("a")].filter((link) => {
            const at = link.getBoundingClientRect();
            return at.left < box.left || at.right > box.right || at.bottom > box.bottom;
        }).map((link) => link.hash);
    })
"""
PROBES = (Path(__file__).parent / "probes.js").read_text(encoding="utf-8")

FIRST, QUALITY, LIST = "index.html", "quality.html", "customers/index.html"
CUSTOMER = f"customers/{pages.file_name('1000', 'OWES')}"
EVERY_PAGE = (FIRST, QUALITY, LIST, CUSTOMER)


@contextmanager
def opened(
    browser: Browser, settings: Settings, page: str = FIRST, *, tolerating: str | None = None, **more: Any
) -> Iterator[Page]:
    """A page in a browser context of its own; whatever it complains of or asks the network for fails the test."""
    complaints: list[str] = []
    more = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", **more}
    context = browser.new_context(**more)
    try:
        tab = context.new_page()
        tab.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda asked: complaints.append(asked.url) if not _is_local(asked.url) else None)
        file, asks, question = page.partition("?")
        tab.goto((settings.report_folder / file).as_uri() + asks + question)
        tab.evaluate(PROBES)
        yield tab
    finally:
        context.close()
    assert [said for said in complaints if tolerating is None or tolerating not in said] == []


def unfold(tab: Page) -> None:
    """Open all parts, as a person may on a phone."""
    tab.evaluate(
        "document.querySelectorAll('h2 > button[aria-expanded=false]').forEach((each) => each.click())"
    )


def _is_local(address: str) -> bool:
    return address.startswith(("file:", "data:"))


@pytest.mark.parametrize("page", EVERY_PAGE)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_page_is_wider_than_its_window(
    browser: Browser, reported: Settings, page: str, language: str
) -> None:
    with opened(browser, reported, page, locale=language) as tab:
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 900})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, width


@pytest.mark.parametrize("page", EVERY_PAGE)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_all_sections_are_in_sight_at_the_top_of_a_window_wider_than_a_phone(
    browser: Browser, reported: Settings, page: str, language: str
) -> None:
    with opened(browser, reported, page, locale=language) as tab:
        for width in (width for width in WIDTHS if width > PHONE):
            tab.set_viewport_size({"width": width, "height": 900})
            assert tab.evaluate(OUT_OF_SIGHT) == [], width


def test_a_section_that_is_led_to_lies_below_the_head_of_the_page_however_many_lines_that_has(
    browser: Browser, reported: Settings
) -> None:
    with opened(browser, reported, reduced_motion="reduce") as tab:
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 900})
            tab.locator("nav.sections a", has_text="Tier migration").click()
            tab.wait_for_function("scrollY > 0")
            head, heading = (
                tab.locator(found).bounding_box() for found in ("header.top", "section[id$=-migration] h2")
            )
            assert head is not None
            assert heading is not None
            assert head["y"] + head["height"] <= heading["y"] <= head["height"] + 100, width
            tab.evaluate("scrollTo(0, 0)")


@pytest.mark.parametrize("page", EVERY_PAGE)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_on_a_phone_charts_and_lists_are_seen_whole_and_a_cell_says_its_heading(
    browser: Browser, reported: Settings, page: str, language: str
) -> None:
    with opened(browser, reported, page, locale=language, viewport={"width": 375, "height": 800}) as tab:
        unfold(tab)
        assert tab.evaluate("probes.cutOff('.scroll:has(.chart), .scroll:has(.list)')") == []
        assert tab.evaluate("probes.cellsWithoutHeading()") == []
        heading = tab.evaluate(
            "getComputedStyle(document.querySelector('.list td[data-en]'), '::before').content.length"
        )
        assert heading > 2, "quotes around nothing"


@pytest.mark.parametrize("page", EVERY_PAGE)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_text_stands_out_from_its_ground(
    browser: Browser, reported: Settings, page: str, theme: str
) -> None:
    with opened(browser, reported, page, color_scheme=theme) as tab:
        for language in ("en", "zh-Hans"):
            tab.evaluate("language => { document.documentElement.lang = language }", language)
            faint = tab.evaluate("probes.faintTexts()")
            assert faint == []
        assert tab.evaluate("probes.texts()") > (50 if page == LIST else 100), "the probe looks at the page"


@pytest.mark.parametrize("page", [FIRST, CUSTOMER])
def test_every_chart_is_drawn_and_named(browser: Browser, reported: Settings, page: str) -> None:
    with opened(browser, reported, page) as tab:
        charts = tab.evaluate("probes.charts()")
        assert len(charts) >= (3 if page == FIRST else 2)
        for chart in charts:
            assert chart["marks"] >= 3, chart
            assert chart["name"], chart
            assert chart["outside"] == [], chart
        assert tab.evaluate("probes.brokenReferences()") == []


def test_the_map_has_every_customer_that_has_both_figures_and_names_the_four_quadrants(
    browser: Browser, reported: Settings
) -> None:
    with opened(browser, reported) as tab:
        assert tab.locator("#c1-map g.mark > g").count() == 6
        named = tab.locator("#c1-map svg text.strong tspan[lang=en]").all_text_contents()
        assert set(named) == {
            f"{volume} volume · {loyal}" for volume in ("High", "Low") for loyal in ("loyal", "not loyal")
        }


def test_the_language_is_switched_kept_and_leaves_nothing_behind(
    browser: Browser, reported: Settings
) -> None:
    with opened(browser, reported) as tab:
        assert "Value customers" in tab.inner_text("main")
        assert "价值客户" not in tab.inner_text("main")
        tab.click("#language")
        said = tab.inner_text("main")
        for term in (
            "价值客户",
            "核心客户",
            "销量小 · 忠诚",
            "投机客户",
            "窜货",
            "低价倾销/乱价",
            "拖欠货款",
            "等级迁移",
        ):
            assert term in said, term
        assert "Value customers" not in said
        assert tab.title() == "客户价值报告"
        tab.click(f'a[href="{CUSTOMER}"] >> nth=0')
        assert "采购均衡性" in tab.inner_text("main")
        tab.reload()
        assert tab.get_attribute("html", "lang") == "zh-Hans"


def test_a_chinese_browser_is_answered_in_chinese(browser: Browser, reported: Settings) -> None:
    with opened(browser, reported, locale="zh-CN") as tab:
        assert tab.title() == "客户价值报告"


def test_the_theme_follows_the_system_until_it_is_switched_and_is_kept(
    browser: Browser, reported: Settings
) -> None:
    def ground() -> str:
        return str(tab.evaluate("getComputedStyle(document.body).backgroundColor"))

    with opened(browser, reported, color_scheme="dark") as tab:
        dark = ground()
        tab.emulate_media(color_scheme="light")
        light = ground()
        assert light != dark
        tab.click("#theme")
        assert ground() == dark
        # What a page keeps goes from one of the browser's processes to another, which takes a moment on a busy machine.
        tab.wait_for_timeout(1_000)
        tab.reload()
        assert ground() == dark


def test_the_keyboard_reaches_every_definition_and_escape_puts_it_away(
    browser: Browser, reported: Settings
) -> None:
    with opened(browser, reported) as tab:
        tip = tab.locator("#tip")
        for _ in range(40):
            tab.keyboard.press("Tab")
            if tab.evaluate("document.activeElement.matches('a.def')"):
                break
        assert tip.is_visible()
        assert "customer_value_history.net_sales_12m" in tip.inner_text()
        assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        tab.keyboard.press("Escape")
        assert tip.is_hidden()
        assert tab.evaluate("probes.unreachableDefinitions()") == []
        assert tab.locator("a.def").count() > 40


@pytest.mark.parametrize("width", [320, 1280])
def test_a_definition_shows_on_hover_inside_the_window(
    browser: Browser, reported: Settings, width: int
) -> None:
    with opened(browser, reported, viewport={"width": width, "height": 700}) as tab:
        unfold(tab)
        for number in (0, 5, -1):
            tab.locator("main a.def").nth(number).hover()
            box = tab.locator("#tip").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= 700


def test_a_name_that_is_a_script_does_not_run_and_no_other_script_may(
    browser: Browser, reported: Settings
) -> None:
    with opened(browser, reported, CUSTOMER) as tab:
        assert tab.inner_text("h1") == SCRIPT
        assert tab.title().startswith(SCRIPT)
    refused = "violates the following Content Security Policy directive"
    with opened(browser, reported, tolerating=refused) as tab:
        tab.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), { text: 'ran = true' }))"
        )
        assert tab.evaluate("typeof ran") == "undefined"


def test_definitions_lie_folded_and_open_for_who_follows_a_term(browser: Browser, reported: Settings) -> None:
    for page in (FIRST, CUSTOMER):
        with opened(browser, reported, page) as tab:
            said = tab.locator("#definitions dl")
            assert said.is_hidden()
            tab.locator("main a.def").first.click()
            assert said.is_visible()


@pytest.mark.parametrize("page", [FIRST, CUSTOMER])
def test_on_a_phone_all_parts_but_the_first_begin_folded_within_ten_screens(
    browser: Browser, reported: Settings, page: str
) -> None:
    with opened(browser, reported, page, viewport={"width": 375, "height": 800}) as tab:
        assert tab.evaluate("document.documentElement.scrollHeight") <= 10 * 800
        parts, shut = tab.locator("section.part:visible"), tab.locator("section.part.shut:visible")
        assert parts.count() - shut.count() == 2, (
            "the first one, and the definitions, which fold by themselves"
        )
        assert tab.locator("section.part.shut h2:visible").count() == shut.count(), (
            "each still says what it is"
        )


def test_a_folded_part_opens_by_its_heading_by_the_keyboard_and_for_who_is_led_into_it(
    browser: Browser, reported: Settings
) -> None:
    with opened(browser, reported, viewport={"width": 375, "height": 800}) as tab:
        credit, movers = (tab.locator(f"section.part[id$='-{name}']") for name in ("credit", "movers"))
        heading = credit.locator("h2 > button")
        assert heading.get_attribute("aria-expanded") == "false"
        heading.press("Enter")
        assert heading.get_attribute("aria-expanded") == "true"
        assert credit.locator("table").first.is_visible()
        heading.click()
        assert not credit.locator("table").first.is_visible()
        tab.locator("nav.sections a[href$='-movers']").click()
        assert movers.locator(".card").first.is_visible()
        movers.locator("h2 > button").click()
        tab.locator("nav.sections a[href$='-movers']").click()
        assert movers.locator(".card").first.is_visible(), "led there a second time"


def test_nothing_is_folded_on_a_wide_window_nor_on_paper(browser: Browser, reported: Settings) -> None:
    with opened(browser, reported) as tab:
        assert tab.locator("section.part.shut, h2 > button").count() == 0
    with opened(browser, reported, viewport={"width": 375, "height": 800}) as tab:
        tab.emulate_media(media="print")
        assert tab.locator("section.part.shut .card").first.is_visible()


def test_a_long_list_is_folded_on_a_phone_and_whole_elsewhere(browser: Browser, reported: Settings) -> None:
    with opened(browser, reported, viewport={"width": 375, "height": 800}) as tab:
        unfold(tab)
        # The small company has no list that is long: one is made longer in the page.
        shown = tab.evaluate(
            """() => {
                const body = document.querySelector("#c1-credit table.list tbody");
                for (let more = 0; more < 12; more += 1) body.append(body.rows[0].cloneNode(true));
                const table = body.closest("table");
                table.classList.add("folded");
                return [...body.rows].filter((row) => row.checkVisibility()).length;
            }"""
        )
        assert shown == 8
        tab.set_viewport_size({"width": 1280, "height": 800})
        rows = tab.locator("#c1-credit table.list tbody tr")
        assert rows.nth(11).is_visible()


def test_paper_is_light_whole_and_without_controls(browser: Browser, reported: Settings) -> None:
    with opened(browser, reported, color_scheme="dark", viewport={"width": 1045, "height": 700}) as tab:
        tab.emulate_media(media="print")
        assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert tab.locator("header.top").is_hidden()
        assert tab.locator("#definitions").is_visible()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 1045
        assert tab.locator(".lead, .from").first.is_hidden()


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_first_page_is_printed_on_four_to_six_sheets_of_a4(
    browser: Browser, reported: Settings, language: str
) -> None:
    with opened(browser, reported, locale=language) as tab:
        # As long as lists get: each as many rows as the report shows of it.
        tab.evaluate(
            """rows => document.querySelectorAll("table.list tbody").forEach((body) => {
                while (body.rows.length < rows) body.append(body.rows[0].cloneNode(true));
            })""",
            MOST_LISTED,
        )
        tab.emulate_media(media="print")
        body = tab.locator("#c1-credit table.list tbody tr")
        assert [body.nth(place).is_visible() for place in (0, 9, 10)] == [True, True, False]
        tab.emulate_media()
        assert 4 <= sheets(tab) <= 6


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_first_page_of_a_company_with_all_its_sections_is_printed_on_six_sheets_at_most(
    browser: Browser, sample_company: SampleCompany, tmp_path: Path, language: str
) -> None:
    # The report is made of what is published alone.
    home = shutil.copytree(
        sample_company.settings.home,
        tmp_path / "home",
        ignore=shutil.ignore_patterns("archive", "warehouse*"),
    )
    settings = sample_company.settings.model_copy(update={"home": home})
    stages.report_stage(settings)
    with opened(browser, settings, locale=language) as tab:
        assert 4 <= sheets(tab) <= 6


def sheets(tab: Page) -> int:
    """The pages of what the browser prints; their objects stand in a PDF uncompressed."""
    return len(re.findall(rb"/Type\s*/Page\b", tab.pdf(format="A4", prefer_css_page_size=True)))


def test_a_customers_page_is_printed_on_two_sheets_or_three(browser: Browser, reported: Settings) -> None:
    with opened(browser, reported, CUSTOMER) as tab:
        assert 2 <= sheets(tab) <= 3


def test_who_wants_no_motion_gets_none(browser: Browser, reported: Settings) -> None:
    with opened(browser, reported, reduced_motion="reduce") as tab:
        assert tab.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
