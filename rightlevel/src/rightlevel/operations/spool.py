"""Where uploaded files wait, and which processes are alive: what one that died left there another goes on with.

A process holds a lock in a folder of its own for as long as it lives. A folder whose lock nobody holds was left by one that died. The files
themselves lie in one folder for all, each under an id that its import knows.
"""

from __future__ import annotations

import fcntl
import math
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

LOCK: Final = "lock"
FILES: Final = "files"
MOST_LOOKED_AT: Final = 1_000


class Spool:
    """The folders below `root`, which the processes of one data folder share.

    *Errors*: OSError. *Cost*: a few system calls at each end; nothing while files wait.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.owner = str(uuid.uuid4())
        self.files = root / FILES
        self._own = root / self.owner
        self._lock: IO[str] | None = None

    def open(self) -> None:
        """Makes the folders, and says that this process is alive."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root.chmod(0o700)
        self.files.mkdir(mode=0o700, exist_ok=True)
        with self._alone():
            self._own.mkdir(mode=0o700)
            self._lock = (self._own / LOCK).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def dead(self) -> list[str]:
        """The processes that died, or stopped while files of theirs waited; at most MOST_LOOKED_AT."""
        with self._alone():
            others = (each for each in self._root.iterdir() if each.name not in {LOCK, FILES, self.owner})
            found = [each for each, _ in zip(others, range(MOST_LOOKED_AT), strict=False)]
            return [each.name for each in found if _is_left(each)]

    def forget(self, dead: list[str]) -> None:
        """Clears away what dead processes left; what they had to do is somebody else's now."""
        for name in dead:
            shutil.rmtree(self._root / name, ignore_errors=True)

    def waiting(self) -> list[str]:
        """The ids of the files that are here; at most MOST_LOOKED_AT."""
        found = zip(self.files.iterdir(), range(MOST_LOOKED_AT), strict=False)
        return [each.name for each, _ in found if _is_id(each.name)]

    def written_at(self, file: str) -> float:
        """When a file was written, by the clock of the disk; of one that another process removed meanwhile, never."""
        try:
            return (self.files / file).stat().st_mtime
        except FileNotFoundError:
            return math.inf

    def close(self, *, leaves: bool) -> None:
        """Says that this process is at its end; `leaves` keeps its name, for whoever goes on with what it had to do."""
        if self._lock is None:
            return
        with self._alone():
            if not leaves:
                shutil.rmtree(self._own, ignore_errors=True)
            self._lock.close()
            self._lock = None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else looks at the folders meanwhile: one is made and locked in a single step for all."""
        with (self._root / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _is_left(path: Path) -> bool:
    """Whether it is a dead process's folder; what is no folder at all is removed."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return False
    if not _is_id(path.name):
        return False
    with (path / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _is_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
