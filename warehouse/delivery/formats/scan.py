"""One reading of a text, chunk by chunk, before anything is made of it."""

from __future__ import annotations

import codecs
import re

from warehouse.delivery.dialect import Dialect
from warehouse.delivery.encodings import encoding_of, name_of
from warehouse.errors import Fault

# The longest line that DuckDB reads; in some encodings it never comes back from a longer one.
LONGEST_LINE = 2_000_000
_BLANK = (b"\n\n", b"\n\r\n", b"\r\r")
# How much of a line is kept to see, with the next part, whether it holds delimiters alone.
_LONGEST_EMPTY = 10_000


class TextScan:
    """Text fed chunk by chunk: where it first is not in its encoding, whether it has blank lines inside, and which line ends.

    `has_empty_records` says whether lines hold delimiters, blanks and quotes alone, as a spreadsheet writes rows that it takes for used.

    A mark of byte order at its start says more of the encoding than a profile can.
    """

    def __init__(self, dialect: Dialect, path: str) -> None:
        self.encoding_name = dialect.encoding
        self.encoding = encoding_of(dialect.encoding)
        self.decoder: codecs.IncrementalDecoder | None = None
        self.path = path
        self.begun = False
        self.lines = 0
        self.fault: Fault | None = None
        self.tail = b"\n"  # so that a blank first line is found as any other
        self.blank_seen = self.blank_inside = False
        # Blanks, quotes, and what parts cells: in text under the name .xls, tabs may do that.
        marks = sorted({each.encode() for each in (dialect.delimiter, dialect.quote, " ", "\t") if each})
        alone = b"(?:" + b"|".join(map(re.escape, marks)) + rb")+(?:[\r\n]|$)"
        # Each begins with one byte, by which a text is searched in no time.
        self.empty_line, self.empty_line_of_returns = re.compile(b"\n" + alone), re.compile(b"\r" + alone)
        self.last_line = b""
        self.has_empty_records = False
        self.ends: set[str] = set()  # \n, \r, \r\n
        self.open_line = 0  # bytes of the line that the last part ended in

    def feed(self, chunk: bytes, *, final: bool = False) -> None:
        """Take the next part."""
        if self.fault:
            return
        if not self.begun:
            self._begin(chunk)
        decoded: str | None = None
        if self.decoder is not None:
            try:
                decoded = self.decoder.decode(chunk, final)
            except UnicodeDecodeError as error:
                self.fault = self._undecodable(error)
                return
            self.lines += decoded.count("\n")
        if self._has_too_long_a_line(chunk):
            self.fault = Fault(
                "line_too_long",
                f"has a line of more than {LONGEST_LINE:,} bytes",
                "No record is that long: line ends were lost, or it is no text. Export it again.",
                self.path,
            )
            return
        # A line's end is one byte in every encoding but UTF-16.
        wide = self.encoding.codec.startswith("utf-16")
        data = decoded.encode() if decoded and wide else chunk
        self._note_line_ends(data)
        self._look_for_blank_lines(data)
        self._look_for_empty_records(data, final=final)

    def _begin(self, chunk: bytes) -> None:
        self.begun = True
        self.encoding_name = name_of(chunk, self.encoding_name)
        self.encoding = encoding_of(self.encoding_name)
        # Every byte is a character of Latin-1.
        if self.encoding.codec != "iso8859-1":
            self.decoder = codecs.getincrementaldecoder(self.encoding.codec)()

    def finish(self) -> tuple[Fault | None, bool]:
        """What was found in the whole text."""
        self.feed(b"", final=True)
        return self.fault, self.blank_inside

    def _undecodable(self, error: UnicodeDecodeError) -> Fault:
        before = error.object[: error.start].decode(error.encoding, "ignore")
        return Fault(
            "wrong_encoding",
            f"byte {error.object[error.start]:#04x} is not {self.encoding.name}",
            f"Export the file as {self.encoding.name}, or state its encoding in the source's profile.",
            self.path,
            self.lines + before.count("\n") + 1,
        )

    def _has_too_long_a_line(self, chunk: bytes) -> bool:
        place, allowed = 0, LONGEST_LINE - self.open_line
        while len(chunk) - place > allowed:
            end = max(chunk.rfind(mark, place, place + max(allowed, 0)) for mark in (b"\n", b"\r"))
            if end < 0:
                return True
            place, allowed = end + 1, LONGEST_LINE
        last = max(chunk.rfind(mark) for mark in (b"\n", b"\r"))
        self.open_line = len(chunk) - last - 1 if last >= 0 else self.open_line + len(chunk)
        return False

    def _note_line_ends(self, chunk: bytes) -> None:
        # A carriage return at the very end of a part waits for what follows it.
        data = (b"\r" if self.tail.endswith(b"\r") else b"") + chunk
        both, feeds = data.count(b"\r\n"), data.count(b"\n")
        returns = data.count(b"\r") - data.endswith(b"\r")
        found = {"\r\n": both, "\n": feeds - both, "\r": returns - both}
        self.ends.update(end for end, number in found.items() if number > 0)

    def _look_for_blank_lines(self, chunk: bytes) -> None:
        if self.blank_inside or not chunk:
            return
        data = self.tail + chunk
        if self.blank_seen:
            self.blank_inside = bool(chunk.strip(b"\r\n"))
        else:
            found = [place for pattern in _BLANK if (place := data.find(pattern)) >= 0]
            self.blank_seen = bool(found)
            self.blank_inside = bool(found) and bool(data[min(found) :].strip(b"\r\n"))
        self.tail = data[-2:]

    def _look_for_empty_records(self, chunk: bytes, *, final: bool) -> None:
        if self.has_empty_records:
            return
        data = self.last_line + chunk
        begun = max(data.rfind(b"\n"), data.rfind(b"\r"), 0)
        pattern = self.empty_line if b"\n" in data else self.empty_line_of_returns
        self.has_empty_records = bool(pattern.search(data, 0, len(data) if final else begun + 1))
        self.last_line = data[begun:] if len(data) - begun < _LONGEST_EMPTY else b""
