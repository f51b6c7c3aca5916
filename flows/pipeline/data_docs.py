"""Great Expectations' Data Docs of a batch: a page a table, and one that lists them, below the home."""

from __future__ import annotations

import html
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from warehouse.files import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from expectations.gate import Gate, Judgement
    from flows.settings import Settings
    from warehouse.delivery.manifest import Batch
    from warehouse.staging.scratch import Scratch

# A page judges its table once more; beyond this it would slow the load, and is written only if it is asked for.
LARGE_TABLE_ROWS = 200_000
INDEX = "index.html"


@dataclass(slots=True)
class DataDocs:
    """What is to be documented of one batch, and the pages so far."""

    gate: Gate
    folder: Path
    wanted: str
    pages: dict[str, str]

    @classmethod
    def of_batch(cls, settings: Settings, gate: Gate, batch: Batch) -> DataDocs:
        """With no page yet."""
        folder = folder_of(settings, batch.source, batch.company, batch.batch_id)
        return cls(gate, folder, settings.data_docs, {})

    def add(self, scratch: Scratch, judgements: Mapping[str, Judgement]) -> None:
        """Render the judged tables that are worth a page."""
        for table in scratch.tables:
            judgement = judgements.get(table.name)
            if judgement is None or self.wanted == "never":
                continue
            is_worth_it = not judgement.passed and judgement.rows <= LARGE_TABLE_ROWS
            if self.wanted == "always" or is_worth_it:
                self.pages[table.name] = self.gate.data_docs_page(scratch.connection, table.contract)

    def write(self) -> Path | None:
        """Put the pages where those of an earlier delivery of the batch lie; the page that lists them, None where none is."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if not self.pages:
            return None
        self.folder.mkdir(parents=True)
        for table, page in self.pages.items():
            write_text(self.folder / f"{table}.html", page)
        links = "".join(f'<li><a href="{table}.html">{table}</a></li>' for table in self.pages)
        title = html.escape("/".join(self.folder.parts[-3:]))
        write_text(
            self.folder / INDEX,
            f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><ul>{links}</ul></html>\n',
        )
        return self.folder / INDEX


def folder_of(settings: Settings, source: str, company: str, batch_id: str) -> Path:
    """Where the pages of a batch lie, if it has any."""
    return settings.data_docs_folder / source / company / batch_id
