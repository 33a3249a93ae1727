"""A file of lines that are about to leave the database: compressed, with its SHA-256 beside it, whole or not there at all."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from typing import Final

import msgspec

BLOCK_BYTES: Final = 1_000_000
MOST_OF_A_NAME: Final = 1_000


class Archived(msgspec.Struct, frozen=True):
    """A file that was written. `rows` were written into it."""

    path: Path
    rows: int
    size_bytes: int
    sha256: str


class ArchiveFile:
    """Writes lines into `folder/name.jsonl.gz`. What was there before is never written over: the name gets a number then.

    *Errors*: OSError; then nothing is left of it. *Cost*: the memory of a batch, whatever the size.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._part = folder / f".{name}.{os.getpid()}.part"
        self._file: gzip.GzipFile | None = None
        self._raw: BufferedWriter | None = None
        self.rows = 0

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The file takes lines while the block runs; `keep` it before the end, or nothing is left."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with self._part.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as self._file:
                self._raw = raw
                self._part.chmod(0o600)
                yield
        finally:
            self._file = self._raw = None
            self._part.unlink(missing_ok=True)

    def write(self, lines: list[str]) -> None:
        """Adds lines."""
        if self._file is None:
            raise ValueError("the file is not open")
        self._file.write("".join(f"{line}\n" for line in lines).encode())
        self.rows += len(lines)

    def keep(self) -> Archived:
        """Ends the file and gives it its name, once it is on the disk with its sum."""
        if self._file is None or self._raw is None:
            raise ValueError("the file is not open")
        self._file.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        total, size_bytes = hashlib.sha256(), 0
        with self._part.open("rb") as content:
            while block := content.read(BLOCK_BYTES):
                total.update(block)
                size_bytes += len(block)
        path = self._free_name()
        summed = path.with_name(f"{path.name}.sha256")
        with summed.open("w", encoding="utf-8") as out:
            out.write(f"{total.hexdigest()}  {path.name}\n")
            out.flush()
            os.fsync(out.fileno())
        self._part.rename(path)
        number = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(number)  # or a power cut takes the names back
        finally:
            os.close(number)
        return Archived(path, self.rows, size_bytes, total.hexdigest())

    def _free_name(self) -> Path:
        for number in range(1, MOST_OF_A_NAME):
            path = self._folder / f"{self._name}{'' if number == 1 else f'.{number}'}.jsonl.gz"
            if not path.exists():
                return path
        raise FileExistsError(f"there are {MOST_OF_A_NAME} archives of {self._name} already")
