"""How moves between tiers are shown, to a person or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows.console.output import Row


def why_moved(move: Row) -> str | None:
    """Why a tier changed as a person reads it, of a row of tier_change with the reasons that stand behind its own."""
    from flows.wording.reasons import moved_by

    said = moved_by(move["from_tier"], move.get("reasons_reasons"), move["reasons"])
    return said.en if said else None


def as_published(moves: Sequence[Row]) -> list[dict[str, Any]]:
    """Moves as the mart has them: without what the text of their reasons was made of."""
    return [{key: value for key, value in move.items() if key != "reasons_reasons"} for move in moves]
