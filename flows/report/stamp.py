"""Which published mart a report was made from, written into it; reading that needs nothing that makes reports."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from flows.settings import Settings
from flows.wording import words as wording
from warehouse.mart import publish

_ROOMS = (Path(__file__).parent, wording.FOLDER)
_MADE_OF = ("*.py", "*.yaml", "templates/*")
_MARK = re.compile(r'<meta name="valuemart-report" content="(\w+)">')
_HEAD = 4_096  # bytes in which the mark stands


def wanted(settings: Settings) -> str | None:
    """The stamp that a report of the published mart would carry today; None where no mart is out."""
    publication = publish.read_publication(settings.mart_file)
    if publication is None:
        return None
    shown_by = (publication, settings.company_currency, settings.customer_pages, settings.timezone)
    digest = hashlib.sha256(repr(shown_by).encode())
    for path in sorted(path for room in _ROOMS for pattern in _MADE_OF for path in room.glob(pattern)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:20]


def written(file: Path) -> str | None:
    """The stamp of the report that is out; None where there is none."""
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        found = _MARK.search(stream.read(_HEAD).decode("utf-8", errors="replace"))
    return found[1] if found else None


def is_current(settings: Settings) -> bool:
    """Whether the report shows the mart that is out, as today's templates draw it."""
    stamp = wanted(settings)
    return stamp is not None and written(settings.report_file) == stamp
