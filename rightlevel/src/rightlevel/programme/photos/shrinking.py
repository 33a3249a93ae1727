"""Makes photos small, one at a time, in a process of its own that is gone with its memory afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from flatwater.child_process import run_program
from flatwater.errors import Refused
from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.photos.model import (
    LONGEST_SIDE,
    MAX_COEFFICIENT_BYTES,
    MAX_KEPT_BYTES,
    MAX_PIXELS,
    MAX_PNG_PIXELS,
    MAX_SENT_BYTES,
    MAX_WEBP_PIXELS,
    Shrunk,
    kind_of,
)

PROGRAM: Final = str(Path(__file__).with_name("shrinking_program.py"))
SHRINK_S: Final = 20.0
"""A photo of 40 megapixels takes about a second on the smallest machine."""
MOST_SAID_BYTES: Final = MAX_KEPT_BYTES + 1024
"""The photo made small, and the line before it."""
WAITING: Final = 8
"""Photos that wait their turn; more are asked to come again."""


class PhotosBusy(Refused):
    """Many photos are being sent at this moment. Please try again."""


class Told(msgspec.Struct, frozen=True):
    """What the program says of a photo."""

    peak_bytes: int
    refused: str = ""
    width: int = 0
    height: int = 0


REFUSALS: Final = {
    "too_many_pixels": "This picture has too many pixels: make it smaller first",
    "damaged": "This picture is damaged",
}


class Shrinker:
    """Makes one photo small after the other. *Cost*: about 0.3 s and at most 80 MB, outside this process, while one is made."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0
        self.peak_bytes = 0

    async def shrink(self, content: bytes, *, keeps_place: bool) -> Shrunk:
        """The photo made small. *Errors*: Invalid for what is no photo or too large; PhotosBusy."""
        if len(content) > MAX_SENT_BYTES:
            raise Invalid(faults=(Fault("file", "At most 12 MB"),))
        if kind_of(content) is None:
            raise Invalid(faults=(Fault("file", "A photo: JPEG, PNG or WebP"),))
        if self._waiting >= WAITING:
            raise PhotosBusy(retry_after_s=5)
        self._waiting += 1
        try:
            async with self._turn:
                told, made = await _run(content, keeps_place=keeps_place)
        finally:
            self._waiting -= 1
        self.peak_bytes = max(self.peak_bytes, told.peak_bytes)
        if told.refused:
            raise Invalid(faults=(Fault("file", REFUSALS[told.refused]),))
        if not 0 < len(made) <= MAX_KEPT_BYTES:
            raise Invalid(faults=(Fault("file", REFUSALS["too_many_pixels"]),))
        return Shrunk(made, told.width, told.height)


async def _run(content: bytes, *, keeps_place: bool) -> tuple[Told, bytes]:
    limits = (LONGEST_SIDE, MAX_PIXELS, MAX_COEFFICIENT_BYTES, MAX_PNG_PIXELS, MAX_WEBP_PIXELS, keeps_place)
    bounds = [str(int(each)) for each in limits]
    try:
        ended = await run_program(
            PROGRAM, *bounds, content=content, within_s=SHRINK_S, most_bytes=MOST_SAID_BYTES
        )
    except TimeoutError as error:
        raise Invalid(faults=(Fault("file", REFUSALS["too_many_pixels"]),)) from error
    if ended.said is None:
        raise Invalid(faults=(Fault("file", REFUSALS["too_many_pixels"]),))
    first, _, made = ended.said.partition(b"\n")
    if ended.status != 0 or not first:
        # Ended from outside, as by the system when memory is short: the photo is not at fault for sure, but can't be kept.
        raise Invalid(faults=(Fault("file", REFUSALS["damaged"]),))
    return msgspec.json.decode(first, type=Told), made
