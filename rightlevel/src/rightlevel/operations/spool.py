"""Where uploaded files wait: a folder of its own for each process, so that one that starts never clears another's away.

A process holds a lock on its folder for as long as it lives. A folder whose lock nobody holds was left by one that died.
"""

from __future__ import annotations

import fcntl
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

LOCK: Final = "lock"
MOST_CLEARED: Final = 1_000


class Spool:
    """The folder of one process below `root`, which the processes of one data folder share.

    *Errors*: OSError. *Cost*: a few system calls at each end; nothing while files wait.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.owner = str(uuid.uuid4())
        self.folder = root / self.owner
        self._lock: IO[str] | None = None

    def open(self) -> list[str]:
        """Makes the folder and clears away what dead processes left; the owners of what was cleared, at most MOST_CLEARED."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root.chmod(0o700)
        with self._alone():
            self.folder.mkdir(mode=0o700)
            self._lock = (self.folder / LOCK).open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            others = (each for each in self._root.iterdir() if each.name not in {LOCK, self.owner})
            return [each.name for each, _ in zip(others, range(MOST_CLEARED), strict=False) if _cleared(each)]

    def close(self) -> None:
        """Takes the folder away with what waits in it."""
        if self._lock is None:
            return
        with self._alone():
            shutil.rmtree(self.folder, ignore_errors=True)
            self._lock.close()
            self._lock = None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else looks at the folders meanwhile: one is made and locked in a single step for all."""
        with (self._root / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _cleared(path: Path) -> bool:
    """Whether it was a dead process's folder, and is gone; what is no folder at all is only removed."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return False
    with (path / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        shutil.rmtree(path, ignore_errors=True)
    return True
