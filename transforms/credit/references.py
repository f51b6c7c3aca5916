"""Which documents a credit names, and with how much of it: by itself, or on its lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from transforms.frames.fixed_point import div_half_even, to_scaled_int

if TYPE_CHECKING:
    from collections.abc import Sequence

_OWN: Final = ("company_code", "own_document")


def by_named_document(
    credits_: pl.LazyFrame, spent: pl.LazyFrame, references: pl.LazyFrame | None, by: Sequence[str]
) -> pl.LazyFrame:
    """Split each credit among the documents that it names. Grain: credit × document; credits that name none are left out.

    `credits_`: `by` and `credit_id` (one row each), `amount` (what is left of it) and `total` (all of it), in whole units,
    `names_document`, and `own_document`, the number of the credit itself; `spent`: what of a credit went to which `document` already,
    grain `by` × credit_id × document; `references`: DOCUMENT_REFERENCES, None where no lines were delivered. Gives the columns of
    `credits_` with `document`, and in `amount` what is for it. A credit that names a document by itself is all for that one;
    so is one whose lines all name one. Otherwise a document has the share of its lines' net amounts, less what went to it
    already; what lines that name none are worth is for nobody, and so is a document's share whose lines credit nothing.
    Source: docs/figures.md, Credit: what is owed.
    """
    names = credits_.collect_schema().names()
    by_itself = credits_.filter(pl.col("names_document").is_not_null()).with_columns(
        document="names_document"
    )
    columns = [*names, "document"]
    if references is None:
        return by_itself.select(columns)
    one = [*by, "credit_id"]
    is_named, of_all = pl.col("document").is_not_null(), pl.col("weight").sum().over(one)
    spread = (
        credits_.filter(pl.col("names_document").is_null(), pl.col("own_document").is_not_null())
        .join(_weights(references), on=_OWN, how="inner")
        .with_columns(share=_steps("total", "weight", of_all, one))
        .with_columns(share=pl.when(is_named & (pl.len().over(one) == 1)).then("total").otherwise("share"))
        .filter(is_named)
        .join(spent, on=[*one, "document"], how="left", validate="1:1")
        .with_columns(claim=(pl.col("share") - pl.col("spent").fill_null(0)).clip(lower_bound=0))
        .with_columns(claims=pl.col("claim").sum().over(one))
        .with_columns(granted=pl.min_horizontal("amount", "claims"))
        .with_columns(amount=_steps("granted", "claim", pl.col("claims"), one))
    )
    return pl.concat([by_itself.select(columns), spread.select(columns)])


def _weights(references: pl.LazyFrame) -> pl.LazyFrame:
    """Sum what the lines of a document credit, by the document they name. Grain: document × document named or null."""
    return references.group_by(
        "company_code", own_document="document_id", document="references_document_id"
    ).agg(weight=(0 - to_scaled_int("net_amount").sum()).clip(lower_bound=0))


def _steps(whole: str, part: str, parts: pl.Expr, one: Sequence[str]) -> pl.Expr:
    """What falls to a part: the rounded whole up to its end less that up to its beginning, so that nothing is lost between them."""
    upto = pl.col(part).cum_sum().over(one, order_by="document", nulls_last=True)
    ends = div_half_even(pl.col(whole) * upto, parts)
    starts = div_half_even(pl.col(whole) * (upto - pl.col(part)), parts)
    return (ends - starts).fill_null(0)
