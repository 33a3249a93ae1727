"""The OpenAPI document: made once for each state of the program, and kept compressed beside Python's own compiled files."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

import flatwater
import rightlevel
from flatwater.contract import Everyone, Raw, Registry
from flatwater.openapi import openapi
from rightlevel import __version__
from rightlevel.web.application import is_answered_with_pages
from rightlevel.web.refusals import EVERY_ANSWER, ProblemsOfRoutes
from rightlevel.web.request import Request
from rightlevel.web.routes import Routes

DOCUMENT_S: Final = 30.0
"""Making the document takes a second or two of a processor; where many work on a small machine, that is more than a read may take."""
SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": "rl_session"},
}
KEPT: Final = Path(__file__).parent / "__pycache__"


def document(registry: Registry) -> bytes:
    """The OpenAPI document of all routes, as bytes. *Cost*: 1 s, and 8 MB that the process keeps for ever after."""
    told = openapi(
        registry,
        title="RightLevel",
        version=__version__,
        security=SECURITY,
        problems=ProblemsOfRoutes(),
        in_pages=is_answered_with_pages,
        headers=EVERY_ANSWER,
    )
    return msgspec.json.encode(told)


def kept_document(registry: Registry, folder: Path = KEPT) -> bytes:
    """The document, compressed by gzip: as an earlier process of this very program kept it, else made now and kept where that can be written.

    *Cost*: a look at each file of the program, 10 ms, and a file of 0.1 MB; the first time that of `document`.
    """
    path = folder / f"openapi-{_state_of_program()}.json.gz"
    with suppress(OSError):
        return path.read_bytes()
    made = gzip.compress(document(registry), mtime=0)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        own = path.with_suffix(f".{os.getpid()}")
        own.write_bytes(made)
        own.replace(path)
        for each in folder.glob("openapi-*"):
            if each != path:
                each.unlink()
    return made


def _state_of_program() -> str:
    """What tells this program from the same before something of it was changed."""
    seen = hashlib.blake2b(digest_size=12)
    for package in (flatwater, rightlevel):
        root = Path(package.__file__ or "").parent
        for path in sorted(root.rglob("*.py")):
            state = path.stat()
            seen.update(f"{path.relative_to(root)} {state.st_size} {state.st_mtime_ns}\n".encode())
    return seen.hexdigest()


def document_route(registry: Registry) -> Registry:
    """The route that serves the document of a registry, itself included."""
    own = Routes("service")
    kept: list[bytes] = []

    @own.get(
        "/api/v1/openapi.json", Everyone(), work="none", deadline_s=DOCUMENT_S, media=("application/json",)
    )
    async def openapi_document(request: Request) -> Raw:  # pyright: ignore[reportUnusedFunction]
        """This API, described for programs."""
        if not kept:
            # Where it must be made, looking through the code of every handler takes a second; others go on meanwhile.
            kept.append(await asyncio.to_thread(kept_document, registry))
        return Raw(gzip.decompress(kept[0]), "application/json")

    return own
