"""The library's files: a folder of their own in the data directory, each under its SHA-256."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from rightlevel.programme.errors import Fault, Invalid
from rightlevel.programme.resources.model import MAX_FILE_BYTES, MEGABYTE, KeptFile, media_type_of

PIECE_BYTES = 64 * 1024
HEAD_BYTES = 64
LONGEST_FILE_NAME = 200


class Files:
    """The folder. What is in it and in no row is removed by `remove`, which the library calls for what was deleted long ago."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def keep(self, path: Path, file_name: str) -> KeptFile:
        """Copies a file in, when its content is of a kind that the library takes. *Errors*: Invalid."""
        return await asyncio.to_thread(self._keep, path, file_name)

    def _keep(self, path: Path, file_name: str) -> KeptFile:
        size_bytes = path.stat().st_size
        if not 0 < size_bytes <= MAX_FILE_BYTES:
            rule = f"Between 1 byte and {MAX_FILE_BYTES // MEGABYTE} MB"
            raise Invalid(faults=(Fault("file", rule, str(size_bytes)),))
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        part = self._folder / f"{uuid4().hex}.part"
        digest = sha256()
        try:
            with path.open("rb") as source, part.open("xb") as target:
                media_type = media_type_of(source.read(HEAD_BYTES))
                if media_type is None:
                    raise Invalid(
                        faults=(Fault("file", "A PDF, a picture, a sound or a video", file_name[:80]),)
                    )
                source.seek(0)
                while piece := source.read(PIECE_BYTES):
                    digest.update(piece)
                    target.write(piece)
                target.flush()
                os.fsync(target.fileno())
            part.replace(self._folder / digest.hexdigest())
        finally:
            part.unlink(missing_ok=True)
        return KeptFile(file_name[-LONGEST_FILE_NAME:], media_type, size_bytes, digest.hexdigest())

    async def read(
        self, digest: str, *, first: int = 0, size_bytes: int = MAX_FILE_BYTES
    ) -> AsyncIterator[bytes]:
        """A file, or so many bytes of it from one on, piece by piece. *Errors*: FileNotFoundError before anything is given."""
        file = await asyncio.to_thread((self._folder / digest).open, "rb")
        try:
            await asyncio.to_thread(file.seek, first)
            while piece := await asyncio.to_thread(file.read, min(size_bytes, PIECE_BYTES)):
                size_bytes -= len(piece)
                yield piece
        finally:
            file.close()

    async def has(self, digest: str) -> bool:
        """Whether a file is there."""
        return await asyncio.to_thread((self._folder / digest).is_file)

    async def remove(self, digests: list[str]) -> None:
        """Removes files that no row refers to any more."""
        for digest in digests:
            await asyncio.to_thread((self._folder / digest).unlink, missing_ok=True)
