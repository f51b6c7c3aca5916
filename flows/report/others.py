"""The customers without a page of their own: packed into data scripts, of which one page draws whom its address names.

A page that was opened from a file may load scripts and nothing else, so the content of a page travels as one. It is the same
content as on a page of its own, made by the same template; packed, it takes a thirteenth.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from warehouse.mart.report_customers import Key

PAGE = "customer.html"
IN_A_SCRIPT = 100  # customers: a script has some 300 kB then, and one is loaded a page
AT_ONCE = 10  # scripts for which the mart is asked together
LEVEL = 6  # of gzip: 9 makes them 3% smaller, in twice the time

_FNV_START, _FNV_PRIME = 0x811C9DC5, 0x01000193


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the page shows of a customer: its title in English and in Chinese, and its content in the pieces that the template gave."""

    title: tuple[str, str]
    content: Sequence[str]


def address(key: Key) -> str:
    """Where a customer is drawn, seen from the page's own folder."""
    company, customer = key
    return f"{PAGE}?{urlencode({'company': company, 'customer': customer})}"


def script_name(number: int) -> str:
    """The file of a data script."""
    return f"others-{number}.js"


def groups(keys: Collection[Key]) -> list[list[Key]]:
    """Customers by the script that holds them; its number is their place."""
    scripts: list[list[Key]] = [[] for _ in range(-(-len(keys) // IN_A_SCRIPT))]
    for key in keys:
        scripts[_hash(_text(key)) % len(scripts)].append(key)
    return scripts


def in_steps(scripts: Sequence[Collection[Key]]) -> Iterator[range]:
    """The numbers of scripts that are made together."""
    for first in range(0, len(scripts), AT_ONCE):
        yield range(first, min(first + AT_ONCE, len(scripts)))


def script(drawn: Mapping[Key, Drawn], paged: Mapping[Key, str]) -> str:
    """A data script: what the page shows of some customers, and which others have a page of their own, by its file name.

    What customers have in common is said once, for the packing sees no further back than a page is long: what the template says
    of everybody, and each value that several have.
    """
    pieces: dict[str, int] = {}
    customers = {
        _text(key): [*each.title, [pieces.setdefault(piece, len(pieces)) for piece in each.content]]
        for key, each in drawn.items()
    } | {_text(key): file for key, file in paged.items()}
    data = {"customers": customers, "pieces": list(pieces)}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    packed = gzip.compress(text.encode(), LEVEL, mtime=0)
    return f'window.valuemart = "{base64.b64encode(packed).decode()}";\n'


def _text(key: Key) -> str:
    return "\n".join(key)


def _hash(text: str) -> int:
    """FNV-1a in 32 bits, which the page works out, too."""
    value = _FNV_START
    for byte in text.encode():
        value = (value ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return value
