"""The shared strings of a workbook, kept as bytes and offsets, in a temporary file once they are many.

*Cost*: four bytes a string, plus at most `shared_string_memory_bytes`; past that one small read for most look-ups that
are not near the last one. Short strings met lately are kept ready: levels, sexes and school names repeat.
"""

from __future__ import annotations

import re
import tempfile
from array import array
from typing import Any, Final
from xml.parsers.expat import XMLParserType

from rightlevel.programme.exchange.sheet_limits import SheetFault, SheetLimits
from rightlevel.programme.exchange.xlsx_book import Skip, damaged

ESCAPED: Final = re.compile(r"_x([0-9A-Fa-f]{4})_")
WINDOW_BYTES: Final = 16_384
READY_STRINGS: Final = 8_192
READY_CHARS: Final = 64


def unescaped(text: str) -> str:
    """The text with `_x000D_` and its like made into the characters they stand for (ECMA-376, ST_Xstring)."""
    if "_x" not in text:
        return text
    return ESCAPED.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    code = int(match.group(1), 16)
    # A NUL or half a surrogate pair is no text for PostgreSQL: such an escape stays as it is written.
    return match.group(0) if code == 0 or 0xD800 <= code <= 0xDFFF else chr(code)


class SharedStrings:
    """The strings that cells point to by number. Filled once, then read in any order; close it to drop the file."""

    def __init__(self, limits: SheetLimits) -> None:
        self._limits = limits
        self._ends = array("I", [0])
        self._memory = bytearray()
        self._file: Any = None
        self._total_bytes = 0
        self._window = b""
        self._window_start = 0
        self._ready: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._ends) - 1

    @property
    def spilled(self) -> bool:
        """Whether the strings lie in a temporary file."""
        return self._file is not None

    def append(self, text: str) -> None:
        """Keep one more string. *Errors*: a fault past the count or the bytes allowed."""
        data = text.encode()
        self._total_bytes += len(data)
        if self._total_bytes > self._limits.shared_string_bytes or len(self) >= self._limits.shared_strings:
            raise SheetFault(
                "too_much_text",
                f"The workbook holds more than {self._limits.shared_strings:,} different texts or "
                f"{self._limits.shared_string_bytes:,} bytes of them. Save the one sheet as CSV and send that.",
            )
        self._ends.append(self._total_bytes)
        self._memory += data
        if len(self._memory) > self._limits.shared_string_memory_bytes:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (closed in close)
            self._file.write(self._memory)
            self._memory.clear()

    def finish(self) -> None:
        """Say that no string follows: what is still in memory goes to the file, if there is one."""
        if self._file is not None:
            self._file.write(self._memory)
            self._memory.clear()

    def __getitem__(self, index: int) -> str:
        ready = self._ready.get(index)
        if ready is not None:
            return ready
        text = self._bytes(self._ends[index], self._ends[index + 1]).decode()
        if len(text) <= READY_CHARS:
            if len(self._ready) >= READY_STRINGS:
                self._ready.clear()
            self._ready[index] = text
        return text

    def _bytes(self, start: int, end: int) -> bytes | bytearray:
        if self._file is None:
            return self._memory[start:end]
        offset = start - self._window_start
        if offset < 0 or end - self._window_start > len(self._window):
            self._file.seek(start)
            self._window = self._file.read(max(WINDOW_BYTES, end - start))
            self._window_start, offset = start, 0
        return self._window[offset : offset + end - start]

    def close(self) -> None:
        """Drop everything, the temporary file too."""
        self._memory.clear()
        self._ready.clear()
        if self._file is not None:
            self._file.close()


class StringsTarget:
    """What expat calls while it reads sharedStrings.xml: texts and runs joined, phonetic guides left out."""

    def __init__(self, parser: XMLParserType, strings: SharedStrings, limits: SheetLimits) -> None:
        self._skip = Skip(parser, self._start, self._end)
        self._strings = strings
        self._limit = limits.cell_chars
        self._depth = 0
        self._collecting = False
        self._parts: list[str] = []
        self._length = 0
        self._prefix = ""
        parser.CharacterDataHandler = self._text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.removeprefix(self._prefix)
        depth = self._depth
        if depth == 0:
            self._prefix, local = name[: name.find(":") + 1], name.rpartition(":")[2]
            if local != "sst":
                raise damaged("its table of texts is something else")
        elif depth == 1 and local == "si":
            self._parts.clear()
            self._length = 0
        elif depth in (2, 3) and local == "t":
            self._collecting = True
        elif not (depth == 2 and local == "r"):
            self._skip.begin()
            return
        self._depth = depth + 1

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._collecting = False
        if self._depth == 1:
            self._strings.append(unescaped("".join(self._parts)))

    def _text(self, text: str) -> None:
        if not self._collecting:
            return
        self._parts.append(text)
        self._length += len(text)
        if self._length > self._limit:
            message = (
                f"Text number {len(self._strings) + 1} of the workbook holds more than {self._limit:,} characters, "
                "more than a cell can. Shorten it."
            )
            raise SheetFault("cell_too_long", message)
