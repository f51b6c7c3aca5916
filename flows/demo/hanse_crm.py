"""The CRM's files: commas, UTF-8, ISO dates, free text in quotes with commas and line breaks, codes without zeros.

The CRM keeps a customer's number as an account without its leading zeros; the source's SQL gives them back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from flows.demo.files import Extract
from flows.demo.monthly import Monthly

if TYPE_CHECKING:
    from flows.demo.calendar import Calendar
    from flows.demo.catalogue import Catalogue
    from flows.demo.company import Population
    from flows.demo.relations import Relations

NAME = "hanse_crm"
TABLES = {
    "ACTIVITIES": "interactions",
    "ASSESSMENTS": "assessments",
    "DEMAND": "estimates",
    "TERRITORIES": "territories",
    "PRICE_FLOORS": "floors",
    "OBSERVATIONS": "observations",
    "OVERRIDES": "overrides",
    "ACTIONS": "actions",
    "SUCCESSIONS": "successions",
}


@dataclass(frozen=True)
class Crm:
    """The CRM's tables as texts, cut by month."""

    calendar: Calendar
    tables: dict[str, Monthly]


def record(
    people: Population,
    catalogue: Catalogue,
    relations: Relations,
    plans: pl.DataFrame,
    calendar: Calendar,
) -> Crm:
    """Write the CRM's facts the way it exports them."""
    account = pl.Series(people.customer_id.tolist(), dtype=pl.String).str.strip_chars_start("0")
    item = pl.Series(catalogue.product_id.tolist(), dtype=pl.String).str.strip_chars_start("0")
    columns = _columns(
        pl.lit(account).gather(pl.col("customer")),
        pl.lit(account).gather(pl.col("successor")),
        pl.lit(item).gather(pl.col("product")),
    )
    kept = {**{resource: getattr(relations, table) for resource, table in TABLES.items()}, "PLANS": plans}
    tables = {
        resource: Monthly.of(frame.select(*columns[resource], "month"), calendar.months)
        for resource, frame in kept.items()
    }
    return Crm(calendar, tables)


def _money(column: str) -> pl.Expr:
    cents = pl.col(column)
    return pl.format("{}.{}", cents // 100, (cents % 100).cast(pl.String).str.zfill(2))


def _yes(column: str) -> pl.Expr:
    return pl.when(column).then(pl.lit("yes")).otherwise(pl.lit("no"))


def _columns(account: pl.Expr, successor: pl.Expr, item: pl.Expr) -> dict[str, list[pl.Expr]]:
    territory = pl.col("territory")
    return {
        "ACTIVITIES": [
            pl.format("ACT-{}", pl.col("number").cast(pl.String).str.zfill(7)).alias("Activity ID"),
            account.alias("Account"),
            pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S").alias("Start"),
            pl.col("kind").alias("Type"),
            pl.when("outbound").then(pl.lit("out")).otherwise(pl.lit("in")).alias("Direction"),
            pl.col("subject").alias("Subject"),
            _yes("feedback").alias("Feedback"),
            pl.col("group").alias("Product group"),
            pl.col("project").alias("Project"),
        ],
        "ASSESSMENTS": [
            account.alias("Account"),
            pl.col("day").cast(pl.String).alias("Assessed on"),
            pl.col("influence").cast(pl.String).alias("Influence"),
            pl.col("assessor").alias("Assessor"),
            pl.col("expires_on").cast(pl.String).alias("Expires on"),
        ],
        "DEMAND": [
            account.alias("Account"),
            pl.col("group").alias("Product group"),
            pl.col("period_start").cast(pl.String).alias("Year from"),
            pl.format("{}-1", pl.col("period_start").dt.year()).alias("Version"),
            _money("cents").alias("Amount"),
            pl.col("quantity").cast(pl.String).alias("Quantity"),
            pl.col("unit").alias("Unit"),
            pl.col("source").alias("Source"),
            pl.col("day").cast(pl.String).alias("Estimated on"),
            pl.col("supplied_by").alias("Supplied by"),
            _money("price_cents").alias("Current price"),
        ],
        "TERRITORIES": [
            territory.alias("Territory"),
            account.alias("Account"),
            pl.col("valid_from").cast(pl.String).alias("Valid from"),
            _yes("exclusive").alias("Exclusive"),
        ],
        "PRICE_FLOORS": [
            item.alias("Product"),
            pl.col("channel").alias("Channel"),
            pl.lit("EUR").alias("Currency"),
            pl.lit("PC").alias("Unit"),
            pl.col("valid_from").cast(pl.String).alias("Valid from"),
            pl.col("valid_to").cast(pl.String).alias("Valid to"),
            _money("cents").alias("Floor"),
        ],
        "OBSERVATIONS": [
            pl.format("OBS-{}", pl.col("number").cast(pl.String).str.zfill(5)).alias("Observation ID"),
            pl.col("day").cast(pl.String).alias("Observed on"),
            account.alias("Account"),
            item.alias("Product"),
            territory.alias("Found in"),
            _money("cents").alias("Resale price"),
            pl.format('photo {}, receipt in folder\n"{}"', pl.col("number"), territory).alias("Evidence"),
            _yes("confirmed").alias("Confirmed"),
        ],
        "OVERRIDES": [
            account.alias("Account"),
            pl.col("valid_from").cast(pl.String).alias("Valid from"),
            pl.col("tier").alias("Tier"),
            pl.col("owner").alias("Owner"),
            pl.col("reason").alias("Reason"),
            pl.col("valid_to").cast(pl.String).alias("Valid to"),
        ],
        "ACTIONS": [
            pl.format("DONE-{}", pl.col("number").cast(pl.String).str.zfill(5)).alias("Action ID"),
            account.alias("Account"),
            pl.col("done").alias("Action"),
            pl.col("day").cast(pl.String).alias("Done on"),
            pl.col("remark").alias("Remark"),
        ],
        "SUCCESSIONS": [
            account.alias("Old account"),
            successor.alias("New account"),
            pl.col("valid_from").cast(pl.String).alias("From"),
            pl.lit(None, pl.String).alias("Share"),
            pl.col("reason").alias("Reason"),
        ],
        "PLANS": [
            pl.col("plan").alias("Plan"),
            pl.col("version").alias("Version"),
            pl.col("level").alias("Level"),
            pl.col("member").alias("Of"),
            pl.col("period_start").cast(pl.String).alias("From"),
            pl.col("period_end").cast(pl.String).alias("To"),
            _money("cents").alias("Net sales"),
            pl.col("day").cast(pl.String).alias("Planned on"),
        ],
    }


def extracts(crm: Crm, number: int) -> list[Extract]:
    """The files of one month: activities always, the rest where there is something new."""
    stamp = f"{crm.calendar.month(number):%Y%m}"
    files = []
    for resource, table in crm.tables.items():
        frame = table.month(number).drop("month")
        if len(frame) or resource == "ACTIVITIES":
            content = frame.write_csv().encode("utf-8")
            files.append(Extract(resource, f"{resource.lower()}_{stamp}.csv", content, len(frame), {}))
    return files
