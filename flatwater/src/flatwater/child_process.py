"""A Python program run in a process of its own, with bounds on time and on what it says: what it loads goes with it, and it takes nobody along.

For what is heavy and seldom, or reads what strangers made. Memory and processor are bounded by the program itself, which knows what it loads.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Final

import msgspec

PIECE_BYTES: Final = 64 * 1024
COMPLAINT_BYTES: Final = 64 * 1024


class Ended(msgspec.Struct, frozen=True):
    """How a program ended: its status (less than 0 for the signal that ended it), and what it said. None where it said more than it may."""

    status: int
    said: bytes | None
    complaint: str = ""


async def run_program(
    *words: str, content: bytes = b"", within_s: float, most_bytes: int, keeps_complaint: bool = False
) -> Ended:
    """Runs this Python with `words`, and `content` on its standard input; over when the program is, which is never later than `within_s` from now.

    `-I` comes first: nothing but what is installed is loaded, no file that lies around; and what is loaded keeps no columns, a megabyte less. Of standard error the beginning is kept where that is asked.
    *Errors*: TimeoutError; OSError where it can't be started. Whichever it is, and when whoever asked is cancelled, the process is gone after.
    """
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-X", "no_debug_ranges", *words),
        stdin=pipe if content else nowhere,
        stdout=pipe,
        stderr=pipe if keeps_complaint else nowhere,
    )
    try:
        async with asyncio.timeout(within_s):
            _, said, complaint = await asyncio.gather(
                _send(process.stdin, content),
                _read(process.stdout, most_bytes),
                _read(process.stderr, COMPLAINT_BYTES),
            )
            status = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    is_whole = len(said) <= most_bytes
    return Ended(status, bytes(said) if is_whole else None, complaint.decode(errors="replace"))


async def _send(stream: asyncio.StreamWriter | None, content: bytes) -> None:
    if stream is None:
        return
    with suppress(
        BrokenPipeError, ConnectionResetError
    ):  # it ended without having read all of it, and its status says why
        stream.write(content)
        await stream.drain()
    stream.close()


async def _read(stream: asyncio.StreamReader | None, most_bytes: int) -> bytearray:
    """What is said, to its end; of more than may be said one byte is kept more than that, and the rest is let go."""
    said = bytearray()
    while stream is not None and (piece := await stream.read(PIECE_BYTES)):
        said += piece[: most_bytes + 1 - len(said)]
    return said
