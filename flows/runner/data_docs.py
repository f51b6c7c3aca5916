"""Great Expectations' Data Docs of a batch: a page a table, and one that lists them, below the home."""

from __future__ import annotations

import html
import shutil
from typing import TYPE_CHECKING, Literal

from warehouse.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from expectations.gate import Gate, Judgement
    from flows.settings import Settings
    from warehouse.delivery.manifest import Batch
    from warehouse.staging.scratch import Scratch

Wanted = Literal["never", "violations", "always"]

# A page judges its table once more; beyond this it would slow the load, and is written only if it is asked for.
LARGE_TABLE_ROWS = 200_000
INDEX = "index.html"


def render(gate: Gate, wanted: Wanted, scratch: Scratch, judgements: Iterable[Judgement]) -> dict[str, str]:
    """The pages of the judged tables that are worth one, by table."""
    judged = {judgement.table: judgement for judgement in judgements}
    pages = {}
    for table in scratch.tables:
        judgement = judged.get(table.name)
        if judgement is None or wanted == "never":
            continue
        is_worth_it = not judgement.passed and judgement.rows <= LARGE_TABLE_ROWS
        if wanted == "always" or is_worth_it:
            pages[table.name] = gate.data_docs_page(scratch.connection, table.contract)
    return pages


def write(settings: Settings, batch: Batch, pages: Mapping[str, str]) -> Path | None:
    """Put the pages where those of an earlier delivery of the batch lie; the page that lists them, None where none is."""
    folder = folder_of(settings, batch.source, batch.company, batch.batch_id)
    shutil.rmtree(folder, ignore_errors=True)
    if not pages:
        return None
    folder.mkdir(parents=True)
    for table, page in pages.items():
        write_text(folder / f"{table}.html", page)
    links = "".join(f'<li><a href="{table}.html">{table}</a></li>' for table in pages)
    title = html.escape("/".join(folder.parts[-3:]))
    write_text(
        folder / INDEX,
        f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><ul>{links}</ul></html>\n',
    )
    return folder / INDEX


def folder_of(settings: Settings, source: str, company: str, batch_id: str) -> Path:
    """Where the pages of a batch lie, if it has any."""
    return settings.data_docs_folder / source / company / batch_id
