"""Where uploaded files wait to be imported: a folder with a part for each process, since several may serve from one data folder."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


class ImportFolder:
    """This process's part of the folder. A part is locked while its process lives; the system ends the lock, however the process ends.

    *Cost*: a file descriptor while it is open. *Errors*: OSError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.runner_id = str(uuid.uuid4())
        self._own = folder / self.runner_id
        self._held: int | None = None

    def open(self) -> list[str]:
        """Makes this process's part and takes away those whose process ended without doing so; whose they were."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        # Held, so that nobody sees a part between its making and its locking.
        with _held(self._folder):
            left = [each for each in sorted(self._folder.iterdir()) if _is_left(each)]
            for each in left:
                _remove(each)
            self._own.mkdir(mode=0o700)
            self._held = _locked(self._own, fcntl.LOCK_EX)
        return [each.name for each in left if _is_id(each.name)]

    def new_path(self) -> Path:
        """Where a file may be put."""
        return self._own / uuid.uuid4().hex

    def close(self) -> None:
        """Takes this process's part away with everything in it."""
        if self._held is not None:
            shutil.rmtree(self._own, ignore_errors=True)
            os.close(self._held)
            self._held = None


def _locked(folder: Path, how: int) -> int:
    """A descriptor that holds a lock on a folder. *Errors*: BlockingIOError where it is not to be waited for."""
    found = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(found, how)
    except BaseException:
        os.close(found)
        raise
    return found


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    held = _locked(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(held)


def _is_left(path: Path) -> bool:
    """Whether no process that lives holds this; what is no folder was kept by an earlier version, all in one place."""
    if not path.is_dir():
        return True
    try:
        os.close(_locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _is_id(name: str) -> bool:
    with suppress(ValueError):
        return str(uuid.UUID(name)) == name
    return False
