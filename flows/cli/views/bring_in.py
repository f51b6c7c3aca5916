"""What can be landed, and what was, to a person or as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.console.output import echo, echo_json, pairs, place

if TYPE_CHECKING:
    from flows.inbox.landing import Landed
    from warehouse.delivery.profile import Source


def show_sources(known: Sequence[Source], *, as_json: bool) -> None:
    """The sources that can be landed: what files each takes and what tables it makes of them."""
    if as_json:
        echo_json(
            [
                {
                    "source": source.name,
                    "title": source.profile.title,
                    "folder": source.folder,
                    "resources": {name: each.pattern for name, each in source.profile.resources.items()},
                    "tables": list(source.profile.tables),
                }
                for source in known
            ]
        )
        return
    for source in known:
        echo(f"{source.name}: {source.profile.title}")
        pairs(
            {
                "folder": place(source.folder),
                "takes": ", ".join(each.pattern for each in source.profile.resources.values()),
                "makes": ", ".join(source.profile.tables),
            }
        )


def show_landed(landed: Landed, *, untold: str | None, as_json: bool) -> None:
    """Where a batch lies; `untold` is why no Prefect server was told of it, None if one was."""
    if as_json:
        echo_json({"landed": landed, "announced": untold is None, "not_announced": untold})
        return
    echo(f"landed {place(landed.folder)}")
    echo("the Prefect server was told" if untold is None else "load it with `valuemart refresh`")
