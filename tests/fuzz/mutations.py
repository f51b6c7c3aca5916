"""Deliveries gone wrong in every way a seed can think of: files, their packing, the manifest, and the folder they lie in.

`make_case(seed)` is the same case each time. A case writes a batch folder; whether it is a good one nobody promises.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from tests.warehouse.making import Delivery, customers, line, lines

# The encodings that the fuzzed sources declare, by the source's name.
SOURCES = {"shop": "utf-8", "dos": "latin-1", "wide": "utf-16", "han": "gb18030"}
MIB = 1024 * 1024

Chance = random.Random
Mutation = Callable[[Chance, bytes], bytes]


@dataclass(frozen=True)
class Case:
    """One delivery: what was done to it, and how it is written into an inbox."""

    seed: int
    what: str
    delivery: Delivery
    manifest: bytes | None = None
    spoil: Callable[[Path], object] = lambda _: None
    workbook: str | None = None  # a file of it that openpyxl can read, and has to find the same cells in

    def write(self, inbox: Path) -> Path:
        """Its batch folder."""
        folder = self.delivery.write(inbox, manifest=self.manifest)
        self.spoil(folder)
        return folder


def make_case(seed: int) -> Case:
    """The case of that seed."""
    chance = Chance(seed)
    kind = chance.choices(
        [of_content, of_packing, of_manifest, of_folder, of_workbook, of_codes], [10, 3, 4, 2, 4, 2]
    )[0]
    return replace(kind(seed, chance), seed=seed)


def good_lines(chance: Chance) -> bytes:
    rows = [
        line(
            number,
            net=f"{chance.randint(-99999, 99999)},{chance.randint(0, 99):02}",
            customer=f"K{chance.randint(1, 9)}",
        )
        for number in range(chance.choice([1, 2, 5, 40]))
    ]
    return lines(*rows, *chance.choice([[], ["Summe;;;;;99,00"]]))


def delivery(
    seed: int, chance: Chance, content: bytes, name: str = "lines.csv", source: str = "shop"
) -> Delivery:
    files = {"LINES": {name: content}}
    if chance.random() < 0.2:
        files["CUSTOMERS"] = {
            "customers.csv": customers("K1;Eins", "K2;Zwei").decode().encode(SOURCES[source])
        }
    return Delivery(files, source=source, company=f"F{seed}")


# What is done to a file's bytes.


def _place(chance: Chance, content: bytes) -> int:
    return chance.randrange(len(content) + 1)


def flip(chance: Chance, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice([1, 3, 30])):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def insert(chance: Chance, content: bytes) -> bytes:
    place = _place(chance, content)
    return content[:place] + chance.randbytes(chance.choice([1, 5, 300])) + content[place:]


def cut(chance: Chance, content: bytes) -> bytes:
    return content[: _place(chance, content)]


def cut_out(chance: Chance, content: bytes) -> bytes:
    first, last = sorted((_place(chance, content), _place(chance, content)))
    return content[:first] + content[last:]


def repeat_part(chance: Chance, content: bytes) -> bytes:
    first, last = sorted((_place(chance, content), _place(chance, content)))
    return content[:last] + content[first:last] * chance.choice([1, 2, 50]) + content[last:]


def noise(chance: Chance, _: bytes) -> bytes:
    return chance.randbytes(chance.choice([0, 1, 7, 1000, 100_000]))


def nuls(chance: Chance, content: bytes) -> bytes:
    place = _place(chance, content)
    return content[:place] + b"\0" * chance.choice([1, 2, 5000]) + content[place:]


def newlines(chance: Chance, content: bytes) -> bytes:
    ends = [b"\n", b"\r\n", b"\r", b"\n\n", b"\n\r", b"\x0b", b"\x85", "\u2028".encode()]
    chosen = chance.sample(ends, chance.choice([1, 2, 3]))
    return b"".join(part + chance.choice(chosen) for part in content.split(b"\n"))


def quotes(chance: Chance, content: bytes) -> bytes:
    changed = content
    for _ in range(chance.choice([1, 2, 9])):
        place = _place(chance, changed)
        changed = changed[:place] + chance.choice([b'"', b'""', b"'", b'\\"', b'";"']) + changed[place:]
    return changed


def delimiters(chance: Chance, content: bytes) -> bytes:
    return content.replace(
        b";", chance.choice([b",", b"\t", b"|", b";;", b" ; ", b""]), chance.choice([1, 3, -1])
    )


def huge_field(chance: Chance, content: bytes) -> bytes:
    size = chance.choice([70_000, 2 * MIB, 3 * MIB, 24 * MIB])
    filler = chance.choice([b"9", b"x", b"\xc3\xbc", b'""', b" "])
    place = _place(chance, content)
    return content[:place] + chance.choice([b"", b'"']) + filler * (size // len(filler)) + content[place:]


def many_columns(chance: Chance, content: bytes) -> bytes:
    number = chance.choice([100, 3000])
    header, _, rest = content.partition(b"\n")
    names = [f"c{place}" for place in range(number)] if chance.random() < 0.5 else ["Netto"] * number
    return header + b";" + ";".join(names).encode() + b"\n" + rest.replace(b"\n", b";" * number + b"\n")


HOSTILE = [
    "'; DROP TABLE erp.invoice_lines; --", '"; ATTACH \'x.duckdb\'; --', "{batch}", ":name", "%s", "$1", "\\", "a:b",
    "=cmd|' /C calc'!A0", "@SUM(1)", "<script>alert(1)</script>", "\u202egnp", "😀", "ﾃ", "\ufeff", "NULL", "nan", "1e400",
    "-0", "0x10", "٣", "１２", "−5", "99.99.9999", "31.02.2025", "00.00.0000", "05.05.25", "(5)", "5-", "1.000.00", "1 000",
    "9" * 40, "0," + "3" * 40, " ", "\t", "\x01", "\x1f", "\x7f", "true", "select 1", "/etc/passwd", "../..", "Ü" * 300,
]  # fmt: skip


def values(chance: Chance, content: bytes) -> bytes:
    rows = [row.split(b";") for row in content.split(b"\n")]
    for _ in range(chance.choice([1, 3, 10])):
        row = chance.choice(rows)
        row[chance.randrange(len(row))] = chance.choice(HOSTILE).encode()
    return b"\n".join(b";".join(row) for row in rows)


def headers(chance: Chance, content: bytes) -> bytes:
    header, _, rest = content.partition(b"\n")
    names = header.split(b";")
    for _ in range(chance.choice([1, 2])):
        place = chance.randrange(len(names))
        names[place : place + 1] = chance.choice(
            [
                [],
                [names[place], names[place]],
                [chance.choice(HOSTILE).encode()],
                [b""],
                [names[place].lower() + b" "],
            ]
        )
        names = names or [b"x"]
    if chance.random() < 0.3:
        chance.shuffle(names)
    return b";".join(names) + b"\n" + rest


def rows(chance: Chance, content: bytes) -> bytes:
    parts = content.split(b"\n")
    for _ in range(chance.choice([1, 4])):
        place = chance.randrange(len(parts))
        parts[place : place + 1] = chance.choice(
            [[], [b""], [parts[place]] * 2, [parts[place] + b";;;"], [parts[place][:7]]]
        )
        parts = parts or [b""]
    return b"\n".join(parts)


CONTENT: list[Mutation] = [
    flip, insert, cut, cut_out, repeat_part, noise, nuls, newlines, quotes, delimiters, huge_field, many_columns, values,
    values, headers, headers, rows, rows,
]  # fmt: skip


def of_content(seed: int, chance: Chance) -> Case:
    """A file whose bytes were changed; sometimes twice, sometimes in an encoding its source does not declare."""
    source = chance.choices(list(SOURCES), [6, 2, 2, 1])[
        0
    ]  # DuckDB takes a second to learn the last one's encoding
    declared = chance.choice([SOURCES[source]] * 4 + ["utf-8-sig", "cp1252", "utf-16-le", "utf-8", "gb18030"])
    chosen = chance.choices(CONTENT, k=chance.choice([1, 1, 2]))
    # Before it is encoded, what changes cells keeps a text; after it, what changes bytes may leave none.
    content = good_lines(chance)
    for mutation in chosen:
        content = mutation(chance, content)
    if declared not in {"utf-8", "latin-1"}:
        content = content.decode("utf-8", "replace").encode(declared, "replace")
    name = chance.choice(
        ["lines.csv"] * 9 + ["lines", "lines.txt", "lines.CSV", "lines.parquet", "lines.xlsx", "lines.csv.xz"]
    )
    what = "+".join(mutation.__name__ for mutation in chosen)
    return Case(seed, f"content: {what}", delivery(seed, chance, content, name, source))


# How a file is packed.


def _gz_bomb(chance: Chance) -> bytes:
    """A gigabyte of the same, in a megabyte; or in a kilobyte, packed twice."""
    part = chance.choice([b"\0", b"R1;1;05.05.2025;K1;1;10,00\n", b"x", b'"']) * 10_000
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=6, mtime=0) as packed:
        packed.write(lines())
        block = part * (4 * MIB // len(part))
        for _ in range(chance.choice([20, 60])):
            packed.write(block)
    return stream.getvalue()


def _zst_bomb(chance: Chance) -> bytes:
    part = chance.choice([b"\0", b"R1;1;05.05.2025;K1;1;10,00\n", b"x"])
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as packed:
        packed.write(lines())
        block = part * (4 * MIB // len(part))
        for _ in range(chance.choice([20, 250])):
            packed.write(block)
    return sink.getvalue().to_pybytes()


def _parquet(chance: Chance) -> bytes:
    frame = pl.DataFrame(
        {
            "Beleg": ["R1", "R2"], "Pos": ["1", "1"], "Datum": ["05.05.2025", "x"], "Kunde": ["K1", None],
            "Menge": [1, 2], "Netto": chance.choice([["1,00", "2,00"], [1.5, float("nan")], [None, float("inf")]]),
        },
        strict=False,
    )  # fmt: skip
    stream = io.BytesIO()
    frame.write_parquet(stream)
    return stream.getvalue()


def of_packing(seed: int, chance: Chance) -> Case:
    """A packed file, whole, cut or changed; a bomb; a Parquet file."""
    kind = chance.choice(["gz", "gz", "zst", "zst", "parquet", "parquet", "gz bomb", "zst bomb", "gz twice"])
    content = good_lines(chance)
    if kind.startswith("zst"):
        name, packed = "lines.csv.zst", pa.compress(content, codec="zstd", asbytes=True)
    elif kind == "parquet":
        name, packed = "lines.parquet", _parquet(chance)
    else:
        name, packed = "lines.csv.gz", gzip.compress(content, mtime=0)
    if kind == "gz twice":
        packed = gzip.compress(packed, mtime=0) if chance.random() < 0.5 else packed * 2
    elif kind == "gz bomb":
        packed = _gz_bomb(chance)
    elif kind == "zst bomb":
        packed = _zst_bomb(chance)
    elif chance.random() < 0.8:
        packed = chance.choice([flip, insert, cut, cut_out, nuls, repeat_part])(chance, packed)
    return Case(seed, f"packing: {kind}", delivery(seed, chance, packed, name))


# Workbooks, and codes.

CODES = [
    "00017",
    "1E5",
    "1,23E+11",
    "\u00a0K1",
    "K\u200b1",
    "K1\u00ad",
    '="00017"',
    "'017",
    "K1 ",
    "#N/A",
    "\ufeffK1",
    "Ｋ１",
    "K\t1",
]
# What a spreadsheet shows of a number is not what it holds.
STYLES = ["General", "0", "0.00", "#,##0", ";;;", "@", "0%", "yyyy-mm-dd", "[Red]0.0"]
MIDNIGHT = datetime(2025, 5, 5)


def _cell(chance: Chance, column: int) -> Any:
    """What may stand in a column of invoice lines: number, place, day, customer, quantity, amount."""
    odd = [
        None,
        True,
        "=1+1",
        "=1/0",
        "#N/A",
        "#REF!",
        "#DIV/0!",
        "",
        " ",
        0.1 + 0.2,
        1e15,
        -1e-9,
        45782,
        45782.99999999,
    ]
    usual: list[list[Any]] = [
        [f"R{chance.randint(1, 99)}", chance.choice(CODES)],
        [chance.randint(1, 9)],
        [
            MIDNIGHT,
            MIDNIGHT.date(),
            *(MIDNIGHT - timedelta(microseconds=step) for step in (1, 500, 499_999, 500_001, 999_999)),
        ],
        [f"K{chance.randint(1, 9)}", chance.choice(CODES)],
        [1, 2.5],
        [chance.randint(-99999, 99999) / 100, chance.random() * 1000],
    ]
    return chance.choice(odd) if chance.random() < 0.15 else chance.choice(usual[column])


def _saved_as_ever(book: Any) -> bytes:
    """Without the moment of saving, which openpyxl writes into the archive's entries and the properties: a seed makes the same bytes each time."""
    stream, repacked = io.BytesIO(), io.BytesIO()
    book.save(stream)
    with zipfile.ZipFile(stream) as saved, zipfile.ZipFile(repacked, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in saved.namelist():
            part = saved.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2025-06-01T00:00:00Z", part)
            archive.writestr(zipfile.ZipInfo(name), part, zipfile.ZIP_DEFLATED)
    return repacked.getvalue()


def of_workbook(seed: int, chance: Chance) -> Case:
    """A workbook as people keep it: hidden sheets, formulas, errors, styles that hide digits; now and then changed in its bytes."""
    import openpyxl

    book = openpyxl.Workbook()
    shown = book.active
    hidden = [book.create_sheet(f"old {number}", 0) for number in range(chance.choice([0, 0, 1, 2]))]
    for each in [shown, *hidden]:
        each.append(["Beleg", "Pos", "Datum", "Kunde", "Menge", "Netto"])
        for _ in range(chance.choice([1, 3, 20])):
            each.append([_cell(chance, column) for column in range(6)])
            for cell in each[each.max_row]:
                if chance.random() < 0.2:
                    cell.number_format = chance.choice(STYLES)
    for each in hidden:
        each.sheet_state = chance.choice(["hidden", "veryHidden"])
    content, is_whole = _saved_as_ever(book), chance.random() < 0.7
    if not is_whole:
        content = chance.choice([flip, insert, cut, cut_out])(chance, content)
    made = delivery(seed, chance, content, "lines.xlsx")
    return Case(
        seed,
        f"workbook: {'whole' if is_whole else 'changed'}",
        made,
        workbook="lines.xlsx" if is_whole else None,
    )


def of_codes(seed: int, chance: Chance) -> Case:
    """Numbers of documents and customers as spreadsheets and keyboards leave them."""
    rows = [
        f"{chance.choice(CODES)};{number};05.05.2025;{chance.choice(CODES)};1;{number},00"
        for number in range(chance.choice([1, 5, 40]))
    ]
    return Case(seed, "codes: text", delivery(seed, chance, lines(*rows)))


# The manifest.

WEIRD: list[Any] = [
    None, True, -1, 0, 10**30, 1.5, "", "x", "\0", "\ud800", "../../etc/passwd", "/etc/passwd", "lines.csv\n", "a" * 5000,
    "LINES'; DROP TABLE erp.invoice_lines; --", 'LINES"', "..", ".", "~", "C:\\x", "lines.csv/", [], {}, [[]], [None], {"a": {"b": []}},
    ["lines.csv", "lines.csv"], "window_replace", "full_snapshot", "9999-12-31T23:59:59-23:59", "0001-01-01", "NaN", "Infinity",
    {"from": "2025-01-01", "to": "2025-12-31"}, {"from": "x", "to": 1}, {"net": "sNaN"}, {"net": "1e999999999"}, {"net": None},
    {"batchId": "b0", "rows": [["invoice_lines", "x", 1]]}, {"batchId": None, "rows": 7}, {"net": "0"},
]  # fmt: skip


def _paths(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children: Any = (
        document.items()
        if isinstance(document, dict)
        else enumerate(document)
        if isinstance(document, list)
        else ()
    )
    return [found for key, child in children for found in [(*path, key), *_paths(child, (*path, key))]]


def _spoilt_document(chance: Chance, document: dict[str, Any]) -> bytes:
    for _ in range(chance.choice([1, 1, 2, 4])):
        path = chance.choice(_paths(document) or [("name",)])
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        if chance.random() < 0.25:
            del place[path[-1]]
        else:
            place[path[-1]] = chance.choice(WEIRD)
        about = document.get("valuemart")
        resources = document.get("resources")
        if chance.random() < 0.3 and isinstance(about, dict):
            about[chance.choice(["sequence", "supersedes", "corrects", "extractedAt"])] = chance.choice(WEIRD)
        if (
            chance.random() < 0.4
            and isinstance(resources, list)
            and resources
            and isinstance(resources[0], dict)
        ):
            stated = resources[0].setdefault("valuemart", {})
            if isinstance(stated, dict):
                stated[chance.choice(["mode", "window", "rows", "controlTotals", "lookUpOnly", "plain"])] = (
                    chance.choice(WEIRD)
                )
    return json.dumps(document).encode()


def of_manifest(seed: int, chance: Chance) -> Case:
    """A manifest that lies, is none, is deep, or is long."""
    good = delivery(seed, chance, good_lines(chance))
    text = json.dumps(good.manifest()).encode()
    kind = chance.choice(["entries"] * 8 + ["bytes", "bytes", "deep", "long", "byte order mark", "twice"])
    if kind == "entries":
        text = _spoilt_document(chance, good.manifest())
    elif kind == "bytes":
        text = chance.choice(CONTENT)(chance, text)
    elif kind == "deep":
        depth = chance.choice([500, 5_000, 500_000])
        opened = chance.choice([b"[", b'{"a":'])
        text = text.replace(
            b'"name":',
            b'"deep":' + opened * depth + b"1" + (b"]" if opened == b"[" else b"}") * depth + b',"name":',
            1,
        )
    elif kind == "long":
        text = text[:-1] + b" " * chance.choice([1000, 5 * MIB]) + text[-1:]
    elif kind == "byte order mark":
        text = b"\xef\xbb\xbf" + text
    else:
        text = text[:-1] + b', "resources": [], "valuemart": {}}'
    return Case(seed, f"manifest: {kind}", good, manifest=text)


# The folder.


def _replaced_by(kind: str, folder: Path) -> None:
    file = folder / "lines.csv"
    file.unlink()
    if kind == "a folder":
        file.mkdir()
    elif kind == "a pipe":
        os.mkfifo(file)
    elif kind == "a link out":
        (folder.parent / "elsewhere.csv").write_bytes(b"x")
        file.symlink_to("../elsewhere.csv")
    elif kind == "a link in a circle":
        file.symlink_to("lines.csv")
    elif kind == "a device":
        file.symlink_to("/dev/zero")


def _manifest_is(kind: str, folder: Path) -> None:
    file = folder / "datapackage.json"
    content = file.read_bytes()
    file.unlink()
    if kind == "manifest is a pipe":
        os.mkfifo(file)
    elif kind == "manifest is a device":
        file.symlink_to("/dev/zero")
    elif kind == "manifest is a folder":
        file.mkdir()
    elif kind == "manifest is a link":
        (folder.parent / "elsewhere.json").write_bytes(content)
        file.symlink_to("../elsewhere.json")


def of_folder(seed: int, chance: Chance) -> Case:
    """A batch folder in which something is not a file, or has a name that would be read as something else."""
    good = delivery(seed, chance, good_lines(chance))
    kind = chance.choice(["file", "file", "manifest", "name", "name"])
    if kind == "file":
        what = chance.choice(
            ["missing", "a folder", "a pipe", "a link out", "a link in a circle", "a device"]
        )
        return Case(seed, f"folder: file is {what}", good, spoil=lambda folder: _replaced_by(what, folder))
    if kind == "manifest":
        what = chance.choice(
            [f"manifest is {each}" for each in ("missing", "a pipe", "a device", "a folder", "a link")]
        )
        return Case(seed, f"folder: {what}", good, spoil=lambda folder: _manifest_is(what, folder))
    name = chance.choice(
        ["*.csv", "l[i]nes.csv", "li'nes.csv", 'li"nes.csv', "a b.csv", "ü.csv", "?.csv", "-x.csv", "a;b.csv", "{a}.csv", "x" * 250,
         "sub/lines.csv", "a\nb.csv", "%s.csv", ":memory:", "lines.csv;ATTACH"]
    )  # fmt: skip
    return Case(seed, "folder: file name", replace(good, files={"LINES": {name: good_lines(chance)}}))
