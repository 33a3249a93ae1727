"""Under which user a private server runs: PostgreSQL refuses to run as root, so root runs it as somebody harmless."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

from rightlevel.database.errors import ServerDidNotStart

NOBODY = 65_534
PROBE_S = 10


class Runner:
    """Starts PostgreSQL's programs for one folder, as ourselves or, for root, as an unprivileged user.

    Where the way to the folder is closed to others (below /root for one), root runs them in a user namespace instead:
    there the process is nobody special either, but still the owner of its files.
    """

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._prefix: list[str] = []
        self._owner: int | None = None
        if os.geteuid() != 0:
            return
        if (
            _is_reachable(folder, binaries)
            and folder.stat().st_uid in (0, NOBODY)
            and not _belongs_to_root(folder)
        ):
            self._owner = NOBODY
        elif _namespaces_work():
            self._prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
        else:
            raise ServerDidNotStart(
                f"PostgreSQL does not run as root, and others can't reach {folder}. Run this as an ordinary user, or "
                "choose a data folder and a program folder whose parents everybody may pass through (such as /var/lib or /opt)."
            )

    def command(self, *words: str | Path) -> list[str]:
        """The command line for one of PostgreSQL's programs."""
        return [*self._prefix, *(str(word) for word in words)]

    @property
    def user(self) -> int | None:
        """The user id to start it under, or None for our own."""
        return self._owner

    def own(self, path: Path) -> None:
        """Gives a file or folder to the user that the server runs as."""
        if self._owner is not None:
            os.chown(path, self._owner, self._owner)

    def own_alone(self, folder: Path) -> None:
        """Gives a folder to that user and closes it to others. *Errors*: ServerDidNotStart where it is somebody else's or a link."""
        ours = {os.geteuid(), self._owner if self._owner is not None else os.geteuid()}
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours:
            raise ServerDidNotStart(
                f"{folder} belongs to somebody else. Remove it, or choose a data folder with a shorter path."
            )
        folder.chmod(0o700)
        self.own(folder)

    @property
    def groups(self) -> list[int] | None:
        """Its further groups: none for somebody else, our own otherwise."""
        return None if self._owner is None else []


def _belongs_to_root(folder: Path) -> bool:
    """Whether a cluster was already made there in a user namespace."""
    cluster = folder / "cluster"
    return cluster.exists() and cluster.stat().st_uid == 0


def _is_reachable(*paths: Path) -> bool:
    return all(
        subprocess.run(
            ["test", "-x", str(path)],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            check=False,
            timeout=PROBE_S,
        ).returncode
        == 0
        for path in paths
    )


def _namespaces_work() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = subprocess.run(
        ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--", "true"],
        check=False,
        capture_output=True,
        timeout=PROBE_S,
    )
    return probe.returncode == 0
