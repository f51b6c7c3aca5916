"""The ERP's files: semicolons, Latin-1, decimal commas with grouping points, the minus behind, dates as dd.mm.yyyy.

Its items of open receivables are a report with German headers; after a change of release, with English ones in another
order. The other tables bear the technical names of the ERP.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from flows.demo.catalogue import CARTON_EVERY, GROUPS
from flows.demo.company import INDUSTRIES, TERRITORIES
from flows.demo.dirt import DirtyRow, dirty_rows
from flows.demo.files import Extract
from flows.demo.masters import customer_versions, product_versions
from flows.demo.monthly import Monthly
from flows.demo.receivables import FIRST_PAYMENT
from flows.demo.sales import CREDIT, DEBIT, document_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.demo.calendar import Calendar
    from flows.demo.catalogue import Catalogue
    from flows.demo.company import Population
    from flows.demo.receivables import Ledger
    from flows.demo.sales import Sales

NAME = "hanse_erp"
DAY = "%d.%m.%Y"
RELEASE_CHANGE = 12  # the month number from which the open items report is in English
FIRST_ITEM = 1_800_000_001
CHANNEL_CODES = dict(enumerate(("10", "20", "30")))
STAGE_CODES = dict(enumerate(("10", "20", "30", "40", "50")))
ENGLISH = {
    "Debitor": "Customer",
    "Belegnummer": "Document",
    "Rechnung": "Invoice",
    "Belegart": "Type",
    "Währung": "Currency",
    "Betrag": "Amount",
    "Buchungsdatum": "Posted",
    "Fällig am": "Due",
    "Ausgleichsdatum": "Cleared",
    "Strittig": "Disputed",
    "Zusage": "Promised",
}
SALES_STAFF = 40


@dataclass(frozen=True)
class Erp:
    """Everything the ERP delivers, cut by month, in numbers; texts are made when a month is written."""

    calendar: Calendar
    customer_codes: pl.Series
    product_codes: pl.Series
    customers: Monthly
    products: Monthly
    documents: Monthly
    lines: Monthly
    items: Monthly
    payments: Monthly
    allocations: Monthly


def book(people: Population, catalogue: Catalogue, sales: Sales, ledger: Ledger, calendar: Calendar) -> Erp:
    """Cut the company's facts by the month the ERP delivers them in: new ones, and again when they change."""
    months = calendar.months
    documents = _twice(sales.documents, "day", "cancelled_on", calendar).with_columns(
        channel=pl.col("customer").replace_strict(
            dict(enumerate(people.channel.tolist())), return_dtype=pl.Int64
        )
    )
    lines = sales.lines.join(
        documents.select("document", "customer", "day", "month"), on="document", maintain_order="left"
    )
    items = _twice(ledger.items, "posted_on", "disputed_on", calendar)
    for change in ("called_on", "cleared_on"):
        items = _twice(items, None, change, calendar)
    return Erp(
        calendar=calendar,
        customer_codes=pl.Series(people.customer_id.tolist(), dtype=pl.String),
        product_codes=pl.Series(catalogue.product_id.tolist(), dtype=pl.String),
        customers=Monthly.of(_customers(people, calendar), months),
        products=Monthly.of(_products(catalogue), months),
        documents=Monthly.of(documents, months),
        lines=Monthly.of(lines, months),
        items=Monthly.of(items.unique().sort("document", "month"), months),
        payments=Monthly.of(ledger.payments.with_columns(month=_month("day", calendar)), months),
        allocations=Monthly.of(ledger.allocations.with_columns(month=_month("day", calendar)), months),
    )


def _month(column: str, calendar: Calendar) -> pl.Expr:
    first = calendar.month(0)
    return ((pl.col(column).dt.year() - first.year) * 12 + pl.col(column).dt.month() - first.month).cast(
        pl.Int64
    )


def _twice(frame: pl.DataFrame, first: str | None, change: str, calendar: Calendar) -> pl.DataFrame:
    """Rows in the month of `first`, and again in the month of `change` where that is another one."""
    delivered = frame if first is None else frame.with_columns(month=_month(first, calendar))
    again = frame.filter(pl.col(change).is_not_null()).with_columns(month=_month(change, calendar))
    return pl.concat([delivered, again.select(delivered.columns)]).unique(maintain_order=True)


def _customers(people: Population, calendar: Calendar) -> pl.DataFrame:
    master = pl.DataFrame(
        {
            "customer": np.arange(len(people)),
            "KUNNR": pl.Series(people.customer_id.tolist(), dtype=pl.String),
            "NAME1": pl.Series(people.name.tolist(), dtype=pl.String),
            "KONZS": pl.Series(people.group_id.tolist(), dtype=pl.String),
            "BZIRK": [TERRITORIES[number] for number in people.territory],
            "BRSCH": [INDUSTRIES[number] for number in people.industry],
            "VTWEG": [CHANNEL_CODES[number] for number in people.channel.tolist()],
            "term_days": people.term_days,
            "created_on": people.created_on,
        }
    )
    return customer_versions(people, calendar).join(
        master, on="customer", validate="m:1", maintain_order="left"
    )


def _products(catalogue: Catalogue) -> pl.DataFrame:
    master = pl.DataFrame(
        {
            "product": np.arange(len(catalogue.product_id)),
            "MATNR": pl.Series(catalogue.product_id.tolist(), dtype=pl.String),
            "MAKTX": pl.Series(catalogue.name.tolist(), dtype=pl.String),
            "MATKL": [GROUPS[number] for number in catalogue.group],
        }
    )
    return product_versions(catalogue).join(master, on="product", validate="m:1", maintain_order="left")


def extracts(erp: Erp, number: int) -> list[Extract]:
    """The files of one month; a master only where one of its records is new or changed."""
    stamp = f"{erp.calendar.month(number):%Y-%m}"
    clean = _lines(erp, number)
    dirt = _dirt(erp, number, len(clean))
    headers = [row.header for row in dirt if row.header]
    documents = (
        pl.concat([_documents(erp, number), pl.DataFrame(headers)]) if headers else _documents(erp, number)
    )
    units = 1_000 * int(erp.lines.month(number)["net"].sum()) + sum(row.amount_units or 0 for row in dirt)
    amount = {"amount": _plain(units, 5)}
    files = [
        _file("VBRK", stamp, documents),
        _file("VBRP", stamp, clean, amount, dirt),
        _file(
            "OPOS",
            stamp,
            _items(erp, number),
            {"amount": _plain(int(erp.items.month(number)["amount"].sum()), 2)},
        ),
        _file(
            "ZAHL",
            stamp,
            _payments(erp, number),
            {"amount": _plain(int(erp.payments.month(number)["amount"].sum()), 2)},
        ),
        _file("ZUOR", stamp, _allocations(erp, number)),
    ]
    masters = [("KNA1", _customer_rows(erp, number)), ("MARA", _product_rows(erp, number))]
    return [*files, *(_file(name, stamp, frame) for name, frame in masters if len(frame))]


def _plain(units: int, scale: int) -> str:
    return f"{Decimal(units).scaleb(-scale):f}"


def _file(
    resource: str,
    stamp: str,
    frame: pl.DataFrame,
    totals: dict[str, str] | None = None,
    dirt: Sequence[DirtyRow] = (),
) -> Extract:
    text = frame.write_csv(separator=";", line_terminator="\r\n")
    if dirt:
        lines = text.splitlines(keepends=True)
        step = max(1, (len(lines) - 1) // (len(dirt) + 1))
        for place, row in reversed(list(enumerate(dirt, start=1))):
            wrong = ";".join(row.item[column] for column in frame.columns) + "\r\n"
            lines.insert(1 + min(place * step, len(lines) - 1), wrong)
        text = "".join(lines)
    return Extract(
        resource, f"{resource}_{stamp}.csv", text.encode("latin-1"), len(frame) + len(dirt), totals or {}
    )


def german(units: pl.Expr, scale: int = 2) -> pl.Expr:
    """An integer of 10^−scale units as 1.234.567,89, with the minus behind; null stays null."""
    size = units.abs()
    backwards = (size // 10**scale).cast(pl.String).str.reverse().str.replace_all(r"(\d{3})", "${1}.")
    whole = backwards.str.strip_chars_end(".").str.reverse()
    part = (size % 10**scale).cast(pl.String).str.zfill(scale)
    return pl.format("{},{}{}", whole, part, pl.when(units < 0).then(pl.lit("-")).otherwise(pl.lit("")))


def _day(column: str) -> pl.Expr:
    return pl.col(column).dt.strftime(DAY)


def _code(codes: pl.Series, column: str) -> pl.Expr:
    return pl.lit(codes).gather(pl.col(column))


def _documents(erp: Erp, number: int) -> pl.DataFrame:
    end = (
        erp.calendar.month(number + 1)
        if number + 1 < erp.calendar.months
        else erp.calendar.end.astype(object)
    )
    cancelled = (pl.col("cancelled_on") < pl.lit(end)).fill_null(value=False)
    return erp.documents.month(number).select(
        document_number(pl.col("document")).alias("VBELN"),
        pl.col("type").alias("FKART"),
        pl.lit("EUR").alias("WAERK"),
        pl.col("channel").replace_strict(CHANNEL_CODES, return_dtype=pl.String).alias("VTWEG"),
        pl.when(cancelled).then(pl.lit("X")).otherwise(pl.lit("")).alias("FKSTO"),
        document_number(pl.col("reference")).fill_null("").alias("VGBEL"),
    )


def _lines(erp: Erp, number: int) -> pl.DataFrame:
    cartons = pl.col("product") % CARTON_EVERY == 0
    pieces = pl.when(cartons).then(12).otherwise(1)
    return erp.lines.month(number).select(
        document_number(pl.col("document")).alias("VBELN"),
        (pl.col("item") * 10).cast(pl.String).str.zfill(6).alias("POSNR"),
        _day("day").alias("FKDAT"),
        _code(erp.customer_codes, "customer").alias("KUNAG"),
        _code(erp.product_codes, "product").alias("MATNR"),
        german(pl.col("quantity") * 1_000, 3).alias("FKIMG"),
        pl.when(cartons).then(pl.lit("KAR")).otherwise(pl.lit("ST")).alias("VRKME"),
        german(pl.col("quantity") * pieces * 1_000, 3).alias("FKLMG"),
        german(pl.col("net")).alias("NETWR"),
        german(pl.col("cost")).alias("WAVWR"),
        german(pl.col("freight")).alias("FRACHT"),
        german(pl.col("rebate")).alias("BONUS"),
        pl.when("free").then(pl.lit("TANN")).otherwise(pl.lit("TAN")).alias("PSTYV"),
        pl.col("ship_to").replace_strict(dict(enumerate(TERRITORIES)), return_dtype=pl.String).alias("BZIRK"),
        (pl.col("customer") % SALES_STAFF + 1).cast(pl.String).str.zfill(8).alias("PERNR"),
    )


def _dirt(erp: Erp, number: int, clean_lines: int) -> list[DirtyRow]:
    return dirty_rows(
        number, erp.calendar.month(number), erp.customer_codes[0], erp.product_codes[0], clean_lines
    )


def _items(erp: Erp, number: int) -> pl.DataFrame:
    """The report as of the month's end: later settlements, disputes and promises are not known yet."""
    end = pl.lit(erp.calendar.starts[number + 1].astype(object))
    cleared = pl.when(pl.col("cleared_on") < end).then("cleared_on")
    disputed = (pl.col("disputed_on") < end) & cleared.is_null()
    promised = pl.when(pl.col("called_on") < end).then("promised_on")
    frame = erp.items.month(number).select(
        (pl.col("document") + FIRST_ITEM).cast(pl.String).alias("Belegnummer"),
        _code(erp.customer_codes, "customer").alias("Debitor"),
        document_number(pl.col("document")).alias("Rechnung"),
        pl.col("type")
        .replace_strict({CREDIT: "DG", DEBIT: "DN"}, default="RV", return_dtype=pl.String)
        .alias("Belegart"),
        _day("posted_on").alias("Buchungsdatum"),
        _day("due_on").alias("Fällig am"),
        german(pl.col("amount")).alias("Betrag"),
        pl.lit("EUR").alias("Währung"),
        cleared.dt.strftime(DAY).alias("Ausgleichsdatum"),
        pl.when(disputed).then(pl.lit("J")).otherwise(pl.lit("N")).alias("Strittig"),
        promised.dt.strftime(DAY).alias("Zusage"),
    )
    return frame if number < RELEASE_CHANGE else frame.select(*ENGLISH).rename(ENGLISH)


def _payment_number(column: str) -> pl.Expr:
    return (pl.col(column) + FIRST_PAYMENT).cast(pl.String)


def _payments(erp: Erp, number: int) -> pl.DataFrame:
    return erp.payments.month(number).select(
        _payment_number("payment").alias("Zahlung"),
        _code(erp.customer_codes, "customer").alias("Debitor"),
        _day("day").alias("Datum"),
        german(pl.col("amount")).alias("Betrag"),
        pl.lit("EUR").alias("Währung"),
        pl.when(pl.col("customer") % 5 == 0)
        .then(pl.lit("SEPA-Lastschrift"))
        .otherwise(pl.lit("Überweisung"))
        .alias("Zahlweg"),
    )


def _allocations(erp: Erp, number: int) -> pl.DataFrame:
    return erp.allocations.month(number).select(
        _payment_number("payment").alias("Zahlung"),
        (pl.col("document") + FIRST_ITEM).cast(pl.String).alias("Belegnummer"),
        _day("day").alias("Datum"),
        german(pl.col("amount")).alias("Betrag"),
    )


def _customer_rows(erp: Erp, number: int) -> pl.DataFrame:
    return erp.customers.month(number).select(
        "KUNNR",
        "NAME1",
        "KONZS",
        "BZIRK",
        "BRSCH",
        "VTWEG",
        german(pl.col("credit_limit") * 100).alias("KLIMK"),
        pl.format("Z{}", pl.col("term_days").cast(pl.String).str.zfill(3)).alias("ZTERM"),
        _day("created_on").alias("ERDAT"),
        pl.when("inactive").then(pl.lit("09")).otherwise(pl.lit("")).alias("AUFSD"),
    )


def _product_rows(erp: Erp, number: int) -> pl.DataFrame:
    return erp.products.month(number).select(
        "MATNR",
        "MAKTX",
        "MATKL",
        pl.lit("ST").alias("MEINS"),
        pl.col("stage").replace_strict(STAGE_CODES, return_dtype=pl.String).alias("LCSTA"),
        _day("stage_from").alias("LCDAT"),
        german(pl.col("cost_cents")).alias("STPRS"),
        _day("stage_from").alias("LAEDA"),
    )
