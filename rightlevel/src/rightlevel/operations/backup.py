"""A backup: the database as it was at one moment and the photos that it names, in a folder of its own, checked, and read back whole.

*Shape* of a backup folder: `database.dump` (pg_dump's custom format), `photos.tar`, wherever the photos lie, `library.tar`, and `backup.json`,
which comes last and names every file with its SHA-256. A folder without it, or with a name that begins with a dot, is no backup.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import hmac
import io
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
from flatwater.supervisor import ask_loop
from flatwater.transaction import Session
from rightlevel.database.dumping import dump, has_platform, restore
from rightlevel.database.errors import DatabaseProblem
from rightlevel.database.migrations import known_migrations
from rightlevel.operations.hosts import SIGNS
from rightlevel.programme.photos import MAX_SENT_BYTES, Album

_queries = load_queries(__package__ or "")

Say = Callable[[str], None]
Pictures = Callable[[], Iterator[tuple[str, bytes]]]
"""The photos of a store that is no folder, by name; asked for in a thread."""
PutBack = Callable[[str, bytes], None]
STORED: Final = re.compile(r"visits/[0-9a-f]{2}/[0-9a-f-]{36}/[0-9a-f-]{36}\.jpg")
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
    """Where the photos lie that are not in it: of one that was made before those of a store were."""

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
    into: Path,
    clock: Clock,
    *,
    photos: Path | Pictures,
    library: Path,
    say: Say,
    keep: int,
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
        into / name,
        photos=photos,
        library=library,
        made=Backup(made_at, known_migrations()[-1].number, ()),
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
    conninfo: str, whole: Path, *, photos: Path | Pictures, library: Path, made: Backup, say: Say, secret: str
) -> tuple[Path, Backup]:
    into = whole.parent
    _make_private(into)
    with _alone_in(into):
        part = into / f".{whole.name}"
        if whole.exists():
            raise BackupProblem(f"{whole} is there already. Please try again in a second.")
        for left in into.glob(".rightlevel-*"):
            shutil.rmtree(left)  # of a backup that was cut off; nobody else is making one
        try:
            part.mkdir(mode=0o700)
            say("the database")
            dump(conninfo, part / "database.dump")
            # After the database: a photo is kept before the row that names it.
            say("photos")
            if isinstance(photos, Path):
                _pack(photos, part / "photos.tar")
            else:
                _pack_pictures(photos, part / "photos.tar")
            say("the library's files")
            _pack(library, part / "library.tar")
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


def _pack_pictures(pictures: Pictures, file: Path) -> None:
    """The same of a store that is no folder, one at a time."""
    import tarfile

    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in pictures():
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(content), 0o600
            tar.addfile(about, io.BytesIO(content))
            tar.members = []  # type: ignore[reportAttributeAccessIssue]
    file.chmod(0o600)


def pictures_of(album: Album) -> Pictures:
    """The photos of an album's store, for a thread beside the loop that this is called on. One that was swept meanwhile is left out."""
    loop = asyncio.get_running_loop()

    def pictures() -> Iterator[tuple[str, bytes]]:
        page = ask_loop(loop, album.stored_after())
        while page:
            for _, name in page:
                content = ask_loop(loop, album.bytes_of(name))
                if content is not None:
                    yield name, content
            page = ask_loop(loop, album.stored_after(page[-1][0]))

    return pictures


def _files_below(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders.sort()
        if Path(where) == folder and SIGNS in folders:
            folders.remove(SIGNS)
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


def restore_backup(folder: Path, conninfo: str, *, photos: Path | PutBack, library: Path, say: Say) -> None:
    """Everything of a backup into an empty place, or nothing of its database. *Errors*: BackupProblem, NotDumped."""
    if has_platform(conninfo):
        raise BackupProblem(
            "There is a platform in this place already, and nothing is written over. Name an empty folder with --data."
        )
    kept = folder / "photos.tar"
    if kept.exists() and not isinstance(photos, Path):
        _put_back(kept, photos, say)
    elif kept.exists() and isinstance(photos, Path):
        _unpack(kept, photos, say)
    if (folder / "library.tar").exists():
        _unpack(folder / "library.tar", library, say)
    say("the database")
    restore(conninfo, folder / "database.dump")


def _put_back(kept: Path, put_back: PutBack, say: Say) -> None:
    """Photos into a store that is no folder, one at a time; whatever is named otherwise is none."""
    import tarfile

    say("photos")
    with tarfile.open(kept) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is not None and STORED.fullmatch(member.name):
                put_back(member.name, content.read(MAX_SENT_BYTES))
            tar.members = []  # type: ignore[reportAttributeAccessIssue]


def _unpack(kept: Path, folder: Path, say: Say) -> None:
    """Files into an empty folder. *Errors*: BackupProblem where there are some."""
    import tarfile

    if folder.exists() and any(each.name != SIGNS for each in folder.iterdir()):
        raise BackupProblem(f"There are files in {folder} already. Name an empty folder with --data.")
    say(kept.stem)
    _make_private(folder)
    with tarfile.open(kept) as tar:
        for member in tar:
            tar.extract(member, folder, filter="data")
            tar.members = []  # type: ignore[reportAttributeAccessIssue]
