"""A log file that never grows past its bound."""

from __future__ import annotations

from pathlib import Path
from typing import IO

MAX_BYTES = 1_000_000
TAIL_BYTES = 4_000


class BoundedLog:
    """Two files of at most MAX_BYTES each: the present one and the one before.

    *Errors*: OSError from `write` while there is no room; the next line is written again as soon as there is.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._before = path.with_suffix(path.suffix + ".1")
        self._max_bytes = max_bytes
        self._file: IO[bytes] | None = self._open()

    def _open(self) -> IO[bytes]:
        return self._path.open("ab", buffering=0)

    def write(self, line: bytes) -> None:
        """Adds a line. After one that could not be written the file is opened anew, for it may lie elsewhere by then."""
        try:
            self._write(line)
        except Exception:
            self.close()
            raise

    def _write(self, line: bytes) -> None:
        if self._file is None:
            self._file = self._open()
        if self._file.tell() + len(line) > self._max_bytes:
            self._file.close()
            self._file = None
            self._path.replace(self._before)
            self._file = self._open()
        self._file.write(line[: self._max_bytes])

    def tail(self) -> str:
        """The last few thousand characters."""
        with self._path.open("rb") as file:
            file.seek(max(0, self._path.stat().st_size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")

    def close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()
