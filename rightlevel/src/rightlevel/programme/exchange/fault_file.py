"""The faults of one file while it is read: any number is counted, a bounded number is kept, in a temporary file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Final

from rightlevel.programme.exchange.values import escaped

MOST_KEPT: Final = 100_000
LONGEST_VALUE: Final = 200
CHUNK_BYTES: Final = 64 * 1024


class FaultFile:
    """Faults in the order they were found. *Cost*: no memory to speak of; about 100 bytes of disk for each kept one."""

    def __init__(self, most_kept: int = MOST_KEPT) -> None:
        self.count = 0
        self.left_out = 0
        self.is_of_file = False
        """Whether something is wrong that concerns more than single rows."""
        self.kept = 0
        self._most_kept = most_kept
        self._file: IO[bytes] | None = None

    def add(self, row: int, column: str, value: str, rule: str, cure: str = "") -> None:
        """One more fault: where, what stood there, the rule it breaks, and the line of a mapping that would cure it."""
        self._keep(row, column, value, rule, cure, is_left_out=False)
        self.count += 1

    def add_of_file(self, row: int, column: str, value: str, rule: str, cure: str = "") -> None:
        """A fault of the whole file, which leaving rows out does not cure."""
        self.is_of_file = True
        self.add(row, column, value, rule, cure)

    def leave_out(self, row: int, column: str, value: str, rule: str) -> None:
        """A row that was not asked for: no fault."""
        self.left_out += 1
        self._keep(row, column, value, rule, "", is_left_out=True)

    def _keep(self, row: int, column: str, value: str, rule: str, cure: str, *, is_left_out: bool) -> None:
        if self.kept >= self._most_kept:
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed in close)
        # Half a surrogate pair or a NUL is no text for PostgreSQL, and a fault must always be tellable.
        shown = [_text(each) for each in (column, value[:LONGEST_VALUE], rule, cure)]
        self._file.write(("\t".join([str(row), *shown, "t" if is_left_out else "f"]) + "\n").encode())
        self.kept += 1

    def chunks(self) -> Iterator[bytes]:
        """The kept faults as COPY text: row, column, value, rule, cure, and whether it is a row that was not asked for."""
        if self._file is None:
            return
        self._file.seek(0)
        while chunk := self._file.read(CHUNK_BYTES):
            yield chunk

    def close(self) -> None:
        """Drops the file."""
        if self._file is not None:
            self._file.close()


def _text(text: str) -> str:
    return escaped(text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}"))
