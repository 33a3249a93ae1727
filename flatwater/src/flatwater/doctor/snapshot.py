"""The small file between two looks: numbers for growth and trend, and what was acknowledged."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec
from psycopg import conninfo as conninfos

from flatwater.doctor.acknowledged import Acknowledged
from flatwater.doctor.model import Snapshot

MAX_LOOKS: Final = 100
MAX_FULL_LOOKS: Final = 2
"""Looks that keep all their numbers; older ones keep only what a trend follows, so the file stays under 200 KB."""
MAX_FILE_BYTES: Final = 1 << 20


class SnapshotBroken(Exception):
    """The file between looks can't be used; the message says why. Take it away and the next look begins anew."""


class Kept(msgspec.Struct, frozen=True):
    """What the file holds."""

    looks: tuple[Snapshot, ...] = ()
    acknowledged: tuple[Acknowledged, ...] = ()

    def after(self, snapshot: Snapshot) -> Kept:
        """This with one look more, and the oldest ones smaller or gone."""
        looks = (*self.looks, snapshot)[-MAX_LOOKS:]
        older = tuple(_trend_only(each) for each in looks[:-MAX_FULL_LOOKS])
        return Kept((*older, *looks[-MAX_FULL_LOOKS:]), self.acknowledged)


def _trend_only(snapshot: Snapshot) -> Snapshot:
    return Snapshot(
        snapshot.at, {key: value for key, value in snapshot.numbers.items() if key.startswith("trend/")}
    )


def place_of(dsn: str) -> Path:
    """Where the file of this server's database is by default: in the user's state folder. No password is in its name."""
    given = conninfos.conninfo_to_dict(dsn)
    address = ",".join(str(given.get(key) or "") for key in ("host", "hostaddr", "port", "dbname", "service"))
    folder = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "flatwater"
    return folder / f"doctor-{hashlib.sha256(address.encode()).hexdigest()[:12]}.json"


def read_kept(path: Path) -> Kept:
    """What earlier looks left; nothing where there was none. *Errors*: SnapshotBroken."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
        if len(text) > MAX_FILE_BYTES:
            raise SnapshotBroken(f"{path} is larger than {MAX_FILE_BYTES} bytes, which no look writes.")
        return msgspec.json.decode(text, type=Kept)
    except FileNotFoundError:
        return Kept()
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotBroken(f"{path} can't be read: {error}.") from error


def write_kept(path: Path, kept: Kept) -> None:
    """Puts the file in place as a whole, readable for its owner only. *Errors*: SnapshotBroken."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".doctor-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.encode(kept))
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SnapshotBroken(f"{path} can't be written: {error}.") from error
