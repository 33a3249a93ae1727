"""Where uploaded files wait for their import: one folder that all hosts of a database see, each file under an id that its import knows."""

from __future__ import annotations

import math
import os
import shutil
import uuid
from pathlib import Path
from typing import Final

FILES: Final = "files"
PART: Final = ".part"
MOST_LOOKED_AT: Final = 1_000


class Spool:
    """The folder below `root`.

    *Errors*: OSError. *Cost*: a file is copied once where it comes from another disk, a piece at a time, else only renamed.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files = root / FILES

    def open(self) -> None:
        """Makes the folder, and takes away what processes of an older version kept beside it."""
        self._files.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root.chmod(0o700)
        self._files.chmod(0o700)
        for each in self._root.iterdir():
            if each.is_dir() and _is_id(each.name):
                shutil.rmtree(each, ignore_errors=True)

    def path_of(self, file: str) -> Path:
        """Where a file lies, or would."""
        return self._files / file

    def take(self, sent: Path, file: str) -> None:
        """Moves a file here, whole or not at all: it bears its name only once it outlives a power cut."""
        part = self._files / (file + PART)
        try:
            shutil.move(sent, part)
            with part.open("rb") as moved:
                os.fsync(moved.fileno())
            part.replace(self._files / file)
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def old(self, before: float) -> list[str]:
        """The ids of the files written before a moment, by the clock of the disk; at most MOST_LOOKED_AT are looked at. Half a file goes at once."""
        found = [each for each, _ in zip(self._files.iterdir(), range(MOST_LOOKED_AT), strict=False)]
        old = [each for each in found if _written_at(each) < before]
        for each in old:
            if each.suffix == PART:
                each.unlink(missing_ok=True)
        return [each.name for each in old if _is_id(each.name)]

    def remove(self, file: str) -> None:
        self.path_of(file).unlink(missing_ok=True)


def _written_at(path: Path) -> float:
    """When a file was written; of one that another process removed meanwhile, never."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def _is_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
