"""A backup: the database as it was at one moment and the photos that it names, in a folder of its own, checked, and read back whole.

*Shape* of a backup folder: `database.dump` (pg_dump's custom format), `photos.tar` where photos lie in the data folder, and `backup.json`,
which comes last and names every file with its SHA-256. A folder without it, or with a name that begins with a dot, is no backup.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import hmac
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from flatwater.clock import Clock
from flatwater.pool import Database
from flatwater.queries import load_queries
from flatwater.transaction import Session
from rightlevel.database.dumping import dump, has_platform, restore
from rightlevel.database.errors import DatabaseProblem
from rightlevel.database.migrations import known_migrations

_queries = load_queries(__package__ or "")

Say = Callable[[str], None]
NAME: Final = re.compile(r"rightlevel-\d{8}T\d{6}Z")
BLOCK_BYTES: Final = 1_000_000
DEADLINE_S: Final = 10.0
MOST_JSON_BYTES: Final = 10_000


class BackupProblem(DatabaseProblem):
    """A backup could not be made or read back; the message says why and what to do."""


class BackupFile(msgspec.Struct, frozen=True):
    """One file of a backup."""

    name: str
    size_bytes: int
    sha256: str


class Backup(msgspec.Struct, frozen=True):
    """What `backup.json` says."""

    made_at: datetime
    schema_step: int
    files: tuple[BackupFile, ...]
    photos_elsewhere: str = ""
    """Where the photos lie that are not in it."""

    @property
    def size_bytes(self) -> int:
        return sum(each.size_bytes for each in self.files)


class KeptBackup(msgspec.Struct, frozen=True):
    """A backup as the database remembers it."""

    made_at: datetime
    name: str
    size_bytes: int
    took_s: float


async def newest_backup(session: Session) -> KeptBackup | None:
    """The last backup that was made. *Cost*: one statement."""
    return await session.fetch_one(_queries["newest_backup"], {}, into=KeptBackup)


async def make_backup(
    database: Database,
    conninfo: str,
    photos: Path | None,
    into: Path,
    clock: Clock,
    say: Say,
    *,
    keep: int,
    photos_elsewhere: str = "",
    secret: str = "",
) -> tuple[Path, Backup]:
    """A new backup in `into`, of which the newest `keep` stay. The service goes on meanwhile.

    With a `secret`, what it says of itself is signed, so that a change is told from damage by whoever has the same. *Errors*: BackupProblem, NotDumped; then nothing is left of it and no older one is taken away. *Cost*: memory of one megabyte and
    pg_dump's ten, whatever the size.
    """
    began = time.monotonic()
    made_at = clock.now()
    name = f"rightlevel-{made_at:%Y%m%dT%H%M%SZ}"
    folder, made = await asyncio.to_thread(
        _write,
        conninfo,
        photos,
        into,
        name=name,
        made=Backup(made_at, known_migrations()[-1].number, (), photos_elsewhere),
        say=say,
        secret=secret,
    )
    values = {
        "made_at": made_at,
        "name": name,
        "size_bytes": made.size_bytes,
        "took_s": time.monotonic() - began,
    }

    async def note(session: Session) -> None:
        await session.execute(_queries["keep_backup"], values)

    await database.run(note, deadline_s=DEADLINE_S)
    for old in await asyncio.to_thread(_forget, into, keep):
        say(f"removed the older backup {old}")
    return folder, made


def _write(
    conninfo: str, photos: Path | None, into: Path, name: str, made: Backup, say: Say, secret: str
) -> tuple[Path, Backup]:
    _make_private(into)
    with _alone_in(into):
        whole, part = into / name, into / f".{name}"
        if whole.exists():
            raise BackupProblem(f"{whole} is there already. Please try again in a second.")
        for left in into.glob(".rightlevel-*"):
            shutil.rmtree(left)  # of a backup that was cut off; nobody else is making one
        try:
            part.mkdir(mode=0o700)
            say("the database")
            dump(conninfo, part / "database.dump")
            # After the database: a photo is kept before the row that names it.
            if photos is not None:
                say("photos")
                _pack(photos, part / "photos.tar")
            for each in part.iterdir():
                each.chmod(0o600)
            say("checking")
            made = msgspec.structs.replace(made, files=tuple(_sum(each) for each in sorted(part.iterdir())))
            told = msgspec.json.format(msgspec.json.encode(made))
            _put(part / "backup.json", told)
            if secret:
                _put(part / SIGNATURE, _signed(told, secret))
            part.rename(whole)
            _flush(into)
        except OSError as error:
            raise BackupProblem(
                f"The backup could not be written to {into}: {error.strerror}. Is there room?"
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return whole, made


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise BackupProblem(f"The folder {folder} can't be made: {error.strerror}.") from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupProblem(f"Another backup is being made in {folder}. Wait for it to end.") from error
        yield


def _pack(photos: Path, file: Path) -> None:
    """Every photo into one file. One that is taken away meanwhile was taken away; half-written ones are nobody's yet."""
    import tarfile  # a service asks only which backup is the newest

    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
        for each in _files_below(photos):
            try:
                with each.open("rb") as content:
                    about = tar.gettarinfo(arcname=str(each.relative_to(photos)), fileobj=content)
                    tar.addfile(about, content)
            except FileNotFoundError:
                continue
            tar.members = []  # type: ignore[reportAttributeAccessIssue]  or it remembers every photo there ever was
    file.chmod(0o600)


def _files_below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders.sort()
        yield from (Path(where) / each for each in sorted(names) if not each.endswith(".part"))


def _sum(file: Path) -> BackupFile:
    found = hashlib.sha256()
    with file.open("rb") as content:
        os.fsync(content.fileno())
        while block := content.read(BLOCK_BYTES):
            found.update(block)
        size_bytes = content.tell()
    return BackupFile(file.name, size_bytes, found.hexdigest())


def _put(file: Path, content: bytes) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


def _flush(folder: Path) -> None:
    """Makes a folder's names outlive a power cut."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _forget(into: Path, keep: int) -> list[str]:
    found = sorted(
        each for each in into.iterdir() if NAME.fullmatch(each.name) and (each / "backup.json").exists()
    )
    old = found[: max(0, len(found) - keep)]
    for each in old:
        shutil.rmtree(each)
    return [each.name for each in old]


SIGNATURE: Final = "backup.mac"


def _signed(told: bytes, secret: str) -> bytes:
    return hmac.new(secret.encode(), told, "sha256").hexdigest().encode() + b"\n"


def require_unchanged(folder: Path, told: bytes, secret: str) -> None:
    """Passes when the backup was made with this secret and says of itself what it said then. *Errors*: BackupProblem."""
    try:
        given = (folder / SIGNATURE).read_bytes()[:100]
    except OSError:
        given = b""
    if not hmac.compare_digest(given, _signed(told, secret)):
        raise BackupProblem(
            f"{folder} was changed by somebody, or was not made with the secret of RIGHTLEVEL_BACKUP_SECRET: this is no damage of a disk."
        )


def read_backup(folder: Path, say: Say, *, secret: str = "") -> Backup:
    """What a backup says of itself, after every file was found to be as it was written. *Errors*: BackupProblem.

    With a `secret` it must have been signed with it: sums alone tell damage, and whoever changes a file can change its sum.
    """
    try:
        with (folder / "backup.json").open("rb") as file:
            told = file.read(MOST_JSON_BYTES)
        if secret:
            require_unchanged(folder, told, secret)
        made = msgspec.json.decode(told, type=Backup)
    except (OSError, msgspec.MsgspecError) as error:
        raise BackupProblem(f"{folder} is no backup: its backup.json can't be read.") from error
    newest = known_migrations()[-1].number
    if made.schema_step > newest:
        raise BackupProblem(
            f"This backup is of a newer RightLevel (schema {made.schema_step}, this one knows {newest}). Install that version first."
        )
    for each in made.files:
        say(f"checking {each.name}")
        try:
            is_same = _sum(folder / Path(each.name).name) == each
        except OSError as error:
            raise BackupProblem(f"{each.name} of the backup can't be read: {error.strerror}.") from error
        if not is_same:
            raise BackupProblem(
                f"{each.name} is not what was backed up: its sum differs. Take another backup."
            )
    return made


def restore_backup(folder: Path, made: Backup, conninfo: str, photos: Path | None, say: Say) -> None:
    """Everything of a backup into an empty place, or nothing of its database. *Errors*: BackupProblem, NotDumped."""
    if has_platform(conninfo):
        raise BackupProblem(
            "There is a platform in this place already, and nothing is written over. Name an empty folder with --data."
        )
    kept = folder / "photos.tar"
    if photos is not None and kept.exists():
        if photos.exists() and any(photos.iterdir()):
            raise BackupProblem(f"There are photos in {photos} already. Name an empty folder with --data.")
        say("photos")
        _make_private(photos)
        import tarfile

        with tarfile.open(kept) as tar:
            for member in tar:
                tar.extract(member, photos, filter="data")
                tar.members = []  # type: ignore[reportAttributeAccessIssue]
    say("the database")
    restore(conninfo, folder / "database.dump")
