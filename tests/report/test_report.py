"""The report as files: of the mart that is out, whole at any time, and made anew only where something changed."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, date, datetime
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from flows.cli import main
from flows.pipeline import stages
from flows.report import build, pages, stamp
from flows.settings import Settings
from tests.flows.small_company import settings_of
from tests.report.reported_company import BUYERS, LAST, PATH_ID, SCRIPT
from tests.warehouse.mart_of_rows import move
from tests.warehouse.publishing import insert
from transforms.frames.plan import month_end


@pytest.fixture
def copied(reported: Settings, tmp_path: Path) -> Settings:
    """The reported home, to be changed."""
    shutil.copytree(reported.home, tmp_path / "home", symlinks=True)
    return settings_of(tmp_path / "home")


class _Reader(HTMLParser):
    """The links, the elements' names, and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.text += data


def read(file: Path) -> _Reader:
    return _Reader(file.read_text(encoding="utf-8"))


def in_one_language(file: Path, without: str) -> str:
    """The text of a page as it is seen, that of the other language left out."""
    page = re.sub(rf'<span lang="{without}">.*?</span>', "", file.read_text(encoding="utf-8"))
    return " ".join(_Reader(page).text.split())


def quality_pages(settings: Settings) -> tuple[str, str]:
    """The page of data quality, made anew of the mart as it is, in English and in Chinese."""
    settings.report_file.unlink()
    build.build_if_behind(settings)
    file = settings.report_folder / "quality.html"
    return in_one_language(file, "zh-Hans"), in_one_language(file, "en")


def mart(settings: Settings, sql: str) -> list[tuple]:
    with duckdb.connect(str(settings.mart_file), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_a_refresh_leaves_a_report_of_the_mart_that_is_out(reported: Settings) -> None:
    assert stamp.is_current(reported)
    assert str(month_end(LAST)) in read(reported.report_file).text


def test_every_link_leads_to_something_that_is_there(reported: Settings) -> None:
    folder = reported.report_folder / "customers"
    shared = (folder / "definitions.js").read_text(encoding="utf-8").replace('\\"', '"')
    for file in [*reported.report_folder.glob("*.html"), *folder.glob("*.html")]:
        page = file.read_text(encoding="utf-8")
        for link in _Reader(page).links:
            if link.startswith("#"):
                assert f'id="{link[1:]}"' in page + (shared if file.parent == folder else ""), link
            elif not link.startswith("data:"):
                assert (file.parent / link).is_file(), link


def test_every_customer_has_a_page_and_whoever_is_named_links_to_it(reported: Settings) -> None:
    customers = {customer for (customer,) in mart(reported, "SELECT customer_id FROM customer_value")}
    files = {file.name for file in (reported.report_folder / "customers").glob("1000-*.html")}
    assert files == {pages.file_name("1000", customer) for customer in customers}
    page = reported.report_file.read_text(encoding="utf-8")
    who = re.findall(r'<(?:th scope="row" class="name"|span class="who")>\s*(<a href="customers/)?', page)
    assert len(who) > 5
    assert all(who), "a name without a link"


def test_a_customers_page_says_why_its_tier_holds_and_what_would_move_it(reported: Settings) -> None:
    told = mart(
        reported,
        "SELECT customer_id FROM explanation WHERE tier_basis IS NOT NULL AND what_it_takes IS NOT NULL",
    )
    assert told
    for (customer,) in told:
        text = read(reported.report_folder / "customers" / pages.file_name("1000", customer)).text
        assert "What would move it" in text, customer
        assert "变动条件" in text, customer


def test_style_script_and_definitions_lie_in_the_folder_once(reported: Settings) -> None:
    folder = reported.report_folder / "customers"
    for file in folder.glob("1000-*.html"):
        page = file.read_text(encoding="utf-8")
        assert "<style" not in page
        assert "<code>" not in page.partition('id="definitions"')[2]
        assert len(page) < 45_000, file.name
    assert (folder / "report.css").stat().st_size > 10_000
    assert (folder / "report.js").stat().st_size > 3_000


def test_no_page_names_an_address_outside_the_report(reported: Settings) -> None:
    for file in [reported.report_file, *(reported.report_folder / "customers").glob("*.html")]:
        page = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//\w+\.\w+/|@import|url\(", page)


def test_a_name_that_is_a_script_is_only_text(reported: Settings) -> None:
    [page] = [
        file for file in (reported.report_folder / "customers").iterdir() if file.name.startswith("1000-owes")
    ]
    for file in (reported.report_file, page):
        found = read(file)
        assert SCRIPT in found.text
        assert found.tags.count("script") == (1 if file == reported.report_file else 2), "our own"
        assert "b" not in found.tags


def test_an_id_that_is_a_path_names_a_file_of_the_folder(reported: Settings) -> None:
    assert (reported.report_folder / "customers" / pages.file_name("1000", PATH_ID)).is_file()
    assert [file.name for file in reported.report_folder.parent.glob("*C*")] == []


def test_the_figures_are_those_of_the_mart(reported: Settings) -> None:
    page = reported.report_file.read_text(encoding="utf-8")
    [(sales, contribution)] = mart(
        reported, "SELECT sum(net_sales_12m), sum(contribution_12m) FROM customer_value"
    )
    shown = [Decimal(value) for value in re.findall(r'<dd class="big"><data value="([-\d.]+)"', page)]
    assert shown[:2] == [sales, contribution]
    assert (contribution / sales).quantize(Decimal("0.000001")) in shown
    [(value_customers, overdue)] = mart(
        reported,
        "SELECT (SELECT count(*) FROM customer_value WHERE is_value_customer), (SELECT sum(overdue) FROM customer_overdue)",
    )
    assert shown[2:4] == [value_customers, overdue]


def test_the_lists_of_the_first_screen_have_the_money_of_the_mart(reported: Settings) -> None:
    page = reported.report_file.read_text(encoding="utf-8")
    for key, asked in {
        "loss": "SELECT contribution_12m FROM loss_making ORDER BY place LIMIT 5",
        "call": "SELECT stake FROM call_now ORDER BY place LIMIT 5",
        "credit": "SELECT overdue FROM customer_overdue JOIN credit_watch USING (customer_id) "
        "WHERE credit_action IN ('stop', 'prepay') ORDER BY credit_action DESC, overdue DESC LIMIT 5",
    }.items():
        part = page.split(f'id="c1-list-{key}"')[1].split("</section>")[0]
        shown = [Decimal(value) for value in re.findall(r'<data value="([-\d.]+)"', part)]
        assert shown == [money for (money,) in mart(reported, asked)], key


def test_what_is_not_assessed_is_said_with_its_reason_and_never_as_zero(copied: Settings) -> None:
    copied.mart_file.chmod(0o644)
    with duckdb.connect(str(copied.mart_file)) as connection:
        connection.execute(
            "UPDATE customer_value SET contribution_12m = NULL, contribution_reason = 'no_cost'"
        )
        connection.execute("UPDATE customer_value_history SET contribution_12m = NULL")
        connection.execute("DELETE FROM value_curve; DELETE FROM credit_watch; DELETE FROM conduct_finding")
        connection.execute("UPDATE customer_value SET effective_tier = 'strategic'")
    copied.report_file.unlink()
    build.build_if_behind(copied)
    index = read(copied.report_file)
    assert "No customer has an assessed contribution" in index.text
    assert "No receivables were delivered" in index.text
    customer = read(copied.report_folder / "customers" / pages.file_name("1000", "GIANT"))
    assert "cost unknown" in customer.text
    assert "成本未知" in customer.text


def test_data_quality_has_a_page_behind_the_first_with_all_definitions(reported: Settings) -> None:
    quality = (reported.report_folder / "quality.html").read_text(encoding="utf-8")
    for (batch,) in mart(reported, "SELECT DISTINCT batch_id FROM data_quality"):
        assert batch in quality
    index = reported.report_file.read_text(encoding="utf-8")
    defined = set(re.findall(r'id="(def-[^"]+)"', index))
    assert len(defined) > 40
    assert defined < set(re.findall(r'id="(def-[^"]+)"', quality))
    assert "<details open>" in quality
    assert 'href="quality.html"' in index


def test_the_page_of_data_quality_says_rules_and_what_broke_them_in_words_of_both_languages(
    copied: Settings,
) -> None:
    copied.mart_file.chmod(0o644)
    with duckdb.connect(str(copied.mart_file)) as connection:
        connection.execute(
            "UPDATE data_quality SET quarantined = 3, reasons = 'invoice_date_missing: 2, not_a_date: 1' "
            "WHERE table_name = 'invoice_lines'"
        )
    english, chinese = quality_pages(copied)
    for said in (
        "Must be given: invoice date · 2 rows",
        "A date must be readable as one · 1 row",
        "Invoice lines invoice_lines",
        "Payments 7 rules",
        "Document type must be one of: invoice, credit_note, debit_note",
    ):
        assert said in english, said
    for said in (
        "必填：发票日期 · 2 行",
        "日期须能识别 · 1 行",
        "发票明细 invoice_lines",
        "收款 7 条规则",
        "单据类型只能取以下值之一：invoice, credit_note, debit_note",
    ):
        assert said in chinese, said
    assert "invoice_date_missing" not in english + chinese


def test_the_page_of_data_quality_says_why_a_batch_was_refused_and_what_counts_for_nothing_yet(
    copied: Settings,
) -> None:
    copied.mart_file.chmod(0o644)
    with duckdb.connect(str(copied.mart_file)) as connection:
        connection.execute(
            """INSERT INTO batch_refusal BY NAME
               SELECT company_code, source_system, batch_id, 1 AS fault_number, 'missing_column' AS rule, 'sales.csv' AS file,
                   17 AS row_number, 'Amount' AS column_name, 'has no such column' AS message, 'Deliver it' AS remedy, loaded_at
                   AS refused_at
               FROM data_quality LIMIT 1"""
        )
        connection.execute("DELETE FROM batch_finding")
        connection.execute(
            """INSERT INTO batch_finding BY NAME
               SELECT company_code, source_system, batch_id, table_name, 'dated_after' AS finding, 1200 AS row_count,
                   DATE '2025-06-30' AS dated_after, 5000 AS net_sales
               FROM data_quality WHERE table_name = 'invoice_lines'"""
        )
        ((batches,),) = connection.execute("SELECT count(*) FROM batch_finding").fetchall()
    english, chinese = quality_pages(copied)
    for page, said in (
        (
            english,
            "Every column that the source needs must be there missing_columnsales.csv17Amounthas no such column. Deliver it",
        ),
        (
            chinese,
            "数据源所需的列须齐全 missing_columnsales.csv17Amount导出时带上该列，或在映射文件中写入其在文件里的名称。原文：has no such column",
        ),
        (
            english,
            f"Dated after the rating's day, 2025-06-30: {5000 * batches:,}, not counted yet dated_after{1200 * batches:,}{batches}",
        ),
        (
            chinese,
            f"日期晚于评级基准日 2025-06-30，金额 {5000 * batches:,}，尚未计入 dated_after{1200 * batches:,}",
        ),
    ):
        assert said in page, said


def test_a_move_says_since_when_its_money_is_compared(copied: Settings) -> None:
    table, moved = move("GIANT", "down", 900_000, 720_000, period=LAST, base_period=date(2024, 9, 1))
    with duckdb.connect(str(copied.mart_file)) as connection:
        insert(connection, table, schema="main", company_code="1000", **moved)
    copied.report_file.unlink()
    build.build_if_behind(copied)
    english = in_one_language(copied.report_file, "zh-Hans")
    assert "900,000 Sep 2024720,000−180,000" in english
    assert "900,000 2024年9月720,000−180,000" in in_one_language(copied.report_file, "en")


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York"])
def test_moments_are_told_by_the_companys_clock(copied: Settings, zone: str) -> None:
    [(published, taken)] = mart(
        copied,
        "SELECT published_at, (SELECT max(extracted_at) FROM data_quality) FROM publication",
    )
    stages.report_stage(copied.model_copy(update={"timezone": zone}))

    def there(instant: datetime) -> str:
        return f"{instant.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"

    assert f"{there(published)} {zone}" in in_one_language(copied.report_file, "zh-Hans")
    assert there(taken) in in_one_language(copied.report_folder / "quality.html", "zh-Hans")


def test_a_mart_without_a_rating_makes_a_report_that_says_so(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home")
    settings.home.mkdir()
    stages.publish_stage(settings)
    found = read(stages.report_stage(settings))
    assert "No batch was loaded yet" in found.text
    assert "尚未装载任何批次" in found.text


def test_the_settings_say_how_many_customers_have_a_page_of_their_own(copied: Settings) -> None:
    folder = copied.report_folder / "customers"
    assert len(list(folder.glob("1000-*.html"))) == len(BUYERS)
    stages.report_stage(copied.model_copy(update={"customer_pages": 5}))
    assert len(list(folder.glob("1000-*.html"))) == 5, "another limit makes the report anew"
    drawn = "".join(file.read_text(encoding="utf-8") for file in folder.glob("others-*.js"))
    assert drawn
    stages.report_stage(copied.model_copy(update={"customer_pages": 0}))
    assert not list(folder.glob("1000-*.html"))


def test_a_report_that_is_current_is_not_written_again(copied: Settings) -> None:
    before = copied.report_file.stat().st_mtime_ns
    build.build_if_behind(copied)
    assert copied.report_file.stat().st_mtime_ns == before


@pytest.mark.parametrize("harm", ["missing", "cut", "another mart"])
def test_a_refresh_makes_up_for_a_report_that_is_not_of_the_mart(copied: Settings, harm: str) -> None:
    day = month_end(LAST)
    assert stages.is_current(copied, day) or stages.relay_stage(copied)
    if harm == "missing":
        copied.report_file.unlink()
    elif harm == "cut":
        copied.report_file.write_text("<!doctype html>")
    else:
        copied = settings_of(copied.home, company_currency="CNY")
    assert not stages.is_current(copied, day)
    stages.report_stage(copied)
    assert stages.is_current(copied, day)


def test_a_run_that_is_killed_among_the_customers_pages_leaves_the_old_report_whole(
    copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build._Renderer, "_page", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    changed = settings_of(copied.home, company_currency="CNY")
    before = copied.report_file.read_text(encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        build.build_if_behind(changed)
    assert copied.report_file.read_text(encoding="utf-8") == before
    test_every_link_leads_to_something_that_is_there(copied)
    monkeypatch.undo()
    build.build_if_behind(changed)
    assert "CNY" in read(copied.report_file).text
    test_every_link_leads_to_something_that_is_there(copied)


def test_the_pages_of_the_report_before_stay_and_older_ones_go(copied: Settings) -> None:
    for currency in ("CNY", "USD", "GBP"):
        build.build_if_behind(settings_of(copied.home, company_currency=currency))
    assert len(list(copied.report_folder.glob("customers-*"))) == 2


def test_two_companies_have_a_part_each_and_a_choice(copied: Settings) -> None:
    copied.mart_file.chmod(0o644)
    with duckdb.connect(str(copied.mart_file)) as connection:
        for table in ("customer", "customer_value", "customer_value_history"):
            connection.execute(
                f"INSERT INTO {table} SELECT * REPLACE ('<2000>' AS company_code) FROM {table} WHERE customer_id = 'GIANT'"
            )
    copied.report_file.unlink()
    build.build_if_behind(copied)
    page = copied.report_file.read_text(encoding="utf-8")
    assert page.count('<option value="c') == 2
    assert 'id="c2-overview"' in page
    assert "<2000>" in _Reader(page).text
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_command_names_the_report(
    reported: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VALUEMART_HOME", str(reported.home))
    assert main.run(["report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"report": str(reported.report_file), "current": True}


def test_the_command_opens_the_report_in_a_browser_and_says_where_there_is_none(
    reported: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VALUEMART_HOME", str(reported.home))
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)))
    assert main.run(["report", "--open"]) == 2
    assert opened == [reported.report_file.as_uri()]
    assert f"no browser can be started here; open {reported.report_file}" in capsys.readouterr().err


def test_the_command_says_when_the_report_does_not_show_the_mart_as_it_is(
    copied: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VALUEMART_HOME", str(copied.home))
    monkeypatch.setenv("VALUEMART_COMPANY_CURRENCY", "CNY")
    assert main.run(["report", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["current"] is False
    assert "`valuemart refresh` brings it up" in said.err


def test_the_command_without_a_report_says_how_to_get_one(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["report"]) == 2
    assert "no report is published" in capsys.readouterr().err


def test_the_report_speaks_for_the_day_of_the_rating(reported: Settings) -> None:
    [(as_of,)] = mart(reported, "SELECT as_of FROM publication")
    assert as_of == month_end(LAST) == date(2024, 12, 31)
