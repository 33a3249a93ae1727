"""Where the bytes of photos lie: a folder of the platform's own, or an S3-compatible store."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC
from hashlib import sha256
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from flatwater.clock import Clock
from flatwater.errors import Refused
from rightlevel.programme.photos.model import MAX_KEPT_BYTES
from rightlevel.programme.photos.signing import Keys, authorization, path_of

STORE_S: Final = 10.0
AT_ONCE: Final = 4
"""Requests to the store at the same time: a page of five photos asks for them one by one."""


class StoreUnreachable(Refused):
    """The store of photos does not answer. Please try again in a minute."""


class Store(Protocol):
    """Keeps bytes under names that are made once and never written again."""

    async def put(self, name: str, content: bytes) -> None: ...

    async def get(self, name: str) -> bytes | None: ...

    async def remove(self, name: str) -> None: ...


class FolderStore:
    """A folder of files. *Cost*: each call in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, content: bytes) -> None:
        await asyncio.to_thread(self._put, name, content)

    async def get(self, name: str) -> bytes | None:
        return await asyncio.to_thread(self._get, name)

    async def remove(self, name: str) -> None:
        await asyncio.to_thread(lambda: self._path(name).unlink(missing_ok=True))

    def _path(self, name: str) -> Path:
        path = self._folder / name
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise ValueError(f"{name!r} lies outside the store")
        return path

    def _put(self, name: str, content: bytes) -> None:
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.chmod(0o700)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    def _get(self, name: str) -> bytes | None:
        try:
            with self._path(name).open("rb") as file:
                return file.read(MAX_KEPT_BYTES)
        except FileNotFoundError:
            return None


class BucketStore:
    """A bucket of an S3-compatible store, addressed by path. *Cost*: one signed request each, in a thread, at most four at once."""

    def __init__(self, address: str, bucket: str, keys: Keys, clock: Clock) -> None:
        self._address = urlsplit(address)
        if self._address.scheme not in ("http", "https") or not self._address.hostname:
            raise ValueError(f"the store's address is no http(s) address: {address!r}")
        self._bucket = bucket
        self._keys = keys
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE)

    def __repr__(self) -> str:
        return f"BucketStore({self._address.hostname})"

    async def put(self, name: str, content: bytes) -> None:
        status, _ = await self._ask("PUT", name, content)
        if status != 200:
            raise StoreUnreachable(retry_after_s=60)

    async def get(self, name: str) -> bytes | None:
        status, content = await self._ask("GET", name)
        if status == 404:
            return None
        if status != 200:
            raise StoreUnreachable(retry_after_s=60)
        return content

    async def remove(self, name: str) -> None:
        status, _ = await self._ask("DELETE", name)
        if status not in (200, 204, 404):
            raise StoreUnreachable(retry_after_s=60)

    async def _ask(self, method: str, name: str, content: bytes = b"") -> tuple[int, bytes]:
        from http.client import HTTPException  # loaded where there is a store: most programmes have a folder

        async with self._turns:
            try:
                return await asyncio.to_thread(self._ask_now, method, name, content)
            except (OSError, HTTPException) as error:
                raise StoreUnreachable(retry_after_s=60) from error

    def _ask_now(self, method: str, name: str, content: bytes) -> tuple[int, bytes]:
        now = self._clock.now().astimezone(UTC)
        path, payload = path_of(self._bucket, name), sha256(content).hexdigest()
        headers = {
            "host": self._address.netloc,
            "x-amz-content-sha256": payload,
            "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}",
        }
        signed = {
            **headers,
            "authorization": authorization(
                self._keys, method, path=path, query={}, headers=headers, payload_sha256=payload, now=now
            ),
        }
        from http.client import HTTPConnection, HTTPSConnection

        kind = HTTPSConnection if self._address.scheme == "https" else HTTPConnection
        connection = kind(self._address.hostname or "", self._address.port, timeout=STORE_S)
        try:
            connection.request(method, path, body=content or None, headers=signed)
            answer = connection.getresponse()
            return answer.status, answer.read(MAX_KEPT_BYTES)
        finally:
            connection.close()
