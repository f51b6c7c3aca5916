"""Makes the report of the published mart: the first page, and a page for each customer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from textwrap import shorten
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from jinja2 import Template
from markupsafe import Markup

from flows.report import charts, customer_list, dress, marks, others, pages, stamp, workbook
from flows.report.definitions import Glossary
from flows.report.summary import business
from flows.settings import Settings
from flows.wording import numbers, rules
from flows.wording.words import Localized, label, same
from transforms.policy.model import Policy, parse_policy
from warehouse.files import write_text
from warehouse.mart import queries, report, report_customers, report_list, report_workbook
from warehouse.mart.files import Row
from warehouse.mart.publish import open_folder

CUSTOMERS_FOLDER = "customers"
LIST_FILE = "index.html"
QUALITY_FILE = "quality.html"
PAGES_AT_ONCE = 500  # customers for whose pages the mart is asked together
BRIEF = 200  # characters of a next action's reason


def build_if_behind(settings: Settings) -> Path:
    """Bring the report up to the published mart; gives the first page. NothingPublishedError where no mart is out.

    Customers' pages lie in a folder of their own for each making, behind a link that is swapped; the first page, with the
    stamp, comes last. So links lead somewhere at any time, and a run that was killed is made up for by the next.
    """
    mark = stamp.wanted(settings)
    if mark is not None and stamp.written(settings.report_file) == mark:
        return settings.report_file
    data = report.read(settings.mart_file)
    renderer = _Renderer(settings, data, report_customers.ranked(settings.mart_file, data.named()), str(mark))
    folder = settings.report_folder / f"{CUSTOMERS_FOLDER}-{mark}"
    shutil.rmtree(folder, ignore_errors=True)
    open_folder(settings.report_folder, settings.readers)
    folder.mkdir()
    for name, text in renderer.customers(settings.mart_file):
        (folder / name).write_text(text, encoding="utf-8")
    # Last of them: the definitions are those that any page has named.
    for name, text in renderer.shared(report_list.read(settings.mart_file)).items():
        (folder / name).write_text(text, encoding="utf-8")
    settings.readers.admit(folder)
    before = _swap(settings.report_folder / CUSTOMERS_FOLDER, folder)
    workbook.write(
        settings.workbook_file,
        report_workbook.read(settings.mart_file, workbook.in_words),
        data.publication["published_at"],
        settings.readers,
    )
    quality, index = renderer.first_pages(_policy(settings, data))
    write_text(settings.report_folder / QUALITY_FILE, quality, settings.readers)
    write_text(settings.report_file, index, settings.readers)
    # The folder before stays, for who reads a page of it just now.
    for path in settings.report_folder.glob(f"{CUSTOMERS_FOLDER}-*"):
        if path.name not in {folder.name, before}:
            shutil.rmtree(path)
    return settings.report_file


def _swap(link: Path, folder: Path) -> str | None:
    """Point the link to the finished folder; the name of the one it pointed to before."""
    before = link.readlink().name if link.is_symlink() else None
    building = link.with_name(f".{link.name}.building")
    building.unlink(missing_ok=True)
    building.symlink_to(folder.name)
    building.replace(link)
    return before


def _moments_in(timezone: str) -> Callable[[datetime], Localized]:
    """How a stored instant, which is of UTC, is written: by the company's clock."""
    zone = ZoneInfo(timezone)
    return lambda instant: numbers.day(instant.replace(tzinfo=UTC).astimezone(zone))


def _key(row: Row) -> report_customers.Key:
    return row["company_code"], row["customer_id"]


def _policy(settings: Settings, data: report.ReportData) -> Policy | None:
    """The policy the mart was rated by, whose bars part the map; None where nothing is rated."""
    policy_hash = data.publication["policy_hash"]
    return parse_policy(queries.policy_text(settings.ops_file, policy_hash)) if policy_hash else None


class _Renderer:
    """Everything that the pages of one report share."""

    def __init__(
        self, settings: Settings, data: report.ReportData, ranked: Sequence[report_customers.Key], mark: str
    ) -> None:
        self._data = data
        self._glossary = Glossary(data.columns)  # of the pages that share their definitions
        self._currency = settings.company_currency
        paged, unpaged = ranked[: settings.customer_pages], ranked[settings.customer_pages :]
        self._files = {key: pages.file_name(*key) for key in sorted(paged)}
        self._unpaged = frozenset(unpaged)
        self._environment = dress.environment(
            filters=_FILTERS | {"moment": _moments_in(settings.timezone)},
            saying=_SAYING
            | {
                "publication": data.publication,
                "currency": settings.company_currency,
                "timezone": settings.timezone,
                "workbook": settings.workbook_file.name,
                "quality": QUALITY_FILE,
                "stamp": mark,
            },
        )
        # Compiled once: a template asked for by name is looked up on the disk each time.
        self._customer = self._environment.get_template("customer.html")
        self._content = self._environment.get_template("_customer.html")
        self._index = self._environment.get_template("index.html")
        self._quality = self._environment.get_template("quality.html")
        self._other = self._environment.get_template("other.html")

    def first_pages(self, policy: Policy | None) -> tuple[str, str]:
        """Data quality with every definition that the two pages tell of, and the first page."""
        parts = [
            pages.part(number, company, policy, self._currency)
            for number, company in enumerate(self._data.companies, start=1)
        ]
        glossary, title = Glossary(self._data.columns), label("page", "title")
        index = self._print(self._index, title, glossary=glossary, parts=parts)
        quality = self._print(
            self._quality, _titled(label("section", "quality")), glossary=glossary, parts=parts
        )
        return quality, index

    def shared(self, listed: Sequence[Row]) -> dict[str, str]:
        """What lies beside the customers' pages, by file name: style, scripts, the list of all customers, and the definitions."""
        template = self._environment.get_template("customers.html")
        several = len({row["company_code"] for row in listed}) > 1
        return {
            "report.css": self._render("style.css"),
            "report.js": self._render("script.js"),
            "list.js": self._render("list.js"),
            "customers.js": customer_list.script(listed, self._files),
            LIST_FILE: self._print(template, _titled(label("page", "back")), several=several),
            "definitions.js": self._definitions(),
        }

    def _definitions(self) -> str:
        template = self._environment.get_template("_definitions.html")
        return f"window.valuemartDefinitions = {json.dumps(template.render(glossary=self._glossary), ensure_ascii=False)};\n"

    def customers(self, mart_file: Path) -> Iterator[tuple[str, str]]:
        """The pages of the customers, and what draws those without a page of their own, by file name."""
        own = list(self._files)
        paged = [own[first : first + PAGES_AT_ONCE] for first in range(0, len(own), PAGES_AT_ONCE)]
        scripts = others.groups(sorted([*self._files, *self._unpaged])) if self._unpaged else []
        steps = list(others.in_steps(scripts))
        packed = [
            [key for number in step for key in scripts[number] if key in self._unpaged] for step in steps
        ]
        found = report_customers.read_in_turn(mart_file, [*paged, *packed])
        for customers in islice(found, len(paged)):
            for each in customers:
                yield self._files[_key(each.value)], self._page(each)
        for step, customers in zip(steps, found, strict=True):
            by_key = {_key(each.value): each for each in customers}
            for number in step:
                yield others.script_name(number), self._script(scripts[number], by_key)
        if scripts:
            yield "customer.js", self._render("customer.js")
            yield others.PAGE, self._print(self._other, label("page", "title"), scripts=len(scripts))

    def _script(
        self,
        keys: Sequence[report_customers.Key],
        unpaged: Mapping[report_customers.Key, report_customers.CustomerData],
    ) -> str:
        return others.script(
            {key: self._drawn(unpaged[key]) for key in keys if key in unpaged},
            {key: self._files[key] for key in keys if key in self._files},
        )

    def _page(self, data: report_customers.CustomerData) -> str:
        return self._print(self._customer, _titled(same(data.value["name"])), page=pages.customer_page(data))

    def _drawn(self, data: report_customers.CustomerData) -> others.Drawn:
        title = _titled(same(data.value["name"]))
        page = pages.customer_page(data)
        content = self._content.generate(glossary=self._glossary, page=page)
        return others.Drawn((title.en, title.zh), list(content))

    def _print(
        self, template: Template, title: Localized, *, glossary: Glossary | None = None, **content: object
    ) -> str:
        return template.render(
            **content,
            title=title,
            shared=template not in (self._index, self._quality),
            glossary=glossary or self._glossary,
            page_of=self._page_of,
            list_of=self._list_of,
        )

    def _page_of(self, company: str, customer: str) -> str | None:
        """Where a customer's page lies, seen from the first page; None for who is not rated."""
        key = (company, customer)
        if key in self._files:
            return f"{CUSTOMERS_FOLDER}/{self._files[key]}"
        return f"{CUSTOMERS_FOLDER}/{others.address(key)}" if key in self._unpaged else None

    def _list_of(self, company: str) -> str:
        """Where the list of a company's customers lies, seen from the first page."""
        question = f"#{urlencode({'company': company})}" if len(self._data.companies) > 1 else ""
        return f"{CUSTOMERS_FOLDER}/{LIST_FILE}{question}"

    def _render(self, name: str) -> str:
        return self._environment.get_template(name).render()


def _titled(name: Localized) -> Localized:
    title = label("page", "title")
    return Localized(f"{name.en} · {title.en}", f"{name.zh} · {title.zh}")


def _headline(row: Mapping[str, Any]) -> Localized | str:
    if row["figure"] in pages.MONEY_HEADLINES:
        return numbers.short(row["value"])
    return (
        numbers.grouped(row["value"]) if row["figure"] == "value_customers" else numbers.share(row["value"])
    )


def _headline_change(row: Mapping[str, Any]) -> Localized | str:
    if row["figure"] == "value_customers":
        return numbers.signed(row["change"])
    if row["figure"] not in pages.MONEY_HEADLINES:
        return numbers.signed_points(row["change"])
    if row["change_share"] is None:
        return numbers.short(row["change"], plus=True)
    return numbers.signed_share(row["change_share"])


def _mood(row: Mapping[str, Any]) -> str:
    """Whether a change is welcome; more headroom is neither, nor is what rounds to nothing."""
    if _arrow(row) == "=" or row["figure"] == "cultivate_headroom":
        return ""
    return "good" if (row["change"] > 0) != (row["figure"] == "loss") else "bad"


def _arrow(row: Mapping[str, Any]) -> str:
    """Which way a change goes, as far as its text shows one."""
    text = str(_headline_change(row))
    if not any(digit in text for digit in "123456789"):
        return "="
    return "▲" if row["change"] > 0 else "▼"


def _measured(value: Decimal | None, measure: str | None) -> str:
    """What was found, or the bar for it: a share as a percentage, else months or deviations."""
    if value is None:
        return "–"
    return f"{numbers.trimmed(value * 100, 1)}%" if "share" in (measure or "") else numbers.trimmed(value)


def _brief(text: Localized | None) -> Localized | None:
    """The beginning of what may list twenty references."""
    if text is None:
        return None
    chinese = text.zh if len(text.zh) <= BRIEF else f"{text.zh[:BRIEF].rstrip()} …"
    return Localized(shorten(text.en, BRIEF, placeholder=" …"), chinese)


def _everybody(title: Localized) -> Markup:
    """What a choice says where nothing is chosen."""
    return Markup('data-all-en="{}" data-all-zh="{}"').format(title.en, title.zh)


def _unit_of(unit: Localized) -> Localized:
    said = label("page", "unit")
    return Localized(f"{said.en}: {unit.en}.", f"{said.zh}：{unit.zh}。")


def _curve_height(curve: charts.Curve, row: Row) -> Localized:
    if curve.in_shares:
        return same(numbers.share(row["cumulative_share"]))
    return numbers.short(row["cumulative_contribution"])


# How its templates may write a value, and what they may name, beside what all may.
_FILTERS: dict[str, Callable[..., Any]] = {
    "arrow": _arrow,
    "brief": _brief,
    "business": business,
    "everybody": _everybody,
    "headline": _headline,
    "headline_change": _headline_change,
    "measured": _measured,
    "mood": _mood,
    "plain": lambda value: format(value, "f"),
    "table_name": rules.table_name,
    "unit_of": _unit_of,
}
_SAYING: dict[str, object] = {
    "curve_height": _curve_height,
    "all_rules": rules.all_rules,
    "broken_rules": rules.broken_rules,
    "finding_said": rules.finding_said,
    "refusal_said": rules.refusal_said,
    "rule_said": rules.said,
    "axis_share": lambda tick: f"{numbers.trimmed(tick * 100)}%",
    "axis_amount": lambda tick: numbers.on_axis(tick).svg,
    "axis_number": numbers.trimmed,
    "marks": marks,
    "portions": lambda ageing: charts.portions([(name, ageing[name]) for name in pages.AGEING_BUCKETS]),
    "credit_actions": pages.CREDIT_ACTIONS,
    "confidences": pages.CONFIDENCES,
    "ageing_buckets": pages.AGEING_BUCKETS,
    "fates": pages.FATES,
    "money_headlines": pages.MONEY_HEADLINES,
    "further_headlines": pages.FURTHER_HEADLINES,
}
