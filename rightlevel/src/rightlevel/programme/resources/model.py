"""What the library holds, and what may be put into it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, cast
from urllib.parse import urlsplit

import msgspec

from rightlevel.programme.errors import Fault
from rightlevel.programme.levels import SCALES
from rightlevel.programme.names import unseen_faults
from rightlevel.programme.permissions import Subject

ResourceKind = Literal["activity", "file", "link"]
KINDS: tuple[ResourceKind, ...] = ("activity", "file", "link")
MEGABYTE = 1_000_000
MAX_FILE_BYTES = 25 * MEGABYTE
"""*Source*: a lesson of ten minutes as spoken sound is 10 MB, a printable book with pictures 20 MB; longer videos are links."""
MAX_TOTAL_BYTES = 2_000 * MEGABYTE
MAX_RESOURCES = 2_000
KEPT_AFTER_DELETION_DAYS = 30
VIEW_DAYS = 400
LONGEST_URL = 1_000
LONGEST_TITLE = 200
LONGEST_WORDS = 4_000


class NewResource(msgspec.Struct, frozen=True):
    """An activity in words, or a link; a file comes with `NewFile`. Without a subject it is for both, without levels for all."""

    kind: str
    title: str
    words: str = ""
    subject: str | None = None
    level_from: str | None = None
    level_to: str | None = None
    url: str | None = None


class ResourceChange(msgspec.Struct, frozen=True):
    """What is put in place of what a resource says; its file stays."""

    version: int
    title: str
    words: str = ""
    subject: str | None = None
    level_from: str | None = None
    level_to: str | None = None
    url: str | None = None


class KeptFile(msgspec.Struct, frozen=True):
    """A file in the folder, under its SHA-256, with its type as its content says."""

    file_name: str
    media_type: str
    size_bytes: int
    sha256: str


class Resource(msgspec.Struct, frozen=True):
    """One activity, file or link, with how often it was opened in the last 400 days."""

    id: int
    kind: str
    title: str
    words: str
    subject: str | None
    level_from: str | None
    level_to: str | None
    url: str | None
    file_name: str | None
    media_type: str | None
    size_bytes: int | None
    views: int
    version: int
    is_deleted: bool
    created_at: datetime


class StoredFile(msgspec.Struct, frozen=True):
    """What it takes to send a resource's file."""

    file_name: str
    media_type: str
    size_bytes: int
    sha256: str


class ResourceSearch(msgspec.Struct, frozen=True):
    """Which resources are asked for: for a subject and a level in it."""

    subject: str | None = None
    level: str | None = None
    deleted: bool = False


def resource_faults(new: NewResource | ResourceChange, kind: str) -> list[Fault]:
    """What is wrong with a resource by itself."""
    faults: list[Fault] = []
    if kind not in KINDS:
        faults.append(Fault("kind", f"One of: {', '.join(KINDS)}", kind[:60]))
    if not 1 <= len(new.title.strip()) <= LONGEST_TITLE:
        faults.append(Fault("title", f"Between 1 and {LONGEST_TITLE} characters", new.title[:60]))
    faults += unseen_faults(title=new.title)
    if len(new.words) > LONGEST_WORDS:
        faults.append(Fault("words", f"At most {LONGEST_WORDS} characters"))
    if kind == "link" and not is_https(new.url or ""):
        faults.append(Fault("url", "An address that begins with https://", (new.url or "")[:80]))
    if kind != "link" and new.url:
        faults.append(Fault("url", "Only a link has an address", new.url[:80]))
    return faults + _level_faults(new)


def _level_faults(new: NewResource | ResourceChange) -> list[Fault]:
    if new.subject is not None and new.subject not in SCALES:
        return [Fault("subject", f"One of: {', '.join(SCALES)}", new.subject[:60])]
    if (new.level_from is None) != (new.level_to is None) or (
        new.level_from is not None and new.subject is None
    ):
        return [Fault("level_from", "A subject with the first and the last level, or no level")]
    if new.level_from is None or new.level_to is None:
        return []
    codes = list(SCALES[cast("Subject", new.subject)].codes)
    if new.level_from not in codes or new.level_to not in codes:
        return [Fault("level_from", f"One of: {', '.join(codes)}", f"{new.level_from} {new.level_to}"[:60])]
    if codes.index(new.level_to) < codes.index(new.level_from):
        return [Fault("level_to", "Not below the first level", new.level_to)]
    return []


def is_https(url: str) -> bool:
    """Whether a text is an address that a browser may be sent to: https, with a host, without a name or password in it."""
    if len(url) > LONGEST_URL or not url.isprintable() or any(each in url for each in ' "<>\\'):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return url.startswith("https://") and bool(host) and "@" not in parts.netloc


MEDIA_TYPES = (
    "application/pdf",
    "image/png",
    "image/jpeg",
    "image/webp",
    "audio/ogg",
    "audio/mpeg",
    "audio/mp4",
    "audio/wav",
    "video/mp4",
    "video/webm",
)
"""What `media_type_of` can say."""


def media_type_of(head: bytes) -> str | None:
    """The type of a file by its first bytes, never by its name; None for what the library doesn't take.

    *Source*: WHATWG MIME Sniffing, tables of image, audio, video and archive types; RFC 8118 for PDF.
    """
    for start, kind in (
        (b"%PDF-", "application/pdf"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff", "image/jpeg"),
        (b"OggS\x00", "audio/ogg"),
        (b"ID3", "audio/mpeg"),
        (b"\x1a\x45\xdf\xa3", "video/webm"),
    ):
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return "audio/mp4" if head[8:12] in (b"M4A ", b"M4B ") else "video/mp4"
    if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE6 in (0xE2, 0xE4) and head[1] & 0xE0 == 0xE0:
        return "audio/mpeg"
    return None
