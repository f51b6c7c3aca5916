"""A large text file is read in pieces, all at once, and every record keeps the number that it has in the file."""

from __future__ import annotations

import gzip
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.warehouse.dialects import Read, read
from warehouse.delivery.dialect import Dialect
from warehouse.delivery.inspect import CheckedFile
from warehouse.errors import BatchRefusedError
from warehouse.staging import pieces
from warehouse.staging.source_file import Cut

HEADER = "Beleg;Kunde;Datum;Netto"


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a few hundred bytes are cut, into as many pieces as a machine of four cores would."""
    monkeypatch.setattr(pieces, "LEAST_PIECE_BYTES", 64)
    monkeypatch.setattr(pieces, "_WINDOW", 96)
    monkeypatch.setattr("os.cpu_count", lambda: 4)


class Maker:
    """Files of records that are as good and as bad as they come, one for a seed."""

    def __init__(self, seed: int, size: int) -> None:
        self.rng = random.Random(seed)
        self.size = size
        self.end = self.rng.choice(["\n", "\r\n", "\n", "\r\n", "\r"])
        self.quoting = self.rng.choice(["none", "some", "all", "inches"])
        self.faults = self.rng.choice([0.0, 0.02, 0.3])
        self.blank = self.rng.choice([0.0, 0.0, 0.0, 0.01])

    def content(self) -> bytes:
        lines, size, number = [HEADER], len(HEADER), 0
        while size < self.size:
            number += 1
            lines.append(self.record(number))
            size += len(lines[-1]) + len(self.end)
        if self.rng.random() < 0.15:
            at = self.rng.randrange(1, len(lines))
            lines[at] = lines[at].replace(";", ';"', 1)
        text = self.end.join(lines) + self.rng.choice(["", self.end, self.end, self.end * 3])
        encoding = self.rng.choice(["utf-8"] * 6 + ["utf-8-sig", "utf-16"])
        return text.encode(encoding)

    def record(self, number: int) -> str:
        if self.rng.random() < self.blank:
            return ""
        net = "12x" if self.rng.random() < self.faults / 2 else f"{self.rng.randrange(10**6) / 100:.2f}"
        cells = [f"D{number}", self.name(), f"{self.rng.randrange(1, 29):02d}.03.2024", net.replace(".", ",")]
        if self.rng.random() < self.faults:
            cells = self.rng.choice([cells[:3], cells[:1], [*cells, "more"], cells[:2]])
        return ";".join(cells)

    def name(self) -> str:
        plain = self.rng.choice(["Meyer", "Müller & Söhne", "客户 7", "O'Neill"]) + str(self.rng.randrange(9))
        if self.quoting == "inches" and self.rng.random() < 0.2:
            return plain + ' 5"'
        if self.quoting == "all" or (self.quoting == "some" and self.rng.random() < 0.3):
            inner = self.rng.choice(
                [plain, plain + "; AG", f'{plain} ""Nord""', f"a{self.end}b", "", '""', f'""{self.end}"";']
            )
            return f'"{inner}"'
        return plain


def outcome(folder: Path, content: bytes, name: str = "lines.csv") -> Read | list[tuple[str, int | None]]:
    """What becomes of a file: what is read of it, or why it is refused and in which record."""
    try:
        return read(folder, {name: content})
    except BatchRefusedError as error:
        return [(fault.rule, fault.row) for fault in error.faults]


def cut(folder: Path, content: bytes, name: str = "lines.csv", **dialect: object) -> Cut:
    """How a file is cut."""
    file = folder / name
    file.write_bytes(content)
    written = Dialect.model_validate({"delimiter": ";", "quote": '"', "escape": '"', **dialect})
    return pieces.cut(CheckedFile(len(content), file, written), folder / "cut")


def made(seeds: range, size: int) -> Iterator[tuple[int, bytes]]:
    for seed in seeds:
        yield seed, Maker(seed, size).content()


def compare(folder: Path, seeds: range, size: int) -> tuple[int, int]:
    """Read each made file whole and in pieces; how many were cut, and how many of those hold records that cannot be split."""
    cuts = ragged = 0
    for seed, content in made(seeds, size):
        in_pieces = outcome(folder / f"{seed}-pieces", content)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pieces, "LEAST_PIECE_BYTES", 2**40)
            whole = outcome(folder / f"{seed}-whole", content)
        assert in_pieces == whole, f"seed {seed}"
        file = folder / f"{seed}"
        file.mkdir()
        if isinstance(whole, Read) and cut(file, content).pieces:
            cuts += 1
            ragged += bool(whole.rejects)
    return cuts, ragged


def test_a_file_says_the_same_read_in_pieces_and_whole(tmp_path: Path, tiny: None) -> None:
    cuts, ragged = compare(tmp_path, range(20), 1200)
    assert cuts >= 6
    assert ragged >= 2


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_hundred_files_of_megabytes_say_the_same_in_pieces_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "LEAST_PIECE_BYTES", 300_000)
    sizes = itertools.cycle([1_000_000, 2_000_000, 5_000_000, 1_000_000, 50_000_000] + [1_000_000] * 15)
    cuts = 0
    for seed, size in zip(range(1000, 1200), sizes, strict=False):
        cuts += compare(tmp_path, range(seed, seed + 1), size)[0]
    assert cuts >= 50


def test_the_pieces_are_the_file(tmp_path: Path, tiny: None) -> None:
    content = f"{HEADER}\n".encode() + b"".join(b'D%d;"A\n""B""";01.02.2024;1,00\n' % n for n in range(100))
    found = cut(tmp_path, content).pieces
    assert len(found) > 2
    assert b"".join(piece.read_bytes() for piece in found) == content
    assert all(piece.read_bytes().startswith(b"D") for piece in found[1:])
    assert all(piece.read_bytes().endswith(b"1,00\n") for piece in found)


def test_a_quote_at_each_place_of_a_border_tears_no_record(tmp_path: Path, tiny: None) -> None:
    for shift in range(80):
        text = f"{HEADER}\n" + "".join(
            f'D{n};"{"x" * (shift if n == 0 else 3)}\nD9;y";01.02.2024;1,00\n' for n in range(20)
        )
        for place, piece in enumerate(cut(tmp_path, text.encode()).pieces):
            assert piece.read_bytes().count(b'"') % 2 == 0
            assert not place or piece.read_bytes()[:6].count(b";y") == 0


PLAIN = "".join(f"D{n};Meyer;01.02.2024;1,00\n" for n in range(100))


@pytest.mark.parametrize(
    ("content", "name", "dialect", "reason"),
    [
        (PLAIN[:60], "a.csv", {}, "small"),
        (PLAIN, "a.csv.gz", {}, "compressed"),
        (PLAIN.replace("\n", "\r"), "a.csv", {}, "no line end"),
        (PLAIN + "\n\n", "a.csv", {}, "blank lines"),
        (PLAIN.replace("D50;", 'D50;"'), "a.csv", {}, "not closed"),
        (
            PLAIN.replace("D50;Meyer", 'D50;Meyer 5"').replace("D60;Meyer", 'D60;5" Meyer'),
            "a.csv",
            {},
            "in the middle",
        ),
        (PLAIN.replace("D50;Meyer", 'D50;"Meyer" '), "a.csv", {}, "in the middle"),
        (PLAIN, "a.csv", {"escape": "\\"}, "another mark"),
        (PLAIN, "a.csv", {"delimiter": ";;"}, "delimiter"),
    ],
)
def test_a_file_stays_whole_if_its_records_cannot_be_told_apart(
    tmp_path: Path, tiny: None, content: str, name: str, dialect: dict[str, str], reason: str
) -> None:
    data = content.encode()
    found = cut(tmp_path, gzip.compress(data) if name.endswith(".gz") else data, name, **dialect)
    assert not found.pieces
    assert reason in str(found.reason)
