"""Successions: which customer number continues another one on a day, and with which share."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.conform import conform_to, require_columns
from transforms.frames.fixed_point import (
    RATIO,
    RATIO_PLACES,
    div_half_even,
    from_scaled_int,
    int128,
)
from transforms.frames.schemas import CUSTOMER_SUCCESSION, CUSTOMER_SUCCESSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from transforms.facts.model import Facts

WHOLE: Final = 10**12
"""All of a customer, in the units of `from_part` and `to_part`: the product of two shares has twelve places."""

PARTS: Final = pl.Schema(
    {
        "company_code": pl.String(),
        "customer_id": pl.String(),
        "successor_id": pl.String(),
        "from_part": pl.Int128(),
        "to_part": pl.Int128(),
        "valid_from": pl.Date(),
    }
)
"""Who stands for whom. Grain: succeeded customer × successor; a customer of whom something is left is its own successor.

`to_part` − `from_part` is the share, and the spans of one customer fill the whole, so that an amount is split without a
rest. `valid_from`: the latest day from which one of the links of the chain between the two holds.
"""

CUSTOMER: Final = ("company_code", "customer_id")
"""Whom rows speak of."""


def successions_on(successions: pl.LazyFrame, day: date) -> pl.DataFrame:
    """Resolve the successions that hold on a day, chains to their ends. Ends at PARTS, sorted.

    `successions`: CUSTOMER_SUCCESSIONS rows of one company. A row holds from its `valid_from` on; no share is the whole. A row
    that would close a circle, or give over more of a customer than there is, is left out: a batch with such rows is
    quarantined; those that only two batches together hold are named by the findings of data_quality. Source: docs/figures.md, Successions.
    """
    rows = require_columns(successions, CUSTOMER_SUCCESSIONS).filter(pl.col("valid_from") <= day)
    ordered = rows.sort("company_code", "valid_from", "old_customer_id", "new_customer_id").collect()
    found = []
    for (company,), of_company in ordered.group_by("company_code", maintain_order=True):
        chains = _Chains()
        for row in of_company.iter_rows(named=True):
            chains.add(row["old_customer_id"], row["new_customer_id"], row["share"], row["valid_from"])
        found += [(company, *part) for part in chains.parts()]
    return pl.DataFrame(found, schema=PARTS, orient="row").sort(*CUSTOMER, "successor_id")


def succession_on(facts: Facts, day: date) -> pl.LazyFrame | None:
    """Who stands for whom on a day (PARTS); None where nobody is succeeded. Who is in no master and no book is left out."""
    if facts.customer_successions is None:
        return facts.succession
    parts = successions_on(facts.customer_successions, day)
    if parts.is_empty():
        return None
    books = [
        facts.customers,
        facts.customer_month,
        *([] if facts.receivables is None else [facts.receivables]),
    ]
    wanted = parts.lazy().select(CUSTOMER).unique()
    known = pl.concat(each.select(CUSTOMER).join(wanted, on=CUSTOMER, how="semi") for each in books).unique()
    found = parts.lazy().join(known, on=CUSTOMER, how="semi").sort(*CUSTOMER, "successor_id").collect()
    return None if found.is_empty() else found.lazy()


def succeeded(facts: Facts) -> pl.LazyFrame:
    """List who is succeeded on the day of a rating. Grain: customer; the key. `facts`: as `succeed` gives them."""
    parts = pl.LazyFrame(schema=PARTS) if facts.succession is None else facts.succession
    return parts.select(CUSTOMER).unique()


def still_customers(facts: Facts) -> Facts:
    """Leave out the masters of those of whom nothing is left under their own number. `facts`: as `succeed` gives them."""
    if facts.succession is None:
        return facts
    is_left = (pl.col("customer_id") == pl.col("successor_id")).any()
    gone = facts.succession.group_by(CUSTOMER).agg(is_left=is_left).filter(~pl.col("is_left"))
    return replace(facts, customers=facts.customers.join(gone, on=CUSTOMER, how="anti"))


def continued_numbers(customers: Sequence[str], succession: pl.LazyFrame | None) -> list[str]:
    """Add the numbers that some customers continue. Grain: customer of one company."""
    if succession is None:
        return list(customers)
    of_them = succession.filter(pl.col("successor_id").is_in(list(customers))).select("customer_id").collect()
    return sorted({*customers, *of_them["customer_id"]})


def current_succession(parts: pl.LazyFrame | None) -> pl.LazyFrame:
    """List who continues whom on the day that is rated. Grain: succeeded customer × successor; ends at CUSTOMER_SUCCESSION."""
    rows = pl.LazyFrame(schema=PARTS) if parts is None else parts
    links = rows.filter(pl.col("customer_id") != pl.col("successor_id")).with_columns(
        share=from_scaled_int(
            div_half_even(pl.col("to_part") - pl.col("from_part"), int128(WHOLE // 10**RATIO_PLACES)), RATIO
        ),
        succession_on="valid_from",
    )
    return conform_to(links, CUSTOMER_SUCCESSION).sort(*CUSTOMER, "successor_id")


def succession_told(parts: pl.LazyFrame) -> pl.LazyFrame:
    """Tell who continues whom. Grain: customer that is succeeded or continues one.

    `continues`, `succeeded_by`: the other numbers in their order, each with its share where that is not the whole;
    `succession_on`: since when, the latest day. What is left of a customer makes it no successor of its own.
    """
    links = parts.filter(pl.col("customer_id") != pl.col("successor_id")).with_columns(share=_share())

    def side(of: str, other: str, name: str) -> pl.LazyFrame:
        text = pl.concat_str(pl.col(other), pl.col("share"), separator=" ", ignore_nulls=True)
        return links.group_by("company_code", pl.col(of).alias("customer_id")).agg(
            text.sort_by(other).str.join(", ").alias(name), pl.col("valid_from").max().alias(f"on_{name}")
        )

    return (
        side("successor_id", "customer_id", "continues")
        .join(
            side("customer_id", "successor_id", "succeeded_by"),
            on=CUSTOMER,
            how="full",
            coalesce=True,
            validate="1:1",
        )
        .select(
            *CUSTOMER,
            "continues",
            "succeeded_by",
            succession_on=pl.max_horizontal("on_continues", "on_succeeded_by"),
        )
    )


def _share() -> pl.Expr:
    """The share as text, as short as it can be said; null for the whole."""
    part = (pl.col("to_part") - pl.col("from_part")).cast(pl.Decimal(38, 0)) * pl.lit(Decimal(1) / WHOLE)
    text = part.cast(pl.Decimal(38, 6)).cast(pl.String).str.strip_chars_end("0")
    return pl.when(pl.col("to_part") - pl.col("from_part") < WHOLE).then(text)


class _Chains:
    """The successions of one company as a graph without circles: to whom which share of a customer goes, and since when."""

    def __init__(self) -> None:
        self.heirs: dict[str, dict[str, tuple[Decimal, date]]] = {}
        self.ends: dict[str, dict[str, tuple[Decimal, date | None]]] = {}

    def add(self, old: str, new: str, share: Decimal | None, since: date) -> None:
        """Let a number continue another one, unless that leads back to it, or more than all of it would be given over."""
        of_old = self.heirs.setdefault(old, {})
        part = Decimal(1) if share is None else share
        given = sum((each for each, _ in of_old.values()), Decimal(0))
        if given + part <= 1 and not self._leads_to(new, old):
            before = of_old.get(new, (Decimal(0), since))[0]
            of_old[new] = (before + part, since)

    def parts(self) -> list[tuple[str, str, int, int, date]]:
        """Each succeeded customer's successors at the ends of its chains, with the span of its whole that they take."""
        found = []
        for old in sorted(customer for customer, heirs in self.heirs.items() if heirs):
            taken = Decimal(0)
            first = min(since for _, since in self.heirs[old].values())
            for end, (share, since) in sorted(self._ends_of(old).items()):
                span = (int(taken * WHOLE), int((taken + share) * WHOLE))
                found.append((old, end, *span, since or first))
                taken += share
        return found

    def _ends_of(self, customer: str) -> Mapping[str, tuple[Decimal, date | None]]:
        """At whom a customer ends up: its heirs' ends, and itself with what is not given over."""
        if customer not in self.ends:
            found: dict[str, tuple[Decimal, date | None]] = {}
            left = Decimal(1)
            for heir, (share, since) in self.heirs.get(customer, {}).items():
                left -= share
                for end, (part, later) in self._ends_of(heir).items():
                    before, known = found.get(end, (Decimal(0), since))
                    found[end] = (before + share * part, max(known or since, since, later or since))
            if left > 0:
                found[customer] = (left, None)
            self.ends[customer] = found
        return self.ends[customer]

    def _leads_to(self, customer: str, wanted: str) -> bool:
        return customer == wanted or any(
            self._leads_to(heir, wanted) for heir in self.heirs.get(customer, {})
        )
