"""Photos: what they are, their bounds, and what content may be one."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

MAX_PHOTOS: Final = 5
"""*Source*: product page, section 6."""
MAX_SENT_BYTES: Final = 12_000_000
"""What a phone's camera makes, where nothing made it smaller on the way."""
LONGEST_SIDE: Final = 1_600
"""Pixels: a blackboard can be read, and a page of five stays under 2 MB on a slow network."""
MAX_KEPT_BYTES: Final = 2_000_000
MAX_PIXELS: Final = 40_000_000
"""The largest photo that common phones make; a JPEG of it is decoded at an eighth to a half of its size, and takes at most 78 MB."""
MAX_COEFFICIENT_BYTES: Final = 37_000_000
"""A progressive JPEG is held whole before any of it is seen: 12 megapixels with half the colours, 6 with all, take 68 to 79 MB. Cameras make none."""
MAX_PNG_PIXELS: Final = 3_700_000
"""Decoded whole: a screen of 2,560 × 1,440, with transparency, takes 74 MB."""
MAX_WEBP_PIXELS: Final = 2_100_000
"""Decoded whole, several times over: what messengers send, up to 1,920 × 1,080, takes 64 MB."""
MAX_SCHOOL_BYTES: Final = 200_000_000
MAX_ALL_BYTES: Final = 20_000_000_000
LINK_LIFE_S: Final = 900.0
REMOVED_FOR_DAYS: Final = 30

Kind = Literal["jpeg", "png", "webp"]


class Photo(msgspec.Struct, frozen=True):
    """One photo of a visit."""

    id: str
    visit_id: str
    size_bytes: int
    width: int
    height: int
    keeps_place: bool
    created_at: datetime


class Shrunk(msgspec.Struct, frozen=True):
    """A photo made small: JPEG, its longest side at most 1,600 pixels, nothing in it but the picture (and its place, if wanted)."""

    content: bytes
    width: int
    height: int


def kind_of(content: bytes) -> Kind | None:
    """What a file is by its first bytes, whatever it is called; None for anything but JPEG, PNG and WebP."""
    if content[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    return None


def stored_name(visit_id: str, photo_id: str) -> str:
    """Where a photo's bytes lie in the store."""
    return f"visits/{visit_id[-2:]}/{visit_id}/{photo_id}.jpg"
