"""A photo as phones send it, for the API and for pages."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

import msgspec

from flatwater.contract import Upload
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.photos import MAX_SENT_BYTES, Photo
from rightlevel.web.authority import actor_again
from rightlevel.web.request import SMALL_BODY, Request, actor_of

PHOTO_S: Final = 60.0
SHRINKING_BYTES: Final = 62_000_000
"""What making a photo of 6 or 7 megapixels small takes beside, the most that is held whole (a larger one is decoded at half its size: 44 MB); the
phone's own pictures are sent small and take a third."""
PHOTO_BODY: Final = MAX_SENT_BYTES + SMALL_BODY


class SentPhoto(msgspec.Struct, frozen=True):
    """What comes beside a photo: its id, a UUID made by the client, and whether the place where it was taken is kept."""

    id: str
    keeps_place: bool = False


async def add_photo(request: Request, visit_id: str, form: SentPhoto, upload: Upload | None) -> Photo:
    """The photo that was sent, kept. *Errors*: Invalid without one, and what the album refuses."""
    if upload is None or not upload.size_bytes:
        raise Invalid(faults=(Fault("file", "Please choose a file"),))
    if upload.size_bytes > MAX_SENT_BYTES:
        raise Invalid(faults=(Fault("file", "At most 12 MB"),))
    content = await asyncio.to_thread(upload.path.read_bytes)
    # What room can be had is made; a photo that was taken in a classroom is not refused where there is too little.
    async with request.app.room.beside(SHRINKING_BYTES):
        return await request.app.album.add(
            actor_of(request),
            visit_id,
            form.id,
            content,
            keeps_place=form.keeps_place,
            again=partial(actor_again, request),
        )
