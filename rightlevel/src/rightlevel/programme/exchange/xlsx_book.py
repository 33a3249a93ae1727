"""A workbook's parts, opened with suspicion: what a zip may cost, and XML that may not define anything.

Nothing is unpacked to disk and [Content_Types].xml is not believed: parts are found by their relationships, read as
streams, counted as they come, and parsed by expat with document types refused.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from rightlevel.programme.exchange.sheet_limits import MIB, SheetFault, SheetLimits

FEED_BYTES: Final = 16_384
DIRECTORY_BYTES: Final = 4 * MIB
SMALL_PART_BYTES: Final = 16 * MIB
RATIO_FREE_BYTES: Final = 16 * MIB
TOKEN_BYTES: Final = 1 * MIB
DEPTH: Final = 64
ENCRYPTED_FLAG: Final = 0x1

Start = Callable[[str, dict[str, str]], None]
End = Callable[[str], None]


def damaged(what: str) -> SheetFault:
    """The fault for a workbook that is not put together as one."""
    message = (
        f"The workbook is damaged or was not written by a spreadsheet program: {what}. "
        "Open it in your spreadsheet program, save it again as XLSX and send that one."
    )
    return SheetFault("damaged_file", message)


def _bomb(what: str) -> SheetFault:
    message = (
        f"The workbook unpacks to {what}, as files made to harm do. Save the one sheet as CSV and send that."
    )
    return SheetFault("zip_bomb", message)


class _BoundedFile(io.FileIO):
    """A file that gives no huge piece at once: zipfile reads its whole directory in one call, however long."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:  # zipfile asks for "the rest" only near the end, for the last 64 KiB
            size = DIRECTORY_BYTES
        if size > DIRECTORY_BYTES:
            raise damaged("its list of parts is far too long")
        return super().read(size)


class Skip:
    """Lets expat pass over one element and all it holds, to a bounded depth, then hands back to the target."""

    def __init__(self, parser: expat.XMLParserType, start: Start, end: End) -> None:
        self._parser = parser
        self._start = start
        self._end = end
        self._depth = 0
        parser.StartElementHandler = start
        parser.EndElementHandler = end

    def begin(self) -> None:
        """Skip the element whose start was just seen."""
        self._depth = 1
        self._parser.StartElementHandler = self._deeper
        self._parser.EndElementHandler = self._higher

    def _deeper(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > DEPTH:
            raise damaged("its XML is nested too deep")

    def _higher(self, name: str) -> None:
        self._depth -= 1
        if self._depth == 0:
            self._parser.StartElementHandler = self._start
            self._parser.EndElementHandler = self._end


def new_parser() -> expat.XMLParserType:
    """An expat parser that refuses document types, and with them every entity but the five of XML."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def _refuse_doctype(*_: object) -> None:
    message = (
        "The workbook's XML defines a document type, which no spreadsheet program writes. It is not read."
    )
    raise SheetFault("forbidden_xml", message)


def release(parser: expat.XMLParserType) -> None:
    """Untie the parser from its target, so that neither waits for the garbage collector."""
    parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None


class Feeder:
    """Gives a part to a parser piece by piece and refuses markup that never ends.

    *Source*: expat before 2.6 reads an unfinished token again with each piece, so a long one costs its square
    (CVE-2023-52425); Debian 12 ships 2.5.
    """

    def __init__(self, parser: expat.XMLParserType, chunks: Iterator[bytes]) -> None:
        self._parser = parser
        self._chunks = chunks
        self._fed_bytes = 0

    def step(self) -> bool:
        """Parse one more piece. False when the part has come to its end."""
        chunk = next(self._chunks, b"")
        self._fed_bytes += len(chunk)
        try:
            self._parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            raise damaged(f"its XML is broken in line {error.lineno}") from error
        if self._fed_bytes - self._parser.CurrentByteIndex > TOKEN_BYTES:
            raise damaged("its XML holds one tag of over a megabyte")
        return bool(chunk)


class Book:
    """The parts of one workbook by name, and the count of what was read from them."""

    def __init__(self, path: Path, limits: SheetLimits) -> None:
        self._limits = limits
        self.bytes_done = 0
        self._file = _BoundedFile(path)
        try:
            self._file_bytes = path.stat().st_size
            self._zip = zipfile.ZipFile(self._file)
            self._parts = self._checked_parts()
        except (zipfile.BadZipFile, OSError, ValueError, OverflowError, NotImplementedError) as error:
            self._file.close()
            raise damaged("it is cut off or not a whole zip file") from error
        except SheetFault:
            self._file.close()
            raise

    def _checked_parts(self) -> dict[str, zipfile.ZipInfo]:
        infos = self._zip.infolist()
        if len(infos) > self._limits.entries:
            raise _bomb(f"more than {self._limits.entries:,} parts")
        if sum(info.file_size for info in infos) > self._limits.uncompressed_bytes:
            raise _bomb(f"more than {self._limits.uncompressed_bytes:,} bytes")
        parts: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            # Names are only ever looked up, never written to, so '../..' in one leads nowhere.
            name = info.filename.replace("\\", "/").lstrip("/").casefold()
            if name in parts:
                raise damaged(f"it has two parts named {name[:100]!r}")
            parts[name] = info
        return parts

    def has(self, name: str) -> bool:
        """Whether there is a part of this name, whatever its capitals."""
        return name.casefold() in self._parts

    def size_bytes(self, name: str) -> int:
        """How long the part says it is, unpacked."""
        return self._parts[name.casefold()].file_size if self.has(name) else 0

    def chunks(self, name: str) -> Iterator[bytes]:
        """The part in pieces. *Errors*: a fault when it is missing, locked, damaged or grows past the limits."""
        info = self._parts.get(name.casefold())
        if info is None:
            raise damaged(f"its part {name[:100]!r} is missing")
        if info.flag_bits & ENCRYPTED_FLAG:
            message = "The workbook is locked with a password. Save it without one and send that file."
            raise SheetFault("encrypted", message)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise damaged("it is compressed in a way no spreadsheet program uses")
        packed_bytes = min(info.compress_size, self._file_bytes)
        ratio_limit_bytes = max(RATIO_FREE_BYTES, packed_bytes * self._limits.compression_ratio)
        part_bytes = 0
        try:
            with self._zip.open(info) as part:
                while chunk := part.read(FEED_BYTES):
                    part_bytes += len(chunk)
                    self.bytes_done += len(chunk)
                    if self.bytes_done > self._limits.uncompressed_bytes or part_bytes > ratio_limit_bytes:
                        raise _bomb(
                            f"{part_bytes // max(packed_bytes, 1):,} times its size or too many bytes"
                        )
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise damaged(f"its part {name[:100]!r} can't be unpacked") from error

    def walk(self, name: str, start: Start, end: End | None = None) -> None:
        """Call `start` and `end` with the local names of a small part's elements."""
        parser = new_parser()
        depth = 0

        def on_start(tag: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            if depth > DEPTH:
                raise damaged("its XML is nested too deep")
            start(tag.rpartition(":")[2], attributes)

        def on_end(tag: str) -> None:
            nonlocal depth
            depth -= 1
            if end is not None:
                end(tag.rpartition(":")[2])

        parser.StartElementHandler, parser.EndElementHandler = on_start, on_end
        if self.size_bytes(name) > SMALL_PART_BYTES:
            raise damaged(f"its part {name[:100]!r} is far too long")
        feeder = Feeder(parser, self.chunks(name))
        while feeder.step():
            pass
        release(parser)

    def relationships(self, name: str) -> dict[str, tuple[str, str]]:
        """What a part points to, by relationship id: the kind (last word of its type) and the part's name."""
        folder, _, leaf = name.rpartition("/")
        found: dict[str, tuple[str, str]] = {}

        def start(tag: str, attributes: dict[str, str]) -> None:
            if tag != "Relationship" or attributes.get("TargetMode") == "External":
                return
            kind = attributes.get("Type", "").rpartition("/")[2]
            target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", "")))
            found[attributes.get("Id", "")] = (kind, target.lstrip("/"))

        rels = posixpath.join(folder, "_rels", f"{leaf}.rels")
        if self.has(rels):
            self.walk(rels, start)
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()
        self._file.close()


def attribute(attributes: dict[str, Any], local: str) -> str | None:
    """A namespaced attribute (r:id) whatever prefix the writer chose."""
    return next((str(value) for key, value in attributes.items() if key.endswith(f":{local}")), None)
